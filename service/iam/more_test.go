package iam_test

import (
	"fmt"
	"slices"
	"testing"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/wire"
)

func TestListAttached(t *testing.T) {
	h := newHouse(t)
	a, admin := h.account("main")
	ctx, iam := t.Context(), admin.iam()
	admin.user("bob")
	must(iam.CreateGroup(ctx, &api.CreateGroupInput{GroupName: p("group")}))(t)
	admin.role("role", trusting(aws(a.ID), ""))
	made := must(iam.CreatePolicy(ctx, &api.CreatePolicyInput{PolicyName: p("mine"), Path: p("/team/"), PolicyDocument: allow("s3:*", "*")}))(t)
	for _, name := range []*string{made.Policy.Arn, p(administratorAccess)} {
		must(iam.AttachUserPolicy(ctx, &api.AttachUserPolicyInput{UserName: p("bob"), PolicyArn: name}))(t)
		must(iam.AttachGroupPolicy(ctx, &api.AttachGroupPolicyInput{GroupName: p("group"), PolicyArn: name}))(t)
		must(iam.AttachRolePolicy(ctx, &api.AttachRolePolicyInput{RoleName: p("role"), PolicyArn: name}))(t)
	}
	for prefix, want := range map[string]int{"/": 2, "/team/": 1, "/none/": 0} {
		users := must(iam.ListAttachedUserPolicies(ctx, &api.ListAttachedUserPoliciesInput{UserName: p("bob"), PathPrefix: &prefix}))(t)
		groups := must(iam.ListAttachedGroupPolicies(ctx, &api.ListAttachedGroupPoliciesInput{GroupName: p("group"), PathPrefix: &prefix}))(t)
		roles := must(iam.ListAttachedRolePolicies(ctx, &api.ListAttachedRolePoliciesInput{RoleName: p("role"), PathPrefix: &prefix}))(t)
		if len(users.AttachedPolicies) != want || len(groups.AttachedPolicies) != want || len(roles.AttachedPolicies) != want {
			t.Errorf("%s: got %d, %d, %d, want %d", prefix, len(users.AttachedPolicies), len(groups.AttachedPolicies), len(roles.AttachedPolicies), want)
		}
	}
	who := must(iam.ListEntitiesForPolicy(ctx, &api.ListEntitiesForPolicyInput{PolicyArn: made.Policy.Arn}))(t)
	if len(who.PolicyUsers) != 1 || len(who.PolicyGroups) != 1 || len(who.PolicyRoles) != 1 {
		t.Errorf("got %+v", who)
	}
	who = must(iam.ListEntitiesForPolicy(ctx, &api.ListEntitiesForPolicyInput{PolicyArn: made.Policy.Arn, EntityFilter: api.EntityTypeRole}))(t)
	if len(who.PolicyUsers) != 0 || len(who.PolicyRoles) != 1 {
		t.Errorf("got %+v", who)
	}
	must(iam.PutRolePermissionsBoundary(ctx, &api.PutRolePermissionsBoundaryInput{RoleName: p("role"), PermissionsBoundary: made.Policy.Arn}))(t)
	who = must(iam.ListEntitiesForPolicy(ctx, &api.ListEntitiesForPolicyInput{PolicyArn: made.Policy.Arn, PolicyUsageFilter: api.PolicyUsageTypePermissionsBoundary}))(t)
	if len(who.PolicyUsers) != 0 || len(who.PolicyRoles) != 1 {
		t.Errorf("got %+v", who)
	}
	for filter, want := range map[api.PolicyUsageType]int{api.PolicyUsageTypePermissionsBoundary: 1, api.PolicyUsageTypePermissionsPolicy: 1, "": 1} {
		list := must(iam.ListPolicies(ctx, &api.ListPoliciesInput{Scope: api.PolicyScopeTypeLocal, PolicyUsageFilter: filter, PathPrefix: p("/team/")}))(t)
		if len(list.Policies) != want || *list.Policies[0].AttachmentCount != 3 || *list.Policies[0].PermissionsBoundaryUsageCount != 1 {
			t.Errorf("%q: got %+v", filter, list.Policies)
		}
	}
	must(iam.DeleteRolePermissionsBoundary(ctx, &api.DeleteRolePermissionsBoundaryInput{RoleName: p("role")}))(t)
	for i := range 8 {
		more := must(iam.CreatePolicy(ctx, &api.CreatePolicyInput{PolicyName: p(fmt.Sprint("more", i)), PolicyDocument: allow("s3:*", "*")}))(t)
		must(iam.AttachUserPolicy(ctx, &api.AttachUserPolicyInput{UserName: p("bob"), PolicyArn: more.Policy.Arn}))(t)
	}
	wantCode(iam.AttachUserPolicy(ctx, &api.AttachUserPolicyInput{UserName: p("bob"), PolicyArn: p("arn:aws:iam::aws:policy/ReadOnlyAccess")}))(t, "LimitExceeded", "Cannot exceed quota for PoliciesPerUser: 10")
	var all []string
	in := &api.ListAttachedUserPoliciesInput{UserName: p("bob"), MaxItems: wire.Ptr[int32](4)}
	for range 4 {
		out := must(iam.ListAttachedUserPolicies(ctx, in))(t)
		for _, x := range out.AttachedPolicies {
			all = append(all, *x.PolicyName)
		}
		if in.Marker = out.Marker; in.Marker == nil {
			break
		}
	}
	slices.Sort(all)
	if len(slices.Compact(all)) != 10 {
		t.Errorf("got %v", all)
	}
}

