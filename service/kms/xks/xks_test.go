package xks_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/service/kms/xks"
	"github.com/strongroom/strongroom/service/kms/xks/xkstest"
)

const patient = 20 * time.Second // for tests that do not wait for it

var why = xks.Request{Principal: "arn:aws:iam::111122223333:user/ada", Operation: "Encrypt", ID: "req-1", Key: "arn:aws:kms:k", Via: "s3"}

// reach returns the client's view of a test proxy.
func reach(t *testing.T, p *xkstest.Proxy, timeout time.Duration, change ...func(*xks.Address)) *xks.Proxy {
	t.Helper()
	transport := xks.NewTransport(xks.Options{Roots: p.Roots, Addresses: map[string]string{xkstest.Host: p.Addr}, Timeout: timeout})
	t.Cleanup(transport.Close)
	a := xks.Address{
		Endpoint: xkstest.Endpoint, Path: xkstest.Path, Region: xkstest.Region,
		AccessKeyID: xkstest.AccessKeyID, Secret: secret.FromString(xkstest.Secret),
	}
	for _, fn := range change {
		fn(&a)
	}
	proxy, err := transport.Proxy(a)
	if err != nil {
		t.Fatal(err)
	}
	return proxy
}

// kindOf returns the kind of a failure, or 0 when err is none of a proxy.
func kindOf(err error) xks.Kind {
	var e *xks.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Kind
}

