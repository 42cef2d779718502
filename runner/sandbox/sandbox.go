// Package sandbox runs commands that are not trusted, in a folder of their own, with limits.
//
// On Linux the commands run in namespaces of their own (user, mount, process, IPC and host name):
// they see the machine's programs read-only, an empty home, none of the machine's other processes,
// and one folder that they may write. They have no capabilities and can gain none. Where the kernel
// does not give namespaces, Probe says so, and Run confines them with a process tree, limits and
// no_new_privs alone, if it is told to. The network is the machine's.
//
// Whatever the commands start ends with them: with namespaces the kernel ends it, without a
// small process above them collects and ends it.
//
// The program that uses this package calls Init first thing in main: Run starts it again as that small process.
//
//	sandbox.go  what is asked and answered
//	run.go      the outer side: starting, waiting, ending
//	init.go     the inner side: the process above the commands
//	mounts.go   what the commands see of the machine
package sandbox

import (
	"errors"
	"io"
	"strconv"
	"time"
)

// Scratch stands for the scratch folder in the environment of a command, wherever that is for it.
const Scratch = "{scratch}"

// Limits bound what commands may use. A zero takes the default.
type Limits struct {
	Time      time.Duration // all in all, 1 hour
	CPU       time.Duration // of one process, 30 minutes
	Memory    int64         // address space of one process, 8 GiB
	FileSize  int64         // 1 GiB
	Processes int64         // 512
	OpenFiles int64         // 1024
	Output    int64         // bytes printed, 16 MiB
}

func (l Limits) complete() Limits {
	for _, f := range []struct {
		v        *int64
		standard int64
	}{{&l.Memory, 8 << 30}, {&l.FileSize, 1 << 30}, {&l.Processes, 512}, {&l.OpenFiles, 1024}, {&l.Output, 16 << 20}} {
		if *f.v <= 0 {
			*f.v = f.standard
		}
	}
	if l.Time <= 0 {
		l.Time = time.Hour
	}
	if l.CPU <= 0 {
		l.CPU = 30 * time.Minute
	}
	return l
}

// Command is what to run.
type Command struct {
	Dir    string   // the scratch folder, which the commands may write; the caller removes it
	Within string   // folder in it to start in
	Script string   // for /bin/sh
	Env    []string // all of the environment; Scratch stands for the scratch folder
	Output io.Writer
	Limits Limits
	// Weak lets the commands run where there are no namespaces.
	Weak bool
	// User is who the commands run as where this process is root; not 0.
	User int
}

// Why commands did not come to an end of their own.
var (
	// ErrTime says that the time was used up.
	ErrTime = errors.New("the commands took too long and were ended")
	// ErrOutput says that they printed too much.
	ErrOutput = errors.New("the commands printed too much and were ended")
	// ErrConfined says that the kernel does not give what confines the commands.
	ErrConfined = errors.New("this machine does not let commands be confined in namespaces")
)

// ExitError says that the script ended otherwise than with 0.
type ExitError struct {
	Code   int    // 0 where a signal ended it
	Signal string // "" for none
}

// Error words how the script ended.
func (e *ExitError) Error() string {
	if e.Signal != "" {
		return "the commands were ended by a signal (" + e.Signal + ")"
	}
	return "the commands ended with status " + strconv.Itoa(e.Code)
}
