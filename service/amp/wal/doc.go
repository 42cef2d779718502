// Package wal is the sealed write-ahead log of a workspace: what has been appended is on disk, and
// no byte of it is readable without the workspace's key.
//
// A log is a folder of segments. Each segment is sealed under a data key of its own and can be read without any other,
// so that an old one can go, and a key rotation takes effect with the next. What many callers append at the same time is
// sealed in one frame and synced once.
//
// # What holds
//
//   - Append returns nil only after what it was given is on disk.
//   - After an error of writing or syncing nothing is taken any more (ErrPoisoned): what the disk holds is unknown until
//     the log is opened again.
//   - Only an incomplete last frame of the newest segment is a torn write, and is cut off. All else that is not as it
//     was written is seal.ErrCorrupt: a flipped bit, a frame missing, repeated, or from elsewhere, a segment missing between two.
//
// # Map
//
//	format.go   the format, drawn; frames sealed and opened
//	log.go      Log: open, append, cut, drop
//	replay.go   reading a segment
//	copy.go     a log copied and checked while it is appended to
package wal