func wantKind(t *testing.T, what string, err error, want xks.Kind) {
	t.Helper()
	if kindOf(err) != want {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

func TestHonestProxy(t *testing.T) {
	p := xkstest.Start(t)
	c := reach(t, p, patient)
	if err := c.Health(t.Context(), xks.Request{Operation: "CreateCustomKeyStore", ID: "req-0"}); err != nil {
		t.Fatal(err)
	}
	k, err := c.Metadata(t.Context(), "key-1", why)
	if err != nil || !k.Usable() {
		t.Fatal(k, err)
	}
	for _, n := range []int{1, 32, xks.MaxPlaintext} {
		for _, aad := range [][]byte{nil, []byte("context"), make([]byte, xks.MaxAAD)} {
			plain := bytes.Repeat([]byte{'p'}, n)
			s, err := c.Encrypt(t.Context(), "key-1", plain, aad, why)
			if err != nil {
				t.Fatal(n, len(aad), err)
			}
			if got, err := c.Decrypt(t.Context(), "key-1", s, aad, why); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%d bytes, %d of aad: %d, %v", n, len(aad), len(got), err)
			}
			_, err = c.Decrypt(t.Context(), "key-1", s, append([]byte("other"), aad...)[:len(aad)+1], why)
			wantKind(t, "other associated data", err, xks.InvalidCiphertext)
		}
	}
	_, err = c.Encrypt(t.Context(), "key-1", make([]byte, xks.MaxPlaintext+1), nil, why)
	wantKind(t, "too long", err, xks.UnsupportedOperation)

	last := p.Last("encrypt")
	for name, want := range map[string]string{
		"awsPrincipalArn": why.Principal, "kmsOperation": "Encrypt", "kmsRequestId": "req-1", "kmsKeyArn": why.Key, "kmsViaService": "s3",
	} {
		if got := last.Metadata(name); got != want {
			t.Errorf("requestMetadata %s: got %q, want %q", name, got, want)
		}
	}
	health := p.Last("health").Body["requestMetadata"].(map[string]any)
	if len(health) != 2 {
		t.Errorf("health sends %v, want only kmsOperation and kmsRequestId", health)
	}
}

// TestNamedErrors has a proxy name each error of the specification, and others, for each call.
func TestNamedErrors(t *testing.T) {
	p := xkstest.Start(t)
	c := reach(t, p, patient)
	for name, want := range map[string]struct {
		status int
		kind   xks.Kind
	}{
		"ValidationException":           {400, xks.Validation},
		"InvalidStateException":         {400, xks.InvalidState},
		"InvalidCiphertextException":    {400, xks.InvalidCiphertext},
		"InvalidKeyUsageException":      {400, xks.InvalidKeyUsage},
		"AuthenticationFailedException": {401, xks.AuthenticationFailed},
		"AccessDeniedException":         {403, xks.AccessDenied},
		"KeyNotFoundException":          {404, xks.KeyNotFound},
		"InvalidUriPathException":       {404, xks.InvalidURIPath},
		"ThrottlingException":           {429, xks.Throttling},
		"UnsupportedOperationException": {501, xks.UnsupportedOperation},
		"DependencyTimeoutException":    {503, xks.DependencyTimeout},
		"InternalException":             {500, xks.Internal},
		"cannot be reached":             {500, xks.Malformed}, // our own words are no name
		"SomethingNewException":         {418, xks.Malformed},
		"":                              {500, xks.Malformed},
	} {
		for what, call := range calls(t.Context(), c) {
			p.Lies(what, xkstest.Fails(want.status, name))
			err := call()
			wantKind(t, what+" "+name, err, want.kind)
			if strings.Contains(err.Error(), "said by the proxy") {
				t.Errorf("%s: the proxy's own text is in the error: %v", name, err)
			}
			p.Lies(what, nil)
		}
	}
}

// calls are the four calls, by name.
func calls(ctx context.Context, c *xks.Proxy) map[string]func() error {
	return map[string]func() error{
		"health":   func() error { return c.Health(ctx, why) },
		"metadata": func() error { _, err := c.Metadata(ctx, "key-1", why); return err },
		"encrypt":  func() error { _, err := c.Encrypt(ctx, "key-1", []byte("plain"), []byte("aad"), why); return err },
		"decrypt": func() error {
			_, err := c.Decrypt(ctx, "key-1", &xks.Sealed{IV: make([]byte, 12), Tag: make([]byte, 16), Ciphertext: []byte("ciphe")}, nil, why)
			return err
		},
	}
}

// TestRubbish has a proxy answer each call with what is no answer.
func TestRubbish(t *testing.T) {
	p := xkstest.Start(t)
	c := reach(t, p, patient)
	for name, lie := range map[string]xkstest.Lie{
		"nothing":           xkstest.Says(200, ""),
		"no JSON":           xkstest.Says(200, "<html>200 OK</html>"),
		"null":              xkstest.Says(200, "null"),
		"a list":            xkstest.Says(200, "[]"),
		"an empty object":   xkstest.Says(200, "{}"),
		"half an object":    xkstest.Says(200, `{"ciphertext":"aGVsbG8="`),
		"two objects":       xkstest.Says(200, `{} {}`),
		"an error with 200": xkstest.Says(200, `{"errorName":"InternalException"}`),
		"numbers":           xkstest.Says(200, `{"ciphertext":1,"plaintext":2,"keySpec":3,"xksProxyFleetSize":"x"}`),
		"redirect": func(w http.ResponseWriter, r *http.Request, _ xkstest.Answer) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		},
		"error of a server": xkstest.Says(502, "Bad Gateway"),
		"error as a list":   xkstest.Says(400, `[{"errorName":"InternalException"}]`),
		"no error name":     xkstest.Says(400, `{"errorMessage":"x"}`),
		"deep":              xkstest.Says(200, strings.Repeat("[", 60000)),
		"broken connection": xkstest.Breaks,
		"flood":             xkstest.Floods,
	} {
		for what, call := range calls(t.Context(), c) {
			p.Lies(what, lie)
			wantKind(t, what+" "+name, call(), xks.Malformed)
			p.Lies(what, nil)
		}
	}
	for what, call := range calls(t.Context(), c) {
		if err := call(); kindOf(err) != 0 && what != "decrypt" {
			t.Errorf("%s after all that: %v", what, err)
		}
	}
}

