package bundle

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Finding is a secret that was left in a bundle: where, and of what kind. It never holds
// the secret.
type Finding struct {
	File string
	Line int
	Kind string
}

// String returns a sentence such as "schema/schema.yaml:3: an AWS access key ID".
func (f Finding) String() string { return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Kind) }

// maxFindings bounds what Secrets returns.
const maxFindings = 50

// Secrets looks through every text file of the bundle and returns what looks like a
// secret, in order, at most 50. It is careful not to cry wolf: references, placeholders
// and the example keys of AWS's own documentation are passed over.
func Secrets(b *Bundle) []Finding {
	var found []Finding
	look := func(folder string, f File) {
		if len(found) < maxFindings && f.Name != "" {
			found = append(found, secretsIn(path.Join(folder, f.Name), f.Data)...)
		}
	}
	look("", b.schemaFile)
	for _, in := range b.Parts() {
		look(in.Folder, in.Manifest)
		for _, f := range in.Files {
			look(in.Folder, f)
		}
	}
	return found[:min(len(found), maxFindings)]
}

// tell is a form that secrets of a kind have. The first group, where there is one, is the
// value that must not look like a placeholder. Every such secret has one of the hints in it, or
// beside it, in letters of any case: only where one stands is the form looked for.
type tell struct {
	kind  string
	re    *regexp.Regexp
	hints []string // in small letters
}

func hints(list ...string) []string { return list }

var tells = []tell{
	{"a private key", regexp.MustCompile(`-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----`), hints("-----begin ")},
	{"an AWS access key ID", regexp.MustCompile(`\b((?:AKIA|ASIA)[0-9A-Z]{16})\b`), hints("akia", "asia")},
	{"an AWS secret access key", regexp.MustCompile(`(?i)secret_?-?(?:access)?_?-?key["']?\s*[:=]\s*["']?([A-Za-z0-9/+]{40})(?:["'\s,]|$)`), hints("secret")},
	{"a GitHub token", regexp.MustCompile(`\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})`), hints("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_")},
	{"a GitLab token", regexp.MustCompile(`\bglpat-[A-Za-z0-9_-]{20,}`), hints("glpat-")},
	{"a Slack token", regexp.MustCompile(`\bxox[abeoprs]-[0-9A-Za-z-]{20,}`), hints("xox")},
	{"a Stripe key", regexp.MustCompile(`\b[rs]k_live_[0-9A-Za-z]{20,}`), hints("k_live_")},
	{"a Google API key", regexp.MustCompile(`\bAIza[0-9A-Za-z_-]{35}\b`), hints("aiza")},
	{"an npm token", regexp.MustCompile(`\bnpm_[A-Za-z0-9]{36}\b`), hints("npm_")},
	{"a PyPI token", regexp.MustCompile(`\bpypi-AgEI[A-Za-z0-9_-]{20,}`), hints("pypi-agei")},
	{"a Vault token", regexp.MustCompile(`\bhv[sbr]\.[A-Za-z0-9_-]{24,}`), hints("hvs.", "hvb.", "hvr.")},
	{"a SendGrid key", regexp.MustCompile(`\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}\b`), hints("sg.")},
	{"a password in an address", regexp.MustCompile(`\b[a-z][a-z0-9+]{1,15}://[^\s:/@"'<>{}$]{1,64}:([^\s:/@"'<>{}$]{6,128})@`), hints("://")},
	{"a password", regexp.MustCompile(`(?i)(?:password|passwd|secret|token|api_?-?key)["']?\s*[:=]\s*["']([^"'\s]{8,128})["']`), hints("password", "passwd", "secret", "token", "key")},
}

// A long line is looked at in parts that overlap by more than any of the forms needs.
const (
	partSize = 4096
	overlap  = 1024
)

// secretsIn looks at each line; the first tell that fits a line names it.
func secretsIn(name string, data []byte) []Finding {
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		return nil // not text
	}
	lower := smallLetters(data)
	var live []*tell
	for i := range tells {
		if hinted(lower, tells[i].hints) {
			live = append(live, &tells[i])
		}
	}
	if len(live) == 0 {
		return nil
	}
	var found []Finding
	number, at := 0, 0
	for line := range bytes.Lines(data) {
		small := lower[at : at+len(line)]
		at += len(line)
		number++
		for _, t := range live {
			if t.fits(line, small) {
				found = append(found, Finding{File: name, Line: number, Kind: t.kind})
				break
			}
		}
		if len(found) >= maxFindings {
			break
		}
	}
	return found
}

// smallLetters returns a text with the letters of ASCII made small, each at its place.
func smallLetters(data []byte) []byte {
	out := make([]byte, len(data))
	for i, c := range data {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		out[i] = c
	}
	return out
}

func hinted(small []byte, hints []string) bool {
	for _, h := range hints {
		if bytes.Contains(small, []byte(h)) {
			return true
		}
	}
	return false
}

// fits reports whether a secret of the form stands in a line.
func (t *tell) fits(line, small []byte) bool {
	if !hinted(small, t.hints) {
		return false
	}
	for from := 0; ; from += partSize - overlap {
		to := min(len(line), from+partSize)
		if hinted(small[from:to], t.hints) && t.in(line[from:to]) {
			return true
		}
		if to == len(line) {
			return false
		}
	}
}

func (t *tell) in(text []byte) bool {
	for _, m := range t.re.FindAllSubmatch(text, -1) {
		if len(m) == 1 || !harmless(t.kind, string(m[1])) {
			return true
		}
	}
	return false
}

// harmless reports whether the value is a reference or a placeholder and no secret.
func harmless(kind, value string) bool {
	lower := strings.ToLower(value)
	for _, word := range []string{"example", "changeme", "placeholder", "your", "xxxx", "****", "dummy", "redacted"} {
		if strings.Contains(lower, word) {
			return true
		}
	}
	if kind != "a password" {
		return false
	}
	if strings.ContainsAny(value, "{}<>$()") || strings.HasPrefix(lower, "arn:") || strings.Contains(value, "::") || strings.HasPrefix(value, "/") ||
		strings.Contains(value, "://") || strings.HasPrefix(lower, "var.") {
		return true
	}
	// A word such as "ClientSecretName" names a secret; a secret has letters and digits.
	return !strings.ContainsFunc(value, unicode.IsDigit) || !strings.ContainsFunc(value, unicode.IsLetter)
}
