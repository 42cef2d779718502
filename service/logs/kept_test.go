package logs

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/strongroom/strongroom/api/logs"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// TestLarge: batches that do not fit into a record are blobs, and go with their stream.
func TestLarge(t *testing.T) {
	h := newHouse(t)
	h.group("g", "", "s", "other")
	now := time.Now().UnixMilli()
	var want []string
	for i := range 3 {
		var events []event
		for j := range 4 {
			text := strings.Repeat(fmt.Sprint(i, j), maxEvent)[:maxEvent-eventOverhead]
			events, want = append(events, event{now + int64(i), text}), append(want, text)
		}
		_, err := h.put("g", "s", events...)
		h.ok(err)
	}
	_, err := h.put("g", "other", event{now, strings.Repeat("y", maxInline)}, event{now, strings.Repeat("z", maxInline)})
	h.ok(err)
	if n := h.blobsLeft(); n != 4 {
		t.Errorf("%d blobs", n)
	}
	h.open() // as after a restart
	if got := h.everything("g", "s", 10_000); !slices.Equal(got, want) {
		t.Errorf("got %d events", len(got))
	}
	out, err := h.DescribeLogGroups(h.caller(), &api.DescribeLogGroupsInput{})
	h.ok(err)
	if got, want := *out.LogGroups[0].StoredBytes, int64(3*maxBatch+2*(maxInline+eventOverhead)); got != want {
		t.Errorf("stored bytes: got %d, want %d", got, want)
	}
	_, err = h.DeleteLogStream(h.caller(), &api.DeleteLogStreamInput{LogGroupName: wire.Ptr("g"), LogStreamName: wire.Ptr("s")})
	h.ok(err)
	page, err := h.FilterLogEvents(h.caller(), &api.FilterLogEventsInput{LogGroupName: wire.Ptr("g")})
	h.ok(err)
	if len(page.Events) != 2 || *page.Events[0].LogStreamName != "other" {
		t.Errorf("a deleted stream is found: %d events", len(page.Events))
	}
	h.ahead.Store(int64(-2 * sweepLater)) // blobs are removed a little later
	h.drain("the stream's blobs are removed", func() bool { return h.blobsLeft() == 1 && h.left("e") == 1 && h.left("i") == 1 })
	_, err = h.DeleteLogGroup(h.caller(), &api.DeleteLogGroupInput{LogGroupName: wire.Ptr("g")})
	h.ok(err)
	h.drain("the group's records are removed", func() bool {
		n := h.blobsLeft()
		for _, kind := range []string{"g", "s", "o", "k", "e", "i"} {
			n += h.left(kind)
		}
		return n == 0
	})
}

// TestDeletedGroup: a group that is made again under the same name has nothing of the one before.
func TestDeletedGroup(t *testing.T) {
	h := newHouse(t)
	h.group("g", "", "s")
	_, err := h.put("g", "s", event{time.Now().UnixMilli(), "before"})
	h.ok(err)
	_, err = h.DeleteLogGroup(h.caller(), &api.DeleteLogGroupInput{LogGroupName: wire.Ptr("g")})
	h.ok(err)
	h.group("g", "", "s")
	if got := h.everything("g", "s", 10); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	h.drain("the old group's records are removed", func() bool { return h.left("e") == 0 && h.left("s") == 1 })
	if h.left("g") != 1 {
		t.Error("the new group is gone")
	}
}

// TestKeys: what a customer's key seals is as usable as the key.
func TestKeys(t *testing.T) {
	h := newHouse(t)
	ctx, now := h.caller(), time.Now().UnixMilli()
	for key, code := range map[string]string{
		"not an arn": "InvalidParameterException", "arn:aws:kms:eu-west-2:111122223333:key/1": "InvalidParameterException",
		"arn:aws:kms:eu-west-1:111122223333:alias/x": "InvalidParameterException", "arn:aws:kms:eu-west-1:111122223333:key/other": "AccessDeniedException",
	} {
		_, err := h.CreateLogGroup(ctx, &api.CreateLogGroupInput{LogGroupName: wire.Ptr("none"), KmsKeyId: &key})
		h.is(err, code)
	}
	h.group("g", testKey, "s")
	_, err := h.put("g", "s", event{now, "under the key"})
	h.ok(err)

	h.kms.disabled.Store(true)
	_, err = h.put("g", "s", event{now, "refused"})
	h.is(err, "AccessDeniedException")
	get := &api.GetLogEventsInput{LogGroupName: wire.Ptr("g"), LogStreamName: wire.Ptr("s")}
	_, err = h.GetLogEvents(ctx, get)
	h.is(err, "AccessDeniedException")
	if err != nil && !strings.Contains(err.Error(), "not allowed to be used with Arn 'arn:aws:logs:eu-west-1:111122223333:log-group:g'") {
		t.Error(err)
	}
	_, err = h.FilterLogEvents(ctx, &api.FilterLogEventsInput{LogGroupName: wire.Ptr("g")})
	h.is(err, "AccessDeniedException")
	_, err = h.AssociateKmsKey(ctx, &api.AssociateKmsKeyInput{LogGroupName: wire.Ptr("g"), KmsKeyId: wire.Ptr(testKey)})
	h.is(err, "InvalidParameterException")

	// Without the key, new events go under the service's; the old ones stay where they are.
	_, err = h.DisassociateKmsKey(ctx, &api.DisassociateKmsKeyInput{ResourceIdentifier: wire.Ptr("arn:aws:logs:eu-west-1:111122223333:log-group:g")})
	h.ok(err)
	_, err = h.put("g", "s", event{now + 1, "under the service's"})
	h.ok(err)
	get.StartTime = wire.Ptr(now + 1)
	out, err := h.GetLogEvents(ctx, get)
	h.ok(err)
	if len(out.Events) != 1 {
		t.Errorf("got %+v", out.Events)
	}
	get.StartTime = nil
	_, err = h.GetLogEvents(ctx, get)
	h.is(err, "AccessDeniedException")

	h.kms.disabled.Store(false)
	_, err = h.AssociateKmsKey(ctx, &api.AssociateKmsKeyInput{LogGroupName: wire.Ptr("g"), KmsKeyId: wire.Ptr(testKey)})
	h.ok(err)
	_, err = h.put("g", "s", event{now + 2, "again"})
	h.ok(err)
	if got := h.everything("g", "s", 10); fmt.Sprint(got) != "[under the key under the service's again]" {
		t.Errorf("got %v", got)
	}
	if h.left("k") != 3 {
		t.Errorf("%d data keys", h.left("k"))
	}
}