// TestLies changes one member at a time of honest answers.
func TestLies(t *testing.T) {
	p := xkstest.Start(t)
	c := reach(t, p, patient)
	manager := func(status any) []map[string]any {
		return []map[string]any{{"id": "1", "model": "m", "healthStatus": status}}
	}
	many := func(n int) []map[string]any {
		var all []map[string]any
		for range n {
			all = append(all, manager("ACTIVE")[0])
		}
		return all
	}
	for _, test := range []struct {
		what, name string
		lie        xkstest.Lie
		want       xks.Kind
	}{
		{"health", "no fleet size", xkstest.Without("xksProxyFleetSize"), xks.Malformed},
		{"health", "no vendor", xkstest.Without("ekmVendor"), xks.Malformed},
		{"health", "no managers", xkstest.Sets("ekmFleetDetails", []int{}), xks.Malformed},
		{"health", "eleven managers", xkstest.Sets("ekmFleetDetails", many(11)), xks.Malformed},
		{"health", "ten managers", xkstest.Sets("ekmFleetDetails", many(10)), 0},
		{"health", "unknown status", xkstest.Sets("ekmFleetDetails", manager("FINE")), xks.Malformed},
		{"health", "no status", xkstest.Sets("ekmFleetDetails", manager(nil)), xks.Malformed},
		{"health", "degraded", xkstest.Sets("ekmFleetDetails", manager("DEGRADED")), 0},
		{"health", "all unavailable", xkstest.Sets("ekmFleetDetails", manager("UNAVAILABLE")), xks.Unavailable},
		{"health", "one of two available", xkstest.Sets("ekmFleetDetails", append(manager("UNAVAILABLE"), manager("ACTIVE")...)), 0},
		{"health", "more members", xkstest.Sets("later", true), 0},

		{"metadata", "no spec", xkstest.Without("keySpec"), xks.Malformed},
		{"metadata", "no usage", xkstest.Without("keyUsage"), xks.Malformed},
		{"metadata", "usage null", xkstest.Sets("keyUsage", []any{nil}), xks.Malformed},
		{"metadata", "eleven usages", xkstest.Sets("keyUsage", strings.Split("A B C D E F G H I J K", " ")), xks.Malformed},
		{"metadata", "unknown status", xkstest.Sets("keyStatus", "ASLEEP"), xks.Malformed},

		{"encrypt", "no ciphertext", xkstest.Without("ciphertext"), xks.Malformed},
		{"encrypt", "no IV", xkstest.Without("initializationVector"), xks.Malformed},
		{"encrypt", "no tag", xkstest.Without("authenticationTag"), xks.Malformed},
		{"encrypt", "no integrity value", xkstest.Without("ciphertextDataIntegrityValue"), xks.Malformed},
		{"encrypt", "wrong integrity value", xkstest.Sets("ciphertextDataIntegrityValue", xkstest.Base64(32)), xks.Malformed},
		{"encrypt", "no metadata", p.Vouches(func(m map[string]any) { delete(m, "ciphertextMetadata") }), 0},
		{"encrypt", "flipped ciphertext", xkstest.Flips("ciphertext"), xks.Malformed},
		{"encrypt", "flipped IV", xkstest.Flips("initializationVector"), xks.Malformed},
		{"encrypt", "flipped tag", xkstest.Flips("authenticationTag"), xks.Malformed},
		{"encrypt", "flipped metadata", xkstest.Flips("ciphertextMetadata"), xks.Malformed},
		{"encrypt", "long ciphertext", p.Vouches(func(m map[string]any) { m["ciphertext"] = xkstest.Base64(6) }), xks.Malformed},
		{"encrypt", "short ciphertext", p.Vouches(func(m map[string]any) { m["ciphertext"] = xkstest.Base64(4) }), xks.Malformed},
		{"encrypt", "IV of 16", p.Vouches(func(m map[string]any) { m["initializationVector"] = xkstest.Base64(16) }), 0},
		{"encrypt", "IV of 8", p.Vouches(func(m map[string]any) { m["initializationVector"] = xkstest.Base64(8) }), xks.Malformed},
		{"encrypt", "tag of 12", p.Vouches(func(m map[string]any) { m["authenticationTag"] = xkstest.Base64(12) }), xks.Malformed},
		{"encrypt", "metadata of 20", p.Vouches(func(m map[string]any) { m["ciphertextMetadata"] = xkstest.Base64(20) }), 0},
		{"encrypt", "metadata of 21", p.Vouches(func(m map[string]any) { m["ciphertextMetadata"] = xkstest.Base64(21) }), xks.Malformed},
		{"encrypt", "loose base64", xkstest.Sets("ciphertext", "aGVsbG9="), xks.Malformed},

		{"decrypt", "no plaintext", xkstest.Without("plaintext"), xks.InvalidCiphertext},
		{"decrypt", "long", xkstest.Says(200, `{"plaintext":"`+xkstest.Base64(6)+`"}`), xks.Malformed},
		{"decrypt", "short", xkstest.Says(200, `{"plaintext":"`+xkstest.Base64(4)+`"}`), xks.Malformed},
		{"decrypt", "as long", xkstest.Says(200, `{"plaintext":"`+xkstest.Base64(5)+`"}`), 0},
	} {
		p.Lies(test.what, test.lie)
		if err := calls(t.Context(), c)[test.what](); kindOf(err) != test.want || test.want == 0 && err != nil {
			t.Errorf("%s, %s: got %v, want %v", test.what, test.name, err, test.want)
		}
		p.Lies(test.what, nil)
	}
	for name, want := range map[string]struct {
		change func(*xkstest.Key)
		usable bool
	}{
		"as it is":   {func(*xkstest.Key) {}, true},
		"AES_128":    {func(k *xkstest.Key) { k.Spec = "AES_128" }, false},
		"disabled":   {func(k *xkstest.Key) { k.Status = "DISABLED" }, false},
		"no encrypt": {func(k *xkstest.Key) { k.Usage = []string{"DECRYPT", "SIGN"} }, false},
		"no decrypt": {func(k *xkstest.Key) { k.Usage = []string{"ENCRYPT"} }, false},
		"lower case": {func(k *xkstest.Key) { k.Usage = []string{"encrypt", "decrypt"} }, false},
	} {
		p.AddKey("key-1")
		p.Change("key-1", want.change)
		if k, err := c.Metadata(t.Context(), "key-1", why); err != nil || k.Usable() != want.usable {
			t.Errorf("metadata of a key that is %s: %+v, %v; want usable %v", name, k, err, want.usable)
		}
	}
}

