package claims

import (
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/proton"
	"github.com/aws/aws-sdk-go-v2/service/proton/types"

	"github.com/strongroom/strongroom/test/house"
)

// unscoped are the operations of Proton that act on no resource that a policy could name: a policy allows them for "*" or not at all.
var unscoped = map[string]bool{
	"ListEnvironmentTemplates": true, "ListServiceTemplates": true, "ListEnvironments": true, "ListServices": true, "ListServiceInstances": true, "ListComponents": true,
	"ListDeployments": true, "ListRepositories": true, "ListEnvironmentAccountConnections": true, "CreateEnvironmentAccountConnection": true,
	"GetAccountSettings": true, "UpdateAccountSettings": true, "GetResourcesSummary": true, "AcquireRunnerJob": true,
	"GetRepositorySyncStatus": true, "ListRepositorySyncDefinitions": true,
	"CreateTemplateSyncConfig": true, "GetTemplateSyncConfig": true, "UpdateTemplateSyncConfig": true, "DeleteTemplateSyncConfig": true, "GetTemplateSyncStatus": true,
	"CreateServiceSyncConfig": true, "GetServiceSyncConfig": true, "UpdateServiceSyncConfig": true, "DeleteServiceSyncConfig": true,
	"GetServiceInstanceSyncStatus": true, "GetServiceSyncBlockerSummary": true, "UpdateServiceSyncBlocker": true,
}

// protonSweep calls every operation of Proton as the caller.
func (s *sweep) protonSweep(t *testing.T, caller house.Account, judge func(operation string, err error)) {
	t.Helper()
	text, err := s.h.Run("operations", "proton")
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	client := reflect.ValueOf(caller.Proton())
	for _, operation := range strings.Fields(text) {
		if body, ok := ownOperations[operation]; ok {
			judge(operation, s.own(t, caller, operation, body))
		} else {
			judge(operation, s.call(client.MethodByName(operation), "proton", operation))
		}
	}
}

// TestC1_ProtonsResourcesHaveNames: a policy that names resources by their ARNs allows each operation on those, and none on
// others of the same kind; the operations without a resource it does not allow.
func TestC1_ProtonsResourcesHaveNames(t *testing.T) {
	h := house.Start(t)
	s := &sweep{h, protonValues(t, h)}
	names := func(name, id string) string {
		at := `"arn:aws:proton:` + house.Region + ":" + h.Account + ":"
		return "[" + strings.Join([]string{
			at + `environment-template/` + name + `"`, at + `environment-template/` + name + `:1.0"`, at + `service-template/` + name + `"`, at + `environment/` + name + `"`, at + `service/` + name + `"`,
			at + `service/` + name + `/service-instance/` + name + `"`, at + `component/` + name + `"`, at + `environment-account-connection/` + id + `"`,
			at + `deployment/` + id + `"`, at + `repository/github:` + name + `/live"`,
		}, ",") + "]"
	}
	user := func(name, resources string) house.Account {
		return h.As(h.User(name, document(`{"Effect":"Allow","Action":"proton:*","Resource":`+resources+`}`)))
	}
	mine, other := user("mine", names("sweep", sweepID)), user("other", names("other", "11111111-0000-4000-8000-000000000000"))
	s.protonSweep(t, other, func(operation string, err error) {
		if !denied(err) {
			t.Errorf("%s on a resource that the policy does not name: %v", operation, err)
		}
	})
	s.protonSweep(t, mine, func(operation string, err error) {
		if denied(err) != unscoped[operation] {
			t.Errorf("%s on the resource that the policy names: %v", operation, err)
		}
	})
}

// TestC1_ProtonsTagsDecide: what a policy says of tags counts for those that a request brings and for those that a resource has.
func TestC1_ProtonsTagsDecide(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	clerk := h.As(h.User("clerk", document(
		`{"Effect":"Allow","Action":["proton:Create*","proton:TagResource"],"Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/team":"blue"},"ForAllValues:StringEquals":{"aws:TagKeys":["team","note"]}}}`,
		`{"Effect":"Allow","Action":["proton:Get*","proton:Update*","proton:Delete*","proton:TagResource","proton:UntagResource","proton:ListTagsForResource"],"Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"blue"}}}`)))
	create := func(a house.Account, name string, tags ...string) error {
		in := &proton.CreateEnvironmentTemplateInput{Name: &name}
		for i := 0; i < len(tags); i += 2 {
			in.Tags = append(in.Tags, types.Tag{Key: &tags[i], Value: &tags[i+1]})
		}
		_, err := a.Proton().CreateEnvironmentTemplate(ctx, in)
		return err
	}
	want(t, "a template without tags", create(clerk, "refused"), "AccessDeniedException")
	want(t, "a template of another team", create(clerk, "refused", "team", "green"), "AccessDeniedException")
	want(t, "a template with a tag that is not allowed", create(clerk, "refused", "team", "blue", "owner", "x"), "AccessDeniedException")
	want(t, "a template of the team", create(clerk, "mine", "team", "blue", "note", "x"), "")
	want(t, "a template of another team by the administrator", create(admin, "theirs", "team", "green"), "")
	for name, code := range map[string]string{"mine": "", "theirs": "AccessDeniedException"} {
		p, at := clerk.Proton(), aws.String(templateARN(h, "environment-template", name))
		_, err := p.GetEnvironmentTemplate(ctx, &proton.GetEnvironmentTemplateInput{Name: &name})
		want(t, "GetEnvironmentTemplate "+name, err, code)
		_, err = p.UpdateEnvironmentTemplate(ctx, &proton.UpdateEnvironmentTemplateInput{Name: &name, DisplayName: aws.String("x")})
		want(t, "UpdateEnvironmentTemplate "+name, err, code)
		_, err = p.ListTagsForResource(ctx, &proton.ListTagsForResourceInput{ResourceArn: at})
		want(t, "ListTagsForResource "+name, err, code)
		_, err = p.UntagResource(ctx, &proton.UntagResourceInput{ResourceArn: at, TagKeys: []string{"note"}})
		want(t, "UntagResource "+name, err, code)
	}
	_, err := clerk.Proton().TagResource(ctx, &proton.TagResourceInput{ResourceArn: aws.String(templateARN(h, "environment-template", "mine")), Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("green")}}})
	want(t, "giving a template away", err, "") // his own: the second statement allows it
	_, err = clerk.Proton().GetEnvironmentTemplate(ctx, &proton.GetEnvironmentTemplateInput{Name: aws.String("mine")})
	want(t, "the template that was given away", err, "AccessDeniedException")
}
