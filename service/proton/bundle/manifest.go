package bundle

import (
	"path"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/service/proton/document"
	"github.com/strongroom/strongroom/service/proton/hcl"
	"github.com/strongroom/strongroom/service/proton/jinja"
)

const manifestName = "manifest.yaml"

// maxTemplates is how many template files a part may have.
const maxTemplates = 10

// Settings are those of the engine codebuild. Values of Properties and Variables can be
// Jinja templates over the resource's namespaces.
type Settings struct {
	Image       string
	Runtimes    *document.Object // name to version, as text
	Provision   []string
	Deprovision []string
	Variables   *document.Object // env.variables, as text
	Secrets     *document.Object // env.secrets_manager: variable to "name:key", as text
	Properties  *document.Object // project_properties, such as VpcConfig
	Input       string           // JSON or HCL
}

// readManifest reads the manifest into the part.
func (in *Infrastructure) readManifest() error {
	name := path.Join(in.Folder, manifestName)
	if len(in.Manifest.Data) > maxManifest {
		return &Error{File: name, Reason: "larger than 50 KB"}
	}
	root, err := document.Read(name, in.Manifest.Data)
	if err != nil {
		return err
	}
	list := root.Get("infrastructure").Get("templates")
	if list == nil || list.Kind != document.List || len(list.Items) == 0 {
		return root.Fail("infrastructure.templates must list the template files")
	}
	for i, item := range list.Items {
		if err := in.template(item, i == 0); err != nil {
			return err
		}
	}
	switch {
	case in.Engine == Jinja && len(list.Items) > 1:
		return list.Items[1].Fail("with CloudFormation a manifest lists a single file")
	case in.Engine == CodeBuild && len(list.Items) > 1:
		return list.Items[1].Fail("with codebuild a manifest lists a single entry")
	case in.Engine == HCL && len(list.Items) > maxTemplates:
		return list.Fail("more than %d template files", maxTemplates)
	}
	return nil
}

// template reads one entry; all entries must agree on engine and language.
func (in *Infrastructure) template(n *document.Node, first bool) error {
	if n.Kind != document.Map {
		return n.Fail("an entry must be a map with file, rendering_engine and template_language")
	}
	for _, m := range n.Members {
		if !slices.Contains([]string{"file", "rendering_engine", "template_language", "settings"}, m.Name) {
			return m.Key.Fail("the key %q is not known here", m.Name)
		}
	}
	engineText, _ := n.Get("rendering_engine").String()
	language, _ := n.Get("template_language").String()
	engine, language := Engine(strings.ToLower(engineText)), strings.ToLower(language)
	pairs := map[Engine]string{Jinja: "cloudformation", HCL: "terraform", CodeBuild: ""}
	want, ok := pairs[engine]
	switch {
	case !ok:
		return n.Fail("rendering_engine must be jinja, hcl or codebuild")
	case language != want && engine != CodeBuild:
		return n.Fail("template_language must be %s with the rendering engine %s", want, engine)
	case !first && engine != in.Engine:
		return n.Fail("all entries must have one rendering_engine")
	}
	in.Engine, in.Language = engine, want
	if engine == CodeBuild {
		return in.settings(n)
	}
	file := n.Get("file")
	name, ok := file.String()
	name = strings.TrimPrefix(name, "./")
	if !ok || name == "" {
		return n.Fail("file must name a file of this folder")
	}
	if name == "*" && engine == Jinja {
		return file.Fail("with CloudFormation a manifest lists a single file by its name")
	}
	if name != "*" {
		if err := goodPath(name); err != nil {
			return file.Fail("file must name a file of this folder")
		}
	}
	if slices.Contains(in.Templates, name) {
		return file.Fail("the file %q is listed twice", name)
	}
	in.Templates = append(in.Templates, name)
	return nil
}

func (in *Infrastructure) settings(n *document.Node) error {
	at := n.Get("settings")
	if at == nil || at.Kind != document.Map {
		return n.Fail("settings must say what codebuild runs")
	}
	none := new(document.Object)
	s := &Settings{Input: "JSON", Runtimes: none, Variables: none, Secrets: none, Properties: none}
	for _, m := range at.Members {
		if err := s.setting(m); err != nil {
			return err
		}
	}
	if len(s.Provision) == 0 {
		return at.Fail("settings.provision must list at least one command")
	}
	in.Settings = s
	return nil
}

