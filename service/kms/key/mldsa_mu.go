package key

import (
	"bytes"
	"crypto/sha3"
)

// The verification of ML-DSA from the message representative mu: FIPS 204, algorithm 8, from line 7
// on. The library signs a representative, but verifies whole messages only. All that is handled here
// is public, so nothing need take the same time whatever it sees.

const (
	mldsaQ    = 8380417
	mldsaD    = 13
	mldsaN    = 256
	mldsaZeta = 1753 // a 512th root of unity modulo q
)

// mldsaSet is a parameter set (FIPS 204, table 1).
type mldsaSet struct {
	k, l, tau, omega int
	beta, gamma1     int32
	gamma2           int32
	challenge        int // bytes of the commitment hash
	bits             int // of a coefficient of z
	w1Bits           int // of a coefficient of w1
}

var mldsaSets = map[Spec]mldsaSet{
	MLDSA44: {k: 4, l: 4, tau: 39, omega: 80, beta: 78, gamma1: 1 << 17, gamma2: (mldsaQ - 1) / 88, challenge: 32, bits: 18, w1Bits: 6},
	MLDSA65: {k: 6, l: 5, tau: 49, omega: 55, beta: 196, gamma1: 1 << 19, gamma2: (mldsaQ - 1) / 32, challenge: 48, bits: 20, w1Bits: 4},
	MLDSA87: {k: 8, l: 7, tau: 60, omega: 75, beta: 120, gamma1: 1 << 19, gamma2: (mldsaQ - 1) / 32, challenge: 64, bits: 20, w1Bits: 4},
}

// poly is a polynomial, or its transform, with coefficients from 0 to q-1.
type poly [mldsaN]uint32

// zetas are the powers of the root that the transform multiplies by (FIPS 204, appendix B).
var zetas = func() (z poly) {
	for k := range z {
		r := 0 // the bits of k in reverse
		for b := range 8 {
			r |= k >> b & 1 << (7 - b)
		}
		z[k] = 1
		for range r {
			z[k] = mulQ(z[k], mldsaZeta)
		}
	}
	return z
}()

func mulQ(a, b uint32) uint32 { return uint32(uint64(a) * uint64(b) % mldsaQ) }
func addQ(a, b uint32) uint32 { return (a + b) % mldsaQ }
func subQ(a, b uint32) uint32 { return (a + mldsaQ - b) % mldsaQ }

// fromInt returns x modulo q, for an x between -q and q.
func fromInt(x int32) uint32 { return uint32((x + mldsaQ) % mldsaQ) }

// verifyMu reports whether signature is one of the message with representative mu, by the key whose
// encoding is public.
func verifyMu(spec Spec, public, mu, signature []byte) bool {
	p := mldsaSets[spec]
	zBytes := mldsaN * p.bits / 8
	if len(public) != 32+p.k*mldsaN*10/8 || len(signature) != p.challenge+p.l*zBytes+p.omega+p.k {
		return false
	}
	challenge, rest := signature[:p.challenge], signature[p.challenge:]
	z := make([]poly, p.l)
	for i := range z {
		if !p.unpackZ(&z[i], rest[i*zBytes:(i+1)*zBytes]) {
			return false
		}
		z[i].ntt()
	}
	hints, ok := p.unpackHints(rest[p.l*zBytes:])
	if !ok {
		return false
	}
	c := p.sampleInBall(challenge)
	c.ntt()
	h := sha3.NewSHAKE256()
	_, _ = h.Write(mu)
	for r := range p.k {
		w := p.commitment(public, r, z, &c)
		_, _ = h.Write(p.packW1(&w, &hints[r]))
	}
	want := make([]byte, p.challenge)
	_, _ = h.Read(want)
	return bytes.Equal(want, challenge)
}

// commitment returns row r of Az - ct, with t rounded as the public key has it.
func (p *mldsaSet) commitment(public []byte, r int, z []poly, c *poly) (w poly) {
	for s := range p.l {
		a := rejectionSample(public[:32], byte(s), byte(r))
		for i := range w {
			w[i] = addQ(w[i], mulQ(a[i], z[s][i]))
		}
	}
	var t poly
	for i, v := range unpackBits(public[32+r*mldsaN*10/8:], 10) {
		t[i] = v << mldsaD % mldsaQ
	}
	t.ntt()
	for i := range w {
		w[i] = subQ(w[i], mulQ(c[i], t[i]))
	}
	w.inverse()
	return w
}

// unpackBits reads the coefficients of a polynomial, each so many bits, the lowest first.
func unpackBits(b []byte, bits int) (v poly) {
	acc, have, at := uint64(0), 0, 0
	for i := range v {
		for have < bits {
			acc |= uint64(b[at]) << have
			have, at = have+8, at+1
		}
		v[i] = uint32(acc & (1<<bits - 1))
		acc, have = acc>>bits, have-bits
	}
	return v
}

