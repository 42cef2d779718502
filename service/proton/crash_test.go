package proton

import (
	"bytes"
	"fmt"
	"testing"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/test/protonbundles"
	"github.com/strongroom/strongroom/wire"
)

// life is the life of an environment, from its template to its end, in steps that can be gone on
// with wherever it was cut off.
type life struct {
	*testHouse
	template, environment string
	acked                 int // the last step that was answered
}

const oneRepository = "team/live"

func (h *testHouse) life(n int) *life {
	return &life{testHouse: h, template: fmt.Sprintf("t%d", n), environment: fmt.Sprintf("e%d", n)}
}

// link links the repository that environments are provisioned through; this house has no way to it.
func (h *testHouse) link() {
	h.Helper()
	arn := "arn:aws:codestar-connections:" + testRegion + ":" + testAccount + ":connection/one"
	if _, err := h.CreateRepository(h.caller(), &api.CreateRepositoryInput{Name: wire.Ptr(oneRepository), Provider: api.RepositoryProviderGithub, ConnectionArn: &arn}); err != nil {
		h.Fatal(err)
	}
}

func (l *life) version() *record[version] {
	rec, err := plain[version](l.Context(), l.Service, key("ev", testPlace, l.template, padded("1"), padded("0")))
	if err != nil {
		return nil
	}
	return rec
}

func (l *life) subject() *record[subject] {
	rec, err := plain[subject](l.Context(), l.Service, key("en", testPlace, l.environment))
	if err != nil {
		return nil
	}
	return rec
}

// openDeployment is the deployment that goes on; nil for none.
func (l *life) openDeployment() *record[deployment] {
	x := l.subject()
	if x == nil || x.V.Open == "" {
		return nil
	}
	rec, err := plain[deployment](l.Context(), l.Service, key("de", testPlace, x.V.Open))
	if err != nil {
		l.Fatalf("the environment has an open deployment that is not there: %v", err)
	}
	return rec
}

// rank is the step that the life has come to.
func (l *life) rank() int {
	if _, err := plain[template](l.Context(), l.Service, key("et", testPlace, l.template)); err != nil {
		return 0
	}
	v, x, d := l.version(), l.subject(), l.openDeployment()
	switch {
	case v == nil:
		return 1
	case v.V.Status != api.TemplateVersionStatusPublished:
		return 2
	case x == nil && l.acked >= 8:
		return 9
	case x == nil:
		return 3
	case d != nil && d.V.Delete:
		return 8
	case d != nil && x.V.Succeeded:
		return 6
	case d != nil:
		return 4
	case wire.Val(x.V.LastSucceededDeploymentId) == "":
		l.Fatalf("the environment has ended as %s", x.V.DeploymentStatus)
	}
	last, err := plain[deployment](l.Context(), l.Service, key("de", testPlace, *x.V.LastSucceededDeploymentId))
	if err != nil {
		l.Fatal(err)
	}
	if last.V.LastAttemptedDeploymentId == nil { // the first one
		return 5
	}
	return 7
}

func (l *life) step(n int) error {
	ctx := l.caller()
	switch n {
	case 1:
		_, err := l.CreateEnvironmentTemplate(ctx, &api.CreateEnvironmentTemplateInput{Name: &l.template, Description: wire.Ptr("sealed")})
		return err
	case 2:
		tmpl, err := plain[template](ctx, l.Service, key("et", testPlace, l.template))
		if err != nil {
			return err
		}
		b, err := l.keepBytes(ctx, &tmpl.head, protonbundles.Tar(l, "cfn-environment"))
		if err == nil {
			_, err = l.addVersion(ctx, testPlace, environmentFamily, l.template, &versionToAdd{bundle: b, number: (*template).number})
		}
		return err
	case 3:
		_, err := l.UpdateEnvironmentTemplateVersion(ctx, &api.UpdateEnvironmentTemplateVersionInput{
			TemplateName: &l.template, MajorVersion: wire.Ptr("1"), MinorVersion: wire.Ptr("0"), Status: api.TemplateVersionStatusPublished,
		})
		return err
	case 4:
		_, err := l.CreateEnvironment(ctx, &api.CreateEnvironmentInput{
			Name: &l.environment, TemplateName: &l.template, TemplateMajorVersion: wire.Ptr("1"), Spec: wire.Ptr(protonbundles.Spec(l, "cfn-environment")),
			ProvisioningRepository: &api.RepositoryBranchInput{Name: wire.Ptr(oneRepository), Provider: api.RepositoryProviderGithub, Branch: wire.Ptr("main")},
		})
		return err
	case 6:
		_, err := l.UpdateEnvironment(ctx, &api.UpdateEnvironmentInput{Name: &l.environment, DeploymentType: api.DeploymentUpdateTypeCurrentVersion})
		return err
	case 8:
		_, err := l.DeleteEnvironment(ctx, &api.DeleteEnvironmentInput{Name: &l.environment})
		return err
	}
	_, err := l.NotifyResourceDeploymentStatusChange(ctx, &api.NotifyResourceDeploymentStatusChangeInput{
		ResourceArn: wire.Ptr(testPlace.environmentARN(l.environment)), Status: api.ResourceDeploymentStatusSucceeded,
		Outputs: []api.Output{{Key: wire.Ptr("TableName"), ValueString: wire.Ptr(fmt.Sprint(n))}},
	})
	return err
}

