package metricscluster

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/amp"
	amptypes "github.com/aws/aws-sdk-go-v2/service/amp/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strongroom/strongroom/test/capture"
	"github.com/strongroom/strongroom/test/house"
)

// cortexBinary returns a single-binary Cortex: the one that STRONGROOM_CORTEX names, or that is on the path. It takes too long to
// build for CI, so that nothing requires it.
func cortexBinary(t testing.TB) string {
	t.Helper()
	binary := os.Getenv("STRONGROOM_CORTEX")
	if binary == "" {
		binary = "cortex"
	}
	found, err := exec.LookPath(binary)
	if err != nil {
		t.Skip("NOT TESTED WITH A REAL CORTEX: there is none; test/metricscluster/cortex/build.sh builds one, STRONGROOM_CORTEX names it")
	}
	return found
}

// addresses returns loopback addresses that nobody listens at.
func addresses(t testing.TB, n int) (list []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		list = append(list, l.Addr().String())
	}
	return list
}

func port(address string) string { _, p, _ := net.SplitHostPort(address); return p }

const cortexConfiguration = `
target: all,alertmanager
auth_enabled: true
server:
  http_listen_address: 127.0.0.1
  http_listen_port: %[1]s
  grpc_listen_address: 127.0.0.1
  grpc_listen_port: %[2]s
  log_level: warn
  http_tls_config: {cert_file: %[3]s, key_file: %[4]s, client_auth_type: RequireAndVerifyClientCert, client_ca_file: %[5]s}
distributor:
  shard_by_all_labels: true
  pool: {health_check_ingesters: true}
ingester:
  lifecycler:
    address: 127.0.0.1
    min_ready_duration: 0s
    final_sleep: 0s
    num_tokens: 32
    ring: {kvstore: {store: inmemory}, replication_factor: 1}
blocks_storage:
  backend: s3
  s3: &s3
    endpoint: %[6]s
    region: eu-central-1
    bucket_name: metrics
    access_key_id: %[7]s
    secret_access_key: %[8]s
    bucket_lookup_type: path
  tsdb: {dir: %[9]s/tsdb, ship_interval: 1s}
  bucket_store: {sync_dir: %[9]s/sync, sync_interval: 1s, bucket_index: {enabled: false}}
compactor:
  data_dir: %[9]s/compactor
  cleanup_interval: 2s
  sharding_ring: {kvstore: {store: inmemory}, instance_addr: 127.0.0.1}
store_gateway:
  sharding_ring: {kvstore: {store: inmemory}, instance_addr: 127.0.0.1}
frontend_worker: {match_max_concurrent: true}
ruler:
  enable_api: true
  rule_path: %[9]s/rules
  poll_interval: 1s
  ring: {kvstore: {store: inmemory}, instance_addr: 127.0.0.1}
ruler_storage: {backend: s3, s3: *s3}
alertmanager:
  enable_api: true
  data_dir: %[9]s/alertmanager
  external_url: https://127.0.0.1:%[1]s/alertmanager
  poll_interval: 1s
  cluster: {listen_address: ""}
  sharding_ring: {kvstore: {store: inmemory}, instance_addr: 127.0.0.1}
alertmanager_storage: {backend: s3, s3: *s3}
runtime_config: {file: %[10]s, period: 1s}
`

// cortex is a running Cortex.
type cortex struct {
	cmd  *exec.Cmd
	done chan struct{}
	http *http.Client
	base string
}

