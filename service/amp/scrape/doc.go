// Package scrape runs scrape configurations of Prometheus for scrapers of Managed Prometheus, against the addresses that the
// house's operator allows and no others.
//
// # What holds
//
//   - A configuration that was parsed reads no file and no variable of the house, goes through no proxy that the house's
//     environment names, and finds its targets in itself only.
//   - Every connection is checked when it is made, by the address it goes to, whatever name led there, redirects and
//     token servers included.
//
// # Map
//
//	config.go     what a configuration may hold
//	addresses.go  where connections may go
//	runner.go     Runner: the scrapers that run
//	events.go     what goes wrong with them, without what is secret
package scrape
