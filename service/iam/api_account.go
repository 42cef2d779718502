package iam

import (
	"context"
	"errors"
	"strings"
	"time"

	api "github.com/strongroom/strongroom/api/iam"
	"github.com/strongroom/strongroom/audit"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// CreateAccountAlias gives the account a name that no other account has, in place of the one it had.
func (s *Service) CreateAccountAlias(ctx context.Context, in *api.CreateAccountAliasInput) (*api.CreateAccountAliasOutput, error) {
	return nil, s.changeAccount(ctx, func(tx store.Tx, account string, a *accountRecord) error {
		of, err := tx.Get([]byte(path(aliasTag, *in.AccountAlias)))
		switch {
		case err == nil && string(of) != account:
			return api.EntityAlreadyExistsException("The account alias %s already exists.", *in.AccountAlias)
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return err
		}
		if a.Alias != "" && a.Alias != *in.AccountAlias {
			if err := tx.Delete([]byte(path(aliasTag, a.Alias))); err != nil {
				return err
			}
		}
		a.Alias = *in.AccountAlias
		return tx.Put([]byte(path(aliasTag, a.Alias)), []byte(account))
	})
}

// DeleteAccountAlias takes the account's alias away.
func (s *Service) DeleteAccountAlias(ctx context.Context, in *api.DeleteAccountAliasInput) (*api.DeleteAccountAliasOutput, error) {
	return nil, s.changeAccount(ctx, func(tx store.Tx, _ string, a *accountRecord) error {
		if a.Alias != *in.AccountAlias {
			return api.NoSuchEntityException("The account alias %s does not exist.", *in.AccountAlias)
		}
		a.Alias = ""
		return tx.Delete([]byte(path(aliasTag, *in.AccountAlias)))
	})
}

// changeAccount runs fn on the caller's account in a transaction.
func (s *Service) changeAccount(ctx context.Context, fn func(tx store.Tx, account string, a *accountRecord) error) error {
	account := call.From(ctx).Principal.Account
	return s.update(ctx, func(tx store.Tx) error {
		a, err := read[accountRecord](tx, path(accountTag, account))
		if err != nil {
			return err
		}
		if err := fn(tx, account, a); err != nil {
			return err
		}
		return write(tx, path(accountTag, account), a)
	})
}

// ListAccountAliases lists the account's alias.
func (s *Service) ListAccountAliases(ctx context.Context, _ *api.ListAccountAliasesInput) (*api.ListAccountAliasesOutput, error) {
	out := &api.ListAccountAliasesOutput{AccountAliases: []string{}, IsTruncated: wire.Ptr(false)}
	return out, s.view(ctx, func(r store.Reader) error {
		a, err := read[accountRecord](r, path(accountTag, call.From(ctx).Principal.Account))
		if err == nil && a.Alias != "" {
			out.AccountAliases = append(out.AccountAliases, a.Alias)
		}
		return err
	})
}

// GetAccountSummary counts what the account has, and tells its quotas.
func (s *Service) GetAccountSummary(ctx context.Context, _ *api.GetAccountSummaryInput) (*api.GetAccountSummaryOutput, error) {
	account := call.From(ctx).Principal.Account
	m := map[string]int32{
		"AccessKeysPerUserQuota": maxKeys, "GroupsPerUserQuota": maxGroups,
		"AttachedPoliciesPerUserQuota": maxAttached, "AttachedPoliciesPerGroupQuota": maxAttached, "AttachedPoliciesPerRoleQuota": maxAttached,
		"UserPolicySizeQuota": int32(inlineQuotas[userKind]), "GroupPolicySizeQuota": int32(inlineQuotas[groupKind]),
		"RolePolicySizeQuota": int32(inlineQuotas[roleKind]), "PolicySizeQuota": maxManaged, "AssumeRolePolicySizeQuota": maxTrust,
		"VersionsPerPolicyQuota": maxVersions, "GlobalEndpointTokenVersion": 2,
		"UsersQuota": int32(quotas[userKind].max), "GroupsQuota": int32(quotas[groupKind].max),
		"RolesQuota": int32(quotas[roleKind].max), "PoliciesQuota": int32(quotas[policyKind].max),
		"ServerCertificates": 0, "InstanceProfiles": 0, "AccountSigningCertificatesPresent": 0,
	}
	err := s.view(ctx, func(r store.Reader) error {
		for name, k := range map[string]kind{"Users": userKind, "Groups": groupKind, "Roles": roleKind, "Policies": policyKind} {
			n, err := count(r, account, k)
			if err != nil {
				return err
			}
			m[name] = int32(n)
		}
		root, err := find(r, account, rootKind, "")
		if err != nil {
			return err
		}
		m["AccountAccessKeysPresent"], m["AccountMFAEnabled"] = int32(min(1, len(root.Keys))), int32(min(1, len(root.Devices)))
		return countDevices(r, account, m)
	})
	return &api.GetAccountSummaryOutput{SummaryMap: m}, err
}

// countDevices adds the MFA devices to a summary.
func countDevices(r store.Reader, account string, m map[string]int32) error {
	m["MFADevices"], m["MFADevicesInUse"] = 0, 0
	for rec, err := range r.Scan(store.Prefix(under(deviceTag, account))) {
		if err != nil {
			return err
		}
		d, err := read[device](r, string(rec.Key))
		if err != nil {
			return err
		}
		m["MFADevices"]++
		if d.Owner != "" {
			m["MFADevicesInUse"]++
		}
	}
	return nil
}

// GetAccessKeyLastUsed tells when an access key last signed a call. It asks the account's trail, so
// nothing is written when a key is used.
func (s *Service) GetAccessKeyLastUsed(ctx context.Context, in *api.GetAccessKeyLastUsedInput) (*api.GetAccessKeyLastUsedOutput, error) {
	account := call.From(ctx).Principal.Account
	out := &api.GetAccessKeyLastUsedOutput{AccessKeyLastUsed: &api.AccessKeyLastUsed{ServiceName: wire.Ptr("N/A"), Region: wire.Ptr("N/A")}}
	err := s.view(ctx, func(r store.Reader) error {
		k, err := read[accessKey](r, path(keyTag, *in.AccessKeyId))
		if err != nil {
			return missing(err, noSuchKey(*in.AccessKeyId))
		}
		if k.Account != account {
			return noSuchKey(*in.AccessKeyId)
		}
		h, err := read[holder](r, path(holderTag, account, k.Owner))
		if err == nil {
			out.UserName = h.nameOf()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var last time.Time
	for _, region := range s.room.Regions {
		found, err := s.room.Audit.Lookup(ctx, audit.Query{Account: account, Region: region, Attribute: "AccessKeyId", Value: *in.AccessKeyId, Limit: 1})
		if err != nil {
			return nil, err
		}
		if len(found) == 0 || !found[0].Time.After(last) {
			continue
		}
		last = found[0].Time
		name, _, _ := strings.Cut(found[0].EventSource, ".")
		*out.AccessKeyLastUsed = api.AccessKeyLastUsed{LastUsedDate: wire.Ptr(last), ServiceName: &name, Region: wire.Ptr(region)}
	}
	return out, nil
}

// ListEntitiesForPolicy lists who has a managed policy attached, or as boundary.
func (s *Service) ListEntitiesForPolicy(ctx context.Context, in *api.ListEntitiesForPolicyInput) (*api.ListEntitiesForPolicyOutput, error) {
	account := call.From(ctx).Principal.Account
	l, err := s.list(call.From(ctx), in.Marker, in.MaxItems, *in.PolicyArn, string(in.EntityFilter), string(in.PolicyUsageFilter), wire.Val(in.PathPrefix))
	if err != nil {
		return nil, err
	}
	out := &api.ListEntitiesForPolicyOutput{PolicyUsers: []api.PolicyUser{}, PolicyGroups: []api.PolicyGroup{}, PolicyRoles: []api.PolicyRole{}}
	err = s.view(ctx, func(r store.Reader) error {
		if _, _, err := lookUp(r, account, *in.PolicyArn); err != nil {
			return err
		}
		list, err := uses(r, account, *in.PolicyArn)
		if err != nil {
			return err
		}
		for _, u := range list {
			h, err := read[holder](r, path(holderTag, account, u.id))
			if err != nil {
				return err
			}
			if !strings.HasPrefix(h.Path, wire.Val(in.PathPrefix)) || !u.fits(in) {
				continue
			}
			taken, goOn := l.take(u.how + string(u.by) + u.id)
			if taken {
				addUser(out, h)
			}
			if !goOn {
				break
			}
		}
		return nil
	})
	out.IsTruncated, out.Marker = l.answer()
	return out, err
}

// fits reports whether a use of a policy is among those that are asked for.
func (u usage) fits(in *api.ListEntitiesForPolicyInput) bool {
	if in.EntityFilter != "" && string(in.EntityFilter) != title(u.by) {
		return false
	}
	switch in.PolicyUsageFilter {
	case api.PolicyUsageTypePermissionsPolicy:
		return u.how == asPolicy
	case api.PolicyUsageTypePermissionsBoundary:
		return u.how == asBoundary
	}
	return true
}

// addUser adds a holder who uses the policy to the list of its kind.
func addUser(out *api.ListEntitiesForPolicyOutput, h *holder) {
	name, id := wire.Ptr(h.Name), wire.Ptr(h.ID)
	switch h.Kind {
	case userKind:
		out.PolicyUsers = append(out.PolicyUsers, api.PolicyUser{UserName: name, UserId: id})
	case groupKind:
		out.PolicyGroups = append(out.PolicyGroups, api.PolicyGroup{GroupName: name, GroupId: id})
	case roleKind:
		out.PolicyRoles = append(out.PolicyRoles, api.PolicyRole{RoleName: name, RoleId: id})
	}
}
