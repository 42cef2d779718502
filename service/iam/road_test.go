package iam_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	api "github.com/strongroom/strongroom/api/iam"
	stsapi "github.com/strongroom/strongroom/api/sts"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/wire"
)

func secretOf(s string) secret.Bytes { return secret.FromString(s) }

var p = wire.Ptr[string]

// allow is a policy that allows an action on a resource.
func allow(action, res string) *string {
	return p(fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":%q,"Resource":%q}}`, action, res))
}

// must fails the test on an error, and else returns the value.
func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// wantCode fails the test unless an error has a code, and a text in its message.
func wantCode[T any](_ T, err error) func(t *testing.T, code, text string) {
	return func(t *testing.T, code, text string) {
		t.Helper()
		if !wire.IsCode(err, code) || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want %s with %q", err, code, text)
		}
	}
}

func TestCallerIdentity(t *testing.T) {
	h := newHouse(t)
	a, admin := h.account("main")
	out := must(admin.sts().GetCallerIdentity(t.Context(), &stsapi.GetCallerIdentityInput{}))(t)
	if *out.Account != a.ID || *out.Arn != "arn:aws:iam::"+a.ID+":user/administrator" || !strings.HasPrefix(*out.UserId, "AIDA") || len(*out.UserId) != 21 {
		t.Errorf("got %v %v %v", *out.Account, *out.Arn, *out.UserId)
	}
	nobody := h.as("AKIAAAAAAAAAAAAAAAAA", "wrong", "")
	wantCode(nobody.sts().GetCallerIdentity(t.Context(), &stsapi.GetCallerIdentityInput{}))(t, "InvalidClientTokenId", "")
	wrong := h.as(admin.credentials.AccessKeyID, "wrong", "")
	wantCode(wrong.sts().GetCallerIdentity(t.Context(), &stsapi.GetCallerIdentityInput{}))(t, "SignatureDoesNotMatch", "")
	token := h.as(admin.credentials.AccessKeyID, string(admin.credentials.Secret.Reveal()), "a token")
	wantCode(token.sts().GetCallerIdentity(t.Context(), &stsapi.GetCallerIdentityInput{}))(t, "InvalidClientTokenId", "")
}

// TestNothingIsAllowedByItself is claim C1: a new user may do nothing; with one action granted,
// that one and no other.
func TestNothingIsAllowedByItself(t *testing.T) {
	h := newHouse(t)
	a, admin := h.account("main")
	bob := admin.user("bob")
	ctx := t.Context()
	wantCode(bob.iam().GetUser(ctx, &api.GetUserInput{}))(t, "AccessDenied",
		"User: arn:aws:iam::"+a.ID+":user/bob is not authorized to perform: iam:GetUser on resource: arn:aws:iam::"+a.ID+":user/bob because no identity-based policy allows the iam:GetUser action")
	wantCode(bob.iam().ListUsers(ctx, &api.ListUsersInput{}))(t, "AccessDenied", "")
	wantCode(bob.iam().CreateUser(ctx, &api.CreateUserInput{UserName: p("eve")}))(t, "AccessDenied", "")

	must(admin.iam().PutUserPolicy(ctx, &api.PutUserPolicyInput{UserName: p("bob"), PolicyName: p("self"),
		PolicyDocument: allow("iam:GetUser", "arn:aws:iam::*:user/${aws:username}")}))(t)
	out := must(bob.iam().GetUser(ctx, &api.GetUserInput{}))(t)
	if *out.User.UserName != "bob" {
		t.Errorf("got %s", *out.User.UserName)
	}
	wantCode(bob.iam().GetUser(ctx, &api.GetUserInput{UserName: p("administrator")}))(t, "AccessDenied", "")
	wantCode(bob.iam().ListUsers(ctx, &api.ListUsersInput{}))(t, "AccessDenied", "")
}

func TestAccountsAreApart(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	a, first := h.account("first")
	_, second := h.account("second")
	first.user("bob")
	out := must(second.iam().ListUsers(ctx, &api.ListUsersInput{}))(t)
	if len(out.Users) != 1 || *out.Users[0].UserName != "administrator" {
		t.Errorf("got %d users", len(out.Users))
	}
	wantCode(second.iam().GetUser(ctx, &api.GetUserInput{UserName: p("bob")}))(t, "NoSuchEntity", "The user with name bob cannot be found.")
	made := must(first.iam().CreatePolicy(ctx, &api.CreatePolicyInput{PolicyName: p("doc"), PolicyDocument: allow("s3:*", "*")}))(t)
	wantCode(second.iam().GetPolicy(ctx, &api.GetPolicyInput{PolicyArn: made.Policy.Arn}))(t, "AccessDenied", "")
	wantCode(second.iam().AttachUserPolicy(ctx, &api.AttachUserPolicyInput{UserName: p("administrator"), PolicyArn: made.Policy.Arn}))(t, "NoSuchEntity", "")
	accounts, err := h.iam.Accounts(ctx)
	if err != nil || len(accounts) != 2 || accounts[0].ID != a.ID || accounts[1].Name != "second" {
		t.Errorf("got %v %v", accounts, err)
	}
}

