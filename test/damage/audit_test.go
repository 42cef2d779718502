package damage

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/strongroom/strongroom/test/house"
)

// TestCheckpointFindsWhatIsMissing: a log whose newest records were taken away reads well, and a checkpoint that
// somebody kept shows it; what was proved before stays proved.
func TestCheckpointFindsWhatIsMissing(t *testing.T) {
	h := house.Start(t)
	run := func(args ...string) string {
		t.Helper()
		text, err := h.Run(append([]string{"audit"}, args...)...)
		if err != nil {
			t.Fatalf("audit %v: %v\n%s", args, err, text)
		}
		return text
	}
	keep := func(name, text string) string {
		t.Helper()
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	key := keep("house.key", run("key"))
	h.Stop()
	segments, err := filepath.Glob(filepath.Join(h.Dir, "audit", "*"))
	if err != nil {
		t.Fatal(err)
	}
	h.Restart() // and so in another segment
	made, err := h.AsAdmin().KMS().CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	event := created(t, h, *made.KeyMetadata.Arn)
	proof := keep("proof.json", run("prove", event))
	checkpoint := keep("checkpoint.txt", run("checkpoint"))
	if text := run("verify", checkpoint); !strings.Contains(text, "unchanged") {
		t.Errorf("verify says %q", text)
	}
	h.Stop()

	all, err := filepath.Glob(filepath.Join(h.Dir, "audit", "*"))
	if err != nil {
		t.Fatal(err)
	}
	gone := 0
	for _, file := range all {
		if !slices.Contains(segments, file) {
			gone++
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}
	}
	if gone == 0 {
		t.Fatal("the restart has begun no segment")
	}
	h.Restart()
	if text, err := h.Run("audit", "verify", checkpoint); err == nil || !strings.Contains(text, "audit checkpoint does not hold: ") {
		t.Errorf("verify says %q, %v", text, err)
	}
	if text, err := h.Run("audit", "prove", event); err == nil || !strings.Contains(text, "has no record") {
		t.Errorf("prove says %q, %v", text, err)
	}
	h.Stop()
	if text := run("check-proof", "--key", key, proof); !strings.Contains(text, `"CreateKey"`) || !strings.Contains(text, "it is record ") {
		t.Errorf("check-proof says %q", text)
	}
}

// created is the id of the event by which a key was made.
func created(t *testing.T, h *house.House, keyARN string) string {
	t.Helper()
	for until := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		out, err := h.AsAdmin().CloudTrail().LookupEvents(ctx, &cloudtrail.LookupEventsInput{
			LookupAttributes: []types.LookupAttribute{{AttributeKey: types.LookupAttributeKeyEventName, AttributeValue: aws.String("CreateKey")}},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range out.Events {
			if strings.Contains(aws.ToString(e.CloudTrailEvent), keyARN) {
				return *e.EventId
			}
		}
		if time.Now().After(until) {
			t.Fatal("the record of CreateKey does not come")
		}
	}
}
