// Package page seals files that are read at random: each page, of the size that the file's Layout says, is
// authenticated on its own, so that a read opens only the pages that it touches.
//
// A Writer seals a file while it is written, a File opens its pages. Opened pages are kept in
// memory outside of Go's heap, which is never written anywhere and is wiped when it is given back:
// an Arena keeps a bounded part of many files and hands out copies, a Region shows one
// file as one piece of memory that fills as it is looked at.
//
// # Map
//
//	page.go     the format, drawn; Writer and File
//	arena.go    Arena: bounded, for what is read in small pieces
//	region.go   Region: one file as one slice
//	memory*.go  memory outside of the heap
package page
