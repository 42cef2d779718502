// Package iam is the identity service: who there is in an account, and what they may do.
//
// # Words
//
// An account has a root user, who may do everything; the operator makes it. A holder holds
// policies: a user, a group, a role, and the root user, who needs none. A policy is inline, and belongs to
// one holder, or managed, and can be attached to many. A permissions boundary is a
// managed policy that only takes away. A device is a virtual MFA device (RFC 6238).
//
// # Invariants
//
//   - IAM is one for all regions: records are keyed by account only.
//   - Names are unique in an account among things of one kind, whatever their letter case.
//   - Who is deleted is gone: somebody new under the same name inherits nothing, because everything
//     that refers to a holder does so by unique id.
//   - A change takes effect with the next call: what the directory remembers is dropped by the commit.
//   - A code of a device serves once.
//
// # Records
//
// The parts of a store key are separated by a zero byte, which no part holds. Values are JSON
// except where said otherwise. NAME is in lower case.
//
//	a ACCOUNT                           accountRecord
//	h ACCOUNT ID                        holder
//	i ID                                account of a holder, as text
//	n ACCOUNT KIND NAME                 unique id of a holder, as text
//	t ACCOUNT ID POLICYNAME             text of an inline policy
//	k ACCESSKEYID                       accessKey
//	p ACCOUNT NAME                      managed
//	v ACCOUNT NAME VERSION              text of a version of a managed policy
//	m ACCOUNT GROUPID USERID            empty: the user is in the group
//	u ACCOUNT ARN USE KIND ID           empty: the holder uses the managed policy
//	c ACCOUNT KIND                      how many there are, as text
//	s ALIAS                             account, as text
//	f ACCOUNT NAME                      device
//
// Secrets of access keys and seeds of devices stand in the records as they are, since
// they must be had again; the store seals every record.
//
// # Files
//
//	service.go      Open
//	directory.go    what every request asks: whose key, which policies. In memory
//	account.go      accounts, as the operator makes and sees them
//	record.go       records and store keys; id.go unique ids; page.go pages
//	holder.go       users, groups and roles: made, renamed, deleted; what they hold
//	group.go        membership
//	trust.go        trust policies
//	managed.go      policies; awspolicies.go those that every account has
//	mfa.go, totp    devices and their codes
//	target.go       what each operation acts on; targets.go the table
//	api_*.go        the operations
package iam
