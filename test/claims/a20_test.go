package claims

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/amp"
	"github.com/aws/aws-sdk-go-v2/service/amp/types"

	"github.com/strongroom/strongroom/test/house"
)

// newScraper is a request for a scraper of one target into a workspace.
func newScraper(h *house.House, workspace, target string) *amp.CreateScraperInput {
	return &amp.CreateScraperInput{
		Alias:       aws.String("scraper"),
		Destination: &types.DestinationMemberAmpConfiguration{Value: types.AmpConfiguration{WorkspaceArn: aws.String(workspaceARN(h, workspace))}},
		Source:      &types.SourceMemberVpcConfiguration{Value: types.VpcConfiguration{SecurityGroupIds: []string{"sg-1"}, SubnetIds: []string{"subnet-1"}}},
		ScrapeConfiguration: &types.ScrapeConfigurationMemberConfigurationBlob{
			Value: []byte("global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n- job_name: a\n  static_configs:\n  - targets: ['" + target + "']\n"),
		},
	}
}

// TestA20_NoScraperIntoACustomersKey: and into a workspace under the owned key one that asks only where the operator allows.
func TestA20_NoScraperIntoACustomersKey(t *testing.T) {
	var asked, stray atomic.Int64
	serve := func(n *atomic.Int64) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			n.Add(1)
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			_, _ = w.Write([]byte("scraped_metric 7\n"))
		}))
		t.Cleanup(s.Close)
		return strings.TrimPrefix(s.URL, "http://")
	}
	target, other := serve(&asked), serve(&stray)
	h := house.Start(t, "--scrape-address", target)
	admin := h.AsAdmin()
	sealed, owned := admin.NewWorkspace(t, newKey(t, admin, "")), admin.NewWorkspace(t, "")
	_, err := admin.AMP().CreateScraper(ctx, newScraper(h, sealed, target))
	if want(t, "a scraper into a workspace under a customer's key", err, "ValidationException"); !strings.Contains(messageOf(err), "customer managed key") {
		t.Errorf("the refusal says %v", err)
	}
	eks := newScraper(h, owned, target)
	eks.Source = &types.SourceMemberEksConfiguration{Value: types.EksConfiguration{
		ClusterArn: aws.String("arn:aws:eks:" + house.Region + ":" + h.Account + ":cluster/one"), SubnetIds: []string{"subnet-1"},
	}}
	_, err = admin.AMP().CreateScraper(ctx, eks)
	want(t, "a scraper of an EKS cluster", err, "ValidationException")
	file := newScraper(h, owned, target)
	file.ScrapeConfiguration = &types.ScrapeConfigurationMemberConfigurationBlob{Value: []byte("scrape_configs:\n- job_name: a\n  bearer_token_file: /etc/passwd\n")}
	_, err = admin.AMP().CreateScraper(ctx, file)
	want(t, "a scraper that reads a file of the house", err, "ValidationException")

	out, err := admin.AMP().CreateScraper(ctx, newScraper(h, owned, target))
	if err != nil {
		t.Fatal(err)
	}
	astray, err := admin.AMP().CreateScraper(ctx, newScraper(h, owned, other))
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the scraper's first visit", func() (bool, error) { return asked.Load() > 0, nil })
	if list, err := admin.AMP().ListScrapers(ctx, &amp.ListScrapersInput{}); err != nil || len(list.Scrapers) != 2 {
		t.Errorf("listed %+v, %v", list, err)
	}
	found, err := admin.AMP().DescribeScraper(ctx, &amp.DescribeScraperInput{ScraperId: out.ScraperId})
	if err != nil || found.Scraper.Status.StatusCode != types.ScraperStatusCodeActive || found.Scraper.ScrapeConfiguration == nil {
		t.Errorf("described as %+v, %v", found, err)
	}
	h.Stop()
	before := asked.Load()
	h.Restart()
	admin = h.AsAdmin()
	until(t, "the scraper's visit after a restart", func() (bool, error) { return asked.Load() > before, nil })
	for _, id := range []*string{out.ScraperId, astray.ScraperId} {
		if _, err := admin.AMP().DeleteScraper(ctx, &amp.DeleteScraperInput{ScraperId: id}); err != nil {
			t.Fatal(err)
		}
		_, err = admin.AMP().DescribeScraper(ctx, &amp.DescribeScraperInput{ScraperId: id})
		want(t, "the scraper that was deleted", err, "ResourceNotFoundException")
	}
	if stray.Load() != 0 {
		t.Error("a scraper reached an address that is not allowed")
	}
}

// TestA21_ResourcePolicyIsKept: with revisions, and it gives nobody a right to what is not compatible with Prometheus.
func TestA21_ResourcePolicyIsKept(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	id := admin.NewWorkspace(t, "")
	nobody := h.As(h.User("nobody", ""))
	text := document(`{"Effect":"Allow","Principal":{"AWS":"` + arnOf(t, nobody) + `"},"Action":"aps:*","Resource":"` + workspaceARN(h, id) + `"}`)
	put, err := admin.AMP().PutResourcePolicy(ctx, &amp.PutResourcePolicyInput{WorkspaceId: &id, PolicyDocument: &text})
	if err != nil {
		t.Fatal(err)
	}
	_, err = nobody.AMP().DescribeWorkspace(ctx, &amp.DescribeWorkspaceInput{WorkspaceId: &id})
	want(t, "DescribeWorkspace by the right of a resource policy", err, "AccessDeniedException")
	_, err = nobody.AMP().DeleteWorkspace(ctx, &amp.DeleteWorkspaceInput{WorkspaceId: &id})
	want(t, "DeleteWorkspace by the right of a resource policy", err, "AccessDeniedException")
	_, err = admin.AMP().PutResourcePolicy(ctx, &amp.PutResourcePolicyInput{WorkspaceId: &id, PolicyDocument: &text, RevisionId: aws.String("another")})
	want(t, "another revision", err, "ConflictException")
	for _, bad := range []string{"{", `{"Version":"2012-10-17"}`, document(`{"Effect":"Allow","Principal":{"AWS":"` + arnOf(t, nobody) + `x"},"Action":"aps:*","Resource":"*"}`)} {
		_, err = admin.AMP().PutResourcePolicy(ctx, &amp.PutResourcePolicyInput{WorkspaceId: &id, PolicyDocument: &bad})
		want(t, "the policy "+bad, err, "ValidationException")
	}
	got, err := admin.AMP().DescribeResourcePolicy(ctx, &amp.DescribeResourcePolicyInput{WorkspaceId: &id})
	if err != nil || *got.PolicyDocument != text || *got.RevisionId != *put.RevisionId {
		t.Errorf("described as %+v, %v", got, err)
	}
	_, err = admin.AMP().DeleteResourcePolicy(ctx, &amp.DeleteResourcePolicyInput{WorkspaceId: &id, RevisionId: put.RevisionId})
	want(t, "deleting it", err, "")
	_, err = admin.AMP().DescribeResourcePolicy(ctx, &amp.DescribeResourcePolicyInput{WorkspaceId: &id})
	want(t, "the policy that was deleted", err, "ResourceNotFoundException")
}
