package sensitive

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Category is one of Macie's categories of sensitive data.
type Category string

// The categories.
const (
	Credentials          Category = "CREDENTIALS"
	FinancialInformation Category = "FINANCIAL_INFORMATION"
	PersonalInformation  Category = "PERSONAL_INFORMATION"
)

const (
	// MaxText is how many bytes of a text are looked at. Who has a longer one brings it in parts.
	MaxText = 1 << 20
	// MaxFindings is how many findings of a text are told.
	MaxFindings = 1000
)

// Finding is sensitive data in a text.
type Finding struct {
	Identifier string
	Category   Category
	Start, End int    // bytes of the text, End excluded
	Masked     string // what the data begins with, and how long it is; fit for a terminal
}

// Scanner looks for sensitive data in the values of a field. Its methods may run together.
type Scanner struct {
	near   keywords // in the name of the field
	secret bool     // the name says that what it stands for is a secret
}

// New returns a scanner for the values of the field of that name, or for texts that stand alone where the name is "".
func New(name string) *Scanner {
	found, last := keywordsIn(name[:min(len(name), 1<<10)])
	return &Scanner{near: found, secret: last&ofSecret != 0}
}

// Scan returns what it finds in the first MaxText bytes of a text, in their order. No two findings overlap.
func (s *Scanner) Scan(text string) []Finding {
	c := scan{Scanner: s, text: text[:min(len(text), MaxText)]}
	c.urls()
	c.pem()
	c.putty()
	c.tokensOfJSON()
	c.basic()
	c.google()
	c.stripe()
	c.words()
	c.emails()
	if s.secret && len(c.found) == 0 && passwordLike(text) {
		c.add("PASSWORD", Credentials, 0, len(c.text))
	}
	slices.SortFunc(c.found, func(a, b Finding) int { return cmp.Compare(a.Start, b.Start) })
	return c.found
}

// Redact returns a text with all that Scan finds masked, and without what is beyond MaxText. A text in which nothing is found is returned as it is.
func (s *Scanner) Redact(text string) string {
	return redact(text[:min(len(text), MaxText)], s.Scan(text))
}

// ScanName returns what it finds in a name itself, such as that of a label, in which underscores stand for spaces.
func ScanName(name string) []Finding { return New("").Scan(strings.ReplaceAll(name, "_", " ")) }

// RedactName is Redact for a name.
func RedactName(name string) string { return redact(name[:min(len(name), MaxText)], ScanName(name)) }

func redact(text string, found []Finding) string {
	if len(found) == 0 {
		return text
	}
	var b strings.Builder
	at := 0
	for _, f := range found {
		b.WriteString(text[at:f.Start])
		b.WriteString(f.Masked)
		at = f.End
	}
	if len(found) < MaxFindings { // what follows the last of so many was not looked at to its end
		b.WriteString(text[at:])
	}
	return b.String()
}

// scan is the scan of one text.
type scan struct {
	*Scanner
	text  string
	found []Finding
}

// add tells of data, unless some of it belongs to what was told before: an address in a token is no finding of its own.
func (c *scan) add(identifier string, of Category, start, end int) {
	if len(c.found) >= MaxFindings {
		return
	}
	for _, f := range c.found {
		if start < f.End && f.Start < end {
			return
		}
	}
	c.found = append(c.found, Finding{identifier, of, start, end, mask(c.text[start:end])})
}

// mask says what data begins with, at most an eighth of it and four characters, and how long it is.
func mask(data string) string {
	kept := []byte(data[:min(4, len(data)/8)])
	for i, b := range kept {
		if b <= ' ' || b > '~' {
			kept[i] = '?'
		}
	}
	return fmt.Sprintf("%s…(%d characters)", kept, utf8.RuneCountInString(data))
}

// each calls fn where a mark stands in the text, one after the other; fn returns from where on to look for the next one.
func (c *scan) each(mark string, fn func(at int) int) {
	for at := 0; len(c.found) < MaxFindings; {
		i := strings.Index(c.text[at:], mark)
		if i < 0 {
			return
		}
		at = max(fn(at+i), at+i+len(mark))
		if at >= len(c.text) {
			return
		}
	}
}

// kinds of bytes.
const (
	digit uint8 = 1 << iota
	lower
	upper
	plus   // + and /, of base64
	hyphen // - and _, of base64url
	dotty  // . and %

	letter = lower | upper
	alnum  = letter | digit
)

var kind = func() (k [256]uint8) {
	for b := range k {
		switch {
		case b >= '0' && b <= '9':
			k[b] = digit
		case b >= 'a' && b <= 'z':
			k[b] = lower
		case b >= 'A' && b <= 'Z':
			k[b] = upper
		case b == '+' || b == '/':
			k[b] = plus
		case b == '-' || b == '_':
			k[b] = hyphen
		case b == '.' || b == '%':
			k[b] = dotty
		}
	}
	return k
}()

// run returns where the bytes of some kinds end that begin at a place, and which kinds they are of. It looks at no more than most.
func (c *scan) run(at, most int, of uint8) (end int, seen uint8) {
	for end = at; end < len(c.text) && end-at < most && kind[c.text[end]]&of != 0; end++ {
		seen |= kind[c.text[end]]
	}
	return end, seen
}

// before and after are the bytes beside a part of the text, or 0.
func (c *scan) before(start int) byte {
	if start == 0 {
		return 0
	}
	return c.text[start-1]
}

func (c *scan) after(end int) byte {
	if end >= len(c.text) {
		return 0
	}
	return c.text[end]
}

// words looks at each run of letters and digits.
func (c *scan) words() {
	for at, through := 0, 0; at < len(c.text) && len(c.found) < MaxFindings; {
		if kind[c.text[at]]&alnum == 0 {
			at++
			continue
		}
		if at >= through {
			through = c.aws(at)
		}
		end, seen := c.run(at, len(c.text), alnum)
		switch {
		case seen == digit:
			c.number(at, end)
		case seen == digit|upper:
			c.iban(at, end)
		}
		at = end
	}
}
