package store

import (
	"context"
	"slices"
	"testing"
)

func TestKeys(t *testing.T) {
	db := memStore(t)
	for _, key := range []string{"a", "b/1", "b/2", "b/3", "b0", "c"} {
		if err := putNumber(db, key, 1); err != nil {
			t.Fatal(err)
		}
	}
	err := db.View(context.Background(), func(r Reader) error {
		for key, want := range map[string]bool{"a": true, "b": false, "b/3": true} {
			if got, err := Exists(r, []byte(key)); err != nil || got != want {
				t.Errorf("%q is there: %t, %v", key, got, err)
			}
		}
		for most, want := range map[int][]string{0: {"1", "2", "3"}, 2: {"1", "2"}} {
			if got, err := KeysBelow(r, []byte("b/"), most); err != nil || !slices.Equal(got, want) {
				t.Errorf("at most %d below b/: %q, %v", most, got, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
