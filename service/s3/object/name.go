package object

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"unicode/utf8"
)

// MaxKey is the length of the longest object key, in bytes of UTF-8.
const MaxKey = 1024

// Errors about names.
var (
	ErrBucketName = errors.New("bucket name is not valid")
	ErrKey        = errors.New("object key is not valid UTF-8")
	ErrKeyTooLong = errors.New("object key is too long")
	ErrCopySource = errors.New("copy source is not valid")
)

// Name parts that S3 keeps for itself ("General purpose bucket naming rules", S3 user guide).
var (
	reservedPrefixes = []string{"xn--", "sthree-", "amzn-s3-demo-"}
	reservedSuffixes = []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"}
)

// CheckBucketName returns nil or ErrBucketName.
func CheckBucketName(name string) error {
	if len(name) < 3 || len(name) > 63 || !alphanumeric(name[0]) || !alphanumeric(name[len(name)-1]) {
		return ErrBucketName
	}
	for i := range len(name) {
		if c := name[i]; !alphanumeric(c) && c != '-' && c != '.' {
			return ErrBucketName
		}
	}
	if strings.Contains(name, "..") {
		return ErrBucketName
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return ErrBucketName // looks like an IPv4 address
	}
	for _, p := range reservedPrefixes {
		if strings.HasPrefix(name, p) {
			return ErrBucketName
		}
	}
	for _, s := range reservedSuffixes {
		if strings.HasSuffix(name, s) {
			return ErrBucketName
		}
	}
	return nil
}

func alphanumeric(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

// CheckKey returns nil, ErrKeyTooLong or ErrKey.
func CheckKey(key string) error {
	switch {
	case len(key) > MaxKey:
		return ErrKeyTooLong
	case key == "" || !utf8.ValidString(key):
		return ErrKey
	}
	return nil
}

// Source is what CopyObject and UploadPartCopy copy from.
type Source struct {
	Bucket, Key, VersionID string
}

// ParseSource reads x-amz-copy-source: an optional slash, bucket, slash and key,
// URL-encoded, and an optional ?versionId=. The error is ErrCopySource. Whether bucket
// and key are valid names is not checked.
func ParseSource(header string) (Source, error) {
	name, query, _ := strings.Cut(header, "?")
	var s Source
	if query != "" {
		id, ok := strings.CutPrefix(query, "versionId=")
		if !ok {
			return Source{}, ErrCopySource
		}
		s.VersionID = id
	}
	// The slash between the two may be encoded too: the SDKs for Java do so.
	path, err := url.PathUnescape(name)
	if err != nil {
		return Source{}, ErrCopySource
	}
	bucket, key, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !ok || bucket == "" || key == "" {
		return Source{}, ErrCopySource
	}
	s.Bucket, s.Key = bucket, key
	return s, nil
}

// EncodeName writes a key or prefix as encoding-type=url asks for: as in a query
// string, but slashes stay.
func EncodeName(name string) string {
	return strings.ReplaceAll(url.QueryEscape(name), "%2F", "/")
}
