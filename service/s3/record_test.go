package s3

import (
	"encoding/base64"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/service/s3/checksum"
	"github.com/strongroom/strongroom/service/s3/object"
)

func anObject() *stored {
	return &stored{
		Size: 1 << 40, Modified: time.UnixMilli(1700000000123).UTC(), ETag: object.ETag{Sum: [16]byte{1, 2}, Parts: 3},
		Sum: sum{checksum.SHA256, checksum.Composite, []byte("sum")},
		description: description{Headers: headers{ContentType: "a/b", Redirect: "/x", Expires: "e"}, Metadata: map[string]string{"k": "v", "a": ""},
			Tags: map[string]string{"t": "1"}, StorageClass: "STANDARD"},
		Seal: sealing{Mode: dsseKMS, KeyARN: "arn", BucketKey: true, Context: map[string]string{"c": "d"}, Wrapped: [2][]byte{[]byte("w1"), []byte("w2")},
			Salt: [16]byte{9}, Verifier: []byte("v"), Generation: 7},
		Piece: piece{ID: id{5}, Size: 9, Inline: true}, Manifest: id{6}, Chunks: []int64{1, 2},
	}
}

func TestRecordsComeBack(t *testing.T) {
	o := anObject()
	got, err := unpackObject(o.pack())
	if err != nil || !reflect.DeepEqual(got, o) {
		t.Errorf("got %+v, %v", got, err)
	}
	s, err := unpackSummary("k", o.pack())
	if err != nil || s.Size != o.Size || s.ETag != o.ETag || s.StorageClass != "STANDARD" || s.Sum.Algorithm != checksum.SHA256 {
		t.Errorf("got %+v, %v", s, err)
	}
	u := &upload{ID: id{1}, Initiated: o.Modified, Initiator: person{"arn", "ann"}, description: o.description, Seal: o.Seal, Sum: o.Sum, Asked: true, Replaced: 4}
	if got, err := unpackUpload(u.pack()); err != nil || !reflect.DeepEqual(got, u) {
		t.Errorf("got %+v, %v", got, err)
	}
	p := part{Number: 7, Modified: o.Modified, Tag: [16]byte{3}, Sum: o.Sum, Piece: o.Piece}
	if got, err := unpackPart(7, p.pack()); err != nil || !reflect.DeepEqual(got, p) {
		t.Errorf("got %+v, %v", got, err)
	}
	list := []segment{{o.Piece, []byte("s")}, {piece{ID: id{8}, Size: 1}, []byte{}}}
	if got, err := unpackChunk(packChunk(list)); err != nil || len(got) != 2 || got[1].Piece != list[1].Piece {
		t.Errorf("got %+v, %v", got, err)
	}
}

// Every cut of a record is an error, never wrong data.
func TestCutRecordsAreErrors(t *testing.T) {
	b := anObject().pack()
	for n := range b {
		if _, err := unpackObject(b[:n]); err == nil {
			t.Errorf("cut to %d bytes: no error", n)
		}
	}
	if _, err := unpackObject(append(b, 0)); err == nil {
		t.Error("a byte too many: no error")
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(anObject().pack())
	f.Add([]byte{1})
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, b []byte) {
		if o, err := unpackObject(b); err == nil {
			if again, err := unpackObject(o.pack()); err != nil || again.Size != o.Size {
				t.Errorf("%x: does not come back: %v", b, err)
			}
		}
		_, _ = unpackUpload(b)
		_, _ = unpackPart(1, b)
		_, _ = unpackChunk(b)
		_, _ = unpackSummary("", b)
	})
}

func TestKeysOfTheStore(t *testing.T) {
	now := time.Now()
	v := newID(now)
	if got, err := parseID(v.String()); err != nil || got != v {
		t.Errorf("got %v, %v", got, err)
	}
	if d := now.Sub(v.made()); d < 0 || d > time.Millisecond {
		t.Errorf("made %v ago", d)
	}
	for _, key := range []string{"a", "a\x00", "\x00\xff", "a\x00\x01b", strings.Repeat("k", 1000)} {
		got, upload, err := splitUploadKey(strings.TrimPrefix(string(uploadKey("b", key, v)), uploadsPrefix("b")))
		if err != nil || got != key || upload != v {
			t.Errorf("%q: got %q, %v, %v", key, got, upload, err)
		}
	}
	due, kind, what, err := splitTrashKey(trashKey(now, trashBlob, "x"))
	if err != nil || due.UnixMilli() != now.UnixMilli() || kind != trashBlob || what != "x" {
		t.Errorf("got %v %c %q, %v", due, kind, what, err)
	}
	if later := newID(now.Add(time.Millisecond)); later.String() <= v.String() {
		t.Error("ids do not sort by time")
	}
}

func FuzzKeysOfTheStore(f *testing.F) {
	f.Add([]byte("t\x000000018bcfe56800\x00bx"))
	f.Add([]byte("00000000000000000000000000"))
	f.Fuzz(func(t *testing.T, key []byte) {
		_, _, _, _ = splitTrashKey(key)
		_, _, _ = splitUploadKey(string(key))
		if v, err := parseID(string(key)); err == nil && v.String() != string(key) {
			t.Errorf("%q is no id", key)
		}
	})
}

func FuzzParseContext(f *testing.F) {
	f.Add(base64.StdEncoding.EncodeToString([]byte(`{"a":"b"}`)))
	f.Add("e30=")
	f.Add("bnVsbA==")
	f.Fuzz(func(t *testing.T, header string) {
		if pairs, err := parseContext(header); err != nil && pairs != nil {
			t.Error("pairs beside an error")
		}
	})
}

func FuzzPolicyScope(f *testing.F) {
	f.Add(`{"Statement":{"Action":"s3:*","Resource":["arn:aws:s3:::box","*"]}}`)
	f.Add(`{"Statement":[{"Action":null}]}`)
	f.Fuzz(func(t *testing.T, text string) { _ = checkScope(text, "box") })
}
