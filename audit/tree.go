package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// tree is the growing edge of an account's Merkle tree (RFC 6962 section 2.1): its size
// and the roots of its complete subtrees, one for each bit of the size. It is a value:
// a copy grows on its own, which is how a commit that fails is forgotten.
type tree struct {
	size uint64
	edge [64]tlog.Hash // edge[i] is meaningful where bit i of size is set
}

// grow adds a leaf and appends the hashes that are complete with it, in the order of
// tlog.StoredHashIndex: the leaf, then each subtree that it completes.
func (t *tree) grow(leaf tlog.Hash, stored []tlog.Hash) []tlog.Hash {
	h := leaf
	stored = append(stored, h)
	level := 0
	for ; t.size>>level&1 == 1; level++ {
		h = tlog.NodeHash(t.edge[level], h)
		stored = append(stored, h)
		t.edge[level] = tlog.Hash{} // so that equal trees are equal values
	}
	t.edge[level] = h
	t.size++
	return stored
}

// root returns the tree's head, the hash over all its leaves.
func (t *tree) root() tlog.Hash {
	if t.size == 0 {
		return sha256.Sum256(nil)
	}
	low := bits.TrailingZeros64(t.size)
	h := t.edge[low]
	for level := low + 1; t.size>>level != 0; level++ {
		if t.size>>level&1 == 1 {
			h = tlog.NodeHash(t.edge[level], h)
		}
	}
	return h
}

// checkpointOrigin begins the first line of every checkpoint; the account follows.
const checkpointOrigin = "strongroom/audit/"

// checkpointText is what a checkpoint signs, in the form of the transparency.dev
// checkpoint: origin, size and head, a line each.
func checkpointText(account string, size uint64, head tlog.Hash) string {
	return fmt.Sprintf("%s%s\n%d\n%s\n", checkpointOrigin, account, size, base64.StdEncoding.EncodeToString(head[:]))
}

// noteAlgorithm is the signature type of Ed25519 in package note's key encoding.
const noteAlgorithm = 1

// checkpointKey makes the signer and the verifier text of a house from 32 secret bytes.
func checkpointKey(seed []byte) (note.Signer, string, error) {
	private := ed25519.NewKeyFromSeed(seed)
	public := append([]byte{noteAlgorithm}, private.Public().(ed25519.PublicKey)...)
	const name = "strongroom"
	sum := sha256.Sum256(append([]byte(name+"\n"), public...))
	id := fmt.Sprintf("%08x", uint32(sum[0])<<24|uint32(sum[1])<<16|uint32(sum[2])<<8|uint32(sum[3]))
	skey := "PRIVATE+KEY+" + name + "+" + id + "+" + base64.StdEncoding.EncodeToString(append([]byte{noteAlgorithm}, seed...))
	signer, err := note.NewSigner(skey)
	if err != nil {
		return nil, "", fmt.Errorf("audit: checkpoint key: %w", err)
	}
	return signer, name + "+" + id + "+" + base64.StdEncoding.EncodeToString(public), nil
}

// ErrCheckpoint says that a checkpoint was not signed by the house, or that a log does
// not hold what the checkpoint says it held.
var ErrCheckpoint = errors.New("audit checkpoint does not hold")

// openCheckpoint verifies a checkpoint's signature and returns what it says.
func openCheckpoint(text []byte, verifier string) (account string, size uint64, head tlog.Hash, err error) {
	v, err := note.NewVerifier(verifier)
	if err != nil {
		return "", 0, head, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	n, err := note.Open(text, note.VerifierList(v))
	if err != nil {
		return "", 0, head, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	var encoded string
	if _, err := fmt.Sscanf(n.Text, checkpointOrigin+"%s\n%d\n%s\n", &account, &size, &encoded); err != nil {
		return "", 0, head, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(raw) != tlog.HashSize {
		return "", 0, head, fmt.Errorf("%w: malformed head", ErrCheckpoint)
	}
	return account, size, tlog.Hash(raw), nil
}
