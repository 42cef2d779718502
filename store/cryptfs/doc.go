// Package cryptfs is a file system for Pebble in which every byte at rest is encrypted
// and authenticated. It lies over any vfs.FS and keeps Pebble's file names.
//
// What it promises, on a disk that somebody may read and change while the house is
// shut: nothing but file names, sizes and times can be learned; a byte that was
// changed, moved within a file, or moved to another file or file name, is found when it
// is read, and the error is ErrCorrupt and names the file. Not promised: finding that
// the whole folder was put back to an older state.
//
// # Keys
//
// The keyring file holds numbered data keys, wrapped under the root key. A new one is
// made after KeyAge or KeyBytes; at each opening, those that no file uses any more are
// dropped, so that what was deleted under them is gone for good.
//
//	keyring = "SRKEYS" 0x00 0x01 | root.Wrap("store/data-keys", entries)
//	entry   = number (8) | made, Unix seconds (8) | key (32)
//
// Every file has a random salt and two keys of its own: HKDF-SHA256(data key, salt, info =
// "strongroom store header v1" or "strongroom store pages v1"). A file's keys
// thus serve one file only. Nonces are random and left to the cryptographic module, which is the only
// form of GCM that NIST SP 800-140 lets a caller use (GODEBUG=fips140=only); a file is far too short
// for the bound of 2^32 of them. What a sealed part is and where it stands is its associated
// data. Integers are big endian.
//
// # File header, 96 bytes
//
//	0   magic "SRFILE" 0x00 0x01
//	8   kind: 1 paged, 2 log
//	9   zero (7)
//	16  number of the data key (8)
//	24  salt (32)
//	56  zero (8)
//	64  HMAC-SHA256(header key, bytes 0 to 63 | base name of the file) (32)
//
// # Paged files: tables, options, markers
//
// Written once from front to end, read anywhere.
//
//	page = nonce (12) | AES-256-GCM(4096 bytes of the file), 4124 bytes; the last one may be shorter
//
// Associated data = 0x00, or 0x01 for the last page | page number (8). The last page is
// written by Close, so that a file cut short, even between pages, has no last page and
// does not open. An empty file has one empty page.
//
// # Log files: write-ahead logs and manifests
//
// Appended to and synced many times, read from front to end. Each write is a frame
// of its own, so that nothing that was synced is ever written over.
//
//	frame  = header (48) | body, absent in the closing frame
//	header = nonce (12) | AES-256-GCM(length (4) | flags (4) | synced (8) | zero (4)),
//	         associated data = 0x02 | position (8)
//	body   = nonce (12) | AES-256-GCM(bytes | zeros until the body's length is a multiple of 16),
//	         associated data = 0x03 | position (8) | the header in the clear
//
// Flag 1 marks the closing frame, which Close writes. "synced" says how much of
// the file was durable when the frame was written; position is that of the frame in
// the file.
//
// The header of the file is synced before anything else is written, so that a log
// without one is an empty log.
//
// A power cut may leave anything after the last sync, so the end of a log must be
// allowed to be torn, and nothing else. A frame that does not open is where the log
// ends if all of these hold; otherwise the log is corrupt:
//
//   - no later frame says that the place had been synced;
//   - the file ends inside the frame, or a 512-byte sector's share of the frame is
//     all zero: what a file system shows for sectors that never arrived.
//
// Frames are aligned to 16 bytes, so such a share is 16 bytes at least, which no
// sealed bytes make by chance; and since the header is sealed by itself, a changed
// length is not taken for a cut file.
//
// # Freezing
//
// Pebble ends the process when it cannot write its log or manifest. An FS therefore
// freezes at the first such failure: from then on every change is accepted and
// dropped, as though the power had been cut at that moment, and Err tells the cause. What
// is on disk is then a crash image, which opens again; nothing that was done since the
// failure may be acknowledged. A failure to write a table is returned to Pebble, which
// tries again, once Pebble is open.
package cryptfs
