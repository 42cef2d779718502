package gateway

import (
	"context"
	"time"

	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/sigv4"
)

func mustParse(text string, kind policy.Kind) *policy.Document {
	d, err := policy.Parse([]byte(text), kind)
	if err != nil {
		panic(err)
	}
	return d
}

var (
	publicRead = mustParse(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::public/*"}}`, policy.Resource)
	allowAll   = mustParse(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["box:*","s3:*","names:*"],"Resource":"*"}]}`, policy.Identity)
	denyPut    = mustParse(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"box:Put","Resource":"*"}]}`, policy.Identity)
)

// people are who the house knows: each name is an access key, with the secret "secret-" + name.
type people map[string]*person

type person struct {
	identity.Principal
	set policy.Set
}

func (p people) SecretKey(_ context.Context, id, token string) (secret.Bytes, error) {
	who, ok := p[id]
	switch {
	case !ok:
		return secret.Bytes{}, sigv4.ErrUnknownKey
	case who.Session != nil && token != "token-"+id:
		return secret.Bytes{}, sigv4.ErrBadToken
	}
	return secret.FromString("secret-" + id), nil
}

func (p people) Principal(_ context.Context, id, _ string) (*identity.Principal, error) {
	if who, ok := p[id]; ok {
		return &who.Principal, nil
	}
	return nil, sigv4.ErrUnknownKey
}

func (p people) Policies(_ context.Context, who *identity.Principal) (*policy.Set, error) {
	if found, ok := p[who.AccessKeyID]; ok {
		return &found.set, nil
	}
	return nil, nil
}

func newPeople() people {
	user := func(name string, docs ...*policy.Document) *person {
		return &person{
			Principal: identity.Principal{
				Kind: identity.User, Account: testAccount, ARN: "arn:aws:iam::" + testAccount + ":user/" + name, ID: "AIDA" + name,
				Name: name, AccessKeyID: name, Tags: map[string]string{"Team": "blue"},
			},
			set: policy.Set{Identity: docs},
		}
	}
	session := user("ASIAeve", allowAll)
	session.Kind, session.ARN, session.ID = identity.Role, "arn:aws:sts::"+testAccount+":assumed-role/Reader/eve", "AROA1:eve"
	session.Session = &identity.Session{
		RoleARN: "arn:aws:iam::" + testAccount + ":role/Reader", RoleID: "AROA1", RoleName: "Reader", Name: "eve",
		Issued: time.Now().Add(-time.Minute), Expires: time.Now().Add(time.Hour),
	}
	return people{"alice": user("alice", allowAll), "bob": user("bob"), "dan": user("dan", allowAll, denyPut), "ASIAeve": session}
}
