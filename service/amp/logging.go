package amp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/strongroom/strongroom/api/logs"
	"github.com/strongroom/strongroom/arn"
	"github.com/strongroom/strongroom/service/amp/prom"
	"github.com/strongroom/strongroom/service/amp/rules"
	"github.com/strongroom/strongroom/service/amp/tenant"
	"github.com/strongroom/strongroom/service/amp/vend"
	"github.com/strongroom/strongroom/wire"
)

// logging is a logging configuration of a workspace.
type logging struct {
	Group    string    `json:"group"` // ARN, with :* at its end
	Created  time.Time `json:"created"`
	Modified time.Time `json:"modified"`
	Filter   *int64    `json:"filter,omitempty"` // of queries: how many samples they process at least
	Status   string    `json:"status,omitempty"` // "" for one that was made when there was nothing to deliver to
	Reason   string    `json:"reason,omitempty"` // for the status
}

// The streams of a log group into which the records of a workspace or a scraper go, behind its id.
const (
	scraperStream = "/scraper"
	rulesStream   = "/rules"
	alertsStream  = "/alertmanager"
	queriesStream = "/queries"
)

const (
	loggingActive = "ACTIVE"
	loggingFailed = "CREATION_FAILED"
	updateFailed  = "UPDATE_FAILED"
)

// status is what the API says of a configuration.
func (l *logging) status() (code string, reason *string) {
	if l.Status == "" {
		return loggingFailed, wire.Ptr("The configuration is older than the logs of this house. Update it to have logs delivered.")
	}
	return l.Status, some(l.Reason)
}

// active reports whether records are delivered by a configuration, which may be nil.
func (l *logging) active() bool { return l != nil && l.Status == loggingActive }

// groupOf is the name of the log group that a configuration of a workspace names.
func groupOf(id tenant.ID, group string) (string, error) {
	a, err := arn.Parse(group)
	name, ok := strings.CutPrefix(strings.TrimSuffix(a.Resource, ":*"), "log-group:")
	if err != nil || !ok || a.Service != "logs" || a.Region != id.Region || a.Account != id.Account || strings.Contains(name, ":") {
		return "", invalid("logGroupArn", "The log group must be one of the workspace's account and Region.")
	}
	return name, nil
}

// destination is where records go by a configuration of a workspace, or of a scraper, whose id then stands in the workspace's place.
func destination(id tenant.ID, group, stream string) vend.Target {
	return vend.Target{
		Region: id.Region, Account: id.Account, Group: group, Stream: id.Workspace + stream,
		// What delivers is a source of logs of the account: that is what policies for vended logs let write.
		Source: "arn:aws:logs:" + id.Region + ":" + id.Account + ":delivery-source:" + id.Workspace,
	}
}

// attach finds out whether records can be delivered by a configuration, and says so in it. As AWS does, it gives the delivering service the right to
// write with the caller's own permissions, where no resource policy of the log groups gives it yet ("Logs sent to CloudWatch Logs", CloudWatch Logs User
// Guide). failed is the status that says that they cannot.
func (s *Service) attach(ctx context.Context, id tenant.ID, l *logging, stream, failed string) error {
	group, err := groupOf(id, l.Group)
	if err != nil {
		return err
	}
	l.Status, l.Reason = failed, ""
	t := destination(id, group, stream)
	found, err := s.logs.DescribeLogGroups(ctx, &logs.DescribeLogGroupsInput{LogGroupNamePrefix: &group, Limit: wire.Ptr(int32(1))})
	switch {
	case wire.IsCode(err, "AccessDeniedException"):
		return err
	case err != nil:
		return unavailable(err)
	case len(found.LogGroups) == 0 || wire.Val(found.LogGroups[0].LogGroupName) != group:
		l.Reason = "The log group " + group + " does not exist."
		return nil
	}
	err = s.vend.Prepare(ctx, t)
	if wire.IsCode(err, "AccessDeniedException") {
		if err = s.admit(ctx, t); err == nil {
			err = s.vend.Prepare(ctx, t)
		}
	}
	var e *wire.Error
	switch {
	case err == nil:
		l.Status = loggingActive
	case errors.As(err, &e) && !e.Fault:
		l.Reason = "The log group can't be written to: " + e.Code + ": " + e.Message
	default:
		return unavailable(err)
	}
	return nil
}

