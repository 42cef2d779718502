package jinja

import (
	"errors"
	"regexp"
	"strings"

	"github.com/strongroom/strongroom/service/proton/document"
)

// The expressions of AWS's own documentation of the filters.
var (
	safeText   = regexp.MustCompile(`^[a-zA-Z0-9_-]*$`)
	policyText = regexp.MustCompile(`^arn:[a-zA-Z-]+:iam::\d{12}:policy/`)
	arnText    = regexp.MustCompile(`^arn:[a-zA-Z0-9-]+:[a-zA-Z0-9-]+:[a-z0-9-]*:[0-9]*:[a-zA-Z0-9_:/.+=@*-]+$`)
)

// protonFilters are what AWS Proton adds to Jinja.
func protonFilters() map[string]filterDef {
	raw := []param{with("raw", true)}
	return map[string]filterDef{
		"proton_cfn_sanitize": {nil, false, func(r *run, v any, _ []any) (any, error) {
			s, err := r.printed(v)
			if err != nil {
				return nil, err
			}
			return s, sanitary(s)
		}},
		"proton_cfn_ecs_task_definition_formatted_env_vars": {raw, true, func(r *run, v any, a []any) (any, error) {
			return r.pairs(v, truth(a[0]), "- Name: ", "  Value: ", "\n")
		}},
		"proton_cfn_lambda_function_formatted_env_vars": {raw, true, func(r *run, v any, a []any) (any, error) {
			return r.pairs(v, truth(a[0]), "", ": ", "")
		}},
		"proton_cfn_iam_policy_arns": {nil, true, policies},
	}
}

// sanitary refuses text that could become more than one value of a template.
func sanitary(s string) error {
	if safeText.MatchString(s) || arnText.MatchString(s) {
		return nil
	}
	return errors.New(`Illegal character(s) detected in "` + s + `". Must match regex ^[a-zA-Z0-9_-]*$ or be a valid ARN`) //nolint:staticcheck // AWS's words
}

// outputsOf returns the outputs that a filter goes over. Undefined ones are those of a
// component that is not attached, of which AWS's own templates expect nothing.
func outputsOf(v any) (*document.Object, error) {
	switch v := v.(type) {
	case *document.Object:
		return v, nil
	case *undefined:
		return nil, nil
	}
	return nil, errors.New("the filter needs outputs, found " + kindOf(v))
}

// pairs writes the members of a map as lines of YAML; the lines after the first are not
// indented, which indentedOutput makes good where the expression stands.
func (r *run) pairs(v any, raw bool, before, between, mid string) (any, error) {
	o, err := outputsOf(v)
	if err != nil {
		return nil, err
	}
	var lines block
	for name, member := range o.All() {
		text, err := r.printed(member)
		if err != nil {
			return nil, err
		}
		if !raw && !safeText.MatchString(text) {
			return nil, errors.New(`Illegal character(s) detected in "` + text + `". Must match regex ^[a-zA-Z0-9_-]*$`) //nolint:staticcheck // AWS's words
		}
		line := before + scalar(name) + mid + between + scalar(text)
		if err := r.spend(len(line)); err != nil {
			return nil, err
		}
		lines = append(lines, strings.Split(line, "\n")...)
	}
	return lines, nil
}

// policies writes the ARNs of IAM policies among outputs as a list of YAML.
func policies(r *run, v any, _ []any) (any, error) {
	o, err := outputsOf(v)
	if err != nil {
		return nil, err
	}
	var lines block
	for _, member := range o.All() {
		text, ok := member.(string)
		if !ok || !policyText.MatchString(text) {
			continue
		}
		lines = append(lines, "- "+scalar(text))
		if err := r.spend(len(text)); err != nil {
			return nil, err
		}
	}
	return lines, nil
}

// block is lines of YAML that are printed under each other, in the column in which the
// first one stands.
type block []string

// plainScalar is text that YAML reads as the same string without quotes.
var plainScalar = regexp.MustCompile(`^[A-Za-z_/][A-Za-z0-9_./=+@-]*(:[A-Za-z0-9_./=+@:-]*[A-Za-z0-9_./=+@-])?$`)

// scalar writes a string so that YAML reads it as that string and as nothing more.
func scalar(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n":
		return `"` + s + `"`
	}
	if plainScalar.MatchString(s) {
		return s
	}
	var b strings.Builder
	w := jsonWriter{r: &run{limits: Limits{}.filled()}, indent: -1}
	if w.text(s) != nil {
		return `""`
	}
	b.WriteString(w.b.String())
	return b.String()
}