func TestUsers(t *testing.T) {
	h := newHouse(t)
	a, admin := h.account("main")
	ctx, iam := t.Context(), admin.iam()
	made := must(iam.CreateUser(ctx, &api.CreateUserInput{UserName: p("Bob"), Path: p("/staff/"), Tags: []api.Tag{{Key: p("Team"), Value: p("a")}}}))(t)
	if *made.User.Arn != "arn:aws:iam::"+a.ID+":user/staff/Bob" || *made.User.Path != "/staff/" {
		t.Errorf("got %v", *made.User.Arn)
	}
	wantCode(iam.CreateUser(ctx, &api.CreateUserInput{UserName: p("bob")}))(t, "EntityAlreadyExists", "User with name bob already exists.")
	wantCode(iam.CreateUser(ctx, &api.CreateUserInput{UserName: p("a b")}))(t, "ValidationError", "")
	wantCode(iam.CreateUser(ctx, &api.CreateUserInput{UserName: p("x"), PermissionsBoundary: p("arn:aws:iam::" + a.ID + ":policy/none")}))(t, "NoSuchEntity", "")
	got := must(iam.GetUser(ctx, &api.GetUserInput{UserName: p("BOB")}))(t)
	if *got.User.UserName != "Bob" || len(got.User.Tags) != 1 || got.User.CreateDate.IsZero() {
		t.Errorf("got %+v", got.User)
	}
	must(iam.UpdateUser(ctx, &api.UpdateUserInput{UserName: p("Bob"), NewUserName: p("Rob"), NewPath: p("/")}))(t)
	wantCode(iam.GetUser(ctx, &api.GetUserInput{UserName: p("Bob")}))(t, "NoSuchEntity", "")
	must(iam.UpdateUser(ctx, &api.UpdateUserInput{UserName: p("Rob"), NewUserName: p("ROB")}))(t)
	wantCode(iam.UpdateUser(ctx, &api.UpdateUserInput{UserName: p("Rob"), NewUserName: p("Administrator")}))(t, "EntityAlreadyExists", "")
	must(iam.CreateUser(ctx, &api.CreateUserInput{UserName: p("Bob")}))(t)
	must(iam.DeleteUser(ctx, &api.DeleteUserInput{UserName: p("rob")}))(t)
	wantCode(iam.DeleteUser(ctx, &api.DeleteUserInput{UserName: p("rob")}))(t, "NoSuchEntity", "")
	wantCode(iam.DeleteUser(ctx, &api.DeleteUserInput{UserName: p("administrator")}))(t, "DeleteConflict", "Cannot delete entity, must ")
}

func TestListUsersInPages(t *testing.T) {
	h := newHouse(t)
	_, admin := h.account("main")
	ctx, iam := t.Context(), admin.iam()
	for i := range 7 {
		path := p("/even/")
		if i%2 == 1 {
			path = p("/odd/")
		}
		must(iam.CreateUser(ctx, &api.CreateUserInput{UserName: p(fmt.Sprint("User", i)), Path: path}))(t)
	}
	for prefix, want := range map[string]int{"/": 8, "/even/": 4, "/odd/": 3, "/none/": 0} {
		var names []string
		in := &api.ListUsersInput{PathPrefix: p(prefix), MaxItems: wire.Ptr[int32](2)}
		for range 9 {
			out := must(iam.ListUsers(ctx, in))(t)
			if len(out.Users) > 2 {
				t.Fatalf("page of %d", len(out.Users))
			}
			for _, u := range out.Users {
				names = append(names, *u.UserName)
			}
			if !*out.IsTruncated {
				break
			}
			in.Marker = out.Marker
		}
		if len(names) != want {
			t.Errorf("%s: got %v", prefix, names)
		}
	}
	first := must(iam.ListUsers(ctx, &api.ListUsersInput{MaxItems: wire.Ptr[int32](2)}))(t)
	wantCode(iam.ListGroups(ctx, &api.ListGroupsInput{Marker: first.Marker}))(t, "ValidationError", "Marker")
	wantCode(iam.ListUsers(ctx, &api.ListUsersInput{Marker: p("x")}))(t, "ValidationError", "Marker")
	wantCode(iam.ListUsers(ctx, &api.ListUsersInput{MaxItems: wire.Ptr[int32](1001)}))(t, "ValidationError", "")
}

