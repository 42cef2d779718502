package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"sort"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/service/s3/checksum"
	"github.com/strongroom/strongroom/service/s3/object"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// completion is a request to make an object of an upload's parts.
type completion struct {
	bucket *bucket
	key    string
	upload id
	parts  []api.CompletedPart
	guard  object.Guard
	size   *int64             // that the object must have
	want   []byte             // checksum that the object must have; nil for none
	wantOf checksum.Algorithm // of want
	kind   api.ChecksumType
}

// finished is what is remembered of a completed upload, so that asking again gets the
// same answer.
type finished struct {
	Bucket, Key string
	Parts       string // numbers and tags, to tell a repetition from another request
	Answer      api.CompleteMultipartUploadOutput
}

// memo tells which parts a request names, in a few bytes.
func (r *completion) memo() string {
	h := sha256.New()
	for i := range r.parts {
		io.WriteString(h, object.Unquote(wire.Val(r.parts[i].ETag)))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil))
}

// complete makes the object. No byte of the parts is touched: the manifest names their
// pieces.
func (s *Service) complete(ctx context.Context, r *completion) (*stored, error) {
	u, have, err := s.snapshot(ctx, r.bucket, r.key, r.upload)
	if err != nil {
		return nil, err
	}
	chosen, err := r.choose(have)
	if err != nil {
		return nil, err
	}
	made, segments, err := s.assemble(r, u, chosen)
	if err != nil {
		return nil, err
	}
	if u.Seal.Mode == sseKMS || u.Seal.Mode == dsseKMS {
		// Completing needs kms:Decrypt: whoever cannot read the parts cannot make an object of them.
		keys, err := s.openKeys(ctx, &u.Seal, r.bucket, r.key, customerKey{})
		if err != nil {
			return nil, err
		}
		u.Seal.wipe(&keys)
	}
	answer, err := json.Marshal(finished{r.bucket.ID, r.key, r.memo(), *completed(r.bucket, r.key, made)})
	if err != nil {
		return nil, err
	}
	err = s.update(ctx, func(tx store.Tx) error { return s.finish(tx, r, u, made, segments, answer) })
	return made, err
}

