package catalogue

import (
	"context"
	"fmt"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/arn"
	"github.com/strongroom/strongroom/wire"
)

// Owned stands for a key that Proton owns, where a customer's key is asked for.
const Owned = "owned"

// translation says what the names of the house that a catalogue was taken from are in this one.
type translation struct {
	from    origin
	account string
	region  string
	key     string            // for every customer's key that names does not have
	names   map[string]string // ARNs, keys and account numbers
}

// accountOf translates an account number.
func (t *translation) accountOf(id string) string {
	if to, ok := t.names[id]; ok {
		return to
	}
	if id == t.from.Account {
		return t.account
	}
	return id
}

// arnOf translates the ARN of a role or a connection: as it is said, else its account and region.
func (t *translation) arnOf(name string) string {
	if to, ok := t.names[name]; ok {
		return to
	}
	a, err := arn.Parse(name)
	if err != nil {
		return name
	}
	a.Account = t.accountOf(a.Account)
	if a.Region == t.from.Region {
		a.Region = t.region
	}
	return a.String()
}

// keyOf is the key for what was under a customer's key; "" where it is to be one that Proton owns. It is
// never chosen here: what was under its owner's key does not come under another without his word.
func (t *translation) keyOf(was string) (string, error) {
	to, ok := t.names[was]
	switch {
	case was == "":
		return "", nil
	case !ok && t.key == "":
		return "", fmt.Errorf("it was under the customer's key %s: say which key it is to be under here", was)
	case !ok:
		to = t.key
	}
	if to == Owned {
		return "", nil
	}
	return to, nil
}

// repositoriesOf are the links to repositories.
func repositoriesOf(ctx context.Context, h *House) ([]repository, error) {
	list, err := all(func(token *string) ([]api.RepositorySummary, *string, error) {
		out, err := h.Proton.ListRepositories(ctx, &api.ListRepositoriesInput{NextToken: token})
		if err != nil {
			return nil, nil, err
		}
		return out.Repositories, out.NextToken, nil
	})
	if err != nil {
		return nil, err
	}
	found := make([]repository, 0, len(list))
	for _, r := range list {
		out, err := h.Proton.GetRepository(ctx, &api.GetRepositoryInput{Name: r.Name, Provider: r.Provider})
		if err != nil {
			return nil, about(err, "%s", wire.Val(r.Name))
		}
		v := repository{
			Provider: string(r.Provider), Name: wire.Val(r.Name),
			ConnectionArn: wire.Val(out.Repository.ConnectionArn), EncryptionKey: wire.Val(out.Repository.EncryptionKey),
		}
		if v.Tags, err = h.tags(ctx, r.Arn); err != nil {
			return nil, err
		}
		found = append(found, v)
	}
	return found, nil
}

// connected is a connection with its id.
type connected struct {
	connection
	id string
}

// connectionsOf are the account connections that the caller's account has a part in.
func connectionsOf(ctx context.Context, c *api.Client) (found []connected, err error) {
	seen := map[string]bool{}
	for _, side := range []api.EnvironmentAccountConnectionRequesterAccountType{
		api.EnvironmentAccountConnectionRequesterAccountTypeManagementAccount, api.EnvironmentAccountConnectionRequesterAccountTypeEnvironmentAccount,
	} {
		list, err := all(func(token *string) ([]api.EnvironmentAccountConnectionSummary, *string, error) {
			out, err := c.ListEnvironmentAccountConnections(ctx, &api.ListEnvironmentAccountConnectionsInput{RequestedBy: side, NextToken: token})
			if err != nil {
				return nil, nil, err
			}
			return out.EnvironmentAccountConnections, out.NextToken, nil
		})
		if err != nil {
			return nil, err
		}
		for _, s := range list {
			if seen[wire.Val(s.Id)] {
				continue
			}
			seen[wire.Val(s.Id)] = true
			out, err := c.GetEnvironmentAccountConnection(ctx, &api.GetEnvironmentAccountConnectionInput{Id: s.Id})
			if err != nil {
				return nil, err
			}
			v := out.EnvironmentAccountConnection
			found = append(found, connected{id: wire.Val(v.Id), connection: connection{
				EnvironmentName: wire.Val(v.EnvironmentName), ManagementAccountID: wire.Val(v.ManagementAccountId), EnvironmentAccountID: wire.Val(v.EnvironmentAccountId),
				Status: string(v.Status), RoleArn: wire.Val(v.RoleArn), CodebuildRoleArn: wire.Val(v.CodebuildRoleArn), ComponentRoleArn: wire.Val(v.ComponentRoleArn),
			}})
		}
	}
	return found, nil
}