func TestAccessKeys(t *testing.T) {
	h := newHouse(t)
	a, admin := h.account("main")
	ctx, iam := t.Context(), admin.iam()
	bob := admin.user("bob")
	second := admin.keyOf("bob")
	wantCode(iam.CreateAccessKey(ctx, &api.CreateAccessKeyInput{UserName: p("bob")}))(t, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
	list := must(iam.ListAccessKeys(ctx, &api.ListAccessKeysInput{UserName: p("bob")}))(t)
	if len(list.AccessKeyMetadata) != 2 || *list.AccessKeyMetadata[0].AccessKeyId != bob.credentials.AccessKeyID {
		t.Errorf("got %+v", list.AccessKeyMetadata)
	}
	who := &stsapi.GetCallerIdentityInput{}
	must(bob.sts().GetCallerIdentity(ctx, who))(t)
	id := &bob.credentials.AccessKeyID
	must(iam.UpdateAccessKey(ctx, &api.UpdateAccessKeyInput{UserName: p("bob"), AccessKeyId: id, Status: api.StatusTypeInactive}))(t)
	wantCode(bob.sts().GetCallerIdentity(ctx, who))(t, "InvalidClientTokenId", "")
	must(second.sts().GetCallerIdentity(ctx, who))(t)
	must(iam.UpdateAccessKey(ctx, &api.UpdateAccessKeyInput{UserName: p("bob"), AccessKeyId: id, Status: api.StatusTypeActive}))(t)
	must(bob.sts().GetCallerIdentity(ctx, who))(t)
	must(iam.DeleteAccessKey(ctx, &api.DeleteAccessKeyInput{UserName: p("bob"), AccessKeyId: id}))(t)
	wantCode(bob.sts().GetCallerIdentity(ctx, who))(t, "InvalidClientTokenId", "")
	wantCode(iam.DeleteAccessKey(ctx, &api.DeleteAccessKeyInput{UserName: p("bob"), AccessKeyId: id}))(t, "NoSuchEntity", "The Access Key with id")
	// Another user's key is not his.
	wantCode(iam.UpdateAccessKey(ctx, &api.UpdateAccessKeyInput{UserName: p("bob"), AccessKeyId: &admin.credentials.AccessKeyID, Status: api.StatusTypeInactive}))(t, "NoSuchEntity", "")

	used := must(iam.GetAccessKeyLastUsed(ctx, &api.GetAccessKeyLastUsedInput{AccessKeyId: &second.credentials.AccessKeyID}))(t)
	if *used.UserName != "bob" || *used.AccessKeyLastUsed.ServiceName != "sts" || *used.AccessKeyLastUsed.Region != region {
		t.Errorf("got %+v", used.AccessKeyLastUsed)
	}
	wantCode(iam.GetAccessKeyLastUsed(ctx, &api.GetAccessKeyLastUsedInput{AccessKeyId: p("AKIAAAAAAAAAAAAAAAAA")}))(t, "NoSuchEntity", "")
	info := must(admin.sts().GetAccessKeyInfo(ctx, &stsapi.GetAccessKeyInfoInput{AccessKeyId: &second.credentials.AccessKeyID}))(t)
	if *info.Account != a.ID {
		t.Errorf("got %s", *info.Account)
	}
	wantCode(admin.sts().GetAccessKeyInfo(ctx, &stsapi.GetAccessKeyInfoInput{AccessKeyId: p("AKIAAAAAAAAAAAAAAAAA")}))(t, "ValidationError", "")
}

func TestInlinePolicies(t *testing.T) {
	h := newHouse(t)
	_, admin := h.account("main")
	ctx, iam := t.Context(), admin.iam()
	bob := admin.user("bob")
	text := "{\n \"Version\": \"2012-10-17\",\n \"Statement\": {\"Effect\":\"Allow\",\"Action\":\"iam:ListUsers\",\"Resource\":\"*\"}}"
	must(iam.PutUserPolicy(ctx, &api.PutUserPolicyInput{UserName: p("bob"), PolicyName: p("list"), PolicyDocument: &text}))(t)
	must(bob.iam().ListUsers(ctx, &api.ListUsersInput{}))(t)
	got := must(iam.GetUserPolicy(ctx, &api.GetUserPolicyInput{UserName: p("bob"), PolicyName: p("list")}))(t)
	if plain, err := url.PathUnescape(*got.PolicyDocument); err != nil || plain != text || !strings.HasPrefix(*got.PolicyDocument, "%7B%0A%20%22Version%22%3A") {
		t.Errorf("got %s", *got.PolicyDocument)
	}
	names := must(iam.ListUserPolicies(ctx, &api.ListUserPoliciesInput{UserName: p("bob")}))(t)
	if fmt.Sprint(names.PolicyNames) != "[list]" {
		t.Errorf("got %v", names.PolicyNames)
	}
	wantCode(iam.PutUserPolicy(ctx, &api.PutUserPolicyInput{UserName: p("bob"), PolicyName: p("bad"), PolicyDocument: p("{}")}))(t, "MalformedPolicyDocument", "Syntax errors in policy.")
	wantCode(iam.PutUserPolicy(ctx, &api.PutUserPolicyInput{UserName: p("none"), PolicyName: p("list"), PolicyDocument: &text}))(t, "NoSuchEntity", "")
	big := allow("iam:ListUsers", "arn:aws:iam::*:user/"+strings.Repeat("x", 2000))
	wantCode(iam.PutUserPolicy(ctx, &api.PutUserPolicyInput{UserName: p("bob"), PolicyName: p("big"), PolicyDocument: big}))(t, "LimitExceeded", "Maximum policy size of 2048 bytes exceeded for user bob")
	wantCode(iam.DeleteUserPolicy(ctx, &api.DeleteUserPolicyInput{UserName: p("bob"), PolicyName: p("none")}))(t, "NoSuchEntity", "The user policy with name none cannot be found.")
	must(iam.DeleteUserPolicy(ctx, &api.DeleteUserPolicyInput{UserName: p("bob"), PolicyName: p("list")}))(t)
	wantCode(bob.iam().ListUsers(ctx, &api.ListUsersInput{}))(t, "AccessDenied", "")
	wantCode(iam.GetUserPolicy(ctx, &api.GetUserPolicyInput{UserName: p("bob"), PolicyName: p("list")}))(t, "NoSuchEntity", "")
}

func TestGroups(t *testing.T) {
	h := newHouse(t)
	_, admin := h.account("main")
	ctx, iam := t.Context(), admin.iam()
	bob := admin.user("bob")
	listing := &api.ListUsersInput{}
	must(iam.CreateGroup(ctx, &api.CreateGroupInput{GroupName: p("readers")}))(t)
	wantCode(iam.CreateGroup(ctx, &api.CreateGroupInput{GroupName: p("Readers")}))(t, "EntityAlreadyExists", "Group with name Readers already exists.")
	must(iam.AddUserToGroup(ctx, &api.AddUserToGroupInput{GroupName: p("readers"), UserName: p("bob")}))(t)
	must(iam.AddUserToGroup(ctx, &api.AddUserToGroupInput{GroupName: p("readers"), UserName: p("bob")}))(t)
	wantCode(iam.AddUserToGroup(ctx, &api.AddUserToGroupInput{GroupName: p("readers"), UserName: p("eve")}))(t, "NoSuchEntity", "The user with name eve")
	wantCode(iam.AddUserToGroup(ctx, &api.AddUserToGroupInput{GroupName: p("none"), UserName: p("bob")}))(t, "NoSuchEntity", "The group with name none")
	wantCode(bob.iam().ListUsers(ctx, listing))(t, "AccessDenied", "")

	must(iam.PutGroupPolicy(ctx, &api.PutGroupPolicyInput{GroupName: p("readers"), PolicyName: p("list"), PolicyDocument: allow("iam:ListUsers", "*")}))(t)
	must(bob.iam().ListUsers(ctx, listing))(t)
	must(iam.UpdateGroup(ctx, &api.UpdateGroupInput{GroupName: p("readers"), NewGroupName: p("lookers")}))(t)
	must(bob.iam().ListUsers(ctx, listing))(t)
	group := must(iam.GetGroup(ctx, &api.GetGroupInput{GroupName: p("lookers")}))(t)
	if len(group.Users) != 1 || *group.Users[0].UserName != "bob" {
		t.Errorf("got %+v", group.Users)
	}
	groups := must(iam.ListGroupsForUser(ctx, &api.ListGroupsForUserInput{UserName: p("bob")}))(t)
	if len(groups.Groups) != 1 || *groups.Groups[0].GroupName != "lookers" {
		t.Errorf("got %+v", groups.Groups)
	}
	wantCode(iam.DeleteGroup(ctx, &api.DeleteGroupInput{GroupName: p("lookers")}))(t, "DeleteConflict", "")
	must(iam.RemoveUserFromGroup(ctx, &api.RemoveUserFromGroupInput{GroupName: p("lookers"), UserName: p("bob")}))(t)
	wantCode(iam.RemoveUserFromGroup(ctx, &api.RemoveUserFromGroupInput{GroupName: p("lookers"), UserName: p("bob")}))(t, "NoSuchEntity", "")
	wantCode(bob.iam().ListUsers(ctx, listing))(t, "AccessDenied", "")
	wantCode(iam.DeleteGroup(ctx, &api.DeleteGroupInput{GroupName: p("lookers")}))(t, "DeleteConflict", "must delete policies")

	must(iam.AddUserToGroup(ctx, &api.AddUserToGroupInput{GroupName: p("lookers"), UserName: p("bob")}))(t)
	must(bob.iam().ListUsers(ctx, listing))(t)
	must(iam.DeleteGroupPolicy(ctx, &api.DeleteGroupPolicyInput{GroupName: p("lookers"), PolicyName: p("list")}))(t)
	wantCode(bob.iam().ListUsers(ctx, listing))(t, "AccessDenied", "")
	must(iam.AttachGroupPolicy(ctx, &api.AttachGroupPolicyInput{GroupName: p("lookers"), PolicyArn: p("arn:aws:iam::aws:policy/IAMReadOnlyAccess")}))(t)
	must(bob.iam().ListUsers(ctx, listing))(t)
	must(iam.DetachGroupPolicy(ctx, &api.DetachGroupPolicyInput{GroupName: p("lookers"), PolicyArn: p("arn:aws:iam::aws:policy/IAMReadOnlyAccess")}))(t)
	wantCode(bob.iam().ListUsers(ctx, listing))(t, "AccessDenied", "")
}

func TestManagedPolicies(t *testing.T) {
	h := newHouse(t)
	a, admin := h.account("main")
	ctx, iam := t.Context(), admin.iam()
	bob := admin.user("bob")
	listing := &api.ListUsersInput{}
	made := must(iam.CreatePolicy(ctx, &api.CreatePolicyInput{PolicyName: p("Doc"), Path: p("/team/"), Description: p("what for"), PolicyDocument: allow("iam:ListUsers", "*")}))(t)
	name := made.Policy.Arn
	if *name != "arn:aws:iam::"+a.ID+":policy/team/Doc" || *made.Policy.DefaultVersionId != "v1" || !strings.HasPrefix(*made.Policy.PolicyId, "ANPA") {
		t.Errorf("got %+v", made.Policy)
	}
	wantCode(iam.CreatePolicy(ctx, &api.CreatePolicyInput{PolicyName: p("doc"), PolicyDocument: allow("s3:*", "*")}))(t, "EntityAlreadyExists", "A policy called doc already exists. Duplicate names are not allowed.")
	wantCode(iam.CreatePolicy(ctx, &api.CreatePolicyInput{PolicyName: p("big"), PolicyDocument: allow("s3:*", "arn:aws:s3:::"+strings.Repeat("x", 6200))}))(t, "LimitExceeded", "Cannot exceed quota for PolicySize: 6144")
	wantCode(iam.CreatePolicy(ctx, &api.CreatePolicyInput{PolicyName: p("bad"), PolicyDocument: p("no")}))(t, "MalformedPolicyDocument", "")
	wantCode(iam.GetPolicy(ctx, &api.GetPolicyInput{PolicyArn: p("arn:aws:iam::" + a.ID + ":policy/Doc")}))(t, "NoSuchEntity", "was not found")

	attach := &api.AttachUserPolicyInput{UserName: p("bob"), PolicyArn: name}
	must(iam.AttachUserPolicy(ctx, attach))(t)
	must(iam.AttachUserPolicy(ctx, attach))(t)
	must(bob.iam().ListUsers(ctx, listing))(t)
	wantCode(iam.AttachUserPolicy(ctx, &api.AttachUserPolicyInput{UserName: p("bob"), PolicyArn: p("arn:aws:iam::aws:policy/Nothing")}))(t, "NoSuchEntity", "does not exist or is not attachable")
	who := must(iam.ListEntitiesForPolicy(ctx, &api.ListEntitiesForPolicyInput{PolicyArn: name}))(t)
	if len(who.PolicyUsers) != 1 || *who.PolicyUsers[0].UserName != "bob" {
		t.Errorf("got %+v", who)
	}

	deny := p(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"iam:ListUsers","Resource":"*"}]}`)
	must(iam.CreatePolicyVersion(ctx, &api.CreatePolicyVersionInput{PolicyArn: name, PolicyDocument: deny}))(t)
	must(bob.iam().ListUsers(ctx, listing))(t)
	must(iam.SetDefaultPolicyVersion(ctx, &api.SetDefaultPolicyVersionInput{PolicyArn: name, VersionId: p("v2")}))(t)
	wantCode(bob.iam().ListUsers(ctx, listing))(t, "AccessDenied", "with an explicit deny in an identity-based policy")
	wantCode(iam.DeletePolicyVersion(ctx, &api.DeletePolicyVersionInput{PolicyArn: name, VersionId: p("v2")}))(t, "DeleteConflict", "Cannot delete the default version of a policy.")
	wantCode(iam.DeletePolicyVersion(ctx, &api.DeletePolicyVersionInput{PolicyArn: name, VersionId: p("v9")}))(t, "NoSuchEntity", "")
	for range 3 {
		must(iam.CreatePolicyVersion(ctx, &api.CreatePolicyVersionInput{PolicyArn: name, PolicyDocument: allow("iam:ListUsers", "*"), SetAsDefault: wire.Ptr(true)}))(t)
	}
	must(bob.iam().ListUsers(ctx, listing))(t)
	wantCode(iam.CreatePolicyVersion(ctx, &api.CreatePolicyVersionInput{PolicyArn: name, PolicyDocument: deny}))(t, "LimitExceeded", "up to 5 versions")
	versions := must(iam.ListPolicyVersions(ctx, &api.ListPolicyVersionsInput{PolicyArn: name, MaxItems: wire.Ptr[int32](2)}))(t)
	if len(versions.Versions) != 2 || *versions.Versions[0].VersionId != "v5" || !*versions.Versions[0].IsDefaultVersion || !*versions.IsTruncated {
		t.Errorf("got %+v", versions)
	}
	rest := must(iam.ListPolicyVersions(ctx, &api.ListPolicyVersionsInput{PolicyArn: name, Marker: versions.Marker}))(t)
	if len(rest.Versions) != 3 || *rest.Versions[0].VersionId != "v3" {
		t.Errorf("got %+v", rest)
	}

	wantCode(iam.DeletePolicy(ctx, &api.DeletePolicyInput{PolicyArn: name}))(t, "DeleteConflict", "Cannot delete a policy attached to entities.")
	must(iam.DetachUserPolicy(ctx, &api.DetachUserPolicyInput{UserName: p("bob"), PolicyArn: name}))(t)
	wantCode(bob.iam().ListUsers(ctx, listing))(t, "AccessDenied", "")
	wantCode(iam.DetachUserPolicy(ctx, &api.DetachUserPolicyInput{UserName: p("bob"), PolicyArn: name}))(t, "NoSuchEntity", "")
	wantCode(iam.DeletePolicy(ctx, &api.DeletePolicyInput{PolicyArn: name}))(t, "DeleteConflict", "more than one version")
	for _, v := range []string{"v1", "v2", "v3", "v4"} {
		must(iam.DeletePolicyVersion(ctx, &api.DeletePolicyVersionInput{PolicyArn: name, VersionId: p(v)}))(t)
	}
	must(iam.DeletePolicy(ctx, &api.DeletePolicyInput{PolicyArn: name}))(t)
	wantCode(iam.GetPolicy(ctx, &api.GetPolicyInput{PolicyArn: name}))(t, "NoSuchEntity", "")
}

func TestPoliciesOfAWS(t *testing.T) {
	h := newHouse(t)
	_, admin := h.account("main")
	ctx, iam := t.Context(), admin.iam()
	must(iam.CreatePolicy(ctx, &api.CreatePolicyInput{PolicyName: p("mine"), PolicyDocument: allow("s3:*", "*")}))(t)
	all := must(iam.ListPolicies(ctx, &api.ListPoliciesInput{}))(t)
	aws := must(iam.ListPolicies(ctx, &api.ListPoliciesInput{Scope: api.PolicyScopeTypeAws}))(t)
	local := must(iam.ListPolicies(ctx, &api.ListPoliciesInput{Scope: api.PolicyScopeTypeLocal}))(t)
	used := must(iam.ListPolicies(ctx, &api.ListPoliciesInput{OnlyAttached: wire.Ptr(true)}))(t)
	if len(local.Policies) != 1 || len(all.Policies) != len(aws.Policies)+1 || len(used.Policies) != 1 || *used.Policies[0].PolicyName != "AdministratorAccess" {
		t.Errorf("got %d all, %d of AWS, %d local, %d used", len(all.Policies), len(aws.Policies), len(local.Policies), len(used.Policies))
	}
	for _, policy := range aws.Policies {
		v := must(iam.GetPolicyVersion(ctx, &api.GetPolicyVersionInput{PolicyArn: policy.Arn, VersionId: policy.DefaultVersionId}))(t)
		text, err := url.PathUnescape(*v.PolicyVersion.Document)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := iam.SimulateCustomPolicy(ctx, &api.SimulateCustomPolicyInput{PolicyInputList: []string{text}, ActionNames: []string{"s3:GetObject"}}); err != nil {
			t.Errorf("%s: %v", *policy.PolicyName, err)
		}
		if len(*policy.PolicyId) != 21 {
			t.Errorf("%s: id %s has %d characters", *policy.PolicyName, *policy.PolicyId, len(*policy.PolicyId))
		}
		wantCode(iam.DeletePolicy(ctx, &api.DeletePolicyInput{PolicyArn: policy.Arn}))(t, "NoSuchEntity", "")
	}
}

func TestBoundaries(t *testing.T) {
	h := newHouse(t)
	_, admin := h.account("main")
	ctx, iam := t.Context(), admin.iam()
	bob := admin.user("bob")
	must(iam.AttachUserPolicy(ctx, &api.AttachUserPolicyInput{UserName: p("bob"), PolicyArn: p("arn:aws:iam::aws:policy/AdministratorAccess")}))(t)
	must(bob.iam().CreateGroup(ctx, &api.CreateGroupInput{GroupName: p("one")}))(t)
	made := must(iam.CreatePolicy(ctx, &api.CreatePolicyInput{PolicyName: p("edge"), PolicyDocument: allow("iam:List*", "*")}))(t)
	must(iam.PutUserPermissionsBoundary(ctx, &api.PutUserPermissionsBoundaryInput{UserName: p("bob"), PermissionsBoundary: made.Policy.Arn}))(t)
	must(bob.iam().ListUsers(ctx, &api.ListUsersInput{}))(t)
	wantCode(bob.iam().CreateGroup(ctx, &api.CreateGroupInput{GroupName: p("two")}))(t, "AccessDenied", "because no permissions boundary allows")
	got := must(iam.GetUser(ctx, &api.GetUserInput{UserName: p("bob")}))(t)
	if b := got.User.PermissionsBoundary; b == nil || *b.PermissionsBoundaryArn != *made.Policy.Arn {
		t.Errorf("got %+v", b)
	}
	wantCode(iam.DeletePolicy(ctx, &api.DeletePolicyInput{PolicyArn: made.Policy.Arn}))(t, "DeleteConflict", "")
	must(iam.DeleteUserPermissionsBoundary(ctx, &api.DeleteUserPermissionsBoundaryInput{UserName: p("bob")}))(t)
	must(bob.iam().CreateGroup(ctx, &api.CreateGroupInput{GroupName: p("two")}))(t)
	wantCode(iam.DeleteUserPermissionsBoundary(ctx, &api.DeleteUserPermissionsBoundaryInput{UserName: p("bob")}))(t, "NoSuchEntity", "")
	must(iam.DeletePolicy(ctx, &api.DeletePolicyInput{PolicyArn: made.Policy.Arn}))(t)
}

func TestTags(t *testing.T) {
	h := newHouse(t)
	_, admin := h.account("main")
	ctx, iam := t.Context(), admin.iam()
	bob := admin.user("bob")
	must(iam.TagUser(ctx, &api.TagUserInput{UserName: p("bob"), Tags: []api.Tag{{Key: p("Team"), Value: p("a")}, {Key: p("Site"), Value: p("x")}}}))(t)
	must(iam.TagUser(ctx, &api.TagUserInput{UserName: p("bob"), Tags: []api.Tag{{Key: p("team"), Value: p("b")}}}))(t)
	wantCode(iam.TagUser(ctx, &api.TagUserInput{UserName: p("bob"), Tags: []api.Tag{{Key: p("k"), Value: p("1")}, {Key: p("K"), Value: p("2")}}}))(t, "InvalidInput", "Duplicate tag keys")
	wantCode(iam.TagUser(ctx, &api.TagUserInput{UserName: p("bob"), Tags: []api.Tag{{Key: p("aws:k"), Value: p("1")}}}))(t, "InvalidInput", "reserved")
	list := must(iam.ListUserTags(ctx, &api.ListUserTagsInput{UserName: p("bob"), MaxItems: wire.Ptr[int32](1)}))(t)
	if len(list.Tags) != 1 || *list.Tags[0].Key != "Site" || !*list.IsTruncated {
		t.Errorf("got %+v", list)
	}
	list = must(iam.ListUserTags(ctx, &api.ListUserTagsInput{UserName: p("bob"), Marker: list.Marker}))(t)
	if len(list.Tags) != 1 || *list.Tags[0].Key != "team" || *list.Tags[0].Value != "b" {
		t.Errorf("got %+v", list)
	}
	// A user may look at who has his own team's tag.
	must(iam.PutUserPolicy(ctx, &api.PutUserPolicyInput{UserName: p("bob"), PolicyName: p("team"), PolicyDocument: p(
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetUser","Resource":"*","Condition":{"StringEquals":{"iam:ResourceTag/Team":"${aws:PrincipalTag/team}"}}}}`)}))(t)
	must(bob.iam().GetUser(ctx, &api.GetUserInput{}))(t)
	wantCode(bob.iam().GetUser(ctx, &api.GetUserInput{UserName: p("administrator")}))(t, "AccessDenied", "")
	must(iam.UntagUser(ctx, &api.UntagUserInput{UserName: p("bob"), TagKeys: []string{"TEAM"}}))(t)
	wantCode(bob.iam().GetUser(ctx, &api.GetUserInput{}))(t, "AccessDenied", "")
}

