package policy

import (
	"cmp"
	"strings"
	"time"
)

// instant is a point in time: seconds since 1970 and nanoseconds.
type instant struct {
	sec  int64
	nano int64
}

// compare returns -1, 0 or 1 as a is before, at or after b.
func (a instant) compare(b instant) int {
	if c := cmp.Compare(a.sec, b.sec); c != 0 {
		return c
	}
	return cmp.Compare(a.nano, b.nano)
}

// parseDate reads a date in one of the forms of the W3C note on date and time formats
// (2024, 2024-05, 2024-05-31, 2024-05-31T10:00Z, 2024-05-31T10:00:00Z,
// 2024-05-31T10:00:00.5+02:00), or seconds since 1970, with a fraction or without. Four
// digits alone are a year. It is its own parser because time.Parse allocates for an offset
// and knows one layout at a time.
func parseDate(s string) (instant, bool) {
	if len(s) != 4 && strings.IndexByte(s, '-') <= 0 && !strings.ContainsAny(s, "T:") {
		return parseEpoch(s)
	}
	date, clock, timed := strings.Cut(s, "T")
	year, month, day, ok := parseDay(date)
	if !ok || timed && len(date) != 10 {
		return instant{}, false
	}
	var in instant
	var offset int64
	if timed {
		if in, offset, ok = parseClock(clock); !ok {
			return instant{}, false
		}
	}
	midnight := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if midnight.Day() != day { // 30 February
		return instant{}, false
	}
	in.sec += midnight.Unix() - offset
	return in, true
}

// parseEpoch reads seconds since 1970.
func parseEpoch(s string) (instant, bool) {
	whole, fraction, cut := strings.Cut(s, ".")
	negative := strings.HasPrefix(whole, "-")
	sec, ok := digits(strings.TrimPrefix(whole, "-"), 0)
	if !ok || len(whole) > 18 {
		return instant{}, false
	}
	in := instant{sec: sec}
	if cut {
		if in.nano, ok = nanos(fraction); !ok {
			return instant{}, false
		}
	}
	if negative {
		in.sec, in.nano = -in.sec, -in.nano
	}
	return in, true
}

// parseDay reads YYYY, YYYY-MM or YYYY-MM-DD.
func parseDay(s string) (year, month, day int, ok bool) {
	month, day = 1, 1
	y, ok := digits(s[:min(len(s), 4)], 4)
	if !ok {
		return 0, 0, 0, false
	}
	if len(s) >= 7 {
		m, valid := digits(s[5:7], 2)
		ok = valid && s[4] == '-' && m >= 1 && m <= 12
		month = int(m)
	}
	if len(s) == 10 {
		d, valid := digits(s[8:10], 2)
		ok = ok && valid && s[7] == '-' && d >= 1 && d <= 31
		day = int(d)
	}
	return int(y), month, day, ok && (len(s) == 4 || len(s) == 7 || len(s) == 10)
}

// parseClock reads hh:mmZ, hh:mm:ssZ or hh:mm:ss.sZ, where +hh:mm or -hh:mm may stand for Z.
func parseClock(s string) (in instant, offset int64, ok bool) {
	if s, offset, ok = parseZone(s); !ok || len(s) < 5 {
		return instant{}, 0, false
	}
	seconds, ok := hoursMinutes(s[:5])
	if !ok {
		return instant{}, 0, false
	}
	in.sec = seconds
	if s = s[5:]; s == "" {
		return in, offset, true
	}
	if len(s) < 3 || s[0] != ':' {
		return instant{}, 0, false
	}
	sec, ok := digits(s[1:3], 2)
	if !ok || sec > 60 {
		return instant{}, 0, false
	}
	in.sec += sec
	if s = s[3:]; s != "" {
		if s[0] != '.' {
			return instant{}, 0, false
		}
		in.nano, ok = nanos(s[1:])
	}
	return in, offset, ok
}

// parseZone cuts the zone off the end of a time and returns its offset in seconds.
func parseZone(s string) (rest string, offset int64, ok bool) {
	if rest, found := strings.CutSuffix(s, "Z"); found {
		return rest, 0, true
	}
	if len(s) < 6 {
		return "", 0, false
	}
	rest, zone := s[:len(s)-6], s[len(s)-6:]
	offset, ok = hoursMinutes(zone[1:])
	switch zone[0] {
	case '+':
		return rest, offset, ok
	case '-':
		return rest, -offset, ok
	}
	return "", 0, false
}

// hoursMinutes reads hh:mm as seconds.
func hoursMinutes(s string) (int64, bool) {
	h, ok1 := digits(s[:2], 2)
	m, ok2 := digits(s[3:], 2)
	return h*3600 + m*60, ok1 && ok2 && s[2] == ':' && h <= 23 && m <= 59
}

// nanos reads the digits after a decimal point as nanoseconds; further digits are dropped.
func nanos(s string) (int64, bool) {
	if _, ok := digits(s[:min(len(s), 18)], 0); !ok || len(s) > 18 {
		return 0, false
	}
	n, scale := int64(0), int64(100_000_000)
	for i := 0; i < len(s) && scale > 0; i++ {
		n += int64(s[i]-'0') * scale
		scale /= 10
	}
	return n, true
}

// digits reads at most 18 decimal digits: exactly n of them, or any number with n = 0.
func digits(s string, n int) (int64, bool) {
	if s == "" || len(s) > 18 || n != 0 && len(s) != n {
		return 0, false
	}
	var v int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		v = v*10 + int64(s[i]-'0')
	}
	return v, true
}
