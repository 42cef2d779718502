// Package bench measures a running house against bare servers and disks, in the same run.
//
//	go test ./test/bench -run '^$' -bench . -benchtime 1x -timeout 60m
//
// Each benchmark alternates the house and what it is measured against, several rounds, and
// reports the median of the rounds' ratios. Processor time is the server's own, as the
// kernel counts it. None of this asserts anything: numbers are for people.
package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/strongroom/strongroom/test/house"
)

func TestMain(m *testing.M) { house.Main(m) }

// server is something that requests are sent to.
type server struct {
	endpoint string
	roots    *x509.CertPool
	pid      int
	creds    aws.Credentials
}

// startBare starts the bare server in its own process.
func startBare(b testing.TB, dir string) *server {
	b.Helper()
	binary := filepath.Join(b.TempDir(), "bare")
	if text, err := exec.Command("go", "build", "-o", binary, "./bare").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, text)
	}
	cmd := exec.Command(binary, "-dir", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	lines := bufio.NewReader(out)
	address, err := lines.ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	var pem bytes.Buffer
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			b.Fatal(err)
		}
		pem.WriteString(line)
		if strings.HasPrefix(line, "-----END") {
			break
		}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem.Bytes())
	return &server{"https://" + strings.TrimSpace(address), roots, cmd.Process.Pid,
		aws.Credentials{AccessKeyID: "AKIABAREBAREBAREBARE", SecretAccessKey: "bare/bare/bare/bare/bare/bare/bare/bare/"}}
}

// of is a running house as a server.
func of(h *house.House) *server {
	return &server{h.Endpoint, h.Roots, h.PID(), h.Admin}
}

// cpu returns the processor time that a process has used, in its threads' own nanoseconds.
func (s *server) cpu(b testing.TB) time.Duration {
	b.Helper()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", s.pid))
	if err != nil {
		b.Fatal(err)
	}
	total := time.Duration(0)
	for _, t := range tasks {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", s.pid, t.Name()))
		if err != nil {
			continue // the thread has ended
		}
		ns, _ := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
		total += time.Duration(ns)
	}
	return total
}

// signed returns a whole HTTP/1.1 request, signed, as it goes over the wire.
func (s *server) signed(b testing.TB, service, method, path string, header map[string]string, body []byte) []byte {
	b.Helper()
	u, err := url.Parse(s.endpoint + path)
	if err != nil {
		b.Fatal(err)
	}
	r := &http.Request{Method: method, URL: u, Host: u.Host, Header: http.Header{}, ContentLength: int64(len(body))}
	for k, v := range header {
		r.Header.Set(k, v)
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if service == "s3" {
		hash = "UNSIGNED-PAYLOAD"
		r.Header.Set("X-Amz-Content-Sha256", hash)
	}
	sign := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" })
	if err := sign.SignHTTP(context.Background(), s.creds, r, hash, service, house.Region, time.Now()); err != nil {
		b.Fatal(err)
	}
	var wire bytes.Buffer
	fmt.Fprintf(&wire, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", method, u.RequestURI(), u.Host, len(body))
	if err := r.Header.Write(&wire); err != nil {
		b.Fatal(err)
	}
	wire.WriteString("\r\n")
	wire.Write(body)
	return wire.Bytes()
}

// result is what a round measured.
type result struct {
	requests int
	wall     time.Duration
	cpu      time.Duration // the server's
	p50, p99 time.Duration
}

func (r result) rate() float64       { return float64(r.requests) / r.wall.Seconds() }
func (r result) perRequest() float64 { return float64(r.cpu.Nanoseconds()) / 1e3 / float64(r.requests) }

// load sends requests on conns connections until each has sent perConn of them. request gives
// the bytes of the n-th request of a connection.
func (s *server) load(b testing.TB, conns, perConn int, request func(conn, n int) []byte) result {
	b.Helper()
	address := strings.TrimPrefix(s.endpoint, "https://")
	open := make([]*tls.Conn, conns)
	for i := range open {
		c, err := tls.Dial("tcp", address, &tls.Config{RootCAs: s.roots})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		open[i] = c
	}
	times := make([][]time.Duration, conns)
	errs := make([]error, conns)
	var wg sync.WaitGroup
	before, began := s.cpu(b), time.Now()
	for i, c := range open {
		wg.Go(func() {
			in := bufio.NewReaderSize(c, 64<<10)
			for n := range perConn {
				at := time.Now()
				if errs[i] = exchange(c, in, request(i, n)); errs[i] != nil {
					return
				}
				times[i] = append(times[i], time.Since(at))
			}
		})
	}
	wg.Wait()
	wall, cpu := time.Since(began), s.cpu(b)-before
	for _, err := range errs {
		if err != nil {
			b.Fatal(err)
		}
	}
	all := slices.Concat(times...)
	slices.Sort(all)
	return result{requests: len(all), wall: wall, cpu: cpu, p50: all[len(all)/2], p99: all[len(all)*99/100]}
}

// exchange sends one request and reads its answer, with as little work as that takes.
func exchange(c io.Writer, in *bufio.Reader, request []byte) error {
	if _, err := c.Write(request); err != nil {
		return err
	}
	status, err := in.ReadSlice('\n')
	if err != nil {
		return err
	}
	ok := bytes.HasPrefix(status, []byte("HTTP/1.1 2"))
	first := string(status)
	length := int64(0)
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		if name, value, found := bytes.Cut(line, []byte(":")); found && bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64); err != nil {
				return err
			}
		}
	}
	if !ok {
		text := make([]byte, min(length, 2<<10))
		_, _ = io.ReadFull(in, text)
		return fmt.Errorf("%s %s", first, text)
	}
	_, err = io.CopyN(io.Discard, in, length)
	return err
}

// median returns the middle value.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// pair runs rounds of both, alternating, and reports medians: the figures of each and the
// ratio of ours to theirs, pair by pair.
func pair(b *testing.B, label string, rounds int, ours, theirs func() result) {
	b.Helper()
	var cpu, rate, p99, ourCPU, theirCPU, ourRate, theirRate []float64
	for range rounds {
		o, t := ours(), theirs()
		cpu = append(cpu, o.perRequest()/t.perRequest())
		rate = append(rate, o.rate()/t.rate())
		p99 = append(p99, float64(o.p99)/float64(t.p99))
		ourCPU, theirCPU = append(ourCPU, o.perRequest()), append(theirCPU, t.perRequest())
		ourRate, theirRate = append(ourRate, o.rate()), append(theirRate, t.rate())
	}
	b.ReportMetric(median(cpu), label+"-cpu-ratio")
	b.ReportMetric(median(rate), label+"-rate-ratio")
	b.ReportMetric(median(p99), label+"-p99-ratio")
	b.Logf("%s: server CPU per request %.1f us against %.1f us; %.0f requests/s against %.0f; ratios CPU %.2f, rate %.2f, p99 %.2f",
		label, median(ourCPU), median(theirCPU), median(ourRate), median(theirRate), median(cpu), median(rate), median(p99))
}
