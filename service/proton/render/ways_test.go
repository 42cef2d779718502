package render

import (
	"bytes"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/strongroom/strongroom/service/proton/bundle"
	"github.com/strongroom/strongroom/service/proton/document"
	"github.com/strongroom/strongroom/service/proton/spec"
)

// The ways in which public collections of templates write: blocks of conditions across resources, values in quotes and
// without, conditions over inputs that are not given, filters that begin on a line of their own, tables that
// are looked up, code in other languages with braces and dollars.

const waysSchema = `schema:
  format:
    openapi: "3.0.0"
  service_input_type: "ServiceInput"
  pipeline_input_type: "PipelineInputs"

  types:
    ServiceInput:
      type: object
      description: "Input properties"
      properties:
        port:
          title: "Port"
          type: number
          default: 80
          minimum: 0
          maximum: 65535
        size:
          type: string
          enum: ["x-small", "small"]
          default: "x-small"
        balancer:
          type: string
          enum: ["application", "network"]
          default: "application"
        cidr:
          type: string
          default: 10.0.0.0/16
          pattern: ([0-9]{1,3}\.){3}[0-9]{1,3}($|/(16|18|24))
        runtime:
          type: string
          enum: ["nodejs12.x", "go1.x"]
          default: "nodejs12.x"
        code_uri:
          type: string
          minLength: 1
          maxLength: 200

    PipelineInputs:
      type: object
      properties:
        accounts:
          type: string
          pattern: '^$|^\d{12}(,\d{12})*$'
          default: ""
          maxLength: 200
        test:
          type: string
          default: "echo 'add your tests here'"
        readers: {type: string, pattern: '^$|^\d{12}(,\d{12})*$', default: ""}
`

const waysInstance = `AWSTemplateFormatVersion: '2010-09-09'
Description: A service behind a balancer,
             on two lines.
Mappings:
  TaskSize:
    x-small:
      cpu: 256

Resources:
  Balancer:
    Type: 'AWS::ElasticLoadBalancingV2::LoadBalancer'
    Properties:
      {% if service_instance.inputs.balancer == 'application' %}
      SecurityGroups:
        - !GetAtt
          - BalancerGroup
          - GroupId
      {% endif %}
      Subnets:
        - '{{environment.outputs.Subnet1}}'
      {% if service_instance.inputs.balancer == 'application' %}
      Type: application
  BalancerGroup:
    Type: 'AWS::EC2::SecurityGroup'
    Properties:
      VpcId: '{{environment.outputs.VPC}}'
      {% else %}
      Type: network
      {% endif %}
  Role:
    Type: 'AWS::IAM::Role'
    Properties:
      ManagedPolicyArns:
        - !Ref Base
        {{ service_instance.components.default.outputs
            | proton_cfn_iam_policy_arns }}
  Task:
    Type: 'AWS::ECS::TaskDefinition'
    Properties:
      Cpu: !FindInMap [TaskSize, {{service_instance.inputs.size}}, cpu]
      Family: '{{service.name}}_{{service_instance.name}}'
      Ports: ['{{service_instance.inputs.port}}', {{service_instance.inputs.port}}]
      {% if service_instance.components.default.outputs | length > 0 %}
      Environment:
        {{ service_instance.components.default.outputs |
            proton_cfn_ecs_task_definition_formatted_env_vars }}
      {% endif %}
      Topic: '{"ping":"{{environment.outputs.Topic}}"}'
      {% if service_instance.inputs.code_uri is defined %}
      CodeUri: {{service_instance.inputs.code_uri}}
      {% else %}
      {% if service_instance.inputs.code_uri|length %}Layers: [{{service_instance.inputs.code_uri}}]{% endif %}

      InlineCode: |
        exports.handler = async (event, context) => {
          const response = {body: ` + "`${event.path}`" + `, headers: {}, };
          return response; // {# is no comment of ours in a string: it is one here #}
        };
      {% endif %}
      Network:
      {% if service_instance.inputs.balancer == 'network' %}
        - '{{environment.outputs.Subnet2}}'
      {% else %}
        - '{{environment.outputs.Subnet1}}' #a comment
      {% endif %}
Outputs:
  Runtime:
    Value: "{{service_instance.inputs.runtime}}"
  Arn:
    Value: !Sub 'arn:aws:iam::${AWS::AccountId}:role/x'
`

