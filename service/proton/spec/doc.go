// Package spec reads and writes the specs of Proton: the inputs that a developer gives
// for an environment, or for a service's instances and pipeline.
//
//	proton: ServiceSpec
//	pipeline:
//	  dockerfile: Dockerfile
//	instances:
//	  - name: front-dev
//	    environment: dev
//	    spec:
//	      port: 8080
//
// A Spec is a value: its methods return new ones and leave it as it is. Inputs are
// objects of package document and must not be changed once they are in a Spec.
// Everything in the package is pure.
//
//	spec.go     Spec, Parse
//	check.go    a spec against a schema
//	current.go  ${Proton::CURRENT_VAL}
//	edit.go     instances added and taken out
//	write.go    YAML again
package spec
