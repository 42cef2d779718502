package damage

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"
	"github.com/klauspost/compress/s2"
	"github.com/prometheus/prometheus/prompb"

	"github.com/strongroom/strongroom/test/house"
)

// samples is a writer that sends one sample to a workspace. A refusal that a sender would not repeat is no answer to a full disk.
func samples(h *house.House, who aws.Credentials, workspace string) writer {
	ask := func(method, path string, body []byte) (int, string, error) {
		r, err := http.NewRequest(method, h.Endpoint+"/workspaces/"+workspace+"/api/v1/"+path, bytes.NewReader(body))
		if err != nil {
			return 0, "", err
		}
		sum := sha256.Sum256(body)
		if err := v4.NewSigner().SignHTTP(ctx, who, r, hex.EncodeToString(sum[:]), "aps", house.Region, time.Now()); err != nil {
			return 0, "", err
		}
		resp, err := h.HTTP().Do(r)
		if err != nil {
			return 0, "", err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text), err
	}
	return writer{"remote write",
		func(_ house.Account, n int) error {
			req := prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
				Labels:  []prompb.Label{{Name: "__name__", Value: "full"}, {Name: "n", Value: fmt.Sprint(n)}},
				Samples: []prompb.Sample{{Value: float64(n), Timestamp: time.Now().UnixMilli()}},
			}}}
			body, err := req.Marshal()
			if err != nil {
				return err
			}
			status, text, err := ask("POST", "remote_write", s2.EncodeSnappy(nil, body))
			switch {
			case err != nil:
				return err
			case status == http.StatusNoContent:
				return nil
			case status >= 500:
				return &smithy.GenericAPIError{Code: http.StatusText(status), Message: text}
			}
			return fmt.Errorf("a sender would not send it again: %d %s", status, text)
		},
		func(_ house.Account, n int) (bool, error) {
			status, text, err := ask("GET", "query?"+url.Values{"query": {fmt.Sprintf(`last_over_time(full{n="%d"}[1h])`, n)}}.Encode(), nil)
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("%d %s", status, text)
			}
			return strings.Contains(text, fmt.Sprintf(`"%d"]`, n)), err
		}}
}

// newSamples makes a workspace under a customer's key for samples.
func newSamples(t *testing.T, h *house.House, a house.Account, key string) writer {
	t.Helper()
	return samples(h, h.Admin, a.NewWorkspace(t, key))
}
