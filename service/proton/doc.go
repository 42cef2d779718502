// Package proton keeps the catalogue of a platform team, and what developers make of it: templates
// of infrastructure with their versions, environments, services with instances and pipelines, and
// components, each sealed under the key of its template.
//
// # Words
//
// A template has versions, each with a bundle of files: a schema of inputs, and the
// infrastructure that is rendered with them. A version is registered (its bundle is examined in the background), a draft,
// and published. A subject is what is deployed: an environment, a service instance, a pipeline or
// a component. A deployment turns a subject into what it is to be; a deliverer brings into
// being what the deployment has rendered.
//
// # What holds
//
//   - What a customer gave is sealed: every member that the API's model marks as sensitive,
//     bundles, rendered files, outputs, and what a deliverer keeps. Names, versions, statuses and times are not.
//   - Every writing has a data key of its own, under the key that the template names or the
//     account's Proton-owned key, with the template's ARN and the resource's ARN as encryption
//     context. No data key is kept in memory: each reading asks KMS. A key that cannot be used is a
//     ValidationException on every reading, and a listing of many shows what is not sealed.
//   - The grant on a customer's key is made with the caller's own permission, and a bundle is
//     fetched from S3 with it, within the call; nothing else ever acts for the caller.
//   - A subject has one open deployment at most. What changes the phase of a deployment changes its
//     subject in the same transaction. After a restart every open one goes on where it stopped.
//   - KMS and S3 are called outside of transactions; a record that was changed between reading and
//     writing is read again.
//
// # Map
//
//	service.go                              Open, and what the service consists of
//	names.go keys.go                        ARNs, the keys of the store
//	record.go sealed.go                     how a resource is written: what is plain, what is sealed
//	store.go page.go token.go tags.go       reading, changing, listing; page and client tokens; tags
//	blobs.go                                bundles and rendered files
//	grant.go role.go fetch.go               keys, roles and bundles of customers
//	template.go version.go versions.go register.go    templates of both families, their versions, registration
//	subject.go deployment.go advance.go     what is deployed, and how
//	delivery.go delivery_pipeline.go        what a deployment brings into being
//	deliverer.go                            the seam to those who do
//	deliver_git.go deliver_run.go           those who do: by a Git repository, by a runner
//	environment.go connection.go            environments, and those that stand in another account
//	wanted.go                               the version and the spec that a subject is to have
//	workload.go takedown.go                 services, whose status follows from their instances'
//	redeploy.go                             instances that are deployed again for their component
//	repository.go settings.go               links to repositories, settings of the account
//	sync.go sync_status.go sync_state.go    what follows a repository, and how it stands with it
//	sync_watch.go                           the job that watches a branch
//	sync_standing.go                        what is registered already when a branch comes to be followed
//	sync_template.go sync_service.go        bringing templates and service instances in step with it
//	blocker.go                              what keeps an instance from that
//	summary.go                              counts, and which versions are behind
//	target.go                               what a call acts on, the condition keys of policies
//	api_*.go                                handlers: from the API's types to these and back
package proton
