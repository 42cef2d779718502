// Package catalogue moves the catalogue of an account in a region, and what developers made of it, between
// houses: as a folder of plain files that people can read, change and keep in Git.
//
//	catalogue.json                          format, account and region it was taken from
//	settings.json repositories.json account-connections.json
//	environment-templates/NAME/template.json
//	environment-templates/NAME/1.0/version.json
//	environment-templates/NAME/1.0/bundle/...     the bundle's files as they are
//	service-templates/NAME/...                    the same
//	environments/NAME/environment.json spec.yaml
//	services/NAME/service.json spec.yaml
//	services/NAME/instances/NAME/instance.json spec.yaml
//	components/NAME/component.json manifest.yaml, its template file, service-spec.yaml
//
// # What holds
//
//   - The files are plaintext: they are written for their owner alone (0600, folders 0700), never outside of the folder
//     and through no link. The same catalogue makes the same files, so that Git shows what changed.
//   - A house gives versions their numbers itself. The first major version of a template in the folder is the
//     first in the house, and so on; the same for minor versions. What names a version is translated.
//   - An import adds what is missing, brings words, tags and publications up to date, and takes nothing away. What is
//     deployed already is never deployed anew: where it differs, that is said. So importing twice changes nothing.
//   - Branches are followed last, when what they bring is there: until then nothing but the folder makes anything.
//   - The folder is read whole and checked before anything is made. A version that is another one in the house
//     than in the folder is an error.
//   - It is a client like any other: every call is the caller's own and is recorded as his.
//
// # Map
//
//	folder.go      files and folders below one root
//	layout.go      what the JSON files hold
//	family.go      the two families of templates through the API
//	house.go       the clients, pages, tags
//	export.go      Export
//	read.go        a folder, read and checked
//	import.go      Import: the order of things
//	versions.go    versions by position, registration
//	subjects.go    environments, services, components
//	sync.go        the branches that templates and services follow
//	links.go       repositories, connections, settings; what ARNs and accounts are called in the other house
package catalogue
