package sensitive

import (
	_ "embed"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// Made for these tests, in parts, so that nothing that searches this source takes them for real ones.
var (
	awsKey    = "hT3vQm9KcXwR2bLz" + "N7pYdG5sJfA8eUiO/1qM4xZk"
	googleKey = "AIza" + "SyD9xK2mQ7vRt4LpW8bNc3JhF6gYzE1uXoA"
	stripeKey = "sk_" + "live_" + "4eC39HqLyjWDarjtT1zdp7dc"
	material  = strings.Repeat("MIIEowIBAAKCAQEA7v3k", 4)
	jwt       = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkFkYSJ9" + ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
	unsigned  = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"ada"}`)) + "."
	basic     = base64.StdEncoding.EncodeToString([]byte("ada:lovelace1815"))
	putty     = "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: k\nPublic-Lines: 2\nAAAA\nPrivate-Lines: 1\n" + material + "\nPrivate-MAC: 00"
)

func armour(label string) string {
	return "-----BEGIN " + label + "-----\n" + material + "\n-----END " + label + "-----"
}

// TestIdentifiers looks for each kind of data, and for what is nearly it.
func TestIdentifiers(t *testing.T) {
	for _, tc := range []struct{ name, text, want, data string }{
		{"aws_secret_access_key", awsKey, "AWS_CREDENTIALS", awsKey},
		{"", "secretAccessKey=" + awsKey + ";", "AWS_CREDENTIALS", awsKey},
		{"", "secret-key: '" + awsKey + "'", "AWS_CREDENTIALS", awsKey},
		{"", "Bearer AKIAIOSFODNN7ABCDEFG:" + awsKey, "AWS_CREDENTIALS", awsKey},
		{"digest", awsKey, "", ""},
		{"", "a secret key, and then a text that is longer than thirty characters: " + awsKey, "", ""},
		{"credentials", awsKey + "x", "", ""},
		{"credentials", awsKey + "=", "", ""},
		{"credentials", "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12", "", ""}, // SHA-1
		{"credentials", strings.Repeat("aB3/", 10), "", ""},
		{"credentials", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "", ""},
		{"secret_access_key", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "", ""},
		{"x", googleKey, "GCP_API_KEY", googleKey},
		{"", "https://maps.example/?key=" + googleKey + "&q=1", "GCP_API_KEY", googleKey},
		{"x", googleKey + "0", "", ""},
		{"x", googleKey[:38], "", ""},
		{"x", "AIza" + strings.Repeat("a1", 17) + "b", "", ""},
		{"authorization", "Basic " + basic, "HTTP_BASIC_AUTH_HEADER", basic},
		{"", "authorization: basic " + strings.TrimRight(basic, "="), "HTTP_BASIC_AUTH_HEADER", strings.TrimRight(basic, "=")},
		{"authorization", "Basic authentication", "", ""},
		{"authorization", "Basic bm9ib2R5IGhlcmU=", "", ""}, // no colon
		{"authorization", "Negotiate " + basic, "", ""},
		{"x", jwt, "JSON_WEB_TOKEN", jwt},
		{"x", "Bearer " + unsigned, "JSON_WEB_TOKEN", unsigned},
		{"x", jwt[:len(jwt)/2], "", ""},
		{"x", "eyJhbGciOiJIUzI1NiJ9", "", ""},
		{"x", strings.Replace(jwt, "eyJhb", "eyJxb", 1), "", ""}, // no alg
		{"x", armour("OPENSSH PRIVATE KEY"), "OPENSSH_PRIVATE_KEY", armour("OPENSSH PRIVATE KEY")},
		{"x", armour("PGP PRIVATE KEY BLOCK"), "PGP_PRIVATE_KEY", armour("PGP PRIVATE KEY BLOCK")},
		{"x", "k=" + armour("RSA PRIVATE KEY") + " ", "PKCS", armour("RSA PRIVATE KEY")},
		{"x", strings.ReplaceAll(armour("PRIVATE KEY"), "\n", `\n`), "PKCS", strings.ReplaceAll(armour("PRIVATE KEY"), "\n", `\n`)},
		{"x", armour("EC PRIVATE KEY")[:80], "PKCS", armour("EC PRIVATE KEY")[:80]},
		{"x", armour("PUBLIC KEY"), "", ""},
		{"x", armour("CERTIFICATE"), "", ""},
		{"x", "a file that begins with -----BEGIN PRIVATE KEY----- was refused", "", ""},
		{"x", putty, "PUTTY_PRIVATE_KEY", strings.TrimSuffix(putty, "Private-MAC: 00")},
		{"x", strings.Replace(putty, "Private-Lines", "Other-Lines", 1), "", ""},
		{"x", stripeKey, "STRIPE_CREDENTIALS", stripeKey},
		{"x", "r" + stripeKey[1:] + ".", "STRIPE_CREDENTIALS", "r" + stripeKey[1:]},
		{"x", strings.Replace(stripeKey, "live", "test", 1), "", ""},
		{"x", "p" + stripeKey[1:], "", ""}, // may be public
		{"x", "sk_live_short", "", ""},
		{"db_password", "hunter2", "PASSWORD", "hunter2"},
		{"apiKey", "9f86d081884c7d65", "PASSWORD", "9f86d081884c7d65"},
		{"client_secret", jwt, "JSON_WEB_TOKEN", jwt},
		{"password", "enabled", "", ""},
		{"password", "xxxxxx", "", ""},
		{"password", "<secret1>", "", ""},
		{"password", "the 2nd try", "", ""},
		{"password_age", "90days", "", ""},
		{"secret", "db-credentials-1", "", ""}, // as kube-state-metrics calls an object
		{"target", "https://ada:love1815@db.example.com:5432/x", "URL_CREDENTIALS", "ada:love1815"},
		{"target", "postgres://ada:p@ss@db/x?a=b@c", "URL_CREDENTIALS", "ada:p@ss"},
		{"target", "redis://:love1815@cache", "URL_CREDENTIALS", ":love1815"},
		{"target", "https://ada:xxxxx@db.example.com/", "", ""},
		{"target", "https://ada:$PASSWORD@db.example.com/", "", ""},
		{"target", "https://ada@db.example.com/", "", ""},
		{"target", "http://[::1]:9090/@x", "", ""},

		{"card", "4539578763621486", "CREDIT_CARD_NUMBER", "4539578763621486"},
		{"", "paid with visa 4539 5787 6362 1486, thanks", "CREDIT_CARD_NUMBER", "4539 5787 6362 1486"},
		{"", "amex: 3412-345678-90127", "CREDIT_CARD_NUMBER", "3412-345678-90127"},
		{"PaymentCard", "6221260000000000", "CREDIT_CARD_NUMBER", "6221260000000000"},
		{"x", "4539578763621486", "CREDIT_CARD_NUMBER_(NO_KEYWORD)", "4539578763621486"},
		{"x", "2026-11-29 4539578763621486", "CREDIT_CARD_NUMBER_(NO_KEYWORD)", "4539578763621486"},
		{"card", "4539578763621487", "", ""},                                       // Luhn
		{"card", "1539578763621489", "", ""},                                       // no issuer's
		{"card", "4111111111111111", "", ""},                                       // published
		{"card", "45395787636214860", "", ""},                                      // too long
		{"card", "4539-57876362-1486", "", ""},                                     // not how cards are written
		{"x", "job-4539578763621486", "", ""}, {"x", "0.4539578763621486", "", ""}, // a part of something
		{"x", "4539578763621486.5", "", ""},
		{"company", "order 4539-5787-6362-1486-1", "", ""},
		{"x", "DE89370400440532013000", "GERMANY_BANK_ACCOUNT_NUMBER", "DE89370400440532013000"},
		{"x", "IBAN: GB82 WEST 1234 5698 7654 32.", "UK_BANK_ACCOUNT_NUMBER", "GB82 WEST 1234 5698 7654 32"},
		{"x", "FR1420041010050500013M02606", "FRANCE_BANK_ACCOUNT_NUMBER", "FR1420041010050500013M02606"},
		{"x", "to NO93-8601-1117-947", "NORWAY_BANK_ACCOUNT_NUMBER", "NO93-8601-1117-947"},
		{"x", "DE89370400440532013001", "", ""},
		{"x", "DE8937040044053201300", "", ""},
		{"x", "GB8212345698765432WEST", "", ""},
		{"x", "ZZ89370400440532013000", "", ""},

		{"ssn", "536-22-1234", "USA_SOCIAL_SECURITY_NUMBER", "536-22-1234"},
		{"", "social security no. 536221234", "USA_SOCIAL_SECURITY_NUMBER", "536221234"},
		{"id", "536-22-1234", "", ""},
		{"ssn", "666-22-1234", "", ""}, {"ssn", "536-00-1234", "", ""}, {"ssn", "936-22-1234", "", ""}, {"ssn", "078-05-1120", "", ""},
		{"ssn", "53-622-1234", "", ""}, {"ssn", "536-22-1234-5", "", ""}, {"ssn", "5362212345", "", ""},
		{"lesson", "536-22-1234", "", ""},
		{"phone", "(202) 555-0123", "PHONE_NUMBER", "202) 555-0123"},
		{"", "Phone number +1 202 555 0123", "PHONE_NUMBER", "1 202 555 0123"},
		{"mobileNumber", "2025550123", "PHONE_NUMBER", "2025550123"},
		{"x", "202-555-0123", "", ""},
		{"phone", "102-555-0123", "", ""}, {"phone", "202-155-0123", "", ""}, {"phone", "1764467890", "", ""},
		{"user", "ada.lovelace@analytical.engine.org", "EmailAddress", "ada.lovelace@analytical.engine.org"},
		{"", "mail to <o'hara+x@example.com>.", "EmailAddress", "o'hara+x@example.com"},
		{"path", "/users/ada@mail.de/orders", "EmailAddress", "ada@mail.de"},
		{"x", "12345@163.com", "EmailAddress", "12345@163.com"},
		{"x", "ada@localhost", "", ""}, {"x", "ada@db.local", "", ""}, {"x", "getty@tty1.service", "", ""}, {"x", "lodash@4.17.21.js", "", ""},
		{"x", "pkg@1.0.0", "", ""}, {"x", "git@github.com:group/project.git", "", ""}, {"x", "ssh://ada@host.example.com/x", "", ""},
		{"x", "robot@project.iam.gserviceaccount.com", "", ""}, {"x", "a@@b.com", "", ""}, {"x", "@b.com", "", ""}, {"x", "a@b..com", "", ""},
	} {
		found := New(tc.name).Scan(tc.text)
		if tc.want == "" {
			if len(found) != 0 {
				t.Errorf("%s=%q: got %v, want nothing", tc.name, tc.text, found)
			}
			continue
		}
		if len(found) != 1 || found[0].Identifier != tc.want || tc.text[found[0].Start:found[0].End] != tc.data {
			t.Errorf("%s=%q: got %v, want one %s of %q", tc.name, tc.text, found, tc.want, tc.data)
		}
	}
}

// TestMask reads what is told of data, and puts it in the place of the data.
func TestMask(t *testing.T) {
	text := "é aws_secret_access_key=" + awsKey + " and ada@analytical.engine.org, password hunter2"
	found := New("").Scan(text)
	if len(found) != 2 || found[0].Masked != "hT3v…(40 characters)" || found[0].Category != Credentials || found[1].Masked != "ada…(25 characters)" {
		t.Fatalf("got %+v", found)
	}
	if got, want := New("").Redact(text), "é aws_secret_access_key=hT3v…(40 characters) and "+found[1].Masked+", password hunter2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := New("password").Redact("hunter2"); got != "…(7 characters)" {
		t.Errorf("got %q", got)
	}
	if got := New("password").Redact("\x1b[31mhunter2-and-more-of-it-here-1"); strings.ContainsRune(got, 0x1b) || !strings.HasPrefix(got, "?[31") {
		t.Errorf("got %q", got)
	}
}

// TestNames looks at names themselves.
func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"card_4539578763621486": "card_45…(16 characters)", "ssn_536_22_1234_checked": "ssn_5…(11 characters)_checked", "ada@example.com": "a…(15 characters)", "http_requests_total": "http_requests_total",
	} {
		if got := RedactName(name); got != want || (len(ScanName(name)) > 0) != (name != want) {
			t.Errorf("%s: got %s and %v, want %s", name, got, ScanName(name), want)
		}
	}
}

// TestBounds gives more than is looked at and told.
func TestBounds(t *testing.T) {
	many := strings.Repeat("4539578763621486 ", 2*MaxFindings)
	if found := New("").Scan(many); len(found) != MaxFindings {
		t.Errorf("%d findings", len(found))
	}
	if got := New("").Redact(many); strings.Contains(got, "4539578763621486") {
		t.Error("what is too much to be told is not masked")
	}
	far := strings.Repeat(" ", MaxText) + "4539578763621486"
	if found := New("").Scan(far); len(found) != 0 || strings.Contains(New("").Redact(far), "4539") {
		t.Errorf("got %v", found)
	}
}

// FuzzScan looks at texts and names that nobody wrote.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{awsKey, googleKey, stripeKey, jwt, unsigned, putty, armour("PRIVATE KEY"), "Basic " + basic, "a://b:c@d", "4539 5787 6362 1486", "GB82 WEST 1234 5698 7654 32", "a@b.de", "(202) 555-0123", ""} {
		f.Add("secret_key", seed)
		f.Add("phone card ssn", seed+" "+seed)
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		s, at := New(name), 0
		for _, found := range s.Scan(text) {
			if found.Start < at || found.End <= found.Start || found.End > len(text) || found.Identifier == "" || found.Category == "" {
				t.Fatalf("%+v after %d of %d", found, at, len(text))
			}
			at = found.End
			if told, _, _ := strings.Cut(found.Masked, "…"); len(told) > 4 || 8*len(told) > found.End-found.Start {
				t.Fatalf("%q tells too much", found.Masked)
			}
		}
		if at > 0 && s.Redact(text) == text {
			t.Fatal("nothing is masked")
		}
	})
}

//go:embed testdata/ordinary.txt
var ordinary string

// TestOrdinary finds nothing in the labels that exporters, Kubernetes and services put on their metrics, nor in the ids, digests and times that they are made of.
func TestOrdinary(t *testing.T) {
	for line := range strings.Lines(ordinary) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if found := New(name).Scan(value); len(found) != 0 {
			t.Errorf("%s=%s: %v", name, value, found)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		a, b := r.Uint64(), r.Uint64()
		at := 1_500_000_000 + a%400_000_000
		for name, value := range map[string]string{
			"trace_id": fmt.Sprintf("%016x%016x", a, b), "uid": fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>52, b&0xffffffffffff),
			"image": fmt.Sprintf("registry.example.com/a/b@sha256:%016x%016x%016x%016x", a, b, a*b, a^b), "revision": fmt.Sprintf("%016x%016x%08x", a, b, a>>32),
			"ip": fmt.Sprintf("%d.%d.%d.%d:%d", a&255, a>>8&255, a>>16&255, a>>24&255, b&0xffff), "mac": fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", a&255, a>>8&255, a>>16&255, b&255, b>>8&255, b>>16&255),
			"pod": fmt.Sprintf("api-%x-%05x", a&0xffffffff, b&0xfffff), "cronjob": fmt.Sprintf("backup-%d", 28_000_000+a%1_000_000), "account": fmt.Sprintf("%012d", a%1e12),
			"ms": fmt.Sprint(at*1e3 + b%1e3), "us": fmt.Sprint(at*1e6 + b%1e6), "ns": fmt.Sprint(at*1e9 + b%1e9), "time": time.Unix(int64(at), int64(b%1e9)).UTC().Format(time.RFC3339Nano),
			"le": fmt.Sprint(float64(a) / float64(b|1)), "arn": fmt.Sprintf("arn:aws:sqs:eu-central-1:%012d:q-%d", a%1e12, b), "hash": fmt.Sprint(a | 1<<62), "signed": fmt.Sprint(-int64(b>>1 | 1<<61)),
			"token_id": base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%x", a)), "digest": base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%016x%016x", a, b)),
		} {
			if found := New(name).Scan(value); len(found) != 0 {
				t.Errorf("%s=%s: %v", name, value, found)
			}
		}
	}
}

// BenchmarkScan says how many bytes a second are looked at: the ordinary labels, one by one and as one text, and what makes each kind of data be looked for everywhere.
func BenchmarkScan(b *testing.B) {
	lines := strings.Split(ordinary, "\n")
	b.Run("labels", func(b *testing.B) {
		scanners := make([]*Scanner, len(lines))
		for i, line := range lines {
			name, _, _ := strings.Cut(line, "=")
			scanners[i] = New(name)
		}
		b.SetBytes(int64(len(ordinary)))
		for b.Loop() {
			for i, line := range lines {
				scanners[i].Scan(line)
			}
		}
	})
	for name, text := range map[string]string{
		"text": ordinary, "digits": "453957876 362 ", "at": "a@b.c", "hyphens": "-----BEGIN PRIVATE KEY-----", "putty": "PuTTY-User-Key-File-", "tokens": "eyJ.eyJ.", "basic": "Basic YTpi\x00",
		"schemes": "a://b:c", "base64": awsKey + " ", "accounts": "GB82 WEST 1234 5698 ", "capitals": "AIza", "nearly": "4539 5787 6362 1487 ", "found": "4539578763621486 ",
	} {
		text = strings.Repeat(text, MaxText/len(text))
		b.Run("all-"+name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			s := New("phone card ssn secret key")
			for b.Loop() {
				s.Scan(text)
			}
		})
	}
}
