package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/test/protonbundles"
)

const (
	goodSchema   = "schema: {format: {openapi: 3.0.0}, environment_input_type: A, types: {A: {type: object, properties: {a: {type: string}}}}}"
	goodManifest = "infrastructure: {templates: [{file: c.yaml, rendering_engine: jinja, template_language: cloudformation}]}"
)

// entry is a member of an archive.
type entry struct {
	name, data string
	flag       byte
	link       string
}

func pack(t testing.TB, format tar.Format, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	tw := tar.NewWriter(zw)
	for _, e := range entries {
		if e.flag == 0 {
			e.flag = tar.TypeReg
		}
		h := &tar.Header{Typeflag: e.flag, Name: e.name, Linkname: e.link, Mode: 0o644, Size: int64(len(e.data)), Format: format}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(e.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// good are the entries of an environment below a prefix.
func good(prefix string, more ...entry) []entry {
	return append([]entry{
		{name: prefix + "schema/schema.yaml", data: goodSchema},
		{name: prefix + "infrastructure/manifest.yaml", data: goodManifest},
		{name: prefix + "infrastructure/c.yaml", data: "A: {{ environment.name }}"},
	}, more...)
}

func TestForms(t *testing.T) {
	long := "infrastructure/" + strings.Repeat("long-folder-name/", 8) + strings.Repeat("n", 90)
	for name, archive := range map[string][]byte{
		"plain":      pack(t, tar.FormatUSTAR, good("")...),
		"dot":        pack(t, tar.FormatGNU, append([]entry{{name: "./", flag: tar.TypeDir}}, good("./")...)...),
		"top folder": pack(t, tar.FormatPAX, append([]entry{{name: "v1/", flag: tar.TypeDir}}, good("v1/")...)...),
		"long GNU":   pack(t, tar.FormatGNU, good("", entry{name: long, data: "x"})...),
		"long PAX":   pack(t, tar.FormatPAX, good("", entry{name: long, data: "x"})...),
		"around":     pack(t, tar.FormatPAX, good("", entry{name: ".compatible-envs", data: "a:1"}, entry{name: "README.md", data: "x"}, entry{name: "spec/spec.yaml", data: "x"})...),
		"macOS":      pack(t, tar.FormatPAX, good("", entry{name: "._schema", data: "\x00"}, entry{name: "infrastructure/.DS_Store", data: "x"}, entry{name: "__MACOSX/x", data: "x"})...),
	} {
		b, err := Open(Environment, bytes.NewReader(archive))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if b.Environment.File("c.yaml") == nil || b.Environment.Engine != Jinja {
			t.Errorf("%s: got %+v", name, b.Environment)
		}
		if b.Environment.File(".DS_Store") != nil {
			t.Errorf("%s: a side file was kept", name)
		}
	}
}

func TestHostileArchives(t *testing.T) {
	many := good("")
	for range maxEntries {
		many = append(many, entry{name: "d/", flag: tar.TypeDir})
	}
	big := good("")
	for i := range 200 {
		big = append(big, entry{name: "x/" + strings.Repeat("f", 1+i%90) + string(rune('a'+i/90)), data: strings.Repeat("\x00", maxFile)})
	}
	for name, c := range map[string]struct {
		entries []entry
		want    string
	}{
		"symlink":       {good("", entry{name: "infrastructure/l", flag: tar.TypeSymlink, link: "../../etc/passwd"}), "infrastructure/l: links are not allowed"},
		"hard link":     {good("", entry{name: "infrastructure/l", flag: tar.TypeLink, link: "infrastructure/c.yaml"}), "links are not allowed"},
		"device":        {good("", entry{name: "infrastructure/d", flag: tar.TypeBlock}), "only files and folders"},
		"pipe":          {good("", entry{name: "infrastructure/d", flag: tar.TypeFifo}), "only files and folders"},
		"absolute":      {good("", entry{name: "/etc/passwd"}), "absolute paths"},
		"dots":          {good("", entry{name: "infrastructure/../../x"}), ".. are not allowed"},
		"dots in front": {good("", entry{name: "../x"}), ".. are not allowed"},
		"backslash":     {good("", entry{name: `infrastructure\x`}), "characters that are not allowed"},
		"git":           {good("", entry{name: "infrastructure/.Git/config"}), "must not be named .git"},
		"twice":         {good("", entry{name: "infrastructure/c.yaml"}), "infrastructure/c.yaml: the file is there twice"},
		"case":          {good("", entry{name: "infrastructure/C.yaml"}), "differs from infrastructure/c.yaml in case only"},
		"folder case":   {good("", entry{name: "Infrastructure/x.yaml"}), "in case only"},
		"file folder":   {good("", entry{name: "infrastructure/c.yaml/x"}), "file and a folder"},
		"folder file":   {good("", entry{name: "infrastructure/a/x"}, entry{name: "infrastructure/a"}), "file and a folder"},
		"deep":          {good("", entry{name: "infrastructure/" + strings.Repeat("a/", 20) + "x"}), "nested too deep"},
		"long name":     {good("", entry{name: "infrastructure/" + strings.Repeat("a", 101)}), "longer than 100 characters"},
		"large file":    {good("", entry{name: "infrastructure/x", data: strings.Repeat("x", maxFile+1)}), "infrastructure/x: larger than 200 KB"},
		"large schema":  {[]entry{{name: "schema/schema.yaml", data: strings.Repeat("#", maxManifest+1)}}, "larger than 50 KB"},
		"many":          {many, "more than 2000 entries"},
		"bomb":          {big, "too large when unpacked"},
	} {
		_, err := Open(Environment, bytes.NewReader(pack(t, tar.FormatPAX, c.entries...)))
		var own *Error
		if !errors.As(err, &own) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

func TestBrokenArchives(t *testing.T) {
	whole := pack(t, tar.FormatPAX, good("")...)
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-6] ^= 1 // the checksum
	for name, c := range map[string]struct {
		archive []byte
		want    string
	}{
		"empty":    {nil, "damaged or cut off"},
		"no gzip":  {[]byte("PK\x03\x04 a zip archive, for all that anybody knows"), "not a .tar.gz"},
		"cut":      {whole[:len(whole)/2], "damaged or cut off"},
		"flipped":  {flipped, "damaged or cut off"},
		"too long": {append(bytes.Clone(whole[:10]), bytes.Repeat([]byte{0, 0, 0, 255, 255}, 2<<20)...), "larger than 5 MB"},
	} {
		_, err := Open(Environment, bytes.NewReader(c.archive))
		var own *Error
		if !errors.As(err, &own) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
	lost := errors.New("the disk is gone")
	if _, err := Open(Environment, io.MultiReader(bytes.NewReader(whole[:50]), failing{lost})); !errors.Is(err, lost) {
		t.Errorf("got %v, want the error of the reader", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestParts(t *testing.T) {
	for name, c := range map[string]struct {
		kind    Kind
		entries []entry
		want    string
	}{
		"no schema":       {Environment, []entry{{name: "infrastructure/manifest.yaml", data: goodManifest}}, "schema/schema.yaml: the file is missing"},
		"no manifest":     {Environment, []entry{{name: "schema/schema.yaml", data: goodSchema}, {name: "infrastructure/c.yaml"}}, "infrastructure/manifest.yaml: the file is missing"},
		"no folder":       {Environment, []entry{{name: "schema/schema.yaml", data: goodSchema}}, "infrastructure: the folder is missing"},
		"managed":         {CustomerManagedEnvironment, good(""), "infrastructure: the template is customer managed"},
		"service schema":  {Service, good(""), "schema.service_input_type is missing"},
		"listed":          {Environment, []entry{{name: "schema/schema.yaml", data: goodSchema}, {name: "infrastructure/manifest.yaml", data: goodManifest}}, "lists c.yaml, which is not in the bundle"},
		"template syntax": {Environment, append(good("")[:2], entry{name: "infrastructure/c.yaml", data: "a:\n  b: {% if x %}"}), "infrastructure/c.yaml:2:16: the template ends before 'endif'"},
		"bad schema":      {Environment, []entry{{name: "schema/schema.yaml", data: "schema:\n  types: {}\n  x: 1"}}, "schema/schema.yaml:2:3: schema.format.openapi is missing"},
	} {
		_, err := Open(c.kind, bytes.NewReader(pack(t, tar.FormatPAX, c.entries...)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

func TestManifests(t *testing.T) {
	head := "infrastructure:\n  templates:\n  - "
	for manifest, want := range map[string]string{
		"x: 1":           "infrastructure.templates must list",
		head + "file: a": "manifest.yaml:3:5: rendering_engine must be jinja, hcl or codebuild",
		head + "{file: a, rendering_engine: jinja, template_language: terraform}":                                                                                 "template_language must be cloudformation",
		head + "{file: '*', rendering_engine: jinja, template_language: cloudformation}":                                                                          "a single file by its name",
		head + "{file: ../a, rendering_engine: jinja, template_language: cloudformation}":                                                                         "file must name a file of this folder",
		head + "{file: a, rendering_engine: jinja, template_language: cloudformation}\n  - {file: b, rendering_engine: jinja, template_language: cloudformation}": "lists a single file",
		head + "{rendering_engine: codebuild, settings: {provision: [x]}}":                                                                                        "a component cannot use",
		head + "{rendering_engine: codebuild, settings: {image: x}}":                                                                                              "settings.provision must list",
		head + "{rendering_engine: codebuild, settings: {provision: [x], input_type: XML}}":                                                                       "input_type must be JSON or HCL",
		head + "{rendering_engine: codebuild, settings: {provision: [x], privileged: true}}":                                                                      `the key "privileged" is not known in settings`,
		head + "{rendering_engine: codebuild, settings: {provision: [x], project_properties: {a: '{{ x'}}}":                                                       "the tag has no end",
		head + "{file: proton.component.variables.tf, rendering_engine: hcl, template_language: terraform}":                                                       "writes a file of this name itself",
		head + "{file: a.tf, rendering_engine: hcl, template_language: terraform, x: 1}":                                                                          `the key "x" is not known here`,
	} {
		_, err := Component("x = 1", manifest)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\ngot  %v\nwant %s", manifest, err, want)
		}
	}
	_, err := Component("a = {", head+"{file: a.tf, rendering_engine: hcl, template_language: terraform}")
	if err == nil || !strings.HasPrefix(err.Error(), "a.tf:1:") {
		t.Errorf("HCL that does not parse: got %v", err)
	}
}

// TestSecretsInLongLines: wherever a secret stands in a line of many parts, it is found, and once.
func TestSecretsInLongLines(t *testing.T) {
	secret := "token: ghp_" + strings.Repeat("aB3", 12) + " "
	for _, at := range []int{0, 3000, partSize - overlap - 20, partSize - 20, partSize - 3, 50_000} {
		text := strings.Repeat("x ", at/2) + secret + strings.Repeat(" y", 40_000)
		if got := secretsIn("f", []byte("first\n"+text)); len(got) != 1 || got[0].String() != "f:2: a GitHub token" {
			t.Errorf("at %d: %v", at, got)
		}
	}
	if got := secretsIn("f", []byte(strings.Repeat("://", 60_000))); len(got) != 0 {
		t.Errorf("in hints alone: %v", got)
	}
}

func TestSecrets(t *testing.T) {
	text := strings.Join([]string{
		`Plain: AWS::SecretsManager::Secret`,
		`Key: AKIA` + `QYLPMN5HHHFPZAM2`,
		`Example: AKIAIOSFODNN7EXAMPLE`,
		`aws_secret_access_key = "` + `abcdefghij0123456789ABCDEFGHIJ0123456789` + `"`,
		`-----BEGIN RSA ` + `PRIVATE KEY-----`,
		`token: ghp_` + strings.Repeat("aB3", 12),
		`MasterUserPassword: "` + `correct7horse` + `"`,
		`MasterUserPassword: "{{ service_instance.inputs.password }}"`,
		`Password: "{{resolve:secretsmanager:db:SecretString:password}}"`,
		`password = "${var.password1}"`,
		`password: "changeme123"`,
		`SecretName: "my-secret-name"`,
		`url: postgres://app:` + `s3cr3tpw@db.internal/x`,
		`url: https://user:${TOKEN}@github.com/x`,
	}, "\n")
	b, err := Open(Environment, bytes.NewReader(pack(t, tar.FormatPAX, good("", entry{name: "infrastructure/notes.txt", data: text})...)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range Secrets(b) {
		got = append(got, strings.TrimPrefix(f.String(), "infrastructure/notes.txt:"))
	}
	want := []string{"2: an AWS access key ID", "4: an AWS secret access key", "5: a private key", "6: a GitHub token", "7: a password", "13: a password in an address"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(byte(0), pack(f, tar.FormatPAX, good("")...))
	f.Add(byte(2), protonbundles.Tar(f, "cfn-service"))
	f.Add(byte(2), protonbundles.Tar(f, "tf-service"))
	f.Fuzz(func(t *testing.T, kind byte, archive []byte) {
		b, err := Open(Kind(kind%4), bytes.NewReader(archive))
		if err != nil {
			var own *Error
			if !errors.As(err, &own) {
				t.Fatalf("not an *Error: %v", err)
			}
			return
		}
		Secrets(b)
	})
}

// FuzzTar feeds the bytes below gzip, which a fuzzer does not get through.
func FuzzTar(f *testing.F) {
	for _, name := range []string{"cfn-environment", "tf-environment", "runner-environment"} {
		zr, err := gzip.NewReader(bytes.NewReader(protonbundles.Tar(f, name)))
		if err != nil {
			f.Fatal(err)
		}
		raw, err := io.ReadAll(zr)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var b bytes.Buffer
		zw := gzip.NewWriter(&b)
		if _, err := zw.Write(raw); err != nil {
			t.Fatal(err)
		}
		if err := zw.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(Environment, &b); err != nil {
			var own *Error
			if !errors.As(err, &own) {
				t.Fatalf("not an *Error: %v", err)
			}
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add("x = 1", goodManifest)
	f.Add("x: 1", protonbundles.File(f, "runner-environment", "infrastructure/manifest.yaml"))
	f.Add("resource \"a\" \"b\" {\n}\n", protonbundles.File(f, "tf-component", "manifest.yaml"))
	f.Fuzz(func(t *testing.T, template, manifest string) {
		if _, err := Component(template, manifest); err != nil {
			var own *Error
			if !errors.As(err, &own) {
				t.Fatalf("not an *Error: %v", err)
			}
		}
	})
}
