package render

import (
	"path"
	"strings"

	"github.com/strongroom/strongroom/service/proton/bundle"
	"github.com/strongroom/strongroom/service/proton/document"
)

// Names of the files that rendering adds.
const (
	MetadataFile  = ".proton/deployment-metadata.json"
	VariablesFile = "proton.auto.tfvars.json"
)

// header is the comment on top of every Terraform file, word by word as AWS Proton wrote
// it, so that an update of a repository from there shows no change.
func (j *Job) header() string {
	if j.Deleted {
		return "/*\nThis file is no longer managed by AWS Proton. The associated resource has been deleted in Proton.\n*/\n\n"
	}
	return "/*\nThis file is managed by AWS Proton. Any changes made directly to this file will be overwritten the next time AWS Proton performs an update.\n\n" +
		"To manage this resource, see AWS Proton Resource: " + j.ResourceARN + "\n\n" +
		"If the resource is no longer accessible within AWS Proton, it may have been deleted and may require manual cleanup.\n*/\n\n"
}

func terraform(in *bundle.Infrastructure, job Job) ([]bundle.File, error) {
	var files []bundle.File
	for _, name := range in.Templates {
		files = append(files, bundle.File{Name: name, Data: []byte(job.header() + string(in.File(name).Data))})
	}
	values := job.Data.variables(job.Kind)
	definitions := job.header() + job.definitions()
	if job.Tags != nil {
		values.Set("proton_tags", job.Tags)
		definitions += "\n" + `variable "proton_tags" {
  type    = map(string)
  default = null
}
`
	}
	values.Set("//", job.ResourceARN)
	return append(files,
		bundle.File{Name: "proton." + string(job.Kind) + ".variables.tf", Data: []byte(definitions)},
		bundle.File{Name: VariablesFile, Data: []byte(pretty(values))},
		bundle.File{Name: MetadataFile, Data: []byte(pretty(job.metadata()))},
	), nil
}

// metadata is deployment-metadata.json.
func (j *Job) metadata() *document.Object {
	m := object().Set("deploymentId", j.DeploymentID).Set("isResourceDeleted", j.Deleted)
	if j.Kind == Component {
		return m.Set("componentMetadata", object().Set("arn", j.ResourceARN).Set("environmentArn", j.EnvironmentARN).Set("componentType", "default"))
	}
	resource := object().Set("arn", j.ResourceARN).Set("templateArn", j.TemplateARN).
		Set("templateMajorVersion", j.MajorVersion).Set("templateMinorVersion", j.MinorVersion)
	if j.Kind == ServiceInstance {
		resource.Set("environmentArn", j.EnvironmentARN)
	}
	return m.Set("resourceMetadata", resource)
}

const (
	outsideVariable = `variable "environment" {
  type = object({
    account_id = string
    name       = string
    outputs    = map(string)
  })
  default = null
}
`
	pipelineVariables = `variable "service_instances" {
  type = list(
    object({
      name    = string
      inputs  = any
      outputs = map(string)
      environment = object({
        account_id = string
        name       = string
        outputs    = map(string)
      })
    })
  )
}
`
)

// definitions are the variables of the kind. A service without a repository has a name
// alone, as Terraform takes no value for an object that lacks an attribute.
func (j *Job) definitions() string {
	service := "variable \"service\" {\n  type = object({\n    name = string\n  })\n"
	if s := j.Data.Service; s != nil && s.RepositoryID != "" {
		service = `variable "service" {
  type = object({
    name                      = string
    branch_name               = string
    repository_connection_arn = string
    repository_id             = string
  })
`
	}
	switch j.Kind {
	case Environment:
		return "variable \"environment\" {\n  type = object({\n    inputs = any\n    name   = string\n  })\n  default = null\n}\n"
	case ServiceInstance:
		return outsideVariable + "\n" + service + "}\n\n" +
			"variable \"service_instance\" {\n  type = object({\n    name       = string\n    inputs     = any\n    components = map(any)\n  })\n  default = null\n}\n"
	case Pipeline:
		return pipelineVariables + "\n" + service + "  default = null\n}\n\n" +
			"variable \"pipeline\" {\n  type = object({\n    inputs = any\n  })\n  default = null\n}\n"
	}
	inputs := "map(string)"
	if in := j.Data.Instance; in != nil && nested(in.Inputs) {
		inputs = "any"
	}
	return "variable \"component\" {\n  type = object({\n    name = string\n  })\n}\n\n" +
		strings.Replace(outsideVariable, "  default = null\n", "", 1) + "\n" +
		"variable \"service\" {\n   type = object({\n     name = string\n   })\n   default = null\n}\n\n" +
		"variable \"service_instance\" {\n  type = object({\n    name   = string\n    inputs = " + inputs + "\n  })\n  default = null\n}\n"
}

// nested reports whether an object has members that are no plain values.
func nested(o *document.Object) bool {
	for _, v := range o.All() {
		switch v.(type) {
		case []any, *document.Object:
			return true
		}
	}
	return false
}

// Folder returns the folder of the job's files in a provisioning repository, with
// slashes. environments says that the repository has a folder of that name.
func (j *Job) Folder(environments bool) string {
	if j.Kind == Pipeline {
		return path.Join(j.Data.Service.Name, "pipeline")
	}
	folder := j.Data.Environment.Name
	if environments {
		folder = path.Join("environments", folder)
	}
	switch j.Kind {
	case ServiceInstance:
		return path.Join(folder, j.Data.Service.Name+"-"+j.Data.Instance.Name)
	case Component:
		return path.Join(folder, "components", j.Data.Component.Name)
	}
	return folder
}