func (i *importer) repositories(ctx context.Context) error {
	have, err := repositoriesOf(ctx, i.h)
	if err != nil {
		return about(err, "repositories")
	}
	there := map[string]bool{}
	for _, r := range have {
		there[r.Provider+" "+r.Name] = true
	}
	for _, r := range i.in.repositories {
		if there[r.Provider+" "+r.Name] {
			continue
		}
		i.h.say("repository %s", r.Name)
		key, err := i.to.keyOf(r.EncryptionKey)
		if err == nil {
			_, err = i.c.CreateRepository(ctx, &api.CreateRepositoryInput{
				Provider: api.RepositoryProvider(r.Provider), Name: given(r.Name), ConnectionArn: given(i.to.arnOf(r.ConnectionArn)), EncryptionKey: given(key), Tags: r.Tags.list(),
			})
		}
		if err != nil {
			return about(err, "repository %s", r.Name)
		}
	}
	return nil
}

// connections asks for the connections of the caller's account, and accepts those that it manages. One that the
// other account has not asked for yet is a problem, and no error.
func (i *importer) connections(ctx context.Context) error {
	have, err := connectionsOf(ctx, i.c)
	if err != nil {
		return about(err, "account connections")
	}
	for _, c := range i.in.connections {
		management, environment := i.to.accountOf(c.ManagementAccountID), i.to.accountOf(c.EnvironmentAccountID)
		found := find(have, c.EnvironmentName, management, environment)
		err = nil
		switch {
		case found == nil && environment == i.to.account:
			i.h.say("account connection for %s", c.EnvironmentName)
			_, err = i.c.CreateEnvironmentAccountConnection(ctx, &api.CreateEnvironmentAccountConnectionInput{
				EnvironmentName: given(c.EnvironmentName), ManagementAccountId: &management, RoleArn: given(i.to.arnOf(c.RoleArn)),
				CodebuildRoleArn: given(i.to.arnOf(c.CodebuildRoleArn)), ComponentRoleArn: given(i.to.arnOf(c.ComponentRoleArn)),
			})
		case found == nil:
			i.problem("account connection for %s: the account %s has to ask for it first", c.EnvironmentName, environment)
		case found.Status == string(api.EnvironmentAccountConnectionStatusPending) && c.Status == string(api.EnvironmentAccountConnectionStatusConnected) && management == i.to.account:
			i.h.say("account connection for %s is accepted", c.EnvironmentName)
			_, err = i.c.AcceptEnvironmentAccountConnection(ctx, &api.AcceptEnvironmentAccountConnectionInput{Id: &found.id})
		}
		if err != nil {
			return about(err, "account connection for %s", c.EnvironmentName)
		}
	}
	return nil
}

// find returns the connection of the two accounts for an environment, or nil.
func find(list []connected, name, management, environment string) *connected {
	for n := range list {
		c := &list[n]
		if c.EnvironmentName == name && c.ManagementAccountID == management && c.EnvironmentAccountID == environment && c.Status != string(api.EnvironmentAccountConnectionStatusRejected) {
			return c
		}
	}
	return nil
}

// settings sets what the account has not set yet. What it has set stays.
func (i *importer) settings(ctx context.Context) error {
	out, err := i.c.GetAccountSettings(ctx, &api.GetAccountSettingsInput{})
	if err != nil {
		return about(err, "settings")
	}
	want, have, in := i.in.settings, out.AccountSettings, &api.UpdateAccountSettingsInput{}
	changed := false
	set := func(what, want string, have *string, to **string) {
		switch {
		case want == "" || wire.Val(have) == want:
		case have == nil:
			*to, changed = &want, true
		default:
			i.h.say("settings: the %s is another one already: it is left as it is", what)
		}
	}
	set("role of pipelines", i.to.arnOf(want.PipelineServiceRoleArn), have.PipelineServiceRoleArn, &in.PipelineServiceRoleArn)
	set("CodeBuild role of pipelines", i.to.arnOf(want.PipelineCodebuildRoleArn), have.PipelineCodebuildRoleArn, &in.PipelineCodebuildRoleArn)
	switch b := branchOf(have.PipelineProvisioningRepository); {
	case want.PipelineProvisioningRepository == nil:
	case b == nil:
		in.PipelineProvisioningRepository, changed = want.PipelineProvisioningRepository.input(), true
	case *b != *want.PipelineProvisioningRepository:
		i.h.say("settings: the repository of pipelines is another one already: it is left as it is")
	}
	if !changed {
		return nil
	}
	i.h.say("settings")
	_, err = i.c.UpdateAccountSettings(ctx, in)
	return about(err, "settings")
}

// input is the branch as the API takes it; nil for none.
func (b *branch) input() *api.RepositoryBranchInput {
	if b == nil {
		return nil
	}
	return &api.RepositoryBranchInput{Provider: api.RepositoryProvider(b.Provider), Name: &b.Name, Branch: &b.Branch}
}
