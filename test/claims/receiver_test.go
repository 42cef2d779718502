package claims

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/strongroom/strongroom/test/house"
)

const writesOfVersion2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"

// secondRequest is a remote write of version 2 with a sample of each metric, in Snappy's block format; "" is a series without a name.
func secondRequest(at time.Time, metrics ...string) []byte {
	req := message(message(nil, 4, nil), 4, []byte("__name__"))
	for _, name := range metrics {
		req = message(req, 4, []byte(name))
	}
	for i, name := range metrics {
		var series []byte
		if name != "" {
			series = message(series, 1, []byte{1, byte(2 + i)})
		}
		sample := binary.LittleEndian.AppendUint64([]byte{1<<3 | 1}, math.Float64bits(1))
		req = message(req, 5, message(series, 2, binary.AppendUvarint(append(sample, 2<<3), uint64(at.UnixMilli()))))
	}
	return snappy(req)
}

// TestA1_ReceiverOfVersion2: whatever a sender says, the answer tells it what was kept, and whether it may send the rest again.
func TestA1_ReceiverOfVersion2(t *testing.T) {
	h := house.Start(t)
	p := planeOf(t, h, h.Admin, h.AsAdmin().NewWorkspace(t, ""))
	at := time.Now().Add(-time.Minute)
	good := secondRequest(at, "one", "two")
	for _, tc := range []struct {
		name, kind, encoding string
		body                 []byte
		want                 int
		written              string // samples; "" where the answer does not say
	}{
		{"whole", writesOfVersion2, "snappy", good, 204, "2"},
		{"the same again", writesOfVersion2, "snappy", good, 204, "2"},
		{"with a space", "application/x-protobuf; proto=io.prometheus.write.v2.Request", "snappy", good, 204, "2"},
		{"in part", writesOfVersion2, "snappy", secondRequest(at, "three", "", "four"), 400, "2"},
		{"nothing of it", writesOfVersion2, "snappy", secondRequest(at, ""), 400, "0"},
		{"of tomorrow", writesOfVersion2, "snappy", secondRequest(at.Add(24*time.Hour), "one"), 400, "0"},
		{"cut short", writesOfVersion2, "snappy", good[:len(good)-5], 400, "0"},
		{"another message", "application/x-protobuf;proto=io.prometheus.write.v3.Request", "snappy", good, 415, ""},
		{"no protobuf", "application/json", "snappy", good, 415, ""},
		{"gzip", writesOfVersion2, "gzip", good, 415, ""},
		{"zstd", writesOfVersion2, "zstd", append([]byte{0xff, 0xff, 0xff, 0xff, 0x0f}, good...), 415, ""},
		{"version 1", "application/x-protobuf", "snappy", writeRequest(at, map[string]float64{"five": 1}), 204, ""},
	} {
		resp, text := p.do("POST", "api/v1/remote_write", tc.body, "Content-Type", tc.kind, "Content-Encoding", tc.encoding, "X-Prometheus-Remote-Write-Version", "2.0.0")
		if resp.StatusCode != tc.want || (text == "") != (tc.want == 204) {
			t.Errorf("%s: got %d %q, want %d", tc.name, resp.StatusCode, text, tc.want)
		}
		for _, what := range []string{"Samples", "Histograms", "Exemplars"} {
			want := tc.written
			if want != "" && what != "Samples" {
				want = "0"
			}
			if got := resp.Header.Get("X-Prometheus-Remote-Write-" + what + "-Written"); got != want {
				t.Errorf("%s: %s written is %q, want %q", tc.name, what, got, want)
			}
		}
	}

	// What fails in the house is counted too: here the key of a workspace cannot be used.
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	locked := planeOf(t, h, h.Admin, admin.NewWorkspace(t, key))
	if _, err := admin.KMS().DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string]string{writesOfVersion2: "0", "application/x-protobuf": ""} {
		resp, text := locked.do("POST", "api/v1/remote_write", good, "Content-Type", kind, "Content-Encoding", "snappy")
		for _, what := range []string{"Samples", "Histograms", "Exemplars"} {
			if got := resp.Header.Get("X-Prometheus-Remote-Write-" + what + "-Written"); resp.StatusCode != 503 || got != want {
				t.Errorf("%s without its key: got %d %s, %s written is %q, want %q", kind, resp.StatusCode, text, what, got, want)
			}
		}
	}

	// Senders with an access key in place of a signature, and of a body whose length they do not say.
	r, err := http.NewRequest("POST", p.base+"api/v1/remote_write", io.NopCloser(bytes.NewReader(secondRequest(at, "six"))))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(p.who.AccessKeyID, p.who.SecretAccessKey)
	r.Header.Set("Content-Type", writesOfVersion2)
	r.Header.Set("Content-Encoding", "snappy")
	resp, err := p.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 204 || resp.Header.Get("X-Prometheus-Remote-Write-Samples-Written") != "1" {
		t.Errorf("in chunks: got %d %v", resp.StatusCode, resp.Header)
	}
	if _, got := p.get("label/__name__/values"); got != `["five","four","one","six","three","two"]` {
		t.Errorf("kept are %s", got)
	}
	p.carry = "Basic"
	for _, path := range []string{"api/v1/features", "api/v1/admin/tsdb/snapshot", "alertmanager/api/v2/nothing"} {
		if resp, text := p.do("GET", path, nil); resp.StatusCode != 404 || !strings.Contains(text, `"status":"error"`) {
			t.Errorf("%s: got %d %s, want 404 in the form of the API", path, resp.StatusCode, text)
		}
	}
}
