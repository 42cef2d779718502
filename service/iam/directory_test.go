package iam_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	api "github.com/strongroom/strongroom/api/iam"
	stsapi "github.com/strongroom/strongroom/api/sts"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/sigv4"
	"github.com/strongroom/strongroom/wire"
)

// mayList asks the directory, as the gateway does, whether a principal may list users.
func (h *house) mayList(t testing.TB, who *identity.Principal) bool {
	t.Helper()
	set, err := h.sts.Policies(t.Context(), who)
	if err != nil {
		t.Error(err)
		return false
	}
	return policy.Decide(&policy.Request{
		Principal: &policy.Principal{Account: who.Account, ARNs: []string{who.ARN}, IDs: []string{who.ID}},
		Action:    "iam:ListUsers", Resource: "*",
	}, set).Allowed
}

// TestChangesTakeEffectAtOnce changes, in every way there is, what a user may do, while others
// ask all the time. Once a change has been answered, nobody is told what was before.
func TestChangesTakeEffectAtOnce(t *testing.T) {
	h := newHouse(t)
	_, admin := h.account("main")
	ctx, client := t.Context(), admin.iam()
	bob := admin.user("bob")
	must(client.CreateGroup(ctx, &api.CreateGroupInput{GroupName: p("group")}))(t)
	grants := allow("iam:ListUsers", "*")
	made := must(client.CreatePolicy(ctx, &api.CreatePolicyInput{PolicyName: p("doc"), PolicyDocument: grants}))(t)
	must(client.CreatePolicyVersion(ctx, &api.CreatePolicyVersionInput{PolicyArn: made.Policy.Arn, PolicyDocument: allow("s3:*", "*")}))(t)
	name := made.Policy.Arn
	who, err := h.sts.Principal(ctx, bob.credentials.AccessKeyID, "")
	if err != nil {
		t.Fatal(err)
	}
	type change struct {
		name string
		on   func() error
		off  func() error
	}
	drop := func(_ any, err error) error { return err }
	changes := []change{
		{"inline", func() error {
			return drop(client.PutUserPolicy(ctx, &api.PutUserPolicyInput{UserName: p("bob"), PolicyName: p("x"), PolicyDocument: grants}))
		}, func() error {
			return drop(client.DeleteUserPolicy(ctx, &api.DeleteUserPolicyInput{UserName: p("bob"), PolicyName: p("x")}))
		}},
		{"attached", func() error {
			return drop(client.AttachUserPolicy(ctx, &api.AttachUserPolicyInput{UserName: p("bob"), PolicyArn: name}))
		}, func() error {
			return drop(client.DetachUserPolicy(ctx, &api.DetachUserPolicyInput{UserName: p("bob"), PolicyArn: name}))
		}},
		{"member of a group with a policy", func() error {
			return errors.Join(drop(client.PutGroupPolicy(ctx, &api.PutGroupPolicyInput{GroupName: p("group"), PolicyName: p("x"), PolicyDocument: grants})),
				drop(client.AddUserToGroup(ctx, &api.AddUserToGroupInput{UserName: p("bob"), GroupName: p("group")})))
		}, func() error {
			return drop(client.RemoveUserFromGroup(ctx, &api.RemoveUserFromGroupInput{UserName: p("bob"), GroupName: p("group")}))
		}},
		{"policy of a group he is in", func() error {
			return errors.Join(drop(client.AddUserToGroup(ctx, &api.AddUserToGroupInput{UserName: p("bob"), GroupName: p("group")})),
				drop(client.PutGroupPolicy(ctx, &api.PutGroupPolicyInput{GroupName: p("group"), PolicyName: p("x"), PolicyDocument: grants})))
		}, func() error {
			return drop(client.DeleteGroupPolicy(ctx, &api.DeleteGroupPolicyInput{GroupName: p("group"), PolicyName: p("x")}))
		}},
		{"attached to his group", func() error {
			return drop(client.AttachGroupPolicy(ctx, &api.AttachGroupPolicyInput{GroupName: p("group"), PolicyArn: name}))
		}, func() error {
			return drop(client.DetachGroupPolicy(ctx, &api.DetachGroupPolicyInput{GroupName: p("group"), PolicyArn: name}))
		}},
		{"default version", func() error {
			return errors.Join(drop(client.AttachUserPolicy(ctx, &api.AttachUserPolicyInput{UserName: p("bob"), PolicyArn: name})),
				drop(client.SetDefaultPolicyVersion(ctx, &api.SetDefaultPolicyVersionInput{PolicyArn: name, VersionId: p("v1")})))
		}, func() error {
			return drop(client.SetDefaultPolicyVersion(ctx, &api.SetDefaultPolicyVersionInput{PolicyArn: name, VersionId: p("v2")}))
		}},
		{"boundary", func() error {
			return errors.Join(drop(client.PutUserPolicy(ctx, &api.PutUserPolicyInput{UserName: p("bob"), PolicyName: p("x"), PolicyDocument: grants})),
				present(drop(client.DeleteUserPermissionsBoundary(ctx, &api.DeleteUserPermissionsBoundaryInput{UserName: p("bob")}))))
		}, func() error {
			return drop(client.PutUserPermissionsBoundary(ctx, &api.PutUserPermissionsBoundaryInput{UserName: p("bob"), PermissionsBoundary: name}))
		}},
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for !stop.Load() {
				h.mayList(t, who)
			}
		})
	}
	for range 3 {
		for _, c := range changes {
			if err := c.on(); err != nil {
				t.Fatal(c.name, err)
			}
			if !h.mayList(t, who) {
				t.Errorf("%s: given, and refused", c.name)
			}
			if err := c.off(); err != nil {
				t.Fatal(c.name, err)
			}
			if h.mayList(t, who) {
				t.Errorf("%s: taken, and allowed", c.name)
			}
		}
		must(client.DeleteUserPermissionsBoundary(ctx, &api.DeleteUserPermissionsBoundaryInput{UserName: p("bob")}))(t)
		must(client.DeleteUserPolicy(ctx, &api.DeleteUserPolicyInput{UserName: p("bob"), PolicyName: p("x")}))(t)
		must(client.DetachUserPolicy(ctx, &api.DetachUserPolicyInput{UserName: p("bob"), PolicyArn: name}))(t)
		must(client.SetDefaultPolicyVersion(ctx, &api.SetDefaultPolicyVersionInput{PolicyArn: name, VersionId: p("v1")}))(t)
	}
	stop.Store(true)
	wg.Wait()
}

