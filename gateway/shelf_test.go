package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/wire"
)

type shelfPutInput struct {
	Bucket, Key *string
	Body        io.Reader
}

type shelfPutOutput struct{ ETag *string }

type shelfGetInput struct{ Bucket, Key *string }

type shelfGetOutput struct{ Body io.ReadCloser }

type shelfDeleteInput struct {
	Bucket *string
	Delete *shelfDelete
}

type shelfDelete struct{ Keys []string }

type shelfDeleteOutput struct{ Deleted []string }

func shelfDefinition() *wire.Service {
	return wire.Define(&wire.Definition{
		Service: wire.Service{
			Name: "s3", ID: "Shelf", Version: "2020-01-01", Protocol: wire.RESTXML, SigningName: "s3", EventSource: "s3.amazonaws.com",
		},
		Shapes: []wire.ShapeDef{
			{Name: "Text", Kind: wire.String},
			{Name: "Stream", Kind: wire.Blob},
			{Name: "Texts", Kind: wire.List, Elem: &wire.MemberDef{Name: "member", Shape: "Text"}, Flags: wire.Flattened},
			{Name: "Delete", Kind: wire.Structure, Zero: (*shelfDelete)(nil), Members: []wire.MemberDef{{Name: "Keys", Shape: "Texts", WireName: "Key"}}},
			{Name: "PutIn", Kind: wire.Structure, Zero: (*shelfPutInput)(nil), Payload: "Body", Members: []wire.MemberDef{
				{Name: "Bucket", Shape: "Text", Location: wire.URI, Flags: wire.Required},
				{Name: "Key", Shape: "Text", Location: wire.URI, Flags: wire.Required},
				{Name: "Body", Shape: "Stream", Flags: wire.Streaming},
			}},
			{Name: "PutOut", Kind: wire.Structure, Zero: (*shelfPutOutput)(nil), Members: []wire.MemberDef{
				{Name: "ETag", Shape: "Text", Location: wire.Header},
			}},
			{Name: "GetIn", Kind: wire.Structure, Zero: (*shelfGetInput)(nil), Members: []wire.MemberDef{
				{Name: "Bucket", Shape: "Text", Location: wire.URI, Flags: wire.Required},
				{Name: "Key", Shape: "Text", Location: wire.URI, Flags: wire.Required},
			}},
			{Name: "GetOut", Kind: wire.Structure, Zero: (*shelfGetOutput)(nil), Payload: "Body", Members: []wire.MemberDef{
				{Name: "Body", Shape: "Stream", Flags: wire.Streaming},
			}},
			{Name: "DeleteIn", Kind: wire.Structure, Zero: (*shelfDeleteInput)(nil), Payload: "Delete", Members: []wire.MemberDef{
				{Name: "Bucket", Shape: "Text", Location: wire.URI, Flags: wire.Required}, {Name: "Delete", Shape: "Delete"},
			}},
			{Name: "DeleteOut", Kind: wire.Structure, Zero: (*shelfDeleteOutput)(nil), Members: []wire.MemberDef{{Name: "Deleted", Shape: "Texts"}}},
		},
		Operations: []wire.OperationDef{
			{Operation: wire.Operation{Name: "DeleteObjects", Method: "POST", Path: "/{Bucket}?delete", Invoke: func(ctx context.Context, impl, in any) (any, error) {
				return answer(impl.(*shelf).DeleteObjects(ctx, in.(*shelfDeleteInput)))
			}}, Input: "DeleteIn", Output: "DeleteOut"},
			{Operation: wire.Operation{Name: "GetObject", Method: "GET", Path: "/{Bucket}/{Key+}", ReadOnly: true, Invoke: func(ctx context.Context, impl, in any) (any, error) {
				return answer(impl.(*shelf).GetObject(ctx, in.(*shelfGetInput)))
			}}, Input: "GetIn", Output: "GetOut"},
			{Operation: wire.Operation{Name: "PutObject", Method: "PUT", Path: "/{Bucket}/{Key+}", Invoke: func(ctx context.Context, impl, in any) (any, error) {
				return answer(impl.(*shelf).PutObject(ctx, in.(*shelfPutInput)))
			}}, Input: "PutIn", Output: "PutOut"},
		},
	})
}

// shelf keeps objects in memory.
type shelf struct {
	mu      sync.Mutex
	objects map[string][]byte
	onGet   func(ctx context.Context, body []byte) (io.ReadCloser, error)
	seen    http.Header // trailer of the last put
}

func (s *shelf) PutObject(ctx context.Context, in *shelfPutInput) (*shelfPutOutput, error) {
	body, err := io.ReadAll(in.Body)
	if err != nil {
		return nil, errors.Join(errors.New("storing"), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[*in.Bucket+"/"+*in.Key] = body
	s.seen = call.From(ctx).HTTP.Trailer
	return &shelfPutOutput{ETag: wire.Ptr(`"1"`)}, nil
}

func (s *shelf) GetObject(ctx context.Context, in *shelfGetInput) (*shelfGetOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, ok := s.objects[*in.Bucket+"/"+*in.Key]
	if !ok {
		return nil, wire.Errorf("NoSuchKey", 404, "The specified key does not exist.")
	}
	if s.onGet != nil {
		stream, err := s.onGet(ctx, body)
		return &shelfGetOutput{Body: stream}, err
	}
	return &shelfGetOutput{Body: io.NopCloser(bytes.NewReader(body))}, nil
}

func (s *shelf) DeleteObjects(_ context.Context, in *shelfDeleteInput) (*shelfDeleteOutput, error) {
	return &shelfDeleteOutput{Deleted: in.Delete.Keys}, nil
}

// shelfTarget: the bucket "public" lets everybody read.
func shelfTarget(_ context.Context, c *call.Call) (call.Target, error) {
	var bucket, key string
	switch in := c.In.(type) {
	case *shelfPutInput:
		bucket, key = *in.Bucket, *in.Key
	case *shelfGetInput:
		bucket, key = *in.Bucket, *in.Key
	case *shelfDeleteInput:
		bucket = *in.Bucket
	}
	check := call.Check{Action: "s3:" + c.Op.Name, Resource: "arn:aws:s3:::" + bucket + "/" + key, Type: "AWS::S3::Object", Account: testAccount}
	if bucket == "public" {
		check.Policy = publicRead
	}
	return call.Target{Checks: []call.Check{check}}, nil
}
