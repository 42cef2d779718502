package object

import (
	"errors"
	"strconv"
	"strings"
)

// ErrSpan says that a range begins beyond the object's end.
var ErrSpan = errors.New("range is not satisfiable")

// Span is a run of bytes of an object.
type Span struct{ Offset, Length int64 }

// Whole returns the span of a whole object.
func Whole(size int64) Span { return Span{0, size} }

// ContentRange writes s of an object of this size as the Content-Range header.
func (s Span) ContentRange(size int64) string {
	b := make([]byte, 0, 64)
	b = strconv.AppendInt(append(b, "bytes "...), s.Offset, 10)
	b = strconv.AppendInt(append(b, '-'), s.Offset+s.Length-1, 10)
	return string(strconv.AppendInt(append(b, '/'), size, 10))
}

// ParseSpan reads a Range header for an object of this size. ok is false when the
// header asks for nothing that S3 honours (another unit, several ranges, bad numbers):
// RFC 9110, section 14.2, has it ignored then. ErrSpan says that it is to be answered
// with 416.
func ParseSpan(header string, size int64) (s Span, ok bool, err error) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	if !ok {
		return Span{}, false, nil
	}
	from, to, ok := strings.Cut(spec, "-")
	if !ok {
		return Span{}, false, nil
	}
	if from == "" {
		return suffix(to, size)
	}
	first, ok := number(from)
	if !ok {
		return Span{}, false, nil
	}
	last := size - 1
	if to != "" {
		n, ok := number(to)
		if !ok || n < first {
			return Span{}, false, nil
		}
		last = min(n, last)
	}
	if first >= size {
		return Span{}, false, ErrSpan
	}
	return Span{first, last - first + 1}, true, nil
}

// suffix reads the range of the last n bytes.
func suffix(text string, size int64) (Span, bool, error) {
	n, ok := number(text)
	if !ok {
		return Span{}, false, nil
	}
	if n == 0 || size == 0 {
		return Span{}, false, ErrSpan
	}
	n = min(n, size)
	return Span{size - n, n}, true, nil
}

// ParseCopySpan reads x-amz-copy-source-range, "bytes=first-last". Unlike a read's
// range it must be well formed and lie inside the object. The error is ErrSpan.
func ParseCopySpan(header string, size int64) (Span, error) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	from, to, cut := strings.Cut(spec, "-")
	first, okFirst := number(from)
	last, okLast := number(to)
	if !ok || !cut || !okFirst || !okLast || last < first || last >= size {
		return Span{}, ErrSpan
	}
	return Span{first, last - first + 1}, nil
}

// number reads decimal digits and nothing else.
func number(text string) (int64, bool) {
	n, err := strconv.ParseUint(text, 10, 63)
	return int64(n), err == nil
}
