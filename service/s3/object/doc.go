// Package object holds the rules of S3's objects that need neither a store nor a
// network: which names are valid, what a range, a condition, a copy source or a
// tagging header says, how ETags are written, and how a listing is cut into keys,
// common prefixes and pages.
//
// A name is never a path. Keys keep every byte they came with: "..", "//", a leading
// slash and "%2F" mean nothing here. Everything in the package is pure and may run together.
//
//	name.go       bucket names, keys, copy sources
//	span.go       the Range header
//	condition.go  If-Match and its like, for reads, copies and writes
//	metadata.go   user metadata, tags
//	etag.go       entity tags
//	listing.go    prefix, delimiter, pages
package object
