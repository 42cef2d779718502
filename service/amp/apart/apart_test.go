package apart

import (
	"strings"
	"sync"
	"testing"
)

// TestDoPanics carries a panic to whoever called.
func TestDoPanics(t *testing.T) {
	defer func() {
		err, _ := recover().(error)
		if err == nil || !strings.Contains(err.Error(), "out of order") || Lowers && !strings.Contains(err.Error(), "TestDoPanics") {
			t.Errorf("got %v, want the panic and where it was", err)
		}
		if n := busy.Load(); n != 0 {
			t.Errorf("%d are busy, want none", n)
		}
	}()
	Do(func() { panic(outOfOrder{}) })
}

type outOfOrder struct{}

func (outOfOrder) Error() string { return "out of order" }

// TestDoMany lets more run than there are threads to have.
func TestDoMany(t *testing.T) {
	var here, done sync.WaitGroup
	begin := make(chan struct{})
	for range most + 10 {
		here.Add(1)
		done.Go(func() {
			Do(func() {
				here.Done()
				<-begin
			})
		})
	}
	here.Wait() // all of them run
	if n := busy.Load(); n != most+10 {
		t.Errorf("%d are busy, want %d", n, most+10)
	}
	close(begin)
	done.Wait()
	if n := busy.Load(); n != 0 {
		t.Errorf("%d are busy, want none", n)
	}
}