func TestInlinePoliciesOfGroupsAndRoles(t *testing.T) {
	h := newHouse(t)
	a, admin := h.account("main")
	ctx, iam := t.Context(), admin.iam()
	must(iam.CreateGroup(ctx, &api.CreateGroupInput{GroupName: p("group")}))(t)
	admin.role("role", trusting(aws(a.ID), ""))
	must(iam.PutGroupPolicy(ctx, &api.PutGroupPolicyInput{GroupName: p("group"), PolicyName: p("list"), PolicyDocument: allow("iam:List*", "*")}))(t)
	group := must(iam.GetGroupPolicy(ctx, &api.GetGroupPolicyInput{GroupName: p("GROUP"), PolicyName: p("list")}))(t)
	role := must(iam.GetRolePolicy(ctx, &api.GetRolePolicyInput{RoleName: p("role"), PolicyName: p("list")}))(t)
	if *group.GroupName != "group" || *group.PolicyDocument != *role.PolicyDocument {
		t.Errorf("got %s %s", *group.GroupName, *group.PolicyDocument)
	}
	if list := must(iam.ListGroupPolicies(ctx, &api.ListGroupPoliciesInput{GroupName: p("group")}))(t); fmt.Sprint(list.PolicyNames) != "[list]" {
		t.Errorf("got %v", list.PolicyNames)
	}
	if list := must(iam.ListRolePolicies(ctx, &api.ListRolePoliciesInput{RoleName: p("role")}))(t); fmt.Sprint(list.PolicyNames) != "[list]" {
		t.Errorf("got %v", list.PolicyNames)
	}
	wantCode(iam.GetRolePolicy(ctx, &api.GetRolePolicyInput{RoleName: p("role"), PolicyName: p("none")}))(t, "NoSuchEntity", "The role policy with name none cannot be found.")
	wantCode(iam.GetGroupPolicy(ctx, &api.GetGroupPolicyInput{GroupName: p("none"), PolicyName: p("none")}))(t, "NoSuchEntity", "The group with name none cannot be found.")
}

