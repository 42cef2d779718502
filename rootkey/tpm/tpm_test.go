package tpm

import (
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"

	"github.com/strongroom/strongroom/rootkey"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/test/swtpm"
)

func say(text string) func() (secret.Bytes, error) {
	return func() (secret.Bytes, error) { return secret.FromString(text), nil }
}

// house makes a root key with a slot of each kind of TPM slot, and returns its seal file.
func house(t *testing.T, providers ...rootkey.Provider) (sealPath string, key *rootkey.Key) {
	t.Helper()
	sealPath = filepath.Join(t.TempDir(), "seal.json")
	key, _, err := rootkey.Init(sealPath, providers...)
	if err != nil {
		t.Fatal(err)
	}
	return sealPath, key
}

// opens opens the root key and compares it.
func opens(t *testing.T, sealPath string, key *rootkey.Key, p rootkey.Provider) {
	t.Helper()
	again, err := rootkey.Open(sealPath, p)
	if err != nil {
		t.Fatal(err)
	}
	if !again.Derive("x").Equal(key.Derive("x")) {
		t.Error("it is another root key")
	}
}

// refuses sees that the root key does not open, for these reasons and in one line.
func refuses(t *testing.T, sealPath string, p rootkey.Provider, want ...error) {
	t.Helper()
	_, err := rootkey.Open(sealPath, p)
	for _, w := range append(want, rootkey.ErrSealed) {
		if !errors.Is(err, w) {
			t.Errorf("got %v, want %v", err, w)
		}
	}
	if err != nil && (strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "canary")) {
		t.Errorf("error is %q", err)
	}
}

// run lends fn the TPM.
func run(t *testing.T, x *swtpm.TPM, fn func(c *conn) error) {
	t.Helper()
	c, err := dial(x.Device)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := fn(c); err != nil {
		t.Fatal(err)
	}
}

func extend(t *testing.T, x *swtpm.TPM, pcr uint) {
	t.Helper()
	run(t, x, func(c *conn) error {
		digest := sha256.Sum256([]byte("another kernel"))
		_, err := tpm2.PCRExtend{
			PCRHandle: tpm2.AuthHandle{Handle: tpm2.TPMHandle(pcr), Auth: tpm2.PasswordAuth(nil)},
			Digests:   tpm2.TPMLDigestValues{Digests: []tpm2.TPMTHA{{HashAlg: tpm2.TPMAlgSHA256, Digest: digest[:]}}},
		}.Execute(c)
		return err
	})
}

func TestProvider(t *testing.T) {
	x := swtpm.Start(t)
	for name, cfg := range map[string]Config{
		"plain":        {Device: x.Device},
		"PIN":          {Device: x.Device, PIN: say("canary-pin")},
		"PCRs":         {Device: x.Device, PCRs: "7+11"},
		"PCRs and PIN": {Device: x.Device, PCRs: "0+23", PIN: say("canary-pin that is longer than any hash that a TPM knows")},
	} {
		t.Run(name, func(t *testing.T) {
			sealPath, key := house(t, Provider(cfg))
			for range 5 { // a TPM has room for three objects: nothing may be left in it
				opens(t, sealPath, key, Provider(cfg))
			}
			text, err := os.ReadFile(sealPath)
			if err != nil || strings.Contains(string(text), "canary") {
				t.Errorf("the seal file holds the PIN (%v)", err)
			}
		})
	}
}

func TestRestart(t *testing.T) {
	x := swtpm.Start(t)
	p := Provider(Config{Device: x.Device, PCRs: "7"})
	sealPath, key := house(t, p)
	x.Stop()
	refuses(t, sealPath, p)
	x.Restart()
	opens(t, sealPath, key, p)
}

func TestChangedPCRs(t *testing.T) {
	x := swtpm.Start(t)
	bound, free := Provider(Config{Device: x.Device, PCRs: "7+11"}), Provider(Config{Device: x.Device, PCRs: "12"})
	sealPath, key := house(t, bound)
	other, otherKey := house(t, free)
	extend(t, x, 11)
	refuses(t, sealPath, bound, rootkey.ErrWrongKey)
	opens(t, other, otherKey, free)
	x.Stop()
	x.Restart() // the software is what it was
	opens(t, sealPath, key, bound)
}

func TestOtherTPM(t *testing.T) {
	x, y := swtpm.Start(t), swtpm.Start(t)
	sealPath, key := house(t, Provider(Config{Device: x.Device}))
	refuses(t, sealPath, Provider(Config{Device: y.Device}), rootkey.ErrWrongKey)
	opens(t, sealPath, key, Provider(Config{Device: x.Device}))
	run(t, x, func(c *conn) error {
		_, err := tpm2.Clear{AuthHandle: tpm2.AuthHandle{Handle: tpm2.TPMRHLockout, Auth: tpm2.PasswordAuth(nil)}}.Execute(c)
		return err
	})
	refuses(t, sealPath, Provider(Config{Device: x.Device}), rootkey.ErrWrongKey)
}

