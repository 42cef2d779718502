package logs

import (
	"context"
	"strings"

	api "github.com/strongroom/strongroom/api/logs"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/policy"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// inputs reads members of an operation's input by their names.
type inputs struct{ wire.Members }

// group is the name of the group that the input names, in whatever way; "" for none of the place.
func (in inputs) group(p place) string {
	if name := in.Text("LogGroupName"); name != "" {
		return name
	}
	for _, member := range []string{"LogGroupIdentifier", "ResourceIdentifier", "ResourceArn"} {
		if id := in.Text(member); id != "" {
			if name, ok := p.groupOfARN(id); ok || strings.HasPrefix(id, "arn:") {
				return name
			}
			return id
		}
	}
	return ""
}

// scope says which resource an operation acts on ("Actions, resources, and condition keys for Amazon CloudWatch Logs", Service Authorization
// Reference). For an operation on a group it is the group's name with an empty stream behind, which is what policies with the documented :*
// at their end match; for one on tags it is the group's name alone.
type scope func(p place, in inputs) string

func everything(place, inputs) string { return "*" }

func allGroups(p place, _ inputs) string { return p.groupARN("") + ":log-stream:" }

func onGroup(p place, in inputs) string { return p.groupARN(in.group(p)) + ":log-stream:" }

func onStream(p place, in inputs) string {
	return p.groupARN(in.group(p)) + ":log-stream:" + in.Text("LogStreamName")
}

func onTags(p place, in inputs) string { return p.groupARN(in.group(p)) }

// scopes has the scope of every operation that is implemented; a test proves it.
var scopes = map[string]scope{
	"CreateLogGroup": onGroup, "DeleteLogGroup": onGroup, "DescribeLogGroups": allGroups,
	"PutRetentionPolicy": onGroup, "DeleteRetentionPolicy": onGroup, "AssociateKmsKey": onGroup, "DisassociateKmsKey": onGroup,
	"TagResource": onTags, "UntagResource": onTags, "ListTagsForResource": onTags, "TagLogGroup": onTags, "UntagLogGroup": onTags, "ListTagsLogGroup": onTags,
	"CreateLogStream": onGroup, "DescribeLogStreams": onGroup, "DeleteLogStream": onStream,
	"PutLogEvents": onStream, "GetLogEvents": onStream, "FilterLogEvents": onGroup,
	"PutResourcePolicy": everything, "DescribeResourcePolicies": everything, "DeleteResourcePolicy": everything,
}

// target says what a call acts on. A group named by the ARN of another place is none of the caller's: no name is left of it.
func (s *Service) target(ctx context.Context, c *call.Call) (call.Target, error) {
	at, ok := scopes[c.Op.Name]
	if !ok {
		return call.Target{}, api.API.Unknown(c.Op.Name)
	}
	p, in := placeOf(c), inputs{wire.MembersOf(c.In)}
	check := call.Check{Action: "logs:" + c.Op.Name, Resource: at(p, in), Conditions: conditions(in)}
	if check.Resource == "*" {
		return call.Target{Checks: []call.Check{check}}, nil
	}
	check.Type, check.Account = "AWS::Logs::LogGroup", p.account
	if strings.Contains(check.Resource, ":log-stream:") && !strings.HasSuffix(check.Resource, ":") {
		check.Type = "AWS::Logs::LogStream"
	}
	var err error
	if check.Policy, err = s.policyOf(ctx, p); err != nil {
		return call.Target{}, err
	}
	err = s.db.View(ctx, func(r store.Reader) error {
		g, err := groupAt(r, p, in.group(p))
		if err != nil {
			return ignoreGone(err)
		}
		for k, v := range g.Tags {
			check.Conditions.(policy.Map)["aws:resourcetag/"+strings.ToLower(k)] = policy.One(v)
		}
		return nil
	})
	return call.Target{Checks: []call.Check{check}}, err
}

// conditions are the condition keys that the request brings.
func conditions(in inputs) policy.Map {
	m := policy.Map{}
	keys, ok := in.Get("TagKeys").([]string)
	switch tags := in.Get("Tags").(type) {
	case map[string]string:
		ok = true
		for k, v := range tags {
			m["aws:requesttag/"+strings.ToLower(k)] = policy.One(v)
			keys = append(keys, k)
		}
	case []string: // UntagLogGroup
		keys, ok = tags, true
	}
	if ok {
		m["aws:tagkeys"] = policy.Many(keys)
	}
	return m
}
