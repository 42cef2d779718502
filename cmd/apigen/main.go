// Command apigen writes the packages under api/ from the AWS SDK's interface models
// and our patches in model/.
//
//	go run ./cmd/apigen            # every service with a file in model/
//	go run ./cmd/apigen kms sts    # only these
//
// Each file model/<package>.json names with "from" the model it builds on, in the
// module github.com/aws/aws-sdk-go of go.mod, and lays its own members over it; see
// merge for the rules and model/SOURCES.md for where the patches' facts come from. A
// file without "from" is a whole model. The models are read from the module cache and
// never copied into the repository.
//
// # Names
//
// A package is named after its patch file. Its inputs and outputs are <Op>Input and
// <Op>Output, always, also where the model has none, shares one or says Request. Other
// structures and members keep the model's spelling with the first letter raised. An
// enum is a named string type; its constants are the type's name and the value's words
// (KeySpecEccNistP256). An error is made by a function of its shape's name, with Err in
// front where a type has that name; members beyond the message are a <Error>Detail.
// What a name would clash with gets Shape or Value behind it. See wire.Kind for the
// types of members.
package main

//go:generate go run . -root ../..

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	root := flag.String("root", ".", "the repository")
	flag.Parse()
	if err := run(*root, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "apigen:", err)
		os.Exit(1)
	}
}

func run(root string, packages []string) error {
	files, err := filepath.Glob(filepath.Join(root, "model", "*.json"))
	if err != nil {
		return err
	}
	if len(packages) > 0 {
		files = files[:0]
		for _, p := range packages {
			files = append(files, filepath.Join(root, "model", p+".json"))
		}
	}
	if len(files) == 0 {
		return fmt.Errorf("no patches in %s", filepath.Join(root, "model"))
	}
	for _, file := range files {
		texts, err := generate(file)
		if err != nil {
			return err
		}
		if err := write(filepath.Join(root, "api", packageName(file)), texts); err != nil {
			return err
		}
	}
	return nil
}

// generate makes the package of a patch file.
func generate(file string) (map[string][]byte, error) {
	m, err := load(file)
	if err != nil {
		return nil, err
	}
	a, err := resolve(packageName(file), m)
	if err != nil {
		return nil, err
	}
	return a.files()
}

// write puts a package's files into dir and takes out Go files that are no longer
// part of it.
func write(dir string, texts map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return err
	}
	for _, file := range old {
		if name := filepath.Base(file); texts[name] == nil && !strings.HasSuffix(name, "_test.go") {
			if err := os.Remove(file); err != nil {
				return err
			}
		}
	}
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