// unpackZ reads a polynomial of z, whose coefficients must be within the norm.
func (p *mldsaSet) unpackZ(z *poly, b []byte) bool {
	for i, v := range unpackBits(b, p.bits) {
		x := p.gamma1 - int32(v)
		if x >= p.gamma1-p.beta || -x >= p.gamma1-p.beta {
			return false
		}
		z[i] = fromInt(x)
	}
	return true
}

// unpackHints is algorithm 21: every vector of hints has one encoding, and any other is refused.
func (p *mldsaSet) unpackHints(b []byte) (hints []poly, ok bool) {
	hints = make([]poly, p.k)
	at := 0
	for i := range p.k {
		end := int(b[p.omega+i])
		if end < at || end > p.omega {
			return nil, false
		}
		for first := at; at < end; at++ {
			if at > first && b[at-1] >= b[at] {
				return nil, false
			}
			hints[i][b[at]] = 1
		}
	}
	for ; at < p.omega; at++ {
		if b[at] != 0 {
			return nil, false
		}
	}
	return hints, true
}

// packW1 applies the hints to the row of the commitment and writes its high bits (algorithms 40, 36 and 28).
func (p *mldsaSet) packW1(w, hint *poly) []byte {
	out := make([]byte, 0, mldsaN*p.w1Bits/8)
	m := (mldsaQ - 1) / (2 * p.gamma2)
	acc, have := uint64(0), 0
	for i, v := range w {
		r1, r0 := p.decompose(int32(v))
		if hint[i] == 1 && r0 > 0 {
			r1 = (r1 + 1) % m
		} else if hint[i] == 1 {
			r1 = (r1 - 1 + m) % m
		}
		acc |= uint64(r1) << have
		for have += p.w1Bits; have >= 8; have -= 8 {
			out, acc = append(out, byte(acc)), acc>>8
		}
	}
	return out
}

// decompose is algorithm 36.
func (p *mldsaSet) decompose(r int32) (r1, r0 int32) {
	if r0 = r % (2 * p.gamma2); r0 > p.gamma2 {
		r0 -= 2 * p.gamma2
	}
	if r-r0 == mldsaQ-1 {
		return 0, r0 - 1
	}
	return (r - r0) / (2 * p.gamma2), r0
}

// sampleInBall is algorithm 29.
func (p *mldsaSet) sampleInBall(seed []byte) (c poly) {
	h := sha3.NewSHAKE256()
	_, _ = h.Write(seed)
	var signs [8]byte
	_, _ = h.Read(signs[:])
	for i := mldsaN - p.tau; i < mldsaN; i++ {
		var j [1]byte
		for _, _ = h.Read(j[:]); int(j[0]) > i; {
			_, _ = h.Read(j[:])
		}
		c[i] = c[j[0]]
		n := i + p.tau - mldsaN
		c[j[0]] = 1
		if signs[n/8]>>(n%8)&1 == 1 {
			c[j[0]] = mldsaQ - 1
		}
	}
	return c
}

// rejectionSample is algorithm 30: an element of the matrix A.
func rejectionSample(rho []byte, s, r byte) (a poly) {
	h := sha3.NewSHAKE128()
	_, _ = h.Write(rho)
	_, _ = h.Write([]byte{s, r})
	var block [168]byte // the rate of SHAKE128, a multiple of 3
	for i := 0; i < mldsaN; {
		_, _ = h.Read(block[:])
		for b := block[:]; len(b) > 0 && i < mldsaN; b = b[3:] {
			if v := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2]&0x7f)<<16; v < mldsaQ {
				a[i] = v
				i++
			}
		}
	}
	return a
}

// ntt is algorithm 41.
func (w *poly) ntt() {
	k := 0
	for length := 128; length >= 1; length /= 2 {
		for start := 0; start < mldsaN; start += 2 * length {
			k++
			for j := start; j < start+length; j++ {
				t := mulQ(zetas[k], w[j+length])
				w[j+length], w[j] = subQ(w[j], t), addQ(w[j], t)
			}
		}
	}
}

// inverse is algorithm 42.
func (w *poly) inverse() {
	k := mldsaN
	for length := 1; length < mldsaN; length *= 2 {
		for start := 0; start < mldsaN; start += 2 * length {
			k--
			for j := start; j < start+length; j++ {
				t := w[j]
				w[j] = addQ(t, w[j+length])
				w[j+length] = mulQ(mldsaQ-zetas[k], subQ(t, w[j+length]))
			}
		}
	}
	for i := range w {
		w[i] = mulQ(w[i], 8347681) // 1/256
	}
}
