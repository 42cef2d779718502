package claims

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/amp"
	amptypes "github.com/aws/aws-sdk-go-v2/service/amp/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/strongroom/strongroom/test/house"
)

// failing is a rule file whose one rule cannot be evaluated: two of its series come out the same.
const failing = "groups:\n  - name: failinggroup\n    interval: 5s\n    rules:\n      - record: failingrecord\n" +
	"        expr: label_replace(vector(1), \"a\", \"b\", \"\", \"\") or vector(1)\n        labels: {a: x}\n"

// TestLogs_OfManagedPrometheus: a logging configuration is active when its log group may be written to and not before; what fails of rules and alerts,
// and queries that cost more than their threshold, come to stand in the group, delivered over the road.
func TestLogs_OfManagedPrometheus(t *testing.T) {
	in := newInbox(t)
	const nobody = "127.0.0.1:9"
	h := house.Start(t, "--config", in.configuration(t), "--scrape-address", nobody)
	in.Close() // nobody is reached
	admin := h.AsAdmin()
	client, logs := admin.AMP(), admin.Logs()
	id := admin.NewWorkspace(t, "")
	group, arn := "/aws/vendedlogs/prometheus", "arn:aws:logs:"+house.Region+":"+h.Account+":log-group:/aws/vendedlogs/prometheus:*"

	made, err := client.CreateLoggingConfiguration(ctx, &amp.CreateLoggingConfigurationInput{WorkspaceId: &id, LogGroupArn: &arn})
	if err != nil || made.Status.StatusCode != amptypes.LoggingConfigurationStatusCodeCreationFailed || !strings.Contains(aws.ToString(made.Status.StatusReason), "does not exist") {
		t.Fatalf("without a log group: %+v, %v", made, err)
	}
	if _, err := logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &group}); err != nil {
		t.Fatal(err)
	}
	elsewhere := strings.Replace(arn, h.Account, "999999999999", 1)
	_, err = client.UpdateLoggingConfiguration(ctx, &amp.UpdateLoggingConfigurationInput{WorkspaceId: &id, LogGroupArn: &elsewhere})
	want(t, "a log group of another account", err, "ValidationException")

	// Who may configure a workspace may not give anybody the right to write to log groups.
	only := h.As(h.User("only-aps", document(allow(`["aps:*", "logs:DescribeLogGroups"]`, "*"))))
	updated, err := only.AMP().UpdateLoggingConfiguration(ctx, &amp.UpdateLoggingConfigurationInput{WorkspaceId: &id, LogGroupArn: &arn})
	if err != nil || updated.Status.StatusCode != amptypes.LoggingConfigurationStatusCodeUpdateFailed {
		t.Errorf("by somebody who may not put resource policies: %+v, %v", updated, err)
	}
	none := h.As(h.User("none", document(allow(`"aps:*"`, "*"))))
	_, err = none.AMP().UpdateLoggingConfiguration(ctx, &amp.UpdateLoggingConfigurationInput{WorkspaceId: &id, LogGroupArn: &arn})
	want(t, "by somebody who may not see log groups", err, "AccessDeniedException")

	if updated, err = client.UpdateLoggingConfiguration(ctx, &amp.UpdateLoggingConfigurationInput{WorkspaceId: &id, LogGroupArn: &arn}); err != nil || updated.Status.StatusCode != amptypes.LoggingConfigurationStatusCodeActive {
		t.Fatalf("with a log group: %+v, %v", updated, err)
	}
	queries, err := client.CreateQueryLoggingConfiguration(ctx, &amp.CreateQueryLoggingConfigurationInput{WorkspaceId: &id, Destinations: []amptypes.LoggingDestination{{
		CloudWatchLogs: &amptypes.CloudWatchLogDestination{LogGroupArn: &arn}, Filters: &amptypes.LoggingFilter{QspThreshold: aws.Int64(2)},
	}}})
	if err != nil || queries.Status.StatusCode != amptypes.QueryLoggingConfigurationStatusCodeActive {
		t.Fatalf("logs of queries: %+v, %v", queries, err)
	}

	createRules(t, admin, id, "ns", []byte(failing))
	createDefinition(t, admin, id, webhook("unreached"))
	createRules(t, admin, id, "alarms", alarm("LoggedAlert"))
	data, now := planeOf(t, h, h.Admin, id), time.Now()
	data.mustWrite(now, map[string]float64{"logged{n=1}": 1, "logged{n=2}": 2, "logged{n=3}": 3, "single": 1})
	for _, q := range []string{"single", "sum(logged)"} {
		if code, text := data.get("query", "query", q); code != 200 {
			t.Fatalf("%s: %d %s", q, code, text)
		}
	}

	scraper, err := client.CreateScraper(ctx, newScraper(h, id, nobody))
	if err != nil {
		t.Fatal(err)
	}
	scraped, err := client.UpdateScraperLoggingConfiguration(ctx, &amp.UpdateScraperLoggingConfigurationInput{
		ScraperId: scraper.ScraperId, ScraperComponents: []amptypes.ScraperComponent{{Type: amptypes.ScraperComponentTypeCollector}},
		LoggingDestination: &amptypes.ScraperLoggingDestinationMemberCloudWatchLogs{Value: amptypes.CloudWatchLogDestination{LogGroupArn: &arn}},
	})
	if err != nil || scraped.Status.StatusCode != amptypes.ScraperLoggingConfigurationStatusCodeActive {
		t.Fatalf("logs of a scraper: %+v, %v", scraped, err)
	}

	found := func(pattern string) (messages []string) {
		out, err := logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group, FilterPattern: &pattern})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range out.Events {
			messages = append(messages, *e.LogStreamName+" "+*e.Message)
		}
		return messages
	}
	for what, pattern := range map[string]string{
		"a rule that fails":     `{ $.component = "ruler" && $.message.name = "failingrecord" && $.message.group = "failinggroup" && $.message.namespace = "ns" && $.message.level = "ERROR" && $.message.log = "Evaluating rule failed, name=failingrecord, group=failinggroup, namespace=ns, err=*" }`,
		"an alert that is lost": `{ $.component = "alertmanager" && $.message.log = "*canaryreceiver*webhook*" }`,
		"a query that costs":    `{ $.component = "query-frontend" && $.message.query = "sum(logged)" && $.message.samples = "3" && $.workspaceId = "` + id + `" }`,
		"a scrape that fails":   `{ $.component = "COLLECTOR" && $.message.message = "Scrape failed" && $.message.target = "*127.0.0.1:9/*" && $.message.error = "*" && $.scrapeConfigId = "` + *scraper.ScraperId + `" && $.scraperId = "` + *scraper.ScraperId + `" }`,
	} {
		soon(t, what, func() bool { return len(found(pattern)) > 0 })
	}
	if got := found(`{ $.message.query = "single" }`); len(got) > 0 {
		t.Errorf("a query below the threshold was logged: %v", got)
	}
	if out := h.Output(); strings.Contains(out, "sum(logged)") || strings.Contains(out, "failingrecord") {
		t.Error("a query or a rule stands in the operator's log")
	}
	if got := events(t, admin, "PutLogEvents"); len(got) == 0 || !strings.Contains(fmt.Sprint(got), "delivery.logs.amazonaws.com") || strings.Contains(fmt.Sprint(got), "sum(logged)") {
		t.Errorf("records of deliveries: %v", got)
	}

	told, err := client.DescribeScraperLoggingConfiguration(ctx, &amp.DescribeScraperLoggingConfigurationInput{ScraperId: scraper.ScraperId})
	if err != nil || len(told.ScraperComponents) != 1 || told.Status.StatusCode != amptypes.ScraperLoggingConfigurationStatusCodeActive {
		t.Errorf("the scraper's logs: %+v, %v", told, err)
	}
	if _, err := client.DeleteScraperLoggingConfiguration(ctx, &amp.DeleteScraperLoggingConfigurationInput{ScraperId: scraper.ScraperId}); err != nil {
		t.Error(err)
	}
	_, err = client.DescribeScraperLoggingConfiguration(ctx, &amp.DescribeScraperLoggingConfigurationInput{ScraperId: scraper.ScraperId})
	want(t, "deleted logs of a scraper", err, "ResourceNotFoundException")
	if _, err := client.DeleteQueryLoggingConfiguration(ctx, &amp.DeleteQueryLoggingConfigurationInput{WorkspaceId: &id}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.DeleteLoggingConfiguration(ctx, &amp.DeleteLoggingConfigurationInput{WorkspaceId: &id}); err != nil {
		t.Fatal(err)
	}
}
