package sensitive

import "strings"

// country says how the account numbers of a country look.
type country struct {
	name   string
	shape  string // one letter for each character behind the first four: n for a digit, a for a letter, c for either
	length int    // of the whole number
}

// countries has the structures of the IBAN registry (SWIFT, the registration authority of ISO 13616) by country code, under the names that Macie's ids
// begin with.
var countries = func() map[string]country {
	all := map[string]country{}
	for line := range strings.SplitSeq(registry, ";") {
		f := strings.Fields(line)
		var shape strings.Builder
		for _, part := range f[2:] {
			n := 0
			for _, d := range part[:len(part)-1] {
				n = n*10 + int(d-'0')
			}
			shape.WriteString(strings.Repeat(part[len(part)-1:], n))
		}
		all[f[0]] = country{f[1], shape.String(), 4 + shape.Len()}
	}
	return all
}()

const registry = `AD ANDORRA 8n 12c; AL ALBANIA 8n 16c; AT AUSTRIA 16n; BA BOSNIA_AND_HERZEGOVINA 16n; BE BELGIUM 12n; BG BULGARIA 4a 6n 8c;
	CH SWITZERLAND 5n 12c; CY CYPRUS 8n 16c; CZ CZECHIA 20n; DE GERMANY 18n; DK DENMARK 14n; EE ESTONIA 16n; ES SPAIN 20n; FI FINLAND 14n; FO FAROE_ISLANDS 14n;
	FR FRANCE 10n 11c 2n; GB UK 4a 14n; GE GEORGIA 2a 16n; GI GIBRALTAR 4a 15c; GL GREENLAND 14n; GR GREECE 7n 16c; HR CROATIA 17n; HU HUNGARY 24n; IE IRELAND 4a 14n;
	IL ISRAEL 19n; IS ICELAND 22n; IT ITALY 1a 10n 12c; LI LIECHTENSTEIN 5n 12c; LT LITHUANIA 16n; LU LUXEMBOURG 3n 13c; LV LATVIA 4a 13c; MC MONACO 10n 11c 2n;
	ME MONTENEGRO 18n; MK NORTH_MACEDONIA 3n 10c 2n; MT MALTA 4a 5n 18c; NL NETHERLANDS 4a 10n; NO NORWAY 11n; PL POLAND 24n; PT PORTUGAL 21n; RO ROMANIA 4a 16c;
	RS SERBIA 18n; SA SAUDI_ARABIA 2n 18c; SE SWEDEN 20n; SI SLOVENIA 15n; SK SLOVAKIA 20n; SM SAN_MARINO 1a 10n 12c; TR TURKIYE 5n 17c; UA UKRAINE 6n 19c;
	XK KOSOVO 16n; AE UNITED_ARAB_EMIRATES 19n`

// fits reports whether a number is of the structure of the country.
func (c country) fits(number []byte) bool {
	for i, b := range number {
		if c.shape[i] == 'n' && kind[b] != digit || c.shape[i] == 'a' && kind[b] != upper {
			return false
		}
	}
	return true
}
