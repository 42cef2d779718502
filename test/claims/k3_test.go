package claims

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/strongroom/strongroom/test/house"
)

// try is a call under a condition: what it is, how it is made and what comes of it.
type try struct {
	name string
	code string // "" for success
	call func() error
}

const refused = "AccessDeniedException"

// underCondition lets the principal do the actions on the key under the condition, and nothing
// without it, and makes the calls.
func underCondition(t *testing.T, h *house.House, key, principal, actions, condition string, tries []try) {
	t.Helper()
	keyPolicy(t, h.AsAdmin(), key, document(delegate(h.Account),
		`{"Effect":"Allow","Principal":{"AWS":"`+principal+`"},"Action":`+actions+`,"Resource":"*","Condition":`+condition+`}`))
	for _, try := range tries {
		want(t, condition+": "+try.name, try.call(), try.code)
	}
}

func TestK3_EncryptionContext(t *testing.T) {
	h := house.Start(t)
	kim := newGrantee(t, h, "kim")
	key := newKey(t, h.AsAdmin(), "")
	with := func(pairs ...string) func() error {
		context := map[string]string{}
		for _, p := range pairs {
			k, v, _ := strings.Cut(p, "=")
			context[k] = v
		}
		return func() error { _, err := encrypt(kim.Account, key, context); return err }
	}
	for condition, tries := range map[string][]try{
		`{"StringEquals":{"kms:EncryptionContext:team":"blue"}}`: {
			{"the pair", "", with("team=blue")}, {"more pairs", "", with("team=blue", "file=1")}, {"the name in other letter case", "", with("Team=blue")},
			{"another value", refused, with("team=red")}, {"the value in other letter case", refused, with("team=Blue")}, {"none", refused, with()},
		},
		`{"StringLike":{"kms:EncryptionContext:path":"reports/*"}}`: {
			{"a value that matches", "", with("path=reports/1")}, {"one that does not", refused, with("path=letters/1")}, {"none", refused, with()},
		},
		`{"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":["team","file"]},"Null":{"kms:EncryptionContextKeys":"false"}}`: {
			{"one of the names", "", with("team=x")}, {"both", "", with("team=x", "file=y")}, {"one more", refused, with("team=x", "other=y")}, {"none", refused, with()},
		},
		`{"ForAnyValue:StringEquals":{"kms:EncryptionContextKeys":"team"}}`: {
			{"the name", "", with("team=x")}, {"the name and others", "", with("team=x", "other=y")}, {"another", refused, with("other=y")}, {"none", refused, with()},
		},
	} {
		underCondition(t, h, key, kim.arn, `"kms:Encrypt"`, condition, tries)
	}
}

func TestK3_CallerAccount(t *testing.T) {
	h := house.Start(t)
	kim := newGrantee(t, h, "kim")
	id, credentials := h.NewAccount("other")
	other := h.As(credentials)
	key := newKey(t, h.AsAdmin(), "")
	by := func(a house.Account) func() error {
		return func() error { _, err := encrypt(a, key, nil); return err }
	}
	underCondition(t, h, key, "*", `"kms:Encrypt"`, `{"StringEquals":{"kms:CallerAccount":"`+h.Account+`"}}`,
		[]try{{"a user of the account", "", by(kim.Account)}, {"another account", refused, by(other)}})
	underCondition(t, h, key, "*", `"kms:Encrypt"`, `{"StringEquals":{"kms:CallerAccount":"`+id+`"}}`,
		[]try{{"a user of the key's account", refused, by(kim.Account)}, {"the account that is named", "", by(other)}})
}