// TestForeignObject gives a slot another TPM's name, as somebody could who changes the seal file: the TPM
// itself refuses the object.
func TestForeignObject(t *testing.T) {
	x, y := swtpm.Start(t), swtpm.Start(t)
	theirs, _, err := Provider(Config{Device: x.Device}).NewSlot()
	if err != nil {
		t.Fatal(err)
	}
	ours, _, err := Provider(Config{Device: y.Device}).NewSlot()
	if err != nil {
		t.Fatal(err)
	}
	theirs["srk"] = ours["srk"]
	if _, err := Provider(Config{Device: y.Device}).SlotKey(theirs); !errors.Is(err, rootkey.ErrWrongKey) {
		t.Errorf("got %v", err)
	}
	for name, value := range map[string]string{"public": "00", "private": "zz", "pcrs": "7,11", "pin": "maybe"} {
		bad := map[string]string{"srk": ours["srk"], "public": ours["public"], "private": ours["private"], "pcrs": "", "pin": "no"}
		bad[name] = value
		if _, err := Provider(Config{Device: y.Device}).SlotKey(bad); !errors.Is(err, rootkey.ErrCorrupt) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestPIN gives wrong PINs until the TPM locks itself.
func TestPIN(t *testing.T) {
	for name, pcrs := range map[string]string{"alone": "", "with PCRs": "7"} {
		t.Run(name, func(t *testing.T) {
			x := swtpm.Start(t)
			good := Config{Device: x.Device, PCRs: pcrs, PIN: say("canary-good")}
			sealPath, key := house(t, Provider(good))
			none, wrong := good, good
			none.PIN, wrong.PIN = nil, say("canary-wrong")
			refuses(t, sealPath, Provider(none))
			refuses(t, sealPath, Provider(wrong), rootkey.ErrWrongKey)
			opens(t, sealPath, key, Provider(good))
			for try := 0; ; try++ {
				_, err := rootkey.Open(sealPath, Provider(wrong))
				if errors.Is(err, ErrLocked) {
					break
				}
				if !errors.Is(err, rootkey.ErrWrongKey) || try > 40 {
					t.Fatalf("try %d: got %v", try, err)
				}
			}
			refuses(t, sealPath, Provider(good), ErrLocked)
		})
	}
}

// TestSilentTPM sees that a TPM that does not answer, or answers rubbish, holds nobody up.
func TestSilentTPM(t *testing.T) {
	dir, err := os.MkdirTemp("", "tpm-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	answers := make(chan string, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, <-answers) // and leave it open
		}
	}()
	for name, test := range map[string]struct {
		answer string
		want   error
	}{
		"silent":   {"", errSilent},
		"part":     {"\x80\x01\x00", errSilent},
		"no tail":  {"\x80\x01\x00\x00\x00\x0c\x00\x00\x00\x00", errSilent},
		"short":    {"\x80\x01\x00\x00\x00\x02\x00\x00\x00\x00", errAnswer},
		"long":     {"\x80\x01\xff\xff\xff\xff\x00\x00\x00\x00", errAnswer},
		"too much": {"\x80\x01\x00\x00\x00\x0a\x00\x00\x00\x00more", errAnswer},
	} {
		answers <- test.answer
		c, err := dial("unix:" + l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c.time = 100 * time.Millisecond
		_, err = c.Send([]byte("command"))
		if !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
		if _, again := c.Send([]byte("command")); again != err {
			t.Errorf("%s: after it: got %v", name, again)
		}
		c.close()
	}
}

// TestBusyTPM sees that a command is sent again when the TPM asks for that, and not for ever.
func TestBusyTPM(t *testing.T) {
	busy, done := "\x80\x01\x00\x00\x00\x0a\x00\x00\x09\x22", "\x80\x01\x00\x00\x00\x0a\x00\x00\x00\x00"
	for _, times := range []int{2, 1000} {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			for try := 0; ; try++ {
				if _, err := theirs.Read(make([]byte, 64)); err != nil {
					return
				}
				answer := busy
				if try >= times {
					answer = done
				}
				_, _ = io.WriteString(theirs, answer)
			}
		}()
		want := done
		if times == 1000 {
			want = busy
		}
		c := &conn{rw: ours, time: time.Second / 2}
		if got, err := c.Send([]byte("command")); err != nil || string(got) != want {
			t.Errorf("busy %d times: got %q, %v", times, got, err)
		}
		c.close()
	}
}

func TestConfig(t *testing.T) {
	for text, ok := range map[string]bool{
		"": true, "0": true, "7+11": true, "23": true,
		"24": false, "7,11": false, "7+7": false, "+7": false, "07": false, "-1": false, "x": false,
	} {
		if err := ParsePCRs(text); (err == nil) != ok {
			t.Errorf("PCRs %q: got %v", text, err)
		}
	}
	for _, device := range []string{"/nowhere/tpm", "unix:/nowhere/tpm", "tcp:192.0.2.1:2321", "tcp:localhost:1", "usb:1", "tpm0"} {
		if _, _, err := Provider(Config{Device: device}).NewSlot(); err == nil {
			t.Errorf("%s was opened", device)
		}
	}
	if _, _, err := Provider(Config{PIN: say("")}).NewSlot(); !errors.Is(err, rootkey.ErrMistyped) {
		t.Errorf("empty PIN: got %v", err)
	}
}

func FuzzReadAnswer(f *testing.F) {
	f.Add("\x80\x01\x00\x00\x00\x0a\x00\x00\x00\x00")
	f.Add("\x80\x01\xff\xff\xff\xff\x00\x00\x00\x00")
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := readAnswer(strings.NewReader(text)); err == nil && !strings.HasPrefix(text, string(got)) {
			t.Errorf("%q was read as %q", text, got)
		}
	})
}
