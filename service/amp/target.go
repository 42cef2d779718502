package amp

import (
	"context"
	"strings"

	api "github.com/strongroom/strongroom/api/amp"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// inputs reads members of an operation's input by their names.
type inputs struct{ wire.Members }

// scope says which resource an operation acts on ("Actions, resources, and condition keys for Amazon Managed Service for Prometheus",
// Service Authorization Reference). A list of everything, and what makes a resource, is "*".
type scope func(p place, in inputs) string

func everything(place, inputs) string { return "*" }

func onWorkspace(p place, in inputs) string {
	return p.arn(kindWorkspace + "/" + in.Text("WorkspaceId"))
}

func onRules(p place, in inputs) string {
	return p.arn(kindRules + "/" + in.Text("WorkspaceId") + "/" + in.Text("Name"))
}

func onDetector(p place, in inputs) string {
	return p.arn(kindDetector + "/" + in.Text("WorkspaceId") + "/" + in.Text("AnomalyDetectorId"))
}

func onScraper(p place, in inputs) string  { return p.arn(kindScraper + "/" + in.Text("ScraperId")) }
func onResource(_ place, in inputs) string { return in.Text("ResourceArn") }

// scopes has the scope of every operation; a test proves it.
var scopes = map[string]scope{
	"CreateWorkspace": everything, "ListWorkspaces": everything,
	"DescribeWorkspace": onWorkspace, "UpdateWorkspaceAlias": onWorkspace, "DeleteWorkspace": onWorkspace,
	"DescribeWorkspaceConfiguration": onWorkspace, "UpdateWorkspaceConfiguration": onWorkspace,

	"CreateRuleGroupsNamespace": onRules, "PutRuleGroupsNamespace": onRules, "DescribeRuleGroupsNamespace": onRules, "DeleteRuleGroupsNamespace": onRules,
	"ListRuleGroupsNamespaces":     onWorkspace,
	"CreateAlertManagerDefinition": onWorkspace, "PutAlertManagerDefinition": onWorkspace, "DescribeAlertManagerDefinition": onWorkspace, "DeleteAlertManagerDefinition": onWorkspace,

	"CreateLoggingConfiguration": onWorkspace, "DescribeLoggingConfiguration": onWorkspace, "UpdateLoggingConfiguration": onWorkspace, "DeleteLoggingConfiguration": onWorkspace,
	"CreateQueryLoggingConfiguration": onWorkspace, "DescribeQueryLoggingConfiguration": onWorkspace, "UpdateQueryLoggingConfiguration": onWorkspace,
	"DeleteQueryLoggingConfiguration": onWorkspace,
	"PutResourcePolicy":               onWorkspace, "DescribeResourcePolicy": onWorkspace, "DeleteResourcePolicy": onWorkspace,

	"CreateAnomalyDetector": onWorkspace, "ListAnomalyDetectors": onWorkspace,
	"PutAnomalyDetector": onDetector, "DescribeAnomalyDetector": onDetector, "DeleteAnomalyDetector": onDetector,

	"CreateScraper": everything, "ListScrapers": everything, "GetDefaultScraperConfiguration": everything,
	"DescribeScraper": onScraper, "UpdateScraper": onScraper, "DeleteScraper": onScraper,
	"DescribeScraperLoggingConfiguration": onScraper, "UpdateScraperLoggingConfiguration": onScraper, "DeleteScraperLoggingConfiguration": onScraper,

	"TagResource": onResource, "UntagResource": onResource, "ListTagsForResource": onResource,
}

// types are the types of resources, as audit records name them.
var types = map[string]string{
	kindWorkspace: "AWS::APS::Workspace", kindRules: "AWS::APS::RuleGroupsNamespace", kindScraper: "AWS::APS::Scraper", kindDetector: "AWS::APS::AnomalyDetector",
}

// target says what a call acts on.
func (s *Service) target(ctx context.Context, c *call.Call) (call.Target, error) {
	at, ok := scopes[c.Op.Name]
	if !ok {
		return call.Target{}, api.API.Unknown(c.Op.Name)
	}
	p, in := place{c.Region, c.Principal.Account}, inputs{wire.MembersOf(c.In)}
	resource := at(p, in)
	check := call.Check{Action: "aps:" + c.Op.Name, Resource: resource}
	if n, ok := parseName(resource); ok {
		check.Type, check.Account = types[n.kind], n.account
	}
	var err error
	check.Conditions, err = s.conditions(ctx, in, resource)
	return call.Target{Checks: []call.Check{check}}, err
}

// conditions are the condition keys of a call: the tags of the request and of the resource. What belongs to a workspace
// has tags of its own.
func (s *Service) conditions(ctx context.Context, in inputs, resource string) (policy.Map, error) {
	m := policy.Map{}
	if tags, ok := in.Get("Tags").(map[string]string); ok {
		var keys []string
		for k, v := range tags {
			m["aws:requesttag/"+strings.ToLower(k)] = policy.One(v)
			keys = append(keys, k)
		}
		m["aws:tagkeys"] = policy.Many(keys)
	}
	if keys, ok := in.Get("TagKeys").([]string); ok {
		m["aws:tagkeys"] = policy.Many(keys)
	}
	if resource == "*" {
		return m, nil
	}
	return m, s.db.View(ctx, func(r store.Reader) error {
		tags, err := readTags(r, resource)
		for k, v := range tags {
			m["aws:resourcetag/"+strings.ToLower(k)] = policy.One(v)
		}
		return err
	})
}
