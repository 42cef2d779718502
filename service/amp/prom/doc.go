// Package prom is the HTTP API of Prometheus over the series of one workspace: upstream's own handlers, parser and
// engine on top of a sealed store (package series). It knows nothing of signatures, policies and keys.
//
// # What holds
//
//   - A status tells a sender what to do: below 300, all of the request is durable; 400, 413, 415 and 422, the same request
//     will fail again (of a remote write, the samples that were good are kept all the same); 429 and 5xx, send it again.
//     Upstream's own codes and sentences stand where it has them.
//   - What a request may cost is bounded before it is paid: bytes, what they unfold to, labels, series, samples, time, and how
//     much of it runs at one moment. The bounds are the workspace's (Limits).
//   - A workspace runs no more at one moment than there are processors and one, of writes and of queries each; what is more
//     waits, and beyond that is refused; of all workspaces together no more compute than leave a thread free, and they take turns
//     of a millisecond, also while they pass over what they do not want; what takes long in a workspace, writes and queries together, has one processor less beside another; what is answered within half a millisecond
//     waits for no turn, unless it is one of several beside another workspace. What computes lets others have its processor between, of Go's goroutines and of the kernel's threads. What reads for long goes on with
//     a lower priority in the kernel (package apart). So a flood or a monster query leaves the others a fair part of the machine, and at once.
//   - Names and values of labels reach no log: upstream's loggers are discarded.
//
// # Map
//
//	prom.go     API: the handlers of a workspace, and which paths there are
//	limits.go   Limits, and how they are counted
//	gate.go     what of a workspace runs at one moment, and who waits
//	turns.go    what of all workspaces computes at one moment, in turns
//	write.go    remote write and OTLP: what is looked at before upstream's code, and after
//	negotiate.go which message a remote write is
//	decode.go   remote writes of version 1 taken apart
//	decode2.go  those of version 2
//	known.go    series by the bytes in which senders name them
//	take.go     what was decoded, appended and answered as upstream's handler does
//	append.go   the appender that holds the limits
//	scan.go     what a protobuf message would unfold to; its metadata
//	forward.go  requests for series that another system keeps
//	cost.go     what queries cost that another system has answered
//	screen.go   which series of a write break a limit, before it is handed on
//	query.go    the engine and the queryables with the limits of queries
//	answer.go   answers that are kept until the call is recorded
//	pack.go     and compressed, where it is worth it
//	metadata.go metadata of metrics
package prom
