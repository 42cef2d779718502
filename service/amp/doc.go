// Package amp is Amazon Managed Service for Prometheus: workspaces of metrics that nobody reads without the workspace's key.
//
// # Words
//
// A workspace holds the metrics of one tenant. It is under a service owned key, or under the key that its creator named, for
// ever. What it keeps is opened and closed by package tenant; this package keeps what the API shows of it, and decides.
//
// # What holds
//
//   - The three grants on a customer's key are made with the caller's own permission, within CreateWorkspace; nothing else ever
//     acts for the caller on his key.
//   - A workspace that cannot be used yet, or any more, is not there for its data.
//   - What is kept of a workspace stands under one prefix of the store, in one folder and in blobs that one of these names, and
//     goes with it.
//
// # Map
//
//	service.go                  Open, and what the service consists of
//	names.go                    ARNs, the keys of the store
//	workspace.go                the record of a workspace; making and deleting one
//	settings.go                 configuration, logging, policy of a workspace
//	logging.go                  logs of rules, alerts and queries, which package vend delivers
//	scraper.go refusing.go      scrapers, which package scrape runs
//	grant.go                    a customer's key
//	store.go token.go tags.go   reading and changing; client and page tokens; tags
//	jobs.go                     work in the background
//	quota.go errors.go          limits, and what crosses the wire
//	rules.go api_rules.go       namespaces of rule groups
//	alertmanager.go             the definition of the alert manager
//	alerting.go worker.go       who runs rules and alert managers, as long as keys can be used
//	detector.go                 anomaly detectors, which package detect runs
//	preview.go                  what a detector would say of a range of time
//	target.go                   what a call acts on, the condition keys of policies
//	elsewhere.go handing.go     workspaces that a metrics cluster keeps, over package cluster
//	scraperlog.go               logs of scrapers
//	ruleengine.go               queries of rules, and what they cost
//	data.go data_target.go      the data plane: Prometheus's API and Alertmanager's, over package prom
//	api_*.go                    handlers
package amp
