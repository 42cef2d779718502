package audit

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/strongroom/strongroom/arn"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/wire"
	"github.com/strongroom/strongroom/wire/jsonbody"
)

// What CloudTrail allows the larger fields ("CloudTrail record contents"); beyond it their
// contents are omitted and the text is cut.
const (
	maxParameters = 100 << 10
	maxAdditional = 28 << 10
	maxText       = 1 << 10
	maxARN        = 2 << 10 // as long as ARNs get; a longer one names nothing that can be there
)

// AppendEntries appends the entries of c to to: the record of what was asked, by whom, and what came of
// it, less what the schema marks as sensitive, for every trail it belongs to. It is the last to read c.
//
// A call belongs to the trail of its caller's account and to those of the accounts that own what it acts
// on; where there are several, each has an event of its own and all share one id. But a call on what the
// house itself owns, such as a service owned key, is in no customer's trail. What a call did also, in
// another region, has an event of its own there.
func AppendEntries(to []*Entry, c *call.Call) []*Entry {
	var few [2]string
	accounts := trails(few[:0], c)
	shared := ""
	if len(accounts) > 1 || c.Principal.Kind == identity.Service {
		shared = call.NewID()
	}
	for _, account := range accounts {
		to = append(to, entryOf(c, account, shared, nil))
	}
	if c.Err != nil {
		return to
	}
	for i := range c.Also {
		for _, account := range accounts {
			to = append(to, entryOf(c, account, shared, &c.Also[i]))
		}
	}
	return to
}

// trails appends the accounts in whose trails c belongs.
func trails(to []string, c *call.Call) []string {
	if c.Principal.Account != "" {
		to = append(to, c.Principal.Account)
	}
	for i := range c.Target.Checks {
		account := c.Target.Checks[i].Account
		if account == identity.HouseAccount {
			return append(to[:0], identity.HouseAccount)
		}
		if account != "" && !slices.Contains(to, account) {
			to = append(to, account)
		}
	}
	if len(to) == 0 { // nobody's, such as an unsigned request for what does not exist
		to = append(to, identity.HouseAccount)
	}
	return to
}

// entryOf makes the entry of c for one account's trail, or that of what it did also.
func entryOf(c *call.Call, account, shared string, also *call.Event) *Entry {
	e := &Entry{
		Account: account, Time: c.Time.UTC().Truncate(time.Second), Region: c.Region, EventID: call.NewID(),
		Attributes: Attributes{
			EventName: eventName(c), EventSource: c.Service.EventSource, Username: username(c.Principal),
			AccessKeyID: c.Principal.AccessKeyID, ReadOnly: c.Op != nil && c.Op.ReadOnly, Resources: resources(c),
		},
	}
	if also != nil {
		e.EventName, e.Region, e.Resources = also.Name, also.Region, nil
		for _, r := range also.Resources {
			e.Resources = append(e.Resources, Resource{r.Account, r.Type, r.ARN})
		}
	}
	w := writer{b: make([]byte, 0, 1280)}
	w.text(`{"eventVersion":"1.11","userIdentity":`)
	w.identity(c)
	w.text(`,"eventTime":"`)
	w.b = e.Time.AppendFormat(w.b, time.RFC3339)
	w.field(`","eventSource":`, e.EventSource)
	w.field(`,"eventName":`, e.EventName)
	w.field(`,"awsRegion":`, e.Region)
	w.field(`,"sourceIPAddress":`, c.SourceIP)
	w.field(`,"userAgent":`, cut(c.UserAgent))
	if also == nil {
		w.outcome(c)
	} else {
		w.text(`,"requestParameters":null,"responseElements":null`)
	}
	w.additional(c.Additional)
	w.field(`,"requestID":`, c.ID)
	w.field(`,"eventID":`, e.EventID)
	w.text(`,"readOnly":`)
	w.b = strconv.AppendBool(w.b, e.ReadOnly)
	w.resources(e.Resources)
	w.text(`,"eventType":"AwsApiCall"`)
	w.optional(`,"apiVersion":`, c.Service.Version)
	if c.Service.Protocol == wire.Raw || isData(e.Resources) {
		w.text(`,"managementEvent":false,"eventCategory":"Data"`)
	} else {
		w.text(`,"managementEvent":true,"eventCategory":"Management"`)
	}
	w.field(`,"recipientAccountId":`, account)
	w.optional(`,"sharedEventID":`, shared)
	w.tls(c)
	w.text("}")
	e.JSON = w.b
	return e
}

// eventName is the operation's name; a request that names none the service has is recorded
// without what it said instead, which is a stranger's text.
func eventName(c *call.Call) string {
	if c.Op == nil {
		return "UnknownOperation"
	}
	return c.Op.Name
}

// username is what LookupEvents finds a caller by: the user's name, the session's, or the service's.
func username(p *identity.Principal) string {
	switch {
	case p.Kind == identity.Role && p.Session != nil:
		return p.Session.Name
	case p.Kind == identity.Root:
		return "root"
	}
	return p.Name
}

// resources lists what c acted on, each once.
func resources(c *call.Call) []Resource {
	var list []Resource
	add := func(r Resource) {
		// A refused call may have named what it liked, and is recorded all the same.
		r.ARN = cutTo(maxARN, r.ARN)
		if !slices.Contains(list, r) {
			list = append(list, r)
		}
	}
	for i := range c.Target.Checks {
		check := &c.Target.Checks[i]
		if check.Type == "" || check.Resource == "*" {
			continue
		}
		account := check.Account
		if account == "" {
			account = c.Principal.Account
		}
		add(Resource{account, check.Type, check.Resource})
	}
	for _, r := range c.Resources {
		add(Resource{r.Account, r.Type, r.ARN})
	}
	return list
}

