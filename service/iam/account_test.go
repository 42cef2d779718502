package iam_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	api "github.com/strongroom/strongroom/api/iam"
	stsapi "github.com/strongroom/strongroom/api/sts"
	"github.com/strongroom/strongroom/service/iam"
	"github.com/strongroom/strongroom/wire"
)

func TestCreateAccount(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	a, credential, err := h.iam.CreateAccount(ctx, "Größe 1")
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^[1-9][0-9]{11}$`).MatchString(a.ID) || !regexp.MustCompile(`^AKIA[A-Z2-7]{16}$`).MatchString(credential.AccessKeyID) || credential.Secret.Len() != 40 {
		t.Errorf("got %s %s, a secret of %d", a.ID, credential.AccessKeyID, credential.Secret.Len())
	}
	if credential.Principal == nil || credential.Principal.ARN != "arn:aws:iam::"+a.ID+":user/administrator" {
		t.Errorf("got %+v", credential.Principal)
	}
	for _, name := range []string{"", strings.Repeat("x", 51), "a\nb", "\xff"} {
		if _, _, err := h.iam.CreateAccount(ctx, name); !errors.Is(err, iam.ErrName) {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

func TestAdministratorKey(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	a, admin := h.account("main")
	key, err := h.iam.AdministratorKey(ctx, a.ID)
	if err != nil || key.AccessKeyID != admin.credentials.AccessKeyID || !key.Secret.Equal(admin.credentials.Secret) {
		t.Fatalf("got %v %v", key, err)
	}
	second := admin.keyOf("administrator")
	must(second.iam().UpdateAccessKey(ctx, &api.UpdateAccessKeyInput{AccessKeyId: &admin.credentials.AccessKeyID, Status: api.StatusTypeInactive}))(t)
	if key, err = h.iam.AdministratorKey(ctx, a.ID); err != nil || key.AccessKeyID != second.credentials.AccessKeyID {
		t.Fatalf("got %v %v", key, err)
	}
	must(second.iam().DeleteAccessKey(ctx, &api.DeleteAccessKeyInput{AccessKeyId: &second.credentials.AccessKeyID}))(t)
	if _, err = h.iam.AdministratorKey(ctx, a.ID); !errors.Is(err, iam.ErrNoAdministrator) {
		t.Errorf("got %v", err)
	}
	if _, err = h.iam.AdministratorKey(ctx, "111111111111"); err == nil {
		t.Error("an account that is not there has a key")
	}
}

func TestAliasAndSummary(t *testing.T) {
	h := newHouse(t)
	_, admin := h.account("main")
	_, other := h.account("other")
	ctx, client := t.Context(), admin.iam()
	must(client.CreateAccountAlias(ctx, &api.CreateAccountAliasInput{AccountAlias: p("pumps")}))(t)
	wantCode(other.iam().CreateAccountAlias(ctx, &api.CreateAccountAliasInput{AccountAlias: p("pumps")}))(t, "EntityAlreadyExists", "")
	must(client.CreateAccountAlias(ctx, &api.CreateAccountAliasInput{AccountAlias: p("valves")}))(t)
	must(other.iam().CreateAccountAlias(ctx, &api.CreateAccountAliasInput{AccountAlias: p("pumps")}))(t)
	if list := must(client.ListAccountAliases(ctx, &api.ListAccountAliasesInput{}))(t); fmt.Sprint(list.AccountAliases) != "[valves]" {
		t.Errorf("got %v", list.AccountAliases)
	}
	wantCode(client.DeleteAccountAlias(ctx, &api.DeleteAccountAliasInput{AccountAlias: p("pumps")}))(t, "NoSuchEntity", "")
	must(client.DeleteAccountAlias(ctx, &api.DeleteAccountAliasInput{AccountAlias: p("valves")}))(t)

	admin.user("bob")
	must(client.CreateVirtualMFADevice(ctx, &api.CreateVirtualMFADeviceInput{VirtualMFADeviceName: p("phone")}))(t)
	m := must(client.GetAccountSummary(ctx, &api.GetAccountSummaryInput{}))(t).SummaryMap
	for key, want := range map[string]int32{"Users": 2, "Groups": 0, "MFADevices": 1, "MFADevicesInUse": 0, "AccessKeysPerUserQuota": 2, "AccountAccessKeysPresent": 0} {
		if m[key] != want {
			t.Errorf("%s: got %d, want %d", key, m[key], want)
		}
	}

}

// TestWhatThereIsNot: clients ask for these before they delete a user, and must be told truly.
func TestWhatThereIsNot(t *testing.T) {
	h := newHouse(t)
	_, admin := h.account("main")
	ctx, client := t.Context(), admin.iam()
	admin.user("bob")
	wantCode(client.GetLoginProfile(ctx, &api.GetLoginProfileInput{UserName: p("bob")}))(t, "NoSuchEntity", "Login Profile for User bob cannot be found.")
	wantCode(client.DeleteLoginProfile(ctx, &api.DeleteLoginProfileInput{UserName: p("bob")}))(t, "NoSuchEntity", "Login Profile")
	must(client.ListSSHPublicKeys(ctx, &api.ListSSHPublicKeysInput{UserName: p("bob")}))(t)
	must(client.ListSigningCertificates(ctx, &api.ListSigningCertificatesInput{UserName: p("bob")}))(t)
	must(client.ListServiceSpecificCredentials(ctx, &api.ListServiceSpecificCredentialsInput{UserName: p("bob")}))(t)
	must(client.ListMFADevices(ctx, &api.ListMFADevicesInput{UserName: p("bob")}))(t)
	wantCode(client.ListSSHPublicKeys(ctx, &api.ListSSHPublicKeysInput{UserName: p("eve")}))(t, "NoSuchEntity", "")
	wantCode(client.CreateLoginProfile(ctx, &api.CreateLoginProfileInput{UserName: p("bob"), Password: p("x")}))(t, "InvalidAction", "")
	wantCode(admin.sts().GetFederationToken(ctx, &stsapi.GetFederationTokenInput{Name: p("bob")}))(t, "InvalidAction", "")
}

func TestAuthorizationDetails(t *testing.T) {
	h := newHouse(t)
	a, admin := h.account("main")
	ctx, client := t.Context(), admin.iam()
	admin.user("bob")
	must(client.CreateGroup(ctx, &api.CreateGroupInput{GroupName: p("readers")}))(t)
	must(client.AddUserToGroup(ctx, &api.AddUserToGroupInput{GroupName: p("readers"), UserName: p("bob")}))(t)
	must(client.PutUserPolicy(ctx, &api.PutUserPolicyInput{UserName: p("bob"), PolicyName: p("list"), PolicyDocument: allow("iam:List*", "*")}))(t)
	admin.role("reader", trusting(aws("arn:aws:iam::"+a.ID+":root"), ""))
	must(client.CreatePolicy(ctx, &api.CreatePolicyInput{PolicyName: p("mine"), PolicyDocument: allow("s3:*", "*")}))(t)
	in := &api.GetAccountAuthorizationDetailsInput{MaxItems: wire.Ptr[int32](2), Filter: []api.EntityType{
		api.EntityTypeUser, api.EntityTypeGroup, api.EntityTypeRole, api.EntityTypeLocalManagedPolicy,
	}}
	var users, groups, roles, policies []string
	for range 9 {
		out := must(client.GetAccountAuthorizationDetails(ctx, in))(t)
		for _, u := range out.UserDetailList {
			users = append(users, fmt.Sprint(*u.UserName, u.GroupList, len(u.UserPolicyList), len(u.AttachedManagedPolicies)))
		}
		for _, g := range out.GroupDetailList {
			groups = append(groups, *g.GroupName)
		}
		for _, r := range out.RoleDetailList {
			roles = append(roles, fmt.Sprint(*r.RoleName, len(r.RolePolicyList)))
		}
		for _, p := range out.Policies {
			policies = append(policies, fmt.Sprint(*p.PolicyName, len(p.PolicyVersionList)))
		}
		if !*out.IsTruncated {
			break
		}
		in.Marker = out.Marker
	}
	if got := fmt.Sprint(users, groups, roles, policies); got != "[administrator[] 0 1 bob[readers] 1 0] [readers] [reader1] [mine1]" {
		t.Errorf("got %s", got)
	}
	aws := must(client.GetAccountAuthorizationDetails(ctx, &api.GetAccountAuthorizationDetailsInput{Filter: []api.EntityType{api.EntityTypeAWSManagedPolicy}}))(t)
	if len(aws.UserDetailList) != 0 || len(aws.Policies) < 9 {
		t.Errorf("got %d users, %d policies", len(aws.UserDetailList), len(aws.Policies))
	}
}

func TestSimulate(t *testing.T) {
	h := newHouse(t)
	a, admin := h.account("main")
	ctx, client := t.Context(), admin.iam()
	admin.user("bob")
	must(client.PutUserPolicy(ctx, &api.PutUserPolicyInput{UserName: p("bob"), PolicyName: p("some"), PolicyDocument: p(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::${aws:username}/*"},
		{"Effect":"Allow","Action":"s3:PutObject","Resource":"*","Condition":{"StringEquals":{"aws:SourceVpc":"v"}}},
		{"Effect":"Deny","Action":"kms:*","Resource":"*"}]}`)}))(t)
	source := p("arn:aws:iam::" + a.ID + ":user/bob")
	out := must(client.SimulatePrincipalPolicy(ctx, &api.SimulatePrincipalPolicyInput{
		PolicySourceArn: source, ActionNames: []string{"s3:GetObject", "s3:PutObject", "kms:Encrypt"}, ResourceArns: []string{"arn:aws:s3:::bob/x", "arn:aws:s3:::eve/x"},
	}))(t)
	var got []string
	for _, r := range out.EvaluationResults {
		got = append(got, fmt.Sprint(*r.EvalActionName, " ", *r.EvalResourceName, " ", r.EvalDecision, len(r.MatchedStatements), r.MissingContextValues))
	}
	want := []string{
		"s3:GetObject arn:aws:s3:::bob/x allowed1 []", "s3:GetObject arn:aws:s3:::eve/x implicitDeny0 []",
		"s3:PutObject arn:aws:s3:::bob/x implicitDeny0 [aws:sourcevpc]", "s3:PutObject arn:aws:s3:::eve/x implicitDeny0 [aws:sourcevpc]",
		"kms:Encrypt arn:aws:s3:::bob/x explicitDeny1 []", "kms:Encrypt arn:aws:s3:::eve/x explicitDeny1 []",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if s := out.EvaluationResults[0].MatchedStatements[0]; *s.SourcePolicyId != "user_bob_some" || s.SourcePolicyType != api.PolicySourceTypeUser {
		t.Errorf("got %+v", s)
	}
	entries := []api.ContextEntry{{ContextKeyName: p("aws:SourceVpc"), ContextKeyType: api.ContextKeyTypeEnumString, ContextKeyValues: []string{"v"}}}
	out = must(client.SimulatePrincipalPolicy(ctx, &api.SimulatePrincipalPolicyInput{
		PolicySourceArn: source, ActionNames: []string{"s3:PutObject"}, ContextEntries: entries, PermissionsBoundaryPolicyInputList: []string{*allow("s3:Get*", "*")},
	}))(t)
	if r := out.EvaluationResults[0]; r.EvalDecision != api.PolicyEvaluationDecisionTypeImplicitDeny || *r.PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary {
		t.Errorf("got %+v", r)
	}
	out = must(client.SimulatePrincipalPolicy(ctx, &api.SimulatePrincipalPolicyInput{
		PolicySourceArn: source, ActionNames: []string{"s3:PutObject", "s3:GetObject"}, ContextEntries: entries, MaxItems: wire.Ptr[int32](1),
	}))(t)
	if len(out.EvaluationResults) != 1 || !*out.IsTruncated || out.EvaluationResults[0].EvalDecision != api.PolicyEvaluationDecisionTypeAllowed {
		t.Errorf("got %+v", out)
	}
	wantCode(client.SimulatePrincipalPolicy(ctx, &api.SimulatePrincipalPolicyInput{PolicySourceArn: p("arn:aws:iam::" + a.ID + ":user/none"), ActionNames: []string{"s3:PutObject"}}))(t, "NoSuchEntity", "")
	wantCode(client.SimulatePrincipalPolicy(ctx, &api.SimulatePrincipalPolicyInput{PolicySourceArn: p("arn:aws:s3:::a-bucket-of-ours"), ActionNames: []string{"s3:PutObject"}}))(t, "InvalidInput", "")
	wantCode(client.SimulateCustomPolicy(ctx, &api.SimulateCustomPolicyInput{PolicyInputList: []string{"{}"}, ActionNames: []string{"s3:PutObject"}}))(t, "MalformedPolicyDocument", "")

	keys := must(client.GetContextKeysForPrincipalPolicy(ctx, &api.GetContextKeysForPrincipalPolicyInput{PolicySourceArn: source}))(t)
	if fmt.Sprint(keys.ContextKeyNames) != "[aws:SourceVpc aws:username]" {
		t.Errorf("got %v", keys.ContextKeyNames)
	}
	custom := must(client.GetContextKeysForCustomPolicy(ctx, &api.GetContextKeysForCustomPolicyInput{PolicyInputList: []string{*allow("s3:*", "arn:aws:s3:::${aws:userid}/*")}}))(t)
	if fmt.Sprint(custom.ContextKeyNames) != "[aws:userid]" {
		t.Errorf("got %v", custom.ContextKeyNames)
	}
}

