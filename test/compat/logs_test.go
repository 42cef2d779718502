package compat

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/strongroom/strongroom/test/house"
	"github.com/strongroom/strongroom/test/outside"
)

// TestLogsCLI keeps events with each AWS CLI that the machine has.
func TestLogsCLI(t *testing.T) {
	t.Parallel()
	found := outside.AWSCLIs()
	if len(found) == 0 {
		outside.Missing(t, "there is no AWS CLI (Debian: apt-get install awscli)")
	}
	h := house.Start(t)
	for i, client := range found {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			group := fmt.Sprintf("/cli/%d", i)
			aws := func(args ...string) string {
				t.Helper()
				cmd := exec.Command(client, append([]string{"--endpoint-url", h.Endpoint, "logs"}, args...)...)
				cmd.Env = h.Environ(h.Admin)
				text, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("aws logs %v: %v\n%s", args, err, text)
				}
				return strings.TrimSpace(string(text))
			}
			now := time.Now().UnixMilli()
			events, _ := json.Marshal([]map[string]any{
				{"timestamp": now - 1000, "message": `{"level":"info","path":"/"}`}, {"timestamp": now, "message": `{"level":"error","path":"/pay"}`},
			})
			aws("create-log-group", "--log-group-name", group, "--tags", "team=web")
			aws("create-log-stream", "--log-group-name", group, "--log-stream-name", "one")
			aws("put-retention-policy", "--log-group-name", group, "--retention-in-days", "7")
			aws("put-log-events", "--log-group-name", group, "--log-stream-name", "one", "--log-events", string(events))
			got := aws("filter-log-events", "--log-group-name", group, "--filter-pattern", `{ $.level = "error" }`, "--query", "events[].message", "--output", "text")
			if got != `{"level":"error","path":"/pay"}` {
				t.Errorf("filter-log-events: %s", got)
			}
			if got := aws("get-log-events", "--log-group-name", group, "--log-stream-name", "one", "--query", "length(events)"); got != "2" {
				t.Errorf("get-log-events: %s", got)
			}
			if got := aws("describe-log-groups", "--log-group-name-prefix", group, "--query", "logGroups[0].retentionInDays"); got != "7" {
				t.Errorf("describe-log-groups: %s", got)
			}
			tail := exec.Command(client, "--endpoint-url", h.Endpoint, "logs", "tail", group, "--since", "1h", "--format", "short")
			tail.Env = h.Environ(h.Admin)
			text, err := tail.CombinedOutput()
			old := err != nil && strings.Contains(string(text), "nvalid choice") // AWS CLI 1 has no tail
			if !old && (err != nil || strings.Count(string(text), "level") != 2) {
				t.Errorf("tail: %v\n%s", err, text)
			}
			aws("delete-log-group", "--log-group-name", group)
		})
	}
}

// TestLogsUnderAKey: events of a group are as readable as its key allows, with the current SDK over TLS.
func TestLogsUnderAKey(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := house.Start(t)
	admin := h.AsAdmin()
	logs, keys := admin.Logs(), admin.KMS()
	made, err := keys.CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	key, group, stream := made.KeyMetadata.Arn, aws.String("/under/a/key"), aws.String("s")
	_, err = logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group, KmsKeyId: key})
	if house.ErrorCode(err) != "AccessDeniedException" || !strings.Contains(err.Error(), "not allowed to be used with Arn") {
		t.Fatalf("a key whose policy does not let the service use it: %v", err)
	}
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%[1]s:root"},"Action":"kms:*","Resource":"*"},
		{"Effect":"Allow","Principal":{"Service":"logs.%[2]s.amazonaws.com"},"Action":["kms:Encrypt","kms:Decrypt","kms:ReEncrypt*","kms:GenerateDataKey*","kms:Describe*"],"Resource":"*",
		 "Condition":{"ArnEquals":{"kms:EncryptionContext:aws:logs:arn":"arn:aws:logs:%[2]s:%[1]s:log-group:/under/a/key"},"StringEquals":{"aws:SourceAccount":"%[1]s"}}}]}`, h.Account, house.Region)
	if _, err := keys.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: key, Policy: &policy}); err != nil {
		t.Fatal(err)
	}
	if _, err := logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("/another"), KmsKeyId: key}); house.ErrorCode(err) != "AccessDeniedException" {
		t.Errorf("another group than the policy names: %v", err)
	}
	if _, err := logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group, KmsKeyId: key}); err != nil {
		t.Fatal(err)
	}
	if _, err := logs.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: stream}); err != nil {
		t.Fatal(err)
	}
	write := func(message string) error {
		_, err := logs.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{
			LogGroupName: group, LogStreamName: stream, LogEvents: []types.InputLogEvent{{Timestamp: aws.Int64(time.Now().UnixMilli()), Message: &message}},
		})
		return err
	}
	read := func() (string, error) {
		out, err := logs.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: group, LogStreamName: stream, StartFromHead: aws.Bool(true)})
		if err != nil {
			return "", err
		}
		var b strings.Builder
		for _, e := range out.Events {
			b.WriteString(*e.Message + ";")
		}
		return b.String(), nil
	}
	if err := write("one"); err != nil {
		t.Fatal(err)
	}
	// A batch of the largest size, which JSON makes larger.
	large := strings.Repeat("\x01", 200<<10)
	if err := write(large); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.DisableKey(ctx, &kms.DisableKeyInput{KeyId: key}); err != nil {
		t.Fatal(err)
	}
	if err := write("lost"); house.ErrorCode(err) != "AccessDeniedException" {
		t.Errorf("writing under a disabled key: %v", err)
	}
	if _, err := read(); house.ErrorCode(err) != "AccessDeniedException" {
		t.Errorf("reading under a disabled key: %v", err)
	}
	h.Kill()
	h.Restart()
	logs = h.AsAdmin().Logs()
	if _, err := h.AsAdmin().KMS().EnableKey(ctx, &kms.EnableKeyInput{KeyId: key}); err != nil {
		t.Fatal(err)
	}
	if err := write("two"); err != nil {
		t.Fatal(err)
	}
	if got, err := read(); err != nil || got != "one;"+large+";two;" {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}
