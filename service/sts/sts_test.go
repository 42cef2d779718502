package sts

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/sts"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/sigv4"
	"github.com/strongroom/strongroom/wire"
)

var testKey = secret.FromString("0123456789abcdef0123456789abcdef")

func TestTokens(t *testing.T) {
	want := &claims{
		Owner: "AROAEXAMPLE", Name: "work", Issued: 1, Expires: 2, MFA: true, SourceIdentity: "bob", Policy: `{"a":"b"}`,
		PolicyARNs: []string{"x"}, Tags: map[string]string{"k": "v"}, Transitive: []string{"k"}, Secret: "secret",
	}
	token, err := sealToken(testKey, "ASIA1", want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := openToken(testKey, "ASIA1", token)
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("got %v %v", got, err)
	}
	again, err := sealToken(testKey, "ASIA1", want)
	if err != nil || again == token {
		t.Error("two tokens are the same")
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		raw[i] ^= 1
		if _, err := openToken(testKey, "ASIA1", base64.RawURLEncoding.EncodeToString(raw)); !errors.Is(err, errToken) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
		raw[i] ^= 1
	}
	for name, c := range map[string]struct {
		key       secret.Bytes
		id, token string
	}{
		"another access key": {testKey, "ASIA2", token},
		"another secret":     {secret.FromString("0123456789abcdef0123456789abcdeX"), "ASIA1", token},
		"empty":              {testKey, "ASIA1", ""},
		"short":              {testKey, "ASIA1", token[:40]},
		"cut":                {testKey, "ASIA1", token[:len(token)-1]},
		"longer":             {testKey, "ASIA1", token + "AAAA"},
		"too long":           {testKey, "ASIA1", strings.Repeat("A", maxToken+1)},
		"not base64":         {testKey, "ASIA1", "!" + token[1:]},
		"with a line break":  {testKey, "ASIA1", token + "\n"},
	} {
		if _, err := openToken(c.key, c.id, c.token); !errors.Is(err, errToken) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzOpenToken(f *testing.F) {
	token, err := sealToken(testKey, "ASIA1", &claims{Owner: "AROAEXAMPLE", Secret: "s"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("ASIA1", token)
	f.Add("ASIA1", "")
	f.Add("", "AQ")
	f.Fuzz(func(t *testing.T, id, text string) {
		c, err := openToken(testKey, id, text)
		// Another process of the same run may have sealed it: with this key, but at another time.
		if err == nil && (id != "ASIA1" || c.Owner != "AROAEXAMPLE" || c.Secret != "s") {
			t.Errorf("%q %q opened as %+v", id, text, c)
		}
	})
}

func TestKeyIDs(t *testing.T) {
	for _, account := range []string{"100000000000", "999999999999", "123456789012", "000000000001"} {
		id, err := newKeyID(account)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := accountIn(id); !ok || got != account || len(id) != 20 || !isSession(id) {
			t.Errorf("%s: %s is of %s", account, id, got)
		}
	}
	for _, id := range []string{"ASIA", "ASIAAAAAAAAAAAAAAAA", "ASIA7777777777777777", "ASIA!!!!!!!!!!!!!!!!"} {
		if got, ok := accountIn(id); ok {
			t.Errorf("%s is of %s", id, got)
		}
	}
	if _, err := newKeyID("no account"); err == nil {
		t.Error("a word is an account")
	}
}

func FuzzAccountIn(f *testing.F) {
	f.Add("ASIA7777777777777777")
	f.Fuzz(func(t *testing.T, id string) {
		if account, ok := accountIn(id); ok && len(account) != 12 {
			t.Errorf("%q is of %q", id, account)
		}
	})
}

// root is a root key of tests.
type root struct{}

func (root) Wrap(string, []byte) ([]byte, error)   { return nil, errors.ErrUnsupported }
func (root) Unwrap(string, []byte) ([]byte, error) { return nil, errors.ErrUnsupported }
func (root) Derive(string) secret.Bytes            { return testKey }

// directory knows one role.
type directory struct {
	Directory
	owner *identity.Owner
	set   *policy.Set
}

func (d *directory) Owner(_ context.Context, id string) (*identity.Owner, error) {
	if d.owner == nil || d.owner.ID != id {
		return nil, sigv4.ErrUnknownKey
	}
	return d.owner, nil
}

func (d *directory) Policies(context.Context, *identity.Principal) (*policy.Set, error) {
	return d.set, nil
}

func newService(t *testing.T) (*Service, *directory) {
	t.Helper()
	d := &directory{set: &policy.Set{}, owner: &identity.Owner{
		Kind: identity.Role, Account: "111122223333", ID: "AROAEXAMPLE", Name: "Reader",
		ARN: "arn:aws:iam::111122223333:role/app/Reader", Tags: map[string]string{"Team": "role", "Site": "x"},
	}}
	s := &Service{dir: d}
	if err := s.sessions.open(root{}); err != nil {
		t.Fatal(err)
	}
	return s, d
}

// issued makes a session that ends in a while.
func issued(t *testing.T, s *Service, id string, ends time.Duration) string {
	t.Helper()
	token, err := sealToken(s.key, id, &claims{
		Owner: "AROAEXAMPLE", Name: "work", Secret: "secret of " + id, Expires: time.Now().Add(ends).Unix(),
		Tags: map[string]string{"team": "session"}, Transitive: []string{"team"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestSessions(t *testing.T) {
	s, d := newService(t)
	ctx := t.Context()
	token := issued(t, s, "ASIA1", time.Hour)
	for range 2 { // sealed, then from memory
		key, err := s.SecretKey(ctx, "ASIA1", token)
		if err != nil || string(key.Reveal()) != "secret of ASIA1" {
			t.Fatalf("got %v", err)
		}
	}
	for name, wrong := range map[string]string{"none": "", "another's": issued(t, s, "ASIA2", time.Hour), "cut": token[:len(token)-2]} {
		if _, err := s.SecretKey(ctx, "ASIA1", wrong); !errors.Is(err, sigv4.ErrBadToken) {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := s.Principal(ctx, "ASIA1", wrong); !errors.Is(err, sigv4.ErrBadToken) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	over := issued(t, s, "ASIA3", -time.Second)
	for range 2 {
		if _, err := s.SecretKey(ctx, "ASIA3", over); !errors.Is(err, sigv4.ErrExpiredToken) {
			t.Errorf("over: got %v", err)
		}
	}
	who, err := s.Principal(ctx, "ASIA1", token)
	if err != nil || who.ARN != "arn:aws:sts::111122223333:assumed-role/Reader/work" || who.ID != "AROAEXAMPLE:work" || who.Session.RoleARN != d.owner.ARN {
		t.Fatalf("got %+v %v", who, err)
	}
	if fmt.Sprint(who.Tags) != "map[Site:x team:session]" {
		t.Errorf("got %v", who.Tags)
	}
	d.owner = nil
	if _, err := s.Principal(ctx, "ASIA1", token); !errors.Is(err, sigv4.ErrUnknownKey) {
		t.Errorf("got %v", err)
	}
}

func TestSessionsInMemoryAreBounded(t *testing.T) {
	s, _ := newService(t)
	for i := range maxSessions {
		s.known[fmt.Sprint(i)] = &session{claims: claims{Expires: time.Now().Add(time.Hour).Unix()}}
	}
	token := issued(t, s, "ASIA1", time.Hour)
	if _, err := s.SecretKey(t.Context(), "ASIA1", token); err != nil {
		t.Fatal(err)
	}
	if len(s.known) != maxSessions {
		t.Errorf("%d sessions are kept", len(s.known))
	}
	if _, err := s.SecretKey(t.Context(), "ASIA1", token); err != nil {
		t.Fatal(err)
	}
}

// TestPoliciesOfSessionsOfUsers: without a second factor they cannot call IAM.
func TestPoliciesOfSessionsOfUsers(t *testing.T) {
	s, d := newService(t)
	all, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`), policy.Identity)
	if err != nil {
		t.Fatal(err)
	}
	d.set = &policy.Set{Identity: []*policy.Document{all}}
	who := &identity.Principal{Kind: identity.User, Account: "111122223333", ID: "AIDA", AccessKeyID: "ASIA1", Session: &identity.Session{}}
	for name, c := range map[string]struct {
		mfa    bool
		action string
		want   bool
	}{
		"iam":                  {false, "iam:ListUsers", false},
		"iam with MFA":         {true, "iam:ListUsers", true},
		"s3":                   {false, "s3:GetObject", true},
		"another role":         {false, "sts:AssumeRole", true},
		"another token":        {true, "sts:GetFederationToken", false},
		"account of a key":     {true, "sts:GetAccessKeyInfo", false},
		"another role, MFA":    {true, "sts:AssumeRole", true},
		"kms under no session": {false, "kms:Encrypt", true},
	} {
		who.Session.MFA = c.mfa
		set, err := s.Policies(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		got := policy.Decide(&policy.Request{Principal: &policy.Principal{Account: who.Account}, Action: c.action, Resource: "*"}, set)
		if got.Allowed != c.want {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	who.AccessKeyID = "AKIA1" // a long-term key that has just shown a second factor
	if set, err := s.Policies(t.Context(), who); err != nil || set != d.set {
		t.Errorf("got %v %v", set, err)
	}
}

func TestEveryOperationHasATarget(t *testing.T) {
	for _, op := range api.API.Operations {
		if !wire.Implemented(new(Service), op) {
			continue
		}
		switch op.Name {
		case "AssumeRole", "GetAccessKeyInfo", "GetCallerIdentity", "GetSessionToken":
		default:
			t.Errorf("%s has no target", op.Name)
		}
	}
}