// TestStall waits for a proxy that does not answer, at each point where it can stop.
func TestStall(t *testing.T) {
	p := xkstest.Start(t)
	c := reach(t, p, 50*time.Millisecond)
	for name, lie := range map[string]xkstest.Lie{"no answer": p.Stalls(), "half an answer": p.Dribbles()} {
		for what, call := range calls(t.Context(), c) {
			p.Lies(what, lie)
			wantKind(t, what+" "+name, call(), xks.TimedOut)
			p.Lies(what, nil)
		}
	}
	deaf := xkstest.StartTLS(t, func(_ *xkstest.Proxy, c *tls.Config) {
		c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			<-t.Context().Done()
			return nil, errors.New("never")
		}
	})
	wantKind(t, "no handshake", reach(t, deaf, 50*time.Millisecond).Health(t.Context(), why), xks.TimedOut)

	ctx, cancel := context.WithCancel(t.Context())
	p.Lies("health", func(w http.ResponseWriter, r *http.Request, a xkstest.Answer) { cancel(); p.Stalls()(w, r, a) })
	if err := reach(t, p, patient).Health(ctx, why); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that goes: got %v, want context.Canceled", err)
	}
}

func TestTLS(t *testing.T) {
	for name, change := range map[string]func(*xkstest.Proxy, *tls.Config){
		"another name": func(p *xkstest.Proxy, c *tls.Config) {
			c.Certificates = []tls.Certificate{p.Certificate("other.example", time.Now().Add(time.Hour))}
		},
		"expired": func(p *xkstest.Proxy, c *tls.Config) {
			c.Certificates = []tls.Certificate{p.Certificate(xkstest.Host, time.Now().Add(-time.Hour))}
		},
		"stranger":   func(p *xkstest.Proxy, c *tls.Config) { c.Certificates = []tls.Certificate{p.Stranger()} },
		"TLS 1.1":    func(_ *xkstest.Proxy, c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 },
		"plain HTTP": func(_ *xkstest.Proxy, c *tls.Config) { c.Certificates = nil },
	} {
		p := xkstest.StartTLS(t, change)
		wantKind(t, name, reach(t, p, patient).Health(t.Context(), why), xks.BadTLS)
		if len(p.Seen()) > 0 {
			t.Errorf("%s: the request was sent all the same", name)
		}
	}
	p := xkstest.StartTLS(t, func(_ *xkstest.Proxy, c *tls.Config) { c.MaxVersion = tls.VersionTLS12 })
	if err := reach(t, p, patient).Health(t.Context(), why); err != nil {
		t.Errorf("TLS 1.2: %v", err)
	}
	c := reach(t, p, patient)
	p.Stop()
	wantKind(t, "nobody listens", c.Health(t.Context(), why), xks.Unreachable)
}

