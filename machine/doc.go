// Package machine says what the process has of the machine it runs on, and suits it to that.
//
//	memory_*.go   how much memory there is
//	collector.go  how often the garbage collector runs
package machine