// choose matches the parts that a request names with those that are there.
func (r *completion) choose(have []part) ([]part, error) {
	if len(r.parts) == 0 || len(r.parts) > maxParts {
		return nil, malformedXML()
	}
	for i := 1; i < len(r.parts); i++ {
		if wire.Val(r.parts[i].PartNumber) <= wire.Val(r.parts[i-1].PartNumber) {
			return nil, badRequest("InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number.")
		}
	}
	chosen := make([]part, 0, len(r.parts))
	for i := range r.parts {
		asked := &r.parts[i]
		number := int(wire.Val(asked.PartNumber))
		at := sort.Search(len(have), func(i int) bool { return have[i].Number >= number })
		if at == len(have) || have[at].Number != number || !have[at].is(asked) {
			return nil, badRequest("InvalidPart", "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.")
		}
		if have[at].Piece.Size < minPart && i < len(r.parts)-1 {
			return nil, badRequest("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
		}
		chosen = append(chosen, have[at])
	}
	return chosen, nil
}

// is reports whether v is the part that a request means: by its tag and, where the
// request says one, its checksum.
func (v *part) is(asked *api.CompletedPart) bool {
	if object.Unquote(wire.Val(asked.ETag)) != (object.ETag{Sum: v.Tag}).Bare() {
		return false
	}
	values := [...]*string{nil, asked.ChecksumCRC32, asked.ChecksumCRC32C, asked.ChecksumCRC64NVME, asked.ChecksumSHA1, asked.ChecksumSHA256}
	for a, value := range values {
		if value != nil && (checksum.Algorithm(a) != v.Sum.Algorithm || *value != checksum.Encode(v.Sum.Value)) {
			return false
		}
	}
	return true
}

// assemble makes the object's record and the segments of its manifest.
func (s *Service) assemble(r *completion, u *upload, chosen []part) (*stored, []segment, error) {
	made := &stored{Modified: s.at(), description: u.description, Seal: u.Seal, Manifest: u.ID}
	segments := make([]segment, len(chosen))
	tags := make([][16]byte, len(chosen))
	sums := make([]checksum.Part, len(chosen))
	for i := range chosen {
		p := &chosen[i]
		segments[i], tags[i] = segment{p.Piece, p.Sum.Value}, p.Tag
		sums[i] = checksum.Part{Sum: p.Sum.Value, Size: p.Piece.Size}
		made.Size += p.Piece.Size
		if i%chunkSegments == 0 {
			made.Chunks = append(made.Chunks, 0)
		}
		made.Chunks[i/chunkSegments] += p.Piece.Size
	}
	if made.Size > maxObject {
		return nil, nil, entityTooLarge()
	}
	if r.size != nil && *r.size != made.Size {
		return nil, nil, invalidRequest("The provided 'x-amz-mp-object-size' header value %d does not match what was computed: %d", *r.size, made.Size)
	}
	made.ETag = object.ETagOfParts(tags)
	made.Sum = sum{Algorithm: u.Sum.Algorithm, Type: u.Sum.Type}
	var err error
	if made.Sum.Value, err = checksum.OfParts(u.Sum.Algorithm, u.Sum.Type, sums); err != nil {
		return nil, nil, err
	}
	return made, segments, r.check(made, u.Asked)
}

// check compares the checksum that the request expects of the object. asked says that the upload was begun with an algorithm.
func (r *completion) check(made *stored, asked bool) error {
	if r.kind != "" && string(r.kind) != made.Sum.Type.String() {
		return invalidRequest("The upload was created using the %s checksum mode. The complete request must use the same checksum mode.", made.Sum.Type)
	}
	if r.want == nil {
		return nil
	}
	if r.wantOf != made.Sum.Algorithm {
		if !asked {
			// S3 takes no notice of a checksum here that the upload was not begun with: its parts have no such sums.
			return nil
		}
		return invalidRequest("Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s", made.Sum.Algorithm, r.wantOf)
	}
	if !bytes.Equal(r.want, made.Sum.Value) {
		return badDigest(r.wantOf.String())
	}
	return nil
}

// finish turns the upload into the object, all in one transaction.
func (s *Service) finish(tx store.Tx, r *completion, seen *upload, made *stored, segments []segment, answer []byte) error {
	now, err := loadUpload(tx, r.bucket, r.key, seen.ID)
	if err != nil {
		return err
	}
	if now.Replaced != seen.Replaced {
		return conflict() // a part was replaced after the list of parts had been read
	}
	for chunk := 0; len(segments) > 0; chunk++ {
		n := min(chunkSegments, len(segments))
		if err := tx.Put(manifestKey(made.Manifest, chunk), packChunk(segments[:n])); err != nil {
			return err
		}
		segments = segments[n:]
	}
	if err := s.putObject(tx, r.bucket, r.key, made, r.guard); err != nil {
		return err
	}
	if err := tx.Delete(uploadKey(r.bucket.ID, r.key, seen.ID)); err != nil {
		return err
	}
	if err := tx.Put(completedKey(seen.ID), answer); err != nil {
		return err
	}
	if err := tx.Put(trashKey(s.at().Add(rememberFor), trashCompleted, seen.ID.String()), nil); err != nil {
		return err
	}
	return tx.Put(trashKey(s.at().Add(grace), trashUpload, seen.ID.String()), nil)
}

// again returns the answer that completing an upload got before, if the same is asked again.
func (s *Service) again(ctx context.Context, r *completion) (*api.CompleteMultipartUploadOutput, error) {
	var done finished
	err := s.db.View(ctx, func(rd store.Reader) error {
		value, err := rd.Get(completedKey(r.upload))
		if err != nil {
			return err
		}
		return json.Unmarshal(value, &done)
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, noSuchUpload()
	}
	if err != nil {
		return nil, err
	}
	if done.Bucket != r.bucket.ID || done.Key != r.key || done.Parts != r.memo() {
		return nil, noSuchUpload()
	}
	return &done.Answer, nil
}
