// Package syncfile reads the files with which a repository says what Proton is to keep in step
// with it: .template-registration.yaml beside the bundle of a service template, and the ops file,
// proton-ops.yaml, that names the spec of every service instance (AWS Proton user guide,
// "Syncing service templates" and "Service sync configurations"). It knows neither Git nor store.
//
// Every error is a *document.Error: it names the file, and the line where it can.
package syncfile