func TestCredential(t *testing.T) {
	p := xkstest.Start(t)
	for name, change := range map[string]func(*xks.Address){
		"secret": func(a *xks.Address) { a.Secret = secret.FromString(strings.Repeat("x", 43)) },
		"key id": func(a *xks.Address) { a.AccessKeyID = "AKIAXKSTESTPROXY765432" },
		"region": func(a *xks.Address) { a.Region = "us-east-1" },
	} {
		wantKind(t, "another "+name, reach(t, p, patient, change).Health(t.Context(), why), xks.AuthenticationFailed)
	}
	wantKind(t, "another path", reach(t, p, patient, func(a *xks.Address) { a.Path = "/line-2/kms/xks/v1" }).Health(t.Context(), why), xks.InvalidURIPath)
	if len(p.Seen()) > 0 {
		t.Error("a request with a wrong signature counted")
	}
}

// TestOnlyPublicAddresses is about where a name may lead that the operator has not listed.
func TestOnlyPublicAddresses(t *testing.T) {
	p := xkstest.Start(t)
	for _, endpoint := range []string{"https://localhost", "https://127.0.0.1", "https://10.0.0.1", "https://192.168.1.1", "https://169.254.169.254", "https://100.64.0.1", "https://0.0.0.0"} {
		c := reach(t, p, 200*time.Millisecond, func(a *xks.Address) { a.Endpoint = endpoint })
		wantKind(t, endpoint, c.Health(t.Context(), why), xks.Unreachable)
	}
	const service = "com.amazonaws.vpce.eu-west-1.vpce-svc-0123456789"
	through := func(a *xks.Address) { a.Via = service }
	wantKind(t, "an endpoint service that is not listed", reach(t, p, patient, through).Health(t.Context(), why), xks.Unreachable)
	transport := xks.NewTransport(xks.Options{Roots: p.Roots, Addresses: map[string]string{service: p.Addr}, Timeout: patient})
	defer transport.Close()
	if !transport.Reaches(service) || transport.Reaches(xkstest.Host) {
		t.Error("Reaches does not tell which services are listed")
	}
	for via, want := range map[string]xks.Kind{service: 0, "": xks.Unreachable} { // the same name, on another way
		proxy, err := transport.Proxy(xks.Address{
			Endpoint: xkstest.Endpoint, Path: xkstest.Path, Region: xkstest.Region, Via: via,
			AccessKeyID: xkstest.AccessKeyID, Secret: secret.FromString(xkstest.Secret),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patient)
		if err := proxy.Health(ctx, why); kindOf(err) != want {
			t.Errorf("through %q: %v, want %v", via, err, want)
		}
		cancel()
	}
}

func TestAddress(t *testing.T) {
	transport := xks.NewTransport(xks.Options{})
	for _, endpoint := range []string{
		"http://xks.example", "https://", "https://xks.example:8443", "https://user:secret@xks.example", "https://xks.example/path",
		"https://xks.example?token=secret", "https://xks.example#f", "xks.example", "", "https://xks.example\x00",
	} {
		if _, err := transport.Proxy(xks.Address{Endpoint: endpoint}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v, want a refusal that does not repeat it", endpoint, err)
		}
	}
	for id, want := range map[string]bool{"key-1": true, "a.b": true, "...": true, ".": false, "..": false} {
		if got := xks.ValidKeyID(id); got != want {
			t.Errorf("ValidKeyID(%q) is %v", id, got)
		}
	}
}
