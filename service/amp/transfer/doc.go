// Package transfer moves time series into a workspace from Prometheus, and out of one into blocks that Prometheus
// reads. It is a client of the house like any other: samples go in by remote write and come out by remote read, over HTTPS and with
// the caller's own signature.
//
// # What holds
//
//   - What a folder or a dump holds is sent in the order of time, half an hour of all series after the other, so that a workspace
//     takes it without a window for samples out of order.
//   - A step is noted as done only when all of it is durable in the workspace. An import that was cut short goes on with the step
//     it was at; samples that this step had brought in already are not brought in twice. Those that the workspace cannot take any more,
//     because another sender was faster, are counted and told: which they are is found by reading them back.
//   - What the workspace refuses ends the import and is told. Nothing is left out in silence.
//   - A block that is written out is whole, or not there.
//
// # Map
//
//	source.go      a Prometheus data directory or snapshot
//	openmetrics.go a dump in the OpenMetrics format
//	sender.go      remote write, tried again while that may help
//	import.go      step after step, and the note of how far it came
//	missing.go     what a step that was sent twice has not brought in
//	export.go      remote read into blocks
//	ask.go         questions to the HTTP API, for package discover
package transfer
