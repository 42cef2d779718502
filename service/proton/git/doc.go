// Package git delivers files to a Git repository as a branch that somebody else decides about:
// it makes one commit on top of the target branch, pushes it under a name of its own, opens a pull
// request where the host has an interface for that, and tells later whether it was merged or
// closed. And it reads what stands at the tip of a branch. It is a client of the network and knows neither store nor API.
//
// # Words
//
//	connection   what the operator says about a host of repositories: where it is, which kind of
//	             pull requests it has, and the credentials. Read by Parse from the operator's file.
//	remote       one repository behind a connection
//	change       the files of one delivery, with the name of its branch
//	proposal     a change that stands on the remote; all that is needed to ask about it later
//	snapshot     the files at the tip of a branch
//
// # Invariants
//
// Propose may be called again with the same change, also after a crash at any point: the commit is
// a function of the change and the tip it stands on, the branch is found by its name and the pull
// request by its branch. What it could not finish it takes back: a branch whose pull request was
// refused is deleted.
//
// Every exchange has a limit of time and of bytes, and what a pack would unfold to is counted
// before it is unfolded. Errors are one sentence fit for a status message: they name the
// repository, and never a credential.
//
// Of Git itself it speaks the little that this needs, over streams whose bytes and time it bounds:
// one fetch of a tip, one push of one branch, packs of commits, trees and blobs. Protocol version 0 is
// what every server answers.
//
// # Map
//
//	connection.go  the operator's file
//	remote.go      one repository: where it is, and Open
//	propose.go     Propose, State and Withdraw
//	commit.go      trees and commits made in memory
//	fetch.go       fetching commits, trees and blobs
//	read.go        Branches and Snapshot, and what is in a snapshot
//	push.go        pushing a branch
//	pack.go        reading and writing packs, with limits
//	line.go        pkt-lines and the advertisement of references
//	carry.go       the three ways to a remote: HTTPS, SSH, a folder
//	pulls.go       pull requests of GitHub and Gitea
package git
