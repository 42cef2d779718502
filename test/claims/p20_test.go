package claims

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/proton"
	"github.com/aws/aws-sdk-go-v2/service/proton/types"

	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/protonbundles"
)

// connections are what one of two accounts does about environment account connections.
type connections struct {
	t testing.TB
	p *proton.Client
}

func (c connections) ask(manager, environment, role string) string {
	c.t.Helper()
	out, err := c.p.CreateEnvironmentAccountConnection(ctx, &proton.CreateEnvironmentAccountConnectionInput{
		ManagementAccountId: &manager, EnvironmentName: &environment, CodebuildRoleArn: &role,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	if s := out.EnvironmentAccountConnection.Status; s != types.EnvironmentAccountConnectionStatusPending {
		c.t.Errorf("a new connection is %s", s)
	}
	return *out.EnvironmentAccountConnection.Id
}

func (c connections) accept(id string) error {
	_, err := c.p.AcceptEnvironmentAccountConnection(ctx, &proton.AcceptEnvironmentAccountConnectionInput{Id: &id})
	return err
}

func (c connections) reject(id string) error {
	_, err := c.p.RejectEnvironmentAccountConnection(ctx, &proton.RejectEnvironmentAccountConnectionInput{Id: &id})
	return err
}

func (c connections) delete(id string) error {
	_, err := c.p.DeleteEnvironmentAccountConnection(ctx, &proton.DeleteEnvironmentAccountConnectionInput{Id: &id})
	return err
}

func (c connections) is(id string, want types.EnvironmentAccountConnectionStatus) {
	c.t.Helper()
	out, err := c.p.GetEnvironmentAccountConnection(ctx, &proton.GetEnvironmentAccountConnectionInput{Id: &id})
	if err != nil || out.EnvironmentAccountConnection.Status != want {
		c.t.Errorf("the connection is %+v, %v; want %s", out, err, want)
	}
}

// names lists the environments of the connections with the status that an account has asked for, or was asked for.
func (c connections) names(by types.EnvironmentAccountConnectionRequesterAccountType, status types.EnvironmentAccountConnectionStatus) []string {
	c.t.Helper()
	out, err := c.p.ListEnvironmentAccountConnections(ctx, &proton.ListEnvironmentAccountConnectionsInput{RequestedBy: by, Statuses: []types.EnvironmentAccountConnectionStatus{status}})
	if err != nil {
		c.t.Fatal(err)
	}
	var names []string
	for _, v := range out.EnvironmentAccountConnections {
		names = append(names, *v.EnvironmentName)
	}
	slices.Sort(names)
	return names
}

// useConnection makes an environment of the template "hello" that stands in a connection.
func useConnection(p *proton.Client, t testing.TB, name, id string) error {
	_, err := p.CreateEnvironment(ctx, &proton.CreateEnvironmentInput{
		Name: &name, TemplateName: aws.String("hello"), TemplateMajorVersion: aws.String("1"), Spec: aws.String(protonbundles.Spec(t, "runner-environment")), EnvironmentAccountConnectionId: &id,
	})
	return err
}

const (
	isPending   = types.EnvironmentAccountConnectionStatusPending
	isConnected = types.EnvironmentAccountConnectionStatusConnected
	isRejected  = types.EnvironmentAccountConnectionStatusRejected
	asManager   = types.EnvironmentAccountConnectionRequesterAccountTypeManagementAccount
	asOwner     = types.EnvironmentAccountConnectionRequesterAccountTypeEnvironmentAccount
)

// TestP20_ConnectionsAreAskedForAndAccepted: who may do what, and what a rejected connection is good for.
func TestP20_ConnectionsAreAskedForAndAccepted(t *testing.T) {
	h := house.Start(t)
	environments, credentials := h.NewAccount("environments")
	_, strangers := h.NewAccount("strangers")
	admin, owner := h.AsAdmin(), h.As(credentials)
	runnerTemplates(t, admin)
	manager, asking, stranger := connections{t, admin.Proton()}, connections{t, owner.Proton()}, connections{t, h.As(strangers).Proton()}
	role := newRole(t, owner, "hosted", protonTrust(h.Account))
	ids := map[string]string{}
	for _, name := range []string{"blue", "green", "yellow"} {
		ids[name] = asking.ask(h.Account, name, role)
	}
	if got := manager.names(asManager, isPending); !slices.Equal(got, []string{"blue", "green", "yellow"}) {
		t.Errorf("the management account is asked for %v", got)
	}
	want(t, "an environment in a connection that waits", useConnection(manager.p, t, "blue", ids["blue"]), "ValidationException")

	for what, call := range map[string]func(string) error{"accept": asking.accept, "reject": asking.reject} {
		want(t, "the environment account's "+what, call(ids["blue"]), "AccessDeniedException")
	}
	want(t, "the management account's delete", manager.delete(ids["blue"]), "AccessDeniedException")
	for what, call := range map[string]func(string) error{"accept": stranger.accept, "reject": stranger.reject, "delete": stranger.delete} {
		want(t, "a stranger's "+what, call(ids["blue"]), "ResourceNotFoundException")
	}

	want(t, "accept", manager.accept(ids["blue"]), "")
	want(t, "accept", manager.accept(ids["yellow"]), "")
	want(t, "reject", manager.reject(ids["green"]), "")
	manager.is(ids["green"], isRejected)
	want(t, "accepting what was rejected", manager.accept(ids["green"]), "ConflictException")
	asking.is(ids["green"], isRejected)
	asking.is(ids["blue"], isConnected)
	if got := asking.names(asOwner, isRejected); !slices.Equal(got, []string{"green"}) {
		t.Errorf("rejected are %v", got)
	}
	want(t, "an environment in what was rejected", useConnection(manager.p, t, "green", ids["green"]), "ValidationException")
	want(t, "an environment of another name", useConnection(manager.p, t, "purple", ids["blue"]), "ValidationException")
	want(t, "an environment in a stranger's", useConnection(stranger.p, t, "blue", ids["blue"]), "ResourceNotFoundException")
	want(t, "rejecting what is not used", manager.reject(ids["yellow"]), "")

	want(t, "an environment in the connection", useConnection(manager.p, t, "blue", ids["blue"]), "")
	want(t, "rejecting what is used", manager.reject(ids["blue"]), "ConflictException")
	want(t, "deleting what is used", asking.delete(ids["blue"]), "ConflictException")
	inTheOther(t, h, environments, owner)
	want(t, "deleting what was rejected", asking.delete(ids["green"]), "")
	if got := manager.names(asManager, isRejected); !slices.Equal(got, []string{"blue", "yellow"}) {
		t.Errorf("after all rejected are %v", got)
	}
}

// inTheOther follows the environment blue: it is managed here, stands in the other account, and its commands run under that account's role.
func inTheOther(t *testing.T, h *house.House, account string, owner house.Account) {
	t.Helper()
	p, blue := h.AsAdmin().Proton(), aws.String("blue")
	j := acquire(t, h)
	if who := j.as(t, h); !strings.HasPrefix(who, "arn:aws:sts::"+account+":assumed-role/hosted/") {
		t.Errorf("the commands are %q, want the role of the account %s", who, account)
	}
	j.done(t, h, "greeting", "good morning")
	if status, message := deployed(t, p, "blue"); status != types.DeploymentStatusSucceeded {
		t.Errorf("the environment is %s: %s", status, message)
	}
	out, err := p.GetEnvironment(ctx, &proton.GetEnvironmentInput{Name: blue})
	if err != nil || aws.ToString(out.Environment.EnvironmentAccountId) != account {
		t.Errorf("the environment stands in %+v, %v", out, err)
	}
	otherRole(t, h, account, owner)
	_, err = owner.Proton().GetEnvironment(ctx, &proton.GetEnvironmentInput{Name: blue})
	want(t, "the environment, asked for from the account that it stands in", err, "ResourceNotFoundException")
	if _, err := p.DeleteEnvironment(ctx, &proton.DeleteEnvironmentInput{Name: blue}); err != nil {
		t.Fatal(err)
	}
	acquire(t, h).done(t, h, "none", "none")
	until(t, "the deletion", func() (bool, error) {
		_, err := p.GetEnvironment(ctx, &proton.GetEnvironmentInput{Name: blue})
		if house.ErrorCode(err) == "ResourceNotFoundException" {
			return true, nil
		}
		return false, err
	})
	connections{t, p}.is(idOf(t, owner, "blue"), isConnected)
	want(t, "rejecting what is used no more", connections{t, p}.reject(idOf(t, owner, "blue")), "")
}

// otherRole has the account that the environment stands in give its connection another role: the next deployment runs under that one.
func otherRole(t *testing.T, h *house.House, account string, owner house.Account) {
	t.Helper()
	id, role, blue := idOf(t, owner, "blue"), newRole(t, owner, "hosted-anew", protonTrust(h.Account)), aws.String("blue")
	change := func(a house.Account) error {
		_, err := a.Proton().UpdateEnvironmentAccountConnection(ctx, &proton.UpdateEnvironmentAccountConnectionInput{Id: &id, CodebuildRoleArn: &role})
		return err
	}
	want(t, "another role by the management account", change(h.AsAdmin()), "AccessDeniedException")
	want(t, "another role by the environment account", change(owner), "")
	if _, err := h.AsAdmin().Proton().UpdateEnvironment(ctx, &proton.UpdateEnvironmentInput{Name: blue, DeploymentType: types.DeploymentUpdateTypeCurrentVersion}); err != nil {
		t.Fatal(err)
	}
	j := acquire(t, h)
	if who := j.as(t, h); !strings.HasPrefix(who, "arn:aws:sts::"+account+":assumed-role/hosted-anew/") {
		t.Errorf("the commands are %q, want the connection's new role", who)
	}
	j.done(t, h, "greeting", "good evening")
	if status, message := deployed(t, h.AsAdmin().Proton(), "blue"); status != types.DeploymentStatusSucceeded {
		t.Errorf("the environment is %s: %s", status, message)
	}
}

// idOf is the id of the connection for an environment.
func idOf(t testing.TB, owner house.Account, environment string) string {
	t.Helper()
	out, err := owner.Proton().ListEnvironmentAccountConnections(ctx, &proton.ListEnvironmentAccountConnectionsInput{RequestedBy: asOwner, EnvironmentName: &environment})
	if err != nil || len(out.EnvironmentAccountConnections) != 1 {
		t.Fatalf("the connections for %s are %+v, %v", environment, out, err)
	}
	return *out.EnvironmentAccountConnections[0].Id
}

// TestP20_OneRegion: a connection is of the region in which it was asked for.
func TestP20_OneRegion(t *testing.T) {
	h := house.Start(t, "--region", "eu-west-1")
	_, credentials := h.NewAccount("environments")
	owner := h.As(credentials)
	role := newRole(t, owner, "hosted", protonTrust(h.Account))
	id := connections{t, owner.Proton()}.ask(h.Account, "blue", role)
	far := h.AsAdmin()
	far.Config.Region = "eu-west-1"
	away := connections{t, far.Proton()}
	want(t, "accepting it in another region", away.accept(id), "ResourceNotFoundException")
	if got := away.names(asManager, isPending); len(got) != 0 {
		t.Errorf("another region is asked for %v", got)
	}
	want(t, "accepting it in its own", connections{t, h.AsAdmin().Proton()}.accept(id), "")
}
