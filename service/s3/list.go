package s3

import (
	"context"
	"errors"
	"iter"
	"strings"

	"github.com/strongroom/strongroom/service/s3/object"
	"github.com/strongroom/strongroom/store"
)

// objectNames lists the objects of a bucket from one snapshot.
type objectNames struct {
	r      store.Reader
	prefix string
}

// Scan yields the objects whose keys are from <= key < to.
func (n objectNames) Scan(from, to string) iter.Seq2[object.Named[summary], error] {
	return func(yield func(object.Named[summary], error) bool) {
		for rec, err := range n.r.Scan(span(n.prefix, from, to)) {
			var named object.Named[summary]
			if err == nil {
				named.Key = string(rec.Key[len(n.prefix):])
				named.Entry, err = unpackSummary(named.Key, rec.Value)
			}
			if !yield(named, err) || err != nil {
				return
			}
		}
	}
}

// span is the range of the store for names under a prefix of the store's.
func span(prefix, from, to string) store.Range {
	r := store.Range{From: []byte(prefix + from), To: store.PrefixEnd([]byte(prefix))}
	if to != "" {
		r.To = []byte(prefix + to)
	}
	return r
}

// list makes a page of a bucket's objects.
func (s *Service) list(ctx context.Context, b *bucket, q object.Query) (page *object.Page[summary], err error) {
	err = s.db.View(ctx, func(r store.Reader) (err error) {
		page, err = object.List(objectNames{r, objectPrefix(b.ID)}, q)
		return err
	})
	return page, err
}

// uploadNames lists the uploads of a bucket. The name of an upload is its place in the
// store behind the bucket's prefix: its key as keys.go writes it, and its id.
type uploadNames struct {
	r      store.Reader
	prefix string
}

// Scan yields the uploads whose names are from <= name < to.
func (n uploadNames) Scan(from, to string) iter.Seq2[object.Named[listedUpload], error] {
	return func(yield func(object.Named[listedUpload], error) bool) {
		for rec, err := range n.r.Scan(span(n.prefix, from, to)) {
			var named object.Named[listedUpload]
			if err == nil {
				named.Key = string(rec.Key[len(n.prefix):])
				named.Entry.Key, _, err = splitUploadKey(named.Key)
			}
			if err == nil {
				named.Entry.upload, err = unpackUpload(rec.Value)
			}
			if !yield(named, err) || err != nil {
				return
			}
		}
	}
}

// listedUpload is an upload with the key it is for.
type listedUpload struct {
	Key string
	*upload
}

// uploadQuery asks for uploads ordered by key and then by time. After a marker of key
// and id it goes on behind that upload; of a key alone, behind all uploads of that key.
func uploadQuery(prefix, delimiter, keyMarker, idMarker string, limit int) object.Query {
	q := object.Query{Prefix: zeros.Replace(prefix), Delimiter: zeros.Replace(delimiter), Limit: limit, Visible: uploadKeyPart}
	switch {
	case keyMarker == "":
	case idMarker != "":
		q.After = zeros.Replace(keyMarker) + uploadKeyEnd + idMarker
	case delimiter != "" && strings.HasSuffix(keyMarker, delimiter):
		q.After = zeros.Replace(keyMarker) // the common prefix that a page ended with
	default:
		q.After = zeros.Replace(keyMarker) + uploadKeyEnd + "~" // sorts behind all ids
	}
	return q
}

// listUploads makes a page of a bucket's uploads.
func (s *Service) listUploads(ctx context.Context, b *bucket, q object.Query) (page *object.Page[listedUpload], err error) {
	err = s.db.View(ctx, func(r store.Reader) (err error) {
		page, err = object.List(uploadNames{r, uploadsPrefix(b.ID)}, q)
		return err
	})
	return page, err
}

// ownedBuckets makes a page of the buckets of an account, by name.
func (s *Service) ownedBuckets(ctx context.Context, account, prefix, after, region string, limit int) (list []*bucket, more bool, err error) {
	var names []string
	owned := ownerPrefix(account)
	err = s.db.View(ctx, func(r store.Reader) error {
		scan := store.Prefix([]byte(owned + prefix))
		if after >= prefix && after != "" {
			scan.From = []byte(owned + after + "\x00")
		}
		for rec, err := range r.Scan(scan) {
			if err != nil {
				return err
			}
			if region != "" && string(rec.Value) != region {
				continue
			}
			if len(names) == limit {
				more = true
				return nil
			}
			names = append(names, string(rec.Key[len(owned):]))
		}
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	for _, name := range names {
		b, err := s.buckets.Get(ctx, string(bucketKey(name)))
		if errors.Is(err, store.ErrNotFound) {
			continue // deleted since
		}
		if err != nil {
			return nil, false, err
		}
		list = append(list, b)
	}
	return list, more, nil
}