func unavailable(err error) error {
	return (&wire.Error{Code: "InternalServerException", Status: http.StatusInternalServerError, Fault: true, Message: "The log group can't be reached. Please try again."}).WithCause(err)
}

// deliveryPolicy is the name of the resource policy that lets vended logs be written, as AWS calls it.
const deliveryPolicy = "AWSLogDeliveryWrite20150319"

// admit lets the delivering service write to a log group, with the caller's permissions to read and put resource policies.
func (s *Service) admit(ctx context.Context, t vend.Target) error {
	out, err := s.logs.DescribeResourcePolicies(ctx, &logs.DescribeResourcePoliciesInput{})
	if err != nil {
		return err
	}
	doc := struct {
		Version   string
		Statement []json.RawMessage
	}{Version: "2012-10-17"}
	for _, p := range out.ResourcePolicies {
		if wire.Val(p.PolicyName) != deliveryPolicy {
			continue
		}
		if err := json.Unmarshal([]byte(wire.Val(p.PolicyDocument)), &doc); err != nil || doc.Version != "2012-10-17" {
			return wire.Errorf("InvalidParameterException", http.StatusBadRequest, "The resource policy %s has another form than the one that is kept for the delivery of logs.", deliveryPolicy)
		}
	}
	here := "arn:aws:logs:" + t.Region + ":" + t.Account + ":"
	statement, err := json.Marshal(map[string]any{
		"Sid": "AWSLogDeliveryWrite" + strconv.Itoa(len(doc.Statement)+1), "Effect": "Allow", "Principal": map[string]string{"Service": vend.Principal},
		"Action": []string{"logs:CreateLogStream", "logs:PutLogEvents"}, "Resource": here + "log-group:" + t.Group + ":log-stream:*",
		"Condition": map[string]any{"StringEquals": map[string]string{"aws:SourceAccount": t.Account}, "ArnLike": map[string]string{"aws:SourceArn": here + "*"}},
	})
	if err != nil {
		return err
	}
	doc.Statement = append(doc.Statement, statement)
	text, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	_, err = s.logs.PutResourcePolicy(ctx, &logs.PutResourcePolicyInput{PolicyName: wire.Ptr(deliveryPolicy), PolicyDocument: wire.Ptr(string(text))})
	return err
}

// logged is a record of a log as AWS has it ("Troubleshooting Ruler", "Troubleshooting Alertmanager", "Managing the query cost", Amazon Managed Service for
// Prometheus User Guide).
type logged struct {
	Workspace string `json:"workspaceId"`
	Message   any    `json:"message"`
	Component string `json:"component"`
}

// post delivers a record of a workspace by a configuration, soon, if it is in force.
func (s *Service) post(id tenant.ID, l *logging, stream, component string, message any) {
	s.postRecord(id, l, stream, logged{id.Workspace, message, component})
}

func (s *Service) postRecord(id tenant.ID, l *logging, stream string, record any) {
	if !l.active() {
		return
	}
	group, err := groupOf(id, l.Group)
	if err != nil {
		return
	}
	text, err := json.Marshal(record)
	if err != nil {
		return
	}
	s.vend.Post(destination(id, group, stream), s.now(), text)
}

// settingsOf is the record of a workspace, or nil where it cannot be had now: then nothing is logged.
func (s *Service) settingsOf(id tenant.ID) *workspace {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	w, err := s.memo.Get(ctx, string(workspaceKey(id)))
	if err != nil {
		return nil
	}
	return w
}

