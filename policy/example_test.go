package policy_test

import (
	"fmt"

	"github.com/strongroom/strongroom/policy"
)

func Example() {
	key, err := policy.Parse([]byte(`{
		"Version": "2012-10-17",
		"Statement": [{
			"Sid": "Enable IAM User Permissions",
			"Effect": "Allow",
			"Principal": {"AWS": "arn:aws:iam::111122223333:root"},
			"Action": "kms:*",
			"Resource": "*"
		}, {
			"Sid": "OnlyThroughS3",
			"Effect": "Deny",
			"Principal": "*",
			"Action": "kms:Decrypt",
			"Resource": "*",
			"Condition": {"StringNotEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
		}]
	}`), policy.KeyPolicy)
	if err != nil {
		panic(err)
	}
	admin, err := policy.Parse([]byte(`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`), policy.Identity)
	if err != nil {
		panic(err)
	}

	req := &policy.Request{
		Principal: &policy.Principal{Account: "111122223333", ARNs: []string{"arn:aws:iam::111122223333:user/alice"}},
		Action:    "kms:Decrypt",
		Resource:  "arn:aws:kms:eu-west-1:111122223333:key/1234abcd",
		Context:   policy.Map{"kms:viaservice": policy.One("s3.eu-west-1.amazonaws.com")},
	}
	set := &policy.Set{
		Identity:        []*policy.Document{admin.Named("admin")},
		Resource:        key.Named("key policy"),
		ResourceAccount: "111122223333",
		RootOfTrust:     true,
	}
	fmt.Println(policy.Decide(req, set).Reason)

	req.Context = nil // a direct call
	fmt.Println(policy.Decide(req, set).Message(req))
	fmt.Print(policy.Explain(req, set))
	// Output:
	// allowed by an identity-based policy
	// User: arn:aws:iam::111122223333:user/alice is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:eu-west-1:111122223333:key/1234abcd with an explicit deny in a resource-based policy
	// REFUSED: arn:aws:iam::111122223333:user/alice, kms:Decrypt, arn:aws:kms:eu-west-1:111122223333:key/1234abcd
	//   explicit deny in a resource-based policy
	// - statement "Enable IAM User Permissions" of key policy, Allow: it names the account of the caller, and leaves it to the identity-based policies there
	// * statement "OnlyThroughS3" of key policy, Deny: it names the caller, or everybody
	// - statement 0 of admin, Allow: it matches
}
