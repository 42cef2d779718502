package git

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConnectionsAreChecked(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"token": 0o600, "open": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("abcdefgh"), mode); err != nil {
			t.Fatal(err)
		}
	}
	good := "arn: " + testARN
	tests := map[string]struct{ text, want string }{
		"no arn":           {"url: https://h", "arn"},
		"unknown member":   {good + "\n  url: https://h\n  sekret: x", "sekret"},
		"http":             {good + "\n  url: http://git.example.org", "url is not https://"},
		"password":         {good + "\n  url: https://u:p@h", "holds a password"},
		"ssh without keys": {good + "\n  url: ssh://h", "key-file and known-hosts"},
		"git scheme":       {good + "\n  url: git://h", "begins with none of"},
		"ext scheme":       {good + "\n  url: 'ext::sh -c id'", "begins with none of"},
		"relative folder":  {good + "\n  url: file://srv/git", "file:///srv/git"},
		"open token":       {good + "\n  url: https://h\n  token-file: open", "can be read by others"},
		"api without url":  {good + "\n  url: https://h\n  api: github", "need an api-url"},
		"api in the clear": {good + "\n  url: https://h\n  api: gitea\n  api-url: http://git.example.org\n  token-file: token", "api-url is not https://"},
		"unknown api":      {good + "\n  url: https://h\n  api: gitlab", "none of github, gitea and none"},
		"twice":            {good + "\n  url: https://h\n- " + good + "\n  url: https://h", "is there twice"},
	}
	for name, test := range tests {
		_, err := parse([]byte("connections:\n- "+test.text), dir)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
	list, err := parse([]byte("connections:\n- "+good+"\n  url: https://h/\n  token-file: token"), dir)
	if err != nil || list[0].Account != "111122223333" || list[0].URL != "https://h" {
		t.Fatalf("got %+v, %v", list, err)
	}
	if text := fmt.Sprintf("%v %+v %#v", *list[0], list[0], list[0]); strings.Contains(text, "abcdefgh") || strings.Contains(text, "97, 98") {
		t.Errorf("the token is printed: %s", text)
	}
}

func TestNamesThatLeaveAreRefused(t *testing.T) {
	c := connect(t, "  url: file:///srv/git")
	for _, name := range []string{"", "/", "a/../b", "..", "../x", "a//b", "-x/y", "a/b;id", "a/b'", "a b", "a/.git", "a/b.git", "a/b\n"} {
		if r, err := c.Remote(name); err == nil {
			t.Errorf("%q became %s", name, r.location())
		}
	}
	for _, path := range []string{"", "/x", "a/../b", ".git/config", "a/.GIT/x", "a//b", "a/", "c:x", "a\\b"} {
		if validPath(path) {
			t.Errorf("%q is a path", path)
		}
	}
	for _, branch := range []string{"", "-x", "a..b", "a b", "a.lock", "a/", "a~1", "refs^", "@{x}"} {
		if validBranch(branch) {
			t.Errorf("%q is a branch", branch)
		}
	}
}

func TestPackLimits(t *testing.T) {
	small := []object{{blobKind, []byte("hello")}, {treeKind, nil}}
	good := writePack(nil, small)
	objects, err := readPack(bytes.NewReader(good))
	if err != nil || len(objects) != 2 {
		t.Fatalf("%d objects, %v", len(objects), err)
	}
	bomb := append([]byte("PACK\x00\x00\x00\x02\x00\x00\x00\x01"), 0xbf, 0xff, 0xff, 0xff, 0x7f) // a blob of 2 GiB, it says
	many := append([]byte("PACK\x00\x00\x00\x02"), 0xff, 0xff, 0xff, 0xff)
	for name, pack := range map[string][]byte{"bomb": bomb, "many": many} {
		if _, err := readPack(bytes.NewReader(pack)); err != errLarge {
			t.Errorf("%s: got %v, want %v", name, err, errLarge)
		}
	}
	for n := range good[:len(good)-20] { // what follows the objects is their checksum
		if _, err := readPack(bytes.NewReader(good[:n])); err == nil {
			t.Errorf("a pack of %d bytes was read", n)
		}
	}
}

func TestPatchStaysWithin(t *testing.T) {
	base := []byte("0123456789")
	tests := []struct {
		delta string
		size  uint64
		want  string // "" for refused
	}{
		{"\x90\x0a", 10, "0123456789"},
		{"\x91\x02\x03\x02ab", 5, "234ab"},
		{"\x91\x09\x02", 2, ""},
		{"\x02a", 2, ""},
		{"\x00", 0, ""},
		{"\x90\x0a", 9, ""},
		{"\x90\x0a", 11, ""},
		{"\x80", 65536, ""},
	}
	for _, test := range tests {
		got, err := patch(base, []byte(test.delta), test.size)
		if string(got) != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%q: got %q, %v, want %q", test.delta, got, err, test.want)
		}
	}
}

func FuzzPack(f *testing.F) {
	f.Add(writePack(nil, []object{{blobKind, []byte("hello")}, {commitKind, []byte("tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nhello")}}))
	f.Add([]byte("PACK\x00\x00\x00\x02\x00\x00\x00\x01\x65\x05"))
	f.Fuzz(func(t *testing.T, data []byte) {
		objects, err := readPack(bytes.NewReader(data))
		if err != nil {
			return
		}
		for h, o := range objects {
			if nameOf(o.kind, o.data) != h {
				t.Error("an object has another's name")
			}
			switch o.kind {
			case treeKind:
				_, _ = parseTree(o.data)
			case commitKind:
				_, _ = parseCommit(o.data)
			}
		}
	})
}

func FuzzAdvertisement(f *testing.F) {
	line := appendLine(nil, "%040d refs/heads/main\x00report-status object-format=sha1\n", 7)
	f.Add(append(line, flush...), false)
	f.Add(append(append(appendLine(nil, "# service=git-upload-pack\n"), flush...), append(line, flush...)...), true)
	f.Fuzz(func(t *testing.T, data []byte, overHTTP bool) {
		a, err := readAdvertisement(bytes.NewReader(data), overHTTP)
		if err == nil && a.refs == nil {
			t.Error("no references and no error")
		}
		_, _ = readAnswer(bytes.NewReader(data))
		_ = readReport(bytes.NewReader(data))
	})
}

func FuzzPullReplies(f *testing.F) {
	f.Add([]byte(`[{"number":1,"state":"open","html_url":"https://x/1","head":{"ref":"b"}}]`))
	f.Add([]byte(`{"number":1,"state":"closed","merged":true}`))
	f.Add([]byte(`{"message":"no","errors":[{"message":"m"},"x"]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := readPull(text)
		if err == nil && (p.Number <= 0 || p.URL != "" && !strings.HasPrefix(strings.ToLower(p.URL), "http")) {
			t.Errorf("%+v", p)
		}
		_, _ = pickPull(text, &Proposal{Branch: "b"})
		if m := readMessage(text); len(m) > maxSentence+3 || strings.ContainsAny(m, "\n\r\x00") {
			t.Errorf("%q is no sentence", m)
		}
	})
}

func FuzzConnections(f *testing.F) {
	f.Add([]byte("connections:\n- arn: " + testARN + "\n  url: https://h"))
	f.Fuzz(func(t *testing.T, text []byte) { _, _ = parse(text, "/nowhere") })
}
