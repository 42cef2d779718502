package kms

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

type ops = []api.GrantOperation

// TestGrantAllows is K1: one key, one grantee, the listed operations, the constraint, and no more.
func TestGrantAllows(t *testing.T) {
	h := open(t)
	k, spare := h.newKey(), h.newKey()
	app := roleSession(account, "app")
	in := &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x"), EncryptionContext: pairs{"Tenant": "7"}}
	fails[api.EncryptOutput](h, app, in, "AccessDeniedException", "")
	must[api.CreateGrantOutput](h, admin(t), &api.CreateGrantInput{
		KeyId: k.KeyId, GranteePrincipal: wire.Ptr(app.Session.RoleARN), Operations: ops{"Encrypt", "Decrypt", "DescribeKey"},
		Constraints: &api.GrantConstraints{EncryptionContextSubset: pairs{"tenant": "7"}, EncryptionContextEquals: pairs{}}, // as Terraform sends it
	})
	blob := must[api.EncryptOutput](h, app, in).CiphertextBlob
	must[api.DecryptOutput](h, app, &api.DecryptInput{CiphertextBlob: blob, EncryptionContext: pairs{"Tenant": "7"}})
	must[api.DescribeKeyOutput](h, app, &api.DescribeKeyInput{KeyId: k.KeyId})
	c := h.do(app, "Encrypt", in)
	if c.Decision.Reason != policy.AllowedByGrant || c.Target.Checks[0].GrantID == "" {
		t.Errorf("%+v", c.Decision)
	}
	for name, bad := range map[string]*api.EncryptInput{
		"no context":    {KeyId: k.KeyId, Plaintext: []byte("x")},
		"other value":   {KeyId: k.KeyId, Plaintext: []byte("x"), EncryptionContext: pairs{"tenant": "8"}},
		"another key":   {KeyId: spare.KeyId, Plaintext: []byte("x"), EncryptionContext: pairs{"tenant": "7"}},
		"empty context": {KeyId: k.KeyId, Plaintext: []byte("x"), EncryptionContext: pairs{}},
	} {
		t.Run(name, func(t *testing.T) { fails[api.EncryptOutput](h, app, bad, "AccessDeniedException", "") })
	}
	fails[api.GenerateDataKeyOutput](h, app, &api.GenerateDataKeyInput{KeyId: k.KeyId, KeySpec: "AES_256", EncryptionContext: pairs{"tenant": "7"}}, "AccessDeniedException", "")
	fails[api.EncryptOutput](h, roleSession(account, "app2"), in, "AccessDeniedException", "")
	fails[api.EncryptOutput](h, roleSession(other, "app"), in, "NotFoundException", "")
	denied := user(t, account, "app")
	denied.Principal = app.Principal
	denied.set = user(t, account, "d", `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"kms:Encrypt","Resource":"*"}}`).set
	fails[api.EncryptOutput](h, denied, in, "AccessDeniedException", "")
}

// TestGranteeNames says under which names grants find their grantee.
func TestGranteeNames(t *testing.T) {
	h := open(t)
	session := roleSession(account, "r")
	for name, c := range map[string]struct {
		grantee string
		who     *person
	}{
		"user": {"arn:aws:iam::" + account + ":user/u", user(t, account, "u")}, "role": {session.Session.RoleARN, session}, "session": {session.ARN, session},
		"root of another account": {rootARN(other), root(other)}, "user of another account": {"arn:aws:iam::" + other + ":user/u", user(t, other, "u")},
		"service": {"logs.amazonaws.com", asService("logs.amazonaws.com")}, "service in a region": {"logs." + region + ".amazonaws.com", asService("logs.amazonaws.com")},
	} {
		k := h.newKey()
		in := &api.GenerateDataKeyInput{KeyId: k.Arn, KeySpec: "AES_256"}
		if _, err := run[api.GenerateDataKeyOutput](h, c.who, in); err == nil {
			t.Errorf("%s: allowed without a grant", name)
		}
		must[api.CreateGrantOutput](h, admin(t), &api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: &c.grantee, Operations: ops{"GenerateDataKey"}})
		if _, err := run[api.GenerateDataKeyOutput](h, c.who, in); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	k := h.newKey()
	must[api.CreateGrantOutput](h, admin(t), &api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: wire.Ptr(rootARN(other)), Operations: ops{"GenerateDataKey"}})
	fails[api.GenerateDataKeyOutput](h, user(t, other, "u", fullAccess), &api.GenerateDataKeyInput{KeyId: k.Arn, KeySpec: "AES_256"}, "AccessDeniedException", "")
}

