package logs

import (
	"context"
	"maps"
	"strings"

	api "github.com/strongroom/strongroom/api/logs"
	"github.com/strongroom/strongroom/resource"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// CreateLogGroup makes a group. Where a KMS key is named, the service must be allowed to use it for the group.
func (s *Service) CreateLogGroup(ctx context.Context, in *api.CreateLogGroupInput) (*api.CreateLogGroupOutput, error) {
	if wire.Val(in.DeletionProtectionEnabled) {
		return nil, invalid("Deletion protection of log groups is not supported.")
	}
	tags, err := resource.Tags(nil).Merge(in.Tags)
	if err != nil {
		return nil, tagError(err)
	}
	g := &group{ID: newID(s.now()), Name: *in.LogGroupName, Created: s.milliseconds(), Key: wire.Val(in.KmsKeyId), Class: string(in.LogGroupClass), Tags: tags, at: here(ctx)}
	if g.Class == "" {
		g.Class = string(api.LogGroupClassStandard)
	}
	var first *dataKey
	if g.Key != "" {
		if first, err = s.chooseKey(ctx, g); err != nil {
			return nil, err
		}
	}
	return &api.CreateLogGroupOutput{}, s.createGroup(ctx, g, first)
}

// DeleteLogGroup deletes a group with all its streams and events.
func (s *Service) DeleteLogGroup(ctx context.Context, in *api.DeleteLogGroupInput) (*api.DeleteLogGroupOutput, error) {
	return &api.DeleteLogGroupOutput{}, s.deleteGroup(ctx, *in.LogGroupName)
}

// DescribeLogGroups lists the groups of the caller's account, by name.
func (s *Service) DescribeLogGroups(ctx context.Context, in *api.DescribeLogGroupsInput) (*api.DescribeLogGroupsOutput, error) {
	prefix, pattern := wire.Val(in.LogGroupNamePrefix), wire.Val(in.LogGroupNamePattern)
	if prefix != "" && pattern != "" {
		return nil, invalid("LogGroupNamePrefix and LogGroupNamePattern are mutually exclusive parameters.")
	}
	p := here(ctx)
	if len(in.LogGroupIdentifiers) > 0 {
		return s.describeNamed(ctx, p, in)
	}
	if len(in.AccountIdentifiers) > 0 && (len(in.AccountIdentifiers) > 1 || in.AccountIdentifiers[0] != p.account) {
		return nil, invalid("No account is linked to this one.")
	}
	pg := page{strings.Join([]string{"groups", p.region, p.account, prefix, pattern, string(in.LogGroupClass)}, "\x1f"), in.NextToken, in.Limit}
	below := append(below("g", p.region, p.account), prefix...)
	items, next, err := list(ctx, s, below, false, pg, func(r store.Reader, rest string, _ []byte) (*api.LogGroup, error) {
		g, err := groupAt(r, p, prefix+rest)
		if err != nil {
			return nil, err
		}
		if !strings.Contains(strings.ToLower(g.Name), strings.ToLower(pattern)) || in.LogGroupClass != "" && string(in.LogGroupClass) != g.Class {
			return nil, nil
		}
		return g.described(r)
	})
	if err != nil {
		return nil, err
	}
	return &api.DescribeLogGroupsOutput{LogGroups: items, NextToken: next}, nil
}

// describeNamed describes the groups that a request names, where they are there.
func (s *Service) describeNamed(ctx context.Context, p place, in *api.DescribeLogGroupsInput) (*api.DescribeLogGroupsOutput, error) {
	if in.LogGroupNamePrefix != nil || in.LogGroupNamePattern != nil || in.NextToken != nil || in.Limit != nil || in.LogGroupClass != "" {
		return nil, invalid("No other filter may be specified beside logGroupIdentifiers.")
	}
	out := &api.DescribeLogGroupsOutput{LogGroups: []api.LogGroup{}}
	return out, s.db.View(ctx, func(r store.Reader) error {
		out.LogGroups = out.LogGroups[:0]
		for _, id := range in.LogGroupIdentifiers {
			name, err := p.identified(nil, &id)
			if err != nil {
				return err
			}
			g, err := groupAt(r, p, name)
			if err != nil {
				if err = ignoreGone(err); err != nil {
					return err
				}
				continue
			}
			d, err := g.described(r)
			if err != nil {
				return err
			}
			out.LogGroups = append(out.LogGroups, *d)
		}
		return nil
	})
}

// PutRetentionPolicy says how long the events of a group are kept.
func (s *Service) PutRetentionPolicy(ctx context.Context, in *api.PutRetentionPolicyInput) (*api.PutRetentionPolicyOutput, error) {
	if *in.RetentionInDays == 0 {
		return nil, invalid("retentionInDays must not be 0.")
	}
	return &api.PutRetentionPolicyOutput{}, s.setRetention(ctx, *in.LogGroupName, *in.RetentionInDays)
}

// DeleteRetentionPolicy says that the events of a group are kept for ever.
func (s *Service) DeleteRetentionPolicy(ctx context.Context, in *api.DeleteRetentionPolicyInput) (*api.DeleteRetentionPolicyOutput, error) {
	return &api.DeleteRetentionPolicyOutput{}, s.setRetention(ctx, *in.LogGroupName, 0)
}

// AssociateKmsKey says under which key of the customer events are sealed from now on.
func (s *Service) AssociateKmsKey(ctx context.Context, in *api.AssociateKmsKeyInput) (*api.AssociateKmsKeyOutput, error) {
	name, err := here(ctx).identified(in.LogGroupName, in.ResourceIdentifier)
	if err != nil {
		return nil, err
	}
	return &api.AssociateKmsKeyOutput{}, s.setKey(ctx, name, *in.KmsKeyId)
}

// DisassociateKmsKey says that events are sealed under the service's key from now on.
func (s *Service) DisassociateKmsKey(ctx context.Context, in *api.DisassociateKmsKeyInput) (*api.DisassociateKmsKeyOutput, error) {
	name, err := here(ctx).identified(in.LogGroupName, in.ResourceIdentifier)
	if err != nil {
		return nil, err
	}
	return &api.DisassociateKmsKeyOutput{}, s.setKey(ctx, name, "")
}

// ListTagsForResource lists the tags of a group.
func (s *Service) ListTagsForResource(ctx context.Context, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	g, err := s.groupNamed(ctx, nil, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &api.ListTagsForResourceOutput{Tags: g.tags()}, nil
}

// ListTagsLogGroup lists the tags of a group.
func (s *Service) ListTagsLogGroup(ctx context.Context, in *api.ListTagsLogGroupInput) (*api.ListTagsLogGroupOutput, error) {
	g, err := s.groupNamed(ctx, in.LogGroupName, nil)
	if err != nil {
		return nil, err
	}
	return &api.ListTagsLogGroupOutput{Tags: g.tags()}, nil
}

func (g *group) tags() map[string]string {
	if g.Tags == nil {
		return map[string]string{}
	}
	return maps.Clone(g.Tags)
}

// TagResource adds tags to a group, or gives those that it has new values.
func (s *Service) TagResource(ctx context.Context, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	return &api.TagResourceOutput{}, s.retag(ctx, nil, in.ResourceArn, func(t resource.Tags) (resource.Tags, error) { return t.Merge(in.Tags) })
}

// TagLogGroup adds tags to a group, or gives those that it has new values.
func (s *Service) TagLogGroup(ctx context.Context, in *api.TagLogGroupInput) (*api.TagLogGroupOutput, error) {
	return &api.TagLogGroupOutput{}, s.retag(ctx, in.LogGroupName, nil, func(t resource.Tags) (resource.Tags, error) { return t.Merge(in.Tags) })
}

// UntagResource takes tags away from a group.
func (s *Service) UntagResource(ctx context.Context, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	return &api.UntagResourceOutput{}, s.retag(ctx, nil, in.ResourceArn, func(t resource.Tags) (resource.Tags, error) { return t.Without(in.TagKeys), nil })
}

// UntagLogGroup takes tags away from a group.
func (s *Service) UntagLogGroup(ctx context.Context, in *api.UntagLogGroupInput) (*api.UntagLogGroupOutput, error) {
	return &api.UntagLogGroupOutput{}, s.retag(ctx, in.LogGroupName, nil, func(t resource.Tags) (resource.Tags, error) { return t.Without(in.Tags), nil })
}

// retag changes the tags of a group.
func (s *Service) retag(ctx context.Context, groupName, arn *string, change func(resource.Tags) (resource.Tags, error)) error {
	name, err := here(ctx).identified(groupName, arn)
	if err != nil {
		return err
	}
	return s.changeGroup(ctx, name, func(_ store.Tx, g *group) error {
		tags, err := change(g.Tags)
		if err != nil {
			return tagError(err)
		}
		g.Tags = tags
		return nil
	})
}
