package iam_test

import (
	"encoding/base32"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/iam"
	stsapi "github.com/strongroom/strongroom/api/sts"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/service/iam/totp"
	"github.com/strongroom/strongroom/wire"
)

// trusting is a trust policy for a principal, with further elements.
func trusting(principal, more string) *string {
	return p(fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":%s,"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]%s}]}`, principal, more))
}

func aws(arn string) string { return `{"AWS":"` + arn + `"}` }

// role makes a role that trusts a principal and may list users.
func (c *client) role(name string, trust *string) *api.Role {
	c.house.t.Helper()
	ctx := c.house.t.Context()
	out, err := c.iam().CreateRole(ctx, &api.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: trust})
	if err == nil {
		_, err = c.iam().PutRolePolicy(ctx, &api.PutRolePolicyInput{RoleName: &name, PolicyName: p("list"), PolicyDocument: allow("iam:List*", "*")})
	}
	if err != nil {
		c.house.t.Fatal(err)
	}
	return out.Role
}

func TestRoles(t *testing.T) {
	h := newHouse(t)
	a, admin := h.account("main")
	ctx, iam := t.Context(), admin.iam()
	root := aws("arn:aws:iam::" + a.ID + ":root")
	made := must(iam.CreateRole(ctx, &api.CreateRoleInput{
		RoleName: p("Reader"), Path: p("/app/"), AssumeRolePolicyDocument: trusting(root, ""), Description: p("reads"), MaxSessionDuration: wire.Ptr[int32](7200),
	}))(t)
	if *made.Role.Arn != "arn:aws:iam::"+a.ID+":role/app/Reader" || !strings.HasPrefix(*made.Role.RoleId, "AROA") || *made.Role.MaxSessionDuration != 7200 {
		t.Errorf("got %+v", made.Role)
	}
	wantCode(iam.CreateRole(ctx, &api.CreateRoleInput{RoleName: p("reader"), AssumeRolePolicyDocument: trusting(root, "")}))(t, "EntityAlreadyExists", "Role with name reader already exists.")
	wantCode(iam.CreateRole(ctx, &api.CreateRoleInput{RoleName: p("x"), AssumeRolePolicyDocument: allow("s3:*", "*")}))(t, "MalformedPolicyDocument", "")
	for _, nobody := range []string{"arn:aws:iam::" + a.ID + ":user/none", "arn:aws:iam::" + a.ID + ":role/Reader", "arn:aws:iam::111111111111:root", "111111111111", "AIDAAAAAAAAAAAAAAAAAA"} {
		wantCode(iam.CreateRole(ctx, &api.CreateRoleInput{RoleName: p("x"), AssumeRolePolicyDocument: trusting(aws(nobody), "")}))(t, "MalformedPolicyDocument", "Invalid principal in policy: \"AWS\":\""+nobody+"\"")
	}
	got := must(iam.GetRole(ctx, &api.GetRoleInput{RoleName: p("reader")}))(t)
	if text, err := url.PathUnescape(*got.Role.AssumeRolePolicyDocument); err != nil || text != *trusting(root, "") {
		t.Errorf("got %s", text)
	}
	must(iam.UpdateRole(ctx, &api.UpdateRoleInput{RoleName: p("Reader"), MaxSessionDuration: wire.Ptr[int32](3600)}))(t)
	described := must(iam.UpdateRoleDescription(ctx, &api.UpdateRoleDescriptionInput{RoleName: p("Reader"), Description: p("new")}))(t)
	if *described.Role.Description != "new" || *described.Role.MaxSessionDuration != 3600 {
		t.Errorf("got %+v", described.Role)
	}
	if list := must(iam.ListRoles(ctx, &api.ListRolesInput{PathPrefix: p("/app/")}))(t); len(list.Roles) != 1 {
		t.Errorf("got %d roles", len(list.Roles))
	}
	must(iam.AttachRolePolicy(ctx, &api.AttachRolePolicyInput{RoleName: p("Reader"), PolicyArn: p("arn:aws:iam::aws:policy/ReadOnlyAccess")}))(t)
	wantCode(iam.DeleteRole(ctx, &api.DeleteRoleInput{RoleName: p("Reader")}))(t, "DeleteConflict", "must detach all policies first")
	must(iam.DetachRolePolicy(ctx, &api.DetachRolePolicyInput{RoleName: p("Reader"), PolicyArn: p("arn:aws:iam::aws:policy/ReadOnlyAccess")}))(t)
	if list := must(iam.ListInstanceProfilesForRole(ctx, &api.ListInstanceProfilesForRoleInput{RoleName: p("Reader")}))(t); len(list.InstanceProfiles) != 0 {
		t.Error("there are instance profiles")
	}
	must(iam.TagRole(ctx, &api.TagRoleInput{RoleName: p("Reader"), Tags: []api.Tag{{Key: p("a"), Value: p("b")}}}))(t)
	if list := must(iam.ListRoleTags(ctx, &api.ListRoleTagsInput{RoleName: p("Reader")}))(t); len(list.Tags) != 1 {
		t.Errorf("got %+v", list)
	}
	must(iam.UntagRole(ctx, &api.UntagRoleInput{RoleName: p("Reader"), TagKeys: []string{"a"}}))(t)
	must(iam.DeleteRole(ctx, &api.DeleteRoleInput{RoleName: p("Reader")}))(t)
	wantCode(iam.GetRole(ctx, &api.GetRoleInput{RoleName: p("Reader")}))(t, "NoSuchEntity", "The role with name Reader cannot be found.")
}

func TestAssumeRole(t *testing.T) {
	h := newHouse(t)
	a, admin := h.account("main")
	ctx := t.Context()
	bob := admin.user("bob")
	role := admin.role("reader", trusting(aws("arn:aws:iam::"+a.ID+":user/bob"), ""))
	in := &stsapi.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: p("work")}
	out := must(bob.sts().AssumeRole(ctx, in))(t)
	if *out.AssumedRoleUser.Arn != "arn:aws:sts::"+a.ID+":assumed-role/reader/work" || *out.AssumedRoleUser.AssumedRoleId != *role.RoleId+":work" ||
		!strings.HasPrefix(*out.Credentials.AccessKeyId, "ASIA") || len(*out.Credentials.AccessKeyId) != 20 || out.PackedPolicySize != nil {
		t.Errorf("got %+v", out.AssumedRoleUser)
	}
	session := bob.with(out.Credentials)
	who := must(session.sts().GetCallerIdentity(ctx, &stsapi.GetCallerIdentityInput{}))(t)
	if *who.Arn != *out.AssumedRoleUser.Arn || *who.UserId != *role.RoleId+":work" || *who.Account != a.ID {
		t.Errorf("got %v %v", *who.Arn, *who.UserId)
	}
	must(session.iam().ListUsers(ctx, &api.ListUsersInput{}))(t)
	wantCode(session.iam().CreateUser(ctx, &api.CreateUserInput{UserName: p("eve")}))(t, "AccessDenied", "assumed-role/reader/work is not authorized")
	wantCode(session.iam().GetUser(ctx, &api.GetUserInput{}))(t, "ValidationError", "Must specify userName")
	wantCode(session.sts().GetSessionToken(ctx, &stsapi.GetSessionTokenInput{}))(t, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	info := must(admin.sts().GetAccessKeyInfo(ctx, &stsapi.GetAccessKeyInfoInput{AccessKeyId: out.Credentials.AccessKeyId}))(t)
	if *info.Account != a.ID {
		t.Errorf("got %s", *info.Account)
	}

	// Without its token, with another's, or with a changed one the key is none.
	other := must(bob.sts().AssumeRole(ctx, in))(t)
	self := &stsapi.GetCallerIdentityInput{}
	for name, token := range map[string]string{"none": "", "another's": *other.Credentials.SessionToken, "changed": "B" + (*out.Credentials.SessionToken)[1:], "rubbish": "x"} {
		c := h.as(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, token)
		if _, err := c.sts().GetCallerIdentity(ctx, self); !wire.IsCode(err, "InvalidClientTokenId") {
			t.Errorf("token of %s: %v", name, err)
		}
	}

	// What the role may do counts at each call, and the session ends with the role.
	must(admin.iam().DeleteRolePolicy(ctx, &api.DeleteRolePolicyInput{RoleName: p("reader"), PolicyName: p("list")}))(t)
	wantCode(session.iam().ListUsers(ctx, &api.ListUsersInput{}))(t, "AccessDenied", "")
	must(admin.iam().DeleteRole(ctx, &api.DeleteRoleInput{RoleName: p("reader")}))(t)
	wantCode(session.sts().GetCallerIdentity(ctx, self))(t, "InvalidClientTokenId", "")
	admin.role("reader", trusting(aws("arn:aws:iam::"+a.ID+":user/bob"), ""))
	wantCode(session.sts().GetCallerIdentity(ctx, self))(t, "InvalidClientTokenId", "")
}

func TestAssumeRoleNeedsTrust(t *testing.T) {
	h := newHouse(t)
	a, admin := h.account("main")
	b, foreigner := h.account("other")
	ctx := t.Context()
	bob := admin.user("bob")
	grant := func(c *client, user string) {
		t.Helper()
		must(c.iam().PutUserPolicy(ctx, &api.PutUserPolicyInput{UserName: &user, PolicyName: p("assume"), PolicyDocument: allow("sts:AssumeRole", "*")}))(t)
	}
	assume := func(c *client, role *api.Role) error {
		_, err := c.sts().AssumeRole(ctx, &stsapi.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: p("work")})
		return err
	}
	byService := admin.role("service", trusting(`{"Service":"monitron.amazonaws.com"}`, ""))
	delegated := admin.role("delegated", trusting(aws("arn:aws:iam::"+a.ID+":root"), ""))
	crossing := admin.role("crossing", trusting(aws(b.ID), ""))
	refused := func(what string, err error) {
		t.Helper()
		if !wire.IsCode(err, "AccessDenied") || !strings.Contains(err.Error(), "is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::") || strings.Contains(err.Error(), "because") {
			t.Errorf("%s: got %v", what, err)
		}
	}
	refused("administrator without trust", assume(admin, byService))
	refused("delegated without a policy", assume(bob, delegated))
	grant(admin, "bob")
	if err := assume(bob, delegated); err != nil {
		t.Errorf("delegated with a policy: %v", err)
	}
	refused("of another account's trust", assume(bob, crossing))
	refused("no such role", assume(bob, &api.Role{Arn: p("arn:aws:iam::" + a.ID + ":role/none")}))
	if err := assume(foreigner, crossing); err != nil {
		t.Errorf("crossing as administrator: %v", err)
	}
	eve := foreigner.user("eve")
	refused("crossing without a policy", assume(eve, crossing))
	grant(foreigner, "eve")
	if err := assume(eve, crossing); err != nil {
		t.Errorf("crossing with a policy: %v", err)
	}
	inside := stsapi.NewClient(h.gateway.Inside("monitron.amazonaws.com"))
	if _, err := inside.AssumeRole(service.AsService(ctx), &stsapi.AssumeRoleInput{RoleArn: byService.Arn, RoleSessionName: p("work")}); err != nil {
		t.Errorf("as a service: %v", err)
	}
	if _, err := inside.AssumeRole(service.AsService(ctx), &stsapi.AssumeRoleInput{RoleArn: delegated.Arn, RoleSessionName: p("work")}); !wire.IsCode(err, "AccessDenied") {
		t.Errorf("as a service that is not trusted: %v", err)
	}
	wantCode(bob.sts().AssumeRole(ctx, &stsapi.AssumeRoleInput{RoleArn: p("arn:aws:iam::" + a.ID + ":user/bob"), RoleSessionName: p("work")}))(t, "ValidationError", "")
	wantCode(bob.sts().AssumeRole(ctx, &stsapi.AssumeRoleInput{RoleArn: delegated.Arn, RoleSessionName: p("a b")}))(t, "ValidationError", "")
}

// TestTrustIsOfAPerson: who is deleted and made again under the same name does not inherit.
func TestTrustIsOfAPerson(t *testing.T) {
	h := newHouse(t)
	a, admin := h.account("main")
	ctx := t.Context()
	bob := admin.user("bob")
	name := "arn:aws:iam::" + a.ID + ":user/bob"
	role := admin.role("reader", trusting(aws(name), ""))
	in := &stsapi.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: p("work")}
	must(bob.sts().AssumeRole(ctx, in))(t)
	old := must(admin.iam().GetUser(ctx, &api.GetUserInput{UserName: p("bob")}))(t)
	must(admin.iam().DeleteAccessKey(ctx, &api.DeleteAccessKeyInput{UserName: p("bob"), AccessKeyId: &bob.credentials.AccessKeyID}))(t)
	must(admin.iam().DeleteUser(ctx, &api.DeleteUserInput{UserName: p("bob")}))(t)
	bob = admin.user("bob")
	wantCode(bob.sts().AssumeRole(ctx, in))(t, "AccessDenied", "")
	got := must(admin.iam().GetRole(ctx, &api.GetRoleInput{RoleName: p("reader")}))(t)
	if text, _ := url.PathUnescape(*got.Role.AssumeRolePolicyDocument); strings.Contains(text, name) || !strings.Contains(text, *old.User.UserId) {
		t.Errorf("got %s", text)
	}
	must(admin.iam().UpdateAssumeRolePolicy(ctx, &api.UpdateAssumeRolePolicyInput{RoleName: p("reader"), PolicyDocument: trusting(aws(name), "")}))(t)
	must(bob.sts().AssumeRole(ctx, in))(t)
}

func TestConditionsOfTrust(t *testing.T) {
	h := newHouse(t)
	a, admin := h.account("main")
	ctx := t.Context()
	bob := admin.user("bob")
	for name, c := range map[string]struct {
		condition string
		good, bad func(in *stsapi.AssumeRoleInput)
	}{
		"external id": {`{"StringEquals":{"sts:ExternalId":"x1"}}`,
			func(in *stsapi.AssumeRoleInput) { in.ExternalId = p("x1") }, func(in *stsapi.AssumeRoleInput) { in.ExternalId = p("x2") }},
		"session name": {`{"StringEquals":{"sts:RoleSessionName":"${aws:username}"}}`,
			func(in *stsapi.AssumeRoleInput) { in.RoleSessionName = p("bob") }, func(*stsapi.AssumeRoleInput) {}},
		"source identity": {`{"StringLike":{"sts:SourceIdentity":"b*"}}`,
			func(in *stsapi.AssumeRoleInput) { in.SourceIdentity = p("bob") }, func(in *stsapi.AssumeRoleInput) { in.SourceIdentity = p("eve") }},
		"tags": {`{"StringEquals":{"aws:RequestTag/Team":"a"},"ForAllValues:StringEquals":{"sts:TransitiveTagKeys":["Team"],"aws:TagKeys":["Team"]}}`,
			func(in *stsapi.AssumeRoleInput) {
				in.Tags, in.TransitiveTagKeys = []stsapi.Tag{{Key: p("Team"), Value: p("a")}}, []string{"Team"}
			},
			func(in *stsapi.AssumeRoleInput) {
				in.Tags = []stsapi.Tag{{Key: p("Team"), Value: p("a")}, {Key: p("Other"), Value: p("a")}}
			}},
	} {
		t.Run(name, func(t *testing.T) {
			role := admin.role(strings.ReplaceAll(name, " ", "-"), trusting(aws("arn:aws:iam::"+a.ID+":user/bob"), `,"Condition":`+c.condition))
			good := &stsapi.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: p("work")}
			bad := *good
			c.good(good)
			c.bad(&bad)
			must(bob.sts().AssumeRole(ctx, good))(t)
			wantCode(bob.sts().AssumeRole(ctx, &bad))(t, "AccessDenied", "")
		})
	}
}

func TestSessionPolicies(t *testing.T) {
	h := newHouse(t)
	a, admin := h.account("main")
	ctx := t.Context()
	bob := admin.user("bob")
	role := admin.role("reader", trusting(aws("arn:aws:iam::"+a.ID+":user/bob"), ""))
	in := &stsapi.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: p("work"), Policy: allow("iam:ListGroups", "*")}
	out := must(bob.sts().AssumeRole(ctx, in))(t)
	if out.PackedPolicySize == nil || *out.PackedPolicySize < 1 || *out.PackedPolicySize > 10 {
		t.Errorf("got %v", out.PackedPolicySize)
	}
	session := bob.with(out.Credentials)
	must(session.iam().ListGroups(ctx, &api.ListGroupsInput{}))(t)
	must(session.iam().ListGroups(ctx, &api.ListGroupsInput{}))(t)
	wantCode(session.iam().ListUsers(ctx, &api.ListUsersInput{}))(t, "AccessDenied", "because no session policy allows")

	made := must(admin.iam().CreatePolicy(ctx, &api.CreatePolicyInput{PolicyName: p("cut"), PolicyDocument: allow("iam:ListUsers", "*")}))(t)
	in.Policy, in.PolicyArns = nil, []stsapi.PolicyDescriptorType{{Arn: made.Policy.Arn}}
	session = bob.with(must(bob.sts().AssumeRole(ctx, in))(t).Credentials)
	must(session.iam().ListUsers(ctx, &api.ListUsersInput{}))(t)
	wantCode(session.iam().ListGroups(ctx, &api.ListGroupsInput{}))(t, "AccessDenied", "")
	must(admin.iam().CreatePolicyVersion(ctx, &api.CreatePolicyVersionInput{PolicyArn: made.Policy.Arn, PolicyDocument: allow("iam:ListGroups", "*"), SetAsDefault: wire.Ptr(true)}))(t)
	must(session.iam().ListGroups(ctx, &api.ListGroupsInput{}))(t)
	wantCode(session.iam().ListUsers(ctx, &api.ListUsersInput{}))(t, "AccessDenied", "")
	must(admin.iam().DeletePolicyVersion(ctx, &api.DeletePolicyVersionInput{PolicyArn: made.Policy.Arn, VersionId: p("v1")}))(t)
	must(admin.iam().DeletePolicy(ctx, &api.DeletePolicyInput{PolicyArn: made.Policy.Arn}))(t)
	wantCode(session.iam().ListGroups(ctx, &api.ListGroupsInput{}))(t, "AccessDenied", "")
	wantCode(bob.sts().AssumeRole(ctx, in))(t, "ValidationError", "does not exist or is not attachable")

	in.PolicyArns, in.Policy = nil, p(`{"Version":"2012-10-17"}`)
	wantCode(bob.sts().AssumeRole(ctx, in))(t, "MalformedPolicyDocument", "")
	in.Policy = nil
	for i := range 50 {
		in.Tags = append(in.Tags, stsapi.Tag{Key: p(fmt.Sprint("key", i)), Value: p(randomText(i))})
	}
	wantCode(bob.sts().AssumeRole(ctx, in))(t, "PackedPolicyTooLarge", "Packed policy consumes")
}

// randomText is text that does not pack well.
func randomText(seed int) string {
	var b strings.Builder
	x := uint64(seed)*2654435761 + 12345
	for b.Len() < 250 {
		x = x*6364136223846793005 + 1442695040888963407
		b.WriteString(fmt.Sprintf("%x", x>>33))
	}
	return b.String()[:250]
}

func TestChaining(t *testing.T) {
	h := newHouse(t)
	a, admin := h.account("main")
	ctx := t.Context()
	bob := admin.user("bob")
	first := admin.role("first", trusting(aws("arn:aws:iam::"+a.ID+":user/bob"), ""))
	must(admin.iam().UpdateRole(ctx, &api.UpdateRoleInput{RoleName: p("first"), MaxSessionDuration: wire.Ptr[int32](7200)}))(t)
	second := admin.role("second", trusting(aws(*first.Arn), `,"Condition":{"StringEquals":{"aws:RequestTag/Team":"a"}}`))
	must(admin.iam().UpdateRole(ctx, &api.UpdateRoleInput{RoleName: p("second"), MaxSessionDuration: wire.Ptr[int32](7200)}))(t)
	must(admin.iam().PutRolePolicy(ctx, &api.PutRolePolicyInput{RoleName: p("first"), PolicyName: p("go"), PolicyDocument: allow("sts:*", "*")}))(t)
	out := must(bob.sts().AssumeRole(ctx, &stsapi.AssumeRoleInput{
		RoleArn: first.Arn, RoleSessionName: p("one"), SourceIdentity: p("bob"), DurationSeconds: wire.Ptr[int32](7200),
		Tags: []stsapi.Tag{{Key: p("Team"), Value: p("a")}, {Key: p("Loose"), Value: p("b")}}, TransitiveTagKeys: []string{"Team"},
	}))(t)
	if left := time.Until(*out.Credentials.Expiration); left < 119*time.Minute || left > 2*time.Hour {
		t.Errorf("expires in %v", left)
	}
	one := bob.with(out.Credentials)
	in := &stsapi.AssumeRoleInput{RoleArn: second.Arn, RoleSessionName: p("two")}
	chained := must(one.sts().AssumeRole(ctx, in))(t)
	if wire.Val(chained.SourceIdentity) != "bob" {
		t.Errorf("got %v", chained.SourceIdentity)
	}
	for name, c := range map[string]struct {
		change     func(in *stsapi.AssumeRoleInput)
		code, text string
	}{
		"too long":            {func(in *stsapi.AssumeRoleInput) { in.DurationSeconds = wire.Ptr[int32](3601) }, "ValidationError", "role chaining"},
		"longer than allowed": {func(in *stsapi.AssumeRoleInput) { in.DurationSeconds = wire.Ptr[int32](7201) }, "ValidationError", "MaxSessionDuration"},
		"another identity":    {func(in *stsapi.AssumeRoleInput) { in.SourceIdentity = p("eve") }, "AccessDenied", "SourceIdentity"},
		"inherited tag":       {func(in *stsapi.AssumeRoleInput) { in.Tags = []stsapi.Tag{{Key: p("team"), Value: p("a")}} }, "ValidationError", "transitive"},
		"unknown transitive":  {func(in *stsapi.AssumeRoleInput) { in.TransitiveTagKeys = []string{"x"} }, "ValidationError", "transitive"},
	} {
		t.Run(name, func(t *testing.T) {
			other := *in
			c.change(&other)
			wantCode(one.sts().AssumeRole(ctx, &other))(t, c.code, c.text)
		})
	}
}

// codes returns two codes of a device that follow each other, of which the second is the one of now.
func codes(seed []byte) (first, second string) {
	// The codes are used at once, but a step that ends meanwhile makes them too old.
	if left := totp.Period - time.Duration(time.Now().UnixNano())%totp.Period; left < 3*time.Second {
		time.Sleep(left)
	}
	raw, err := base32.StdEncoding.DecodeString(string(seed))
	if err != nil {
		panic(err)
	}
	step := totp.Step(time.Now())
	return totp.Code(raw, step-1), totp.Code(raw, step)
}

// nextCode returns the code that comes after that of now.
func nextCode(seed []byte) string {
	raw, _ := base32.StdEncoding.DecodeString(string(seed))
	return totp.Code(raw, totp.Step(time.Now())+1)
}

// TestMFA is claim C2: a policy that asks for a second factor refuses who has not shown one.
func TestMFA(t *testing.T) {
	h := newHouse(t)
	a, admin := h.account("main")
	ctx, iam := t.Context(), admin.iam()
	bob := admin.user("bob")
	must(iam.PutUserPolicy(ctx, &api.PutUserPolicyInput{UserName: p("bob"), PolicyName: p("mfa"), PolicyDocument: p(
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:List*","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}}`)}))(t)
	listing := &api.ListUsersInput{}
	wantCode(bob.iam().ListUsers(ctx, listing))(t, "AccessDenied", "")

	made := must(iam.CreateVirtualMFADevice(ctx, &api.CreateVirtualMFADeviceInput{VirtualMFADeviceName: p("phone")}))(t).VirtualMFADevice
	if *made.SerialNumber != "arn:aws:iam::"+a.ID+":mfa/phone" || len(made.Base32StringSeed) != 64 {
		t.Errorf("got %v", *made.SerialNumber)
	}
	wantCode(iam.CreateVirtualMFADevice(ctx, &api.CreateVirtualMFADeviceInput{VirtualMFADeviceName: p("Phone")}))(t, "EntityAlreadyExists", "")
	first, second := codes(made.Base32StringSeed)
	enable := &api.EnableMFADeviceInput{UserName: p("bob"), SerialNumber: made.SerialNumber, AuthenticationCode1: &second, AuthenticationCode2: &first}
	wantCode(iam.EnableMFADevice(ctx, enable))(t, "InvalidAuthenticationCode", "")
	wantCode(bob.sts().GetSessionToken(ctx, &stsapi.GetSessionTokenInput{SerialNumber: made.SerialNumber, TokenCode: &second}))(t, "AccessDenied", "MultiFactorAuthentication failed")
	enable.AuthenticationCode1, enable.AuthenticationCode2 = &first, &second
	must(iam.EnableMFADevice(ctx, enable))(t)
	wantCode(iam.EnableMFADevice(ctx, enable))(t, "EntityAlreadyExists", "")
	if list := must(iam.ListMFADevices(ctx, &api.ListMFADevicesInput{UserName: p("bob")}))(t); len(list.MFADevices) != 1 || *list.MFADevices[0].SerialNumber != *made.SerialNumber {
		t.Errorf("got %+v", list.MFADevices)
	}
	if list := must(iam.ListVirtualMFADevices(ctx, &api.ListVirtualMFADevicesInput{AssignmentStatus: api.AssignmentStatusTypeAssigned}))(t); len(list.VirtualMFADevices) != 1 || list.VirtualMFADevices[0].Base32StringSeed != nil || *list.VirtualMFADevices[0].User.UserName != "bob" {
		t.Errorf("got %+v", list.VirtualMFADevices)
	}

	plain := bob.with(must(bob.sts().GetSessionToken(ctx, &stsapi.GetSessionTokenInput{}))(t).Credentials)
	who := must(plain.sts().GetCallerIdentity(ctx, &stsapi.GetCallerIdentityInput{}))(t)
	if *who.Arn != "arn:aws:iam::"+a.ID+":user/bob" {
		t.Errorf("got %s", *who.Arn)
	}
	wantCode(plain.iam().ListUsers(ctx, listing))(t, "AccessDenied", "")
	next := nextCode(made.Base32StringSeed)
	with := &stsapi.GetSessionTokenInput{SerialNumber: made.SerialNumber, TokenCode: &next}
	strong := bob.with(must(bob.sts().GetSessionToken(ctx, with))(t).Credentials)
	must(strong.iam().ListUsers(ctx, listing))(t)
	wantCode(bob.sts().GetSessionToken(ctx, with))(t, "AccessDenied", "invalid MFA one time pass code")
	wantCode(admin.sts().GetSessionToken(ctx, with))(t, "AccessDenied", "unable to validate MFA code")
	wantCode(strong.sts().GetSessionToken(ctx, &stsapi.GetSessionTokenInput{}))(t, "AccessDenied", "")
	wantCode(bob.sts().GetSessionToken(ctx, &stsapi.GetSessionTokenInput{TokenCode: &next}))(t, "ValidationError", "")
	mfaIn := func(accessKeyID string) string {
		t.Helper()
		entries := h.audit.entries
		for i := len(entries) - 1; i >= 0; i-- {
			if entries[i].AccessKeyID == accessKeyID {
				return string(entries[i].JSON)
			}
		}
		return ""
	}
	if got := mfaIn(plain.credentials.AccessKeyID); !strings.Contains(got, `"mfaAuthenticated":"false"`) {
		t.Errorf("record of a session without a second factor: %s", got)
	}
	if got := mfaIn(strong.credentials.AccessKeyID); !strings.Contains(got, `"mfaAuthenticated":"true"`) {
		t.Errorf("record of a session with a second factor: %s", got)
	}

	wantCode(iam.DeleteVirtualMFADevice(ctx, &api.DeleteVirtualMFADeviceInput{SerialNumber: made.SerialNumber}))(t, "DeleteConflict", "")
	wantCode(iam.DeactivateMFADevice(ctx, &api.DeactivateMFADeviceInput{UserName: p("administrator"), SerialNumber: made.SerialNumber}))(t, "NoSuchEntity", "")
	must(iam.DeactivateMFADevice(ctx, &api.DeactivateMFADeviceInput{UserName: p("bob"), SerialNumber: made.SerialNumber}))(t)
	must(iam.DeleteVirtualMFADevice(ctx, &api.DeleteVirtualMFADeviceInput{SerialNumber: made.SerialNumber}))(t)
}

