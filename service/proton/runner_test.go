package proton

import (
	"strings"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/test/protonbundles"
	"github.com/strongroom/strongroom/wire"
)

// runnerTemplate publishes a template whose commands a runner runs.
func (h *testHouse) runnerTemplate(name string) {
	h.Helper()
	h.link()
	ctx := h.caller()
	if _, err := h.CreateEnvironmentTemplate(ctx, &api.CreateEnvironmentTemplateInput{Name: &name}); err != nil {
		h.Fatal(err)
	}
	tmpl, err := plain[template](ctx, h.Service, key("et", testPlace, name))
	if err != nil {
		h.Fatal(err)
	}
	b, err := h.keepBytes(ctx, &tmpl.head, protonbundles.Tar(h, "runner-environment"))
	if err != nil {
		h.Fatal(err)
	}
	if _, err := h.addVersion(ctx, testPlace, environmentFamily, name, &versionToAdd{bundle: b, number: (*template).number}); err != nil {
		h.Fatal(err)
	}
	(&life{testHouse: h, template: name}).settle(2)
	if _, err := h.UpdateEnvironmentTemplateVersion(ctx, &api.UpdateEnvironmentTemplateVersionInput{
		TemplateName: &name, MajorVersion: wire.Ptr("1"), MinorVersion: wire.Ptr("0"), Status: api.TemplateVersionStatusPublished,
	}); err != nil {
		h.Fatal(err)
	}
}

// runnerEnvironment makes an environment of the template, and returns its deployment's id.
func (h *testHouse) runnerEnvironment(template, name string) (string, error) {
	out, err := h.CreateEnvironment(h.caller(), &api.CreateEnvironmentInput{
		Name: &name, TemplateName: &template, TemplateMajorVersion: wire.Ptr("1"), Spec: wire.Ptr(protonbundles.Spec(h, "runner-environment")),
		ProvisioningRepository: &api.RepositoryBranchInput{Name: wire.Ptr(oneRepository), Provider: api.RepositoryProviderGithub, Branch: wire.Ptr("main")},
	})
	if err != nil {
		return "", err
	}
	return *out.Environment.LastAttemptedDeploymentId, nil
}

// offered waits until the commands wait for a runner.
func (h *testHouse) offered(id string) {
	h.Helper()
	h.drain("the offer", func() bool {
		_, err := plain[run](h.Context(), h.Service, runKey(testPlace, id))
		return err == nil
	})
}

func (h *testHouse) status(name string) (api.DeploymentStatus, string) {
	h.Helper()
	out, err := h.GetEnvironment(h.caller(), &api.GetEnvironmentInput{Name: &name})
	if err != nil {
		h.Fatal(err)
	}
	return out.Environment.DeploymentStatus, wire.Val(out.Environment.DeploymentStatusMessage)
}

// look looks once how a deployment stands, as its job does.
func (h *testHouse) look(id string) {
	h.Helper()
	if err := h.tryLook(id); err != nil {
		h.Fatal(err)
	}
}

func (h *testHouse) tryLook(id string) error {
	return h.deploy(h.Context(), job.Job{Kind: jobDeploy, ID: testRegion + "/" + testAccount + "/" + id})
}

func (h *testHouse) report(id string, lease *string, n int, status api.RunnerJobStatus) error {
	_, err := h.ReportRunnerJob(h.caller(), &api.ReportRunnerJobInput{DeploymentId: &id, Lease: lease, Sequence: wire.Ptr(int32(n)), Log: []byte("line\n"), Status: status})
	return err
}

