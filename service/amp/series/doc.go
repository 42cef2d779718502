// Package series is the sealed store of a workspace's time series: Prometheus's own head and
// query code over a log, blocks and pages of which no byte reaches a disk in the clear.
//
// What is appended is in the log (package wal) and durable before it can be seen, and stands in Prometheus's
// head meanwhile, whose chunk files lie in memory (see Memory). The head is cut into blocks of two hours; a block's chunks
// stream into sealed pages (package page) as they are cut, and its index goes through memory only. Blocks are blobs, and
// a Ledger keeps what they are. Queries open the pages they touch.
//
// This package and those that use it are the only ones that know Prometheus's packages.
//
// # What holds
//
//   - What Commit acknowledged is there after a crash: floats, histograms, exemplars and metadata.
//   - A change of any sealed byte is seal.ErrCorrupt for whoever reads it; nothing is skipped.
//   - What Delete acknowledged is seen by no query that begins later, and its bytes go with the next Maintain.
//   - Close wipes every opened page. It waits for queries under way, which the caller has cancelled.
//   - A block is in the Ledger only when all of it is durable, and in the log until then.
//
// # Map
//
//	db.go        DB: open, close, maintain
//	append.go    appenders that log before they show
//	records.go   what stands in a frame of the log
//	replay.go    the log back into the head
//	metadata.go  type, unit and help of metrics
//	delete.go    deletion: tombstones of blocks, and what the head forgets
//	check.go     blocks checked without their keys
//	compact.go   the head and blocks into blocks; retention
//	write.go     a block sealed while it is written
//	block.go     a sealed block as Prometheus reads one
//	blobs.go     its files, read at random and mapped
//	index.go     its index, with errors where there were none
//	symbols.go   the strings of an index, a page at a time
//	postings.go  its lists of series, likewise
//	places.go    where each list stands, and the number of its value, kept without what it is of
//	lists.go     a long list, of which only those pages are opened that somebody looks at
//	meet.go      few series that several lists have in common, by what the series themselves say
//	query.go     queriers over the head and the blocks
//	pace.go      who looks for series lets others have their turn
//	meter.go     what a query fetches from blocks, bounded
//	limits.go    how many active series there may be
//	memory*.go   where the head's chunk files may lie
package series