func TestConditionsOfTheRequest(t *testing.T) {
	h := newHouse(t)
	_, admin := h.account("main")
	ctx, iam := t.Context(), admin.iam()
	bob := admin.user("bob")
	put := func(text string) {
		t.Helper()
		must(iam.PutUserPolicy(ctx, &api.PutUserPolicyInput{UserName: p("bob"), PolicyName: p("some"), PolicyDocument: &text}))(t)
	}
	put(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:AttachUserPolicy","Resource":"*","Condition":{"ArnEquals":{"iam:PolicyARN":"arn:aws:iam::aws:policy/IAMReadOnlyAccess"}}}}`)
	must(bob.iam().AttachUserPolicy(ctx, &api.AttachUserPolicyInput{UserName: p("bob"), PolicyArn: p("arn:aws:iam::aws:policy/IAMReadOnlyAccess")}))(t)
	wantCode(bob.iam().AttachUserPolicy(ctx, &api.AttachUserPolicyInput{UserName: p("bob"), PolicyArn: p("arn:aws:iam::aws:policy/AdministratorAccess")}))(t, "AccessDenied", "")
	put(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:CreateUser","Resource":"arn:aws:iam::*:user/staff/*","Condition":{
		"StringEquals":{"iam:PermissionsBoundary":"arn:aws:iam::aws:policy/ReadOnlyAccess","aws:RequestTag/Team":"a"},"ForAllValues:StringEquals":{"aws:TagKeys":["Team"]}}}}`)
	in := &api.CreateUserInput{UserName: p("eve"), Path: p("/staff/"), PermissionsBoundary: p("arn:aws:iam::aws:policy/ReadOnlyAccess"), Tags: []api.Tag{{Key: p("Team"), Value: p("a")}}}
	must(bob.iam().CreateUser(ctx, in))(t)
	for name, change := range map[string]func(in *api.CreateUserInput){
		"path":     func(in *api.CreateUserInput) { in.Path = nil },
		"boundary": func(in *api.CreateUserInput) { in.PermissionsBoundary = nil },
		"tag":      func(in *api.CreateUserInput) { in.Tags = []api.Tag{{Key: p("Team"), Value: p("b")}} },
		"more tags": func(in *api.CreateUserInput) {
			in.Tags = []api.Tag{{Key: p("Team"), Value: p("a")}, {Key: p("x"), Value: p("")}}
		},
	} {
		other := *in
		other.UserName = p("mallory")
		change(&other)
		if _, err := bob.iam().CreateUser(ctx, &other); !wire.IsCode(err, "AccessDenied") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A rename needs both names.
	put(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:UpdateUser","Resource":"arn:aws:iam::*:user/staff/*"}}`)
	must(bob.iam().UpdateUser(ctx, &api.UpdateUserInput{UserName: p("eve"), NewUserName: p("eva")}))(t)
	wantCode(bob.iam().UpdateUser(ctx, &api.UpdateUserInput{UserName: p("eva"), NewPath: p("/boss/")}))(t, "AccessDenied", "user/boss/eva")
}