const waysPipeline = `Resources:
  Policy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Principal:
        AWS:
          {% for service_instance in service_instances %}
          - "arn:aws:iam::{{service_instance.environment.account_id}}:root"
          {% endfor %}
  Build:
    Type: AWS::CodeBuild::Project
    Properties:
      Source:
        BuildSpec: >-
                {
                  "phases": {
                    "install": {
                      "runtime-versions": {{
                          {"go1.x": {"golang": "1.x"},
                            "nodejs12.x": {"nodejs": "12.x"}
                          }[service_instances[0].outputs.Runtime] | tojson | safe }},
                      "commands": ["{{ pipeline.inputs.test }}"]
                    }
                  }
                }
{% for service_instance in service_instances %}
  Deploy{{loop.index}}Project:
    Type: AWS::CodeBuild::Project
    Properties:
      Name: '{{ (service.name ~ '-' ~ service_instance.name) | truncate(20, true, 'zzz', 0) }}'
{% endfor %}
  Pipeline:
    Type: AWS::CodePipeline::Pipeline
    Properties:
      Connection: '{{ service.repository_connection_arn }}'
      Stages:
        - Name: Build {%- for service_instance in service_instances %}
        - Name: 'Deploy{{service_instance.name}}'
          Project:
            Ref: Deploy{{loop.index}}Project
{%- endfor %}
      {% if pipeline.inputs.accounts == "" %}
      Alone: true
      {% endif %}
  Repository:
    Type: AWS::ECR::Repository
    {% if pipeline.inputs.readers %}
    Properties:
      Readers:
        {% set readers = pipeline.inputs.readers.split(',') %}
        {% for reader in readers %}
        - "arn:aws:iam::{{reader}}:root"
        {% endfor %}
    {% endif %}
  Document:
    Type: AWS::SSM::Document
    Properties:
      default: "{{'{{'}}ssm:{{pipeline.inputs.test}}{{'}}'}}"
      steps:
        {% raw %}
        - image: '{{ AmiId }}'
          script: |
            $key = "{{Path}}" # {% and {# stay as they are
        {% endraw %}
        - last
`

const waysManifest = "infrastructure:\n  templates:\n    - file: \"cloudformation.yaml\"\n      rendering_engine: jinja\n      template_language: cloudformation\n"

const waysSpec = "proton: ServiceSpec\n\npipeline:\n  test: make test\n  tests:\n    - a key that the schema does not have\n  readers: '111122223333,444455556666'\ninstances:\n  - name: one\n    environment: prod\n  - name: two\n    environment: prod\n    spec:\n      balancer: network\n      code_uri: s3://bucket/function.zip\n"

