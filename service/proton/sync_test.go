package proton

import (
	"bytes"
	"testing"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/service/proton/bundle"
	"github.com/strongroom/strongroom/service/proton/git"
	"github.com/strongroom/strongroom/test/protonbundles"
	"github.com/strongroom/strongroom/wire"
)

// TestFolderThatIsRegisteredAlready: a folder that holds what its newest version holds makes no version when it comes
// to be followed; any other one does.
func TestFolderThatIsRegisteredAlready(t *testing.T) {
	h := newHouse(t)
	l := h.life(0)
	for n := range 2 {
		if err := l.step(n + 1); err != nil {
			t.Fatal(err)
		}
		l.settle(n + 1)
	}
	tmpl, err := plain[template](t.Context(), h.Service, key("et", testPlace, l.template))
	if err != nil {
		t.Fatal(err)
	}
	files, err := bundle.Unpack(bytes.NewReader(protonbundles.Tar(t, "cfn-environment")))
	if err != nil {
		t.Fatal(err)
	}
	folder := func(change func(*git.File)) *majorSync {
		m := &majorSync{
			f: &templateFollower{config: api.TemplateSyncConfig{TemplateName: &l.template, TemplateType: api.TemplateTypeEnvironment}, family: environmentFamily},
			l: &look{s: h.Service, p: testPlace}, tmpl: tmpl, snap: &git.Snapshot{Commit: "c"}, major: "1", dir: "t/v1",
		}
		var list []git.File
		for _, f := range files {
			list = append(list, git.File{Path: f.Name, Data: bytes.Clone(f.Data), Exec: f.Exec})
		}
		change(&list[0])
		if err := m.pack(list); err != nil {
			t.Fatal(err)
		}
		return m
	}
	for name, c := range map[string]struct {
		m    *majorSync
		want string
	}{
		"the same":   {folder(func(*git.File) {}), "0"},
		"other text": {folder(func(f *git.File) { f.Data = append(f.Data, '\n') }), ""},
		"other mode": {folder(func(f *git.File) { f.Exec = !f.Exec }), ""},
		"other name": {folder(func(f *git.File) { f.Path += ".old" }), ""},
	} {
		if got, err := c.m.standing(t.Context()); err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
	m := folder(func(*git.File) {})
	m.major = "2"
	if got, err := m.standing(t.Context()); err != nil || got != "" {
		t.Errorf("a major version that is not there: %q, %v", got, err)
	}
	m = folder(func(*git.File) {})
	if err := m.adopt(t.Context(), m.f.key(testPlace, "1"), "tree", "0"); err != nil {
		t.Fatal(err)
	}
	st, err := followedAt(t.Context(), h.Service, m.f.key(testPlace, "1"))
	if err != nil || st.open() || st.Tree != "tree" || st.Minor != "0" || st.Successful == nil {
		t.Errorf("what is followed stands as %+v, %v", st, err)
	}
	m.in.CompatibleEnvironmentTemplates = []api.CompatibleEnvironmentTemplateInput{{TemplateName: wire.Ptr("other"), MajorVersion: wire.Ptr("1")}}
	if got, err := m.standing(t.Context()); err != nil || got != "" {
		t.Errorf("with other environment templates: %q, %v", got, err)
	}
}
