package claims

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/amp/types"

	"github.com/strongroom/strongroom/test/house"
)

// ampValues makes a workspace to act on, and returns input values for the operations of Managed Prometheus.
func ampValues(t *testing.T, h *house.House) map[string]any {
	t.Helper()
	id := h.AsAdmin().NewWorkspace(t, "")
	arn := workspaceARN(h, id)
	group := aws.String("arn:aws:logs:" + house.Region + ":" + h.Account + ":log-group:/aws/prometheus/sweep:*")
	values := map[string]any{
		"WorkspaceId": id, "ResourceArn": arn, "Alias": "sweep", "Name": "sweep", "ScraperId": "s-" + sweepID, "AnomalyDetectorId": "ad-" + sweepID,
		"Data": []byte("groups: []"), "LogGroupArn": *group, "Tags": map[string]string{"a": "b"}, "TagKeys": []string{"a"}, "RetentionPeriodInDays": int32(30),
		"PolicyDocument": document(`{"Effect":"Allow","Principal":{"AWS":"` + h.Account + `"},"Action":"aps:QueryMetrics","Resource":"` + arn + `"}`),
		"Destinations":   []types.LoggingDestination{{CloudWatchLogs: &types.CloudWatchLogDestination{LogGroupArn: group}, Filters: &types.LoggingFilter{QspThreshold: aws.Int64(1)}}},
		"Destination":    &types.DestinationMemberAmpConfiguration{Value: types.AmpConfiguration{WorkspaceArn: &arn}},
		"Source":         &types.SourceMemberVpcConfiguration{Value: types.VpcConfiguration{SecurityGroupIds: []string{"sg-1"}, SubnetIds: []string{"subnet-1"}}},
		"ScrapeConfiguration": &types.ScrapeConfigurationMemberConfigurationBlob{
			Value: []byte("scrape_configs:\n- job_name: a\n  static_configs:\n  - targets: ['127.0.0.1:9']\n"),
		},
		"LoggingDestination": &types.ScraperLoggingDestinationMemberCloudWatchLogs{Value: types.CloudWatchLogDestination{LogGroupArn: group}},
		"ScraperComponents":  []types.ScraperComponent{{Type: types.ScraperComponentTypeCollector}},
		"Configuration":      &types.AnomalyDetectorConfigurationMemberRandomCutForest{Value: types.RandomCutForestConfiguration{Query: aws.String("avg(up)")}},
	}
	out := map[string]any{}
	for name, value := range values {
		out["aps."+name] = value
	}
	return out
}