// TestChangesTakeEffectWhileTheyAreTold asks what a user may do when the commit that takes it away is visible and the
// parts of the directory are told of it, before each. What was answered then is not remembered.
func TestChangesTakeEffectWhileTheyAreTold(t *testing.T) {
	h := newHouse(t)
	_, admin := h.account("main")
	ctx, client := t.Context(), admin.iam()
	bob := admin.user("bob")
	made := must(client.CreatePolicy(ctx, &api.CreatePolicyInput{PolicyName: p("doc"), PolicyDocument: allow("iam:ListUsers", "*")}))(t)
	must(client.CreatePolicyVersion(ctx, &api.CreatePolicyVersionInput{PolicyArn: made.Policy.Arn, PolicyDocument: allow("s3:*", "*")}))(t)
	must(client.AttachUserPolicy(ctx, &api.AttachUserPolicyInput{UserName: p("bob"), PolicyArn: made.Policy.Arn}))(t)
	who := must(h.sts.Principal(ctx, bob.credentials.AccessKeyID, ""))(t)
	must(h.iam.ManagedPolicy(ctx, who.Account, *made.Policy.Arn))(t)
	asked := 0
	h.db.whenTold(func() { asked++; h.mayList(t, who) })
	must(client.SetDefaultPolicyVersion(ctx, &api.SetDefaultPolicyVersionInput{PolicyArn: made.Policy.Arn, VersionId: p("v2")}))(t)
	h.db.whenTold(nil)
	if asked == 0 {
		t.Fatal("nobody has asked meanwhile")
	}
	if h.mayList(t, who) {
		t.Error("taken, and allowed")
	}
}

// present drops the error that something was not there to be taken away.
func present(err error) error {
	if wire.IsCode(err, "NoSuchEntity") {
		return nil
	}
	return err
}

