package claims

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/proton"
	"github.com/aws/aws-sdk-go-v2/service/proton/types"
	"github.com/aws/smithy-go"

	"github.com/strongroom/strongroom/test/house"
)

// ownOperations are those of Proton that are the house's own, so that no SDK has them, with the input of each.
var ownOperations = map[string]string{
	"AcquireRunnerJob":         `{"runnerName":"sweep","waitSeconds":0}`,
	"ReportRunnerJob":          `{"deploymentId":"` + sweepID + `","lease":"lease","sequence":0}`,
	"GetDeploymentLog":         `{"deploymentId":"` + sweepID + `"}`,
	"GetComponentTemplate":     `{"name":"sweep"}`,
	"GetTemplateVersionBundle": `{"templateType":"ENVIRONMENT","templateName":"sweep","majorVersion":"1","minorVersion":"0"}`,
}

const sweepID = "00000000-0000-4000-8000-000000000000"

// protonValues makes a template to act on, and returns input values for Proton's operations.
func protonValues(t *testing.T, h *house.House) map[string]any {
	t.Helper()
	if _, err := h.AsAdmin().Proton().CreateEnvironmentTemplate(ctx, &proton.CreateEnvironmentTemplateInput{Name: aws.String("sweep")}); err != nil {
		t.Fatal(err)
	}
	values := map[string]any{
		"RepositoryProvider": "GITHUB", "Provider": "GITHUB", "RepositoryName": "sweep/live", "CreateRepository.Name": "sweep/live", "GetRepository.Name": "sweep/live", "DeleteRepository.Name": "sweep/live",
		"TemplateType": "ENVIRONMENT", "SyncType": "TEMPLATE_SYNC", "Branch": "main", "FilePath": "services.yaml", "TemplateVersion": "1", "ResolvedReason": "resolved",
		"DeploymentType": "NONE", "RequestedBy": "MANAGEMENT_ACCOUNT", "ManagementAccountId": h.Account, "Id": sweepID, "MajorVersion": "1", "MinorVersion": "0", "TemplateMajorVersion": "1",
		"ConnectionArn": "arn:aws:codestar-connections:" + house.Region + ":" + h.Account + ":connection/sweep", "ResourceArn": "arn:aws:proton:" + house.Region + ":" + h.Account + ":environment/sweep",
		"Spec": "proton: EnvironmentSpec\nspec: {}\n", "Manifest": "infrastructure: {}", "TemplateFile": "Resources: {}", "Source": bundle("sweep"),
		"Tags": []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}, "TagKeys": []string{"a"},
		"CompatibleEnvironmentTemplates":   []types.CompatibleEnvironmentTemplateInput{{TemplateName: aws.String("sweep"), MajorVersion: aws.String("1")}},
		"CreateServiceSyncConfig.FilePath": "services.yaml",
	}
	for _, name := range []string{"Name", "TemplateName", "ServiceName", "ServiceInstanceName", "EnvironmentName", "ComponentName"} {
		values[name] = "sweep"
	}
	out := map[string]any{}
	for name, value := range values {
		out["proton."+name] = value
	}
	return out
}

// own calls an operation that no SDK has.
func (s *sweep) own(t *testing.T, caller house.Account, operation, body string) error {
	t.Helper()
	who, err := caller.Config.Credentials.Retrieve(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	text := raw(t, s.h, who, "proton", "AwsProton20200720."+operation, body)
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		t.Fatalf("%s answers %q", operation, text)
	}
	if answer.Type == "" {
		return nil
	}
	return &smithy.GenericAPIError{Code: answer.Type[strings.LastIndexByte(answer.Type, '#')+1:], Message: answer.Message}
}
