package iam

import api "github.com/strongroom/strongroom/api/iam"

// of makes an entry of targets from a function of the operation's own input.
func of[I any](fn func(in *I) about) func(any) about {
	return func(in any) about { return fn(in.(*I)) }
}

func onUser(name *string) about  { return about{kind: userKind, name: name} }
func onGroup(name *string) about { return about{kind: groupKind, name: name} }
func onRole(name *string) about  { return about{kind: roleKind, name: name} }
func onARN(name *string) about   { return about{arn: name} }

func onAccount(any) about { return about{} }

// with adds the managed policy that is attached or detached.
func (a about) with(policyARN *string) about {
	a.policyARN = policyARN
	return a
}

func (a about) bounded(policyARN *string) about {
	a.boundary = policyARN
	return a
}

func (a about) tagged(tags []api.Tag) about {
	a.tags = tags
	return a
}

func (a about) untagged(keys []string) about {
	a.tagKeys = keys
	return a
}

func (a about) renamed(newName, newPath *string) about {
	a.newName, a.newPath = newName, newPath
	return a
}

func making(k kind, name, path *string) about {
	return about{kind: k, name: name, made: true, path: path}
}

func listOf(k kind) func(any) about {
	return func(any) about { return about{kind: k, list: true} }
}

// targets says for every operation what it acts on.
var targets = map[string]func(in any) about{
	"CreateUser": of(func(in *api.CreateUserInput) about {
		return making(userKind, in.UserName, in.Path).bounded(in.PermissionsBoundary).tagged(in.Tags)
	}),
	"GetUser":    of(func(in *api.GetUserInput) about { return onUser(in.UserName) }),
	"ListUsers":  listOf(userKind),
	"UpdateUser": of(func(in *api.UpdateUserInput) about { return onUser(in.UserName).renamed(in.NewUserName, in.NewPath) }),
	"DeleteUser": of(func(in *api.DeleteUserInput) about { return onUser(in.UserName) }),

	"CreateAccessKey": of(func(in *api.CreateAccessKeyInput) about { return onUser(in.UserName) }),
	"ListAccessKeys":  of(func(in *api.ListAccessKeysInput) about { return onUser(in.UserName) }),
	"UpdateAccessKey": of(func(in *api.UpdateAccessKeyInput) about { return onUser(in.UserName) }),
	"DeleteAccessKey": of(func(in *api.DeleteAccessKeyInput) about { return onUser(in.UserName) }),

	"PutUserPolicy":     of(func(in *api.PutUserPolicyInput) about { return onUser(in.UserName) }),
	"GetUserPolicy":     of(func(in *api.GetUserPolicyInput) about { return onUser(in.UserName) }),
	"DeleteUserPolicy":  of(func(in *api.DeleteUserPolicyInput) about { return onUser(in.UserName) }),
	"ListUserPolicies":  of(func(in *api.ListUserPoliciesInput) about { return onUser(in.UserName) }),
	"PutGroupPolicy":    of(func(in *api.PutGroupPolicyInput) about { return onGroup(in.GroupName) }),
	"GetGroupPolicy":    of(func(in *api.GetGroupPolicyInput) about { return onGroup(in.GroupName) }),
	"DeleteGroupPolicy": of(func(in *api.DeleteGroupPolicyInput) about { return onGroup(in.GroupName) }),
	"ListGroupPolicies": of(func(in *api.ListGroupPoliciesInput) about { return onGroup(in.GroupName) }),
	"PutRolePolicy":     of(func(in *api.PutRolePolicyInput) about { return onRole(in.RoleName) }),
	"GetRolePolicy":     of(func(in *api.GetRolePolicyInput) about { return onRole(in.RoleName) }),
	"DeleteRolePolicy":  of(func(in *api.DeleteRolePolicyInput) about { return onRole(in.RoleName) }),
	"ListRolePolicies":  of(func(in *api.ListRolePoliciesInput) about { return onRole(in.RoleName) }),

	"AttachUserPolicy":          of(func(in *api.AttachUserPolicyInput) about { return onUser(in.UserName).with(in.PolicyArn) }),
	"DetachUserPolicy":          of(func(in *api.DetachUserPolicyInput) about { return onUser(in.UserName).with(in.PolicyArn) }),
	"ListAttachedUserPolicies":  of(func(in *api.ListAttachedUserPoliciesInput) about { return onUser(in.UserName) }),
	"AttachGroupPolicy":         of(func(in *api.AttachGroupPolicyInput) about { return onGroup(in.GroupName).with(in.PolicyArn) }),
	"DetachGroupPolicy":         of(func(in *api.DetachGroupPolicyInput) about { return onGroup(in.GroupName).with(in.PolicyArn) }),
	"ListAttachedGroupPolicies": of(func(in *api.ListAttachedGroupPoliciesInput) about { return onGroup(in.GroupName) }),
	"AttachRolePolicy":          of(func(in *api.AttachRolePolicyInput) about { return onRole(in.RoleName).with(in.PolicyArn) }),
	"DetachRolePolicy":          of(func(in *api.DetachRolePolicyInput) about { return onRole(in.RoleName).with(in.PolicyArn) }),
	"ListAttachedRolePolicies":  of(func(in *api.ListAttachedRolePoliciesInput) about { return onRole(in.RoleName) }),

	"PutUserPermissionsBoundary": of(func(in *api.PutUserPermissionsBoundaryInput) about {
		return onUser(in.UserName).bounded(in.PermissionsBoundary)
	}),
	"PutRolePermissionsBoundary": of(func(in *api.PutRolePermissionsBoundaryInput) about {
		return onRole(in.RoleName).bounded(in.PermissionsBoundary)
	}),
	"DeleteUserPermissionsBoundary": of(func(in *api.DeleteUserPermissionsBoundaryInput) about { return onUser(in.UserName) }),
	"DeleteRolePermissionsBoundary": of(func(in *api.DeleteRolePermissionsBoundaryInput) about { return onRole(in.RoleName) }),

	"CreatePolicy": of(func(in *api.CreatePolicyInput) about {
		return making(policyKind, in.PolicyName, in.Path).tagged(in.Tags)
	}),
	"GetPolicy":               of(func(in *api.GetPolicyInput) about { return onARN(in.PolicyArn) }),
	"ListPolicies":            onAccount,
	"DeletePolicy":            of(func(in *api.DeletePolicyInput) about { return onARN(in.PolicyArn) }),
	"CreatePolicyVersion":     of(func(in *api.CreatePolicyVersionInput) about { return onARN(in.PolicyArn) }),
	"GetPolicyVersion":        of(func(in *api.GetPolicyVersionInput) about { return onARN(in.PolicyArn) }),
	"ListPolicyVersions":      of(func(in *api.ListPolicyVersionsInput) about { return onARN(in.PolicyArn) }),
	"DeletePolicyVersion":     of(func(in *api.DeletePolicyVersionInput) about { return onARN(in.PolicyArn) }),
	"SetDefaultPolicyVersion": of(func(in *api.SetDefaultPolicyVersionInput) about { return onARN(in.PolicyArn) }),

	"CreateGroup": of(func(in *api.CreateGroupInput) about { return making(groupKind, in.GroupName, in.Path) }),
	"GetGroup":    of(func(in *api.GetGroupInput) about { return onGroup(in.GroupName) }),
	"ListGroups":  listOf(groupKind),
	"UpdateGroup": of(func(in *api.UpdateGroupInput) about {
		return onGroup(in.GroupName).renamed(in.NewGroupName, in.NewPath)
	}),
	"DeleteGroup":         of(func(in *api.DeleteGroupInput) about { return onGroup(in.GroupName) }),
	"AddUserToGroup":      of(func(in *api.AddUserToGroupInput) about { return onGroup(in.GroupName) }),
	"RemoveUserFromGroup": of(func(in *api.RemoveUserFromGroupInput) about { return onGroup(in.GroupName) }),
	"ListGroupsForUser":   of(func(in *api.ListGroupsForUserInput) about { return onUser(in.UserName) }),

	"CreateRole": of(func(in *api.CreateRoleInput) about {
		return making(roleKind, in.RoleName, in.Path).bounded(in.PermissionsBoundary).tagged(in.Tags)
	}),
	"GetRole":                     of(func(in *api.GetRoleInput) about { return onRole(in.RoleName) }),
	"ListRoles":                   listOf(roleKind),
	"UpdateRole":                  of(func(in *api.UpdateRoleInput) about { return onRole(in.RoleName) }),
	"UpdateRoleDescription":       of(func(in *api.UpdateRoleDescriptionInput) about { return onRole(in.RoleName) }),
	"UpdateAssumeRolePolicy":      of(func(in *api.UpdateAssumeRolePolicyInput) about { return onRole(in.RoleName) }),
	"DeleteRole":                  of(func(in *api.DeleteRoleInput) about { return onRole(in.RoleName) }),
	"ListInstanceProfilesForRole": of(func(in *api.ListInstanceProfilesForRoleInput) about { return onRole(in.RoleName) }),

	"TagUser":           of(func(in *api.TagUserInput) about { return onUser(in.UserName).tagged(in.Tags) }),
	"UntagUser":         of(func(in *api.UntagUserInput) about { return onUser(in.UserName).untagged(in.TagKeys) }),
	"ListUserTags":      of(func(in *api.ListUserTagsInput) about { return onUser(in.UserName) }),
	"TagRole":           of(func(in *api.TagRoleInput) about { return onRole(in.RoleName).tagged(in.Tags) }),
	"UntagRole":         of(func(in *api.UntagRoleInput) about { return onRole(in.RoleName).untagged(in.TagKeys) }),
	"ListRoleTags":      of(func(in *api.ListRoleTagsInput) about { return onRole(in.RoleName) }),
	"TagPolicy":         of(func(in *api.TagPolicyInput) about { return onARN(in.PolicyArn).tagged(in.Tags) }),
	"UntagPolicy":       of(func(in *api.UntagPolicyInput) about { return onARN(in.PolicyArn).untagged(in.TagKeys) }),
	"ListPolicyTags":    of(func(in *api.ListPolicyTagsInput) about { return onARN(in.PolicyArn) }),
	"TagMFADevice":      of(func(in *api.TagMFADeviceInput) about { return onARN(in.SerialNumber).tagged(in.Tags) }),
	"UntagMFADevice":    of(func(in *api.UntagMFADeviceInput) about { return onARN(in.SerialNumber).untagged(in.TagKeys) }),
	"ListMFADeviceTags": of(func(in *api.ListMFADeviceTagsInput) about { return onARN(in.SerialNumber) }),

	"CreateVirtualMFADevice": of(func(in *api.CreateVirtualMFADeviceInput) about {
		return making(mfaKind, in.VirtualMFADeviceName, in.Path).tagged(in.Tags)
	}),
	"EnableMFADevice":        of(func(in *api.EnableMFADeviceInput) about { return onUser(in.UserName) }),
	"ResyncMFADevice":        of(func(in *api.ResyncMFADeviceInput) about { return onUser(in.UserName) }),
	"DeactivateMFADevice":    of(func(in *api.DeactivateMFADeviceInput) about { return onUser(in.UserName) }),
	"DeleteVirtualMFADevice": of(func(in *api.DeleteVirtualMFADeviceInput) about { return onARN(in.SerialNumber) }),
	"GetMFADevice":           of(func(in *api.GetMFADeviceInput) about { return onUser(in.UserName) }),
	"ListMFADevices":         of(func(in *api.ListMFADevicesInput) about { return onUser(in.UserName) }),
	"ListVirtualMFADevices":  listOf(mfaKind),

	"GetLoginProfile":                of(func(in *api.GetLoginProfileInput) about { return onUser(in.UserName) }),
	"DeleteLoginProfile":             of(func(in *api.DeleteLoginProfileInput) about { return onUser(in.UserName) }),
	"ListSSHPublicKeys":              of(func(in *api.ListSSHPublicKeysInput) about { return onUser(in.UserName) }),
	"ListSigningCertificates":        of(func(in *api.ListSigningCertificatesInput) about { return onUser(in.UserName) }),
	"ListServiceSpecificCredentials": of(func(in *api.ListServiceSpecificCredentialsInput) about { return onUser(in.UserName) }),

	"CreateAccountAlias":    onAccount,
	"DeleteAccountAlias":    onAccount,
	"ListAccountAliases":    onAccount,
	"GetAccountSummary":     onAccount,
	"GetAccessKeyLastUsed":  of(func(in *api.GetAccessKeyLastUsedInput) about { return about{used: in.AccessKeyId} }),
	"ListEntitiesForPolicy": of(func(in *api.ListEntitiesForPolicyInput) about { return onARN(in.PolicyArn) }),

	"GetAccountAuthorizationDetails":   onAccount,
	"SimulateCustomPolicy":             onAccount,
	"SimulatePrincipalPolicy":          of(func(in *api.SimulatePrincipalPolicyInput) about { return onARN(in.PolicySourceArn) }),
	"GetContextKeysForCustomPolicy":    onAccount,
	"GetContextKeysForPrincipalPolicy": of(func(in *api.GetContextKeysForPrincipalPolicyInput) about { return onARN(in.PolicySourceArn) }),
}
