package sensitive

import (
	"slices"
	"strings"
)

// number is a sequence of digits in groups.
type number struct {
	start, end int
	digits     []byte
	groups     string // their lengths: "4444"; beyond nine, what is no digit
	separator  byte   // between all groups; 0 for one group, '?' where they differ
}

const mostDigits = 19 // of a card

// number looks at the digits that begin at a place, alone and with the groups that follow.
func (c *scan) number(start, end int) {
	if end-start > mostDigits {
		return
	}
	var room [mostDigits]byte
	n := number{start: start, end: end, digits: append(room[:0], c.text[start:end]...), groups: string(rune('0' + end - start))}
	for {
		c.judge(&n)
		at, separator := c.separated(n.end)
		end, _ := c.run(at, mostDigits+1, digit)
		if separator == 0 || end == at || len(n.digits)+end-at > mostDigits || len(n.groups) == 5 || kind[c.after(end)]&alnum != 0 {
			return
		}
		if n.separator != 0 && n.separator != separator {
			separator = '?'
		}
		n.separator = separator
		n.digits = append(n.digits, c.text[at:end]...)
		n.groups += string(rune('0' + end - at))
		n.end = end
	}
}

// separated returns where the next group of a number begins behind a separator, if there is one: (202) 555-0123.
func (c *scan) separated(end int) (at int, separator byte) {
	switch b := c.after(end); b {
	case ' ', '-', '.':
		return end + 1, b
	case ')':
		if c.after(end+1) == ' ' {
			end++
		}
		return end + 1, b
	}
	return end, 0
}

// cut reports whether a number is a part of a longer one, or of a number with a fraction.
func (c *scan) cut(n *number) bool {
	joins := func(b byte) bool { return b == '.' || b == '-' }
	return joins(c.before(n.start)) && n.start > 1 && kind[c.text[n.start-2]] == digit || joins(c.after(n.end)) && kind[c.after(n.end+1)] == digit
}

// alone reports whether nothing stands beside a number but what separates words.
func (c *scan) alone(n *number) bool {
	const separates = "\x00 \t\r\n\"'`,;=:()[]{}<>|&?"
	return strings.IndexByte(separates, c.before(n.start)) >= 0 && strings.IndexByte(separates, c.after(n.end)) >= 0
}

// judge tells of a number that is sensitive.
func (c *scan) judge(n *number) {
	switch total := len(n.digits); {
	case total < 9 || c.cut(n):
	case total >= 13:
		c.card(n)
	case total == 9 && n.shaped("324", " -") && socialSecurity(n.digits) && c.beside(n.start, n.end, ofSocialSecurity):
		c.add("USA_SOCIAL_SECURITY_NUMBER", PersonalInformation, n.start, n.end)
	case (total == 10 || total == 11) && n.shaped("334 1334", " -.)?") && phone(n.digits) && c.beside(n.start, n.end, ofPhone):
		c.add("PHONE_NUMBER", PersonalInformation, n.start, n.end)
	}
}

// shaped reports whether a number is in one piece, or its groups are of one of the shapes and separated by one of the bytes.
func (n *number) shaped(shapes, separators string) bool {
	return n.separator == 0 || slices.Contains(strings.Fields(shapes), n.groups) && strings.IndexByte(separators, n.separator) >= 0
}

// published are card numbers for tests, which Macie does not report either ("Managed data identifiers for financial information").
var published = map[string]bool{
	"378282246310005": true, "371449635398431": true, "378734493671000": true, "30569309025904": true, "38520000023237": true, "6011111111111117": true,
	"6011000990139424": true, "3530111333300000": true, "3566002020360505": true, "5555555555554444": true, "5105105105105100": true, "4111111111111111": true,
	"4012888888881881": true, "4222222222222": true, "4444333322221111": true, "5454545454545454": true, "2222405343248877": true, "5200828282828210": true,
}

