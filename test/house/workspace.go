package house

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/amp"
)

// NewWorkspace makes a workspace of Managed Prometheus, under the key with an ARN unless that is "", waits until
// it is active, and returns its id.
func (a Account) NewWorkspace(t testing.TB, key string) string {
	t.Helper()
	in := &amp.CreateWorkspaceInput{Alias: aws.String("made-by-a-test")}
	if key != "" {
		in.KmsKeyArn = &key
	}
	out, err := a.AMP().CreateWorkspace(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	quick := func(o *amp.WorkspaceActiveWaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, 200*time.Millisecond
	}
	if err := amp.NewWorkspaceActiveWaiter(a.AMP()).Wait(context.Background(), &amp.DescribeWorkspaceInput{WorkspaceId: out.WorkspaceId}, 2*time.Minute, quick); err != nil {
		t.Fatal(err)
	}
	return *out.WorkspaceId
}
