package store

import (
	"bufio"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/strongroom/strongroom/durable"
)

// A backup is a stream under a key of its own:
//
//	"SRBACKUP" 0x00 0x01 | length of wrapped key (2) | wrapped key | frames
//	frame  = nonce (12) | AES-256-GCM(up to 65536 bytes of the content)
//	content = records | 0x00 | number of records (uvarint)
//	record = length of key (uvarint) | key | length of value (uvarint) | value
//
// All frames but the last are full; the last one is shorter, or empty. The key is wrapped
// for "store/backup"; the associated data of a frame is 0x00, or 0x01 for the last one | number of the
// frame (8) | all that comes before the first one. Nonces are random, as package cryptfs explains. Records are those of Pebble, change log and outcomes included.
const (
	backupMagic   = "SRBACKUP\x00\x01"
	purposeBackup = "store/backup"
	backupFrame   = 64 << 10
	maxWrapped    = 4 << 10
)

// Backup writes the last durable state to w. It needs no more memory than a few frames.
func (f *File) Backup(ctx context.Context, w io.Writer) error {
	s, err := f.acquire()
	if err != nil {
		return err
	}
	defer s.unref()
	out, err := newBackupWriter(w, f.root)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	n, err := writeRecords(ctx, s.snap, out)
	if err == nil {
		_, err = out.Write(binary.AppendUvarint([]byte{0}, n))
	}
	if err == nil {
		err = out.Close()
	}
	if err != nil {
		return fmt.Errorf("backup: %w", mapError(err))
	}
	return nil
}

func writeRecords(ctx context.Context, snap *pebble.Snapshot, w io.Writer) (n uint64, err error) {
	it, err := snap.NewIter(nil)
	if err != nil {
		return 0, err
	}
	defer it.Close()
	var head []byte
	for ok := it.First(); ok; ok = it.Next() {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return 0, err
		}
		head = append(binary.AppendUvarint(head[:0], uint64(len(it.Key()))), it.Key()...)
		head = binary.AppendUvarint(head, uint64(len(value)))
		if _, err := w.Write(head); err != nil {
			return 0, err
		}
		if _, err := w.Write(value); err != nil {
			return 0, err
		}
		n++
	}
	return n, it.Error()
}

// Restore makes a store in folder dir, which must be absent or empty, of the backup
// that r yields, and closes it. A backup that was changed or cut short is ErrCorrupt, and
// leaves no store behind.
func Restore(dir string, root Wrapper, r io.Reader) error {
	empty, err := emptyDir(dir)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if !empty {
		return fmt.Errorf("restore: folder %s is not empty", dir)
	}
	part := dir + ".restoring"
	if err := durable.RemoveAll(part); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := durable.MkdirAll(part, 0o700); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := restoreOn(vfs.Default, part, root, r); err != nil {
		return errors.Join(fmt.Errorf("restore: %w", err), durable.RemoveAll(part))
	}
	if err := durable.Remove(dir); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := durable.Rename(part, dir); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return nil
}

