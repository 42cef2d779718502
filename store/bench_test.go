package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"testing"
)

// benchStore returns a store on the real disk with n records of 1 KiB.
func benchStore(b *testing.B, n int) *File {
	b.Helper()
	f, err := OpenFile(b.TempDir(), newTestRoot(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := f.Close(); err != nil {
			b.Error(err)
		}
	})
	fillStore(b, f, n, 1024)
	return f
}

func fillStore(tb testing.TB, f *File, n, size int) {
	tb.Helper()
	value := make([]byte, size)
	for i := 0; i < n; {
		err := f.Update(context.Background(), TxID{}, func(tx Tx) error {
			for range min(500, n-i) {
				if err := tx.Put(benchKey(i), value); err != nil {
					return err
				}
				i++
			}
			return nil
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
}

func benchKey(i int) []byte {
	return binary.BigEndian.AppendUint64([]byte("record/"), uint64(i)*0x9e3779b97f4a7c15)
}

func BenchmarkCommit(b *testing.B) {
	for _, writers := range []int{1, 16, 128} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			f := benchStore(b, 0)
			value := make([]byte, 1024)
			var next atomic.Int64
			b.SetParallelism(writers) // for each CPU
			b.ReportAllocs()
			b.ResetTimer()
			done := make(chan error, writers)
			for range writers {
				go func() {
					for {
						i := next.Add(1)
						if i > int64(b.N) {
							done <- nil
							return
						}
						err := f.Update(context.Background(), TxID{}, func(tx Tx) error {
							return tx.Put(benchKey(int(i)), value)
						})
						if err != nil {
							done <- err
							return
						}
					}
				}()
			}
			for range writers {
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
		})
	}
}

func BenchmarkGet(b *testing.B) {
	for _, records := range []int{10_000, 200_000} {
		b.Run(fmt.Sprintf("records=%d", records), func(b *testing.B) {
			f := benchStore(b, records)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				key := benchKey(i * 7919 % records)
				err := f.View(context.Background(), func(r Reader) error {
					_, err := r.Get(key)
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkScan(b *testing.B) {
	const records = 100_000
	f := benchStore(b, records)
	b.ReportAllocs()
	b.ResetTimer()
	n := 0
	for n < b.N {
		err := f.View(context.Background(), func(r Reader) error {
			for _, err := range r.Scan(Range{Limit: b.N - n}) {
				if err != nil {
					return err
				}
				n++
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkMemo(b *testing.B) {
	f := benchStore(b, 1000)
	m := NewMemo(f, func(r Reader, key []byte) (int, error) {
		v, err := r.Get(key)
		return len(v), err
	}, MemoOptions{})
	defer m.Close()
	key := string(benchKey(7))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if n, err := m.Get(context.Background(), key); err != nil || n != 1024 {
				b.Fatal(n, err)
			}
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	const records = 200_000
	dir, root := b.TempDir(), newTestRoot()
	f, err := OpenFile(dir, root, Options{})
	if err != nil {
		b.Fatal(err)
	}
	fillStore(b, f, records, 300)
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		f, err := OpenFile(dir, root, Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
