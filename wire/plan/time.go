package plan

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Time is a format of timestamps on the wire.
type Time uint8

// The formats.
const (
	Default    Time = iota // the model names none; the place decides
	ISO8601                // 2015-01-25T08:00:00Z, with milliseconds when there are any
	ISO8601Ms              // 2015-01-25T08:00:00.000Z, as S3 writes
	Unix                   // seconds since 1970, with milliseconds when there are any
	UnixMillis             // whole milliseconds since 1970
	RFC822                 // Sun, 25 Jan 2015 08:00:00 GMT (RFC 9110, IMF-fixdate)
)

var errTime = errors.New("not a timestamp")

func timeFormat(name string) (Time, error) {
	switch name {
	case "":
		return Default, nil
	case "iso8601":
		return ISO8601, nil
	case "unixTimestamp":
		return Unix, nil
	case "unixTimestampMillis":
		return UnixMillis, nil
	case "rfc822":
		return RFC822, nil
	}
	return 0, fmt.Errorf("plan: unknown timestamp format %q", name)
}

// Or returns f, or otherwise when f is Default.
func (f Time) Or(otherwise Time) Time {
	if f == Default {
		return otherwise
	}
	return f
}

// Quoted reports whether the format is a string in JSON, not a number.
func (f Time) Quoted() bool { return f != Unix && f != UnixMillis }

// Append appends t in the format to b. Precision below a millisecond is dropped,
// as AWS does.
func (f Time) Append(b []byte, t time.Time) []byte {
	t = t.UTC()
	switch f {
	case Unix:
		return appendUnix(b, t)
	case UnixMillis:
		return strconv.AppendInt(b, t.UnixMilli(), 10)
	case RFC822:
		return t.AppendFormat(b, http.TimeFormat)
	}
	return appendISO(b, t, f == ISO8601Ms || t.Nanosecond() >= int(time.Millisecond))
}

// appendISO is AppendFormat for this one layout, several times as fast: a listing
// holds a thousand times.
func appendISO(b []byte, t time.Time, millis bool) []byte {
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = appendDigits(b, year, 1000)
	b = appendDigits(append(b, '-'), int(month), 10)
	b = appendDigits(append(b, '-'), day, 10)
	b = appendDigits(append(b, 'T'), hour, 10)
	b = appendDigits(append(b, ':'), minute, 10)
	b = appendDigits(append(b, ':'), second, 10)
	if millis {
		b = appendDigits(append(b, '.'), t.Nanosecond()/1e6, 100)
	}
	return append(b, 'Z')
}

// appendDigits appends n with as many digits as unit, a power of ten, has.
func appendDigits(b []byte, n, unit int) []byte {
	for ; unit > 0; unit /= 10 {
		b = append(b, byte('0'+n/unit%10))
	}
	return b
}

func appendUnix(b []byte, t time.Time) []byte {
	ms := t.UnixMilli()
	if ms < 0 {
		b, ms = append(b, '-'), -ms
	}
	b = strconv.AppendInt(b, ms/1000, 10)
	frac := ms % 1000
	if frac == 0 {
		return b
	}
	b = appendDigits(append(b, '.'), int(frac), 100)
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}

// Parse reads a timestamp. It takes any of the formats, told apart by their looks,
// as AWS's own services do; f only says whether a number counts milliseconds. The
// year must have four digits.
func (f Time) Parse(s string) (t time.Time, err error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return time.Time{}, errTime
	case len(s) > 10 && s[4] == '-' && (s[10] == 'T' || s[10] == 't'):
		t, err = time.Parse(time.RFC3339Nano, strings.ToUpper(s))
	case s[0] >= 'A' && s[0] <= 'Z':
		t, err = http.ParseTime(s)
		if err != nil { // with a numeric zone
			t, err = time.Parse(time.RFC1123Z, s)
		}
	default:
		t, err = parseUnix(s, f == UnixMillis)
	}
	if err != nil || t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, errTime
	}
	return t.UTC(), nil
}

// ParseNumber reads a timestamp that stands as a number in JSON.
func (f Time) ParseNumber(s string) (time.Time, error) {
	t, err := parseUnix(s, f == UnixMillis)
	if err != nil || t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, errTime
	}
	return t.UTC(), nil
}

// maxSeconds is the year 9999; beyond it time.Unix would wrap round.
const maxSeconds = 253402300800

// parseUnix reads a decimal number of seconds or milliseconds without going
// through a float, which would lose fractions: 1400778538.321 has no exact one.
func parseUnix(s string, millis bool) (time.Time, error) {
	if strings.ContainsAny(s, "eE") {
		n, err := strconv.ParseFloat(s, 64)
		if millis {
			n /= 1000
		}
		if err != nil || !(math.Abs(n) < maxSeconds) {
			return time.Time{}, errTime
		}
		whole, frac := math.Modf(n)
		return time.Unix(int64(whole), int64(math.Round(frac*1e3))*1e6), nil
	}
	whole, frac, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || sec > maxSeconds*1000 || sec < -maxSeconds*1000 {
		return time.Time{}, errTime
	}
	if millis {
		return time.UnixMilli(sec), nil
	}
	if sec > maxSeconds || sec < -maxSeconds {
		return time.Time{}, errTime
	}
	nanos, err := fraction(frac)
	if err != nil {
		return time.Time{}, err
	}
	if whole[0] == '-' {
		nanos = -nanos
	}
	return time.Unix(sec, nanos), nil
}

// fraction returns decimal digits after a point as nanoseconds.
func fraction(digits string) (int64, error) {
	n, unit := int64(0), int64(1e8)
	for i := range len(digits) {
		c := digits[i]
		if c < '0' || c > '9' {
			return 0, errTime
		}
		n += int64(c-'0') * unit
		unit /= 10
	}
	return n, nil
}
