package render

import (
	"strings"
	"testing"

	"github.com/strongroom/strongroom/service/proton/bundle"
	"github.com/strongroom/strongroom/service/proton/spec"
	"github.com/strongroom/strongroom/test/protonbundles"
)

// TestTerraformKinds holds the layouts of the other kinds against what AWS Proton wrote.
func TestTerraformKinds(t *testing.T) {
	b, s := sample(t, "tf-service", bundle.Service, spec.Service)
	component, err := bundle.Component(protonbundles.File(t, "tf-component", "template.tf"), protonbundles.File(t, "tf-component", "manifest.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	env := &EnvironmentData{Name: "dev", AccountID: "111122223333", Outputs: obj("topic_name", "t")}
	svc := &ServiceData{Name: "mail", RepositoryID: "acme/mail", RepositoryConnectionARN: "arn:c", BranchName: "main"}
	for _, c := range []struct {
		in      *bundle.Infrastructure
		job     Job
		folder  string
		tfvars  string
		defines []string
		meta    string
	}{
		{b.Instance, Job{Kind: ServiceInstance, ResourceARN: "arn:i", TemplateARN: "arn:t", MajorVersion: "1", MinorVersion: "0", EnvironmentARN: "arn:e", DeploymentID: "d",
			Data: Data{Environment: env, Service: svc, Instance: &InstanceData{Name: "mail-dev", Inputs: s.Instances[0].Inputs}}},
			"dev/mail-mail-dev", `{
  "environment" : {
    "account_id" : "111122223333",
    "name" : "dev",
    "outputs" : {
      "topic_name" : "t"
    }
  },
  "service" : {
    "name" : "mail",
    "repository_connection_arn" : "arn:c",
    "repository_id" : "acme/mail",
    "branch_name" : "main"
  },
  "service_instance" : {
    "name" : "mail-dev",
    "inputs" : {
      "filter" : "*",
      "batch" : {
        "size" : 1,
        "seconds" : 5
      }
    },
    "components" : { }
  },
  "//" : "arn:i"
}`, []string{"    branch_name               = string\n", "    components = map(any)\n"}, `"environmentArn" : "arn:e"`},
		{b.Pipeline, Job{Kind: Pipeline, ResourceARN: "arn:p", TemplateARN: "arn:t", MajorVersion: "1", MinorVersion: "0", DeploymentID: "d", Deleted: true,
			Data: Data{Service: &ServiceData{Name: "mail"}, Pipeline: &PipelineData{Inputs: s.Pipeline},
				Instances: []InstanceData{{Name: "mail-dev", Environment: env}}}},
			"mail/pipeline", `{
  "pipeline" : {
    "inputs" : {
      "channel" : "beta"
    }
  },
  "service" : {
    "name" : "mail"
  },
  "service_instances" : [ {
    "name" : "mail-dev",
    "inputs" : { },
    "outputs" : { },
    "environment" : {
      "account_id" : "111122223333",
      "name" : "dev",
      "outputs" : {
        "topic_name" : "t"
      }
    }
  } ],
  "//" : "arn:p"
}`, []string{"/*\nThis file is no longer managed by AWS Proton. The associated resource has been deleted in Proton.\n*/\n\nvariable \"service_instances\" {\n  type = list(\n"}, `"isResourceDeleted" : true`},
		{component.Component, Job{Kind: Component, ResourceARN: "arn:k", EnvironmentARN: "arn:e", DeploymentID: "d",
			Data: Data{Environment: env, Component: &ComponentData{Name: "bucket"}}},
			"dev/components/bucket", `{
  "component" : {
    "name" : "bucket"
  },
  "environment" : {
    "account_id" : "111122223333",
    "name" : "dev",
    "outputs" : {
      "topic_name" : "t"
    }
  },
  "//" : "arn:k"
}`, []string{"variable \"component\" {\n  type = object({\n    name = string\n  })\n}\n"}, "\"componentMetadata\" : {\n    \"arn\" : \"arn:k\",\n    \"environmentArn\" : \"arn:e\",\n    \"componentType\" : \"default\"\n  }"},
	} {
		got := texts(t, c.in, c.job)
		if got[VariablesFile] != c.tfvars {
			t.Errorf("%s: got\n%s\nwant\n%s", c.job.Kind, got[VariablesFile], c.tfvars)
		}
		for _, want := range c.defines {
			if text := got["proton."+string(c.job.Kind)+".variables.tf"]; !strings.Contains(text, want) {
				t.Errorf("%s: the variables lack\n%s\nin\n%s", c.job.Kind, want, text)
			}
		}
		if !strings.Contains(got[MetadataFile], c.meta) {
			t.Errorf("%s: the metadata lacks %s:\n%s", c.job.Kind, c.meta, got[MetadataFile])
		}
		if folder := c.job.Folder(false); folder != c.folder {
			t.Errorf("%s: got the folder %s, want %s", c.job.Kind, folder, c.folder)
		}
	}
}
