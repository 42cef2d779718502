package bench

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/proton"
	"github.com/aws/aws-sdk-go-v2/service/proton/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strongroom/strongroom/service/proton/bundle"
	"github.com/strongroom/strongroom/service/proton/document"
	"github.com/strongroom/strongroom/service/proton/render"
	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/protonbundles"
)

const benchManifest = "infrastructure:\n  templates:\n    - file: cloudformation.yaml\n      rendering_engine: jinja\n      template_language: cloudformation\n"

// upload puts a bundle into the bucket for bundles.
func upload(b *testing.B, h *house.House, name string, body []byte) types.TemplateVersionSourceInput {
	b.Helper()
	ctx, bucket, a := context.Background(), "bundles", h.AsAdmin()
	_, err := a.S3().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: house.Region}})
	if err != nil && house.ErrorCode(err) != "BucketAlreadyOwnedByYou" {
		b.Fatal(err)
	}
	if _, err := a.S3().PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &name, Body: bytes.NewReader(body)}); err != nil {
		b.Fatal(err)
	}
	return &types.TemplateVersionSourceInputMemberS3{Value: types.S3ObjectSource{Bucket: &bucket, Key: &name}}
}

// registered registers a version of an environment template and publishes it.
func registered(b *testing.B, p *proton.Client, name string, source types.TemplateVersionSourceInput) {
	b.Helper()
	ctx := context.Background()
	v, err := p.CreateEnvironmentTemplateVersion(ctx, &proton.CreateEnvironmentTemplateVersionInput{TemplateName: &name, Source: source})
	if err != nil {
		b.Fatal(err)
	}
	major, minor := v.EnvironmentTemplateVersion.MajorVersion, v.EnvironmentTemplateVersion.MinorVersion
	for {
		got, err := p.GetEnvironmentTemplateVersion(ctx, &proton.GetEnvironmentTemplateVersionInput{TemplateName: &name, MajorVersion: major, MinorVersion: minor})
		if err != nil {
			b.Fatal(err)
		}
		switch got.EnvironmentTemplateVersion.Status {
		case types.TemplateVersionStatusRegistrationInProgress:
			time.Sleep(50 * time.Millisecond)
			continue
		case types.TemplateVersionStatusRegistrationFailed:
			b.Fatal(aws.ToString(got.EnvironmentTemplateVersion.StatusMessage))
		}
		break
	}
	if _, err := p.UpdateEnvironmentTemplateVersion(ctx, &proton.UpdateEnvironmentTemplateVersionInput{TemplateName: &name, MajorVersion: major, MinorVersion: minor, Status: types.TemplateVersionStatusPublished}); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkProtonRegister is the server's CPU for registering and publishing a bundle of 5 MB that
// hardly compresses.
func BenchmarkProtonRegister(b *testing.B) {
	h := house.Start(b)
	files := map[string]string{
		"schema/schema.yaml":                 protonbundles.File(b, "cfn-environment", "schema/schema.yaml"),
		"infrastructure/manifest.yaml":       benchManifest,
		"infrastructure/cloudformation.yaml": protonbundles.File(b, "cfn-environment", "infrastructure/cloudformation.yaml"),
	}
	random := make([]byte, 140<<10)
	for i := range 34 {
		for j := range random {
			random[j] = byte(rand.Uint32())
		}
		files[fmt.Sprintf("infrastructure/lambda/part-%02d.txt", i)] = base64.StdEncoding.EncodeToString(random)
	}
	body := protonbundles.Pack(b, files)
	source, p, name := upload(b, h, "large", body), h.AsAdmin().Proton(), "network"
	if _, err := p.CreateEnvironmentTemplate(context.Background(), &proton.CreateEnvironmentTemplateInput{Name: &name}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		before, began := of(h).cpu(b), time.Now()
		registered(b, p, name, source)
		cpu := of(h).cpu(b) - before
		b.ReportMetric(float64(cpu.Milliseconds()), "cpu-ms")
		b.Logf("a bundle of %.2f MB is registered and published with %v of server CPU, in %v", float64(len(body))/1e6, cpu, time.Since(began))
	}
}

// BenchmarkProtonRender renders a template of 200 KB for a pipeline with 100 instances.
func BenchmarkProtonRender(b *testing.B) {
	var text strings.Builder
	text.WriteString("Resources:\n")
	for i := 0; text.Len() < 200<<10-400; i++ {
		fmt.Fprintf(&text, "  Part%d:\n    Type: AWS::CodeBuild::Project\n    Properties:\n      Name: '{{ service.name }}-%d'\n      Description: \"{{ pipeline.inputs.test_command | default('make') }}\"\n", i, i)
		for j := range 14 {
			fmt.Fprintf(&text, "      # line %d of part %d, which says nothing that a template has to work out\n", j, i)
		}
		if i%20 == 0 {
			text.WriteString("{% for service_instance in service_instances %}      {{ service_instance.name }}: {{ service_instance.inputs.port }} # {{ loop.index }}\n{% endfor %}")
		}
	}
	part, job := &bundle.Infrastructure{
		Engine: bundle.Jinja, Language: "cloudformation", Templates: []string{"cloudformation.yaml"},
		Files: []bundle.File{{Name: "cloudformation.yaml", Data: []byte(text.String())}},
	}, pipelineJob()
	var size int
	for b.Loop() {
		files, err := render.Files(context.Background(), part, job)
		if err != nil {
			b.Fatal(err)
		}
		size = 0
		for _, f := range files {
			size = max(size, len(f.Data))
		}
	}
	b.Logf("%d bytes rendered to %d", text.Len(), size)
}

func pipelineJob() render.Job {
	object := func(names ...any) *document.Object {
		o := new(document.Object)
		for i := 0; i < len(names); i += 2 {
			o.Set(names[i].(string), names[i+1])
		}
		return o
	}
	job := render.Job{Kind: render.Pipeline, ResourceARN: "arn:aws:proton:eu-central-1:111122223333:service/shop/pipeline/one", Data: render.Data{
		Service:  &render.ServiceData{Name: "shop", RepositoryID: "team/code", RepositoryConnectionARN: "arn", BranchName: "main"},
		Pipeline: &render.PipelineData{Inputs: object("test_command", "make check")},
	}}
	for i := range 100 {
		job.Data.Instances = append(job.Data.Instances, render.InstanceData{
			Name: fmt.Sprint("instance-", i), Inputs: object("port", int64(8000+i)), Environment: &render.EnvironmentData{Name: "dev", AccountID: "111122223333"},
		})
	}
	return job
}

// proton returns a signed call of Proton, as it goes over the wire.
func (s *server) proton(b testing.TB, operation string, in map[string]any) []byte {
	b.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		b.Fatal(err)
	}
	return s.signed(b, "proton", http.MethodPost, "/", map[string]string{"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AwsProton20200720." + operation}, body)
}