func TestRetention(t *testing.T) {
	h := newHouse(t)
	ctx, now := h.caller(), time.Now().UnixMilli()
	h.group("g", "", "s")
	for _, days := range []int32{0, 2, 4000, -1} {
		_, err := h.PutRetentionPolicy(ctx, &api.PutRetentionPolicyInput{LogGroupName: wire.Ptr("g"), RetentionInDays: &days})
		h.is(err, "InvalidParameterException")
	}
	large := strings.Repeat("x", maxEvent-eventOverhead)
	_, err := h.put("g", "s", event{now - 2*day, "old"}, event{now - 2*day, large})
	h.ok(err)
	_, err = h.put("g", "s", event{now - day - 1000, "hidden"}, event{now - 2000, "shown"})
	h.ok(err)
	_, err = h.PutRetentionPolicy(ctx, &api.PutRetentionPolicyInput{LogGroupName: wire.Ptr("g"), RetentionInDays: wire.Ptr(int32(1))})
	h.ok(err)
	if got := h.everything("g", "s", 10); fmt.Sprint(got) != "[shown]" {
		t.Errorf("got %v", got)
	}
	h.drain("the old segment is removed", func() bool { return h.left("e") == 1 && h.left("i") == 1 })
	out, err := h.DescribeLogGroups(ctx, &api.DescribeLogGroupsInput{})
	h.ok(err)
	if g := out.LogGroups[0]; *g.RetentionInDays != 1 || *g.StoredBytes != int64(len("hiddenshown")+2*eventOverhead) {
		t.Errorf("described: %+v, %d bytes", g, *g.StoredBytes)
	}

	// A data key goes with its last segment, when it is too old to seal.
	h.ahead.Store(int64(10 * 24 * time.Hour))
	g, err := h.groupNamed(ctx, wire.Ptr("g"), nil)
	h.ok(err)
	h.ok(h.removeBefore(ctx, g, g.oldest(h.milliseconds())))
	if h.left("e") != 0 || h.left("k") != 0 {
		t.Errorf("%d segments and %d data keys are left", h.left("e"), h.left("k"))
	}
	_, err = h.DeleteRetentionPolicy(ctx, &api.DeleteRetentionPolicyInput{LogGroupName: wire.Ptr("g")})
	h.ok(err)
}

// TestSealed: no message stands in the store, and a segment that was moved does not open.
func TestSealed(t *testing.T) {
	h := newHouse(t)
	h.group("g", "", "a")
	_, err := h.put("g", "a", event{time.Now().UnixMilli(), "canary in a record"})
	h.ok(err)
	h.ok(h.store.View(context.Background(), func(r store.Reader) error {
		for rec, err := range r.Scan(store.Range{From: []byte{1}}) {
			if err != nil {
				return err
			}
			if bytes.Contains(rec.Value, []byte("canary")) {
				t.Errorf("a message stands in record %q", rec.Key)
			}
		}
		return nil
	}))
	h.ok(h.store.Update(context.Background(), store.TxID{}, func(tx store.Tx) error {
		for rec, err := range tx.Scan(store.Prefix(below("e"))) {
			if err != nil {
				return err
			}
			moved, text := bytes.Clone(rec.Key), bytes.Clone(rec.Value)
			if err := tx.Delete(moved); err != nil {
				return err
			}
			moved[len(moved)-1] ^= 1
			return tx.Put(moved, text)
		}
		return nil
	}))
	_, err = h.FilterLogEvents(h.caller(), &api.FilterLogEventsInput{LogGroupName: wire.Ptr("g")})
	if err == nil || !strings.Contains(err.Error(), seal.ErrCorrupt.Error()) {
		t.Errorf("a segment that was moved: got %v", err)
	}
}
