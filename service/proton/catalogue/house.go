package catalogue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/api/sts"
	"github.com/strongroom/strongroom/wire"
)

// House is the house that a catalogue is taken from or brought to, as its caller sees it.
type House struct {
	Region string
	Proton *api.Client
	S3     *s3.Client // of an import
	STS    *sts.Client
	Say    func(format string, args ...any) // hears of every step; may be nil
}

func (h *House) say(format string, args ...any) {
	if h.Say != nil {
		h.Say(format, args...)
	}
}

// account is the caller's.
func (h *House) account(ctx context.Context) (string, error) {
	out, err := h.STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", err
	}
	return wire.Val(out.Account), nil
}

// maxPages bounds a listing, so that it ends whatever is answered.
const maxPages = 10_000

// all reads a whole listing.
func all[T any](page func(token *string) ([]T, *string, error)) (items []T, err error) {
	var token *string
	for range maxPages {
		some, next, err := page(token)
		if err != nil {
			return nil, err
		}
		items = append(items, some...)
		if next == nil {
			return items, nil
		}
		token = next
	}
	return nil, errors.New("the listing does not end")
}

// tags are those of a resource.
func (h *House) tags(ctx context.Context, arn *string) (tags, error) {
	list, err := all(func(token *string) ([]api.Tag, *string, error) {
		out, err := h.Proton.ListTagsForResource(ctx, &api.ListTagsForResourceInput{ResourceArn: arn, NextToken: token})
		if err != nil {
			return nil, nil, err
		}
		return out.Tags, out.NextToken, nil
	})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	found := make(tags, len(list))
	for _, t := range list {
		found[wire.Val(t.Key)] = wire.Val(t.Value)
	}
	return found, nil
}

// list are tags as the API takes them, in order.
func (t tags) list() (list []api.Tag) {
	for _, k := range slices.Sorted(maps.Keys(t)) {
		list = append(list, api.Tag{Key: wire.Ptr(k), Value: wire.Ptr(t[k])})
	}
	return list
}

// tag gives a resource the tags that it has not, or has with other values.
func (h *House) tag(ctx context.Context, arn string, want tags) error {
	have, err := h.tags(ctx, &arn)
	if err != nil {
		return err
	}
	missing := tags{}
	for k, v := range want {
		if old, ok := have[k]; !ok || old != v {
			missing[k] = v
		}
	}
	if len(missing) == 0 {
		return nil
	}
	h.say("  tags")
	_, err = h.Proton.TagResource(ctx, &api.TagResourceInput{ResourceArn: &arn, Tags: missing.list()})
	return err
}

// isCode reports whether err is an error of the API with the code.
func isCode(err error, code string) bool {
	var e *wire.Error
	return errors.As(err, &e) && e.Code == code
}

func missing(err error) bool { return isCode(err, "ResourceNotFoundException") }

// given is a value that an input leaves out when it is "".
func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// about says what an error is about.
func about(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
}