func TestGrantRefusals(t *testing.T) {
	h := open(t)
	h.room.Principals = everybody{"arn:aws:iam::" + account + ":user/nobody": ""}
	k := h.newKey()
	g := wire.Ptr(rootARN(other))
	nine := pairs{}
	for _, s := range strings.Split("a b c d e f g h i", " ") {
		nine[s] = s
	}
	for name, c := range map[string]struct {
		in   api.CreateGrantInput
		code string
	}{
		"operation of other keys": {api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: g, Operations: ops{"Sign"}}, "ValidationException"},
		"unknown operation":       {api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: g, Operations: ops{"DisableKey"}}, "ValidationException"},
		"no operations":           {api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: g, Operations: ops{}}, "ValidationException"},
		"grantee":                 {api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: wire.Ptr("bob"), Operations: ops{"Encrypt"}}, ""},
		"wildcard":                {api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: wire.Ptr("arn:aws:iam::" + account + ":user/*"), Operations: ops{"Encrypt"}}, ""},
		"retiring":                {api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: g, RetiringPrincipal: wire.Ptr("arn:aws:s3:::b"), Operations: ops{"Encrypt"}}, "InvalidArnException"},
		"nine pairs":              {api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: g, Operations: ops{"Encrypt"}, Constraints: &api.GrantConstraints{EncryptionContextEquals: nine}}, "ValidationException"},
		"empty constraint":        {api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: g, Operations: ops{"Encrypt"}, Constraints: &api.GrantConstraints{EncryptionContextEquals: pairs{}}}, "ValidationException"},
		"key in two cases":        {api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: g, Operations: ops{"Encrypt"}, Constraints: &api.GrantConstraints{EncryptionContextSubset: pairs{"a": "1", "A": "1"}}}, "ValidationException"},
		"long constraint":         {api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: g, Operations: ops{"Encrypt"}, Constraints: &api.GrantConstraints{EncryptionContextSubset: pairs{"a": strings.Repeat("x", 384)}}}, "ValidationException"},
		"nobody":                  {api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: wire.Ptr("arn:aws:iam::" + account + ":user/nobody"), Operations: ops{"Encrypt"}}, "InvalidArnException"},
		"nobody retires":          {api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: g, RetiringPrincipal: wire.Ptr("arn:aws:iam::" + account + ":user/nobody"), Operations: ops{"Encrypt"}}, "InvalidArnException"},
		"no grantee":              {api.CreateGrantInput{KeyId: k.KeyId, Operations: ops{"Encrypt"}}, "ValidationException"},
		"two grantees":            {api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: g, GranteeServicePrincipal: wire.Ptr("s3.amazonaws.com"), Operations: ops{"Encrypt"}}, "ValidationException"},
		"service without source":  {api.CreateGrantInput{KeyId: k.KeyId, GranteeServicePrincipal: wire.Ptr("s3.amazonaws.com"), RetiringPrincipal: g, Operations: ops{"Encrypt"}}, "ValidationException"},
		"service, none retires":   {api.CreateGrantInput{KeyId: k.KeyId, GranteeServicePrincipal: wire.Ptr("s3.amazonaws.com"), Operations: ops{"Encrypt"}, Constraints: &api.GrantConstraints{SourceArn: wire.Ptr("arn:aws:s3:::some-bucket")}}, "ValidationException"},
		"no service":              {api.CreateGrantInput{KeyId: k.KeyId, GranteeServicePrincipal: g, RetiringPrincipal: g, Operations: ops{"Encrypt"}, Constraints: &api.GrantConstraints{SourceArn: wire.Ptr("arn:aws:s3:::some-bucket")}}, "ValidationException"},
		"wild source":             {api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: g, Operations: ops{"Encrypt"}, Constraints: &api.GrantConstraints{SourceArn: wire.Ptr("arn:aws:s3:::some-bucket-*")}}, "InvalidArnException"},
		"no key":                  {api.CreateGrantInput{KeyId: wire.Ptr(newKeyID()), GranteePrincipal: g, Operations: ops{"Encrypt"}}, "NotFoundException"},
	} {
		if _, err := run[api.CreateGrantOutput](h, admin(t), &c.in); err == nil || c.code != "" && !wire.IsCode(err, c.code) {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
}

// TestGrantNames says that a request with a name can be repeated, and one without makes a
// new grant each time.
func TestGrantNames(t *testing.T) {
	h := open(t)
	k := h.newKey()
	make := func(name *string, operations ...api.GrantOperation) *api.CreateGrantOutput {
		return must[api.CreateGrantOutput](h, admin(t), &api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: wire.Ptr(rootARN(other)), Operations: operations, Name: name})
	}
	n := wire.Ptr("name")
	a, b := make(n, "Encrypt", "Decrypt"), make(n, "Decrypt", "Encrypt", "Decrypt")
	if *a.GrantId != *b.GrantId || *a.GrantToken == *b.GrantToken || len(*a.GrantId) != 64 {
		t.Errorf("%v and %v", *a.GrantId, *b.GrantId)
	}
	if c := make(n, "Encrypt"); *c.GrantId == *a.GrantId {
		t.Error("other operations, same grant")
	}
	if x, y := make(nil, "Encrypt"), make(nil, "Encrypt"); *x.GrantId == *y.GrantId {
		t.Error("no name, same grant")
	}
	must[api.RevokeGrantOutput](h, admin(t), &api.RevokeGrantInput{KeyId: k.KeyId, GrantId: a.GrantId})
	if d := make(n, "Encrypt", "Decrypt"); *d.GrantId == *a.GrantId {
		t.Error("a revoked grant came back")
	}
}

