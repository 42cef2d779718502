package kms

import (
	"strings"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/wire"
)

// alias is the permission on an alias. Aliases have no policy: identity-based policies decide.
func (a *ask) alias(name string) call.Check {
	return call.Check{
		Action: a.action(), Resource: aliasARN(a.c.Region, a.c.Principal.Account, name), Type: aliasType,
		Account: a.c.Principal.Account, Conditions: &conditions{call: a.c, alias: name},
	}
}

func (a *ask) createAlias() (call.Target, error) {
	in := a.c.In.(*api.CreateAliasInput)
	name := wire.Val(in.AliasName)
	if err := checkAliasName(name); err != nil {
		return call.Target{}, err
	}
	return a.aliasAndKeys(name, wire.Val(in.TargetKeyId))
}

func (a *ask) updateAlias() (call.Target, error) {
	in := a.c.In.(*api.UpdateAliasInput)
	name := wire.Val(in.AliasName)
	if err := checkAliasName(name); err != nil {
		return call.Target{}, err
	}
	t, err := a.aliasAndKeys(name, wire.Val(in.TargetKeyId))
	if err != nil {
		return call.Target{}, err
	}
	// Both keys must allow it: the one that loses the name, and the one that gets it.
	old, err := a.s.resolve(a.ctx, a.c, name, anyNamed)
	if err != nil {
		return call.Target{}, err
	}
	t.Checks = append(t.Checks, a.check(a.action(), &old, new(conditions)))
	return t, nil
}

func (a *ask) deleteAlias() (call.Target, error) {
	name := wire.Val(a.c.In.(*api.DeleteAliasInput).AliasName)
	if err := checkAliasName(name); err != nil {
		return call.Target{}, err
	}
	f, err := a.s.resolve(a.ctx, a.c, name, anyNamed)
	if err != nil {
		return call.Target{}, err
	}
	return call.Target{Checks: []call.Check{a.check(a.action(), &f, new(conditions)), a.alias(name)}}, nil
}

// aliasAndKeys is the target of giving an alias to a key.
func (a *ask) aliasAndKeys(name, keyName string) (call.Target, error) {
	if strings.HasPrefix(keyName, aliasPrefix) || strings.Contains(keyName, ":"+aliasPrefix) {
		return call.Target{}, invalid("Aliases must refer to keys. Not aliases")
	}
	f, err := a.s.resolve(a.ctx, a.c, keyName, ownKey)
	if err != nil {
		return call.Target{}, err
	}
	return call.Target{Checks: []call.Check{a.check(a.action(), &f, new(conditions)), a.alias(name)}}, nil
}

// checkAliasName refuses what the pattern of the model lets through.
func checkAliasName(name string) error {
	rest, ok := strings.CutPrefix(name, aliasPrefix)
	switch {
	case !ok:
		return invalid(`Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html`)
	case rest == "":
		return api.InvalidAliasNameException("Invalid identifier")
	case strings.HasPrefix(name, reserved) || name == strings.TrimSuffix(reserved, "/"):
		return notAuthorized()
	case strings.Contains(rest, ":"):
		return api.InvalidAliasNameException("%s contains invalid characters for an alias", name)
	}
	return nil
}
