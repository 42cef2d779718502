package s3

import (
	"context"
	"crypto/rand"
	"slices"

	api "github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/resource"
	"github.com/strongroom/strongroom/service/s3/checksum"
	"github.com/strongroom/strongroom/service/s3/object"
	"github.com/strongroom/strongroom/store"
)

// order is an object that is to be written.
type order struct {
	bucket *bucket
	key    string
	description
	guard object.Guard
	plan  plan
}

// place says where the order's bytes belong.
func (o *order) place() place { return place{o.bucket.ID, o.key} }

// put stores a body as an object with the checksum of an algorithm. On an error nothing
// of it is left.
func (s *Service) put(ctx context.Context, o *order, in *intake, named checksum.Algorithm) (*stored, error) {
	in.compute(named)
	if err := s.foresee(ctx, o); err != nil {
		return nil, err
	}
	keys, how, err := s.newKeys(ctx, o.plan, o.bucket, o.key)
	if err != nil {
		return nil, err
	}
	defer how.wipe(&keys)
	w, err := s.pieces.write(ctx, in, in.length, &keys, o.place(), s.now())
	if err := in.failure(err); err != nil {
		s.pieces.discard(ctx, w)
		return nil, err
	}
	made := &stored{
		Size: w.Size, Modified: s.at(), description: o.description, Seal: how, Piece: w.piece,
		Sum: sum{named, checksum.FullObject, in.sum(named)},
	}
	made.ETag.Sum = newTag(how.Mode, in)
	err = s.update(ctx, func(tx store.Tx) error {
		if err := s.pieces.keep(tx, w); err != nil {
			return err
		}
		return s.putObject(tx, o.bucket, o.key, made, o.guard)
	})
	s.pieces.settle(ctx, w, err)
	return made, err
}

// foresee decides the order's conditions before its body is read, which spares a client
// the sending of bytes that would not be kept. They are decided again when it is written.
func (s *Service) foresee(ctx context.Context, o *order) error {
	if o.guard == (object.Guard{}) {
		return nil
	}
	if !o.guard.Supported() {
		return notImplemented()
	}
	old, err := s.object(ctx, o.bucket, o.key)
	if err != nil {
		return err
	}
	return decide(o.guard, old)
}

// newTag returns the tag of a body that has been read: its MD5 where S3 promises that,
// else random bytes, since the MD5 of sealed bytes' plaintext would tell of them.
func newTag(m mode, in *intake) (tag [16]byte) {
	if m.plain() {
		return in.tag()
	}
	rand.Read(tag[:])
	return tag
}

// defaultSum is the checksum of objects whose client asked for none.
const defaultSum = checksum.CRC64NVME

// storageClasses are those whose objects can be read at once. Here they are labels.
var storageClasses = []api.StorageClass{
	api.StorageClassStandard, api.StorageClassReducedRedundancy, api.StorageClassStandardIa,
	api.StorageClassOnezoneIa, api.StorageClassIntelligentTiering, api.StorageClassGlacierIr,
}

// storageClass returns the class to store.
func storageClass(asked api.StorageClass) (string, error) {
	switch {
	case asked == "":
		return string(api.StorageClassStandard), nil
	case slices.Contains(storageClasses, asked):
		return string(asked), nil
	case asked == api.StorageClassGlacier || asked == api.StorageClassDeepArchive:
		return "", notImplemented() // their objects would have to be restored before they can be read
	}
	return "", badRequest("InvalidStorageClass", "The storage class you specified is not valid")
}

// checkTags checks the tags of an object or bucket.
func checkTags(tags map[string]string, most int) error {
	if len(tags) > most {
		if most == object.MaxTags {
			return badRequest("BadRequest", "Object tags cannot be greater than %d", most)
		}
		return badRequest("BadRequest", "Bucket tag count cannot be greater than %d", most)
	}
	for k, v := range tags {
		if err := resource.CheckTag(k, v); err != nil {
			return badRequest("InvalidTag", "The tag provided was not a valid tag. This error can occur if the tag did not pass input validation.").WithCause(err)
		}
	}
	return nil
}

// headerTags reads and checks x-amz-tagging.
func headerTags(header *string) (map[string]string, error) {
	if header == nil {
		return nil, nil
	}
	tags, err := object.ParseTagging(*header)
	if err != nil {
		return nil, invalidArgument("The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.").WithCause(err)
	}
	return tags, checkTags(tags, object.MaxTags)
}
