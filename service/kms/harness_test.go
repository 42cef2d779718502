package kms

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/arn"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/test/memory"
	"github.com/strongroom/strongroom/wire"
)

const (
	region    = "eu-west-1"
	elsewhere = "us-east-1" // the house's other region
	account   = "111122223333"
	other     = "444455556666"
)

// testHouse is a key service with just enough of a house around it: callers with policies,
// and the part of the road between decode and record.
type testHouse struct {
	testing.TB
	*Service
	dir string
	db  store.DB

	wrapping map[string]parameters // by region and key
}

func open(t testing.TB) *testHouse { return openIn(t, t.TempDir()) }

func openIn(t testing.TB, dir string, change ...func(*service.Room)) *testHouse {
	t.Helper()
	db, err := store.OpenFile(dir, memory.Root{}, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	room := &service.Room{
		Regions: []string{region, elsewhere}, Store: db, Jobs: job.Open(db, log), Root: memory.Root{}, Log: log, Principals: everybody{},
	}
	for _, fn := range change {
		fn(room)
	}
	s, err := Open(t.Context(), room)
	if err != nil {
		t.Fatal(err)
	}
	h := &testHouse{TB: t, Service: s, dir: dir, db: db}
	t.Cleanup(h.shut)
	return h
}

func (h *testHouse) shut() {
	if h.db == nil {
		return
	}
	if err := errors.Join(h.Service.Service().Close(), h.db.Close()); err != nil {
		h.Error(err)
	}
	h.db = nil
}

// uniqueID is the id of a user or role in these tests.
func uniqueID(kind, acct, name string) string { return kind + acct + strings.ToUpper(name) }

// everybody is a directory in which everybody exists, but for those of the map: they have
// another unique id by now, or are no more when it is "".
type everybody map[string]string

func (e everybody) PrincipalID(_ context.Context, name string) (string, error) {
	if id, changed := e[name]; changed {
		if id == "" {
			return "", store.ErrNotFound
		}
		return id, nil
	}
	a, err := arn.Parse(name)
	if err != nil || a.Resource == "root" {
		return "", nil
	}
	who, session, isSession := strings.Cut(a.ResourceID(), "/")
	switch {
	case isSession && a.Service == "sts":
		return uniqueID("AROA", a.Account, who) + ":" + session, nil
	case a.ResourceType() == "role":
		return uniqueID("AROA", a.Account, who), nil
	}
	return uniqueID("AIDA", a.Account, who), nil
}

func (e everybody) PrincipalARN(_ context.Context, id string) (string, error) {
	kind := "user/"
	if strings.HasPrefix(id, "AROA") {
		kind = "role/"
	}
	name := "arn:aws:iam::" + id[4:16] + ":" + kind + strings.ToLower(id[16:])
	if _, changed := e[name]; changed {
		return "", store.ErrNotFound
	}
	return name, nil
}

// person is somebody who calls, through something, with policies.
type person struct {
	*identity.Principal
	via    string
	source string // aws:SourceArn
	region string
	set    policy.Set
}

const fullAccess = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*"}}`

func user(t testing.TB, acct, name string, policies ...string) *person {
	t.Helper()
	who := &person{Principal: &identity.Principal{
		Kind: identity.User, Account: acct, Name: name, ARN: "arn:aws:iam::" + acct + ":user/" + name, ID: uniqueID("AIDA", acct, name),
	}}
	for _, text := range policies {
		doc, err := policy.Parse([]byte(text), policy.Identity)
		if err != nil {
			t.Fatal(err)
		}
		who.set.Identity = append(who.set.Identity, doc)
	}
	return who
}

// admin is a user of the account who may do everything that key policies leave to users.
func admin(t testing.TB) *person { return user(t, account, "admin", fullAccess) }

func root(acct string) *person {
	return &person{Principal: &identity.Principal{Kind: identity.Root, Account: acct, ARN: rootARN(acct), ID: acct}}
}

// roleSession is a session of a role without policies.
func roleSession(acct, role string) *person {
	return &person{Principal: &identity.Principal{
		Kind: identity.Role, Account: acct, ARN: "arn:aws:sts::" + acct + ":assumed-role/" + role + "/s", ID: uniqueID("AROA", acct, role) + ":s",
		Session: &identity.Session{RoleARN: "arn:aws:iam::" + acct + ":role/" + role, RoleID: uniqueID("AROA", acct, role), RoleName: role, Name: "s"},
	}}
}

func asService(name string) *person { return &person{Principal: identity.ForService(name)} }

func (c *person) through(via string) *person {
	copied := *c
	copied.via = via
	return &copied
}

func (c *person) in(region string) *person {
	copied := *c
	copied.region = region
	return &copied
}

// do takes a call down the road, and returns the call with what came of it.
func (h *testHouse) do(who *person, operation string, in any) *call.Call {
	c := &call.Call{
		ID: "test", Time: time.Now(), Principal: who.Principal, Via: who.via, SourceARN: who.source, Region: region,
		Service: api.API, Op: api.API.Operation(operation), In: in,
	}
	if who.region != "" {
		c.Region = who.region
	}
	ctx := call.With(context.Background(), c)
	c.Err = h.road(ctx, who, c)
	return c
}

func (h *testHouse) road(ctx context.Context, who *person, c *call.Call) (err error) {
	if err := c.Op.Validate(c.In); err != nil {
		return err
	}
	if c.Target, err = h.Target(ctx, c); err != nil {
		return err
	}
	for i := range c.Target.Checks {
		if err := decide(who, c, &c.Target.Checks[i]); err != nil {
			return err
		}
	}
	c.Out, err = c.Op.Invoke(ctx, h.Service, c.In)
	return err
}

// decide decides a check as the gateway does.
func decide(who *person, c *call.Call, check *call.Check) error {
	p := names(who.Principal)
	if who.Kind == identity.Service {
		name, _ := serviceOf(who.Name)
		p = policy.Principal{Service: who.Name, ServiceNames: []string{name + "." + c.Region + ".amazonaws.com"}}
	}
	set := who.set
	set.Resource, set.RootOfTrust, set.Granted, set.GrantID = check.Policy, check.RootOfTrust, check.GrantID != "", check.GrantID
	if check.Account != who.Account {
		set.ResourceAccount = check.Account
	}
	d := policy.Decide(&policy.Request{Principal: &p, Action: check.Action, Resource: check.Resource, Context: check.Conditions}, &set)
	c.Decision = &d
	switch {
	case d.Allowed:
		return nil
	case check.Hide != nil:
		return check.Hide
	}
	return wire.Errorf("AccessDeniedException", 400, "refused: %s", check.Action)
}

// run is do for the output.
func run[O any](h *testHouse, who *person, in any) (*O, error) {
	h.Helper()
	c := h.do(who, operationOf[O](), in)
	if c.Err != nil {
		return nil, c.Err
	}
	return c.Out.(*O), nil
}

// must is run for what must be allowed.
func must[O any](h *testHouse, who *person, in any) *O {
	h.Helper()
	out, err := run[O](h, who, in)
	if err != nil {
		h.Fatalf("%s: %v", operationOf[O](), err)
	}
	return out
}

// fails checks that a call ends with an error of this code, and with this message unless
// that is "".
func fails[O any](h *testHouse, who *person, in any, code, message string) {
	h.Helper()
	_, err := run[O](h, who, in)
	var e *wire.Error
	if !errors.As(err, &e) {
		h.Errorf("%s: got %v, want %s", operationOf[O](), err, code)
		return
	}
	if e.Code != code || message != "" && e.Message != message {
		h.Errorf("%s: got %v, want %s: %s", operationOf[O](), e, code, message)
	}
}

// newKey makes a key of the account with its default policy, or the one given.
func (h *testHouse) newKey(policies ...string) *api.KeyMetadata {
	h.Helper()
	in := &api.CreateKeyInput{}
	if len(policies) > 0 {
		in.Policy, in.BypassPolicyLockoutSafetyCheck = &policies[0], wire.Ptr(true)
	}
	return must[api.CreateKeyOutput](h, admin(h), in).KeyMetadata
}

func (h *testHouse) encrypt(who *person, key *string, context map[string]string) []byte {
	h.Helper()
	return must[api.EncryptOutput](h, who, &api.EncryptInput{KeyId: key, Plaintext: []byte("hello"), EncryptionContext: context}).CiphertextBlob
}
func operationOf[O any]() string {
	return strings.TrimSuffix(reflect.TypeFor[O]().Name(), "Output")
}

// inputName returns the operation that takes in.
func inputName(in any) string {
	return strings.TrimSuffix(reflect.TypeOf(in).Elem().Name(), "Input")
}

type storeTx = store.Tx
