// Package s3 keeps objects in buckets, every one of them encrypted.
//
// # Words
//
// A bucket has a name that is unique in the house, an owner (an account) and a region.
// An object stands in a bucket under its key, a byte string that is never a path.
// Its bytes are one piece, or, when it was uploaded in parts, the segments that a
// manifest lists, each a piece. A piece is sealed in one go (package seal) and never
// changes. A small piece's sealed bytes are a record in the store; a large one's are a
// blob. An upload in parts is pending until it is completed.
//
// # What holds
//
//   - No object is stored unsealed. Which key seals it follows from the request and the
//     bucket's default; see encryption.go.
//   - Bytes first, then the record that names them, in one transaction, then the answer.
//     Before a blob is written its piece is noted as pending; the transaction that names
//     the piece takes the note away, and fails if the note is gone. So a blob that no
//     record names is always noted, and the sweeper (jobs.go) may erase it.
//   - A body that fails any check, such as length, checksum or signature, leaves nothing.
//   - A piece that no record names any more is put in the trash by the transaction that
//     dropped it, and erased later, so that reads which began before may end.
//   - An object's record is read before KMS is asked, and KMS is asked before a byte is
//     delivered: disabling a key takes effect on the next read.
//   - Memory does not grow with the size of an object: two frames a stream.
//   - Piece and associated data belong together: the name of bucket, object and piece are
//     authenticated with every frame, so sealed bytes moved elsewhere do not open.
//
// # Map
//
//	service.go      Open, and what the service consists of
//	keys.go         the keys of the store, ids
//	record.go       how records are written; pieces, checksums, headers
//	stored.go       the records of objects, uploads, parts and manifests
//	store.go        reading and changing records
//	bucket.go       a bucket and its settings
//	encryption.go   what encrypts an object, and the headers that say so
//	customer.go     the keys that customers send (SSE-C)
//	ring.go         the data keys of SSE-S3
//	intake.go       a request's body: length, MD5 and checksums while it streams
//	piece.go        pieces written, read, discarded
//	put.go get.go copy.go delete.go list.go multipart.go complete.go    what the API does
//	jobs.go         the sweeper
//	check.go        every blob against its mark, for the operator's check
//	target.go conditions.go scope.go    what a call acts on, the condition keys of policies, what a bucket policy may say
//	api_*.go        handlers: from the API's types to these and back
package s3