func TestListGrants(t *testing.T) {
	h := open(t)
	k := h.newKey()
	var ids []string
	for i, grantee := range []string{rootARN(other), rootARN(other), "aps." + region + ".amazonaws.com"} {
		out := must[api.CreateGrantOutput](h, admin(t), &api.CreateGrantInput{
			KeyId: k.KeyId, GranteePrincipal: &grantee, RetiringPrincipal: wire.Ptr(rootARN(account)), Operations: ops{"GenerateDataKey", "Decrypt"},
			Constraints: &api.GrantConstraints{EncryptionContextEquals: pairs{"n": string(rune('a' + i))}}, Name: wire.Ptr("g"),
		})
		ids = append(ids, *out.GrantId)
	}
	slices.Sort(ids)
	all := must[api.ListGrantsOutput](h, admin(t), &api.ListGrantsInput{KeyId: k.KeyId}).Grants
	if len(all) != 3 || *all[0].GrantId != ids[0] || *all[0].KeyId != *k.Arn || *all[0].IssuingAccount != rootARN(account) || *all[0].Name != "g" ||
		*all[0].RetiringPrincipal != rootARN(account) || all[0].CreationDate == nil || len(all[0].Constraints.EncryptionContextEquals) != 1 ||
		!slices.Equal(all[0].Operations, ops{"Decrypt", "GenerateDataKey"}) {
		t.Errorf("%+v", all)
	}
	page := must[api.ListGrantsOutput](h, admin(t), &api.ListGrantsInput{KeyId: k.KeyId, Limit: wire.Ptr[int32](2)})
	rest := must[api.ListGrantsOutput](h, admin(t), &api.ListGrantsInput{KeyId: k.KeyId, Limit: wire.Ptr[int32](2), Marker: page.NextMarker})
	if len(page.Grants) != 2 || !*page.Truncated || len(rest.Grants) != 1 || *rest.Truncated || *rest.Grants[0].GrantId != ids[2] {
		t.Errorf("%+v then %+v", page, rest)
	}
	if got := must[api.ListGrantsOutput](h, admin(t), &api.ListGrantsInput{KeyId: k.KeyId, GranteePrincipal: wire.Ptr(rootARN(other))}).Grants; len(got) != 2 {
		t.Errorf("by grantee: %d", len(got))
	}
	if got := must[api.ListGrantsOutput](h, admin(t), &api.ListGrantsInput{KeyId: k.KeyId, GrantId: &ids[1]}).Grants; len(got) != 1 || *got[0].GrantId != ids[1] {
		t.Errorf("by id: %+v", got)
	}
	fails[api.ListGrantsOutput](h, admin(t), &api.ListGrantsInput{KeyId: k.KeyId, GrantId: wire.Ptr("none")}, "NotFoundException", "")
	retirable := must[api.ListRetirableGrantsOutput](h, admin(t), &api.ListRetirableGrantsInput{RetiringPrincipal: wire.Ptr(rootARN(account))}).Grants
	if len(retirable) != 3 || *retirable[0].KeyId != *k.Arn {
		t.Errorf("retirable: %+v", retirable)
	}
	fails[api.ListRetirableGrantsOutput](h, admin(t), &api.ListRetirableGrantsInput{RetiringPrincipal: wire.Ptr(rootARN(other))}, "AccessDeniedException", "")
	must[api.RevokeGrantOutput](h, admin(t), &api.RevokeGrantInput{KeyId: k.KeyId, GrantId: &ids[0]})
	fails[api.RevokeGrantOutput](h, admin(t), &api.RevokeGrantInput{KeyId: k.KeyId, GrantId: &ids[0]}, "NotFoundException", "")
	if got := must[api.ListRetirableGrantsOutput](h, admin(t), &api.ListRetirableGrantsInput{RetiringPrincipal: wire.Ptr(rootARN(account))}).Grants; len(got) != 2 {
		t.Errorf("retirable after revoking: %d", len(got))
	}
}

