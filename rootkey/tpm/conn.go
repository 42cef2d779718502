package tpm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

const (
	// DefaultDevice is the kernel's resource manager.
	DefaultDevice = "/dev/tpmrm0"
	// commandTime bounds each command. Making a primary key takes a slow TPM some seconds.
	commandTime = 30 * time.Second
	headerSize  = 10   // tag (2) | size (4) | code (4)
	maxAnswer   = 4096 // more than a TPM ever sends
)

// conn sends commands to a TPM. It satisfies transport.TPM.
type conn struct {
	rw   io.ReadWriteCloser
	time time.Duration
	dead error // once a command was not answered: what comes next would be its answer
}

// dial opens a device by its path, or a socket of a TPM emulator as "unix:PATH" or "tcp:HOST:PORT",
// which carries commands and answers and nothing else. TCP is for this machine only.
func dial(device string) (*conn, error) {
	network, address, ok := strings.Cut(device, ":")
	if !ok || strings.HasPrefix(device, "/") {
		f, err := os.OpenFile(device, os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		return &conn{rw: f, time: commandTime}, nil
	}
	switch network {
	case "unix":
	case "tcp":
		host, _, err := net.SplitHostPort(address)
		if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
			return nil, fmt.Errorf("TPM at %q: it is not a loopback address and port", device)
		}
	default:
		return nil, fmt.Errorf("TPM at %q: it is not a device, unix:PATH or tcp:HOST:PORT", device)
	}
	c, err := net.DialTimeout(network, address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &conn{rw: c, time: commandTime}, nil
}

var (
	errSilent = errors.New("the TPM does not answer")
	errAnswer = errors.New("the TPM's answer is malformed")
)

// Answers that ask for the same command again, after a little while (TPM 2.0 Library, Part 2,
// TPM_RC_YIELDED, TPM_RC_TESTING, TPM_RC_RETRY).
var again = map[uint32]bool{0x908: true, 0x90a: true, 0x922: true}

// Send sends a command, again while the TPM asks for that, and returns the answer.
func (c *conn) Send(command []byte) ([]byte, error) {
	pause := 5 * time.Millisecond
	for {
		answer, err := c.once(command)
		if err != nil || !again[binary.BigEndian.Uint32(answer[6:])] || pause > c.time/2 {
			return answer, err
		}
		time.Sleep(pause)
		pause *= 2
	}
}

// once sends a command and returns the answer.
func (c *conn) once(command []byte) ([]byte, error) {
	if c.dead != nil {
		return nil, c.dead
	}
	type result struct {
		answer []byte
		err    error
	}
	done := make(chan result, 1)
	// A read from a device may not heed a deadline; one that never ends costs a goroutine, not the house.
	go func() {
		answer, err := exchange(c.rw, command)
		done <- result{answer, err}
	}()
	timer := time.NewTimer(c.time)
	defer timer.Stop()
	select {
	case r := <-done:
		c.dead = r.err
		return r.answer, r.err
	case <-timer.C:
		c.dead = fmt.Errorf("%w within %v", errSilent, c.time)
		_ = c.rw.Close()
		return nil, c.dead
	}
}

// exchange writes a command and reads one answer.
func exchange(rw io.ReadWriter, command []byte) ([]byte, error) {
	if _, err := rw.Write(command); err != nil {
		return nil, fmt.Errorf("%w: %w", errSilent, err)
	}
	return readAnswer(rw)
}

// readAnswer reads as much as the header says. A device gives all of an answer at once.
func readAnswer(r io.Reader) ([]byte, error) {
	buf := make([]byte, maxAnswer)
	n, err := io.ReadAtLeast(r, buf, headerSize)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSilent, err)
	}
	size := binary.BigEndian.Uint32(buf[2:])
	if size < headerSize || size > maxAnswer || int(size) < n {
		return nil, errAnswer
	}
	if _, err := io.ReadFull(r, buf[n:size]); err != nil {
		return nil, fmt.Errorf("%w: it is cut off", errAnswer)
	}
	return buf[:size], nil
}

// close closes the connection. After a command that was not answered it is closed already.
func (c *conn) close() { _ = c.rw.Close() }
