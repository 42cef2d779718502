package plan

import (
	"reflect"
	"testing"
	"time"

	"github.com/strongroom/strongroom/wire"
)

func TestTimeFormats(t *testing.T) {
	whole := time.Date(2015, 1, 25, 8, 0, 0, 0, time.UTC)
	millis := whole.Add(321 * time.Millisecond)
	before := time.Unix(-2, 500e6).UTC()
	for _, c := range []struct {
		format Time
		t      time.Time
		want   string
	}{
		{ISO8601, whole, "2015-01-25T08:00:00Z"},
		{ISO8601, millis, "2015-01-25T08:00:00.321Z"},
		{ISO8601, time.Date(7, 1, 2, 3, 4, 5, 0, time.UTC), "0007-01-02T03:04:05Z"},
		{ISO8601Ms, whole, "2015-01-25T08:00:00.000Z"},
		{Unix, whole, "1422172800"},
		{Unix, millis, "1422172800.321"},
		{Unix, whole.Add(20 * time.Millisecond), "1422172800.02"},
		{Unix, before, "-1.5"},
		{UnixMillis, millis, "1422172800321"},
		{RFC822, whole, "Sun, 25 Jan 2015 08:00:00 GMT"},
	} {
		got := string(c.format.Append(nil, c.t))
		if got != c.want {
			t.Errorf("format %d: got %s, want %s", c.format, got, c.want)
		}
		back, err := c.format.Parse(got)
		if err != nil || !back.Equal(c.t) {
			t.Errorf("parsing %s: got %v, %v", got, back, err)
		}
	}
}

func TestParseTime(t *testing.T) {
	at := time.Date(2015, 1, 25, 8, 0, 0, 0, time.UTC)
	for _, s := range []string{
		"2015-01-25T08:00:00Z", "2015-01-25T09:00:00+01:00", "2015-01-25t08:00:00z", "1422172800", "1422172800.0", "1.4221728E9",
		"Sun, 25 Jan 2015 08:00:00 GMT", "Sunday, 25-Jan-15 08:00:00 GMT", "Sun Jan 25 08:00:00 2015", "Sun, 25 Jan 2015 09:00:00 +0100",
	} {
		if got, err := Default.Parse(s); err != nil || !got.Equal(at) {
			t.Errorf("%s: got %v, %v", s, got, err)
		}
	}
	if got, err := Unix.ParseNumber("1400778538.321"); err != nil || got.Nanosecond() != 321e6 {
		t.Errorf("fraction: got %v, %v", got, err)
	}
	for _, s := range []string{
		"", "x", "-", ".5", "1e400", "253402300801", "-99999999999", "99999999999999999999", "NaN", "1.2.3", "2015-13-01T00:00:00Z",
		"0000-01-01T00:00:00Z", "12015-01-01T00:00:00Z", "1_000", "0x10", "Infinity",
	} {
		if got, err := Default.Parse(s); err == nil {
			t.Errorf("%q: got %v, want an error", s, got)
		}
	}
}

type inner struct{ A *string }

type outer struct {
	Text  *string
	Count *int32
	When  *time.Time
	Inner *inner
}

func TestTopRefuses(t *testing.T) {
	str := &wire.Shape{Name: "S", Kind: wire.String}
	num := &wire.Shape{Name: "N", Kind: wire.Integer}
	member := func(name string, field int, s *wire.Shape) *wire.Member {
		return &wire.Member{Name: name, WireName: name, Field: field, Shape: s}
	}
	for name, s := range map[string]*wire.Shape{
		"no type":         {Name: "X", Kind: wire.Structure},
		"wrong kind":      {Name: "X", Kind: wire.Structure, Type: reflect.TypeFor[outer](), Members: []*wire.Member{member("Text", 0, num)}},
		"field too large": {Name: "X", Kind: wire.Structure, Type: reflect.TypeFor[outer](), Members: []*wire.Member{member("Text", 9, str)}},
		"struct as text":  {Name: "X", Kind: wire.Structure, Type: reflect.TypeFor[outer](), Members: []*wire.Member{member("Inner", 3, str)}},
		"missing payload": {Name: "X", Kind: wire.Structure, Type: reflect.TypeFor[outer](), Payload: "Text"},
		"time format": {Name: "X", Kind: wire.Structure, Type: reflect.TypeFor[outer](), Members: []*wire.Member{
			member("When", 2, &wire.Shape{Name: "T", Kind: wire.Timestamp, TimestampFormat: "julian"})}},
	} {
		if _, err := New().Top(s); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestText(t *testing.T) {
	var d struct {
		S string
		B bool
		I int32
		L int64
		F float32
		D float64
		T time.Time
		X []byte
	}
	for _, c := range []struct {
		kind  wire.Kind
		field int
		good  map[string]string // text and how it is written
		bad   []string
	}{
		{wire.String, 0, map[string]string{"a b": "a b"}, []string{"\xff"}},
		{wire.Boolean, 1, map[string]string{"true": "true", "False": "false", " true ": "true"}, []string{"", "1", "yes"}},
		{wire.Integer, 2, map[string]string{"12": "12", "-2147483648": "-2147483648"}, []string{"", "2147483648", "1.0", "0x1", "1_0"}},
		{wire.Long, 3, map[string]string{"9223372036854775807": "9223372036854775807"}, []string{"9223372036854775808", "a"}},
		{wire.Float, 4, map[string]string{"1.2": "1.2", "NaN": "NaN"}, []string{"1e39", "inf", "0x1p3"}},
		{wire.Double, 5, map[string]string{"1e300": "1e+300", "-Infinity": "-Infinity"}, []string{"1e309", "1_0", ""}},
		{wire.Timestamp, 6, map[string]string{"1422172800": "2015-01-25T08:00:00Z"}, []string{"now"}},
		{wire.Blob, 7, map[string]string{"aGk=": "aGk=", "aG\nk=": "aGk="}, []string{"aGk", "aGl=", "a.b=", "aGk=="}},
	} {
		v := &Value{Shape: &wire.Shape{Name: "X"}, Kind: c.kind}
		dst := reflect.ValueOf(&d).Elem().Field(c.field)
		for in, want := range c.good {
			if err := v.ParseText(dst, in, ISO8601); err != nil {
				t.Errorf("kind %d: %q: %v", c.kind, in, err)
				continue
			}
			if got, err := v.AppendText(nil, dst, ISO8601); err != nil || string(got) != want {
				t.Errorf("kind %d: got %s, %v, want %s", c.kind, got, err, want)
			}
		}
		for _, in := range c.bad {
			if err := v.ParseText(dst, in, ISO8601); err == nil {
				t.Errorf("kind %d: %q was taken", c.kind, in)
			}
		}
	}
}
