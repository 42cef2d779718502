package claims

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/strongroom/strongroom/test/house"
)

// logsValues makes a log group with a stream to act on, and returns input values for the operations of CloudWatch Logs.
func logsValues(t *testing.T, h *house.House) map[string]any {
	t.Helper()
	client, group, stream := h.AsAdmin().Logs(), aws.String("/sweep"), aws.String("stream")
	if _, err := client.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: stream}); err != nil {
		t.Fatal(err)
	}
	arn := "arn:aws:logs:" + house.Region + ":" + h.Account + ":log-group:/sweep"
	values := map[string]any{
		"LogGroupName": *group, "CreateLogGroup.LogGroupName": "/another", "LogStreamName": *stream, "CreateLogStream.LogStreamName": "another", "ResourceArn": arn,
		"PutResourcePolicy.ResourceArn": nil, "DescribeResourcePolicies.ResourceArn": nil, "DeleteResourcePolicy.ResourceArn": nil,
		"RetentionInDays": int32(7), "KmsKeyId": "arn:aws:kms:" + house.Region + ":" + h.Account + ":key/1234abcd-12ab-34cd-56ef-1234567890ab", "CreateLogGroup.KmsKeyId": nil,
		"Tags": map[string]string{"a": "b"}, "TagKeys": []string{"a"}, "UntagLogGroup.Tags": []string{"a"}, "PolicyName": "sweep",
		"PolicyDocument": document(`{"Effect":"Allow","Principal":{"Service":"delivery.logs.amazonaws.com"},"Action":"logs:PutLogEvents","Resource":"` + arn + `:*"}`),
		"LogEvents":      []types.InputLogEvent{{Timestamp: aws.Int64(time.Now().UnixMilli()), Message: aws.String("swept")}},
	}
	out := map[string]any{}
	for name, value := range values {
		out["logs."+name] = value
	}
	return out
}
