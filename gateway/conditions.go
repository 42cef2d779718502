package gateway

import (
	"strconv"
	"strings"
	"time"

	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/policy"
)

var _ policy.Context = (*judge)(nil)

// Value answers the condition keys of the decision: the global ones from the call, the
// others from the check. A key that the gateway knows is never the service's to set.
func (j *judge) Value(key string) policy.Values {
	if name, ok := strings.CutPrefix(key, "aws:"); ok {
		if fn := globalKeys[name]; fn != nil {
			return fn(j)
		}
		if tag, ok := strings.CutPrefix(name, "principaltag/"); ok {
			return principalTag(j.call.Principal, tag)
		}
	}
	if j.check.Conditions != nil {
		return j.check.Conditions.Value(key)
	}
	return policy.Values{}
}

// globalKeys are the global condition keys that describe the caller and the way of the call (IAM user guide,
// "AWS global condition context keys"). Those that describe the request or the resource, such
// as aws:RequestTag and aws:ResourceTag, are the services'.
var globalKeys = map[string]func(*judge) policy.Values{
	"principalarn":     func(j *judge) policy.Values { return principalARN(j.call.Principal) },
	"principalaccount": func(j *judge) policy.Values { return account(j.call.Principal) },
	"principaltype":    func(j *judge) policy.Values { return given(principalTypes[j.call.Principal.Kind]) },
	"userid":           func(j *judge) policy.Values { return userID(j.call.Principal) },
	"username":         func(j *judge) policy.Values { return userName(j.call.Principal) },
	"sourceidentity":   func(j *judge) policy.Values { return sourceIdentity(j.call.Principal) },

	"principalisawsservice": func(j *judge) policy.Values { return policy.Bool(j.call.Principal.Kind == identity.Service) },
	"principalservicename": func(j *judge) policy.Values {
		if j.call.Principal.Kind != identity.Service {
			return policy.Values{}
		}
		return policy.One(j.call.Principal.Name)
	},
	"principalservicenameslist": func(j *judge) policy.Values {
		if j.call.Principal.Kind != identity.Service {
			return policy.Values{}
		}
		return policy.Many(append([]string{j.principal.Service}, j.principal.ServiceNames...))
	},
	"sourceaccount": func(j *judge) policy.Values { return given(j.call.SourceAccount) },
	"sourcearn":     func(j *judge) policy.Values { return given(j.call.SourceARN) },

	"tokenissuetime":         func(j *judge) policy.Values { return issued(j.call.Principal) },
	"multifactorauthpresent": func(j *judge) policy.Values { return mfa(j.call.Principal) },
	"multifactorauthage":     func(j *judge) policy.Values { return mfaAge(j.call) },
	"currenttime":            func(j *judge) policy.Values { return policy.One(j.call.Time.UTC().Format(time.RFC3339)) },
	"epochtime":              func(j *judge) policy.Values { return policy.One(strconv.FormatInt(j.call.Time.Unix(), 10)) },
	"requestedregion":        requestedRegion,
	"resourceaccount":        resourceAccount,
	"securetransport":        func(*judge) policy.Values { return policy.Bool(true) }, // nothing else gets in
	"sourceip":               func(j *judge) policy.Values { return direct(j.call, j.call.SourceIP) },
	"useragent":              func(j *judge) policy.Values { return given(j.call.UserAgent) },
	"referer":                referer,
	"viaawsservice":          func(j *judge) policy.Values { return policy.Bool(j.call.Via != "") },
	"calledvia":              func(j *judge) policy.Values { return policy.Many(j.call.CalledVia()) },
	"calledviafirst":         func(j *judge) policy.Values { return end(j.call.CalledVia(), false) },
	"calledvialast":          func(j *judge) policy.Values { return end(j.call.CalledVia(), true) },
}

// requestedRegion is the region of the call, unless what is decided takes place in another.
func requestedRegion(j *judge) policy.Values {
	if j.check != nil && j.check.Region != "" {
		return policy.One(j.check.Region)
	}
	return given(j.call.Region)
}

// given is a value that may be missing.
func given(s string) policy.Values {
	if s == "" {
		return policy.Values{}
	}
	return policy.One(s)
}

// direct is what a client's own call has, and a call that a service makes has not: a
// service's address says nothing about the caller.
func direct(c *call.Call, s string) policy.Values {
	if c.Parent != nil || c.HTTP == nil {
		return policy.Values{}
	}
	return given(s)
}

var principalTypes = map[identity.Kind]string{
	identity.Root: "Account", identity.User: "User", identity.Role: "AssumedRole", identity.Anonymous: "Anonymous",
}

// principalARN is the role's name for a session, so that policies need not name sessions.
func principalARN(who *identity.Principal) policy.Values {
	if who.Kind == identity.Role && who.Session != nil {
		return given(who.Session.RoleARN)
	}
	return given(who.ARN)
}

func account(who *identity.Principal) policy.Values {
	if who.Kind == identity.Service || who.Kind == identity.Anonymous {
		return policy.Values{}
	}
	return given(who.Account)
}

func userID(who *identity.Principal) policy.Values {
	switch who.Kind {
	case identity.Anonymous:
		return policy.One("anonymous")
	case identity.Service:
		return policy.Values{}
	}
	return given(who.ID)
}

func userName(who *identity.Principal) policy.Values {
	if who.Kind != identity.User {
		return policy.Values{}
	}
	return given(who.Name)
}

func sourceIdentity(who *identity.Principal) policy.Values {
	if who.Session == nil {
		return policy.Values{}
	}
	return given(who.Session.SourceIdentity)
}

// principalTag finds a tag by the name in a condition key, whose letter case does not count.
func principalTag(who *identity.Principal, name string) policy.Values {
	for key, value := range who.Tags {
		if strings.EqualFold(key, name) {
			return policy.One(value)
		}
	}
	return policy.Values{}
}

// issued, mfa and mfaAge are known of temporary credentials only.
func issued(who *identity.Principal) policy.Values {
	if who.Session == nil {
		return policy.Values{}
	}
	return policy.One(who.Session.Issued.UTC().Format(time.RFC3339))
}

func mfa(who *identity.Principal) policy.Values {
	if who.Session == nil {
		return policy.Values{}
	}
	return policy.Bool(who.Session.MFA)
}

func mfaAge(c *call.Call) policy.Values {
	if !c.Principal.MFA() {
		return policy.Values{}
	}
	return policy.One(strconv.FormatInt(int64(c.Time.Sub(c.Principal.Session.Issued)/time.Second), 10))
}

func resourceAccount(j *judge) policy.Values {
	if j.check.Account != "" {
		return policy.One(j.check.Account)
	}
	return account(j.call.Principal)
}

func referer(j *judge) policy.Values {
	if j.call.HTTP == nil {
		return policy.Values{}
	}
	return direct(j.call, j.call.HTTP.Referer())
}

func end(names []string, last bool) policy.Values {
	switch {
	case len(names) == 0:
		return policy.Values{}
	case last:
		return policy.One(names[len(names)-1])
	}
	return policy.One(names[0])
}

// regionalName returns the name that a service principal has in one region:
// "logs.eu-west-1.amazonaws.com" for "logs.amazonaws.com".
func regionalName(name, region string) string {
	service, ok := strings.CutSuffix(name, ".amazonaws.com")
	if !ok || region == "" || strings.Contains(service, ".") {
		return ""
	}
	return service + "." + region + ".amazonaws.com"
}