// TestNoNamesInTheLog is claim C7: names, descriptions and tags may be personal data, and stay out
// of the operator's log, also when something fails.
func TestNoNamesInTheLog(t *testing.T) {
	h := newHouse(t)
	_, admin := h.account("account-canary-mail-example")
	ctx, client := t.Context(), admin.iam()
	must(client.CreateUser(ctx, &api.CreateUserInput{UserName: p("canary.name@example.org"), Path: p("/canary-path/"), Tags: []api.Tag{{Key: p("canary-key"), Value: p("canary-value")}}}))(t)
	c := admin.keyOf("canary.name@example.org")
	wantCode(c.iam().ListUsers(ctx, &api.ListUsersInput{PathPrefix: p("/canary-prefix/")}))(t, "AccessDenied", "")
	must(client.CreatePolicy(ctx, &api.CreatePolicyInput{PolicyName: p("canary-policy"), Description: p("canary description"), PolicyDocument: allow("s3:*", "arn:aws:s3:::canary-bucket")}))(t)
	wantCode(client.GetUser(ctx, &api.GetUserInput{UserName: p("canary-none")}))(t, "NoSuchEntity", "")
	wantCode(client.PutUserPolicy(ctx, &api.PutUserPolicyInput{UserName: p("canary.name@example.org"), PolicyName: p("canary-bad"), PolicyDocument: p(`{"canary-text":1}`)}))(t, "MalformedPolicyDocument", "")
	if h.log.Len() == 0 {
		t.Error("the log is empty; this test sees nothing")
	}
	if strings.Contains(h.log.String(), "canary") || strings.Contains(h.log.String(), string(c.credentials.Secret.Reveal())) {
		t.Errorf("the log has a name:\n%s", h.log)
	}
}

