package audit

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/strongroom/strongroom/durable"
	"github.com/strongroom/strongroom/secret"
)

const (
	magic      = "SRAUDIT1"
	maxHeader  = 64 << 10
	segmentExt = ".seg"
	summaryExt = ".sum"
	keyPurpose = "audit segment"
)

// Keys wraps the keys of segments under the root key of the house, bound to a purpose.
type Keys interface {
	Wrap(purpose string, plaintext []byte) ([]byte, error)
	Unwrap(purpose string, wrapped []byte) ([]byte, error)
	Derive(purpose string) secret.Bytes
}

// header is the JSON at the beginning of a segment.
type header struct {
	Number   uint64    `json:"number"`
	First    Position  `json:"first"`    // position of the first entry, if it ever gets one
	Previous uint64    `json:"previous"` // number of the segment before; 0 for none
	Length   int64     `json:"length"`   // of the previous segment: what follows is a write that failed
	Chain    []byte    `json:"chain"`    // value after the previous segment's last frame
	Made     time.Time `json:"made"`
	Key      []byte    `json:"key"` // wrapped
}

// segment is an open segment file.
type segment struct {
	header
	path   string
	file   *os.File
	seal   *sealer
	secret secret.Bytes // the segment's key, from which the header's and the summary's are derived
	start  int64        // where frames begin
}

func segmentPath(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016x%s", number, segmentExt))
}

func summaryPath(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016x%s", number, summaryExt))
}

// segmentNumbers lists the segments of a directory, ascending.
func segmentNumbers(dir string) ([]uint64, error) {
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, n := range names {
		base, ok := strings.CutSuffix(n.Name(), segmentExt)
		if !ok {
			continue
		}
		number, err := strconv.ParseUint(base, 16, 64)
		if err != nil || len(base) != 16 {
			return nil, fmt.Errorf("%w: %s is no segment", ErrCorrupt, filepath.Join(dir, n.Name()))
		}
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	for i := 1; i < len(numbers); i++ {
		if numbers[i] != numbers[i-1]+1 {
			return nil, fmt.Errorf("%w: %s is missing", ErrCorrupt, segmentPath(dir, numbers[i-1]+1))
		}
	}
	return numbers, nil
}

// subkey derives a key for one use from a segment's key.
func subkey(key secret.Bytes, use string) ([]byte, error) {
	return hkdf.Key(sha256.New, key.Reveal(), nil, "strongroom audit "+use, 32)
}

// createSegment writes a new segment file, whole or not at all, and opens it.
func createSegment(dir string, keys Keys, h header) (*segment, error) {
	key := make([]byte, 32)
	rand.Read(key)
	var err error
	if h.Key, err = keys.Wrap(keyPurpose, key); err != nil {
		return nil, fmt.Errorf("audit: segment key: %w", err)
	}
	buf, err := formatHeader(h, secret.New(key))
	if err != nil {
		return nil, err
	}
	path := segmentPath(dir, h.Number)
	if err := durable.WriteFile(path, buf, 0o600); err != nil {
		return nil, fmt.Errorf("audit: new segment: %w", err)
	}
	return openSegment(path, keys)
}

// formatHeader returns the beginning of a segment whose key is given.
func formatHeader(h header, key secret.Bytes) ([]byte, error) {
	body, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	macKey, err := subkey(key, "header")
	if err != nil {
		return nil, err
	}
	buf := binary.BigEndian.AppendUint32([]byte(magic), uint32(len(body)))
	buf = append(buf, body...)
	mac := hmac.New(sha256.New, macKey)
	mac.Write(buf)
	return mac.Sum(buf), nil
}

// openSegment opens a segment file and authenticates its header.
func openSegment(path string, keys Keys) (*segment, error) {
	s, err := openHeader(path, keys)
	if err == nil && filepath.Base(path) != filepath.Base(segmentPath("", s.Number)) {
		_ = s.close()
		return nil, fmt.Errorf("%w: %s is segment %d under another name", ErrCorrupt, path, s.Number)
	}
	return s, err
}

// openHeader opens a file that begins as a segment, under whatever name.
func openHeader(path string, keys Keys) (s *segment, err error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	defer func() {
		if err != nil {
			_ = file.Close()
		}
	}()
	head := make([]byte, len(magic)+4)
	if _, err := io.ReadFull(file, head); err != nil || string(head[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: %s does not begin as a segment", ErrCorrupt, path)
	}
	n := binary.BigEndian.Uint32(head[len(magic):])
	if n > maxHeader {
		return nil, fmt.Errorf("%w: %s has a malformed header", ErrCorrupt, path)
	}
	rest := make([]byte, int(n)+sha256.Size)
	if _, err := io.ReadFull(file, rest); err != nil {
		return nil, fmt.Errorf("%w: %s has a header that is cut off", ErrCorrupt, path)
	}
	s = &segment{path: path, file: file, start: int64(len(head) + len(rest))}
	if err := json.Unmarshal(rest[:n], &s.header); err != nil {
		return nil, fmt.Errorf("%w: %s has a malformed header", ErrCorrupt, path)
	}
	if err := s.unlock(keys, head, rest[:n], rest[n:]); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrCorrupt, path, err)
	}
	return s, nil
}

