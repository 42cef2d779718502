package gateway

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// refusalOfPlainHTTP answers a client that speaks HTTP without TLS, in full: such a
// client reads HTTP and nothing else.
var refusalOfPlainHTTP = func() []byte {
	const sentence = "This port speaks HTTPS only: use https:// in the endpoint URL.\n"
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ")
	b.WriteString(itoa(len(sentence)))
	b.WriteString("\r\nConnection: close\r\n\r\n")
	b.WriteString(sentence)
	return b.Bytes()
}()

var errPlainHTTP = errors.New("client speaks HTTP without TLS")

// lingering bounds how long and how much of a plain HTTP request is read after its refusal:
// closing on unread bytes would reset the connection and take the refusal with it.
const (
	lingerTime  = time.Second
	lingerBytes = 256 << 10
)

// listener hands on at most max connections at a time and looks at the first byte of each.
// Where all are taken, new ones wait in the kernel's queue.
type listener struct {
	net.Listener
	slots chan struct{}
	done  chan struct{}
	once  sync.Once
	stats *metrics
}

func newListener(l net.Listener, max int, stats *metrics) *listener {
	return &listener{Listener: l, slots: make(chan struct{}, max), done: make(chan struct{}), stats: stats}
}

// Accept waits for a connection and a free slot.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.done:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	l.stats.connections.Inc()
	return &conn{Conn: c, from: l}, nil
}

// Close stops listening; connections stay.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

// conn is a connection whose first byte says whether its client speaks TLS. The look costs
// nothing: the byte arrives with the handshake's first read, in the connection's own goroutine.
type conn struct {
	net.Conn
	from   *listener
	looked atomic.Bool
	closed atomic.Bool
}

// Read reads from the connection. Where the first byte is a letter, as in every HTTP
// method, the client is told to use HTTPS and the read fails.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && !c.looked.Load() {
		c.looked.Store(true)
		// A TLS connection begins with a handshake record, type 22 (RFC 8446, section 5.1).
		if first := b[0]; 'A' <= first && first <= 'Z' || 'a' <= first && first <= 'z' {
			c.refuse()
			return 0, errPlainHTTP
		}
	}
	return n, err
}

func (c *conn) refuse() {
	c.from.stats.plainHTTP.Inc()
	_ = c.Conn.SetDeadline(time.Now().Add(lingerTime))
	if _, err := c.Conn.Write(refusalOfPlainHTTP); err != nil {
		return
	}
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	buf := make([]byte, 4<<10)
	for total := 0; total < lingerBytes; {
		n, err := c.Conn.Read(buf)
		if err != nil {
			return
		}
		total += n
	}
}

// Close closes the connection and frees its slot.
func (c *conn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		<-c.from.slots
		c.from.stats.connections.Dec()
	}
	return c.Conn.Close()
}
