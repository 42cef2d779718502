package sensitive

import "strings"

// keywords are the kinds of data that words in a text speak of.
type keywords uint8

const (
	ofAWS keywords = 1 << iota
	ofCard
	ofPhone
	ofSecret
	ofSocialSecurity
)

// near30 is how near a keyword must be ("Keyword requirements for managed data identifiers", Amazon Macie User Guide).
const near30 = 30

// vocabulary has the keywords without their spaces, after the pages of Macie's identifiers. Those of passwords are ours.
var vocabulary, longestKeyword = func() (map[string]keywords, int) {
	v, longest := map[string]keywords{}, 0
	for of, list := range map[keywords]string{
		ofAWS: "aws secret access key, credentials, secret access key, secret key, set awscredential",
		ofCard: "account number, american express, amex, bank card, card, card num, card number, cc, ccn, check card, credit, credit card, dankort, debit, debit card, " +
			"diners club, discover, electron, japanese card bureau, jcb, mastercard, mc, pan, payment account number, payment card, payment card number, pcn, union pay, visa",
		ofPhone:          "cell phone, fax, fax number, mobile, mobile number, msisdn, phone, phone number, telephone, telephone number",
		ofSecret:         "access token, api key, api token, auth token, bearer token, client secret, passphrase, passwd, password, private key, refresh token, secret access key, secret key, session token",
		ofSocialSecurity: "social security, social security number, soc sec, ss number, ssn",
	} {
		for word := range strings.SplitSeq(list, ", ") {
			word = strings.ReplaceAll(word, " ", "")
			v[word] |= of
			longest = max(longest, len(word))
		}
	}
	return v, longest
}()

// keywordsIn returns of what the words of a text speak, and of what the last of them do. A word ends where something else than a letter stands, and
// before the capital letter of another one: cardNumber, card_number and "card number" are the same.
func keywordsIn(text string) (found, last keywords) {
	joined := make([]byte, 0, len(text))
	var starts []int
	for i := range len(text) {
		k := kind[text[i]]
		if k&letter == 0 {
			continue
		}
		if i == 0 || kind[text[i-1]]&letter == 0 || k == upper && kind[text[i-1]] == lower {
			starts = append(starts, len(joined))
		}
		joined = append(joined, text[i]|0x20)
	}
	ends := append(starts[min(1, len(starts)):], len(joined))
	for i, start := range starts {
		for _, end := range ends[i:] {
			if end-start > longestKeyword {
				break
			}
			of := vocabulary[string(joined[start:end])]
			found |= of
			if end == len(joined) {
				last |= of
			}
		}
	}
	return found, last
}

// beside reports whether the name of the field, or the text within 30 characters of a part, has a keyword of a kind.
func (c *scan) beside(start, end int, of keywords) bool {
	if c.near&of != 0 {
		return true
	}
	from, to := max(start-near30, 0), min(end+near30, len(c.text))
	for from > 0 && from < start && kind[c.text[from]]&letter != 0 && kind[c.text[from-1]]&letter != 0 { // a part of a word is another word
		from++
	}
	for to < len(c.text) && to > end && kind[c.text[to]]&letter != 0 && kind[c.text[to-1]]&letter != 0 {
		to--
	}
	ahead, _ := keywordsIn(c.text[from:start])
	behind, _ := keywordsIn(c.text[end:to])
	return (ahead|behind)&of != 0
}
