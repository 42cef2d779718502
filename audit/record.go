package audit

import (
	"context"
	"encoding/json"
	"time"
)

// Record is one call, in the fields of a CloudTrail event (record version 1.11).
type Record struct {
	EventVersion        string          `json:"eventVersion"`
	UserIdentity        UserIdentity    `json:"userIdentity"`
	EventTime           time.Time       `json:"eventTime"` // UTC, whole seconds
	EventSource         string          `json:"eventSource"`
	EventName           string          `json:"eventName"`
	AWSRegion           string          `json:"awsRegion"`
	SourceIPAddress     string          `json:"sourceIPAddress"`
	UserAgent           string          `json:"userAgent"`
	ErrorCode           string          `json:"errorCode,omitempty"`
	ErrorMessage        string          `json:"errorMessage,omitempty"`
	RequestParameters   json.RawMessage `json:"requestParameters"`
	ResponseElements    json.RawMessage `json:"responseElements"`
	AdditionalEventData map[string]any  `json:"additionalEventData,omitempty"`
	RequestID           string          `json:"requestID"`
	EventID             string          `json:"eventID"`
	ReadOnly            bool            `json:"readOnly"`
	Resources           []Resource      `json:"resources,omitempty"`
	EventType           string          `json:"eventType"`
	APIVersion          string          `json:"apiVersion,omitempty"`
	ManagementEvent     bool            `json:"managementEvent"`
	RecipientAccountID  string          `json:"recipientAccountId"`
	SharedEventID       string          `json:"sharedEventID,omitempty"`
	EventCategory       string          `json:"eventCategory"`
	TLSDetails          *TLSDetails     `json:"tlsDetails,omitempty"`
}

// UserIdentity says who called.
type UserIdentity struct {
	Type           string          `json:"type"`
	PrincipalID    string          `json:"principalId,omitempty"`
	ARN            string          `json:"arn,omitempty"`
	AccountID      string          `json:"accountId,omitempty"`
	AccessKeyID    string          `json:"accessKeyId,omitempty"`
	UserName       string          `json:"userName,omitempty"`
	SessionContext *SessionContext `json:"sessionContext,omitempty"`
	InvokedBy      string          `json:"invokedBy,omitempty"`
}

// SessionContext describes temporary credentials.
type SessionContext struct {
	Attributes    SessionAttributes `json:"attributes"`
	SessionIssuer *SessionIssuer    `json:"sessionIssuer,omitempty"`
}

// SessionAttributes holds mfaAuthenticated as the words true and false, as CloudTrail does.
type SessionAttributes struct {
	CreationDate     time.Time `json:"creationDate"`
	MFAAuthenticated string    `json:"mfaAuthenticated"`
}

// SessionIssuer is the role behind a session.
type SessionIssuer struct {
	Type        string `json:"type"`
	PrincipalID string `json:"principalId"`
	ARN         string `json:"arn"`
	AccountID   string `json:"accountId"`
	UserName    string `json:"userName"`
}

// Resource names what a call acted on.
type Resource struct {
	AccountID string `json:"accountId,omitempty"`
	Type      string `json:"type,omitempty"`
	ARN       string `json:"ARN"`
}

// TLSDetails says how the client's connection was protected.
type TLSDetails struct {
	TLSVersion               string `json:"tlsVersion"`
	CipherSuite              string `json:"cipherSuite"`
	ClientProvidedHostHeader string `json:"clientProvidedHostHeader"`
}

// Position is a record's place in the log; later records have greater positions.
type Position uint64

// Sink takes records. *Log is the one of a house; tests have their own.
type Sink interface {
	// Append adds a record for an account: its JSON, and the attributes it can be looked up by.
	// On return the record has its place in the log but may not be durable yet.
	// Calls may run together.
	Append(ctx context.Context, e *Entry) (Position, error)
	// Wait returns nil once every record from first to last is durable. An error says that
	// one of them may not be; it stays so, whatever is written later.
	Wait(ctx context.Context, first, last Position) error
}

// Entry is a record as the log takes it.
type Entry struct {
	Account string    // whose trail it belongs to; identity.HouseAccount for the operator's
	Time    time.Time // of the event
	Region  string
	EventID string
	Attributes
	JSON []byte // the Record, as JSON; belongs to the log after Append
}

// Attributes are what LookupEvents can ask for.
type Attributes struct {
	EventName, EventSource, Username, AccessKeyID string
	ReadOnly                                      bool
	Resources                                     []Resource
}

// Query selects records of one account and region, newest first. At most one of the
// attribute fields is set, as LookupEvents has it.
type Query struct {
	Account, Region string
	From, To        time.Time // event times, both inclusive; zero for no bound
	Attribute       string    // EventId, EventName, ReadOnly, Username, ResourceType, ResourceName, EventSource, AccessKeyId; "" for all
	Value           string
	Before          Position // only records before this one; 0 for the newest
	Limit           int      // most records to return; at least 1
}

// Found is a record that a lookup found.
type Found struct {
	Position Position
	Index    uint64 // among the records of its account, from 0: its leaf in the account's tree
	Entry
}

// Reader answers what has happened.
type Reader interface {
	// Lookup returns the records that match, newest first. Fewer than Limit means that
	// there are no more.
	Lookup(ctx context.Context, q Query) ([]Found, error)
}
