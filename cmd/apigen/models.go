//go:build tools

package main

// The models come with this module. Nothing of it is compiled; the import keeps it
// in go.mod.
import _ "github.com/aws/aws-sdk-go/aws"