func TestK3_ViaService(t *testing.T) {
	h := house.Start(t)
	admin, kim := h.AsAdmin(), newGrantee(t, h, "kim")
	userPolicy(t, admin, "kim", document(allow(`"s3:*"`, "*")))
	key := newKey(t, admin, "")
	newBucket(t, admin, "via-bucket", key)
	direct := func() error {
		_, err := kim.KMS().GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &key, KeySpec: kmstypes.DataKeySpecAes256})
		return err
	}
	bucket, name := "via-bucket", "object"
	through := func() error {
		_, err := kim.S3().PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &name, Body: strings.NewReader("x")})
		return err
	}
	const actions, service = `["kms:GenerateDataKey","kms:Decrypt"]`, `"s3.` + house.Region + `.amazonaws.com"`
	underCondition(t, h, key, kim.arn, actions, `{"StringEquals":{"kms:ViaService":`+service+`}}`,
		[]try{{"through S3", "", through}, {"directly", refused, direct}})
	underCondition(t, h, key, kim.arn, actions, `{"StringNotEquals":{"kms:ViaService":`+service+`}}`,
		[]try{{"through S3", "AccessDenied", through}, {"directly", "", direct}})
	underCondition(t, h, key, kim.arn, actions, `{"StringEquals":{"kms:ViaService":"monitron.`+house.Region+`.amazonaws.com"}}`,
		[]try{{"through S3", "AccessDenied", through}, {"directly", refused, direct}})
}

func TestK3_Grants(t *testing.T) {
	h := house.Start(t)
	kim, gwen, rita := newGrantee(t, h, "kim"), newGrantee(t, h, "gwen"), newGrantee(t, h, "rita")
	key := newKey(t, h.AsAdmin(), "")
	pairs := map[string]string{"team": "blue"}
	grant := func(change func(*kms.CreateGrantInput)) func() error {
		in := &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &gwen.arn, Operations: []kmstypes.GrantOperation{opEncrypt, opDescribe}}
		change(in)
		return func() error { _, err := kim.KMS().CreateGrant(ctx, in); return err }
	}
	plain := grant(func(*kms.CreateGrantInput) {})
	equals := grant(func(in *kms.CreateGrantInput) {
		in.Constraints = &kmstypes.GrantConstraints{EncryptionContextEquals: pairs}
	})
	subset := grant(func(in *kms.CreateGrantInput) {
		in.Constraints = &kmstypes.GrantConstraints{EncryptionContextSubset: pairs}
	})
	decrypts := grant(func(in *kms.CreateGrantInput) { in.Operations = append(in.Operations, opDecrypt) })
	toRita := grant(func(in *kms.CreateGrantInput) { in.GranteePrincipal = &rita.arn })
	retiredByRita := grant(func(in *kms.CreateGrantInput) { in.RetiringPrincipal = &rita.arn })
	retiredByGwen := grant(func(in *kms.CreateGrantInput) { in.RetiringPrincipal = &gwen.arn })

	for condition, tries := range map[string][]try{
		`{"StringEquals":{"kms:GrantConstraintType":"EncryptionContextEquals"}}`: {{"that constraint", "", equals}, {"the other", refused, subset}, {"none", refused, plain}},
		`{"StringEquals":{"kms:GrantConstraintType":"EncryptionContextSubset"}}`: {{"that constraint", "", subset}, {"the other", refused, equals}, {"none", refused, plain}},
		// Only a service that asks on a caller's behalf makes it true.
		`{"Bool":{"kms:GrantIsForAWSResource":"true"}}`:                                   {{"a direct call", refused, plain}},
		`{"Bool":{"kms:GrantIsForAWSResource":"false"}}`:                                  {{"a direct call", "", plain}},
		`{"ForAllValues:StringEquals":{"kms:GrantOperations":["Encrypt","DescribeKey"]}}`: {{"these operations", "", plain}, {"one more", refused, decrypts}},
		`{"StringEquals":{"kms:GranteePrincipal":"` + gwen.arn + `"}}`:                    {{"that grantee", "", plain}, {"another", refused, toRita}},
		`{"StringEquals":{"kms:RetiringPrincipal":"` + rita.arn + `"}}`:                   {{"that retiring principal", "", retiredByRita}, {"another", refused, retiredByGwen}, {"none", refused, plain}},
	} {
		underCondition(t, h, key, kim.arn, `"kms:CreateGrant"`, condition, tries)
	}
}
