package bundle

import (
	"io"
	"path"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/service/proton/document"
	"github.com/strongroom/strongroom/service/proton/schema"
)

// Error says what is wrong with a bundle, with file, line and column where known.
type Error = document.Error

// Kind says which parts a bundle must have.
type Kind uint8

// The kinds.
const (
	Environment                Kind = iota // schema and infrastructure
	CustomerManagedEnvironment             // schema alone
	Service                                // schema, instance and pipeline infrastructure
	ServiceWithoutPipeline                 // schema and instance infrastructure
)

// The folders of a bundle.
const (
	schemaFolder      = "schema"
	environmentFolder = "infrastructure"
	instanceFolder    = "instance_infrastructure"
	pipelineFolder    = "pipeline_infrastructure"
)

// Bundle is an unpacked bundle. Parts that its kind does not have are nil.
type Bundle struct {
	Kind        Kind
	Schema      *schema.Schema // nil for a component
	SchemaText  string         // schema.yaml as it came
	Environment *Infrastructure
	Instance    *Infrastructure
	Pipeline    *Infrastructure
	Component   *Infrastructure
	schemaFile  File
}

// File is a file of a bundle. Name is relative to its part's folder, with slashes.
type File struct {
	Name string
	Data []byte
	Exec bool // the owner may run it
}

// Engine is the rendering_engine of a manifest.
type Engine string

// The engines.
const (
	Jinja     Engine = "jinja"
	HCL       Engine = "hcl"
	CodeBuild Engine = "codebuild"
)

// Infrastructure is one part of a bundle with its manifest.
type Infrastructure struct {
	Folder    string // "" for a component
	Engine    Engine
	Language  string    // cloudformation or terraform; "" for codebuild
	Templates []string  // the names of the files to render, sorted
	Settings  *Settings // of codebuild
	Files     []File    // all files but the manifest, sorted by name
	Manifest  File
}

// File returns the file with the name, or nil.
func (in *Infrastructure) File(name string) *File {
	for i := range in.Files {
		if in.Files[i].Name == name {
			return &in.Files[i]
		}
	}
	return nil
}

// Parts returns the infrastructure that is there.
func (b *Bundle) Parts() []*Infrastructure {
	all := []*Infrastructure{b.Environment, b.Instance, b.Pipeline, b.Component}
	return slices.DeleteFunc(all, func(in *Infrastructure) bool { return in == nil })
}

// Open reads a bundle of the kind from a .tar.gz. It reads at most MaxPacked bytes and
// one more. An error of the reader itself comes back as it is, any other is an *Error.
func Open(kind Kind, archive io.Reader) (*Bundle, error) {
	files, err := unpack(archive)
	if err != nil {
		return nil, err
	}
	b := &Bundle{Kind: kind}
	if err := b.readSchema(files); err != nil {
		return nil, err
	}
	wanted := map[string]**Infrastructure{}
	switch kind {
	case Environment:
		wanted[environmentFolder] = &b.Environment
	case Service:
		wanted[instanceFolder], wanted[pipelineFolder] = &b.Instance, &b.Pipeline
	case ServiceWithoutPipeline:
		wanted[instanceFolder] = &b.Instance
	}
	for _, folder := range []string{environmentFolder, instanceFolder, pipelineFolder} {
		in, err := infrastructure(folder, files)
		if err != nil {
			return nil, err
		}
		if err := place(kind, folder, in, wanted[folder]); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// place puts a part where the kind has it, and refuses one too many or too few.
func place(kind Kind, folder string, in *Infrastructure, to **Infrastructure) error {
	switch {
	case to == nil && in == nil:
	case to == nil && kind == CustomerManagedEnvironment:
		return &Error{File: folder, Reason: "the template is customer managed: its bundle holds the schema alone"}
	case to == nil && kind == ServiceWithoutPipeline && folder == pipelineFolder:
		return &Error{File: folder, Reason: "the template has a customer managed pipeline: its bundle must not hold this folder"}
	case to == nil:
		return &Error{File: folder, Reason: "this folder does not belong in a bundle of this kind"}
	case in == nil && folder == pipelineFolder:
		return &Error{File: folder, Reason: "the folder is missing; a service template without a pipeline is created with pipelineProvisioning CUSTOMER_MANAGED"}
	case in == nil:
		return &Error{File: folder, Reason: "the folder is missing"}
	default:
		*to = in
	}
	return nil
}

func (b *Bundle) readSchema(files []File) error {
	name := schemaFolder + "/schema.yaml"
	at := slices.IndexFunc(files, func(f File) bool { return f.Name == name })
	if at < 0 {
		return &Error{File: name, Reason: "the file is missing"}
	}
	s, err := schema.Parse(name, files[at].Data)
	if err != nil {
		return err
	}
	b.Schema, b.SchemaText, b.schemaFile = s, string(files[at].Data), files[at]
	missing := func(key string) error {
		return &Error{File: name, Reason: "schema." + key + " is missing"}
	}
	service := b.Kind == Service || b.Kind == ServiceWithoutPipeline
	switch {
	case !service && s.Environment == nil:
		return missing("environment_input_type")
	case service && s.Service == nil:
		return missing("service_input_type")
	case b.Kind == Service && s.Pipeline == nil:
		return missing("pipeline_input_type")
	case b.Kind == ServiceWithoutPipeline && s.Pipeline != nil:
		return &Error{File: name, Reason: "schema.pipeline_input_type is there, but the template has no pipeline"}
	}
	return nil
}

// Component reads a directly defined component: its one template file and its manifest.
func Component(template, manifest string) (*Bundle, error) {
	if len(template) > maxFile {
		return nil, &Error{File: "template file", Reason: "larger than 200 KB"}
	}
	in := &Infrastructure{Manifest: File{Name: manifestName, Data: []byte(manifest)}}
	if err := in.readManifest(); err != nil {
		return nil, err
	}
	if in.Engine == CodeBuild {
		return nil, &Error{File: manifestName, Reason: "a component cannot use the rendering engine codebuild"}
	}
	if len(in.Templates) != 1 {
		return nil, &Error{File: manifestName, Reason: "the manifest of a component lists a single file"}
	}
	if in.Templates[0] == "*" {
		in.Templates[0] = "main.tf"
	}
	if err := goodPath(in.Templates[0]); err != nil {
		return nil, err
	}
	in.Files = []File{{Name: in.Templates[0], Data: []byte(template)}}
	if err := in.check(); err != nil {
		return nil, err
	}
	return &Bundle{Component: in}, nil
}

// infrastructure takes the files of a folder and reads its manifest. Without any file
// there it returns nil.
func infrastructure(folder string, files []File) (*Infrastructure, error) {
	in := &Infrastructure{Folder: folder}
	there := false
	for _, f := range files {
		name, ok := strings.CutPrefix(f.Name, folder+"/")
		if !ok {
			continue
		}
		there = true
		f.Name = name
		if name == manifestName {
			in.Manifest = f
			continue
		}
		in.Files = append(in.Files, f)
	}
	if !there {
		return nil, nil
	}
	slices.SortFunc(in.Files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	if in.Manifest.Name == "" {
		return nil, &Error{File: path.Join(folder, manifestName), Reason: "the file is missing"}
	}
	if err := in.readManifest(); err != nil {
		return nil, err
	}
	if err := in.choose(); err != nil {
		return nil, err
	}
	return in, in.check()
}
