// Package tenant opens and closes what a workspace of Managed Prometheus keeps, and sees to it that
// nobody gets at it whose key does not open it.
//
// # Words
//
// A tenant is an open workspace: its series (package series), its limits, and the means to seal small
// documents under its key. The check is the proof that the key can be used now.
//
// # What holds
//
//   - A workspace under a customer's key is checked before every use: one Decrypt of KMS under each of the three
//     grants that were made with it. A check begins after the use was asked for; those who ask while one is under way share
//     the next. So a key that is disabled, or a grant that is revoked, counts with the next call.
//   - A key that cannot be used closes the workspace: whoever uses it is told, what was opened is wiped. It is tried
//     again with the next use, so a key that is enabled again brings everything back without a restart.
//   - A grant that is gone is gone: the workspace is marked as lost, and KMS is never asked again.
//   - A workspace that a cluster keeps is opened without a store of series; all else is the same.
//   - KMS is asked outside of transactions, with the encryption context {"aws:aps:arn": ARN of the workspace} always.
//
// # Map
//
//	tenants.go  Tenants: open, use, close the least used
//	tenant.go   Tenant: an open workspace
//	check.go    the check, shared by those who wait for it
//	keys.go     what KMS is asked, and what its refusals mean
//	ledger.go   which blocks there are; blobs that nobody names
//	sealed.go   small documents, and records that hold long ones
//	upkeep.go   blocks cut, retention, idle workspaces closed
//	erase.go    what a deleted workspace leaves
//	copy.go     logs copied for a backup; blocks and logs checked
//	limits.go   quotas of a workspace, under AWS's names
package tenant
