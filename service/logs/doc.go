// Package logs is CloudWatch Logs: groups of streams of events, sealed under a key of their owner.
//
// # Words
//
// An event is a time and a message. Events stand in streams, streams in groups; a group says how long events are kept and
// under which key. What one PutLogEvents brings is a segment: events in order of time, a day at most, sealed together.
//
// # What holds
//
//   - Messages are sealed, all of them: under the account's key of the service, or under the key that the group names, with the
//     group's ARN as encryption context (aws:logs:arn). Names, times, sizes and tags are not.
//   - A segment is durable when PutLogEvents answers: bytes first, then the record that names them.
//   - A group has a data key for a week's segments. No data key is kept in memory: every writing and every reading asks KMS once
//     for each data key that it needs, as the service itself, so that a key that cannot be used counts with the next call.
//   - What is sealed under a key that the group no longer names stays under it.
//   - Events that are older than the group keeps them are not shown, and removed with their segment; a data key goes with the
//     last segment that it has sealed.
//   - A group that is deleted is gone at once; what it has kept is removed in the background, under its own id, so that a group
//     of the same name that is made later never meets it.
//   - A service that acts as itself acts in the account for whose resource it does so, and only where a resource policy of that
//     account lets it.
//
// # Map
//
//	service.go            Open, and what the service consists of
//	names.go              ARNs, the keys of the store
//	group.go stream.go    records of groups and streams
//	datakey.go            data keys, and what KMS says of them
//	segment.go            how events are written, and sealed
//	put.go                batches: what is accepted, and how it becomes a segment
//	read.go               events in order of time, from segments that overlap
//	query.go              what GetLogEvents and FilterLogEvents make of that
//	store.go              reading and changing records, listing
//	policies.go           resource policies
//	jobs.go               retention, and the removal of what is deleted
//	errors.go             what crosses the wire
//	target.go             what a call acts on, the condition keys of policies
//	api_*.go              handlers
//	filter/               filter patterns
package logs