// unlock opens the segment's key and verifies the header with it.
func (s *segment) unlock(keys Keys, head, body, sum []byte) error {
	key, err := keys.Unwrap(keyPurpose, s.Key)
	if err != nil {
		return fmt.Errorf("its key does not open: %w", err)
	}
	s.secret = secret.New(key)
	macKey, err := subkey(s.secret, "header")
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, macKey)
	mac.Write(head)
	mac.Write(body)
	if !hmac.Equal(mac.Sum(nil), sum) {
		return errors.New("its header does not authenticate")
	}
	frameKey, err := subkey(s.secret, "frames")
	if err != nil {
		return err
	}
	s.seal, err = newSealer(frameKey, s.Number)
	return err
}

func (s *segment) close() error {
	s.secret.Wipe()
	return s.file.Close()
}

// writeAt puts a frame at off and returns once it is on disk. zeroed is how far the file
// is filled with zeros; the new value is returned.
func (s *segment) writeAt(frame []byte, off, zeroed int64) (int64, error) {
	if need := off + int64(len(frame)) + 4; need > zeroed {
		// Grow in steps and ahead of use: the sync of a write into space that the file has
		// already is a third cheaper than one that makes the file longer.
		grown := max(need, zeroed) + zeroStep
		if _, err := s.file.WriteAt(make([]byte, grown-max(zeroed, off)), max(zeroed, off)); err != nil {
			return zeroed, err
		}
		zeroed = grown
	}
	if _, err := s.file.WriteAt(frame, off); err != nil {
		return zeroed, err
	}
	return zeroed, durable.SyncData(s.file)
}

// readFrame reads the sealed bytes of the frame at off. It returns none at the end of the
// frames.
func (s *segment) readFrame(off, end int64) ([]byte, error) {
	var length [4]byte
	if off+4 > end {
		return nil, nil
	}
	if _, err := s.file.ReadAt(length[:], off); err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(length[:]))
	if n == 0 {
		return nil, nil
	}
	if n > maxFrame || off+4+n > end {
		return nil, fmt.Errorf("frame at byte %d is cut off", off)
	}
	sealed := make([]byte, n)
	_, err := s.file.ReadAt(sealed, off+4)
	return sealed, err
}

// replay calls fn, which returns the leaf hashes, with each frame up to end, in order. It
// returns where the frames end and the chain value there; an error says why it stopped there.
func (s *segment) replay(end int64, fn func(f frameRef, plain []byte) ([]tlog.Hash, error)) (at int64, chain tlog.Hash, err error) {
	at = s.start
	copy(chain[:], s.Chain)
	for frame := uint64(0); ; frame++ {
		sealed, err := s.readFrame(at, end)
		if err != nil || sealed == nil {
			return at, chain, err
		}
		n := int64(len(sealed))
		plain, err := s.seal.open(sealed, frame, &chain)
		if err != nil {
			return at, chain, err
		}
		leaves, err := fn(frameRef{at, chain}, plain)
		if err != nil {
			return at, chain, err
		}
		chain = nextChain(chain, leaves)
		at += 4 + n
	}
}

// nextChain folds the records of a frame into the chain.
func nextChain(chain tlog.Hash, leaves []tlog.Hash) tlog.Hash {
	h := sha256.New()
	h.Write(chain[:])
	for i := range leaves {
		h.Write(leaves[i][:])
	}
	return tlog.Hash(h.Sum(nil))
}
