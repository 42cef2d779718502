package crash

import (
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/strongroom/strongroom/test/house"
)

// userWorker makes users, each with a tag, a policy and an access key.
type userWorker struct {
	*journal
	users map[string]*madeUser
	doubt unknown
}

// madeUser is a user, and what else of it was answered.
type madeUser struct {
	policy bool
	key    *types.AccessKey
	lost   bool // an access key whose secret nobody was told may be there
}

func newUserWorker(name string, seed uint64) *userWorker {
	return &userWorker{journal: newJournal(name, seed), users: map[string]*madeUser{}}
}

func (w *userWorker) step(a house.Account) error {
	client, name := a.IAM(), w.next()
	w.doubt = unknown{"user", name}
	made, err := client.CreateUser(ctx, &iam.CreateUserInput{UserName: &name, Tags: []types.Tag{{Key: aws.String("worker"), Value: &name}}})
	if err := w.note("CreateUser", made, err); err != nil {
		return err
	}
	u := &madeUser{}
	w.users[name] = u

	w.doubt = unknown{"policy", name}
	policy, err := client.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("inline"), PolicyDocument: aws.String(policyOf(name))})
	if err := w.note("PutUserPolicy", policy, err); err != nil {
		return err
	}
	u.policy = true

	w.doubt = unknown{"access key", name}
	key, err := client.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &name})
	if err := w.note("CreateAccessKey", key, err); err != nil {
		return err
	}
	u.key = key.AccessKey
	return nil
}

func policyOf(name string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::` + name + `/*"}}`
}

func (w *userWorker) verify(t *testing.T, a house.Account) {
	listed := map[string]bool{}
	for pages := iam.NewListUsersPaginator(a.IAM(), &iam.ListUsersInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Error(err)
			return
		}
		for _, u := range page.Users {
			listed[*u.UserName] = strings.HasPrefix(*u.UserName, w.name)
		}
	}
	if name := w.doubt.name; w.doubt.what == "user" && listed[name] {
		w.users[name] = &madeUser{}
	}
	for name, u := range w.users {
		if !listed[name] {
			t.Errorf("user %s is not listed", name)
		}
		delete(listed, name)
		w.verifyUser(t, a, name, u)
	}
	for name, mine := range listed {
		if mine {
			t.Errorf("user %s is listed and was never made", name)
		}
	}
	w.doubt = unknown{}
}

func (w *userWorker) verifyUser(t *testing.T, a house.Account, name string, u *madeUser) {
	client := a.IAM()
	got, err := client.GetUser(ctx, &iam.GetUserInput{UserName: &name})
	if err != nil || len(got.User.Tags) != 1 || *got.User.Tags[0].Value != name {
		t.Errorf("user %s: %+v, %v", name, got, err)
		return
	}
	policy, err := client.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: &name, PolicyName: aws.String("inline")})
	switch {
	case err == nil && (u.policy || w.doubt == unknown{"policy", name}):
		u.policy = true
		if text, err := url.QueryUnescape(*policy.PolicyDocument); err != nil || text != policyOf(name) {
			t.Errorf("the policy of user %s is %s", name, text)
		}
	case u.policy || house.ErrorCode(err) != "NoSuchEntity":
		t.Errorf("the policy of user %s: %v", name, err)
	}
	keys, err := client.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: &name})
	if err != nil {
		t.Errorf("access keys of user %s: %v", name, err)
		return
	}
	u.lost = u.lost || w.doubt == unknown{"access key", name}
	if u.key == nil {
		if n := len(keys.AccessKeyMetadata); n > 1 || n == 1 && !u.lost {
			t.Errorf("user %s has %d access keys and was told of none", name, n)
		}
		return
	}
	if len(keys.AccessKeyMetadata) != 1 || *keys.AccessKeyMetadata[0].AccessKeyId != *u.key.AccessKeyId {
		t.Errorf("user %s has %d access keys", name, len(keys.AccessKeyMetadata))
	}
	config := a.Config
	config.Credentials = credentials.NewStaticCredentialsProvider(*u.key.AccessKeyId, *u.key.SecretAccessKey, "")
	who, err := sts.NewFromConfig(config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil || !strings.HasSuffix(*who.Arn, ":user/"+name) {
		t.Errorf("the access key of user %s: %v", name, err)
	}
}
