// Package identity holds who calls, as values: accounts, principals, sessions and
// credentials. It decides nothing and stores nothing; the services iam and sts make
// these values, and the gateway carries them through a call.
package identity

import (
	"time"

	"github.com/strongroom/strongroom/secret"
)

// Kind is what sort of principal calls. Its words are those of userIdentity.type in
// audit records.
type Kind string

// The kinds of principals.
const (
	Root      Kind = "Root"        // the root user of an account
	User      Kind = "IAMUser"     // a user of an account
	Role      Kind = "AssumedRole" // a session of a role
	Service   Kind = "AWSService"  // a service of the house acting for itself
	Anonymous Kind = "AWSAccount"  // nobody: an unsigned request
)

// Partition is the first field of every resource name of a house.
const Partition = "aws"

// HouseAccount is the account that service owned resources belong to. No customer
// is in it: its records are the operator's, and what it owns is never listed.
const HouseAccount = "000000000000"

// Principal is who a call is made by. It is immutable once made.
type Principal struct {
	Kind        Kind
	Account     string // twelve digits; HouseAccount for services, "" for Anonymous
	ARN         string // of the user, the root user or the session; "" for Anonymous
	ID          string // unique: account id (root), AIDA... (user), AROA...:session (role session)
	Name        string // user name; for a Service its principal, "s3.amazonaws.com"
	AccessKeyID string // the key the call was signed with
	Session     *Session
	Tags        map[string]string // principal tags: of the user, or of the role and session
}

// Session is a temporary session of a role (Kind Role), or of a user (Kind User)
// that came through GetSessionToken.
type Session struct {
	RoleARN, RoleID, RoleName string // of the role; empty for a user's session
	Name                      string // role session name
	Issued, Expires           time.Time
	MFA                       bool // a second factor was shown
	SourceIdentity            string
	Policies                  [][]byte // session policies, as JSON texts: each cuts what the role may do
	PolicyARNs                []string // managed policies given as session policies
	Transitive                []string // keys of the session tags that a chained session inherits
}

// ForService returns the principal that the service called name, such as
// "s3.amazonaws.com", acts as when it acts for itself.
func ForService(name string) *Principal {
	return &Principal{Kind: Service, Account: HouseAccount, Name: name, ID: name, ARN: ""}
}

// Nobody is the principal of an unsigned request.
var Nobody = &Principal{Kind: Anonymous}

// MFA reports whether the caller showed a second factor.
func (p *Principal) MFA() bool { return p.Session != nil && p.Session.MFA }

// Credential is an access key with its secret, as iam and sts know it.
type Credential struct {
	AccessKeyID string
	Secret      secret.Bytes
	Token       string // session token; "" for a long-term key
	Principal   *Principal
	Expires     time.Time // zero for a long-term key
}

// Owner is whom an access key or a session stands for: the root user, a user or a role
// of an account. It is immutable; whoever gives it out gives a new one after a change,
// so that the pointer says whether anything has changed.
type Owner struct {
	Kind    Kind // Root, User or Role
	Account string
	ID      string // unique: the account's id, AIDA... or AROA...
	Name    string // "" for Root
	ARN     string
	Tags    map[string]string
	// MaxSession is how long a session of a role may last; zero for users.
	MaxSession time.Duration
}

// Principal returns o itself as the one who calls with an access key.
func (o *Owner) Principal(accessKeyID string) *Principal {
	return &Principal{
		Kind: o.Kind, Account: o.Account, ARN: o.ARN, ID: o.ID, Name: o.Name,
		AccessKeyID: accessKeyID, Tags: o.Tags,
	}
}
