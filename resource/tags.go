// Package resource holds what the resources of all services share: tags and page
// tokens.
package resource

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxTags is the most tags a resource may carry.
const MaxTags = 50

// Lengths of tag keys and values, in characters.
const (
	maxTagKey   = 128
	maxTagValue = 256
)

// ErrTag is wrapped by every error about a malformed tag; ErrTooManyTags says that a
// resource would carry more than MaxTags.
var (
	ErrTag         = errors.New("tag is not valid")
	ErrTooManyTags = errors.New("too many tags")
)

// Tags are a resource's tags by key. Keys and values are case-sensitive.
type Tags map[string]string

// CheckTag reports what is wrong with a tag that a customer sets, or nil. The rules are
// those of the AWS General Reference: 1 to 128 characters of key, up to 256 of value,
// letters, digits, spaces and _ . : / = + - @, and no key that begins with aws: in any
// case. The error wraps ErrTag.
func CheckTag(key, value string) error {
	switch n := utf8.RuneCountInString(key); {
	case n == 0:
		return fmt.Errorf("%w: the key is empty", ErrTag)
	case n > maxTagKey:
		return fmt.Errorf("%w: the key has more than %d characters", ErrTag, maxTagKey)
	case utf8.RuneCountInString(value) > maxTagValue:
		return fmt.Errorf("%w: the value of %q has more than %d characters", ErrTag, key, maxTagValue)
	case len(key) >= 4 && strings.EqualFold(key[:4], "aws:"):
		return fmt.Errorf("%w: keys that begin with aws: are reserved", ErrTag)
	case !tagText(key):
		return fmt.Errorf("%w: the key %q has a character that is not allowed", ErrTag, key)
	case !tagText(value):
		return fmt.Errorf("%w: the value of %q has a character that is not allowed", ErrTag, key)
	}
	return nil
}

// tagText reports whether s consists of characters that tags may hold.
func tagText(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Z, r) && !strings.ContainsRune("_.:/=+-@", r) {
			return false
		}
	}
	return true
}

// Merge returns t with changes laid over it, checked as a whole. Neither argument is
// changed.
func (t Tags) Merge(changes Tags) (Tags, error) {
	merged := make(Tags, len(t)+len(changes))
	for k, v := range t {
		merged[k] = v
	}
	for k, v := range changes {
		if err := CheckTag(k, v); err != nil {
			return nil, err
		}
		merged[k] = v
	}
	if len(merged) > MaxTags {
		return nil, fmt.Errorf("%w: %d, at most %d are allowed", ErrTooManyTags, len(merged), MaxTags)
	}
	return merged, nil
}

// Without returns t less the given keys. t is not changed.
func (t Tags) Without(keys []string) Tags {
	rest := make(Tags, len(t))
	for k, v := range t {
		rest[k] = v
	}
	for _, k := range keys {
		delete(rest, k)
	}
	return rest
}