func (s *Settings) setting(m document.Member) (err error) {
	n := m.Node
	switch m.Name {
	case "image":
		s.Image, err = line(n)
	case "runtimes":
		s.Runtimes, err = texts(n)
	case "env":
		err = s.env(n)
	case "provision":
		s.Provision, err = commands(n)
	case "deprovision":
		s.Deprovision, err = commands(n)
	case "project_properties":
		if n.Kind != document.Map {
			return n.Fail("project_properties must be a map")
		}
		s.Properties, _ = n.Value().(*document.Object)
		return templates(n)
	case "input_type":
		text, _ := n.String()
		if s.Input = strings.ToUpper(text); s.Input != "JSON" && s.Input != "HCL" {
			return n.Fail("input_type must be JSON or HCL")
		}
	default:
		return m.Key.Fail("the key %q is not known in settings", m.Name)
	}
	return err
}

// templates checks the strings of project_properties and of env.variables, which are Jinja templates.
func templates(n *document.Node) error {
	if text, ok := n.String(); ok {
		if _, err := jinja.Parse("", text); err != nil {
			return n.Fail("%v", err)
		}
	}
	for _, item := range n.Items {
		if err := templates(item); err != nil {
			return err
		}
	}
	for _, m := range n.Members {
		if err := templates(m.Node); err != nil {
			return err
		}
	}
	return nil
}

func (s *Settings) env(n *document.Node) (err error) {
	if n.Kind != document.Map {
		return n.Fail("env must be a map")
	}
	for _, m := range n.Members {
		switch m.Name {
		case "variables":
			if s.Variables, err = texts(m.Node); err == nil {
				err = templates(m.Node)
			}
		case "secrets_manager", "secrets-manager":
			s.Secrets, err = texts(m.Node)
		default:
			err = m.Key.Fail("the key %q is not known in env", m.Name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func line(n *document.Node) (string, error) {
	if n.Kind != document.Scalar || n.Null() {
		return "", n.Fail("must be a string")
	}
	return n.Text(), nil
}

// texts reads a map of scalars as they are written: the version 1.20 is not the number 1.2.
func texts(n *document.Node) (*document.Object, error) {
	out := new(document.Object)
	if n.Null() {
		return out, nil
	}
	if n.Kind != document.Map {
		return nil, n.Fail("must be a map")
	}
	for _, m := range n.Members {
		text, err := line(m.Node)
		if err != nil {
			return nil, err
		}
		out.Set(m.Name, text)
	}
	return out, nil
}

// maxCommands bounds the commands of a list.
const maxCommands = 100

func commands(n *document.Node) ([]string, error) {
	if n.Null() {
		return nil, nil
	}
	if n.Kind != document.List || len(n.Items) > maxCommands {
		return nil, n.Fail("must be a list of at most %d commands", maxCommands)
	}
	var all []string
	for _, item := range n.Items {
		command, err := line(item)
		if err != nil {
			return nil, err
		}
		all = append(all, command)
	}
	return all, nil
}

// choose turns the names of the manifest into files that are there.
func (in *Infrastructure) choose() error {
	if in.Engine == CodeBuild {
		return nil
	}
	name := path.Join(in.Folder, manifestName)
	var chosen []string
	for _, wanted := range in.Templates {
		if wanted != "*" {
			if in.File(wanted) == nil {
				return &Error{File: name, Reason: "the manifest lists " + wanted + ", which is not in the bundle"}
			}
			chosen = append(chosen, wanted)
			continue
		}
		for _, f := range in.Files {
			if strings.HasSuffix(f.Name, ".tf") {
				chosen = append(chosen, f.Name)
			}
		}
	}
	slices.Sort(chosen)
	in.Templates = slices.Compact(chosen)
	switch n := len(in.Templates); {
	case n == 0:
		return &Error{File: name, Reason: "the bundle has no file that ends in .tf in this folder"}
	case n > maxTemplates:
		return &Error{File: in.Folder, Reason: "more than 10 template files"}
	}
	return nil
}

// generated are the names that rendering writes itself.
func generated(name string) bool {
	base := path.Base(name)
	return base == "proton.auto.tfvars.json" || strings.HasPrefix(name, ".proton/") ||
		slices.Contains([]string{"proton.environment.variables.tf", "proton.service_instance.variables.tf",
			"proton.pipeline.variables.tf", "proton.component.variables.tf"}, name)
}

// check holds the template files against the syntax of their engine.
func (in *Infrastructure) check() error {
	for _, name := range in.Templates {
		if generated(name) {
			return &Error{File: path.Join(in.Folder, name), Reason: "rendering writes a file of this name itself"}
		}
		data := in.File(name).Data
		var err error
		if in.Engine == Jinja {
			_, err = jinja.Parse(path.Join(in.Folder, name), string(data))
		} else {
			err = hcl.Check(path.Join(in.Folder, name), data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
