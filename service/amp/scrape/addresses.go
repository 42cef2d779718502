package scrape

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrAddress says that a connection would go where the operator allows none.
var ErrAddress = errors.New("address is not one that scrapers may reach")

// Addresses are where connections of scrapers may go.
type Addresses []allowed

type allowed struct {
	net  netip.Prefix
	port uint16 // 0 for any
}

// ParseAddresses reads what an operator allows: "10.1.0.0/16" or "10.1.2.3", each with a port behind it or
// without: "10.1.0.0/16:9100", "[2001:db8::]/32:9100".
func ParseAddresses(list []string) (Addresses, error) {
	var all Addresses
	for _, text := range list {
		a, err := parseAddress(text)
		if err != nil {
			return nil, fmt.Errorf("address %q of scrapers: %w", text, err)
		}
		all = append(all, a)
	}
	return all, nil
}

func parseAddress(text string) (a allowed, err error) {
	host, bits := text, ""
	if at := strings.LastIndexByte(text, '/'); at >= 0 {
		host, bits = text[:at], text[at+1:]
	}
	port := ""
	if bits != "" {
		bits, port, _ = strings.Cut(bits, ":")
	} else if h, p, err := net.SplitHostPort(host); err == nil {
		host, port = h, p
	}
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	if err != nil {
		return a, err
	}
	ip = ip.Unmap()
	n := ip.BitLen()
	if bits != "" {
		if n, err = strconv.Atoi(bits); err != nil {
			return a, err
		}
	}
	if a.net, err = ip.Prefix(n); err != nil {
		return a, err
	}
	if a.net.Addr() != ip {
		return a, fmt.Errorf("%s is not the beginning of %s", ip, a.net)
	}
	if port != "" {
		p, err := strconv.ParseUint(port, 10, 16)
		if err != nil || p == 0 {
			return a, fmt.Errorf("%q is no port", port)
		}
		a.port = uint16(p)
	}
	return a, nil
}

// Allow returns nil when a connection to an address, "10.1.2.3:9100", may be made, or ErrAddress.
func (all Addresses) Allow(address string) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrAddress, address)
	}
	ip := to.Addr().Unmap().WithZone("")
	for _, a := range all {
		if a.net.Contains(ip) && (a.port == 0 || a.port == to.Port()) {
			return nil
		}
	}
	return fmt.Errorf("%w: %s", ErrAddress, address)
}

// dial connects to an address that is allowed. It is asked once the name is resolved, so no name leads elsewhere.
func (all Addresses) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: 10 * time.Second, Control: func(_, to string, _ syscall.RawConn) error { return all.Allow(to) }}
	return d.DialContext(ctx, network, address)
}
