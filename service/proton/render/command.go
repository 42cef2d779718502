package render

import (
	"strings"

	"github.com/strongroom/strongroom/service/proton/bundle"
	"github.com/strongroom/strongroom/service/proton/document"
)

// The input files of a command run.
const (
	InputJSON = "proton-inputs.json"
	InputHCL  = "proton-inputs.tfvars"
	AutoHCL   = "proton.auto.tfvars" // the same once more, which Terraform reads by itself
)

// commandRun returns the working folder: the files of the bundle and the input file.
func commandRun(in *bundle.Infrastructure, job Job) ([]bundle.File, error) {
	names := []string{InputJSON}
	values := job.Data.input(job.Kind)
	text := pretty(values)
	if in.Settings.Input == "HCL" {
		names = []string{InputHCL, AutoHCL}
		text = hclText(values)
	}
	var files []bundle.File
	for _, f := range in.Files {
		if !strings.HasPrefix(f.Name, "proton-inputs.") && f.Name != AutoHCL {
			files = append(files, f)
		}
	}
	for _, name := range names {
		files = append(files, bundle.File{Name: name, Data: []byte(text)})
	}
	return files, nil
}

// input is what a command run is given, the resource first.
func (d *Data) input(kind Kind) *document.Object {
	v := d.variables(kind)
	if in, ok := v.Get("service_instance"); ok {
		o, _ := in.(*document.Object)
		o.Delete("components") // a component cannot be provisioned this way
	}
	out := object()
	for _, name := range []string{"service_instance", "pipeline", "service", "environment", "service_instances"} {
		if part, ok := v.Get(name); ok {
			out.Set(name, part)
		}
	}
	return out
}
