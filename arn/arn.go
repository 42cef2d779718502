// Package arn reads, writes and matches Amazon Resource Names.
//
// A resource name has six parts, separated by colons:
//
//	arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE
//	arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab
//	arn:aws:s3:::bucket/folder/object
//
// Only the resource may hold further colons. Region and account are empty where
// the service has none (S3 buckets have neither, IAM has no region).
//
// The package is pure: it knows no service and keeps no state, and all its
// functions may run together.
package arn

import (
	"errors"
	"fmt"
	"strings"
)

// ErrSyntax is wrapped by every error of this package.
var ErrSyntax = errors.New("not a resource name")

// MaxLength is the longest resource name, in bytes, that Parse reads: the longest
// object key (1,024) of the longest bucket and head, with room.
const MaxLength = 2048

// ARN is one resource name in its parts. The zero value names nothing. Values are
// comparable with ==.
type ARN struct {
	Partition, Service, Region, Account, Resource string
}

// Parse reads a resource name. It checks the form: the word arn, a partition we know,
// a service, an account that is empty, twelve digits or the word aws, a plausible
// region, and a resource. It does not check that the service has such resources.
// The strings of the result share the memory of s. Errors wrap ErrSyntax.
func Parse(s string) (ARN, error) {
	if len(s) > MaxLength {
		return ARN{}, fmt.Errorf("%w: longer than %d bytes", ErrSyntax, MaxLength)
	}
	parts, n := split(s)
	if n != 6 || parts[0] != "arn" {
		return ARN{}, fmt.Errorf("%w: %q is not arn:partition:service:region:account:resource", ErrSyntax, s)
	}
	a := ARN{Partition: parts[1], Service: parts[2], Region: parts[3], Account: parts[4], Resource: parts[5]}
	return a, a.check()
}

// check says what is wrong with the parts of a name.
func (a ARN) check() error {
	switch {
	case !ValidPartition(a.Partition):
		return fmt.Errorf("%w: unknown partition %q", ErrSyntax, a.Partition)
	case !validService(a.Service):
		return fmt.Errorf("%w: bad service %q", ErrSyntax, a.Service)
	case a.Region != "" && !ValidRegion(a.Region):
		return fmt.Errorf("%w: bad region %q", ErrSyntax, a.Region)
	case a.Account != "" && a.Account != "aws" && !ValidAccount(a.Account):
		// "aws" is the account of what AWS itself owns, such as arn:aws:iam::aws:policy/ReadOnlyAccess.
		return fmt.Errorf("%w: bad account %q", ErrSyntax, a.Account)
	case a.Resource == "":
		return fmt.Errorf("%w: no resource", ErrSyntax)
	}
	return nil
}

// split cuts s at its first five colons into at most six parts and returns how many
// there are.
func split(s string) (parts [6]string, n int) {
	for n < 5 {
		i := strings.IndexByte(s, ':')
		if i < 0 {
			break
		}
		parts[n], s = s[:i], s[i+1:]
		n++
	}
	parts[n] = s
	return parts, n + 1
}

// String writes the name in its usual form. Parse(a.String()) gives a again.
func (a ARN) String() string {
	return "arn:" + a.Partition + ":" + a.Service + ":" + a.Region + ":" + a.Account + ":" + a.Resource
}

// IsZero reports whether a names nothing.
func (a ARN) IsZero() bool { return a == ARN{} }

// ResourceType returns what stands before the first slash or colon of the resource:
// "key" of key/1234, "log-group" of log-group:name, "" of a bare name such as a bucket's.
func (a ARN) ResourceType() string {
	if i := strings.IndexAny(a.Resource, "/:"); i >= 0 {
		return a.Resource[:i]
	}
	return ""
}

// ResourceID returns what stands after the first slash or colon of the resource, which
// may hold more of them: "path/name" of user/path/name. Without one it is the resource.
func (a ARN) ResourceID() string {
	return a.Resource[strings.IndexAny(a.Resource, "/:")+1:]
}

// ResourceName returns what stands after the last slash of the resource: "name" of
// user/path/name. Without a slash it is ResourceID.
func (a ARN) ResourceName() string {
	if i := strings.LastIndexByte(a.Resource, '/'); i >= 0 {
		return a.Resource[i+1:]
	}
	return a.ResourceID()
}

// Is reports whether s begins like a resource name and has its six parts. It is cheaper
// than Parse and promises less: use it to tell names from identifiers.
func Is(s string) bool {
	if !strings.HasPrefix(s, "arn:") {
		return false
	}
	return strings.Count(s, ":") >= 5
}

// AccountOf returns the account part of a resource name, or "" when s is none.
func AccountOf(s string) string {
	parts, n := split(s)
	if n != 6 || parts[0] != "arn" {
		return ""
	}
	return parts[4]
}