// ruleMessage is what is told of a rule.
type ruleMessage struct {
	Log       string `json:"log,omitempty"`
	Level     string `json:"level,omitempty"`
	Name      string `json:"name,omitempty"`
	Kind      string `json:"kind,omitempty"`
	Group     string `json:"group,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Query     string `json:"query,omitempty"`
	Samples   string `json:"samples,omitempty"`
}

// ruleFailed logs that a rule could not be evaluated.
func (s *Service) ruleFailed(id tenant.ID, r rules.Rule, err error) {
	if w := s.settingsOf(id); w != nil {
		s.post(id, w.Logging, rulesStream, "ruler", ruleMessage{
			Log:   fmt.Sprintf("Evaluating rule failed, name=%s, group=%s, namespace=%s, err=%v", r.Name, r.Group, r.Namespace, err),
			Level: "ERROR", Name: r.Name, Group: r.Group, Namespace: r.Namespace,
		})
	}
}

// alertFailed logs that a receiver was not reached. Why stands in no log: it may hold what is secret in the receiver's address.
func (s *Service) alertFailed(id tenant.ID, receiver, kind string) {
	if w := s.settingsOf(id); w != nil {
		s.post(id, w.Logging, alertsStream, "alertmanager", ruleMessage{
			Log: "Notify for alerts failed, receiver=" + strconv.Quote(receiver) + " integration=" + kind, Level: "ERROR",
		})
	}
}

// alertRefused logs that alerts were refused.
func (s *Service) alertRefused(id tenant.ID, text string) {
	if w := s.settingsOf(id); w != nil {
		s.post(id, w.Logging, alertsStream, "alertmanager", ruleMessage{Log: text, Level: "WARN"})
	}
}

// queryMessage is what is told of a query that came over the API.
type queryMessage struct {
	Query     string `json:"query"`
	Type      string `json:"queryType"`
	Start     string `json:"start,omitempty"`
	End       string `json:"end,omitempty"`
	Step      string `json:"step,omitempty"`
	Samples   string `json:"samples,omitempty"`
	UserAgent string `json:"userAgent,omitempty"`
	Dashboard string `json:"dashboardUid,omitempty"`
	Panel     string `json:"panelId,omitempty"`
}

// heavy reports whether the owner of a workspace wants to be told of a query that has processed so many samples. One that nobody has counted is
// told of where he wants to know of all.
func (w *workspace) heavy(samples int64) bool {
	if w == nil || !w.Queries.active() {
		return false
	}
	most := wire.Val(w.Queries.Filter)
	return samples > most || samples == prom.UnknownSamples && most == 0
}

// wantsQueries reports whether the owner of a workspace wants to be told of any query.
func (s *Service) wantsQueries(id tenant.ID) bool {
	w := s.settingsOf(id)
	return w != nil && w.Queries.active()
}

// queried logs a query that has processed more than the owner of the workspace wants to know of.
func (s *Service) queried(id tenant.ID, q prom.Query) {
	w := s.settingsOf(id)
	if !w.heavy(q.Samples) {
		return
	}
	m := queryMessage{
		Query: q.Text, Type: "instant", Start: millis(q.Start),
		UserAgent: q.Header.Get("User-Agent"), Dashboard: q.Header.Get("X-Dashboard-Uid"), Panel: q.Header.Get("X-Panel-Id"),
	}
	if q.Samples != prom.UnknownSamples {
		m.Samples = strconv.FormatInt(q.Samples, 10)
	}
	if q.Step > 0 {
		m.Type, m.End, m.Step = "range", millis(q.End), strconv.FormatInt(q.Step.Milliseconds(), 10)
	}
	s.post(id, w.Queries, queriesStream, "query-frontend", m)
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// ruleQueried logs the query of a rule in the same way.
func (s *Service) ruleQueried(id tenant.ID, r rules.Rule, query string, samples int64) {
	if w := s.settingsOf(id); w.heavy(samples) {
		s.post(id, w.Queries, queriesStream, "ruler", ruleMessage{
			Query: query, Name: r.Name, Kind: r.Kind, Group: r.Group, Namespace: r.Namespace, Samples: strconv.FormatInt(samples, 10),
		})
	}
}
