package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

const root = "../.."

func patches(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no patches in %s: %v", dir, err)
	}
	return files
}

// TestCommitted proves that api/ is what the models and patches make.
func TestCommitted(t *testing.T) {
	var packages []string
	for _, file := range patches(t, filepath.Join(root, "model")) {
		texts, err := generate(file)
		if err != nil {
			t.Fatal(err)
		}
		pkg := packageName(file)
		packages = append(packages, pkg)
		dir := filepath.Join(root, "api", pkg)
		for name, want := range texts {
			got, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Error(err)
			} else if !bytes.Equal(got, want) {
				t.Errorf("%s is not what its model makes; run go generate ./cmd/apigen", filepath.Join(dir, name))
			}
		}
		there, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range there {
			if texts[filepath.Base(file)] == nil {
				t.Errorf("%s stands in api/ and is not generated", file)
			}
		}
	}
	dirs, err := os.ReadDir(filepath.Join(root, "api"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		if !slices.Contains(packages, d.Name()) {
			t.Errorf("api/%s has no patch in model/", d.Name())
		}
	}
}

// TestLaterServices compiles and loads the APIs of the workloads' services, which have
// only a patch so far, so that adding one costs a model and no work here. The packages
// stand in a temporary directory; an overlay shows them to the compiler under api/.
func TestLaterServices(t *testing.T) {
	abs, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	program := []byte("package main\n")
	for _, file := range patches(t, filepath.Join("testdata", "later")) {
		texts, err := generate(file)
		if err != nil {
			t.Fatal(err)
		}
		pkg := packageName(file)
		if err := write(filepath.Join(dir, pkg), texts); err != nil {
			t.Fatal(err)
		}
		for _, name := range slices.Sorted(maps.Keys(texts)) {
			overlay.Replace[filepath.Join(abs, "api", pkg, name)] = filepath.Join(dir, pkg, name)
		}
		program = fmt.Appendf(program, "\nimport _ %q\n", "github.com/strongroom/strongroom/api/"+pkg)
	}
	overlay.Replace[filepath.Join(abs, "cmd", "later", "main.go")] = filepath.Join(dir, "main.go")
	program = append(program, "\nfunc main() {}\n"...)
	if err := os.WriteFile(filepath.Join(dir, "main.go"), program, 0o644); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "run", "-overlay", filepath.Join(dir, "overlay.json"), "./cmd/later")
	cmd.Dir = abs
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %v\n%s", cmd.Args, err, out)
	}
}
