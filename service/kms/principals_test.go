package kms

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/wire"
)

// again is who was made under the name of somebody who was deleted.
func again(who *person) *person {
	p := *who.Principal
	p.ID = strings.Replace(p.ID, "AIDA", "AIDA999", 1)
	return &person{Principal: &p, set: who.set}
}

// TestPoliciesOfTheDeleted says that a key policy keeps the unique id of whom it names.
func TestPoliciesOfTheDeleted(t *testing.T) {
	h := open(t)
	bob := user(t, account, "bob")
	k := h.newKey(statement(`{"Effect":"Allow","Principal":{"AWS":["` + bob.ARN + `","arn:aws:iam::` + account + `:role/r"]},"Action":["kms:Encrypt","kms:GetKeyPolicy"],"Resource":"*"}`))
	in := &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x")}
	text := func() string {
		return *must[api.GetKeyPolicyOutput](h, bob, &api.GetKeyPolicyInput{KeyId: k.KeyId}).Policy
	}
	before := text()
	if !strings.Contains(before, `"AWS" : [ "`+bob.ARN+`", "arn:aws:iam::`) {
		t.Errorf("the policy is shown as %s", before)
	}
	second := again(bob)
	fails[api.EncryptOutput](h, second, in, "AccessDeniedException", "")
	h.room.Principals = everybody{bob.ARN: second.ID}
	if got, want := text(), strings.Replace(before, bob.ARN, bob.ID, 1); got != want {
		t.Errorf("with bob gone, the policy is shown as %s, want %s", got, want)
	}
	h.room.Principals = everybody{bob.ARN: ""}
	owner := admin(t)
	for name, principal := range map[string]string{"deleted": bob.ARN, "no service": "x"} {
		kind := "AWS"
		if name != "deleted" {
			kind, principal = "Service", "example.org"
		}
		in := &api.PutKeyPolicyInput{KeyId: k.KeyId, Policy: wire.Ptr(statement(`{"Effect":"Allow","Principal":{"` + kind + `":"` + principal + `"},"Action":"kms:Encrypt","Resource":"*"}`))}
		fails[api.PutKeyPolicyOutput](h, owner, in, "MalformedPolicyDocumentException", "Policy contains a statement with one or more invalid principals.")
		create := &api.CreateKeyInput{Policy: in.Policy, BypassPolicyLockoutSafetyCheck: wire.Ptr(true)}
		fails[api.CreateKeyOutput](h, owner, create, "MalformedPolicyDocumentException", "Policy contains a statement with one or more invalid principals.")
	}
	// The policy is bound to the second bob when it is put again.
	h.room.Principals = everybody{bob.ARN: second.ID}
	must[api.PutKeyPolicyOutput](h, owner, &api.PutKeyPolicyInput{KeyId: k.KeyId, Policy: &before})
	must[api.EncryptOutput](h, second, in)
	fails[api.EncryptOutput](h, bob, in, "AccessDeniedException", "")
}

// TestGrantsOfTheDeleted says the same of grants.
func TestGrantsOfTheDeleted(t *testing.T) {
	h := open(t)
	k, owner := h.newKey(), admin(t)
	bob, rita := user(t, account, "bob"), user(t, account, "rita")
	g := must[api.CreateGrantOutput](h, owner, &api.CreateGrantInput{
		KeyId: k.KeyId, GranteePrincipal: &bob.ARN, RetiringPrincipal: &rita.ARN, Operations: ops{"Encrypt", "RetireGrant"}, Name: wire.Ptr("n"),
	})
	in := &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x")}
	must[api.EncryptOutput](h, bob, in)
	h.room.Principals = everybody{bob.ARN: again(bob).ID, rita.ARN: again(rita).ID}
	fails[api.EncryptOutput](h, again(bob), in, "AccessDeniedException", "")
	for _, who := range []*person{again(bob), again(rita)} {
		fails[api.RetireGrantOutput](h, who, &api.RetireGrantInput{KeyId: k.KeyId, GrantId: g.GrantId}, "AccessDeniedException", "")
	}
	for filter, want := range map[string]int{bob.ARN: 0, bob.ID: 1} {
		got := must[api.ListGrantsOutput](h, owner, &api.ListGrantsInput{KeyId: k.KeyId, GranteePrincipal: &filter}).Grants
		if len(got) != want || want == 1 && (*got[0].GranteePrincipal != bob.ID || *got[0].RetiringPrincipal != rita.ID) {
			t.Errorf("grants of %s: %+v", filter, got)
		}
	}
	if got := must[api.ListRetirableGrantsOutput](h, owner, &api.ListRetirableGrantsInput{RetiringPrincipal: &rita.ARN}).Grants; len(got) != 0 {
		t.Errorf("the new rita may retire %+v", got)
	}
	same := must[api.CreateGrantOutput](h, owner, &api.CreateGrantInput{
		KeyId: k.KeyId, GranteePrincipal: &bob.ARN, RetiringPrincipal: &rita.ARN, Operations: ops{"Encrypt", "RetireGrant"}, Name: wire.Ptr("n"),
	})
	if *same.GrantId == *g.GrantId {
		t.Error("a grant to the new bob is the grant to the old one")
	}
}

