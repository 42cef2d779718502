package sensitive

import "strings"

// generic are top-level domains of more than two letters under which people have addresses. Names of units, packages and hosts end in others:
// user@1000.service, pkg@1.2.tgz, admin@db.local.
var generic = func() map[string]bool {
	m := map[string]bool{}
	for d := range strings.FieldsSeq(`com net org edu gov mil int info biz name pro aero coop museum jobs mobi travel tel cat asia post app dev page cloud online site website xyz tech
		store shop blog email mail company agency group global bank berlin hamburg koeln bayern wien swiss london paris nyc tokyo amsterdam brussels vlaanderen africa world live life news
		media systems solutions services digital software network technology consulting health care energy engineering university school academy academic institute foundation club team
		studio design finance capital ventures partners legal law eus gal scot wales bzh quebec example`) {
		m[d] = true
	}
	return m
}()

// endings of two letters of files, which are no country's.
var endings = map[string]bool{"db": true, "go": true, "gz": true, "js": true, "kb": true, "mb": true, "ts": true, "xz": true}

const (
	longestName   = 64  // of a mailbox (RFC 5321, section 4.5.3.1.1)
	longestDomain = 255 // likewise
)

// emails finds addresses of people.
func (c *scan) emails() {
	c.each("@", func(at int) int {
		start := at
		for start > 0 && at-start <= longestName && (kind[c.text[start-1]]&(alnum|hyphen|dotty) != 0 || c.text[start-1] == '+' || c.text[start-1] == '\'') {
			start--
		}
		for start < at && kind[c.text[start]]&alnum == 0 {
			start++
		}
		end, _ := c.run(at+1, longestDomain, alnum|hyphen|dotty)
		for end > at+1 && kind[c.text[end-1]]&alnum == 0 { // the end of a sentence
			end--
		}
		if start == at || at-start > longestName || kind[c.text[at-1]] == dotty || c.after(end) == '@' || !inhabited(c.text[at+1:end]) || c.account(start, end) {
			return at
		}
		c.add("EmailAddress", PersonalInformation, start, end)
		return end
	})
}

// account reports whether what looks like an address is who logs in at a host: in a URL, or as ssh and git have it (git@github.com:group/project).
func (c *scan) account(start, end int) bool {
	if c.after(end) == ':' && kind[c.after(end+1)]&(alnum|plus) != 0 || c.text[start:min(start+4, end)] == "git@" {
		return true
	}
	ahead := c.text[max(start-longestName, 0):start]
	i := strings.LastIndex(ahead, "://")
	return i >= 0 && !strings.ContainsAny(ahead[i+3:], "/?# ")
}

// inhabited reports whether people have addresses in a domain.
func inhabited(domain string) bool {
	domain = strings.ToLower(domain)
	rest, top, ok := cutLast(domain)
	if !ok || !generic[top] && (len(top) != 2 || kind[top[0]] != lower || kind[top[1]] != lower || endings[top]) {
		return false
	}
	if strings.HasSuffix(domain, "gserviceaccount.com") { // of programs
		return false
	}
	numbers := 0
	for label := range strings.SplitSeq(rest, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsAny(label, "_%") {
			return false
		}
		if strings.Trim(label, "0123456789") == "" {
			numbers++
		}
	}
	return numbers < 2 // 163.com, but no version
}

func cutLast(domain string) (rest, top string, ok bool) {
	i := strings.LastIndexByte(domain, '.')
	if i <= 0 {
		return "", "", false
	}
	return domain[:i], domain[i+1:], true
}
