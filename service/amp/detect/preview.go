package detect

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/strongroom/strongroom/service/amp/rcf"
)

// PreviewLabel is the label of the series that a preview adds to those of its query. Its value, with this name and a colon before it, is also the name
// of their metric: AWS's text has the one, its example the other ("PreviewAnomalyDetector API", Amazon Managed Service for Prometheus User Guide).
const PreviewLabel = "anomaly_detector_preview"

// maxText bounds a query with what stands around it.
const maxText = 2 * MaxQuery

// maxArguments is how many parts RCF( ) has at most.
const maxArguments = 7

var errRCF = fmt.Errorf("%w: it must be RCF(<query>[, shingle size[, sample size[, ignore near expected from above[, from below[, ratio above[, ratio below]]]]]])", ErrQuery)

// ParseRCF reads the query of a preview: RCF( ) around that of a detector, with what else a detector is told behind it. What is left empty takes its
// default. The Config that it returns was checked.
func ParseRCF(text string) (*Config, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrQuery, maxText)
	}
	parts, err := arguments(text)
	if err != nil {
		return nil, err
	}
	c, above, below := &Config{}, [2]*float64{}, [2]*float64{}
	for i, part := range parts {
		if part = strings.TrimSpace(part); part == "" && i > 0 {
			continue
		}
		switch i {
		case 0:
			c.Query = part
		case 1:
			c.Shingle, err = size("shingle size", part)
		case 2:
			c.Sample, err = size("sample size", part)
		case 3, 5:
			above[(i-3)/2], err = distance(part)
		default:
			below[(i-4)/2], err = distance(part)
		}
		if err != nil {
			return nil, err
		}
	}
	c.Above, c.Below = &Near{above[0], above[1]}, &Near{below[0], below[1]}
	return c, c.Check()
}

// size reads a number of values or points. 0 is none, since it would stand for the default.
func size(what, text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%w: the %s is no number that it can be", ErrQuery, what)
	}
	return n, nil
}

func distance(text string) (*float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fmt.Errorf("%w: what is near the expected value is a number", ErrQuery)
	}
	return &v, nil
}

// arguments splits what stands between the brackets of RCF( ) at the commas that are its own, and not of a function, a matcher or a string in it.
func arguments(text string) (parts []string, err error) {
	lexer, begin, depth := parser.Lex(text), 0, 0
	for n := 0; ; n++ {
		var item parser.Item
		lexer.NextItem(&item)
		at, ended := int(item.Pos), n > 1 && depth == 0
		switch {
		case item.Typ == parser.ERROR:
			return nil, fmt.Errorf("%w: %s", ErrQuery, item.Val)
		case item.Typ == parser.EOF && ended:
			return parts, nil
		case ended, n == 0 && (item.Typ != parser.IDENTIFIER || item.Val != "RCF"), n == 1 && item.Typ != parser.LEFT_PAREN:
			return nil, errRCF
		case n == 1:
			begin, depth = at+1, 1
		case item.Typ == parser.LEFT_PAREN, item.Typ == parser.LEFT_BRACE, item.Typ == parser.LEFT_BRACKET:
			depth++
		case item.Typ == parser.RIGHT_PAREN, item.Typ == parser.RIGHT_BRACE, item.Typ == parser.RIGHT_BRACKET:
			depth--
		}
		if comma := item.Typ == parser.COMMA && depth == 1; n > 1 && (comma || depth == 0) {
			parts, begin = append(parts, text[begin:at]), at+1
		}
		if len(parts) > maxArguments {
			return nil, errRCF
		}
	}
}

// MaxValues is how many values a preview judges: what a quarter of the time of a query is enough for, some 0.6 ms each. It is less where points or samples are larger than the defaults, because each value then costs more.
const MaxValues = 50_000

// ErrLong says that a preview would judge more values than that.
var ErrLong = errors.New("too many values")

// Preview judges the values of series, none of them nil, as a detector would that has seen nothing before them, and returns bands and scores, as far as there are any. Of
// more series than a detector judges the first are judged, and full says so. The error is ErrLong, ErrTooMany where there is no memory for a model,
// or the context's.
func (c *Config) Preview(ctx context.Context, past model.Matrix, m *Memory, t Turns) (judged model.Matrix, full, err error) {
	if most := c.most(); len(past) > most {
		past, full = past[:most], c.tooMany()
	}
	n := 0
	for _, s := range past {
		n += len(s.Values)
	}
	if most := c.scaled(MaxValues); n > most {
		return nil, nil, fmt.Errorf("%w: %d, and a preview with this shingle size and sample size judges %d at most. Choose a larger step or a shorter time", ErrLong, n, most)
	}
	need := c.options(0).Memory()
	if !m.take(need) {
		return nil, nil, errMemory
	}
	defer m.give(need)
	for _, s := range past {
		bands, err := c.previewOne(ctx, s, t)
		if err != nil {
			return nil, nil, err
		}
		judged = append(judged, bands...)
	}
	return judged, full, nil
}

// previewOne judges the values of one series.
func (c *Config) previewOne(ctx context.Context, s *model.SampleStream, t Turns) (model.Matrix, error) {
	forest, err := rcf.New(c.options(seedOf("", s.Metric.String())))
	if err != nil {
		return nil, err
	}
	upper, lower, score := previewOf(s.Metric, "upper_band"), previewOf(s.Metric, "lower_band"), previewOf(s.Metric, "score")
	for _, p := range s.Values {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r := t.observe(forest, float64(p.Value))
		if !r.Ready {
			continue
		}
		add(upper, p.Timestamp, r.Upper)
		add(lower, p.Timestamp, r.Lower)
		add(score, p.Timestamp, r.Score)
	}
	if len(score.Values) == 0 {
		return nil, nil
	}
	return model.Matrix{upper, lower, score}, nil
}

func add(to *model.SampleStream, at model.Time, v float64) {
	to.Values = append(to.Values, model.SamplePair{Timestamp: at, Value: model.SampleValue(v)})
}

// previewOf is an empty series beside another.
func previewOf(of model.Metric, what string) *model.SampleStream {
	m := of.Clone()
	m[model.MetricNameLabel], m[PreviewLabel] = model.LabelValue(PreviewLabel+":"+what), model.LabelValue(what)
	return &model.SampleStream{Metric: m}
}
