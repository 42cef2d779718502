//go:build !unix

package page

func allocate(n int) ([]byte, error) { return make([]byte, n), nil }

func release([]byte) error { return nil }

func forget([]byte) error { return nil }
