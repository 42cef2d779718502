package key

import (
	"compress/bzip2"
	"crypto/fips140"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/strongroom/strongroom/test/outside"
)

// The vectors of Wycheproof and of NIST's ACVP are read from their Go modules, and not copied here.
// Neither is a dependency: the one would raise the Go version of our module and the other has no
// package to import. So their versions and sums stand here.
const (
	wycheproof    = "github.com/c2sp/wycheproof@v0.0.0-20260902155932-3fa63dd0344a"
	wycheproofSum = "h1:pNbL2nztRsWfW/ispAwsvcDFxs9Id38uIsR2/Up5G2c="
	acvp          = "github.com/geomys/acvp-testdata@v0.0.0-20251201200548-d893de8b8b1c"
	acvpSum       = "h1:W9bTdyWTJoakpzDOLR5BNKaGjYAmoaJOioBztGGWI98="
)

// module returns the folder of a module in the module cache, to which it is brought if need be. Without
// it the test is skipped; with STRONGROOM_REQUIRE_CLIENTS=1 it fails.
func module(t *testing.T, version, sum string) string {
	t.Helper()
	if fips140.Enforced() || testing.Short() {
		t.Skip("the vectors are many, and for every algorithm; they run where all of them do, without -short")
	}
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", version)
	cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	text, err := cmd.Output()
	var got struct{ Dir, Sum, Error string }
	if jsonErr := json.Unmarshal(text, &got); err != nil || jsonErr != nil || got.Error != "" {
		outside.Missing(t, "%s cannot be had: %v %s", version, err, got.Error)
	}
	if got.Sum != sum {
		t.Fatalf("%s has sum %s, want %s", version, got.Sum, sum)
	}
	return got.Dir
}

// hexBytes are bytes that JSON has as hexadecimal.
type hexBytes []byte

func (b *hexBytes) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	if len(s)%2 == 1 {
		s = "0" + s
	}
	raw, err := hex.DecodeString(s)
	*b = raw
	return err
}

// wycheproofGroup is what we read of a group of Wycheproof, of whatever type.
type wycheproofGroup struct {
	PublicKeyDer    hexBytes `json:"publicKeyDer"`
	PrivateKeyPkcs8 hexBytes `json:"privateKeyPkcs8"`
	PrivateSeed     hexBytes `json:"privateSeed"`
	PublicKey       any      `json:"publicKey"`
	PrivateKey      any      `json:"privateKey"`
	KeySize         int      `json:"keySize"`
	TagSize         int      `json:"tagSize"`
	Sha             string   `json:"sha"`
	ParameterSet    string   `json:"parameterSet"`
	Tests           []wycheproofTest
}

// public returns the public key where it is plain bytes.
func (g *wycheproofGroup) public(t *testing.T) []byte {
	t.Helper()
	s, ok := g.PublicKey.(string)
	raw, err := hex.DecodeString(s)
	if !ok || err != nil {
		t.Fatalf("public key %v", g.PublicKey)
	}
	return raw
}

type wycheproofTest struct {
	ID      int    `json:"tcId"`
	Comment string `json:"comment"`
	Result  string `json:"result"`

	Msg, Sig, Key, Tag, Ct, Label, Public, Private, Shared, Ctx, Mu, Seed, Ek, C, K hexBytes
}

// check compares what we did with what a vector wants. What it calls acceptable may be either.
func (v *wycheproofTest) check(t *testing.T, file string, ok bool) {
	t.Helper()
	if v.Result == "valid" && !ok || v.Result == "invalid" && ok {
		t.Errorf("%s %d (%s): %s, and we say %v", file, v.ID, v.Comment, v.Result, ok)
	}
}

// wycheproofFile calls fn for every group of a file, and fails when the file has fewer vectors than it
// once had, or when fewer were used.
func wycheproofFile(t *testing.T, dir, file string, least int, fn func(t *testing.T, g *wycheproofGroup) int) {
	t.Helper()
	t.Run(file, func(t *testing.T) {
		text, err := os.ReadFile(filepath.Join(dir, "testvectors_v1", file+"_test.json"))
		if err != nil {
			t.Fatal(err)
		}
		var all struct{ TestGroups []wycheproofGroup }
		if err := json.Unmarshal(text, &all); err != nil {
			t.Fatal(err)
		}
		used := 0
		for i := range all.TestGroups {
			used += fn(t, &all.TestGroups[i])
		}
		if used < least {
			t.Errorf("%d vectors were used, want %d", used, least)
		}
	})
}

// acvpGroup is what we read of a group of ACVP, its questions and answers in one.
type acvpGroup struct {
	Curve, HashAlg, SigType, ParameterSet, SignatureInterface, DomainParameterGenerationMode string

	PreHash    any
	N, E       hexBytes
	Modulo     int
	SaltLen    int
	KeyLen     int
	ExternalMu bool
	Tests      []acvpTest
}

type acvpTest struct {
	TcID int

	Message, Msg, Qx, Qy, R, S, Q, Signature, Key, Mac, Mu, Pk, Context, Seed, D, Z, Ek hexBytes

	StaticPrivateIut, StaticPublicServerX, StaticPublicServerY, StaticPublicIutX, StaticPublicIutY hexBytes

	TestPassed *bool
}

// acvpFile calls fn for every group of an algorithm and mode.
func acvpFile(t *testing.T, dir, file, mode string, least int, fn func(t *testing.T, g *acvpGroup) int) {
	t.Helper()
	t.Run(file+" "+mode, func(t *testing.T) {
		var questions, answers []struct {
			Mode       string
			TestGroups []acvpGroup
		}
		readBzip(t, filepath.Join(dir, "vectors", file+".bz2"), &questions)
		readBzip(t, filepath.Join(dir, "expected", file+".bz2"), &answers)
		used := 0
		for i := range questions {
			for j := range questions[i].TestGroups {
				if questions[i].Mode != mode {
					continue
				}
				g, a := &questions[i].TestGroups[j], &answers[i].TestGroups[j]
				for k := range g.Tests {
					q, w := &g.Tests[k], &a.Tests[k]
					if q.TcID != w.TcID {
						t.Fatalf("question %d has answer %d", q.TcID, w.TcID)
					}
					q.TestPassed, q.Mac, q.Ek = w.TestPassed, w.Mac, w.Ek
					if q.Pk == nil {
						q.Pk = w.Pk
					}
				}
				used += fn(t, g)
			}
		}
		if used < least {
			t.Errorf("%d vectors were used, want %d", used, least)
		}
	})
}

func readBzip(t *testing.T, name string, into any) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := json.NewDecoder(bzip2.NewReader(f)).Decode(into); err != nil {
		t.Fatal(name, err)
	}
}

func (v *acvpTest) check(t *testing.T, what string, ok bool) {
	t.Helper()
	if v.TestPassed == nil || *v.TestPassed != ok {
		t.Errorf("%s %d: we say %v", what, v.TcID, ok)
	}
}
