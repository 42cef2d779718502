package gateway

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/policy"
)

func TestConditionKeys(t *testing.T) {
	at := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	user := &identity.Principal{
		Kind: identity.User, Account: testAccount, ARN: "arn:user", ID: "AIDA1", Name: "alice", Tags: map[string]string{"Team": "blue"},
	}
	role := &identity.Principal{
		Kind: identity.Role, Account: testAccount, ARN: "arn:session", ID: "AROA1:eve",
		Session: &identity.Session{RoleARN: "arn:role", RoleID: "AROA1", Issued: at.Add(-time.Minute), MFA: true, SourceIdentity: "Eve"},
	}
	root := &identity.Principal{Kind: identity.Root, Account: testAccount, ARN: "arn:root", ID: testAccount}
	desk := identity.ForService(deskName)
	request := &http.Request{Header: http.Header{"Referer": {"https://r"}}}
	direct := func(who *identity.Principal) *call.Call {
		return &call.Call{Principal: who, Time: at, SourceIP: "192.0.2.1", UserAgent: "cli/2", HTTP: request, Region: testRegion}
	}
	via := &call.Call{Principal: user, Time: at, SourceIP: "s3.amazonaws.com", Via: "s3.amazonaws.com", Parent: &call.Call{Via: deskName, Parent: direct(user)}}
	byService := &call.Call{Principal: desk, Time: at, Region: testRegion, SourceAccount: testAccount, SourceARN: "arn:b", Parent: direct(user)}
	mine := &call.Check{Conditions: policy.Map{
		"kms:viaservice": policy.One("x"), "aws:requesttag/a": policy.One("b"),
		"aws:sourceip": policy.One("6.6.6.6"), "aws:principalarn": policy.One("forged"), "aws:principaltag/forged": policy.One("x"),
	}}
	theirs := &call.Check{Account: "444455556666"}
	const absent = "(absent)"
	tests := []struct {
		call  *call.Call
		check *call.Check
		key   string
		want  string
	}{
		{direct(user), mine, "aws:principalarn", "arn:user"},
		{direct(user), mine, "aws:principalaccount", testAccount},
		{direct(user), mine, "aws:principaltype", "User"},
		{direct(user), mine, "aws:userid", "AIDA1"},
		{direct(user), mine, "aws:username", "alice"},
		{direct(user), mine, "aws:principaltag/team", "blue"},
		{direct(user), mine, "aws:principaltag/other", absent},
		{direct(user), mine, "aws:principaltag/forged", absent},
		{direct(user), mine, "aws:principalisawsservice", "false"},
		{direct(user), mine, "aws:principalservicename", absent},
		{direct(user), mine, "aws:tokenissuetime", absent},
		{direct(user), mine, "aws:multifactorauthpresent", absent},
		{direct(user), mine, "aws:multifactorauthage", absent},
		{direct(user), mine, "aws:sourceip", "192.0.2.1"},
		{direct(user), mine, "aws:useragent", "cli/2"},
		{direct(user), mine, "aws:referer", "https://r"},
		{direct(user), mine, "aws:securetransport", "true"},
		{direct(user), mine, "aws:currenttime", "2026-05-04T03:02:01Z"},
		{direct(user), mine, "aws:epochtime", "1777863721"},
		{direct(user), mine, "aws:requestedregion", testRegion},
		{direct(user), &call.Check{Region: "eu-test-9"}, "aws:requestedregion", "eu-test-9"},
		{direct(user), mine, "aws:resourceaccount", testAccount},
		{direct(user), theirs, "aws:resourceaccount", "444455556666"},
		{direct(user), mine, "aws:viaawsservice", "false"},
		{direct(user), mine, "aws:calledvia", absent},
		{direct(user), mine, "aws:sourceaccount", absent},
		{direct(user), mine, "kms:viaservice", "x"},
		{direct(user), mine, "aws:requesttag/a", "b"},
		{direct(user), theirs, "kms:viaservice", absent},
		{direct(user), mine, "aws:nosuchkey", absent},
		{direct(role), mine, "aws:principalarn", "arn:role"},
		{direct(role), mine, "aws:userid", "AROA1:eve"},
		{direct(role), mine, "aws:username", absent},
		{direct(role), mine, "aws:tokenissuetime", "2026-05-04T03:01:01Z"},
		{direct(role), mine, "aws:multifactorauthpresent", "true"},
		{direct(role), mine, "aws:multifactorauthage", "60"},
		{direct(role), mine, "aws:sourceidentity", "Eve"},
		{direct(root), mine, "aws:principaltype", "Account"},
		{direct(root), mine, "aws:username", absent},
		{direct(identity.Nobody), mine, "aws:principaltype", "Anonymous"},
		{direct(identity.Nobody), mine, "aws:userid", "anonymous"},
		{direct(identity.Nobody), mine, "aws:principalarn", absent},
		{direct(identity.Nobody), mine, "aws:principalaccount", absent},
		{via, mine, "aws:sourceip", absent},
		{via, mine, "aws:referer", absent},
		{via, mine, "aws:viaawsservice", "true"},
		{via, mine, "aws:calledvia", deskName + " s3.amazonaws.com"},
		{via, mine, "aws:calledviafirst", deskName},
		{via, mine, "aws:calledvialast", "s3.amazonaws.com"},
		{byService, mine, "aws:principalisawsservice", "true"},
		{byService, mine, "aws:principalservicename", deskName},
		{byService, mine, "aws:principalservicenameslist", deskName + " desk." + testRegion + ".amazonaws.com"},
		{byService, mine, "aws:sourceaccount", testAccount},
		{byService, mine, "aws:sourcearn", "arn:b"},
		{byService, mine, "aws:principalaccount", absent},
		{byService, mine, "aws:userid", absent},
		{byService, mine, "aws:sourceip", absent},
		{byService, mine, "aws:viaawsservice", "false"},
	}
	for _, tt := range tests {
		j := &judge{call: tt.call, check: tt.check}
		if tt.call == byService {
			j.principal = policy.Principal{Service: deskName, ServiceNames: []string{regionalName(deskName, testRegion)}}
		}
		got := absent
		if v := j.Value(tt.key); v.Present() {
			var all []string
			for i := range v.Len() {
				all = append(all, v.At(i))
			}
			got = strings.Join(all, " ")
		}
		if got != tt.want {
			t.Errorf("%s by %s: %q, want %q", tt.key, tt.call.Principal.Kind, got, tt.want)
		}
	}
}

// Whatever AWS documents as a property of the caller or the network is the gateway's to say, or absent.
func TestGlobalKeysAreLowerCase(t *testing.T) {
	for key := range globalKeys {
		if key != strings.ToLower(key) || strings.HasPrefix(key, "aws:") {
			t.Errorf("%q can never be asked for", key)
		}
	}
}

func TestNames(t *testing.T) {
	j := new(judge)
	j.name(&identity.Principal{
		Kind: identity.Role, Account: testAccount, ARN: "arn:session", ID: "AROA1:eve",
		Session: &identity.Session{RoleARN: "arn:role", RoleID: "AROA1"},
	})
	if !slices.Equal(j.principal.ARNs, []string{"arn:session", "arn:role"}) || !slices.Equal(j.principal.IDs, []string{"AROA1:eve", "AROA1"}) {
		t.Errorf("a session goes by %v and %v", j.principal.ARNs, j.principal.IDs)
	}
}
