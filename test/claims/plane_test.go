package claims

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/strongroom/strongroom/test/house"
)

// plane is the data plane of a workspace, as somebody sees it.
type plane struct {
	t     testing.TB
	http  *http.Client
	base  string // with a slash at the end
	who   aws.Credentials
	carry string // "Basic" or "Bearer" in place of a signature
}

func planeOf(t testing.TB, h *house.House, who aws.Credentials, workspace string) plane {
	return plane{t: t, http: h.HTTP(), base: h.Endpoint + "/workspaces/" + workspace + "/", who: who}
}

// do makes a request and returns the answer with its body.
func (p plane) do(method, path string, body []byte, header ...string) (*http.Response, string) {
	p.t.Helper()
	r, err := http.NewRequest(method, p.base+path, bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	switch p.carry {
	case "Basic":
		secret := p.who.SecretAccessKey
		if p.who.SessionToken != "" {
			secret += ":" + p.who.SessionToken
		}
		r.SetBasicAuth(p.who.AccessKeyID, secret)
	case "Bearer":
		r.Header.Set("Authorization", "Bearer "+p.who.AccessKeyID+":"+p.who.SecretAccessKey)
	default:
		sum := sha256.Sum256(body)
		if err := v4.NewSigner().SignHTTP(ctx, p.who, r, hex.EncodeToString(sum[:]), "aps", house.Region, time.Now()); err != nil {
			p.t.Fatal(err)
		}
	}
	resp, err := p.http.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp, string(text)
}

// write sends samples, each "name value" or "name{label=value} value", with one time.
func (p plane) write(at time.Time, samples map[string]float64, header ...string) (*http.Response, string) {
	p.t.Helper()
	return p.do("POST", "api/v1/remote_write", writeRequest(at, samples), append([]string{"Content-Type", "application/x-protobuf", "Content-Encoding", "snappy"}, header...)...)
}

// mustWrite is write that must succeed.
func (p plane) mustWrite(at time.Time, samples map[string]float64) {
	p.t.Helper()
	if resp, text := p.write(at, samples); resp.StatusCode != http.StatusNoContent {
		p.t.Fatalf("remote write: got %d %s", resp.StatusCode, text)
	}
}

// get asks and returns the status and the data of the answer, or what it says is wrong.
func (p plane) get(path string, params ...string) (int, string) {
	p.t.Helper()
	v := url.Values{}
	for i := 0; i < len(params); i += 2 {
		v.Add(params[i], params[i+1])
	}
	resp, text := p.do("GET", "api/v1/"+path+"?"+v.Encode(), nil)
	var m struct {
		Data  json.RawMessage
		Error string
	}
	if json.Unmarshal([]byte(text), &m) != nil || resp.StatusCode != 200 {
		return resp.StatusCode, text
	}
	return resp.StatusCode, string(m.Data)
}

// writeRequest is a remote write of version 1 in Snappy's block format, as one literal.
func writeRequest(at time.Time, samples map[string]float64) []byte {
	return snappy(appendSamples(nil, at, samples))
}

// appendSamples appends samples to a remote write of version 1.
func appendSamples(req []byte, at time.Time, samples map[string]float64) []byte {
	for name, v := range samples {
		metric, labels, _ := strings.Cut(strings.TrimSuffix(name, "}"), "{")
		var series []byte
		add := func(k, v string) {
			series = message(series, 1, message(message(nil, 1, []byte(k)), 2, []byte(v)))
		}
		add("__name__", metric)
		for pair := range strings.SplitSeq(labels, ",") {
			if k, v, ok := strings.Cut(pair, "="); ok {
				add(k, v)
			}
		}
		sample := binary.LittleEndian.AppendUint64([]byte{1<<3 | 1}, math.Float64bits(v))
		sample = binary.AppendUvarint(append(sample, 2<<3), uint64(at.UnixMilli()))
		req = message(req, 1, message(series, 2, sample))
	}
	return req
}

func message(dst []byte, field byte, inner []byte) []byte {
	return append(binary.AppendUvarint(append(dst, field<<3|2), uint64(len(inner))), inner...)
}

// snappy puts bytes into Snappy's block format without making them fewer.
func snappy(plain []byte) []byte {
	out := binary.AppendUvarint(nil, uint64(len(plain)))
	if len(plain) > 0 {
		out = append(binary.LittleEndian.AppendUint32(append(out, 63<<2), uint32(len(plain)-1)), plain...)
	}
	return out
}
