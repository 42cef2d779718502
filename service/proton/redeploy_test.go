package proton

import (
	"context"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// lockedKeys are keys that nobody may use.
type lockedKeys struct{}

func (lockedKeys) Make(context.Context, string, map[string]string) (seal.DataKey, error) {
	return seal.DataKey{}, wire.Errorf("DisabledException", 400, "the key is disabled")
}

func (lockedKeys) Open(context.Context, string, []byte, map[string]string) (secret.Bytes, error) {
	return secret.Bytes{}, wire.Errorf("DisabledException", 400, "the key is disabled")
}

func (h *testHouse) notify(arn string, status api.ResourceDeploymentStatus) error {
	_, err := h.NotifyResourceDeploymentStatusChange(h.caller(), &api.NotifyResourceDeploymentStatusChangeInput{ResourceArn: &arn, Status: status})
	return err
}

func wantCode(t *testing.T, what string, err error, want string) {
	t.Helper()
	var got string
	if e, ok := err.(*wire.Error); ok {
		got = e.Code
	}
	if got != want {
		t.Errorf("%s: %v, want %s", what, err, want)
	}
}

// TestNotifiedBeforeItsTurn: a deployment that is told to have succeeded before its job has run has its
// files all the same, and one that has ended is not told so a second time.
func TestNotifiedBeforeItsTurn(t *testing.T) {
	h := newHouse(t)
	h.link()
	l := h.life(0)
	for n := range 4 { // the environment is made, and no job runs
		l.settle(n)
		if err := l.step(n + 1); err != nil {
			t.Fatal(err)
		}
	}
	id := l.subject().V.Open
	arn := testPlace.environmentARN(l.environment)
	if err := h.notify(arn, api.ResourceDeploymentStatusSucceeded); err != nil {
		t.Fatal(err)
	}
	d, err := plain[deployment](t.Context(), h.Service, key("de", testPlace, id))
	if err != nil || d.V.Rendered == nil || d.V.DeploymentStatus != api.DeploymentStatusSucceeded {
		t.Errorf("the deployment is %+v, %v", d, err)
	}
	wantCode(t, "told twice", h.notify(arn, api.ResourceDeploymentStatusSucceeded), "ConflictException")
	h.nothingLost(0)
}

// TestNotifyKnowsWhenItComesTooLate: whoever tells of a deployment that somebody else ends in the same
// moment is not answered as if his word counted.
func TestNotifyKnowsWhenItComesTooLate(t *testing.T) {
	h := newHouse(t)
	h.link()
	l := h.life(0)
	for n := range 4 {
		l.settle(n)
		if err := l.step(n + 1); err != nil {
			t.Fatal(err)
		}
	}
	k := key("de", testPlace, l.subject().V.Open)
	if err := h.advance(t.Context(), testPlace, k, Progress{Status: api.DeploymentStatusFailed}, false); err != nil {
		t.Fatal(err)
	}
	for _, st := range []api.DeploymentStatus{api.DeploymentStatusSucceeded, api.DeploymentStatusInProgress} {
		if err := ended(h.advance(t.Context(), testPlace, k, Progress{Status: st}, true), "one", &l.subject().V); err == nil {
			t.Errorf("%s is taken for a deployment that has failed", st)
		} else {
			wantCode(t, string(st), err, "ConflictException")
		}
	}
	if got := l.subject().V.DeploymentStatus; got != api.DeploymentStatusFailed {
		t.Errorf("the environment is %s", got)
	}
}

// TestRedeployWaitsForItsKey: an instance that is to be deployed again while its key cannot be used is deployed
// when it can, without anybody's help.
func TestRedeployWaitsForItsKey(t *testing.T) {
	h := newHouse(t)
	h.workers(1, 1)
	if err := h.notify(testPlace.instanceARN("s0", "i0"), api.ResourceDeploymentStatusSucceeded); err != nil {
		t.Fatal(err)
	}
	again := func() error {
		return h.update(t.Context(), func(tx store.Tx) error { return h.scheduleRedeploy(tx, testPlace, "s0", "i0", 0) })
	}
	if err := again(); err != nil {
		t.Fatal(err)
	}
	id := testRegion + "/" + testAccount + "/s0/i0"
	h.keys = lockedKeys{}
	if err := h.redeploy(t.Context(), job.Job{Kind: jobRedeploy, ID: id}); err != nil {
		t.Fatal(err)
	}
	var next job.Job
	var found bool
	if err := h.store.View(t.Context(), func(r store.Reader) (err error) {
		next, found, err = h.queue.Get(r, jobRedeploy, id)
		return err
	}); err != nil || !found || time.Until(next.Due) < redeployRetry/2 {
		t.Fatalf("the next try is %+v, %v, %v", next, found, err)
	}
	h.keys = testKeys{}
	if err := again(); err != nil { // the time has come
		t.Fatal(err)
	}
	count := func() (n int) {
		h.deployments(func(*deployment) { n++ })
		return n
	}
	h.drain("the second deployment", func() bool { return count() == 2 })
}
