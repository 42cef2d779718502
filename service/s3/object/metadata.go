package object

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Limits of what an object carries.
const (
	MaxMetadata = 2 << 10 // bytes of user metadata: names and values together
	MaxTags     = 10      // tags of an object
)

// Errors about what an object carries.
var (
	ErrMetadataTooLarge = errors.New("user metadata exceeds the limit")
	ErrTagging          = errors.New("tagging header is not valid")
)

// Metadata returns user metadata with its names in lower case, as S3 keeps them, or
// ErrMetadataTooLarge. Names that differ only in case are one, as HTTP headers are.
func Metadata(sent map[string]string) (map[string]string, error) {
	if len(sent) == 0 {
		return nil, nil
	}
	kept := make(map[string]string, len(sent))
	size := 0
	for name, value := range sent {
		size += len(name) + len(value)
		kept[strings.ToLower(name)] = value
	}
	if size > MaxMetadata {
		return nil, fmt.Errorf("%w: %d bytes", ErrMetadataTooLarge, size)
	}
	return kept, nil
}

// ParseTagging reads the x-amz-tagging header, tags written like a query string. Errors
// wrap ErrTagging. It checks form only, and that no key comes twice.
func ParseTagging(header string) (map[string]string, error) {
	if header == "" {
		return nil, nil
	}
	tags := make(map[string]string)
	for pair := range strings.SplitSeq(header, "&") {
		if pair == "" {
			continue
		}
		k, v, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(k)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrTagging, err)
		}
		value, err := url.QueryUnescape(v)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrTagging, err)
		}
		if _, twice := tags[key]; twice || key == "" {
			return nil, fmt.Errorf("%w: key %q", ErrTagging, key)
		}
		tags[key] = value
	}
	return tags, nil
}