const (
	perService = 20
	upgraded   = 1000
)

// BenchmarkProtonInstances lists very many service instances, the last page as the first, and brings
// a thousand of them to a new minor version, over a restart. STRONGROOM_BENCH_INSTANCES says how many are
// many; 10,000 unless it does.
func BenchmarkProtonInstances(b *testing.B) {
	many := 10_000
	if s := os.Getenv("STRONGROOM_BENCH_INSTANCES"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			b.Fatal(err)
		}
		many = n
	}
	f := newFleet(b, many)
	for range b.N {
		f.list(b)
		f.upgrade(b)
	}
}

// fleet is a house with many service instances in one environment.
type fleet struct {
	h        *house.House
	p        *proton.Client
	services int
}

func newFleet(b *testing.B, many int) *fleet {
	ctx := context.Background()
	f := &fleet{h: house.Start(b), services: many / perService}
	f.p = f.h.AsAdmin().Proton()
	must := func(_ any, err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	network, worker, one := aws.String("network"), aws.String("worker"), aws.String("1")
	must(f.p.CreateEnvironmentTemplate(ctx, &proton.CreateEnvironmentTemplateInput{Name: network, Provisioning: types.ProvisioningCustomerManaged}))
	registered(b, f.p, *network, upload(b, f.h, "managed", protonbundles.Tar(b, "managed-environment")))
	must(f.p.CreateEnvironment(ctx, &proton.CreateEnvironmentInput{Name: aws.String("dev"), TemplateName: network, TemplateMajorVersion: one, Spec: aws.String(protonbundles.Spec(b, "managed-environment"))}))
	must(f.p.CreateServiceTemplate(ctx, &proton.CreateServiceTemplateInput{Name: worker, PipelineProvisioning: types.ProvisioningCustomerManaged}))
	f.version(b)
	began := time.Now()
	f.each(b, 8, f.services, func(a *proton.Client, n int) error {
		var spec strings.Builder
		spec.WriteString("proton: ServiceSpec\ninstances:\n")
		for i := range perService {
			fmt.Fprintf(&spec, "- name: i%02d\n  environment: dev\n  spec: {image: 'registry.example.com/worker:1.%d', settings: {}}\n", i, i)
		}
		_, err := a.CreateService(ctx, &proton.CreateServiceInput{Name: f.name(n), TemplateName: worker, TemplateMajorVersion: one, Spec: aws.String(spec.String())})
		return err
	})
	b.Logf("%d instances were made in %v", many, time.Since(began))
	f.calm(b)
	b.Logf("and rendered %v after that", time.Since(began))
	x, err := f.p.GetServiceInstance(ctx, &proton.GetServiceInstanceInput{ServiceName: f.name(0), Name: aws.String("i00")})
	if err != nil || x.ServiceInstance.DeploymentStatus != types.DeploymentStatusInProgress {
		b.Fatalf("an instance is %+v, %v: %s", x.ServiceInstance.DeploymentStatus, err, aws.ToString(x.ServiceInstance.DeploymentStatusMessage))
	}
	return f
}

func (f *fleet) name(n int) *string { return aws.String(fmt.Sprintf("s%03d", n)) }

// version registers and publishes a version of the service template.
func (f *fleet) version(b *testing.B) {
	b.Helper()
	ctx, worker, one := context.Background(), aws.String("worker"), aws.String("1")
	in := &proton.CreateServiceTemplateVersionInput{
		TemplateName: worker, CompatibleEnvironmentTemplates: []types.CompatibleEnvironmentTemplateInput{{TemplateName: aws.String("network"), MajorVersion: one}},
		Source: upload(b, f.h, "worker", protonbundles.Pack(b, map[string]string{
			"schema/schema.yaml":                          strings.Replace(protonbundles.File(b, "cfn-service", "schema/schema.yaml"), "  pipeline_input_type: BuildInput\n", "", 1),
			"instance_infrastructure/manifest.yaml":       benchManifest,
			"instance_infrastructure/cloudformation.yaml": protonbundles.File(b, "cfn-service", "instance_infrastructure/cloudformation.yaml"),
		})),
	}
	if _, err := f.p.GetServiceTemplateVersion(ctx, &proton.GetServiceTemplateVersionInput{TemplateName: worker, MajorVersion: one, MinorVersion: aws.String("0")}); err == nil {
		in.MajorVersion = one
	}
	v, err := f.p.CreateServiceTemplateVersion(ctx, in)
	if err != nil {
		b.Fatal(err)
	}
	minor := v.ServiceTemplateVersion.MinorVersion
	wait := proton.NewServiceTemplateVersionRegisteredWaiter(f.p, func(o *proton.ServiceTemplateVersionRegisteredWaiterOptions) { o.MinDelay = 50 * time.Millisecond })
	if err := wait.Wait(ctx, &proton.GetServiceTemplateVersionInput{TemplateName: worker, MajorVersion: one, MinorVersion: minor}, time.Minute); err != nil {
		b.Fatal(err)
	}
	if _, err := f.p.UpdateServiceTemplateVersion(ctx, &proton.UpdateServiceTemplateVersionInput{TemplateName: worker, MajorVersion: one, MinorVersion: minor, Status: types.TemplateVersionStatusPublished}); err != nil {
		b.Fatal(err)
	}
}

// each does something for every number, several at a time.
func (f *fleet) each(b *testing.B, together, n int, do func(a *proton.Client, n int) error) {
	b.Helper()
	next, errs := make(chan int), make(chan error, together)
	var wg sync.WaitGroup
	for range together {
		a := f.h.AsAdmin().Proton()
		wg.Go(func() {
			for i := range next {
				if err := do(a, i); err != nil {
					errs <- err
					for range next { // let the others come to an end
					}
					return
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	select {
	case err := <-errs:
		b.Fatal(err)
	default:
	}
}

// calm waits until the house has nothing to do.
func (f *fleet) calm(b *testing.B) {
	for last := of(f.h).cpu(b); ; {
		time.Sleep(2 * time.Second)
		now := of(f.h).cpu(b)
		if now-last < 100*time.Millisecond {
			return
		}
		last = now
	}
}

// list compares the first page with the last.
func (f *fleet) list(b *testing.B) {
	b.Helper()
	var tokens []*string
	for next, n := (*string)(nil), 0; ; {
		out, err := f.p.ListServiceInstances(context.Background(), &proton.ListServiceInstancesInput{NextToken: next, MaxResults: aws.Int32(100)})
		if err != nil {
			b.Fatal(err)
		}
		tokens = append(tokens, next)
		if n += len(out.ServiceInstances); out.NextToken == nil {
			b.Logf("%d pages of %d instances", len(tokens), n)
			break
		}
		next = out.NextToken
	}
	s := of(f.h)
	run := func(token *string) func() result {
		in := map[string]any{"maxResults": 100}
		if token != nil {
			in["nextToken"] = *token
		}
		request := s.proton(b, "ListServiceInstances", in)
		return func() result { return s.load(b, 4, 50, func(int, int) []byte { return request }) }
	}
	pair(b, "last-page", 5, run(tokens[len(tokens)-1]), run(nil))
}

// upgrade brings instances to a new minor version: all are queued, the house is killed, and goes on.
func (f *fleet) upgrade(b *testing.B) {
	b.Helper()
	s := of(f.h)
	resource := func(n int) string {
		return fmt.Sprintf("arn:aws:proton:%s:%s:service/%s/service-instance/i%02d", house.Region, f.h.Account, *f.name(n / perService), n%perService)
	}
	const conns = 20
	number := func(conn, n int) int { return conn*(upgraded/conns) + n }
	done := func() result {
		s := of(f.h)
		return s.load(b, conns, upgraded/conns, func(conn, n int) []byte {
			return s.proton(b, "NotifyResourceDeploymentStatusChange", map[string]any{"resourceArn": resource(number(conn, n)), "status": "SUCCEEDED"})
		})
	}
	r := done()
	b.Logf("%d deployments ended in %v, with %v of server CPU", r.requests, r.wall, r.cpu)
	f.version(b)
	requests := make([][]byte, upgraded)
	for n := range requests {
		requests[n] = s.proton(b, "UpdateServiceInstance", map[string]any{"serviceName": *f.name(n / perService), "name": fmt.Sprintf("i%02d", n%perService), "deploymentType": "MINOR_VERSION"})
	}
	f.calm(b)
	r = s.load(b, conns, upgraded/conns, func(conn, n int) []byte { return requests[number(conn, n)] })
	b.ReportMetric(float64(r.wall.Milliseconds()), "queue-ms")
	b.Logf("an upgrade of %d instances is queued in %v, with %v of server CPU; p50 %v, p99 %v", r.requests, r.wall, r.cpu, r.p50, r.p99)
	f.h.Kill()
	f.h.Restart()
	f.p = f.h.AsAdmin().Proton()
	began := time.Now()
	f.calm(b)
	b.Logf("after a restart they are rendered within %v", time.Since(began))
	done()
	out, err := f.p.ListServiceInstances(context.Background(), &proton.ListServiceInstancesInput{MaxResults: aws.Int32(100)})
	if err != nil {
		b.Fatal(err)
	}
	for _, x := range out.ServiceInstances {
		if *x.TemplateMinorVersion == "0" || x.DeploymentStatus != types.DeploymentStatusSucceeded {
			b.Fatalf("%s has version 1.%s and is %s", *x.Arn, *x.TemplateMinorVersion, x.DeploymentStatus)
		}
	}
}
