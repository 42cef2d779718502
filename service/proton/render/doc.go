// Package render makes of one part of a bundle and of a resource's values the files that
// provision the resource: a CloudFormation template by Jinja, a Terraform folder as AWS
// Proton laid it out in its pull requests, or the working folder of a command run.
//
//	<env>/                                  main.tf ...                       an environment
//	<env>/.proton/deployment-metadata.json  proton.environment.variables.tf   and beside it
//	<env>/proton.auto.tfvars.json
//	<env>/<service>-<instance>/             proton.service_instance.variables.tf
//	<env>/components/<component>/           proton.component.variables.tf
//	<service>/pipeline/                     proton.pipeline.variables.tf
//
// Where the repository has a folder environments, environments live inside it. Everything
// in the package is pure; values are those of package document and are not changed.
//
//	render.go     Job and Files
//	namespace.go  what a template sees
//	terraform.go  headers, variables, metadata, folders
//	command.go    the input of a command run
//	pretty.go     JSON as Jackson writes it, and HCL
package render
