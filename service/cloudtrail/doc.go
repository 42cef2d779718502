// Package cloudtrail is the service that answers what happened in an account.
//
// Every call of every service is in the audit log before its answer leaves; this
// service reads the log for the account and region of its caller, newest first. It
// writes nothing and keeps nothing of its own.
//
// The files: service.go opens the service; target.go says what each operation needs;
// api_lookup.go is LookupEvents.
package cloudtrail
