// Strongroom-pkcs11 is the helper through which Strongroom uses a PKCS#11 token. It is
// not for people: package pkcs11 starts it and speaks to it over standard input and output, as
// package frame says.
//
// It loads C code that the operator chose, so it is a process of its own. It ends when its
// input ends. main.go answers requests; token.go is the token behind them and its sessions, keys.go
// its keys, gcm.go what they do; errors.go puts the module's errors into the words of the protocol.
// Without cgo, none.go says that there is no token.
package main

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/strongroom/strongroom/pkcs11/frame"
	"github.com/strongroom/strongroom/rootkey"
)

func main() {
	// The house ends its helper. A signal to the whole process group must not end it while
	// calls under way still need the token.
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	_ = rootkey.ProtectProcess() // the house has said so in its log where this fails
	go endWithParent(os.Getppid())
	if err := serve(os.Stdin, os.Stdout, openToken); err != nil {
		os.Exit(1)
	}
}

// endWithParent ends the helper once the house that started it is gone. The end of the input says the same, but a
// module that hangs may keep it from being read.
func endWithParent(parent int) {
	for os.Getppid() == parent {
		time.Sleep(time.Second)
	}
	os.Exit(1)
}

// token is an open token. Its methods may be called together.
type token interface {
	info() *frame.Info
	find(label string) error
	generate(label string) error
	remove(label string) error
	labels() ([]string, error)
	encrypt(label string, aad, plaintext []byte) ([]byte, error)
	decrypt(label string, aad, ciphertext []byte) ([]byte, error)
	random(n int) ([]byte, error)
	ping() error
	close()
}

// failure is an error in the words of the protocol.
type failure struct{ kind, text string }

func (f *failure) Error() string { return f.text }

// maxTogether is how many requests are worked on at a time.
const maxTogether = 16

// serve answers requests until in ends. What in brings is not trusted to be well-formed, and
// the first frame that is not ends it.
func serve(in io.Reader, out io.Writer, open func(module, label, pin string) (token, error)) error {
	var (
		mu   sync.Mutex // held while a reply is written
		work sync.WaitGroup
		slot = make(chan struct{}, maxTogether)
		t    token
	)
	send := func(reply *frame.Reply) {
		mu.Lock()
		defer mu.Unlock()
		_ = frame.Write(out, reply) // if it cannot be written, in ends too
	}
	defer func() {
		work.Wait()
		if t != nil {
			t.close()
		}
	}()
	for {
		r := new(frame.Request)
		if err := frame.Read(in, r); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if r.Op == frame.Open || t == nil {
			var reply *frame.Reply
			t, reply = opened(t, r, open)
			send(reply)
			continue
		}
		slot <- struct{}{}
		work.Go(func() {
			defer func() { <-slot }()
			send(answer(t, r))
		})
	}
}

// opened answers Open, and whatever comes before it.
func opened(t token, r *frame.Request, open func(module, label, pin string) (token, error)) (token, *frame.Reply) {
	refuse := func(text string) (token, *frame.Reply) {
		return t, &frame.Reply{ID: r.ID, Kind: frame.Unusable, Error: text}
	}
	switch {
	case r.Op != frame.Open:
		return refuse("no token is open")
	case t != nil:
		return refuse("a token is open already")
	case r.Version != frame.Version:
		return refuse("the helper is of another version than the program that started it")
	}
	made, err := open(r.Module, r.Token, string(r.PIN))
	clear(r.PIN)
	if err != nil {
		return nil, failed(r, err)
	}
	return made, &frame.Reply{ID: r.ID, Info: made.info()}
}

// answer does what is asked of an open token.
func answer(t token, r *frame.Request) *frame.Reply {
	reply, err := &frame.Reply{ID: r.ID}, error(nil)
	switch r.Op {
	case frame.Find:
		err = t.find(r.Label)
	case frame.Generate:
		err = t.generate(r.Label)
	case frame.Delete:
		err = t.remove(r.Label)
	case frame.List:
		var all []string
		all, err = t.labels()
		reply.Labels = page(all, r.Label)
	case frame.Encrypt:
		if len(r.Data) > frame.MaxData || len(r.AAD) > frame.MaxData {
			err = &failure{frame.Unusable, "the data are too long"}
			break
		}
		reply.Data, err = t.encrypt(r.Label, r.AAD, r.Data)
		clear(r.Data)
	case frame.Decrypt:
		reply.Data, err = t.decrypt(r.Label, r.AAD, r.Data)
	case frame.Random:
		if r.Count < 0 || r.Count > frame.MaxData {
			err = &failure{frame.Unusable, "that many random bytes are not made"}
			break
		}
		reply.Data, err = t.random(r.Count)
	case frame.Ping:
		err = t.ping()
	default:
		err = &failure{frame.Unusable, "unknown operation"}
	}
	if err != nil {
		return failed(r, err)
	}
	return reply
}

// failed is the reply to a request that failed.
func failed(r *frame.Request, err error) *frame.Reply {
	var f *failure
	if !errors.As(err, &f) {
		f = &failure{frame.Unavailable, err.Error()}
	}
	return &frame.Reply{ID: r.ID, Kind: f.kind, Error: f.text}
}

// maxPage bounds the bytes of labels in a reply, with room for what JSON makes of them.
const maxPage = 12 << 10

// page returns the labels after the one given, as many as fit. all is ascending.
func page(all []string, after string) []string {
	var out []string
	size := 0
	for _, label := range all {
		if after != "" && label <= after {
			continue
		}
		if size += len(label); len(out) == frame.MaxList || size > maxPage {
			break
		}
		out = append(out, label)
	}
	return out
}