// TestRetireGrant is K2: the grant decides who may retire it.
func TestRetireGrant(t *testing.T) {
	h := open(t)
	k := h.newKey()
	retire := func(who *person, retiring *string, operations ...api.GrantOperation) error {
		t.Helper()
		out := must[api.CreateGrantOutput](h, admin(t), &api.CreateGrantInput{
			KeyId: k.KeyId, GranteePrincipal: wire.Ptr("arn:aws:iam::" + other + ":user/grantee"), RetiringPrincipal: retiring, Operations: operations,
		})
		_, byToken := run[api.RetireGrantOutput](h, who, &api.RetireGrantInput{GrantToken: out.GrantToken, DryRun: wire.Ptr(true)})
		_, byID := run[api.RetireGrantOutput](h, who, &api.RetireGrantInput{KeyId: k.Arn, GrantId: out.GrantId})
		if wire.IsCode(byToken, "DryRunOperationException") != (byID == nil) {
			t.Errorf("by token %v, by id %v", byToken, byID)
		}
		return byID
	}
	retirer := wire.Ptr("arn:aws:iam::" + account + ":user/retirer")
	for name, c := range map[string]struct {
		who      *person
		retiring *string
		ops      ops
		want     bool
	}{
		"retiring principal":                    {user(t, account, "retirer"), retirer, ops{"Encrypt"}, true},
		"somebody with kms:*":                   {admin(t), retirer, ops{"Encrypt"}, false},
		"grantee without permission":            {user(t, other, "grantee", fullAccess), retirer, ops{"Encrypt"}, false},
		"grantee with permission":               {user(t, other, "grantee"), nil, ops{"Encrypt", "RetireGrant"}, true},
		"root of the key's account":             {root(account), nil, ops{"Encrypt"}, true},
		"root of the grantee's account":         {root(other), nil, ops{"Encrypt"}, false},
		"retiring account, delegated by IAM":    {admin(t), wire.Ptr(rootARN(account)), ops{"Encrypt"}, true},
		"retiring account, nothing in IAM":      {user(t, account, "x"), wire.Ptr(rootARN(account)), ops{"Encrypt"}, false},
		"other retiring account, delegated":     {user(t, other, "y", fullAccess), wire.Ptr(rootARN(other)), ops{"Encrypt"}, true},
		"other retiring account, not delegated": {user(t, other, "y"), wire.Ptr(rootARN(other)), ops{"Encrypt"}, false},
		"retiring principal, denied by IAM":     {user(t, account, "retirer", `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"kms:RetireGrant","Resource":"*"}}`), retirer, ops{"Encrypt"}, false},
		"a stranger":                            {user(t, "777788889999", "z", fullAccess), nil, ops{"Encrypt"}, false},
	} {
		err := retire(c.who, c.retiring, c.ops...)
		if c.want && err != nil || !c.want && !wire.IsCode(err, "AccessDeniedException") {
			t.Errorf("%s: %v", name, err)
		}
	}
	fails[api.RetireGrantOutput](h, admin(t), &api.RetireGrantInput{}, "ValidationException", "")
	fails[api.RetireGrantOutput](h, admin(t), &api.RetireGrantInput{GrantToken: wire.Ptr("x")}, "InvalidGrantTokenException", "")
	fails[api.RetireGrantOutput](h, admin(t), &api.RetireGrantInput{KeyId: k.KeyId, GrantId: wire.Ptr("none")}, "NotFoundException", "")
}