// settle runs the jobs that a step has left, until the next step can be taken.
func (l *life) settle(n int) {
	switch n {
	case 2:
		l.drain("registration", func() bool { v := l.version(); return v != nil && v.V.Status == api.TemplateVersionStatusDraft })
	case 4, 6, 8:
		l.drain("rendering", func() bool {
			d := l.openDeployment()
			return d != nil && d.V.Phase == provisioning && d.V.Rendered != nil
		})
	}
}

// run lives on until the end, or until something fails.
func (l *life) run() error {
	for n := l.rank(); n < 9; n++ {
		l.settle(n)
		if l.db.reached() || l.blobs.reached() {
			return errInjected
		}
		if err := l.step(n + 1); err != nil {
			return err
		}
		l.acked = n + 1
	}
	return nil
}

// TestEveryWriteOfALifeCutOff: whichever write is the last one, the store opens, what was answered is
// there, nothing is half made, and the life goes on to its end.
func TestEveryWriteOfALifeCutOff(t *testing.T) {
	for name, inject := range map[string]func(h *testHouse) *fault{
		"store, before":  func(h *testHouse) *fault { return h.db },
		"store, unknown": func(h *testHouse) *fault { h.db.after = true; return h.db },
		"blobs":          func(h *testHouse) *fault { return h.blobs },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.link()
			f := inject(h)
			for n := 1; ; n++ {
				l := h.life(n)
				f.set(n)
				err := l.run()
				whole := !f.reached()
				f.set(0)
				h.open()
				if got := l.rank(); got < l.acked || got > l.acked+1 {
					t.Fatalf("write %d: step %d was answered, and step %d is there", n, l.acked, got)
				}
				if whole && err != nil {
					t.Fatalf("without a failure: %v", err)
				}
				if err := l.run(); err != nil {
					t.Fatalf("write %d: it does not go on after step %d: %v", n, l.acked, err)
				}
				h.nothingLost(n)
				if whole {
					t.Logf("%d writes", n-1)
					return
				}
			}
		})
	}
}

// nothingLost checks that every blob is known: to a record, or to a job that sweeps it away.
func (h *testHouse) nothingLost(n int) {
	h.Helper()
	for info, err := range h.files.List(h.Context(), blobPrefix, "") {
		if err != nil {
			h.Fatal(err)
		}
		known := false
		err := h.store.View(h.Context(), func(r store.Reader) error {
			_, swept, err := h.queue.Get(r, jobSweep, info.Key)
			known = swept
			for _, prefix := range []string{"ev\x00", "sv\x00", "de\x00"} {
				for rec, err := range r.Scan(store.Prefix([]byte(prefix))) {
					if err != nil {
						return err
					}
					known = known || bytes.Contains(rec.Value, []byte(info.Key))
				}
			}
			return err
		})
		if err != nil || !known {
			h.Fatalf("write %d: nobody knows the blob %s: %v", n, info.Key, err)
		}
	}
}

// TestUpgradeGoesOnAfterARestart: the instances of services that are brought to a new minor version are
// all deployed, each once, though the house stops again and again while it renders them.
func TestUpgradeGoesOnAfterARestart(t *testing.T) {
	const services, each = 4, 5
	h := newHouse(t)
	h.workers(services, each)
	rendered := func() (n int) {
		h.deployments(func(d *deployment) {
			if d.Phase == provisioning && d.Rendered != nil {
				n++
			}
		})
		return n
	}
	h.drain("the first deployments", func() bool { return rendered() == services*each })
	h.eachWorker(services, each, func(service, instance string) error {
		_, err := h.NotifyResourceDeploymentStatusChange(h.caller(), &api.NotifyResourceDeploymentStatusChangeInput{
			ResourceArn: wire.Ptr(testPlace.instanceARN(service, instance)), Status: api.ResourceDeploymentStatusSucceeded,
		})
		return err
	})
	h.addServiceVersion()
	h.eachWorker(services, each, func(service, instance string) error {
		_, err := h.UpdateServiceInstance(h.caller(), &api.UpdateServiceInstanceInput{ServiceName: &service, Name: &instance, DeploymentType: api.DeploymentUpdateTypeMinorVersion})
		return err
	})
	for at := 3; at < services*each; at += 4 {
		h.drain("some of them", func() bool { return rendered() >= at })
		h.open()
	}
	h.drain("all of them", func() bool { return rendered() == services*each })
	subjects := map[string]int{}
	h.deployments(func(d *deployment) { subjects[string(d.Subject)]++ })
	for name, n := range subjects {
		if n != 2 {
			t.Errorf("%q has %d deployments", name, n)
		}
	}
	h.nothingLost(0)
	h.eachWorker(services, each, func(service, instance string) error {
		if _, err := h.NotifyResourceDeploymentStatusChange(h.caller(), &api.NotifyResourceDeploymentStatusChangeInput{
			ResourceArn: wire.Ptr(testPlace.instanceARN(service, instance)), Status: api.ResourceDeploymentStatusSucceeded,
		}); err != nil {
			return err
		}
		out, err := h.GetServiceInstance(h.caller(), &api.GetServiceInstanceInput{ServiceName: &service, Name: &instance})
		if err == nil && *out.ServiceInstance.TemplateMinorVersion != "1" {
			t.Errorf("%s/%s has version 1.%s", service, instance, *out.ServiceInstance.TemplateMinorVersion)
		}
		return err
	})
}

