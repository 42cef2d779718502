// Package audit keeps the record of every call in a log that cannot be read, changed
// or shortened unnoticed.
//
// Words. A record is one call, as CloudTrail's JSON. An entry is a record with the
// account it belongs to and the attributes it can be looked up by. Entries that are
// committed together share a frame; frames stand in segments, numbered files of one
// directory. A position is an entry's place in the whole log.
//
// Invariants:
//   - Wait returns nil only after the entry's frame is on disk; a later entry is never
//     durable before an earlier one.
//   - Everything in a segment after its header is sealed under the segment's own key, which
//     stands in the header wrapped under the root key. After a crash or a failed write the
//     log goes on in a new segment.
//   - Each frame's associated data holds the chain value of all records before it, so a
//     changed, missing, repeated or moved frame is found.
//   - Every record is a leaf of a Merkle tree of its account (RFC 6962), whose signed
//     head proves that a record is in and that none was taken out, also of the newest.
//
// Segment file, named <number, 16 hex digits>.seg:
//
//	"SRAUDIT1"                     8 bytes
//	header length                  uint32, of the JSON that follows
//	header                         JSON: number, first position, previous segment's number, valid length
//	                               and chain value, the time, and the wrapped segment key
//	MAC                            32 bytes, HMAC-SHA-256 of all before it
//	frames                         until a length of zero or the end of the file
//
// Frame:
//
//	length                         uint32, of the sealed bytes that follow; never 0
//	sealed                         random nonce, 12 bytes, then AES-256-GCM ciphertext and tag;
//	                               associated data: segment number, frame number, length, chain value before it
//	  first position               uint64
//	  entries                      each: uint32 length, then the entry as in entry.go
//
// Integers are big endian. The file is filled with zeros ahead of the frames, because
// overwriting costs the disk less than growing: a MiB at a time, beside the frames and
// before it is needed. Only a frame that comes before that is done waits for it.
//
// A closed segment has a summary beside it, <number>.sum: what lookups and proofs need
// of it, sealed under a key derived from the segment's. It can be made again from the
// segment, and is when it is missing.
//
// The files: record.go and call.go are what is recorded; entry.go, frame.go, segment.go
// are the formats; log.go takes entries and commits them; ahead.go makes room for the next; open.go brings a log back; tree.go
// is the Merkle tree; summary.go and lookup.go answer what happened; check.go reads and
// verifies everything.
package audit