// TestGrantThroughGrant says that who may make grants only by a grant can give on no more
// than that grant gives.
func TestGrantThroughGrant(t *testing.T) {
	h := open(t)
	k := h.newKey()
	middle := user(t, account, "middle")
	must[api.CreateGrantOutput](h, admin(t), &api.CreateGrantInput{
		KeyId: k.KeyId, GranteePrincipal: &middle.ARN, Operations: ops{"CreateGrant", "Encrypt"},
		Constraints: &api.GrantConstraints{EncryptionContextSubset: pairs{"p": "1"}},
	})
	give := func(constraint *api.GrantConstraints, operations ...api.GrantOperation) error {
		return h.do(middle, "CreateGrant", &api.CreateGrantInput{
			KeyId: k.KeyId, GranteePrincipal: wire.Ptr(rootARN(other)), Operations: operations, Constraints: constraint,
		}).Err
	}
	strict := &api.GrantConstraints{EncryptionContextSubset: pairs{"P": "1", "q": "2"}}
	if err := give(strict, "Encrypt"); err != nil {
		t.Error(err)
	}
	if err := give(&api.GrantConstraints{EncryptionContextEquals: pairs{"p": "1"}}, "Encrypt", "CreateGrant"); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"more operations":  give(strict, "Encrypt", "Decrypt"),
		"no constraint":    give(nil, "Encrypt"),
		"other constraint": give(&api.GrantConstraints{EncryptionContextSubset: pairs{"q": "2"}}, "Encrypt"),
	} {
		if !wire.IsCode(err, "AccessDeniedException") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGrantTokens(t *testing.T) {
	h := open(t)
	k, spare := h.newKey(), h.newKey()
	app := user(t, account, "app")
	out := must[api.CreateGrantOutput](h, admin(t), &api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: &app.ARN, Operations: ops{"Encrypt"}})
	use := func(key *string, token string) error {
		return h.do(app, "Encrypt", &api.EncryptInput{KeyId: key, Plaintext: []byte("x"), GrantTokens: []string{token}}).Err
	}
	if err := use(k.KeyId, *out.GrantToken); err != nil {
		t.Error(err)
	}
	if err := use(spare.KeyId, *out.GrantToken); !wire.IsCode(err, "InvalidGrantTokenException") {
		t.Errorf("token of another key: %v", err)
	}
	// Of a key of another account, a wrong token tells no more than that the ARN is another.
	stranger := user(t, other, "stranger", fullAccess)
	for name, key := range map[string]string{"key": *spare.Arn, "none": home{region, account, newKeyID()}.arn()} {
		in := &api.EncryptInput{KeyId: &key, Plaintext: []byte("x"), GrantTokens: []string{*out.GrantToken}}
		t.Run("another account's "+name, func(t *testing.T) {
			fails[api.EncryptOutput](h, stranger, in, "InvalidGrantTokenException", "Invalid grant token")
		})
	}
	if err := h.alias(spare, "alias/spare"); err != nil {
		t.Fatal(err)
	}
	for _, alias := range []string{"alias/spare", "alias/none"} {
		in := &api.EncryptInput{KeyId: wire.Ptr(aliasARN(region, account, alias)), Plaintext: []byte("x"), GrantTokens: []string{*out.GrantToken}}
		fails[api.EncryptOutput](h, stranger, in, "AccessDeniedException", "")
	}
	blob := h.encrypt(admin(t), spare.KeyId, nil)
	fails[api.DecryptOutput](h, stranger, &api.DecryptInput{CiphertextBlob: blob, GrantTokens: []string{*out.GrantToken}}, "AccessDeniedException", "")
	fails[api.DecryptOutput](h, app, &api.DecryptInput{CiphertextBlob: blob, GrantTokens: []string{*out.GrantToken}}, "InvalidGrantTokenException", "")
	// ReEncrypt takes tokens of either of its keys.
	reEncrypt := &api.ReEncryptInput{CiphertextBlob: blob, DestinationKeyId: k.KeyId, GrantTokens: []string{*out.GrantToken}}
	must[api.ReEncryptOutput](h, admin(t), reEncrypt)
	forged := []byte(*out.GrantToken)
	forged[len(forged)/2] ^= 1
	if err := use(k.KeyId, string(forged)); !wire.IsCode(err, "InvalidGrantTokenException") {
		t.Errorf("forged: %v", err)
	}
	fails[api.EncryptOutput](h, user(t, account, "thief"), &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x"), GrantTokens: []string{*out.GrantToken}}, "AccessDeniedException", "")
	must[api.RevokeGrantOutput](h, admin(t), &api.RevokeGrantInput{KeyId: k.KeyId, GrantId: out.GrantId})
	if err := use(k.KeyId, *out.GrantToken); !wire.IsCode(err, "AccessDeniedException") {
		t.Errorf("token of a revoked grant: %v", err)
	}
}

// TestGrantLimit says that a key may have so many grants and no more, and that one which is revoked makes room.
func TestGrantLimit(t *testing.T) {
	h := open(t)
	k, who := h.newKey(), admin(t)
	at := home{region, account, *k.KeyId}
	err := h.update(h.Context(), func(tx store.Tx) error {
		return tx.Put([]byte(at.path(countTag)), []byte(strconv.Itoa(maxGrants-1))) // as if they were there
	})
	if err != nil {
		t.Fatal(err)
	}
	in := &api.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: wire.Ptr(rootARN(other)), Operations: ops{"Encrypt"}}
	last := must[api.CreateGrantOutput](h, who, in)
	fails[api.CreateGrantOutput](h, who, in, "LimitExceededException", "")
	must[api.RevokeGrantOutput](h, who, &api.RevokeGrantInput{KeyId: k.KeyId, GrantId: last.GrantId})
	must[api.CreateGrantOutput](h, who, in)
}