func TestWaysOfWriting(t *testing.T) {
	packed, err := bundle.Pack([]bundle.File{
		{Name: "schema/schema.yaml", Data: []byte(waysSchema)}, {Name: ".compatible-envs", Data: []byte("fargate-env:1\n")}, {Name: "README.md", Data: []byte("# Read me\n")},
		{Name: "instance_infrastructure/cloudformation.yaml", Data: []byte(waysInstance)}, {Name: "instance_infrastructure/manifest.yaml", Data: []byte(waysManifest)},
		{Name: "pipeline_infrastructure/cloudformation.yaml", Data: []byte(waysPipeline)}, {Name: "pipeline_infrastructure/manifest.yaml", Data: []byte(waysManifest)},
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Open(bundle.Service, bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	given, err := spec.Parse(spec.Service, waysSpec)
	if err != nil {
		t.Fatal(err)
	}
	full, problems := given.Check(b.Schema)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	env := &EnvironmentData{Name: "prod", AccountID: "111122223333", Outputs: obj("Subnet1", "subnet-1", "Subnet2", "subnet-2", "VPC", "vpc-1", "Topic", "arn:aws:sns:x")}
	svc := &ServiceData{Name: "shop", RepositoryID: "a/b", RepositoryConnectionARN: "arn:c", BranchName: "main"}
	component := obj("BucketName", "files", "PolicyArn", "arn:aws:iam::111122223333:policy/p")

	for _, c := range []struct {
		name   string
		part   *bundle.Infrastructure
		kind   Kind
		data   Data
		has    []string
		hasNot []string
	}{
		{"without a component", b.Instance, ServiceInstance, Data{Environment: env, Service: svc, Instance: &InstanceData{Name: "one", Inputs: full.Instances[0].Inputs}},
			[]string{"Type: application", "BalancerGroup:", "[TaskSize, x-small, cpu]", "['80', 80]", `'{"ping":"arn:aws:sns:x"}'`, "InlineCode: |", "${event.path}", "role/x"},
			[]string{"Type: network", "Environment:", "CodeUri", "Layers", "subnet-2", "is no comment"}},
		{"with a component", b.Instance, ServiceInstance, Data{Environment: env, Service: svc, Instance: &InstanceData{Name: "two", Inputs: full.Instances[1].Inputs, Component: component}},
			[]string{"Type: network", "- arn:aws:iam::111122223333:policy/p", "Name: BucketName", "CodeUri: s3://bucket/function.zip", "- 'subnet-2'"},
			[]string{"BalancerGroup:\n", "InlineCode", "application"}},
		{"a pipeline", b.Pipeline, Pipeline, Data{Service: svc, Pipeline: &PipelineData{Inputs: full.Pipeline}, Instances: []InstanceData{
			{Name: "one", Environment: env, Outputs: obj("Runtime", "nodejs12.x")}, {Name: "two", Environment: env, Outputs: obj("Runtime", "go1.x")}}},
			[]string{`"runtime-versions": {"nodejs": "12.x"}`, "Deploy1Project:", "Deploy2Project:", "arn:aws:iam::111122223333:root", "- Name: 'Deploytwo'", "Alone: true", "- \"arn:aws:iam::444455556666:root\"", `default: "{{ssm:make test}}"`, "- image: '{{ AmiId }}'", "$key = \"{{Path}}\" # {% and {# stay", `"commands": ["make test"]`, "Name: 'shop-one'"},
			nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := texts(t, c.part, Job{Kind: c.kind, ResourceARN: "arn:r", TemplateARN: "arn:t", MajorVersion: "1", MinorVersion: "0", DeploymentID: "d", Data: c.data})["cloudformation.yaml"]
			for _, want := range c.has {
				if !strings.Contains(got, want) {
					t.Errorf("it lacks %s in\n%s", want, got)
				}
			}
			for _, not := range c.hasNot {
				if strings.Contains(got, not) {
					t.Errorf("it has %s in\n%s", not, got)
				}
			}
			var n yaml.Node
			if err := yaml.Unmarshal([]byte(got), &n); err != nil {
				t.Errorf("it is no YAML: %v\n%s", err, got)
			}
		})
	}
}

// A service's Terraform in the shape of public collections: documents in heredocs, blocks that are repeated, maps written
// with colons, and files beside it that its functions need.
const waysTerraform = `locals {
  account_ids = var.pipeline.inputs.accounts != "" ? split(",", var.pipeline.inputs.accounts) : []
}

resource "aws_codebuild_project" "deploy" {
  for_each = { for instance in var.service_instances : instance.name => instance }
  name     = "Deploy${index(var.service_instances, each.value)}Project"

  source {
    type      = "CODEPIPELINE"
    buildspec = <<EOF
          {
            "phases": {"build": {"commands": [
              "IMAGE_ID="${local.account_ids[0]}
              "cd $CODEBUILD_SRC_DIR/${var.pipeline.inputs.test}",
              "yq w service.yaml 'instances[*].spec.image' \"$IMAGE_ID\" > rendered.yaml"
            ]}}
          }
EOF
  }
}

resource "aws_codepipeline" "pipeline" {
  dynamic "stage" {
    for_each = toset(var.service_instances)
    content {
      name = "Deploy"
      action {
        configuration = {
          ConnectionArn : var.service.repository_connection_arn
          "Mode" : "full",
        }
        policy = jsonencode({ Version = "2012-10-17", statement = [{ Effect = "Allow" }] })
      }
    }
  }
}
`

func TestTerraformWaysOfWriting(t *testing.T) {
	manifest := []byte("infrastructure:\n  templates:\n    - file: \"*\"\n      rendering_engine: hcl\n      template_language: terraform\n")
	packed, err := bundle.Pack([]bundle.File{
		{Name: "schema/schema.yaml", Data: []byte(waysSchema)},
		{Name: "instance_infrastructure/main.tf", Data: []byte("resource \"a\" \"b\" {}\n")}, {Name: "instance_infrastructure/manifest.yaml", Data: manifest},
		{Name: "pipeline_infrastructure/main.tf", Data: []byte(waysTerraform)}, {Name: "pipeline_infrastructure/outputs.tf", Data: []byte("output \"x\" {\n  value = 1\n}\n")},
		{Name: "pipeline_infrastructure/manifest.yaml", Data: manifest},
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Open(bundle.Service, bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	got := texts(t, b.Pipeline, Job{Kind: Pipeline, ResourceARN: "arn:r", TemplateARN: "arn:t", MajorVersion: "1", MinorVersion: "0", DeploymentID: "d",
		Data: Data{Service: &ServiceData{Name: "shop"}, Pipeline: &PipelineData{Inputs: new(document.Object)}, Instances: []InstanceData{{Name: "one", Environment: &EnvironmentData{Name: "prod"}}}}})
	if !strings.HasSuffix(got["main.tf"], "*/\n\n"+waysTerraform) {
		t.Errorf("main.tf is\n%s", got["main.tf"])
	}
	if len(got) != 5 {
		t.Errorf("there are %d files, want 5: %v", len(got), got)
	}
}

// TestRetiredServicesEnvironment holds an environment against the files that AWS Proton laid out for one of the same inputs.
func TestRetiredServicesEnvironment(t *testing.T) {
	const arn = "arn:aws:proton:eu-central-1:111122223333:environment/fargate-env"
	in := &bundle.Infrastructure{Engine: bundle.HCL, Templates: []string{"config.tf"}, Files: []bundle.File{{Name: "config.tf", Data: []byte("terraform {}\n")}}}
	got := texts(t, in, Job{Kind: Environment, ResourceARN: arn, TemplateARN: "arn:aws:proton:eu-central-1:111122223333:environment-template/fargate-env", MajorVersion: "1", MinorVersion: "0",
		DeploymentID: "c46b3523-0000-4000-8000-000000000000", Data: Data{Environment: &EnvironmentData{Name: "fargate-env", Inputs: obj("vpc_cidr", "10.0.0.0/16", "subnet_cidr", "10.0.0.0/18")}}})
	for name, want := range map[string]string{
		"config.tf": "/*\nThis file is managed by AWS Proton. Any changes made directly to this file will be overwritten the next time AWS Proton performs an update.\n\nTo manage this resource, see AWS Proton Resource: " +
			arn + "\n\nIf the resource is no longer accessible within AWS Proton, it may have been deleted and may require manual cleanup.\n*/\n\nterraform {}\n",
		VariablesFile: "{\n  \"environment\" : {\n    \"name\" : \"fargate-env\",\n    \"inputs\" : {\n      \"vpc_cidr\" : \"10.0.0.0/16\",\n      \"subnet_cidr\" : \"10.0.0.0/18\"\n    }\n  },\n  \"//\" : \"" + arn + "\"\n}",
		MetadataFile: "{\n  \"deploymentId\" : \"c46b3523-0000-4000-8000-000000000000\",\n  \"isResourceDeleted\" : false,\n  \"resourceMetadata\" : {\n    \"arn\" : \"" + arn +
			"\",\n    \"templateArn\" : \"arn:aws:proton:eu-central-1:111122223333:environment-template/fargate-env\",\n    \"templateMajorVersion\" : \"1\",\n    \"templateMinorVersion\" : \"0\"\n  }\n}",
	} {
		if got[name] != want {
			t.Errorf("%s is\n%s\nwant\n%s", name, got[name], want)
		}
	}
}
