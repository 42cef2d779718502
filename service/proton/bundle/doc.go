// Package bundle reads template bundles: what a platform team uploads as a .tar.gz to
// register a version of a template.
//
//	environment           schema/schema.yaml  infrastructure/manifest.yaml ...
//	service               schema/schema.yaml  instance_infrastructure/... pipeline_infrastructure/...
//	component             a template file and a manifest, as two texts
//
// An archive comes from outside. Nothing of it touches a disk: it is read once, under
// limits on its packed and unpacked size, the number, size, depth and names of its files;
// links, devices, absolute paths, "..", names that are there twice or differ in case only
// are refused. What is around the known folders is ignored, and so are the side files of
// macOS. Every error is an *Error that names file and line: its text is what the author
// reads as the status message of a failed registration, and never quotes the contents.
//
//	bundle.go     Bundle, its kinds and parts, Open and Component
//	archive.go    the archive and its limits
//	pack.go       plain files to an archive and back
//	manifest.go   manifest.yaml
//	secret.go     secrets that were left in a bundle
package bundle