// TestServiceParties says how grants name services, and that such a grant is bound to its source.
func TestServiceParties(t *testing.T) {
	h := open(t)
	k, owner := h.newKey(), admin(t)
	const workspace = "arn:aws:aps:eu-west-1:111122223333:workspace/ws-1"
	out := must[api.CreateGrantOutput](h, owner, &api.CreateGrantInput{
		KeyId: k.KeyId, GranteeServicePrincipal: wire.Ptr("aps.amazonaws.com"), RetiringServicePrincipal: wire.Ptr("aps.amazonaws.com"),
		Operations: ops{"Decrypt", "GenerateDataKey", "DescribeKey"}, Constraints: &api.GrantConstraints{SourceArn: wire.Ptr(workspace)},
	})
	service := asService("aps.amazonaws.com")
	use := &api.GenerateDataKeyInput{KeyId: k.Arn, KeySpec: "AES_256"}
	fails[api.GenerateDataKeyOutput](h, service, use, "AccessDeniedException", "")
	fails[api.GenerateDataKeyOutput](h, service.from(workspace+"2"), use, "AccessDeniedException", "")
	must[api.GenerateDataKeyOutput](h, service.from(workspace), use)
	must[api.DescribeKeyOutput](h, service.from(workspace), &api.DescribeKeyInput{KeyId: k.Arn})
	list := must[api.ListGrantsOutput](h, owner, &api.ListGrantsInput{KeyId: k.KeyId, GranteeServicePrincipal: wire.Ptr("aps.amazonaws.com")}).Grants
	if len(list) != 1 || *list[0].GranteeServicePrincipal != "aps.amazonaws.com" || list[0].GranteePrincipal != nil ||
		*list[0].RetiringServicePrincipal != "aps.amazonaws.com" || list[0].RetiringPrincipal != nil || *list[0].Constraints.SourceArn != workspace {
		t.Errorf("%+v", list)
	}
	if got := must[api.ListRetirableGrantsOutput](h, service, &api.ListRetirableGrantsInput{RetiringServicePrincipal: wire.Ptr("aps.amazonaws.com")}).Grants; len(got) != 1 {
		t.Errorf("the service may retire %+v", got)
	}
	fails[api.ListRetirableGrantsOutput](h, owner, &api.ListRetirableGrantsInput{RetiringServicePrincipal: wire.Ptr("aps.amazonaws.com")}, "AccessDeniedException", "")
	fails[api.ListRetirableGrantsOutput](h, owner, &api.ListRetirableGrantsInput{}, "ValidationException", "")
	must[api.RetireGrantOutput](h, service, &api.RetireGrantInput{KeyId: k.Arn, GrantId: out.GrantId})
	fails[api.GenerateDataKeyOutput](h, service.from(workspace), use, "AccessDeniedException", "")
}

func (c *person) from(source string) *person {
	copied := *c
	copied.source = source
	return &copied
}

// TestGrantStates says in which states a key takes grants (KMS developer guide, "Key states").
func TestGrantStates(t *testing.T) {
	h := open(t)
	k := h.newKey()
	for state, code := range map[api.KeyState]string{
		api.KeyStateEnabled: "", api.KeyStateUnavailable: "", api.KeyStateDisabled: "DisabledException",
		api.KeyStatePendingDeletion: "KMSInvalidStateException", api.KeyStatePendingImport: "KMSInvalidStateException",
	} {
		err := h.change(t.Context(), home{region, account, *k.KeyId}, func(_ storeTx, r *record) error {
			r.State = state
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.do(admin(t), "CreateGrant", grantInput(k, "Encrypt")).Err; code == "" && err != nil || code != "" && !wire.IsCode(err, code) {
			t.Errorf("%s: got %v, want %s", state, err, code)
		}
	}
}

func TestPrettyPolicy(t *testing.T) {
	got, err := prettyPolicy([]byte(`{"Version":"2012-10-17","Statement":[{"Sid":"<a>","Effect":"Allow","Principal":{"AWS":["x","y"]},"Action":[],`+
		`"Resource":"x","Condition":{"StringLike":{"x":"x"},"NumericEquals":{"n":1.50},"Null":{}}},{"NotPrincipal":{"AWS":"x"}}]}`), map[string]string{"x": "id"})
	const want = `{
  "Version" : "2012-10-17",
  "Statement" : [ {
    "Sid" : "<a>",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : [ "id", "y" ]
    },
    "Action" : [ ],
    "Resource" : "x",
    "Condition" : {
      "StringLike" : {
        "x" : "x"
      },
      "NumericEquals" : {
        "n" : 1.50
      },
      "Null" : { }
    }
  }, {
    "NotPrincipal" : {
      "AWS" : "id"
    }
  } ]
}`
	if err != nil || got != want {
		t.Errorf("got %s, %v", got, err)
	}
	for _, text := range []string{"", "{", `{"a":}`, `{}{}`, `[1`} {
		if got, err := prettyPolicy([]byte(text), nil); err == nil {
			t.Errorf("%q is printed as %q", text, got)
		}
	}
}

// FuzzPrettyPolicy checks that printing changes white space only.
func FuzzPrettyPolicy(f *testing.F) {
	f.Add(defaultPolicy(account))
	f.Add(statement(`{"Effect":"Deny","NotPrincipal":{"AWS":["*"]},"Action":[],"Resource":"*","Condition":{"Bool":{"a":true,"b":[1,2.5e3,null]}}}`))
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := policy.Parse([]byte(text), policy.KeyPolicy); err != nil {
			return
		}
		pretty, err := prettyPolicy([]byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		again, err := prettyPolicy([]byte(pretty), nil)
		if err != nil || again != pretty {
			t.Fatalf("printed twice: %q, %q, %v", pretty, again, err)
		}
		if _, err := policy.Parse([]byte(pretty), policy.KeyPolicy); err != nil && len(pretty) <= 32768 {
			t.Fatalf("%q: %v", pretty, err)
		}
		if !reflect.DeepEqual(decoded(t, text), decoded(t, pretty)) {
			t.Fatalf("%q became %q", text, pretty)
		}
	})
}

func decoded(t *testing.T, text string) (v any) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}
