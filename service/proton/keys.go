package proton

import (
	"fmt"
	"strings"
	"time"
)

// The keys of the store. Parts are separated by a zero byte, which no name holds. A resource's
// record stands under its kind, region, account and name:
//
//	et st 0 region 0 account 0 name                          template of environments, of services
//	ev sv 0 region 0 account 0 name 0 major 0 minor          version; numbers in 20 digits
//	en 0 region 0 account 0 name                             environment
//	se 0 region 0 account 0 name                             service
//	si 0 region 0 account 0 service 0 name                   service instance
//	pi 0 region 0 account 0 service                          its pipeline
//	co 0 region 0 account 0 name                             component
//	de 0 region 0 account 0 id                               deployment
//	ac 0 region 0 account 0 id                               environment account connection, of the environment's account
//	am 0 region 0 account 0 id                               its place in the management account: the environment's account
//	re 0 region 0 account 0 provider 0 name                  repository
//	ty 0 region 0 account 0 type 0 template                  template sync configuration
//	sy 0 region 0 account 0 service                          service sync configuration
//	ts 0 region 0 account 0 type 0 template 0 major          how a major version stands with its repository; the number in 20 digits
//	is 0 region 0 account 0 service 0 name                   how a service instance stands with its repository
//	rs 0 region 0 account 0 type 0 provider 0 name 0 branch  what was seen of a branch that is followed
//	bl 0 region 0 account 0 service 0 id                     service sync blocker
//	as 0 region 0 account                                    account settings
//	rj 0 region 0 account 0 id                               commands of a deployment
//	rl 0 region 0 account 0 id 0 number                      piece of what they printed; number in 6 digits
//
// What a record keeps sealed stands beside it:
//
//	x 0 key of the record                                    how it is sealed: the wrapped data key
//	y 0 key of the record 0 number                           the sealed bytes, in pieces
//
// And what finds things:
//
//	t 0 arn                                                  tags
//	u 0 key of a version 0 key of its user                   what uses a version of a template
//	v 0 key of an environment 0 key of its user              the instances and components in an environment
//	w 0 key of an instance 0 key of a component              the components attached to an instance
//	dx 0 region 0 account 0 scope 0 age 0 id                 deployments of a scope, the newest first
//	rw 0 region 0 account 0 id                               commands that wait for a runner
//	o 0 region 0 account 0 operation 0 token                 what a client token has done
type kind string

const sep = "\x00"

// key joins the parts of a key of the store.
func key(k kind, p place, names ...string) []byte {
	b := make([]byte, 0, 128)
	b = append(b, k...)
	b = append(b, 0)
	b = append(b, p.region...)
	b = append(b, 0)
	b = append(b, p.account...)
	for _, n := range names {
		b = append(b, 0)
		b = append(b, n...)
	}
	return b
}

// within is the prefix of all keys below one.
func within(k kind, p place, names ...string) []byte { return append(key(k, p, names...), 0) }

// padded writes a version number so that numbers sort as strings do.
func padded(number string) string {
	if len(number) >= 20 {
		return number
	}
	return strings.Repeat("0", 20-len(number)) + number
}

func headerKey(record []byte) []byte       { return append([]byte("x"+sep), record...) }
func piecePrefix(record []byte) []byte     { return append(append([]byte("y"+sep), record...), 0) }
func pieceKey(record []byte, n int) []byte { return fmt.Appendf(piecePrefix(record), "%03d", n) }
func tagsKey(arn string) []byte            { return []byte("t" + sep + arn) }

// link is the key of an entry that says that user uses what.
func link(what string, used, user []byte) []byte {
	return append(linkPrefix(what, used), user...)
}

// linkPrefix is the prefix of the entries of all that use it. Two zero bytes end it, so that
// version 1.1 is not taken for a part of another's key.
func linkPrefix(what string, used []byte) []byte {
	b := append([]byte(what+sep), used...)
	return append(b, 0, 0)
}

// The kinds of links.
const (
	usesVersion     = "u"
	usesEnvironment = "v"
	usesInstance    = "w"
)

// age writes a time so that the newest sorts first.
func age(t time.Time) string { return fmt.Sprintf("%016x", uint64(1)<<63-uint64(t.UnixNano())) }