func TestBadInput(t *testing.T) {
	h := newHouse(t)
	a, admin := h.account("main")
	ctx, client := t.Context(), admin.iam()
	zero := "arn:aws:iam::" + a.ID + ":policy/a\x00b"
	for name, call := range map[string]func() error{
		"policy with a zero byte": func() error { _, err := client.GetPolicy(ctx, &api.GetPolicyInput{PolicyArn: &zero}); return err },
		"attached": func() error {
			_, err := client.AttachUserPolicy(ctx, &api.AttachUserPolicyInput{UserName: p("administrator"), PolicyArn: &zero})
			return err
		},
		"boundary": func() error {
			_, err := client.PutUserPermissionsBoundary(ctx, &api.PutUserPermissionsBoundaryInput{UserName: p("administrator"), PermissionsBoundary: &zero})
			return err
		},
		"entities": func() error {
			_, err := client.ListEntitiesForPolicy(ctx, &api.ListEntitiesForPolicyInput{PolicyArn: &zero})
			return err
		},
		"role": func() error {
			_, err := admin.sts().AssumeRole(ctx, &stsapi.AssumeRoleInput{RoleArn: p("arn:aws:iam::" + a.ID + ":role/a\x00b"), RoleSessionName: p("work")})
			return err
		},
		"device": func() error {
			_, err := client.DeleteVirtualMFADevice(ctx, &api.DeleteVirtualMFADeviceInput{SerialNumber: p("arn:aws:iam::" + a.ID + ":mfa/a=b")})
			return err
		},
		"not a name": func() error {
			_, err := client.GetPolicy(ctx, &api.GetPolicyInput{PolicyArn: p("12345678901234567890")})
			return err
		},
		"a directory": func() error {
			_, err := client.GetPolicy(ctx, &api.GetPolicyInput{PolicyArn: p("arn:aws:iam::" + a.ID + ":policy/")})
			return err
		},
		"another's": func() error {
			_, err := client.GetPolicy(ctx, &api.GetPolicyInput{PolicyArn: p("arn:aws:iam::aws:policy/")})
			return err
		},
		"empty version": func() error {
			_, err := client.GetPolicyVersion(ctx, &api.GetPolicyVersionInput{PolicyArn: p(administratorAccess), VersionId: p("v0")})
			return err
		},
	} {
		err := call()
		if err == nil || wire.IsCode(err, "InternalFailure") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

const administratorAccess = "arn:aws:iam::aws:policy/AdministratorAccess"
