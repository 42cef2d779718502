// Package cluster reaches a Cortex or Mimir cluster that keeps workspaces of Managed Prometheus in place of package series.
//
// # Words
//
// A tenant of the cluster is a workspace; its id, which nobody else chooses, is the tenant's. The overrides are the part of the
// cluster's runtime configuration that says of each tenant under which key its objects are kept, and for how long.
//
// # What holds
//
//   - The tenant's id goes with every request, and is set here from the workspace. Of a client's headers only those that say what
//     the body is are handed on; of its path nothing is that is not in a table or checked letter by letter.
//   - Every connection is TLS with certificates on both sides: a server that does not ask for ours is not spoken to, because whoever
//     reaches it could be any tenant.
//   - An answer is bounded in bytes, a request in time. What the cluster says of itself, with a status of 5xx or one that only a
//     wrong configuration explains, is not repeated to clients.
//
// # Map
//
//	cluster.go    Cluster: connections, requests
//	paths.go      where Cortex and Mimir have what
//	forward.go    Prometheus's and Alertmanager's HTTP API
//	store.go      Store: the series of a tenant, for the house's own detectors
//	append.go     and what it writes itself, for its scrapers too
//	config.go     rule groups, definitions of alert managers, deletion of tenants
//	overrides.go  the overrides, written and read back
package cluster
