package plan

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/strongroom/strongroom/wire"
)

// base64Strict refuses bits that no encoder leaves behind, so that no two texts
// are the same bytes.
var base64Strict = base64.StdEncoding.Strict()

var errUTF8 = errors.New("not valid UTF-8")

// AppendText appends the text form of src, a present scalar, to b. Timestamps
// without a format of their own take format; blobs are base64.
func (v *Value) AppendText(b []byte, src reflect.Value, format Time) ([]byte, error) {
	if v.Kind == wire.Timestamp {
		return v.Format.Or(format).Append(b, v.Time(src)), nil
	}
	switch src = v.Deref(src); v.Kind {
	case wire.String:
		return append(b, src.String()...), nil
	case wire.Boolean:
		return strconv.AppendBool(b, src.Bool()), nil
	case wire.Integer, wire.Long:
		return strconv.AppendInt(b, src.Int(), 10), nil
	case wire.Float:
		return AppendFloat(b, src.Float(), 32), nil
	case wire.Double:
		return AppendFloat(b, src.Float(), 64), nil
	case wire.Blob:
		if v.Stream {
			break
		}
		return base64.StdEncoding.AppendEncode(b, src.Bytes()), nil
	}
	return b, fmt.Errorf("%s has no text form", v.Shape.Name)
}

// ParseText sets dst to the scalar that s is the text form of. Errors name the
// kind that was wanted and never hold s, which may be secret.
func (v *Value) ParseText(dst reflect.Value, s string, format Time) error {
	switch v.Kind {
	case wire.String:
		if !utf8.ValidString(s) {
			return errUTF8
		}
		v.SetString(dst, s)
	case wire.Blob:
		if v.Stream {
			return fmt.Errorf("%s has no text form", v.Shape.Name)
		}
		b, err := base64Strict.DecodeString(stripNewlines(s))
		if err != nil {
			return errors.New("not valid base64")
		}
		dst.SetBytes(b)
	case wire.Boolean:
		s = strings.TrimSpace(s)
		if !strings.EqualFold(s, "true") && !strings.EqualFold(s, "false") {
			return errors.New("not a Boolean")
		}
		v.SetBool(dst, strings.EqualFold(s, "true"))
	case wire.Timestamp:
		t, err := v.Format.Or(format).Parse(s)
		if err != nil {
			return err
		}
		v.SetTime(dst, t)
	default:
		return v.parseNumber(dst, strings.TrimSpace(s))
	}
	return nil
}

func (v *Value) parseNumber(dst reflect.Value, s string) error {
	switch v.Kind {
	case wire.Integer, wire.Long:
		n, err := strconv.ParseInt(s, 10, bits(v.Kind))
		if err != nil {
			return numberError(v.Kind)
		}
		v.SetInt(dst, n)
	case wire.Float, wire.Double:
		f, err := ParseFloat(s, bits(v.Kind))
		if err != nil {
			return numberError(v.Kind)
		}
		v.SetFloat(dst, f)
	default:
		return fmt.Errorf("%s has no text form", v.Shape.Name)
	}
	return nil
}

// stripNewlines takes out the line breaks that MIME encoders put into base64 and
// Go's decoder would skip in any case, so that Strict means the rest.
func stripNewlines(s string) string {
	if !strings.ContainsAny(s, "\r\n \t") {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch r {
		case '\r', '\n', ' ', '\t':
			return -1
		}
		return r
	}, s)
}

func bits(k wire.Kind) int {
	if k == wire.Integer || k == wire.Float {
		return 32
	}
	return 64
}

func numberError(k wire.Kind) error {
	switch k {
	case wire.Integer:
		return errors.New("not an Integer")
	case wire.Long:
		return errors.New("not a Long")
	case wire.Float:
		return errors.New("not a Float")
	}
	return errors.New("not a Double")
}

// ParseFloat reads a number or one of the words NaN, Infinity and -Infinity. It
// refuses Go's other forms: hexadecimal, underscores, "inf".
func ParseFloat(s string, bits int) (float64, error) {
	switch s {
	case "NaN":
		return math.NaN(), nil
	case "Infinity":
		return math.Inf(1), nil
	case "-Infinity":
		return math.Inf(-1), nil
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return 0, strconv.ErrSyntax
		}
	}
	return strconv.ParseFloat(s, bits)
}

// AppendFloat appends f as a JSON number, or as the word for what is no number.
func AppendFloat(b []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, "NaN"...)
	case math.IsInf(f, 1):
		return append(b, "Infinity"...)
	case math.IsInf(f, -1):
		return append(b, "-Infinity"...)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, f, format, -1, bits)
}