// TestRunnerThatDies: commands whose runner has not reported for the length of its lease make the
// deployment fail; the runner is not heard any more, and another deployment may come.
func TestRunnerThatDies(t *testing.T) {
	h := newHouse(t)
	h.runnerTemplate("t")
	id, err := h.runnerEnvironment("t", "e")
	if err != nil {
		t.Fatal(err)
	}
	h.offered(id)
	out, err := h.AcquireRunnerJob(h.caller(), &api.AcquireRunnerJobInput{RunnerName: wire.Ptr("one")})
	if err != nil || out.Job == nil {
		t.Fatalf("no job: %v", err)
	}
	if err := h.report(id, out.Job.Lease, 0, ""); err != nil {
		t.Fatal(err)
	}
	h.ahead.Add(int64(leaseTime - time.Second))
	h.look(id)
	if got, _ := h.status("e"); got != api.DeploymentStatusInProgress {
		t.Fatalf("within its lease the deployment is %s", got)
	}
	h.ahead.Add(int64(2 * time.Second))
	h.look(id)
	if got, message := h.status("e"); got != api.DeploymentStatusFailed || !strings.Contains(message, "The runner one has stopped answering") {
		t.Errorf("after its lease the deployment is %s: %s", got, message)
	}
	if err := h.report(id, out.Job.Lease, 1, api.RunnerJobStatusSucceeded); !wire.IsCode(err, "ConflictException") {
		t.Errorf("a report after the lease: %v", err)
	}
	again, err := h.UpdateEnvironment(h.caller(), &api.UpdateEnvironmentInput{Name: wire.Ptr("e"), DeploymentType: api.DeploymentUpdateTypeCurrentVersion})
	if err != nil {
		t.Fatal(err)
	}
	id = *again.Environment.LastAttemptedDeploymentId
	h.look(id)
	if out, err = h.AcquireRunnerJob(h.caller(), &api.AcquireRunnerJobInput{}); err != nil || out.Job == nil {
		t.Fatalf("no second job: %v", err)
	}
	if err := h.report(id, out.Job.Lease, 0, api.RunnerJobStatusSucceeded); err != nil {
		t.Fatal(err)
	}
	h.look(id)
	if got, message := h.status("e"); got != api.DeploymentStatusSucceeded {
		t.Errorf("the second deployment is %s: %s", got, message)
	}
}

// TestEveryWriteOfAJobCutOff: whichever write is the last one before the house stops, the runner that
// has the lease goes on with the house that starts again, and where nobody has it the deployment ends.
func TestEveryWriteOfAJobCutOff(t *testing.T) {
	for _, happened := range []bool{false, true} {
		h := newHouse(t)
		h.runnerTemplate("t")
		h.db.after = happened
		for n := 1; ; n++ {
			name := "e" + strings.Repeat("x", n)
			r := &jobRun{testHouse: h}
			h.db.set(n)
			err := r.run(name)
			whole := !h.db.reached()
			h.db.set(0)
			h.open()
			if whole && err != nil {
				t.Fatal(err)
			}
			r.end(n, name)
			if whole {
				t.Logf("%d writes", n-1)
				break
			}
		}
	}
}

// jobRun is a runner's side of a job.
type jobRun struct {
	*testHouse
	id    string
	lease *string
	ended bool // the report of the end was answered
}

func (r *jobRun) run(name string) (err error) {
	if r.id, err = r.runnerEnvironment("t", name); err != nil {
		return err
	}
	if err := r.tryLook(r.id); err != nil {
		return err
	}
	out, err := r.AcquireRunnerJob(r.caller(), &api.AcquireRunnerJobInput{})
	if err != nil {
		return err
	}
	r.lease = out.Job.Lease
	if err := r.report(r.id, r.lease, 0, ""); err != nil {
		return err
	}
	if err := r.report(r.id, r.lease, 1, api.RunnerJobStatusSucceeded); err != nil {
		return err
	}
	r.ended = true
	return r.tryLook(r.id)
}

// end brings the deployment to its end with the house that has started again.
func (r *jobRun) end(n int, name string) {
	r.Helper()
	if r.id == "" {
		x, err := plain[subject](r.Context(), r.Service, key("en", testPlace, name))
		if err != nil { // not answered, and not there
			return
		}
		r.id = x.V.Open // not answered, but there: and then whole
	}
	if r.lease != nil && !r.ended {
		err := r.report(r.id, r.lease, 0, "") // said again: the first may have been heard
		if err == nil {
			err = r.report(r.id, r.lease, 1, api.RunnerJobStatusSucceeded)
		}
		if err != nil && !(r.db.after && wire.IsCode(err, "ConflictException")) { // or even the end may have been heard
			r.Fatalf("write %d: the runner is not heard any more: %v", n, err)
		}
	}
	want := api.DeploymentStatusSucceeded
	if r.lease == nil && !r.ended {
		r.look(r.id)
		out, err := r.AcquireRunnerJob(r.caller(), &api.AcquireRunnerJobInput{})
		switch {
		case err != nil:
			r.Fatalf("write %d: %v", n, err)
		case out.Job != nil:
			if err := r.report(r.id, out.Job.Lease, 0, api.RunnerJobStatusSucceeded); err != nil {
				r.Fatal(err)
			}
		default: // it was leased, and nobody was told: it ends with the lease
			want = api.DeploymentStatusFailed
			r.ahead.Add(int64(leaseTime + time.Second))
		}
	}
	r.look(r.id)
	if got, message := r.status(name); got != want {
		r.Errorf("write %d: the deployment has ended as %s, want %s: %s", n, got, want, message)
	}
}
