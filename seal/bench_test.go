package seal

import (
	"bytes"
	"io"
	"testing"
)

func BenchmarkSealer(b *testing.B) {
	plain := make([]byte, 64<<20)
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		s, _ := NewSealer(bytes.NewReader(plain), testKey, testAAD)
		if _, err := s.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWriter(b *testing.B) {
	plain := make([]byte, 64<<20)
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		w, _ := NewWriter(io.Discard, testKey, testAAD)
		w.Write(plain)
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReader(b *testing.B) {
	plain := make([]byte, 64<<20)
	sealed := mustSeal(b, plain)
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := NewReader(bytes.NewReader(sealed), testKey, testAAD)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSmallStream(b *testing.B) {
	plain := make([]byte, 4<<10)
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		s, _ := NewSealer(bytes.NewReader(plain), testKey, testAAD)
		if _, err := s.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBytes(b *testing.B) {
	plain := make([]byte, 1<<10)
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Bytes(testKey, plain, testAAD); err != nil {
			b.Fatal(err)
		}
	}
}