// startCortex starts a Cortex that keeps its blocks in the house, and waits until it is ready.
func startCortex(t *testing.T, c *Certificates, address, grpc, endpoint, overrides string, who aws.Credentials, ca string) *cortex {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf(cortexConfiguration, port(address), port(grpc), c.Server, c.ServerKey, c.Authority,
		strings.TrimPrefix(endpoint, "https://"), who.AccessKeyID, who.SecretAccessKey, dir, overrides)
	file := filepath.Join(dir, "cortex.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(c.Client, c.ClientKey)
	if err != nil {
		t.Fatal(err)
	}
	x := &cortex{
		cmd: exec.Command(cortexBinary(t), "-config.file", file), done: make(chan struct{}), base: "https://" + address,
		http: &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: c.Roots(t), Certificates: []tls.Certificate{pair}}}},
	}
	out := new(capture.Text)
	x.cmd.Stdout, x.cmd.Stderr, x.cmd.Dir = out, out, dir
	x.cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+ca)
	if err := x.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = x.cmd.Wait() // it is killed
		close(x.done)
	}()
	t.Cleanup(func() {
		x.kill()
		if t.Failed() {
			t.Logf("Cortex printed:\n%s", out)
		}
	})
	soon(t, "Cortex is ready", func() bool {
		select {
		case <-x.done:
			t.Fatalf("Cortex has ended:\n%s", out)
		default:
		}
		code, _ := x.get("/ready")
		return code == http.StatusOK
	})
	return x
}

func (x *cortex) kill() {
	_ = x.cmd.Process.Kill()
	<-x.done
}

func (x *cortex) get(path string) (int, string) {
	out, err := x.http.Get(x.base + path)
	if err != nil {
		return 0, err.Error()
	}
	defer out.Body.Close()
	text, _ := io.ReadAll(out.Body)
	return out.StatusCode, string(text)
}

const bucketPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::metrics","arn:aws:s3:::metrics/*"]}]}`

// holds fits the objects that hold something of a workspace: files of blocks, the index of the bucket, rules and definitions. All
// others say when and by whom something was done.
var holds = regexp.MustCompile(`^(ws-[^/]+/([0-9A-Z]{26}/.*|bucket-index\.json\.gz)|(rules|alerts|alertmanager)/.*)$`)

// TestRealCortex lets a real Cortex keep the workspaces of a house, and its blocks in a bucket of the same house.
func TestRealCortex(t *testing.T) {
	cortexBinary(t)
	c := NewCertificates(t, t.TempDir())
	at := addresses(t, 3)
	overrides := filepath.Join(t.TempDir(), "overrides.yaml")
	settings := filepath.Join(t.TempDir(), "strongroom.yaml")
	configure := func(text string) {
		if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure("{}\n")
	to := target(t)
	h := house.Start(t, "--listen", at[0], "--config", settings, "--scrape-address", to)
	admin := h.AsAdmin()
	if _, err := admin.S3().CreateBucket(ctx, &s3.CreateBucketInput{
		Bucket: aws.String("metrics"), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: house.Region},
	}); err != nil {
		t.Fatal(err)
	}
	user := h.User("cortex", bucketPolicy) // and no right to any key but by grants
	h.Stop()
	principal := "arn:aws:iam::" + h.Account + ":user/cortex"
	configure("metrics-backend: " + backend(t, c, "https://"+at[1], overrides, "principal: "+principal+"\n") + "\n")
	h.Restart()
	x := startCortex(t, c, at[1], at[2], h.Endpoint, overrides, user, h.CABundle)

	admin = h.AsAdmin()
	key := newKey(t, admin)
	sealed, plain := admin.NewWorkspace(t, key), admin.NewWorkspace(t, "")
	one, two := clientOf(t, h, h.Admin, sealed), clientOf(t, h, h.Admin, plain)
	value := func(c *client, expression string, header ...string) string {
		code, text := c.query(expression, header...)
		if code != http.StatusOK {
			t.Logf("%s: %d %s", expression, code, text)
		}
		return text
	}

	// What is written comes back, to its own workspace only, whatever tenant a client names.
	for metric, w := range map[string]*client{"of_one": one, "of_two": two} {
		other := sealed
		if w == one {
			other = plain
		}
		code, text := w.write(metric, 42, "X-Scope-OrgID", other)
		w.want(http.StatusOK, "a write", code, text)
		soon(t, "the sample comes back", func() bool { return strings.Contains(value(w, metric), `"42"`) })
	}
	for metric, w := range map[string]*client{"of_two": one, "of_one": two} {
		for _, header := range [][]string{nil, {"X-Scope-OrgID", sealed}, {"X-Scope-OrgID", plain}, {"X-Scope-OrgID", sealed + "|" + plain}} {
			if got := value(w, metric, header...); !strings.Contains(got, `"result":[]`) {
				t.Errorf("the other's sample, with %v: %s", header, got)
			}
		}
	}
	for _, path := range []string{"labels", "label/__name__/values", "series?match[]=of_one", "metadata", "query_exemplars?query=of_one&start=0&end=1", "status/buildinfo", "rules", "alerts", "format_query?query=a"} {
		code, text := one.do("GET", "api/v1/"+path, nil)
		one.want(http.StatusOK, path, code, text)
	}
	code, text := one.query("sum(")
	one.wantError(http.StatusBadRequest, "an expression that is none", code, text)

	watchCortex(t, h, sealed, plain, to)

	// Blocks and rules are in the bucket, under the key of the workspace.
	keep(t, admin, sealed)
	soon(t, "the rules run", func() bool { return strings.Contains(value(one, "a:b"), `"1"`) })
	soon(t, "the alert manager runs", func() bool {
		code, _ := one.do("GET", "alertmanager/api/v2/alerts", nil)
		return code == http.StatusOK
	})
	if code, text := x.get("/ingester/flush?wait=true"); code/100 != 2 {
		t.Fatalf("flush: %d %s", code, text)
	}
	soon(t, "blocks are shipped", func() bool {
		return found(t, admin, sealed+"/", "/chunks/") && found(t, admin, plain+"/", "/chunks/")
	})
	n := 0
	for _, object := range objects(t, admin) {
		head, err := admin.S3().HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String("metrics"), Key: &object})
		if err != nil {
			t.Fatalf("%s: %v", object, err)
		}
		want, wantKey := s3types.ServerSideEncryptionAes256, ""
		switch {
		case strings.Contains(object, sealed) && holds.MatchString(object):
			want, wantKey = s3types.ServerSideEncryptionAwsKms, key
			n++
		case strings.Contains(object, sealed):
			t.Logf("%s is under %s %s", object, head.ServerSideEncryption, aws.ToString(head.SSEKMSKeyId)) // a mark
			continue
		}
		if head.ServerSideEncryption != want || aws.ToString(head.SSEKMSKeyId) != wantKey {
			t.Errorf("%s is under %s %s, want %s %s", object, head.ServerSideEncryption, aws.ToString(head.SSEKMSKeyId), want, wantKey)
		}
	}
	if n < 5 { // a chunk file, an index, meta.json, rules, a definition
		t.Errorf("%d objects are under the key", n)
	}

	// The key is the house's to ask for, at each request.
	if _, err := admin.KMS().DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	code, text = one.write("of_one", 43)
	one.wantError(http.StatusServiceUnavailable, "a write with the key disabled", code, text)
	code, text = one.query("of_one")
	one.wantError(http.StatusServiceUnavailable, "a query with the key disabled", code, text)
	code, text = two.write("of_two", 43)
	two.want(http.StatusOK, "the other's write", code, text)
	soon(t, "rules and definition are taken back", func() bool { return !found(t, admin, "rules/"+sealed, "") && !found(t, admin, "alerts/"+sealed, "") })
	if _, err := admin.KMS().EnableKey(ctx, &kms.EnableKeyInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	soon(t, "the sample is back", func() bool { return strings.Contains(value(one, "of_one"), `"42"`) })
	soon(t, "the rules are back", func() bool { return found(t, admin, "rules/"+sealed, "") })

	// A workspace that is deleted goes with its blocks.
	if _, err := admin.AMP().DeleteWorkspace(ctx, &amp.DeleteWorkspaceInput{WorkspaceId: &sealed}); err != nil {
		t.Fatal(err)
	}
	soon(t, "the workspace is gone", func() bool {
		_, err := admin.AMP().DescribeWorkspace(ctx, &amp.DescribeWorkspaceInput{WorkspaceId: &sealed})
		return house.ErrorCode(err) == "ResourceNotFoundException"
	})
	if found(t, admin, sealed+"/", "/chunks/") || found(t, admin, "rules/"+sealed, "") {
		t.Errorf("the bucket still has %v", objects(t, admin))
	}
	grants, err := admin.KMS().ListGrants(ctx, &kms.ListGrantsInput{KeyId: &key})
	if err != nil || len(grants.Grants) != 0 {
		t.Errorf("%d grants are left, %v", len(grants.Grants), err)
	}

	x.kill()
	code, text = two.write("of_two", 44)
	two.wantError(http.StatusServiceUnavailable, "a write with the cluster killed", code, text)
	code, text = two.query("of_two")
	two.wantError(http.StatusServiceUnavailable, "a query with the cluster killed", code, text)
}

// watchCortex lets the house run detectors and scrapers, and log queries, of workspaces that a Cortex keeps.
func watchCortex(t *testing.T, h *house.House, sealed, plain, to string) {
	t.Helper()
	admin, one, two := h.AsAdmin(), clientOf(t, h, h.Admin, sealed), clientOf(t, h, h.Admin, plain)
	id := detector(t, admin, sealed, "avg(of_one)")
	soon(t, "the detector is active", func() bool {
		code, reason := detectorStatus(t, admin, sealed, id)
		if reason != "" {
			t.Logf("%s: %s", code, reason)
		}
		return code == amptypes.AnomalyDetectorStatusCodeActive
	})
	soon(t, "what the detector has written", func() bool {
		_, text := one.query(`anomaly_detector:value{anomaly_detector_alias="load",anomaly_detector_id="` + id + `"}`)
		return strings.Contains(text, `"42"`)
	})
	one.wantPreview("RCF(avg(vector(time())), 4, 256)")

	arn, find := logGroup(t, h)
	queries, err := admin.AMP().CreateQueryLoggingConfiguration(ctx, &amp.CreateQueryLoggingConfigurationInput{WorkspaceId: &plain, Destinations: []amptypes.LoggingDestination{{
		CloudWatchLogs: &amptypes.CloudWatchLogDestination{LogGroupArn: &arn}, Filters: &amptypes.LoggingFilter{QspThreshold: aws.Int64(0)},
	}}})
	if err != nil || queries.Status.StatusCode != amptypes.QueryLoggingConfigurationStatusCodeActive {
		t.Fatalf("logs of queries: %+v, %v", queries, err)
	}
	if _, err := scraper(t, h, plain, to); err != nil {
		t.Fatal(err)
	}
	soon(t, "the scraper has written", func() bool {
		_, text := two.query("scraped_metric")
		if strings.Contains(text, "stats") {
			t.Fatalf("an answer has what nobody asked for: %s", text)
		}
		return strings.Contains(text, `"7"`)
	})
	soon(t, "what is known of the metric", func() bool {
		_, text := two.do("GET", "api/v1/metadata", nil)
		return strings.Contains(text, "scraped_metric")
	})
	soon(t, "the query is logged with what it cost", func() bool {
		return len(find(`{ $.message.query = "scraped_metric" && $.message.samples = "1" }`)) > 0
	})
}

func objects(t testing.TB, a house.Account) (names []string) {
	t.Helper()
	pages := s3.NewListObjectsV2Paginator(a.S3(), &s3.ListObjectsV2Input{Bucket: aws.String("metrics")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			names = append(names, *o.Key)
		}
	}
	return names
}

// found reports whether there is an object whose key begins with a prefix, and has a part.
func found(t testing.TB, a house.Account, prefix, part string) bool {
	t.Helper()
	for _, name := range objects(t, a) {
		if strings.HasPrefix(name, prefix) && strings.Contains(name, part) {
			return true
		}
	}
	return false
}