func restoreOn(base vfs.FS, dir string, root Wrapper, r io.Reader) error {
	in, err := newBackupReader(r, root)
	if err != nil {
		return err
	}
	f, err := openOn(base, dir, root, Options{})
	if err != nil {
		return err
	}
	err = f.restore(bufio.NewReaderSize(in, backupFrame))
	if err == nil {
		// The mark of the close must carry the restored revision.
		_, f.applied, err = openHistory(f.eng.db)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}

// restore puts the records of a backup into an empty store and makes them durable.
func (f *File) restore(r *bufio.Reader) error {
	db := f.eng.db
	b := db.NewBatch()
	var n uint64
	for {
		key, value, err := readRecord(r)
		if err != nil {
			return backupError(err)
		}
		if key == nil {
			break
		}
		n++
		if err := b.Set(key, value, nil); err != nil {
			return err
		}
		if b.Len() >= MaxTxBytes {
			if err := b.Commit(pebble.NoSync); err != nil {
				return err
			}
			b = db.NewBatch()
		}
	}
	if want, err := binary.ReadUvarint(r); err != nil || want != n {
		return fmt.Errorf("%w: backup holds %d records and says %d", ErrCorrupt, n, want)
	}
	if _, err := r.ReadByte(); err != io.EOF {
		return backupError(err)
	}
	if err := b.Commit(pebble.Sync); err != nil {
		return err
	}
	if err := db.Flush(); err != nil {
		return err
	}
	return f.eng.fs.Err()
}

// readRecord returns the next record, or a nil key after the last one.
func readRecord(r *bufio.Reader) (key, value []byte, err error) {
	if key, err = readField(r, MaxKey+1); err != nil || len(key) == 0 {
		return nil, nil, err
	}
	value, err = readField(r, 4*MaxTxBytes)
	return key, value, err
}

func readField(r *bufio.Reader, limit uint64) ([]byte, error) {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, errors.New("a field is too long")
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	return b, err
}

// backupError says that the content of a backup, although it authenticates, is not
// one of a backup, unless reading it failed for another reason.
func backupError(err error) error {
	if errors.Is(err, ErrCorrupt) || errors.As(err, new(*readError)) {
		return err
	}
	return fmt.Errorf("%w: backup is malformed", ErrCorrupt)
}

// readError is an error of the reader that a backup comes from.
type readError struct{ error }

func (e *readError) Unwrap() error { return e.error }

// backupStream is what both directions share.
type backupStream struct {
	aead   cipher.AEAD
	data   []byte // associated data: kind and number of the frame, then the head
	number uint64
}

func newBackupStream(key, head []byte) (backupStream, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return backupStream{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return backupStream{aead: aead, data: append(make([]byte, 9), head...)}, err
}

// bound returns the associated data of the next frame.
func (s *backupStream) bound(last bool) []byte {
	s.data[0] = 0
	if last {
		s.data[0] = 1
	}
	binary.BigEndian.PutUint64(s.data[1:], s.number)
	s.number++
	return s.data
}

type backupWriter struct {
	backupStream
	w    io.Writer
	tail []byte
}

func newBackupWriter(w io.Writer, root Wrapper) (*backupWriter, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	defer clear(key)
	wrapped, err := root.Wrap(purposeBackup, key)
	if err != nil {
		return nil, err
	}
	if len(wrapped) > maxWrapped {
		return nil, fmt.Errorf("wrapped key of %d bytes", len(wrapped))
	}
	head := binary.BigEndian.AppendUint16([]byte(backupMagic), uint16(len(wrapped)))
	head = append(head, wrapped...)
	s, err := newBackupStream(key, head)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(head)
	return &backupWriter{backupStream: s, w: w, tail: make([]byte, 0, backupFrame)}, err
}

func (w *backupWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if len(w.tail) == backupFrame {
			if err := w.flush(false); err != nil {
				return 0, err
			}
		}
		m := min(len(p), backupFrame-len(w.tail))
		w.tail, p = append(w.tail, p[:m]...), p[m:]
	}
	return n, nil
}

func (w *backupWriter) flush(last bool) error {
	_, err := w.w.Write(w.aead.Seal(nil, nil, w.tail, w.bound(last)))
	w.tail = w.tail[:0]
	return err
}

// Close writes the last frame, which is never a full one.
func (w *backupWriter) Close() error {
	if len(w.tail) == backupFrame {
		if err := w.flush(false); err != nil {
			return err
		}
	}
	return w.flush(true)
}

type backupReader struct {
	backupStream
	r    io.Reader
	buf  []byte
	rest []byte
	over bool
}

func newBackupReader(r io.Reader, root Wrapper) (*backupReader, error) {
	head := make([]byte, len(backupMagic)+2)
	if _, err := io.ReadFull(r, head); err != nil || string(head[:len(backupMagic)]) != backupMagic {
		return nil, fmt.Errorf("%w: it is not a backup of a version that is known", ErrCorrupt)
	}
	n := int(binary.BigEndian.Uint16(head[len(backupMagic):]))
	if n > maxWrapped {
		return nil, fmt.Errorf("%w: backup is malformed", ErrCorrupt)
	}
	wrapped := make([]byte, n)
	if _, err := io.ReadFull(r, wrapped); err != nil {
		return nil, fmt.Errorf("%w: backup is cut short", ErrCorrupt)
	}
	key, err := root.Unwrap(purposeBackup, wrapped)
	if err != nil {
		return nil, fmt.Errorf("%w: backup does not open with this root key: %w", ErrCorrupt, err)
	}
	defer clear(key)
	s, err := newBackupStream(key, append(head, wrapped...))
	if err != nil {
		return nil, fmt.Errorf("%w: backup is malformed", ErrCorrupt)
	}
	return &backupReader{backupStream: s, r: r, buf: make([]byte, backupFrame+s.aead.Overhead())}, nil
}

func (r *backupReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.over {
			return 0, io.EOF
		}
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// next opens the next frame. A short one is the last.
func (r *backupReader) next() error {
	n, err := io.ReadFull(r.r, r.buf)
	if err == io.ErrUnexpectedEOF || err == io.EOF {
		r.over = true
	} else if err != nil {
		return &readError{err}
	}
	number := r.number
	r.rest, err = r.aead.Open(r.buf[:0], nil, r.buf[:n], r.bound(r.over))
	if err != nil {
		return fmt.Errorf("%w: frame %d of the backup does not authenticate", ErrCorrupt, number)
	}
	return nil
}