// isData reports whether an event is one of CloudTrail's data events: what happens to objects,
// not to what holds them.
func isData(list []Resource) bool {
	return slices.ContainsFunc(list, func(r Resource) bool { return r.Type == "AWS::S3::Object" })
}

// writer appends the fields of a record. It runs on every call, hence by hand.
type writer struct{ b []byte }

func (w *writer) text(s string) { w.b = append(w.b, s...) }

func (w *writer) field(name, value string) {
	w.b = jsonbody.AppendString(append(w.b, name...), value)
}

func (w *writer) optional(name, value string) {
	if value != "" {
		w.field(name, value)
	}
}

func (w *writer) identity(c *call.Call) {
	p := c.Principal
	switch p.Kind {
	case identity.Service:
		w.text(`{"type":"AWSService"`)
		w.field(`,"invokedBy":`, p.Name)
	case identity.Anonymous:
		w.text(`{"type":"AWSAccount","principalId":"","accountId":"ANONYMOUS_PRINCIPAL"`)
		w.optional(`,"invokedBy":`, c.Via)
	default:
		w.field(`{"type":`, string(p.Kind))
		w.field(`,"principalId":`, p.ID)
		w.field(`,"arn":`, p.ARN)
		w.field(`,"accountId":`, p.Account)
		w.optional(`,"accessKeyId":`, p.AccessKeyID)
		if p.Kind == identity.User {
			w.field(`,"userName":`, p.Name)
		}
		w.session(p.Session)
		w.optional(`,"invokedBy":`, c.Via)
	}
	w.text("}")
}

func (w *writer) session(s *identity.Session) {
	if s == nil {
		return
	}
	w.text(`,"sessionContext":{`)
	if s.RoleARN != "" {
		w.field(`"sessionIssuer":{"type":"Role","principalId":`, s.RoleID)
		w.field(`,"arn":`, s.RoleARN)
		w.field(`,"accountId":`, arn.AccountOf(s.RoleARN))
		w.field(`,"userName":`, s.RoleName)
		w.text(`},`)
	}
	w.text(`"attributes":{"creationDate":"`)
	w.b = s.Issued.UTC().AppendFormat(w.b, time.RFC3339)
	w.text(`","mfaAuthenticated":"`)
	w.b = strconv.AppendBool(w.b, s.MFA)
	w.text(`"}`)
	w.optional(`,"sourceIdentity":`, s.SourceIdentity)
	w.text(`}`)
}

// outcome writes the error, if any, what was asked and what was answered. Answers to calls that change
// nothing are left out, as CloudTrail does: they are what the caller came to see.
func (w *writer) outcome(c *call.Call) {
	if c.Err != nil {
		e := wire.AsError(c.Err)
		w.field(`,"errorCode":`, errorCode(e.Code))
		if e.Sensitive {
			w.text(`,"errorMessage":"HIDDEN_DUE_TO_SECURITY_REASONS"`) // the words of CloudTrail
		} else {
			w.field(`,"errorMessage":`, cut(e.Message))
		}
	}
	w.text(`,"requestParameters":`)
	if c.Op == nil || c.In == nil {
		w.text("null")
	} else {
		w.parameters(c.Op.Input, c.In)
	}
	w.text(`,"responseElements":`)
	if c.Op == nil || c.Out == nil || c.Err != nil || c.Op.ReadOnly {
		w.text("null")
	} else {
		w.parameters(c.Op.Output, c.Out)
	}
}

func (w *writer) parameters(shape *wire.Shape, v any) {
	start := len(w.b)
	w.b = wire.AppendParameters(w.b, shape, v)
	if len(w.b)-start > maxParameters {
		w.b = append(w.b[:start], `{"omitted":true,"reason":"larger than 100 KB"}`...)
	}
}

// errorCode is the code as CloudTrail has it, which knows one word for every refusal.
func errorCode(code string) string {
	if code == "AccessDeniedException" {
		return "AccessDenied"
	}
	return code
}

func (w *writer) additional(data map[string]any) {
	if len(data) == 0 {
		return
	}
	text, err := json.Marshal(data)
	if err != nil || len(text) > maxAdditional {
		text = []byte(`{"omitted":true}`)
	}
	w.text(`,"additionalEventData":`)
	w.b = append(w.b, text...)
}

func (w *writer) resources(list []Resource) {
	if len(list) == 0 {
		return
	}
	w.text(`,"resources":[`)
	for i, r := range list {
		if i > 0 {
			w.text(",")
		}
		w.field(`{"accountId":`, r.AccountID)
		w.field(`,"type":`, r.Type)
		w.field(`,"ARN":`, r.ARN)
		w.text("}")
	}
	w.text("]")
}

func (w *writer) tls(c *call.Call) {
	if c.TLS.Version == "" {
		return
	}
	w.field(`,"tlsDetails":{"tlsVersion":`, c.TLS.Version)
	w.field(`,"cipherSuite":`, c.TLS.CipherSuite)
	w.field(`,"clientProvidedHostHeader":`, cut(c.TLS.Host))
	w.text("}")
}

// cut shortens a text that somebody else wrote.
func cut(s string) string { return cutTo(maxText, s) }

// cutTo shortens a text to n bytes at most, between characters.
func cutTo(n int, s string) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
