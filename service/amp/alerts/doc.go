// Package alerts routes the alerts of a workspace to those who are to know, with Alertmanager's own dispatcher, inhibition,
// silences and notification log.
//
// # Words
//
// A definition is what the owner of a workspace wrote: YAML with the sections alertmanager_config and template_files. A
// receiver has integrations, of the kinds webhook, email, sns, pagerduty and incident. A manager is the Alertmanager of
// one workspace. Its state (silences, notification log, alerts) is in a storage, which seals it.
//
// # What holds
//
//   - A definition never makes the house read one of its files, and never comes back with its secrets in an answer of
//     api/v2, in an error of a delivery or in a log.
//   - Connections go to public addresses, or to where the operator says (Outgoing). The address is judged after the name was
//     resolved. They are bounded in time and in what they may answer; redirects and proxies are not followed.
//   - A silence that was answered is in the storage. Alerts and the notification log follow within seconds, so that
//     after a crash a notification may be sent again but none is forgotten.
//   - Nothing of one workspace is known to the manager of another.
//
// # Map
//
//	definition.go  Parse: a definition, its limits, what is wrong with it
//	secure.go      what of Alertmanager's configuration is allowed
//	locate.go      where in a definition something is wrong
//	outgoing.go    which addresses receivers may have
//	receiver.go    integrations of a receiver
//	email.go sns.go incident.go    those that are ours; the seam of incidents
//	manager.go     Manager: one workspace's Alertmanager
//	state.go       what is kept of it
//	api.go         api/v2 over HTTP
package alerts
