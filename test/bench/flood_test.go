package bench

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/strongroom/strongroom/test/house"
)

// floodEnv says what TestFlood floods.
const floodEnv = "STRONGROOM_BENCH_FLOOD"

// floods is the content of floodEnv.
type floods struct {
	Base  string // of the workspace
	CA    string // file
	Creds aws.Credentials
	Clock int64 // of the first samples, in milliseconds
}

// flood is a process that asks a workspace for all that it can get. It has a processor when nobody else wants it, as if it were another
// machine: what is measured is what the house does to the small workspace, and not what the sender of the flood does to it.
type flood struct {
	in  io.Writer
	out *bufio.Reader
}

func startFlood(b *testing.B, h *house.House, workspace string, clock int64) *flood {
	b.Helper()
	what, err := json.Marshal(floods{h.Endpoint + "/workspaces/" + workspace, h.CABundle, h.Admin, clock})
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command("nice", "-n", "19", os.Args[0], "-test.run", "^TestFlood$")
	cmd.Env = append(os.Environ(), floodEnv+"="+string(what))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	f := &flood{in, bufio.NewReader(out)}
	f.tell(b, "nothing") // its requests are made
	return f
}

// tell says what is to be flooded from now on: "writes", "queries", "long queries", "writes and queries" or "nothing". The flood before has ended when it
// returns.
func (f *flood) tell(b *testing.B, kind string) {
	b.Helper()
	if _, err := fmt.Fprintln(f.in, kind); err != nil {
		b.Fatal(err)
	}
	if line, err := f.out.ReadString('\n'); err != nil || line != kind+"\n" {
		b.Fatalf("the flood says %q, %v", line, err)
	}
}

const floodSenders, floodQueries = 8, 8

// TestFlood is the process of a flood: it does what it reads, line by line.
func TestFlood(t *testing.T) {
	text := os.Getenv(floodEnv)
	if text == "" {
		t.Skip("is run by benchmarks")
	}
	var what floods
	if err := json.Unmarshal([]byte(text), &what); err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(what.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	to := &sender{
		client: &http.Client{Timeout: 5 * time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 64}},
		base:   what.Base, write: "remote_write", creds: what.Creds,
	}
	bodies := floodBodies(t, ampLabels(ampSeries), what.Clock)
	stop := func() {}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		stop()
		stop = run(to, bodies, lines.Text())
		fmt.Println(lines.Text())
	}
	stop()
}

// floodBodies are made before, so that sending takes little of the machine.
func floodBodies(t *testing.T, list []labels.Labels, clock int64) (bodies [floodSenders][][]byte) {
	for k := range bodies {
		part := list[k*len(list)/floodSenders : (k+1)*len(list)/floodSenders]
		for n := range int64(20) {
			bodies[k] = append(bodies[k], scrapes(t, part[:ampRequest], clock+n*100, 1, 1)...)
		}
	}
	return bodies
}

// run begins a flood; stop ends it. What the house refuses of it is refused.
func run(to *sender, bodies [floodSenders][][]byte, kind string) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	repeat := func(fn func(n int)) {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
					fn(n)
				}
			}
		})
	}
	if kind == "writes" || kind == "writes and queries" {
		for _, list := range bodies {
			repeat(func(n int) { _ = to.send(list[n%len(list)]) })
		}
	}
	if kind == "long queries" { // they read all that there is
		for range floodQueries {
			repeat(func(int) { _ = to.ask(`sum(rate({__name__=~"bench_.*"}[2h])) by (instance)`) })
		}
	}
	if kind == "queries" || kind == "writes and queries" {
		for range floodQueries { // they look at all series, and find no sample
			repeat(func(int) { _ = to.ask(`sum(rate({__name__=~"bench_.*"}[30m])) by (instance)`) })
		}
	}
	return func() { close(done); wg.Wait() }
}