func (c *scan) card(n *number) {
	if !n.shaped("4444 465 464 44443", " -") || !issued(n.digits) || !luhn(n.digits) || published[string(n.digits)] || !varied(string(n.digits), 3) {
		return
	}
	if c.beside(n.start, n.end, ofCard) {
		c.add("CREDIT_CARD_NUMBER", FinancialInformation, n.start, n.end)
	} else if total := len(n.digits); (total == 15 || total == 16) && c.alone(n) {
		c.add("CREDIT_CARD_NUMBER_(NO_KEYWORD)", FinancialInformation, n.start, n.end)
	}
}

// issued reports whether an issuer's cards begin with such digits and are so long (ISO/IEC 7812; the issuers that Macie names).
func issued(d []byte) bool {
	begin := int(d[0]-'0')*1000 + int(d[1]-'0')*100 + int(d[2]-'0')*10 + int(d[3]-'0')
	within := func(from, to int) bool { return begin >= from && begin <= to }
	switch len(d) {
	case 13:
		return within(4000, 4999) // Visa
	case 14:
		return within(3000, 3059) || within(3600, 3699) || within(3800, 3999) // Diners Club
	case 15:
		return within(3400, 3499) || within(3700, 3799) // American Express
	case 16:
		return within(4000, 4999) || within(5100, 5599) || within(2221, 2720) || // Visa, Electron; Mastercard
			begin == 6011 || within(6440, 6599) || within(3528, 3589) || begin == 5019 || within(6200, 6299) // Discover; JCB; Dankort; UnionPay
	case 17, 18:
		return within(6200, 6299)
	case 19:
		return within(4000, 4999) || begin == 6011 || within(6440, 6599) || within(6200, 6299)
	}
	return false
}

// luhn checks the last digit (ISO/IEC 7812-1, annex B).
func luhn(d []byte) bool {
	sum := 0
	for i := range d {
		v := int(d[len(d)-1-i] - '0')
		if i%2 == 1 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}

// socialSecurity reports whether such a number can have been given ("Social Security Number Randomization", Social Security Administration). Those that
// advertisements made known are nobody's.
func socialSecurity(d []byte) bool {
	s := string(d)
	return s[:3] != "000" && s[:3] != "666" && s[0] != '9' && s[3:5] != "00" && s[5:] != "0000" && s != "078051120" && s != "219099999" && s != "123456789"
}

// phone reports whether area and exchange are such as the North American Numbering Plan has.
func phone(d []byte) bool {
	if len(d) == 11 {
		if d[0] != '1' {
			return false
		}
		d = d[1:]
	}
	return d[0] >= '2' && d[3] >= '2' && (d[1] != '1' || d[2] != '1') && (d[4] != '1' || d[5] != '1')
}

// iban finds international bank account numbers, in one piece or in groups of four.
func (c *scan) iban(start, end int) {
	if end-start < 4 || kind[c.text[start]] != upper || kind[c.text[start+1]] != upper || kind[c.text[start+2]] != digit || kind[c.text[start+3]] != digit {
		return
	}
	country, ok := countries[c.text[start:start+2]]
	if !ok {
		return
	}
	var room [34]byte
	number := append(room[:0], c.text[start:min(end, start+34)]...)
	for separator := c.after(end); end-start >= 4 && len(number)%4 == 0 && len(number) < country.length && (separator == ' ' || separator == '-') && c.after(end) == separator; {
		next, seen := c.run(end+1, 5, alnum)
		if seen&lower != 0 || next-end-1 > 4 || next == end+1 {
			return
		}
		number = append(number, c.text[end+1:next]...)
		end = next
		if len(number) > country.length {
			return
		}
	}
	if len(number) == country.length && kind[c.after(end)]&alnum == 0 && country.fits(number[4:]) && modulo97(number) == 1 {
		c.add(country.name+"_BANK_ACCOUNT_NUMBER", FinancialInformation, start, end)
	}
}

// modulo97 is the remainder of ISO 7064 for an account number of ISO 13616.
func modulo97(number []byte) (rest int) {
	for i := range number {
		b := number[(i+4)%len(number)]
		if kind[b] == digit {
			rest = (rest*10 + int(b-'0')) % 97
		} else {
			rest = (rest*100 + int(b-'A') + 10) % 97
		}
	}
	return rest
}
