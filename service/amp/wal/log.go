package wal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/strongroom/strongroom/durable"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/secret"
)

// Keys makes and opens the data keys of segments. Calls may run together.
type Keys interface {
	// Make returns a fresh data key.
	Make(ctx context.Context) (seal.DataKey, error)
	// Open opens a data key that Make made. Where its bytes were changed, it fails.
	Open(ctx context.Context, wrapped []byte) (secret.Bytes, error)
}

// Options of a Log. The zero value is right for a server.
type Options struct {
	// Segment is how many bytes a segment has before the next begins; 128 MiB.
	Segment int64
	// Sync makes a file's bytes durable; nil for the real thing. Tests make it fail.
	Sync func(*os.File) error
}

// Log is an open log. Its methods may be called together, but for Replay, which comes first.
type Log struct {
	dir  string
	name string
	keys Keys
	opts Options

	mu      sync.Mutex // of what callers gather
	pending *group

	writing sync.Mutex // held by who writes; taken before mu
	file    *os.File
	sealer  *sealer
	out     []byte
	size    int64
	first   uint64 // oldest segment that is there; 0 when there is none
	number  atomic.Uint64
	err     error // that poisoned the log
}

// buffers are for groups that are gathered. They hold nothing but zeros.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxBuffer is the largest buffer that is kept for the next group.
const maxBuffer = 1 << 20

// group is what is written in one frame.
type group struct {
	plain []byte
	done  chan struct{}
	err   error
}

// Open opens the log in a folder, which it makes. The name is bound into every byte: it says whose log it is.
// Replay must be called next.
func Open(dir, name string, keys Keys, opts Options) (*Log, error) {
	if opts.Segment <= 0 {
		opts.Segment = 128 << 20
	}
	if opts.Sync == nil {
		opts.Sync = durable.SyncData
	}
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return &Log{dir: dir, name: name, keys: keys, opts: opts}, nil
}

func (l *Log) path(number uint64) string { return filepath.Join(l.dir, fmt.Sprintf("%08d", number)) }

