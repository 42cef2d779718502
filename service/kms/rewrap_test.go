package kms

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/strongroom/strongroom/store"
)

// marking rewraps by putting a mark before what was wrapped for the purpose it says.
type marking struct{ calls *int }

var mark = []byte("new ")

func (m marking) Rewrap(purpose string, wrapped []byte) ([]byte, bool, error) {
	*m.calls++
	if bytes.HasPrefix(wrapped, mark) {
		return wrapped, false, nil
	}
	if string(wrapped) != purpose {
		return nil, false, errors.New("another purpose")
	}
	return append(bytes.Clone(mark), wrapped...), true, nil
}

// TestRewrapRoot rewraps more domain keys than one transaction takes, in two regions, and a key store's credential.
func TestRewrapRoot(t *testing.T) {
	h, ctx := open(t), context.Background()
	const each = batch*2/3 + 1
	err := h.room.Store.Update(ctx, store.TxID{}, func(tx store.Tx) error {
		for _, r := range []string{"eu-west-1", "us-east-1"} {
			for n := range uint32(each) {
				if err := tx.Put([]byte(domainPath(r, n+1)), []byte(purpose(r, n+1))); err != nil {
					return err
				}
			}
		}
		proxy := home{"us-east-1", "111122223333", newStoreID()}
		return tx.Put([]byte(proxy.path(credentialTag)), []byte(credentialPurpose(proxy)))
	})
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	rewrap := h.Service.Service().Rewrap
	if n, err := rewrap(ctx, marking{&calls}); err != nil || n != 2*each+1 {
		t.Errorf("got %d of %d, %v", n, 2*each+1, err)
	}
	if n, err := rewrap(ctx, marking{&calls}); err != nil || n != 0 || calls < 4*each {
		t.Errorf("a second time: got %d, %v after %d calls", n, err, calls)
	}
	err = h.room.Store.Update(ctx, store.TxID{}, func(tx store.Tx) error {
		return tx.Put([]byte(domainPath("us-east-1", 9999)), []byte("damaged"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rewrap(ctx, marking{&calls}); err == nil {
		t.Error("a damaged domain key was passed over")
	}
}
