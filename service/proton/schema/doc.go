// Package schema reads the schema.yaml of a Proton template bundle and holds inputs
// against it. The types are object types of OpenAPI 3.0.
//
// A keyword that restricts values and is not known here (allOf, not, ...) is refused, so
// that no author believes in a check that is never made. Properties that a type does not
// name are allowed unless additionalProperties says otherwise, as OpenAPI has it.
// Everything in the package is pure and may run together.
//
//	schema.go  Schema and its headers
//	type.go    Type, and how it is read
//	build.go   the keywords of a type
//	check.go   values against types, with defaults
//	older.go   what a minor version may change
package schema