// segments returns the numbers of the segments that are there. None may be missing in between.
func (l *Log) segments() ([]uint64, error) {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, e := range entries {
		n, err := strconv.ParseUint(e.Name(), 10, 64)
		if err != nil || n == 0 || filepath.Base(l.path(n)) != e.Name() {
			return nil, fmt.Errorf("%w: %s is no segment", seal.ErrCorrupt, e.Name())
		}
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for i, n := range numbers {
		if n != numbers[0]+uint64(i) {
			return nil, fmt.Errorf("%w: segment %d is missing", seal.ErrCorrupt, numbers[0]+uint64(i))
		}
	}
	return numbers, nil
}

// Replay gives everything that was appended to fn, a frame at a time and in order, each frame being what
// several callers appended, one behind the other. from is the first segment that must be there, if any is. It cuts
// a torn last frame off; the next append begins a segment of its own.
func (l *Log) Replay(ctx context.Context, from uint64, fn func(number uint64, frame []byte) error) error {
	numbers, err := l.segments()
	if err != nil {
		return err
	}
	if len(numbers) > 0 && numbers[0] > max(from, 1) {
		return fmt.Errorf("%w: the log begins with segment %d instead of %d", seal.ErrCorrupt, numbers[0], max(from, 1))
	}
	for i, n := range numbers {
		newest := i == len(numbers)-1
		whole, err := l.replaySegment(ctx, n, newest, fn)
		if err != nil {
			return err
		}
		if newest {
			if err := l.trim(n, whole); err != nil {
				return err
			}
			if whole == 0 {
				numbers = numbers[:i]
			}
		}
	}
	l.number.Store(max(from, 1) - 1)
	if len(numbers) > 0 {
		l.first = numbers[0]
		l.number.Store(numbers[len(numbers)-1])
	}
	return nil
}

// trim cuts the newest segment to its whole frames, or takes it away when it has none.
func (l *Log) trim(number uint64, whole int64) error {
	path := l.path(number)
	if whole == 0 {
		return durable.Remove(path)
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() == whole {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(whole), f.Sync(), f.Close())
}

// Append lets encode append to the log's buffer and returns when that is durable. encode is given the number of the
// segment that it will stand in, and runs in the order in which appends will be replayed; it must be quick. When encode
// fails, what it appended must still be fit to be replayed.
func (l *Log) Append(ctx context.Context, encode func(number uint64, dst []byte) ([]byte, error)) error {
	if err := l.ready(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	g, leads := l.pending, false
	if g == nil {
		g, leads = &group{plain: (*buffers.Get().(*[]byte))[:0], done: make(chan struct{})}, true
		l.pending = g
	}
	var err error
	g.plain, err = encode(l.number.Load(), g.plain)
	l.mu.Unlock()
	if leads {
		l.lead(g)
	}
	<-g.done
	return errors.Join(err, g.err)
}

// ready sees to it that there is a segment to append to.
func (l *Log) ready(ctx context.Context) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.err != nil {
		return l.err
	}
	if l.file != nil && l.size < l.opts.Segment {
		return nil
	}
	return l.cut(ctx)
}

// lead writes a group as soon as nobody else writes. Others join it until then.
func (l *Log) lead(g *group) {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.mu.Lock()
	mine := l.pending == g // a cut may have written it already
	if mine {
		l.pending = nil
	}
	l.mu.Unlock()
	if mine {
		l.write(g)
	}
}

// write writes a group that nobody joins any more, and tells who waits for it. The caller holds writing.
func (l *Log) write(g *group) {
	defer close(g.done)
	if g.err = l.err; g.err != nil || len(g.plain) == 0 {
		return
	}
	if err := l.frame(g.plain); err != nil {
		l.poison(err)
		g.err = l.err
	}
	clear(g.plain)
	if cap(g.plain) <= maxBuffer {
		buffers.Put(&g.plain)
	}
}

func (l *Log) poison(err error) {
	if l.err == nil {
		l.err = fmt.Errorf("%w: %w", ErrPoisoned, err)
	}
}

// frame seals, writes and syncs.
func (l *Log) frame(plain []byte) error {
	if l.file == nil {
		return errors.New("no segment is open")
	}
	var err error
	if l.out, err = l.sealer.seal(l.out[:0], plain); err != nil {
		return err
	}
	if _, err := l.file.Write(l.out); err != nil {
		return err
	}
	l.size += int64(len(l.out))
	if cap(l.out) > 4<<20 {
		l.out = nil
	}
	return l.opts.Sync(l.file)
}

// Cut begins a new segment under a new data key, and returns the number of the last one before it, which
// nothing is appended to any more.
func (l *Log) Cut(ctx context.Context) (closed uint64, err error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.err != nil {
		return 0, l.err
	}
	closed = l.number.Load()
	if l.file == nil {
		return closed, nil
	}
	return closed, l.cut(ctx)
}

// cut ends the segment and begins the next. Nobody appends meanwhile: what was encoded for a segment stands in it.
func (l *Log) cut(ctx context.Context) error {
	key, err := l.keys.Make(ctx)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if g := l.pending; g != nil {
		l.pending = nil
		l.write(g)
		if l.err != nil {
			return l.err
		}
	}
	if err := l.begin(key); err != nil {
		l.poison(err)
		return l.err
	}
	return nil
}

// begin makes the next segment, durable with its first frame.
func (l *Log) begin(key seal.DataKey) error {
	number := l.number.Load() + 1
	header, err := appendHeader(nil, number, key.Wrapped)
	if err != nil {
		return err
	}
	s, err := newSealer(key.Plaintext, l.name, number, header)
	if err != nil {
		return err
	}
	raw, err := s.seal(header, nil)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(l.path(number), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(raw); err == nil {
		err = errors.Join(f.Sync(), durable.SyncDir(l.dir))
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if l.file != nil {
		err = l.file.Close()
	}
	l.file, l.sealer, l.size = f, s, int64(len(raw))
	l.number.Store(number)
	if l.first == 0 {
		l.first = number
	}
	return err
}

// Drop takes the segments up to a number away, but never the one that is written.
func (l *Log) Drop(through uint64) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	for l.first > 0 && l.first <= through && (l.first < l.number.Load() || l.file == nil && l.first == l.number.Load()) {
		if err := durable.Remove(l.path(l.first)); err != nil {
			return err
		}
		l.first++
	}
	return nil
}

// Close ends the log. What was appended is durable already.
func (l *Log) Close() error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.err == nil {
		l.err = errors.New("log of the workspace is closed")
	}
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}
