// Package protonbundles has template bundles for the tests of Proton, as plain files below
// testdata, and packs them the way tar does.
//
//	cfn-environment cfn-service         CloudFormation; the service has a pipeline and two instances
//	tf-environment tf-service           Terraform, with a module in a folder; the same
//	runner-environment runner-service   the command runner; the service has no pipeline
//	managed-environment                 customer managed: a schema alone
//	cfn-component tf-component          a template file and a manifest
//
// Every bundle but those of components has a spec/spec.yaml that fits its schema.
package protonbundles

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"embed"
	"io/fs"
	"path"
	"strings"
	"testing"
)

//go:embed all:testdata
var files embed.FS

// Tar returns the bundle as a .tar.gz.
func Tar(t testing.TB, name string) []byte {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	tw := tar.NewWriter(zw)
	root := path.Join("testdata", name)
	err := fs.WalkDir(files, root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == root {
			return err
		}
		inside := "./" + strings.TrimPrefix(p, root+"/")
		if d.IsDir() {
			return tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: inside + "/", Mode: 0o755})
		}
		data, err := files.ReadFile(p)
		if err != nil {
			return err
		}
		mode := int64(0o644)
		if strings.HasSuffix(p, ".sh") {
			mode = 0o755 // embedding forgets it
		}
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: inside, Mode: mode, Size: int64(len(data))}); err != nil {
			return err
		}
		_, err = tw.Write(data)
		return err
	})
	if err == nil {
		err = tw.Close()
	}
	if err == nil {
		err = zw.Close()
	}
	if err != nil {
		t.Fatalf("packing the bundle %s: %v", name, err)
	}
	return b.Bytes()
}

// File returns a file of the bundle, such as schema/schema.yaml.
func File(t testing.TB, name, file string) string {
	t.Helper()
	data, err := files.ReadFile(path.Join("testdata", name, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Spec returns the bundle's spec.
func Spec(t testing.TB, name string) string {
	t.Helper()
	return File(t, name, "spec/spec.yaml")
}
