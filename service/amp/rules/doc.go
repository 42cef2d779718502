// Package rules evaluates the recording and alerting rules of a workspace, with Prometheus's own rules manager.
//
// # Words
//
// A file is what the owner of a workspace put into a namespace: YAML as Prometheus reads it, with groups of rules. A
// store is where rules read and write samples; a source lends it out for as long as one evaluation takes, or says
// why it cannot. A manager evaluates all files of one workspace.
//
// # What holds
//
//   - A file is read by the same code that Prometheus has. Whatever is wrong is told with line and column.
//   - Nothing is evaluated without a store that the source lent for this evaluation: when the key of a workspace
//     cannot be used, its rules stop with the next evaluation at the latest, and whoever runs the manager is told.
//   - Recorded samples, ALERTS and ALERTS_FOR_STATE go through the store's appender like all others. How long an alert has
//     been pending is read back from there after a restart.
//   - No text of a rule, no label and no value is ever logged.
//
// # Map
//
//	file.go     Parse: a file, its limits, what is wrong with it
//	manager.go  Manager: the rules of one workspace
//	lend.go     what upstream's manager is given instead of a store
package rules
