package iam

import (
	"slices"
	"sync"
	"time"

	"github.com/strongroom/strongroom/policy"
)

// awsAccount stands where an account stands, in the names of policies that every account has.
const awsAccount = "aws"

// awsPolicy is a managed policy that every account has. Its name is AWS's, so that
// what people write keeps working; its text is ours, and speaks of what a house has.
type awsPolicy struct {
	managed
	text     string
	document func() (*policy.Document, error)
}

// awsManaged returns the policy of AWS with an ARN, or nil.
func awsManaged(arn string) *awsPolicy { return awsByARN()[arn] }

// awsPolicies returns the policies of AWS, in the order of their names.
var awsPolicies = sync.OnceValue(func() []*awsPolicy {
	made := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	list := make([]*awsPolicy, 0, len(awsTexts))
	for _, t := range awsTexts {
		p := &awsPolicy{text: t.text, managed: managed{
			ID: t.id, Name: t.name, Path: "/", Description: t.description, Created: made, Updated: made,
			Default: 1, Last: 1, Versions: []version{{Number: 1, Created: made}},
		}}
		p.document = sync.OnceValues(func() (*policy.Document, error) {
			doc, err := policy.Parse([]byte(p.text), policy.Identity)
			if err != nil {
				return nil, err
			}
			return doc.Named(p.arn(awsAccount)), nil
		})
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *awsPolicy) int {
		if fold(a.Name) < fold(b.Name) {
			return -1
		}
		return 1
	})
	return list
})

var awsByARN = sync.OnceValue(func() map[string]*awsPolicy {
	byARN := make(map[string]*awsPolicy)
	for _, p := range awsPolicies() {
		byARN[p.arn(awsAccount)] = p
	}
	return byARN
})

// awsTexts are the policies of AWS that a house has.
var awsTexts = []struct{ name, id, description, text string }{
	{"AdministratorAccess", "ANPAADMINISTRATORACCS", "Everything, everywhere in the account.", `{
  "Version": "2012-10-17",
  "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
}`},
	{"PowerUserAccess", "ANPAPOWERUSERACCESSXX", "Everything but the management of who may do what.", `{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"},
    {"Effect": "Allow", "Action": ["iam:ListRoles", "iam:CreateServiceLinkedRole", "iam:DeleteServiceLinkedRole"], "Resource": "*"}
  ]
}`},
	{"ReadOnlyAccess", "ANPAREADXONLYXACCESSX", "Reading of every service, without the use of keys and secrets.", `{
  "Version": "2012-10-17",
  "Statement": [{"Effect": "Allow", "Resource": "*", "Action": [
    "aps:Describe*", "aps:Get*", "aps:List*", "aps:QueryMetrics",
    "cloudtrail:Describe*", "cloudtrail:Get*", "cloudtrail:List*", "cloudtrail:LookupEvents",
    "iam:GenerateCredentialReport", "iam:Get*", "iam:List*", "iam:Simulate*",
    "kms:Describe*", "kms:Get*", "kms:List*",
    "logs:Describe*", "logs:FilterLogEvents", "logs:Get*", "logs:List*",
    "macie2:Describe*", "macie2:Get*", "macie2:List*",
    "monitron:Get*", "monitron:List*",
    "panorama:Describe*", "panorama:Get*", "panorama:List*",
    "proton:Get*", "proton:List*",
    "s3:Get*", "s3:Head*", "s3:List*",
    "secretsmanager:Describe*", "secretsmanager:GetResourcePolicy", "secretsmanager:List*",
    "ssm-contacts:Describe*", "ssm-contacts:Get*", "ssm-contacts:List*",
    "ssm-incidents:Get*", "ssm-incidents:List*",
    "sts:GetAccessKeyInfo", "sts:GetCallerIdentity", "sts:GetSessionToken"
  ]}]
}`},
	{"IAMFullAccess", "ANPAIAMXFULLXACCESSXX", "Everything of IAM.", `{
  "Version": "2012-10-17",
  "Statement": [{"Effect": "Allow", "Action": "iam:*", "Resource": "*"}]
}`},
	{"IAMReadOnlyAccess", "ANPAIAMXREADXONLYACCS", "Reading of IAM.", `{
  "Version": "2012-10-17",
  "Statement": [{"Effect": "Allow", "Action": ["iam:GenerateCredentialReport", "iam:Get*", "iam:List*", "iam:Simulate*"], "Resource": "*"}]
}`},
	{"AmazonS3FullAccess", "ANPASTHREEFULLXACCESS", "Everything of S3.", `{
  "Version": "2012-10-17",
  "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]
}`},
	{"AmazonS3ReadOnlyAccess", "ANPASTHREEREADXACCESS", "Reading of S3.", `{
  "Version": "2012-10-17",
  "Statement": [{"Effect": "Allow", "Action": ["s3:Get*", "s3:List*", "s3:Describe*"], "Resource": "*"}]
}`},
	{"AWSKeyManagementServicePowerUser", "ANPAKEYMANAGEMENTUSER", "Making keys and looking at them; the use of a key is its policy's to give.", `{
  "Version": "2012-10-17",
  "Statement": [{"Effect": "Allow", "Resource": "*", "Action": [
    "kms:CreateAlias", "kms:CreateKey", "kms:DeleteAlias", "kms:Describe*", "kms:GenerateRandom", "kms:Get*", "kms:List*",
    "kms:TagResource", "kms:UntagResource", "iam:ListGroups", "iam:ListRoles", "iam:ListUsers"
  ]}]
}`},
	{"AWSCloudTrail_ReadOnlyAccess", "ANPACLOUDTRAILREADXXX", "Reading of the trail of an account.", `{
  "Version": "2012-10-17",
  "Statement": [{"Effect": "Allow", "Resource": "*", "Action": [
    "cloudtrail:Describe*", "cloudtrail:Get*", "cloudtrail:List*", "cloudtrail:LookupEvents"
  ]}]
}`},
}
