package delivery

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/proton"
	"github.com/aws/aws-sdk-go-v2/service/proton/types"

	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/outside"
	"github.com/strongroom/strongroom/test/protonbundles"
)

// TestProtonDeliversByGit: rendered Terraform goes to a repository as a branch; merged, it waits for
// word from outside, refused, the deployment is cancelled.
func TestProtonDeliversByGit(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		outside.Missing(t, "there is no git: %v", err)
	}
	root, work, file := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "connections.yaml")
	bare := filepath.Join(root, "platform", "live.git")
	outside.Git(t, "", "init", "-q", "--bare", "-b", "main", bare)
	outside.Git(t, "", "clone", "-q", bare, work)
	outside.Git(t, work, "commit", "-q", "--allow-empty", "-m", "first")
	outside.Git(t, work, "push", "-q", "origin", "HEAD:main")
	connection := "arn:aws:codestar-connections:" + house.Region + ":111122223333:connection/one"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h := house.Start(t)
	h.Stop()
	text := fmt.Sprintf("connections:\n- arn: %s\n  account: %q\n  url: file://%s\n  poll: 1s\n", connection, h.Account, root)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	h.Opens = []string{"--root-key", h.RootKey, "--git-connections", file}
	h.Restart()
	ctx, admin := context.Background(), h.AsAdmin()
	p := admin.Proton()
	publish(t, admin, protonbundles.Pack(t, map[string]string{
		"schema/schema.yaml":           networkSchema,
		"infrastructure/manifest.yaml": "infrastructure:\n  templates:\n    - file: \"*\"\n      rendering_engine: hcl\n      template_language: terraform\n",
		"infrastructure/main.tf":       "resource \"terraform_data\" \"network\" { input = var.environment.inputs.zone }\n",
	}))
	if _, err := p.CreateRepository(ctx, &proton.CreateRepositoryInput{Name: aws.String("platform/live"), Provider: types.RepositoryProviderGithub, ConnectionArn: &connection}); err != nil {
		t.Fatal(err)
	}
	create := func(name string) string {
		t.Helper()
		if _, err := p.CreateEnvironment(ctx, &proton.CreateEnvironmentInput{
			Name: &name, TemplateName: aws.String("network"), TemplateMajorVersion: aws.String("1"), Spec: aws.String("proton: EnvironmentSpec\nspec:\n  zone: b\n"),
			ProvisioningRepository: &types.RepositoryBranchInput{Name: aws.String("platform/live"), Provider: types.RepositoryProviderGithub, Branch: aws.String("main")},
		}); err != nil {
			t.Fatal(err)
		}
		for until := time.Now().Add(2 * time.Minute); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
			for _, branch := range strings.Fields(outside.Git(t, bare, "for-each-ref", "--format=%(refname:short)", "refs/heads/proton-*")) {
				if strings.Contains(outside.Git(t, bare, "ls-tree", "-r", "--name-only", branch), name+"/") {
					return branch
				}
			}
		}
		t.Fatalf("no branch comes for %s", name)
		return ""
	}
	branch := create("shop")
	if names := outside.Git(t, bare, "ls-tree", "-r", "--name-only", branch); !strings.Contains(names, "shop/main.tf") || !strings.Contains(names, "shop/.proton/deployment-metadata.json") {
		t.Errorf("the branch has %s", names)
	}
	outside.Git(t, work, "fetch", "-q", "origin")
	outside.Git(t, work, "merge", "-q", "--no-ff", "-m", "merge", "origin/"+branch)
	outside.Git(t, work, "push", "-q", "origin", "HEAD:main")
	arn := fmt.Sprintf("arn:aws:proton:%s:%s:environment/shop", house.Region, h.Account)
	if _, err := p.NotifyResourceDeploymentStatusChange(ctx, &proton.NotifyResourceDeploymentStatusChangeInput{
		ResourceArn: &arn, Status: types.ResourceDeploymentStatusSucceeded, Outputs: []types.Output{{Key: aws.String("zone"), ValueString: aws.String("b")}},
	}); err != nil {
		t.Fatal(err)
	}
	if s, message := status(t, p, "shop"); s != types.DeploymentStatusSucceeded {
		t.Errorf("the merged deployment is %s: %s", s, message)
	}
	out, err := p.ListEnvironmentOutputs(ctx, &proton.ListEnvironmentOutputsInput{EnvironmentName: aws.String("shop")})
	if err != nil || len(out.Outputs) != 1 {
		t.Errorf("outputs %+v, %v", out, err)
	}
	outside.Git(t, bare, "update-ref", "-d", "refs/heads/"+create("refused"))
	if s, message := status(t, p, "refused"); s != types.DeploymentStatusCancelled || !strings.Contains(message, "closed without being merged") {
		t.Errorf("the refused deployment is %s: %s", s, message)
	}
	if err := os.WriteFile(filepath.Join(bare, "hooks", "pre-receive"), []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	name := "blocked"
	if _, err := p.CreateEnvironment(ctx, &proton.CreateEnvironmentInput{
		Name: &name, TemplateName: aws.String("network"), TemplateMajorVersion: aws.String("1"), Spec: aws.String("proton: EnvironmentSpec\nspec: {}\n"),
		ProvisioningRepository: &types.RepositoryBranchInput{Name: aws.String("platform/live"), Provider: types.RepositoryProviderGithub, Branch: aws.String("main")},
	}); err != nil {
		t.Fatal(err)
	}
	if s, message := status(t, p, name); s != types.DeploymentStatusFailed || !strings.Contains(message, "pre-receive hook declined") {
		t.Errorf("the deployment that the remote refuses is %s: %s", s, message)
	}
}
