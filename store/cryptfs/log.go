package cryptfs

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	frameFields = 20
	frameHeader = frameFields + overhead
	align       = 16
	// maxFrame bounds the bytes of a frame; a longer write becomes several.
	maxFrame    = 1 << 20
	flagClosing = 1
)

// frame is the header of a frame; doc.go draws it.
type frame struct {
	length  uint32
	closing bool
	synced  int64
}

func (f frame) fields() (b [frameFields]byte) {
	binary.BigEndian.PutUint32(b[0:], f.length)
	if f.closing {
		b[7] = flagClosing
	}
	binary.BigEndian.PutUint64(b[8:], uint64(f.synced))
	return b
}

// body is the length of the sealed body.
func (f frame) body() int64 {
	if f.closing {
		return 0
	}
	return (int64(f.length) + overhead + align - 1) / align * align
}

// logWriter appends frames to a log file.
type logWriter struct {
	writer
	aead   cipher.AEAD
	synced int64 // so much of the file is durable
	buf    []byte
	bound  bound
}

func (w *logWriter) Write(p []byte) (int, error) {
	n := len(p)
	w.buf = w.buf[:0]
	for at := w.end; len(p) > 0; {
		m := min(len(p), maxFrame)
		f := frame{length: uint32(m), synced: w.synced}
		w.append(f, at, p[:m])
		p, at = p[m:], at+frameHeader+f.body()
	}
	err := w.put(w.buf)
	w.size += int64(n)
	if cap(w.buf) > 2*maxFrame {
		w.buf = nil
	}
	return n, err
}

// append seals the frame that will stand at a position and adds it to buf.
func (w *logWriter) append(f frame, at int64, p []byte) {
	fields := f.fields()
	w.buf = w.aead.Seal(w.buf, nil, fields[:], w.bound.at(ofHeader, at))
	if f.closing {
		return
	}
	from := len(w.buf)
	w.buf = append(w.buf, p...)
	w.buf = append(w.buf, padding[:int(f.body())-overhead-len(p)]...)
	w.buf = w.aead.Seal(w.buf[:from], nil, w.buf[from:], w.bound.body(at, fields[:]))
}

// padding is as many zeros as a body may end with.
var padding [align]byte

// Sync makes all that was written durable.
func (w *logWriter) Sync() error { return w.sync(w.base.Sync) }

// SyncData makes all that was written durable.
func (w *logWriter) SyncData() error { return w.sync(w.base.SyncData) }

// SyncTo makes all that was written durable.
func (w *logWriter) SyncTo(int64) (bool, error) { return true, w.SyncData() }

func (w *logWriter) sync(below func() error) error {
	if w.synced == w.end || w.closed || w.dropped() {
		return nil
	}
	if err := below(); err != nil {
		return w.fail(err)
	}
	w.synced = w.end
	return nil
}

// Close appends the closing frame, which is not synced: it is evidence, not content.
func (w *logWriter) Close() error {
	if w.closed {
		return nil
	}
	w.buf = w.buf[:0]
	w.append(frame{closing: true, synced: w.synced}, w.end, nil)
	_ = w.put(w.buf)
	return w.close()
}

// logReader reads a log file, which is opened whole: logs are read once, at the start,
// and are as long as a memtable.
type logReader struct {
	reader
	content []byte
	pos     int64
}

func openLog(f vfs.File, name string, h *header) (*logReader, error) {
	data, err := readAll(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	content, err := decodeLog(h.aead(), name, data)
	if err != nil {
		return nil, err
	}
	return newLogReader(f, name, content), nil
}

func newLogReader(f vfs.File, name string, content []byte) *logReader {
	return &logReader{reader: reader{File: f, name: name, size: int64(len(content))}, content: content}
}

func (r *logReader) Read(p []byte) (int, error) {
	n, err := r.ReadAt(p, r.pos)
	r.pos += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

func (r *logReader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read %s: negative offset %d", r.name, off)
	}
	if off >= r.size {
		return 0, io.EOF
	}
	n := copy(p, r.content[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Prefetch does nothing: all is read.
func (*logReader) Prefetch(int64, int64) error { return nil }

// decodeLog returns the content of a log file, given whole, up to where a crash may
// have torn it.
func decodeLog(aead cipher.AEAD, name string, data []byte) ([]byte, error) {
	content := make([]byte, 0, len(data))
	size := int64(len(data))
	var where bound
	for at := int64(headerSize); at < size; {
		f, ok := openFrame(aead, data, at)
		if !ok {
			return content, damage(aead, name, data, at, min(at+frameHeader, size))
		}
		body := at + frameHeader
		end := body + f.body()
		if f.closing {
			if end != size {
				return nil, corrupt(name, "bytes follow its closing frame")
			}
			break
		}
		if end > size {
			break // the file ends inside the frame, and so does the log
		}
		fields := f.fields()
		plain, err := aead.Open(content[len(content):], nil, data[body:end], where.body(at, fields[:]))
		if err != nil {
			return content, damage(aead, name, data, at, end)
		}
		content = content[:len(content)+min(int(f.length), len(plain))]
		at = end
	}
	return content, nil
}

// openFrame opens the header of the frame at a position.
func openFrame(aead cipher.AEAD, data []byte, at int64) (f frame, ok bool) {
	if at+frameHeader > int64(len(data)) {
		return frame{}, false
	}
	var fields [frameFields]byte
	var where bound
	if _, err := aead.Open(fields[:0], nil, data[at:at+frameHeader], where.at(ofHeader, at)); err != nil {
		return frame{}, false
	}
	return frame{
		length:  binary.BigEndian.Uint32(fields[0:]),
		closing: fields[7] == flagClosing,
		synced:  int64(binary.BigEndian.Uint64(fields[8:])),
	}, true
}

// damage decides what it means that the bytes from at to end do not open: nil that a
// crash tore the log there, an error that it is corrupt.
func damage(aead cipher.AEAD, name string, data []byte, at, end int64) error {
	for later := at + align; later+frameHeader <= int64(len(data)); later += align {
		if f, ok := openFrame(aead, data, later); ok && f.synced > at {
			return corrupt(name, fmt.Sprintf("the frame at byte %d does not authenticate, and was durable", at))
		}
	}
	if end-at < frameHeader {
		return nil // the file ends inside the frame's header
	}
	for from := at; from < end; {
		to := min((from/sectorSize+1)*sectorSize, end)
		if allZero(data[from:to]) {
			return nil
		}
		from = to
	}
	return corrupt(name, fmt.Sprintf("the frame at byte %d does not authenticate", at))
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
