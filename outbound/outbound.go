// Package outbound bounds where connections out of the house may lead: what customers name is reached on the public
// internet only, unless the operator says otherwise.
package outbound

import (
	"errors"
	"net/netip"
	"slices"
	"syscall"
)

// ErrNotPublic says that a name leads to an address that is not of the public internet.
var ErrNotPublic = errors.New("the name leads to an address that is not public")

// special are address ranges that netip calls global and that may lead to a private network, or
// nowhere (IANA special-purpose address registries).
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("fec0::/10"),
}

// PublicOnly is the Control of a net.Dialer that connects to public addresses only; it returns ErrNotPublic for others. It is
// asked after the name was resolved, so that a name cannot change its mind in between. Calls may run together.
func PublicOnly(_, address string, _ syscall.RawConn) error {
	if !Public(address) {
		return ErrNotPublic
	}
	return nil
}

// Public reports whether an address and port, such as "192.0.2.1:443", are of the public internet.
func Public(address string) bool {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return false
	}
	a := to.Addr().Unmap()
	return a.IsGlobalUnicast() && !a.IsPrivate() && a.Zone() == "" &&
		!slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(a) })
}