// deployments goes through all deployments of service instances.
func (h *testHouse) deployments(do func(*deployment)) {
	h.Helper()
	err := h.store.View(h.Context(), func(r store.Reader) error {
		for rec, err := range each[deployment](r, within("de", testPlace)) {
			if err != nil {
				return err
			}
			if rec.V.TargetResourceType == api.DeploymentTargetResourceTypeServiceInstance {
				do(&rec.V)
			}
		}
		return nil
	})
	if err != nil {
		h.Fatal(err)
	}
}

func (h *testHouse) eachWorker(services, each int, do func(service, instance string) error) {
	h.Helper()
	for s := range services {
		for i := range each {
			if err := do(fmt.Sprint("s", s), fmt.Sprint("i", i)); err != nil {
				h.Fatalf("s%d/i%d: %v", s, i, err)
			}
		}
	}
}

// addServiceVersion publishes the next minor version of the template worker.
func (h *testHouse) addServiceVersion() {
	h.Helper()
	ctx, name := h.caller(), "worker"
	tmpl, err := plain[template](ctx, h.Service, key("st", testPlace, name))
	if err != nil {
		h.Fatal(err)
	}
	b, err := h.keepBytes(ctx, &tmpl.head, protonbundles.Tar(h, "cfn-service"))
	if err != nil {
		h.Fatal(err)
	}
	rec, err := h.addVersion(ctx, testPlace, serviceFamily, name, &versionToAdd{bundle: b, number: (*template).follow, in: newVersion{
		MajorVersion: wire.Ptr("1"), CompatibleEnvironmentTemplates: []api.CompatibleEnvironmentTemplateInput{{TemplateName: wire.Ptr("t0"), MajorVersion: wire.Ptr("1")}},
	}})
	if err != nil {
		h.Fatal(err)
	}
	h.drain("registration", func() bool {
		v, err := plain[version](ctx, h.Service, rec.key)
		return err == nil && v.V.Status == api.TemplateVersionStatusDraft
	})
	if _, err := h.UpdateServiceTemplateVersion(ctx, &api.UpdateServiceTemplateVersionInput{TemplateName: &name, MajorVersion: wire.Ptr("1"), MinorVersion: rec.V.MinorVersion, Status: api.TemplateVersionStatusPublished}); err != nil {
		h.Fatal(err)
	}
}

// workers makes services with instances in one environment.
func (h *testHouse) workers(services, each int) {
	h.Helper()
	h.link()
	l := h.life(0)
	for n := 0; n < 5; n++ {
		l.settle(n)
		if err := l.step(n + 1); err != nil {
			h.Fatal(err)
		}
	}
	if _, err := h.CreateServiceTemplate(h.caller(), &api.CreateServiceTemplateInput{Name: wire.Ptr("worker")}); err != nil {
		h.Fatal(err)
	}
	h.addServiceVersion()
	for s := range services {
		text := "proton: ServiceSpec\npipeline: {}\ninstances:\n"
		for i := range each {
			text += fmt.Sprintf("- name: i%d\n  environment: e0\n  spec: {image: 'worker:1', settings: {}}\n", i)
		}
		if _, err := h.CreateService(h.caller(), &api.CreateServiceInput{
			Name: wire.Ptr(fmt.Sprint("s", s)), TemplateName: wire.Ptr("worker"), TemplateMajorVersion: wire.Ptr("1"), Spec: &text,
			RepositoryId: wire.Ptr("team/code"), RepositoryConnectionArn: wire.Ptr("arn:aws:codestar-connections:" + testRegion + ":" + testAccount + ":connection/one"), BranchName: wire.Ptr("main"),
		}); err != nil {
			h.Fatal(err)
		}
	}
}
