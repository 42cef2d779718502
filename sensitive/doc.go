// Package sensitive finds sensitive data in texts: credentials, financial and personal information. It is pure: a text goes in, findings come out.
//
// A kind of data has the id and the category of Amazon Macie's managed data identifier where Macie has one ("Quick reference: Managed data
// identifiers by type", Amazon Macie User Guide). Of many identifiers this is a choice: those whose data can be checked, so that what
// merely looks like it is no finding.
//
//	CREDENTIALS
//	  AWS_CREDENTIALS               40 characters of all kinds beside a keyword, or an access key id; not the two keys of AWS's documentation
//	  GCP_API_KEY                   AIza and 35 characters. Macie wants a keyword; what a key begins with is rarer than any of those
//	  HTTP_BASIC_AUTH_HEADER        Basic and a name with a password in base64 (RFC 7617)
//	  JSON_WEB_TOKEN                a JWS of RFC 7519 whose header and claims are JSON; signed or not
//	  OPENSSH_PRIVATE_KEY, PGP_PRIVATE_KEY, PKCS, PUTTY_PRIVATE_KEY
//	                                a header with key material behind it
//	  STRIPE_CREDENTIALS            secret and restricted keys, sk_live_ and rk_live_; not those for tests
//	  PASSWORD (ours)               the value of a field whose name ends in password, api key, access token and their like
//	  URL_CREDENTIALS (ours)        name and password before the host of an address
//	FINANCIAL_INFORMATION
//	  CREDIT_CARD_NUMBER            an issuer's prefix and length, and the Luhn formula, beside a keyword; not the numbers that are published for tests
//	  CREDIT_CARD_NUMBER_(NO_KEYWORD)
//	                                the same as a word of its own, of 15 or 16 digits
//	  <COUNTRY>_BANK_ACCOUNT_NUMBER an IBAN (ISO 13616): structure of the country, and checked modulo 97
//	PERSONAL_INFORMATION
//	  PHONE_NUMBER                  of the North American Numbering Plan, beside a keyword
//	  USA_SOCIAL_SECURITY_NUMBER    of those that can have been given, beside a keyword
//	  EmailAddress                  CloudWatch Logs' id ("Personally identifiable information (PII)", its User Guide); Macie has none
//
// A keyword stands within 30 characters of the data, or in the name of the field that holds it, as Macie has it for columns ("Keyword requirements for
// managed data identifiers"). Letter case does not count, and neither do spaces, underscores and hyphens.
//
// # What holds
//
//   - Time grows with the length of the text, whatever stands in it. No more than MaxText bytes are looked at, no more than MaxFindings told.
//   - A finding says where the data is, and holds no more than the first four characters of it.
//
// # Map
//
//	scan.go        what is looked for in which order, and masks
//	words.go       keywords
//	credentials.go keys, tokens, passwords
//	numbers.go     cards, accounts, numbers of people
//	email.go       addresses of people
package sensitive
