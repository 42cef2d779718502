package main

import (
	"os"
	"sync"
)

// groupLog is a file that many append to and that is synced once for all who wait: as fast
// as the disk lets anybody be who answers only what is durable.
type groupLog struct {
	file *os.File
	kick chan struct{}

	mu   sync.Mutex
	buf  []byte
	done chan struct{} // closed when what is in buf is on disk
	err  error         // of the first write that failed; nothing is written after it
}

func openGroupLog(path string) (*groupLog, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	l := &groupLog{file: f, kick: make(chan struct{}, 1), done: make(chan struct{})}
	go l.run()
	return l, nil
}

// append returns when p is on disk.
func (l *groupLog) append(p []byte) error {
	l.mu.Lock()
	l.buf = append(l.buf, p...)
	done := l.done
	l.mu.Unlock()
	select {
	case l.kick <- struct{}{}:
	default:
	}
	<-done
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *groupLog) run() {
	var spare []byte
	for range l.kick {
		l.mu.Lock()
		buf, done := l.buf, l.done
		l.buf, l.done = spare[:0], make(chan struct{})
		l.mu.Unlock()
		_, err := l.file.Write(buf)
		if err == nil {
			err = l.file.Sync()
		}
		l.mu.Lock()
		if l.err == nil {
			l.err = err
		}
		l.mu.Unlock()
		spare = buf
		close(done)
	}
}