// TestManyGrants says that a key goes on in the same way when it has more grants than are kept with it.
func TestManyGrants(t *testing.T) {
	h := open(t)
	k, app := h.newKey(), user(t, account, "app")
	use := func(n int) error {
		return h.do(app, "Encrypt", &api.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x"), EncryptionContext: pairs{"n": strconv.Itoa(n)}}).Err
	}
	pass := func(n int) error {
		return h.do(app, "CreateGrant", &api.CreateGrantInput{
			KeyId: k.KeyId, GranteePrincipal: &app.ARN, Operations: ops{"Encrypt"}, DryRun: wire.Ptr(true),
			Constraints: &api.GrantConstraints{EncryptionContextEquals: pairs{"n": strconv.Itoa(n)}},
		}).Err
	}
	var ids []*string
	for i := range maxRules + 2 {
		out := must[api.CreateGrantOutput](h, admin(t), &api.CreateGrantInput{
			KeyId: k.KeyId, GranteePrincipal: &app.ARN, Operations: ops{"Encrypt", "CreateGrant"},
			Constraints: &api.GrantConstraints{EncryptionContextEquals: pairs{"n": strconv.Itoa(i)}},
		})
		ids = append(ids, out.GrantId)
		if i != 0 && i < maxRules-1 {
			continue
		}
		for _, n := range []int{0, i} {
			if err := use(n); err != nil {
				t.Errorf("of %d grants, using %d: %v", i+1, n, err)
			}
			if err := pass(n); !wire.IsCode(err, "DryRunOperationException") {
				t.Errorf("of %d grants, passing %d on: %v", i+1, n, err)
			}
		}
		for _, err := range []error{use(i + 1), pass(i + 1)} {
			if !wire.IsCode(err, "AccessDeniedException") {
				t.Errorf("of %d grants, one more: %v", i+1, err)
			}
		}
	}
	for i, id := range ids {
		must[api.RevokeGrantOutput](h, admin(t), &api.RevokeGrantInput{KeyId: k.KeyId, GrantId: id})
		if err := use(i); !wire.IsCode(err, "AccessDeniedException") {
			t.Errorf("using the revoked grant %d: %v", i, err)
		}
	}
}
