package wal

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/strongroom/strongroom/seal"
)

// replaySegment gives the plaintext of every frame of a segment to fn, and returns how many bytes are whole. Only of
// the newest may the last frame be torn. What fn is given is its own until it returns.
func (l *Log) replaySegment(ctx context.Context, number uint64, newest bool, fn func(number uint64, frame []byte) error) (whole int64, err error) {
	raw, err := os.ReadFile(l.path(number))
	if err != nil {
		return 0, err
	}
	whole, err = l.read(ctx, raw, number, fn)
	if errors.Is(err, errTorn) {
		if newest {
			return whole, nil
		}
		return whole, fmt.Errorf("%w: segment %d ends early", seal.ErrCorrupt, number)
	}
	return whole, err
}

// read goes over the bytes of a segment. The error is errTorn when they end within a frame.
func (l *Log) read(ctx context.Context, raw []byte, number uint64, fn func(uint64, []byte) error) (whole int64, err error) {
	wrapped, at, err := parseHeader(raw, number)
	if err != nil {
		return 0, err
	}
	key, err := l.keys.Open(ctx, wrapped)
	if err != nil {
		return 0, fmt.Errorf("key of segment %d: %w", number, err)
	}
	s, err := newSealer(key, l.name, number, raw[:at])
	if err != nil {
		return 0, err
	}
	var plain []byte
	defer func() { clear(plain[:cap(plain)]) }()
	for at < len(raw) {
		opened, n, err := s.open(plain[:0], raw[at:])
		if err != nil {
			if s.sequence == 0 {
				return 0, err // it was not even begun
			}
			return int64(at), err
		}
		plain = opened
		at += n
		if len(plain) == 0 {
			continue
		}
		if err := ctx.Err(); err != nil {
			return int64(at), err
		}
		if err := fn(number, plain); err != nil {
			return int64(at), err
		}
	}
	if s.sequence == 0 {
		return 0, errTorn
	}
	return int64(at), nil
}
