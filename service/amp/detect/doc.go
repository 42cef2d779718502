// Package detect runs the anomaly detectors of a workspace: at every interval the query of a detector is asked of the workspace's series, each series
// of the answer is judged by a random cut forest (package rcf), and the judgement is written back as series.
//
// # Words
//
// A store is where detectors read and write samples; a source lends it out for as long as one evaluation takes, or says why
// it cannot. A model is what a detector knows of one series of its query. Training is to show a new model what the series was before.
//
// # What holds
//
//   - Nothing is evaluated without a store that the source lent for this evaluation: when the key of a workspace cannot be used, its detectors
//     stop with the next evaluation at the latest, and whoever runs the manager is told. Models are memory only; Stop drops them.
//   - A model is a function of the samples that are stored, the configuration and the detector's id: it is trained again from the workspace's
//     own series when the house begins, when the key is back and when the detector is changed. So no second copy of what was learned has to be sealed, kept
//     in step with the samples, and thrown away with them.
//   - What a detector writes goes through the store's appender like all other samples: durable, sealed, within the limits of the workspace.
//   - The number of series of a detector and the memory of all models of a house are bounded.
//   - No text of a query, no label and no value is ever logged.
//
// # Map
//
//	config.go    what a detector is told, and whether it may be
//	store.go     Store: the series of a workspace, here or elsewhere
//	manager.go   Manager: when detectors run
//	evaluate.go  one evaluation: ask, judge, write
//	preview.go   what a detector would say of a range of time, written nowhere
package detect
