package sensitive

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"
)

// examples are the keys of AWS's documentation, which Macie does not report ("Managed data identifiers for credentials data").
var examples = map[string]bool{"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY": true, "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY": true}

// aws looks whether the base64 that holds the letter or digit at a place is a secret access key, and returns where it ends.
func (c *scan) aws(at int) int {
	start := at
	for start > 0 && kind[c.text[start-1]] == plus {
		start--
	}
	end, seen := c.run(at, len(c.text), alnum|plus)
	const whole = digit | lower | upper
	if end-start != 40 || seen&whole != whole || kind[c.before(start)] == hyphen || kind[c.after(end)] == hyphen || c.after(end) == '=' {
		return end
	}
	key := c.text[start:end]
	if !examples[key] && varied(key, 16) && (c.beside(start, end, ofAWS) || c.accessKeyID(start)) {
		c.add("AWS_CREDENTIALS", Credentials, start, end)
	}
	return end
}

// accessKeyID reports whether the id of an access key stands shortly before a place, as in a credentials file and in what the data plane of
// Managed Prometheus takes as a bearer token.
func (c *scan) accessKeyID(start int) bool {
	ahead := c.text[max(start-near30, 0):start]
	at := max(strings.LastIndex(ahead, "AKIA"), strings.LastIndex(ahead, "ASIA"))
	if at < 0 || len(ahead)-at < 20 {
		return false
	}
	return strings.Trim(ahead[at:at+20], "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}

// varied reports whether a text has so many different bytes.
func varied(text string, want int) bool {
	var seen [256]bool
	n := 0
	for i := range len(text) {
		if !seen[text[i]] {
			seen[text[i]] = true
			n++
		}
	}
	return n >= want
}

// google finds API keys of Google Cloud.
func (c *scan) google() {
	c.each("AIza", func(at int) int {
		end, seen := c.run(at, len(c.text), alnum|hyphen)
		if end-at == 39 && seen&digit != 0 && kind[c.before(at)]&(alnum|hyphen) == 0 && varied(c.text[at:end], 16) {
			c.add("GCP_API_KEY", Credentials, at, end)
		}
		return end
	})
}

// stripe finds keys that move money ("Detect Stripe keys in S3 buckets with Amazon Macie", AWS Security Blog).
func (c *scan) stripe() {
	c.each("k_live_", func(at int) int {
		end, _ := c.run(at+len("k_live_"), len(c.text), alnum)
		if at == 0 || c.text[at-1] != 's' && c.text[at-1] != 'r' || kind[c.before(at-1)]&alnum != 0 {
			return end
		}
		if end-at >= len("k_live_")+24 {
			c.add("STRIPE_CREDENTIALS", Credentials, at-1, end)
		}
		return end
	})
}

// tokensOfJSON finds JSON web tokens.
func (c *scan) tokensOfJSON() {
	const url = alnum | hyphen
	c.each("eyJ", func(at int) int {
		head, _ := c.run(at, len(c.text), url)
		if kind[c.before(at)]&url != 0 || c.after(head) != '.' || head-at > 4<<10 {
			return head
		}
		body, _ := c.run(head+1, len(c.text), url)
		if c.after(body) != '.' {
			return head
		}
		end, _ := c.run(body+1, len(c.text), url)
		var header struct {
			Algorithm string `json:"alg"`
		}
		if decodes(c.text[at:head], &header) && header.Algorithm != "" && decodes(c.text[head+1:body], &map[string]json.RawMessage{}) {
			c.add("JSON_WEB_TOKEN", Credentials, at, end)
			return end
		}
		return head
	})
}

func decodes(part string, into any) bool {
	text, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(text, into) == nil
}

// basic finds what a basic Authorization header has: a name and a password.
func (c *scan) basic() {
	c.each("asic ", func(at int) int {
		start := at + len("asic ")
		end, _ := c.run(start, 4<<10, alnum|plus)
		if at == 0 || c.text[at-1]|0x20 != 'b' || kind[c.before(at-1)]&alnum != 0 || end-start < 6 {
			return start
		}
		text, err := base64.RawStdEncoding.DecodeString(c.text[start:end])
		name, password, ok := strings.Cut(string(text), ":")
		if err != nil || !ok || name+password == "" || !printable(string(text)) {
			return start
		}
		for c.after(end) == '=' {
			end++
		}
		c.add("HTTP_BASIC_AUTH_HEADER", Credentials, start, end)
		return end
	})
}

func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

// armoured are the private keys between lines of hyphens.
var armoured = map[string]string{
	"OPENSSH PRIVATE KEY": "OPENSSH_PRIVATE_KEY", "PGP PRIVATE KEY BLOCK": "PGP_PRIVATE_KEY",
	"PRIVATE KEY": "PKCS", "ENCRYPTED PRIVATE KEY": "PKCS", "RSA PRIVATE KEY": "PKCS", "EC PRIVATE KEY": "PKCS", "DSA PRIVATE KEY": "PKCS",
}

const (
	longestKey = 16 << 10 // bytes of a private key in text
	headers    = 512      // bytes between the first line of one and its material
)

// pem finds private keys that begin with -----BEGIN. Without key material behind it, that is a word about keys.
func (c *scan) pem() {
	const begin, end, dashes = "-----BEGIN ", "-----END ", "-----"
	c.each(begin, func(at int) int {
		rest := c.text[at+len(begin):]
		label, _, ok := strings.Cut(rest[:min(len(rest), 40)], dashes)
		if !ok || armoured[label] == "" {
			return at
		}
		body := at + len(begin) + len(label) + len(dashes)
		if !c.material(body, min(body+headers, len(c.text))) {
			return body
		}
		stop := min(body+longestKey, len(c.text))
		if i := strings.Index(c.text[body:stop], end); i >= 0 {
			stop = min(body+i+len(end)+len(label)+len(dashes), len(c.text))
		}
		c.add(armoured[label], Credentials, at, stop)
		return stop
	})
}

// material reports whether base64 as of a key stands between two places.
func (c *scan) material(from, to int) bool {
	for from < to {
		end, _ := c.run(from, to-from, alnum|plus)
		if end-from >= 32 {
			return true
		}
		from = end + 1
	}
	return false
}

// putty finds private keys of PuTTY: header lines, then the material.
func (c *scan) putty() {
	const private = "Private-Lines:"
	next := -1 // the first such line from here on
	c.each("PuTTY-User-Key-File-", func(at int) int {
		if next < at {
			i := strings.Index(c.text[at:], private)
			if i < 0 {
				return len(c.text)
			}
			next = at + i
		}
		if next-at > longestKey || !c.material(next, min(next+headers, len(c.text))) {
			return at
		}
		end := min(next+longestKey, len(c.text))
		if i := strings.Index(c.text[next:end], "Private-MAC:"); i >= 0 {
			end = next + i
		}
		c.add("PUTTY_PRIVATE_KEY", Credentials, at, end)
		return end
	})
}

// urls finds addresses with a name and a password before the host.
func (c *scan) urls() {
	c.each("://", func(at int) int {
		start := at + len("://")
		authority := c.text[start:min(start+512, len(c.text))]
		if i := strings.IndexAny(authority, "/?#\\\"'`<> \t\r\n"); i >= 0 {
			authority = authority[:i]
		}
		i := strings.LastIndexByte(authority, '@')
		if i < 0 || i+1 == len(authority) || kind[c.before(at)]&alnum == 0 {
			return start
		}
		if _, password, ok := strings.Cut(authority[:i], ":"); ok && !placeholder(password) {
			c.add("URL_CREDENTIALS", Credentials, start, start+i)
		}
		return start + i
	})
}

// placeholder reports whether a text stands where a password was or shall be: nothing, one letter over and over as in Go's url.Redacted, a word for it, or
// a variable.
func placeholder(text string) bool {
	if text == "" || strings.Count(text, text[:1]) == len(text) || strings.ContainsAny(text[:1], "<{[$") {
		return true
	}
	switch l := strings.ToLower(text); l {
	case "redacted", "hidden", "masked":
		return true
	default:
		return strings.HasPrefix(l, "%3c") || strings.HasPrefix(l, "%7b") || strings.HasPrefix(l, "%24")
	}
}

// passwordLike reports whether a value can be a password or a key: in one piece, of letters and digits. Words such as enabled, and names, are not.
func passwordLike(text string) bool {
	if len(text) < 6 || len(text) > 1<<10 || placeholder(text) || examples[text] || strings.ContainsFunc(text, unicode.IsSpace) || !utf8.ValidString(text) {
		return false
	}
	var seen uint8
	for i := range len(text) {
		seen |= kind[text[i]]
	}
	return seen&digit != 0 && seen&letter != 0
}
