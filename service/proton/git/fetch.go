package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

const (
	uploadPack  = "git-upload-pack"
	receivePack = "git-receive-pack"
)

// fetch returns the objects of a commit: itself alone with its trees, or all that stands between it and have.
// Where the remote can, blobs are left out: only trees are looked at.
func fetch(ctx context.Context, r *Remote, want func(*advertisement) (hash, error), have ...hash) (tip hash, objects map[hash]object, err error) {
	return fetchFiltered(ctx, r, "blob:none", want, have...)
}

// fetchFiltered is fetch with the objects that a filter leaves, where the remote can filter.
func fetchFiltered(ctx context.Context, r *Remote, filter string, want func(*advertisement) (hash, error), have ...hash) (tip hash, objects map[hash]object, err error) {
	s, err := r.open(ctx, uploadPack)
	if err != nil {
		return tip, nil, err
	}
	defer s.Close()
	adv := s.advertisement()
	if tip, err = want(adv); err != nil {
		return tip, nil, err
	}
	request, err := fetchRequest(adv, filter, tip, have)
	if err != nil {
		return tip, nil, err
	}
	answer, err := s.exchange(ctx, request)
	if err != nil {
		return tip, nil, err
	}
	objects, err = readAnswer(answer)
	return tip, objects, err
}

// fetchRequest asks for a commit (gitprotocol-pack, "Packfile Negotiation"). Without have it asks
// for that commit alone.
func fetchRequest(adv *advertisement, filter string, want hash, have []hash) ([]byte, error) {
	if !adv.able("side-band-64k") {
		return nil, errors.New("the remote is too old: it has no side-band-64k")
	}
	shallow := len(have) == 0 && adv.able("shallow")
	options := " side-band-64k ofs-delta no-progress agent=strongroom"
	if adv.able("filter") {
		options += " filter"
	}
	b := appendLine(nil, "want %s%s\n", want, options)
	if shallow {
		b = appendLine(b, "deepen 1\n")
	}
	if adv.able("filter") {
		b = appendLine(b, "filter %s\n", filter)
	}
	b = append(b, flush...)
	for _, h := range have {
		b = appendLine(b, "have %s\n", h)
	}
	return appendLine(b, "done\n"), nil
}

// readAnswer reads the answer to a fetch: acknowledgements, then a pack in side bands.
func readAnswer(r io.Reader) (map[hash]object, error) {
	b := &bands{r: r, buf: make([]byte, maxLine)}
	objects, err := readPack(b)
	if err != nil && b.broken != nil { // a pack that is cut off is none that cannot be read
		return nil, b.broken
	}
	return objects, err
}

// bands reads the first side band, and skips what stands before it (gitprotocol-pack, "Packfile Data").
type bands struct {
	r     io.Reader
	buf   []byte
	left  []byte
	began bool

	broken error // why the lines ended before their end
}

func (b *bands) Read(p []byte) (int, error) {
	for len(b.left) == 0 {
		line, err := readLine(b.r, b.buf)
		switch {
		case err != nil:
			b.broken = ended(err)
			return 0, b.broken
		case line == nil:
			if b.began {
				return 0, io.EOF
			}
		case len(line) > 0 && line[0] == 1:
			b.left, b.began = line[1:], true
		case len(line) > 0 && line[0] == 2: // progress
		case len(line) > 0 && line[0] == 3:
			return 0, fmt.Errorf("the remote says: %s", sentence(string(line[1:])))
		case bytes.HasPrefix(line, []byte("ERR ")):
			return 0, fmt.Errorf("the remote says: %s", sentence(string(line[4:])))
		case b.began:
			return 0, errPack
		}
	}
	n := copy(p, b.left)
	b.left = b.left[n:]
	return n, nil
}
