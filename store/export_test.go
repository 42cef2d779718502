package store

import "testing"

// OpenTest opens a new store on the disk for tests of package store_test.
func OpenTest(t *testing.T) DB {
	f, err := OpenFile(t.TempDir(), newTestRoot(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}
