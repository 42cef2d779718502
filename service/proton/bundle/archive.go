package bundle

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The limits of an archive. Those of AWS Proton are MaxPacked, maxManifest and maxFile;
// the others keep what AWS's would allow within reason.
const (
	MaxPacked   = 5 << 20
	maxUnpacked = 32 << 20 // with headers and padding
	maxEntries  = 2000
	maxManifest = 50 << 10
	maxFile     = 200 << 10
	maxDepth    = 12
	maxName     = 100 // of one part of a path
	maxPath     = 512
)

// errPacked and errUnpacked come out of the readers that count.
var (
	errPacked   = errors.New("the archive is larger than 5 MB")
	errUnpacked = errors.New("the archive is too large when unpacked")
)

// counted passes bytes through until there were too many, and remembers the error of the
// reader below so that it can be told from a broken archive.
type counted struct {
	r      io.Reader
	left   int64
	over   error
	broken error
}

func (c *counted) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, c.over
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.r.Read(p)
	c.left -= int64(n)
	if err != nil && err != io.EOF {
		c.broken = err
	}
	return n, err
}

// unpack returns the files of an archive under their cleaned names, sorted, with a single
// leading folder taken off.
func unpack(archive io.Reader) ([]File, error) {
	packed := &counted{r: archive, left: MaxPacked + 1, over: errPacked}
	zr, err := gzip.NewReader(packed)
	if err != nil {
		return nil, failed(packed, err)
	}
	defer zr.Close()
	open := &counted{r: zr, left: maxUnpacked, over: errUnpacked}
	s := shelf{folded: make(map[string]string), isFile: make(map[string]bool)}
	tr := tar.NewReader(open)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, failed(packed, err)
		}
		if err := s.add(h, tr); err != nil {
			var own *Error
			if errors.As(err, &own) {
				return nil, err
			}
			return nil, failed(packed, err)
		}
	}
	// The rest is padding; reading it verifies the checksum of the gzip stream.
	if _, err := io.Copy(io.Discard, open); err != nil {
		return nil, failed(packed, err)
	}
	return s.rooted(), nil
}

// failed turns an error of the archive readers into an *Error; one of the reader they
// read from stays itself.
func failed(packed *counted, err error) error {
	switch {
	case packed.broken != nil:
		return fmt.Errorf("bundle: %w", packed.broken)
	case errors.Is(err, errPacked), errors.Is(err, errUnpacked):
		return &Error{Reason: err.Error()}
	case errors.Is(err, gzip.ErrHeader):
		return &Error{Reason: "the bundle is not a .tar.gz archive"}
	}
	return &Error{Reason: "the archive is damaged or cut off"}
}

// shelf holds what was unpacked.
type shelf struct {
	files   []File
	entries int
	folded  map[string]string // lower case to the name it came with, files and folders
	isFile  map[string]bool
}

func (s *shelf) add(h *tar.Header, r io.Reader) error {
	if s.entries++; s.entries > maxEntries {
		return &Error{Reason: fmt.Sprintf("the archive has more than %d entries", maxEntries)}
	}
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name := strings.TrimPrefix(h.Name, "./")
	name = strings.TrimSuffix(name, "/")
	if name == "" || name == "." {
		return nil
	}
	if ignored(name) {
		return nil
	}
	switch h.Typeflag {
	case tar.TypeReg:
	case tar.TypeDir:
		if err := goodPath(name); err != nil {
			return err
		}
		return s.claim(name, false)
	case tar.TypeLink, tar.TypeSymlink:
		return &Error{File: shown(name), Reason: "links are not allowed in a bundle"}
	default:
		return &Error{File: shown(name), Reason: "only files and folders are allowed in a bundle"}
	}
	if err := goodPath(name); err != nil {
		return err
	}
	if err := s.claim(name, true); err != nil {
		return err
	}
	limit, words := int64(maxFile), "200 KB"
	if base := path.Base(name); base == manifestName || base == "schema.yaml" {
		limit, words = maxManifest, "50 KB"
	}
	if h.Size > limit {
		return &Error{File: name, Reason: "larger than " + words}
	}
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return err
	}
	s.files = append(s.files, File{Name: name, Data: data, Exec: h.Mode&0o100 != 0})
	return nil
}

// ignored reports whether the path is one of the side files that macOS adds.
func ignored(name string) bool {
	base := path.Base(name)
	return strings.HasPrefix(base, "._") || base == ".DS_Store" || strings.HasPrefix(name, "__MACOSX/") || name == "__MACOSX"
}

// goodPath refuses what could leave the folder, or what another system would read
// as another name.
func goodPath(name string) error {
	fail := func(reason string) error { return &Error{File: shown(name), Reason: reason} }
	switch {
	case len(name) > maxPath:
		return fail("the path is longer than 512 characters")
	case strings.HasPrefix(name, "/"):
		return fail("absolute paths are not allowed in a bundle")
	case !utf8.ValidString(name) || strings.ContainsAny(name, "\\:") || strings.ContainsFunc(name, unicode.IsControl):
		return fail("the path has characters that are not allowed")
	}
	parts := strings.Split(name, "/")
	if len(parts) > maxDepth {
		return fail("nested too deep")
	}
	for _, p := range parts {
		switch {
		case p == "" || p == "." || p == "..":
			return fail("empty parts, . and .. are not allowed in a path")
		case utf8.RuneCountInString(p) > maxName:
			return fail("a name is longer than 100 characters")
		case strings.EqualFold(p, ".git"):
			return fail("a folder or file must not be named .git")
		}
	}
	return nil
}

// shown is a name fit for a message.
func shown(name string) string {
	clean := strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return '?'
		}
		return c
	}, strings.ToValidUTF8(name, "?"))
	if r := []rune(clean); len(r) > 120 {
		return string(r[:120]) + "..."
	}
	return clean
}

// claim takes the name and the folders above it, and refuses a second file of the same
// name, names that differ in case only, and a file where a folder is.
func (s *shelf) claim(name string, file bool) error {
	for i, c := range name + "/" {
		if c != '/' {
			continue
		}
		part := name[:i]
		leaf := i == len(name)
		key := strings.ToLower(part)
		before, ok := s.folded[key]
		switch {
		case ok && before != part:
			return &Error{File: name, Reason: "the name differs from " + before + " in case only"}
		case ok && s.isFile[part] && !(leaf && !file):
			return &Error{File: name, Reason: pick(leaf, "the file is there twice", part+" is a file and a folder")}
		case ok && leaf && file, ok && s.isFile[part]:
			return &Error{File: name, Reason: "the name is a file and a folder"}
		}
		s.folded[key] = part
		if leaf && file {
			s.isFile[part] = true
		}
	}
	return nil
}

func pick(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}

// rooted returns the files, less a single folder around the bundle.
func (s *shelf) rooted() []File {
	known := []string{schemaFolder, environmentFolder, instanceFolder, pipelineFolder}
	top := ""
	for _, f := range s.files {
		first, _, inside := strings.Cut(f.Name, "/")
		if !inside || slices.Contains(known, first) || top != "" && first != top {
			top = ""
			break
		}
		top = first
	}
	out := make([]File, 0, len(s.files))
	for _, f := range s.files {
		if top != "" {
			f.Name = strings.TrimPrefix(f.Name, top+"/")
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return out
}