func TestAssumeRoleWithMFA(t *testing.T) {
	h := newHouse(t)
	a, admin := h.account("main")
	ctx := t.Context()
	bob := admin.user("bob")
	role := admin.role("careful", trusting(aws("arn:aws:iam::"+a.ID+":user/bob"), `,"Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`))
	made := must(admin.iam().CreateVirtualMFADevice(ctx, &api.CreateVirtualMFADeviceInput{VirtualMFADeviceName: p("phone")}))(t).VirtualMFADevice
	first, second := codes(made.Base32StringSeed)
	must(admin.iam().EnableMFADevice(ctx, &api.EnableMFADeviceInput{UserName: p("bob"), SerialNumber: made.SerialNumber, AuthenticationCode1: &first, AuthenticationCode2: &second}))(t)
	in := &stsapi.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: p("work")}
	wantCode(bob.sts().AssumeRole(ctx, in))(t, "AccessDenied", "")
	in.SerialNumber, in.TokenCode = made.SerialNumber, &second
	wantCode(bob.sts().AssumeRole(ctx, in))(t, "AccessDenied", "invalid MFA one time pass code")
	next := nextCode(made.Base32StringSeed)
	in.TokenCode = &next
	must(bob.sts().AssumeRole(ctx, in))(t)
	// Guessing is slow: after ten wrong codes not even a right one is looked at.
	for range 12 {
		if _, err := bob.sts().AssumeRole(ctx, in); !wire.IsCode(err, "AccessDenied") {
			t.Fatalf("got %v", err)
		}
	}
	wantCode(bob.sts().AssumeRole(ctx, in))(t, "AccessDenied", "unable to validate MFA code")
}
