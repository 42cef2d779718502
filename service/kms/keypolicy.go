package kms

import (
	"context"
	"errors"
	"fmt"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/wire"
)

// defaultPolicyName is the name of a key's policy; there is no other.
const defaultPolicyName = "default"

// defaultPolicy is the policy of a key that was made without one, as AWS prints it: it
// delegates everything to the account.
func defaultPolicy(account string) string {
	return fmt.Sprintf(`{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "%s"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}`, rootARN(account))
}

// managedPolicy is the fixed policy of alias/aws/NAME: everybody in the account may use the
// key, but only through the service; the account may look at it, and nobody can change it.
func managedPolicy(name, region, account string) string {
	return fmt.Sprintf(`{
  "Version" : "2012-10-17",
  "Id" : "auto-%[1]s-1",
  "Statement" : [ {
    "Sid" : "Allow access through %[1]s for all principals in the account that are authorized to use %[1]s",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "*"
    },
    "Action" : [ "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:DescribeKey" ],
    "Resource" : "*",
    "Condition" : {
      "StringEquals" : {
        "kms:CallerAccount" : "%[3]s",
        "kms:ViaService" : "%[1]s.%[2]s.amazonaws.com"
      }
    }
  }, {
    "Sid" : "Allow direct access to key metadata to the account",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "%[4]s"
    },
    "Action" : [ "kms:Describe*", "kms:Get*", "kms:List*" ],
    "Resource" : "*"
  } ]
}`, name, region, account, rootARN(account))
}

// ownedPolicy is the fixed policy of a service owned key: the service, acting as itself, and
// nobody else.
func ownedPolicy(name string) string {
	return fmt.Sprintf(`{
  "Version" : "2012-10-17",
  "Id" : "owned-%[1]s-1",
  "Statement" : [ {
    "Sid" : "Only the service itself",
    "Effect" : "Allow",
    "Principal" : {
      "Service" : "%[1]s.amazonaws.com"
    },
    "Action" : [ "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey" ],
    "Resource" : "*"
  } ]
}`, name)
}

// allowAllText stands for the identity-based policies that a caller has or can be given.
const allowAllText = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`

// setPolicy gives r, the record of the key at h, the policy that the caller of ctx asks for, or
// the default one. Everybody whom the policy names must exist; users and roles are bound to
// their unique ids. Unless bypass, a policy that would lock the caller out is refused.
func (s *Service) setPolicy(ctx context.Context, r *record, h home, text *string, bypass *bool) error {
	if text == nil {
		r.Policy, r.Bound = defaultPolicy(h.account), nil
		return nil
	}
	doc, err := policy.Parse([]byte(*text), policy.KeyPolicy)
	var syntax *policy.SyntaxError
	if errors.As(err, &syntax) {
		return api.MalformedPolicyDocumentException("%s", syntax.Message)
	}
	if err != nil {
		return err
	}
	bound, err := s.bindPolicy(ctx, doc)
	if err != nil {
		return err
	}
	if !wire.Val(bypass) {
		if err := s.checkLockOut(call.From(ctx), doc, h.arn()); err != nil {
			return err
		}
	}
	r.Policy, r.Bound = *text, bound
	return nil
}

// checkLockOut refuses a policy that does not let the caller call PutKeyPolicy again, and does
// not leave that to identity-based policies either.
func (s *Service) checkLockOut(c *call.Call, doc *policy.Document, arn string) error {
	who := names(c.Principal)
	d := policy.Decide(&policy.Request{
		Principal: &who, Action: "kms:PutKeyPolicy", Resource: arn, Context: &later{conditions{call: c}},
	}, &policy.Set{Identity: []*policy.Document{s.allowAll}, Resource: doc, RootOfTrust: true})
	if !d.Allowed {
		return api.MalformedPolicyDocumentException("The new key policy will not allow you to update the key policy in the future.")
	}
	return nil
}

// names returns a principal of an account under the names that policies know it by.
func names(p *identity.Principal) policy.Principal {
	who := policy.Principal{Account: p.Account, Root: p.Kind == identity.Root, ARNs: []string{p.ARN}, IDs: []string{p.ID}}
	if p.Kind == identity.Role && p.Session != nil {
		who.ARNs, who.IDs = append(who.ARNs, p.Session.RoleARN), append(who.IDs, p.Session.RoleID)
	}
	return who
}

// later is the context of the caller's next PutKeyPolicy, as far as it can be known now.
type later struct{ conditions }

// Value answers what will still hold.
func (l *later) Value(k string) policy.Values {
	switch p := l.call.Principal; k {
	case "aws:principalarn":
		if p.Kind == identity.Role && p.Session != nil {
			return policy.One(p.Session.RoleARN)
		}
		return policy.One(p.ARN)
	case "aws:principalaccount":
		return policy.One(p.Account)
	case "aws:userid":
		return policy.One(p.ID)
	}
	return l.conditions.Value(k)
}
