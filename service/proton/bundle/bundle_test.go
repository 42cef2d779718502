package bundle

import (
	"bytes"
	"testing"

	"github.com/strongroom/strongroom/service/proton/spec"
	"github.com/strongroom/strongroom/test/protonbundles"
)

func TestOpenSamples(t *testing.T) {
	for _, c := range []struct {
		name string
		kind Kind
		spec string
	}{
		{"cfn-environment", Environment, spec.Environment},
		{"tf-environment", Environment, spec.Environment},
		{"runner-environment", Environment, spec.Environment},
		{"managed-environment", CustomerManagedEnvironment, spec.Environment},
		{"cfn-service", Service, spec.Service},
		{"tf-service", Service, spec.Service},
		{"runner-service", ServiceWithoutPipeline, spec.Service},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := Open(c.kind, bytes.NewReader(protonbundles.Tar(t, c.name)))
			if err != nil {
				t.Fatal(err)
			}
			s, err := spec.Parse(c.spec, protonbundles.Spec(t, c.name))
			if err != nil {
				t.Fatal(err)
			}
			full, problems := s.Check(b.Schema)
			if len(problems) > 0 {
				t.Errorf("its own spec does not fit: %v", problems)
			}
			again, err := spec.Parse(c.spec, full.String())
			if err != nil {
				t.Fatalf("the spec cannot be read back: %v\n%s", err, full)
			}
			if got, want := again.String(), full.String(); got != want {
				t.Errorf("read back as\n%s\nwant\n%s", got, want)
			}
			if found := Secrets(b); len(found) > 0 {
				t.Errorf("secrets found where there are none: %v", found)
			}
		})
	}
}

func TestComponent(t *testing.T) {
	for name, file := range map[string]string{"cfn-component": "template.yaml", "tf-component": "template.tf"} {
		b, err := Component(protonbundles.File(t, name, file), protonbundles.File(t, name, "manifest.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if got := len(b.Component.Files); got != 1 {
			t.Errorf("%s has %d files, want 1", name, got)
		}
	}
}
