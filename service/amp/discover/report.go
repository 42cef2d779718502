package discover

import (
	"encoding/json"
	"fmt"
	"io"
)

// Text writes warnings for people, one a line.
func Text(to io.Writer, list []Warning) error {
	for _, w := range list {
		where := map[string]string{
			InLabelName: fmt.Sprintf("name of the label %q", w.Label), InLabelValue: fmt.Sprintf("value of the label %q", w.Label), InExemplar: fmt.Sprintf("label %q of an exemplar", w.Label),
			InMetricName: "name of a metric", InHelp: "help text",
		}[w.Place]
		often := "once"
		if w.Count > 1 {
			often = fmt.Sprintf("%d times", w.Count)
		}
		if _, err := fmt.Fprintf(to, "%s: %s: %s (%s), %s, such as %s in the metric %q\n", w.Workspace, where, w.Identifier, w.Category, often, w.Example, w.Metric); err != nil {
			return err
		}
	}
	return nil
}

// JSON writes one object: the warnings, and what could not be read.
func JSON(to io.Writer, list []Warning, unread []string) error {
	e := json.NewEncoder(to)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Warnings []Warning `json:"warnings"`
		Unread   []string  `json:"unread,omitempty"`
	}{append([]Warning{}, list...), unread})
}