// TestKeysTakeEffectAtOnce does the same with access keys and names.
func TestKeysTakeEffectAtOnce(t *testing.T) {
	h := newHouse(t)
	_, admin := h.account("main")
	ctx, client := t.Context(), admin.iam()
	bob := admin.user("bob")
	id := bob.credentials.AccessKeyID
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for !stop.Load() {
				_, _ = h.sts.SecretKey(ctx, id, "")
				_, _ = h.sts.Principal(ctx, id, "")
			}
		})
	}
	for i := range 10 {
		must(client.UpdateAccessKey(ctx, &api.UpdateAccessKeyInput{UserName: p("bob"), AccessKeyId: &id, Status: api.StatusTypeInactive}))(t)
		if _, err := h.sts.SecretKey(ctx, id, ""); !errors.Is(err, sigv4.ErrUnknownKey) {
			t.Errorf("inactive: %v", err)
		}
		if _, err := h.sts.Principal(ctx, id, ""); !errors.Is(err, sigv4.ErrUnknownKey) {
			t.Errorf("inactive: %v", err)
		}
		must(client.UpdateAccessKey(ctx, &api.UpdateAccessKeyInput{UserName: p("bob"), AccessKeyId: &id, Status: api.StatusTypeActive}))(t)
		if _, err := h.sts.SecretKey(ctx, id, ""); err != nil {
			t.Errorf("active: %v", err)
		}
		tag := fmt.Sprint(i)
		must(client.TagUser(ctx, &api.TagUserInput{UserName: p("bob"), Tags: []api.Tag{{Key: p("n"), Value: &tag}}}))(t)
		who, err := h.sts.Principal(ctx, id, "")
		if err != nil || who.Tags["n"] != tag {
			t.Errorf("got %v %v", who, err)
		}
	}
	stop.Store(true)
	wg.Wait()
}

func TestWarmPathAllocatesNothing(t *testing.T) {
	h := newHouse(t)
	a, admin := h.account("main")
	ctx := t.Context()
	bob := admin.user("bob")
	role := admin.role("reader", trusting(aws("arn:aws:iam::"+a.ID+":user/bob"), ""))
	out := must(bob.sts().AssumeRole(ctx, &stsapi.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: p("work"), Policy: allow("iam:*", "*")}))(t)
	for name, c := range map[string]struct{ id, token string }{
		"user":    {bob.credentials.AccessKeyID, ""},
		"session": {*out.Credentials.AccessKeyId, *out.Credentials.SessionToken},
	} {
		ask := func() {
			if _, err := h.sts.SecretKey(ctx, c.id, c.token); err != nil {
				t.Fatal(err)
			}
			who, err := h.sts.Principal(ctx, c.id, c.token)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.sts.Policies(ctx, who); err != nil {
				t.Fatal(err)
			}
		}
		ask()
		if n := testing.AllocsPerRun(100, ask); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkDirectory(b *testing.B) {
	h := newHouse(b)
	a, admin := h.account("main")
	ctx := b.Context()
	bob := admin.user("bob")
	role := admin.role("reader", trusting(aws("arn:aws:iam::"+a.ID+":user/bob"), ""))
	out, err := bob.sts().AssumeRole(ctx, &stsapi.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: p("work"), Policy: allow("iam:*", "*")})
	if err != nil {
		b.Fatal(err)
	}
	for name, c := range map[string]struct{ id, token string }{
		"user":    {bob.credentials.AccessKeyID, ""},
		"session": {*out.Credentials.AccessKeyId, *out.Credentials.SessionToken},
	} {
		who, err := h.sts.Principal(ctx, c.id, c.token)
		if err != nil {
			b.Fatal(err)
		}
		for what, fn := range map[string]func() error{
			"SecretKey": func() error { _, err := h.sts.SecretKey(ctx, c.id, c.token); return err },
			"Principal": func() error { _, err := h.sts.Principal(ctx, c.id, c.token); return err },
			"Policies":  func() error { _, err := h.sts.Policies(ctx, who); return err },
		} {
			b.Run(name+"/"+what, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := fn(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
