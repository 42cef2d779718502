package strongroom

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/strongroom/strongroom/"

// floors says who may import whom, from the ground up. A package imports packages of
// lower floors only; two packages of one floor never import each other. A name ending
// in /* stands for every package below the folder. The first line that fits a package counts.
const floors = `
	secret machine outbound sensitive
	arn durable pkcs11/frame runner/sandbox
	pkcs11
	service/s3/checksum
	service/logs/filter
	store/cryptfs service/kms/key service/kms/intake service/s3/object
	service/proton/document service/proton/schema service/proton/spec service/proton/jinja service/proton/hcl service/proton/bundle service/proton/render service/proton/git service/proton/syncfile
	store blob wire policy identity rootkey
	rootkey/*
	wire/plan
	wire/jsonbody wire/xmlbody wire/httpbind
	wire/awsjson wire/awsquery wire/raw wire/restjson wire/restxml
	wire/protocol
	sigv4
	call service/kms/xks remote
	api/*
	job resource runner
	audit idempotency
	seal
	service
	service/* gateway cli console
	cmd/*
`

// free are packages outside the house: test kits and whole-house tests may import anything.
var free = []string{"store/storetest", "blob/blobtest", "service/kms/xks/xkstest", "test/*"}

// fits reports whether the pattern of a floor names the package.
func fits(pattern, pkg string) bool {
	if folder, ok := strings.CutSuffix(pattern, "/*"); ok {
		return strings.HasPrefix(pkg, folder+"/")
	}
	return pattern == pkg
}

// floorOf returns the floor a package stands on, from 0, or -1.
func floorOf(pkg string) int {
	for i, line := range strings.Split(strings.TrimSpace(floors), "\n") {
		for _, pattern := range strings.Fields(line) {
			if fits(pattern, pkg) {
				return i
			}
		}
	}
	return -1
}

// roomOf returns the service a package belongs to, or "".
func roomOf(pkg string) string {
	parts := strings.Split(pkg, "/")
	if parts[0] != "service" || len(parts) < 2 {
		return ""
	}
	return parts[1]
}

// imports returns the packages of this module that each package imports outside its tests.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	found := make(map[string][]string)
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && p != "." && (strings.HasPrefix(name, ".") || name == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := path.Dir(filepath.ToSlash(p))
		found[pkg] = append(found[pkg], "")
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if own, ok := strings.CutPrefix(imported, module); ok {
				found[pkg] = append(found[pkg], own)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestFloors(t *testing.T) {
	found := imports(t)
	if len(found) < 20 {
		t.Fatalf("only %d packages found; the test looks in the wrong place", len(found))
	}
	for pkg, list := range found {
		if slices.ContainsFunc(free, func(p string) bool { return fits(p, pkg) }) {
			continue
		}
		floor := floorOf(pkg)
		if floor < 0 {
			t.Errorf("%s stands on no floor: give it one in floors", pkg)
			continue
		}
		for _, imported := range list {
			if imported == "" {
				continue
			}
			below := floorOf(imported)
			ownRoom := roomOf(pkg) != "" && roomOf(pkg) == roomOf(imported)
			if below >= floor && !ownRoom {
				t.Errorf("%s imports %s, which is not below it", pkg, imported)
			}
			if roomOf(imported) != "" && roomOf(pkg) != roomOf(imported) && !strings.HasPrefix(pkg, "cmd/") {
				t.Errorf("%s imports %s: services meet only on the road", pkg, imported)
			}
		}
	}
}

// TestHeavyDependencies keeps each large dependency inside the one package that needs it.
func TestHeavyDependencies(t *testing.T) {
	homes := map[string][]string{
		"github.com/cockroachdb/pebble":      {"store"},
		"github.com/prometheus":              {"gateway", "service/amp"},
		"github.com/prometheus/alertmanager": {"service/amp/alerts"},
		"github.com/spf13/cobra":             {"cli", "cmd/strongroom"},
		"github.com/aws":                     {"cmd/apigen"},
		"github.com/cloudflare/circl":        {"service/kms/key"},
		"github.com/decred":                  {"service/kms/key"},
		"filippo.io/mldsa":                   {"service/kms/key"},
		"github.com/miekg/pkcs11":            {"cmd/strongroom-pkcs11"},
		"github.com/google/go-tpm":           {"rootkey/tpm"},
		"github.com/hashicorp/hcl":           {"service/proton/hcl"},
	}
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return err
		}
		pkg := path.Dir(filepath.ToSlash(p))
		if strings.HasPrefix(pkg, "test/") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			for heavy, allowed := range homes {
				inside := slices.ContainsFunc(allowed, func(home string) bool { return pkg == home || strings.HasPrefix(pkg, home+"/") })
				if strings.HasPrefix(strings.Trim(spec.Path.Value, `"`), heavy) && !inside {
					t.Errorf("%s imports %s, which belongs in %v", pkg, spec.Path.Value, allowed)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
