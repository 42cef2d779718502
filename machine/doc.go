// Package machine says what the process has of the machine it runs on, and suits it to that.
//
//	memory_*.go   how much memory there is
//	collector.go  how often the garbage collector runs
//	processors.go on how many processors it computes, and how many threads Go runs for that
//	turns_*.go    for how long its threads compute before another is let in
package machine