func TestTagsOfPoliciesAndDevices(t *testing.T) {
	h := newHouse(t)
	_, admin := h.account("main")
	ctx, iam := t.Context(), admin.iam()
	bob := admin.user("bob")
	tags := []api.Tag{{Key: p("Team"), Value: p("a")}}
	made := must(iam.CreatePolicy(ctx, &api.CreatePolicyInput{PolicyName: p("mine"), PolicyDocument: allow("s3:*", "*")}))(t).Policy
	device := must(iam.CreateVirtualMFADevice(ctx, &api.CreateVirtualMFADeviceInput{VirtualMFADeviceName: p("phone"), Path: p("/x/")}))(t).VirtualMFADevice
	must(iam.TagPolicy(ctx, &api.TagPolicyInput{PolicyArn: made.Arn, Tags: tags}))(t)
	must(iam.TagMFADevice(ctx, &api.TagMFADeviceInput{SerialNumber: device.SerialNumber, Tags: tags}))(t)
	must(iam.PutUserPolicy(ctx, &api.PutUserPolicyInput{UserName: p("bob"), PolicyName: p("team"), PolicyDocument: p(
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/Team":"a"}}}}`)}))(t)
	if list := must(bob.iam().ListPolicyTags(ctx, &api.ListPolicyTagsInput{PolicyArn: made.Arn}))(t); len(list.Tags) != 1 {
		t.Errorf("got %+v", list.Tags)
	}
	if list := must(bob.iam().ListMFADeviceTags(ctx, &api.ListMFADeviceTagsInput{SerialNumber: device.SerialNumber}))(t); len(list.Tags) != 1 {
		t.Errorf("got %+v", list.Tags)
	}
	must(iam.UntagPolicy(ctx, &api.UntagPolicyInput{PolicyArn: made.Arn, TagKeys: []string{"Team"}}))(t)
	must(iam.UntagMFADevice(ctx, &api.UntagMFADeviceInput{SerialNumber: device.SerialNumber, TagKeys: []string{"Team"}}))(t)
	wantCode(bob.iam().ListPolicyTags(ctx, &api.ListPolicyTagsInput{PolicyArn: made.Arn}))(t, "AccessDenied", "")
	wantCode(bob.iam().ListMFADeviceTags(ctx, &api.ListMFADeviceTagsInput{SerialNumber: device.SerialNumber}))(t, "AccessDenied", "")
	wantCode(iam.TagPolicy(ctx, &api.TagPolicyInput{PolicyArn: p(administratorAccess), Tags: tags}))(t, "NoSuchEntity", "")
	var many []api.Tag
	for i := range 50 {
		many = append(many, api.Tag{Key: p(fmt.Sprint("k", i)), Value: p("")})
	}
	must(iam.TagPolicy(ctx, &api.TagPolicyInput{PolicyArn: made.Arn, Tags: many}))(t)
	wantCode(iam.TagPolicy(ctx, &api.TagPolicyInput{PolicyArn: made.Arn, Tags: tags}))(t, "LimitExceeded", "")
}

func TestResyncMFADevice(t *testing.T) {
	h := newHouse(t)
	_, admin := h.account("main")
	ctx, iam := t.Context(), admin.iam()
	device := must(iam.CreateVirtualMFADevice(ctx, &api.CreateVirtualMFADeviceInput{VirtualMFADeviceName: p("phone")}))(t).VirtualMFADevice
	first, second := codes(device.Base32StringSeed)
	must(iam.EnableMFADevice(ctx, &api.EnableMFADeviceInput{UserName: p("administrator"), SerialNumber: device.SerialNumber, AuthenticationCode1: &first, AuthenticationCode2: &second}))(t)
	in := &api.ResyncMFADeviceInput{UserName: p("administrator"), SerialNumber: device.SerialNumber, AuthenticationCode1: &second, AuthenticationCode2: p(nextCode(device.Base32StringSeed))}
	must(iam.ResyncMFADevice(ctx, in))(t)
	in.AuthenticationCode2 = &second
	wantCode(iam.ResyncMFADevice(ctx, in))(t, "InvalidAuthenticationCode", "")
	got := must(iam.GetMFADevice(ctx, &api.GetMFADeviceInput{SerialNumber: device.SerialNumber}))(t)
	if *got.UserName != "administrator" || got.EnableDate.IsZero() {
		t.Errorf("got %+v", got)
	}
	admin.user("bob")
	wantCode(iam.GetMFADevice(ctx, &api.GetMFADeviceInput{SerialNumber: device.SerialNumber, UserName: p("bob")}))(t, "NoSuchEntity", "")
	wantCode(iam.DeactivateMFADevice(ctx, &api.DeactivateMFADeviceInput{UserName: p("bob"), SerialNumber: device.SerialNumber}))(t, "NoSuchEntity", "")
}

func TestSimulateMore(t *testing.T) {
	h := newHouse(t)
	a, admin := h.account("main")
	ctx, iam := t.Context(), admin.iam()
	admin.user("bob")
	must(iam.CreateGroup(ctx, &api.CreateGroupInput{GroupName: p("group")}))(t)
	must(iam.AddUserToGroup(ctx, &api.AddUserToGroupInput{GroupName: p("group"), UserName: p("bob")}))(t)
	must(iam.PutGroupPolicy(ctx, &api.PutGroupPolicyInput{GroupName: p("group"), PolicyName: p("read"), PolicyDocument: allow("s3:Get*", "*")}))(t)
	must(iam.AttachUserPolicy(ctx, &api.AttachUserPolicyInput{UserName: p("bob"), PolicyArn: p("arn:aws:iam::aws:policy/AmazonS3FullAccess")}))(t)
	in := func() *api.SimulatePrincipalPolicyInput {
		return &api.SimulatePrincipalPolicyInput{PolicySourceArn: p("arn:aws:iam::" + a.ID + ":user/bob"), ActionNames: []string{"s3:GetObject"}}
	}
	sources := func(in *api.SimulatePrincipalPolicyInput) string {
		t.Helper()
		var list []string
		r := must(iam.SimulatePrincipalPolicy(ctx, in))(t).EvaluationResults[0]
		for _, s := range r.MatchedStatements {
			list = append(list, string(s.SourcePolicyType))
		}
		return fmt.Sprint(r.EvalDecision, list)
	}
	if got := sources(in()); got != "allowed[group aws-managed]" {
		t.Errorf("got %s", got)
	}
	without := in()
	without.PolicyExclusionList = []api.PolicyIdentifier{
		{PolicyArn: p("arn:aws:iam::aws:policy/AmazonS3FullAccess")},
		{InlinePolicyIdentifier: &api.InlinePolicyIdentifierType{PolicyName: p("read"), AttachmentType: api.AttachmentTypeGroup, AttachmentName: p("group")}},
	}
	if got := sources(without); got != "implicitDeny[]" {
		t.Errorf("got %s", got)
	}
	group := in()
	group.PolicySourceArn = p("arn:aws:iam::" + a.ID + ":group/group")
	if got := sources(group); got != "allowed[group]" {
		t.Errorf("got %s", got)
	}
	denied := in()
	denied.ResourcePolicy = p(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/*"}}`)
	denied.ResourceArns = []string{"arn:aws:s3:::b/x"}
	if got := sources(denied); got != "explicitDeny[resource]" {
		t.Errorf("got %s", got)
	}
	bad := in()
	bad.CallerArn = p("arn:aws:iam::" + a.ID + ":role/none")
	wantCode(iam.SimulatePrincipalPolicy(ctx, bad))(t, "InvalidInput", "CallerArn")

	custom := &api.SimulateCustomPolicyInput{
		PolicyInputList: []string{*allow("*", "*")}, ActionNames: []string{"s3:GetObject"},
		OrderedOrganizationPolicyInputList: []api.OrderedOrganizationPolicyType{{ServiceControlPolicyInputList: []string{*allow("kms:*", "*")}}},
	}
	if r := must(iam.SimulateCustomPolicy(ctx, custom))(t).EvaluationResults[0]; r.EvalDecision == api.PolicyEvaluationDecisionTypeAllowed {
		t.Errorf("got %+v", r)
	}
	level := &custom.OrderedOrganizationPolicyInputList[0]
	level.ServiceControlPolicyInputList = append(level.ServiceControlPolicyInputList, *allow("s3:*", "*"))
	wantCode(iam.SimulateCustomPolicy(ctx, custom))(t, "InvalidInput", "")
}
