package s3

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// The keys of the store. Parts are separated by a zero byte; only the last part, an
// object's own key, may hold one. Names are readable, ids are written in base32 whose
// letters sort as their values do.
//
//	b 0 name                   bucket: JSON
//	i 0 bucket id              the bucket's name, while it is there
//	a 0 account 0 name         the account has the bucket: its region
//	o 0 bucket id 0 key        object
//	d 0 piece id               the sealed bytes of a small piece
//	m 0 manifest id 0 chunk    manifest: segments of an object in parts
//	u 0 bucket id 0 key* upload id    upload that goes on; key* is the key with its zero
//	                           bytes written 0 255, ended by 0 1, so that keys sort as keys
//	q 0 upload id 0 number     part
//	c 0 upload id              what CompleteMultipartUpload answered, so that it can again
//	p 0 piece id               pending: a blob of this piece may be there, no record names it yet
//	t 0 time 0 kind id         trash: to be erased at or after this time, in 16 hexadecimal digits of milliseconds
//	k 0 region 0 account 0 generation   data key of an account: JSON
//
// Piece, manifest and upload ids begin with the time they were made, so that what is
// made together stands together, and old entries are found first.

// id names a piece, a manifest, an upload or a bucket: 48 bits of milliseconds and 80 random ones.
type id [16]byte

var idText = base32.HexEncoding.WithPadding(base32.NoPadding)

// newID returns an id that nothing else has.
func newID(now time.Time) (v id) {
	binary.BigEndian.PutUint64(v[:8], uint64(now.UnixMilli())<<16)
	rand.Read(v[6:])
	return v
}

func (v id) String() string { return strings.ToLower(idText.EncodeToString(v[:])) }

// made returns when the id was made.
func (v id) made() time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(v[:8]) >> 16))
}

// parseID reads what String wrote.
func parseID(s string) (v id, err error) {
	raw, err := idText.DecodeString(strings.ToUpper(s))
	if err != nil || len(raw) != len(v) {
		return id{}, fmt.Errorf("malformed id")
	}
	copy(v[:], raw)
	if v.String() != s {
		return id{}, fmt.Errorf("malformed id")
	}
	return v, nil
}

// blobKey returns the name of a piece's blob. Two random letters come first: drivers
// spread blobs over folders by how names begin, and ids of one day begin alike.
func (v id) blobKey() string {
	text := v.String()
	return blobPrefix + text[23:25] + text
}

// blobPrefix stands before the names of all blobs of the service.
const blobPrefix = "s3/"

func bucketKey(name string) []byte { return []byte("b\x00" + name) }

func bucketIDKey(bucket string) []byte { return []byte("i\x00" + bucket) }

func ownerPrefix(account string) string    { return "a\x00" + account + "\x00" }
func ownerKey(account, name string) []byte { return []byte(ownerPrefix(account) + name) }
func objectPrefix(bucket string) string    { return "o\x00" + bucket + "\x00" }
func objectKey(bucket, key string) []byte  { return []byte(objectPrefix(bucket) + key) }
func inlineKey(piece id) []byte            { return []byte("d\x00" + piece.String()) }
func pendingKey(piece id) []byte           { return []byte(pendingPrefix + piece.String()) }
func manifestPrefix(manifest id) []byte    { return []byte("m\x00" + manifest.String() + "\x00") }
func manifestKey(manifest id, chunk int) []byte {
	return fmt.Appendf(manifestPrefix(manifest), "%02d", chunk)
}
func uploadsPrefix(bucket string) string   { return "u\x00" + bucket + "\x00" }
func partsPrefix(upload id) []byte         { return []byte("q\x00" + upload.String() + "\x00") }
func partKey(upload id, number int) []byte { return fmt.Appendf(partsPrefix(upload), "%05d", number) }
func completedKey(upload id) []byte        { return []byte("c\x00" + upload.String()) }
func dataKeyPrefix(region, account string) string {
	return "k\x00" + region + "\x00" + account + "\x00"
}
func dataKeyKey(region, account string, generation int64) []byte {
	return fmt.Appendf(nil, "%s%08x", dataKeyPrefix(region, account), generation)
}

const (
	pendingPrefix = "p\x00"
	trashPrefix   = "t\x00"
)

// zeros writes a key so that uploadKeyEnd can end it and keys still sort as keys.
var zeros = strings.NewReplacer("\x00", "\x00\xff")

const uploadKeyEnd = "\x00\x01"

func uploadKey(bucket, key string, upload id) []byte {
	return []byte(uploadsPrefix(bucket) + zeros.Replace(key) + uploadKeyEnd + upload.String())
}

// uploadKeyPart returns the key in the name of an upload, as it is written there.
func uploadKeyPart(name string) string {
	cut := len(name) - base32IDLength - len(uploadKeyEnd)
	if cut < 0 || name[cut:cut+len(uploadKeyEnd)] != uploadKeyEnd {
		return name // no upload: a marker or a common prefix
	}
	return name[:cut]
}

// splitUploadKey takes the name of an upload apart: what stands behind uploadsPrefix.
func splitUploadKey(name string) (key string, upload id, err error) {
	part := uploadKeyPart(name)
	if len(part) == len(name) {
		return "", id{}, fmt.Errorf("upload record: malformed key")
	}
	upload, err = parseID(name[len(name)-base32IDLength:])
	return unzeros(part), upload, err
}

// unzeros undoes zeros.
func unzeros(written string) string { return strings.ReplaceAll(written, "\x00\xff", "\x00") }

// base32IDLength is the length of an id as text.
const base32IDLength = 26

// The kinds of trash: what follows the time in its key.
const (
	trashBlob      = 'b' // a piece's blob
	trashManifest  = 'm' // a manifest, and the pieces it names
	trashUpload    = 'u' // the parts of an upload, and their pieces unless a manifest of the same id names them
	trashUploads   = 'k' // the uploads of a bucket that is gone
	trashCompleted = 'c' // the remembered answer of an upload
)

func trashKey(due time.Time, kind byte, what string) []byte {
	return fmt.Appendf(nil, "%s%016x\x00%c%s", trashPrefix, due.UnixMilli(), kind, what)
}

// splitTrashKey takes a key of the store apart.
func splitTrashKey(key []byte) (due time.Time, kind byte, what string, err error) {
	rest := strings.TrimPrefix(string(key), trashPrefix)
	if len(rest) < 18 || rest[16] != 0 {
		return time.Time{}, 0, "", fmt.Errorf("trash record: malformed key")
	}
	raw, err := hex.DecodeString(rest[:16])
	if err != nil {
		return time.Time{}, 0, "", fmt.Errorf("trash record: %w", err)
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(raw))), rest[17], rest[18:], nil
}
