// Package damage breaks what a house stands on: it flips bits, cuts files and fills the disk,
// and looks for a sentence that names the file, and never for a panic or for wrong data.
package damage

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strongroom/strongroom/test/house"
)

var (
	ctx  = context.Background()
	seed = flag.Uint64("seed", 0, "seed of where files are damaged; 0 takes one from the clock")
)

func TestMain(m *testing.M) {
	flag.Parse()
	house.Main(m)
}

// patience bounds one run of the program.
const patience = time.Minute

// objects of the house, by bucket: one under the house's own keys, one under a customer's.
var objects = map[string][]byte{"damage-own": bytes.Repeat([]byte("an object of the house's own key "), 9000), "damage-customer": bytes.Repeat([]byte("an object of a customer's key "), 9000)}

// furnish makes a house that has something in every part of its directory.
func furnish(t *testing.T) *house.House {
	t.Helper()
	h := house.Start(t)
	a := h.AsAdmin()
	key, err := a.KMS().CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	for bucket, body := range objects {
		in := &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("large"), Body: bytes.NewReader(body)}
		if bucket == "damage-customer" {
			in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, key.KeyMetadata.Arn
		}
		_, err := a.S3().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: house.Region}})
		_, err2 := a.S3().PutObject(ctx, in)
		_, err3 := a.S3().PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("small"), Body: strings.NewReader("small")})
		if err := errors.Join(err, err2, err3); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.IAM().CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("someone")}); err != nil {
		t.Fatal(err)
	}
	return h
}

// files returns the regular files below dir, as paths relative to it.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		names = append(names, filepath.ToSlash(rel))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// copyDir copies the files below one directory into another.
func copyDir(t *testing.T, from, to string) {
	t.Helper()
	for _, name := range files(t, from) {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(to, name), b)
	}
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, b, 0o600)); err != nil {
		t.Fatal(err)
	}
}

// injury is one way to damage a file.
type injury struct {
	name string
	do   func(b []byte, at int) []byte
}

var injuries = []injury{
	{"a bit flipped", func(b []byte, at int) []byte { b[at] ^= 1 << (at % 8); return b }},
	{"cut off", func(b []byte, at int) []byte { return b[:at] }},
	{"its last byte cut off", func(b []byte, _ int) []byte { return b[:len(b)-1] }},
}

// harmless says why a damaged file need not be noticed, or "" where it must be.
func harmless(name string, cut bool) string {
	switch base := filepath.Base(name); {
	case base == "lock":
		return "it holds a process number for people, and the lock is the kernel's"
	case name == "tls/ca.pem":
		return "it is a copy of what ca.sealed holds, and is written anew"
	case strings.HasPrefix(base, "marker.manifest") && !cut:
		return "it says what it says by its name, and is replaced at every start"
	}
	return ""
}

// strange are words that a crash would print.
var strange = regexp.MustCompile(`panic|goroutine|runtime error|SIGSEGV`)

// sentence is a refusal: one line, after the program's name. The log may stand before it.
var sentence = regexp.MustCompile(`(?m)^strongroom: [^\n]+\n\z`)

// run runs the program on a data directory.
func run(t *testing.T, h *house.House, dir string, args ...string) (text string, err error) {
	t.Helper()
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(limited, house.Binary(t), append(args, "--data", dir, "--root-key", h.RootKey)...)
	cmd.Args[0] = "strongroom"
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.Discard, &out
	err = cmd.Run()
	return out.String(), err
}

func TestEveryDamagedFileIsNamed(t *testing.T) {
	h := furnish(t)
	h.Stop()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("again with: -seed %d", *seed)
	choose := rand.New(rand.NewPCG(*seed, 0))

	limit := make(chan struct{}, 2)
	var wg sync.WaitGroup
	seen := map[string]bool{}
	for _, name := range files(t, h.Dir) {
		whole, err := os.ReadFile(filepath.Join(h.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		seen[strings.Split(name, "/")[0]] = true
		ways := injuries
		if harmless(name, true) != "" {
			ways = ways[:1] // once is enough
		}
		for _, way := range ways {
			at := choose.IntN(len(whole))
			cut := len(way.do(bytes.Clone(whole), at)) < len(whole)
			dir := filepath.Join(t.TempDir(), "d")
			copyDir(t, h.Dir, dir)
			write(t, filepath.Join(dir, name), way.do(bytes.Clone(whole), at))
			wg.Go(func() {
				limit <- struct{}{}
				defer func() { <-limit }()
				what := fmt.Sprintf("%s with %s at byte %d of %d", name, way.name, at, len(whole))
				text, err := run(t, h, dir, "check")
				judge(t, what, filepath.Base(name), harmless(name, cut), text, err)
				if back, _ := os.ReadFile(filepath.Join(dir, "tls", "ca.pem")); name == "tls/ca.pem" && !bytes.Equal(back, whole) {
					t.Errorf("%s was not written anew", what)
				}
			})
		}
	}
	wg.Wait()
	for _, part := range []string{"seal.json", "store", "audit", "blobs", "tls"} {
		if !seen[part] {
			t.Errorf("the house has nothing in %s", part)
		}
	}
}

// judge says whether a run over a damaged file ended as it must.
func judge(t *testing.T, what, base, excuse, text string, err error) {
	t.Helper()
	switch {
	case strange.MatchString(text):
		t.Errorf("%s: the program broke down\n%s", what, text)
	case excuse != "" && err != nil:
		t.Errorf("%s does no harm, because %s; and yet: %v\n%s", what, excuse, err, text)
	case excuse == "" && err == nil:
		t.Errorf("%s was not found", what)
	case excuse == "" && !(sentence.MatchString(text) && strings.Contains(text, base)):
		t.Errorf("%s: want one sentence that names the file\n%s", what, text)
	}
}

// TestDamagedObjectIsNotServed flips a bit in the sealed bytes of each object: its reader gets an
// error, never other bytes, and everything else stays as it was.
func TestDamagedObjectIsNotServed(t *testing.T) {
	h := furnish(t)
	h.Stop()
	for _, name := range files(t, h.Dir) {
		if strings.HasPrefix(name, "blobs/") && filepath.Base(name) != "lock" {
			path := filepath.Join(h.Dir, name)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			write(t, path, injuries[0].do(b, len(b)/2))
		}
	}
	h.Restart()
	for bucket, body := range objects {
		got, err := read(h.AsAdmin(), bucket, "large")
		if err == nil || !bytes.HasPrefix(body, got) {
			t.Errorf("%s: a damaged object gave %d bytes, %v", bucket, len(got), err)
		}
		if got, err := read(h.AsAdmin(), bucket, "small"); err != nil || string(got) != "small" {
			t.Errorf("%s: the object beside it: %q, %v", bucket, got, err)
		}
	}
	if strange.MatchString(h.Output()) {
		t.Errorf("the house printed\n%s", h.Output())
	}
}

func read(a house.Account, bucket, key string) ([]byte, error) {
	out, err := a.S3().GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	return io.ReadAll(out.Body)
}
