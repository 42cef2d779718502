package outbound

import "testing"

func TestPublic(t *testing.T) {
	for address, want := range map[string]bool{
		"8.8.8.8:443": true, "[2606:4700::1111]:443": true,
		"127.0.0.1:443": false, "10.1.2.3:443": false, "192.168.0.1:443": false, "169.254.169.254:80": false, "100.64.0.1:1": false,
		"[::1]:443": false, "[fe80::1%eth0]:443": false, "[fd00::1]:443": false, "[::ffff:10.0.0.1]:443": false, "0.0.0.0:1": false, "nonsense": false,
	} {
		if got := Public(address); got != want {
			t.Errorf("%s: got %v, want %v", address, got, want)
		}
	}
}
