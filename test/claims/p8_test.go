package claims

import (
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/proton"

	"github.com/strongroom/strongroom/test/house"
)

// TestP8_ContextIsBound: what was encrypted with Proton's two pairs is decrypted with the same two, and with nothing else.
func TestP8_ContextIsBound(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	template := templateARN(h, "service-template", "worker")
	pairs := map[string]string{"aws:proton:template": template, "aws:proton:resource": template + ":1.0"}
	blob := mustEncrypt(t, admin, newKey(t, admin, ""), pairs)
	want(t, "Decrypt with the same pairs", decrypt(admin, blob, pairs), "")
	with := func(change func(map[string]string)) map[string]string {
		c := maps.Clone(pairs)
		change(c)
		return c
	}
	for name, context := range map[string]map[string]string{
		"no pair":         nil,
		"one pair":        with(func(c map[string]string) { delete(c, "aws:proton:resource") }),
		"an extra pair":   with(func(c map[string]string) { c["aws:proton:other"] = "x" }),
		"another value":   with(func(c map[string]string) { c["aws:proton:resource"] = template }),
		"another case":    with(func(c map[string]string) { c["aws:proton:template"] = strings.ToUpper(template) }),
		"a name's case":   {"AWS:proton:template": template, "aws:proton:resource": template + ":1.0"},
		"pairs exchanged": {"aws:proton:template": template + ":1.0", "aws:proton:resource": template},
	} {
		want(t, "Decrypt with "+name, decrypt(admin, blob, context), "InvalidCiphertextException")
	}
}

// TestP9_ContextIsInTheTrail: the pairs stand in the records of the key's uses, as they are, and identify what was read.
func TestP9_ContextIsInTheTrail(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	newBundles(t, admin, "managed-environment")
	template := environmentTemplate(t, admin, "network", key, "managed-environment")
	if _, err := admin.Proton().GetEnvironmentTemplate(ctx, &proton.GetEnvironmentTemplateInput{Name: aws.String("network")}); err != nil {
		t.Fatal(err)
	}
	e := latest(t, admin, "Decrypt", func(e *event) bool { return len(e.Resources) > 0 && e.Resources[0].ARN == key })
	if e.UserIdentity.InvokedBy != "proton.amazonaws.com" || !strings.Contains(e.text, `"aws:proton:template":"`+template+`"`) || !strings.Contains(e.text, `"aws:proton:resource":"`+template+`"`) {
		t.Errorf("the reading of the template is recorded as\n%s", e.text)
	}
}

// TestP10_NobodyElseSetsTheContext: a context in the request or in a header changes nothing.
func TestP10_NobodyElseSetsTheContext(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	raw(t, h, h.Admin, "proton", "AwsProton20200720.CreateEnvironmentTemplate",
		`{"name":"network","description":"described","encryptionKey":"`+key+`","encryptionContext":{"tenant":"blue"},"EncryptionContext":{"tenant":"blue"}}`,
		"X-Amz-Encryption-Context", "eyJ0ZW5hbnQiOiJibHVlIn0=", "X-Amz-Server-Side-Encryption-Context", "eyJ0ZW5hbnQiOiJibHVlIn0=")
	got, err := admin.Proton().GetEnvironmentTemplate(ctx, &proton.GetEnvironmentTemplateInput{Name: aws.String("network")})
	if err != nil || aws.ToString(got.EnvironmentTemplate.Description) != "described" {
		t.Fatal(got, err)
	}
	contexts := protonUses(t, admin, key)
	if len(contexts) < 2 {
		t.Errorf("the key was used %d times", len(contexts))
	}
	for _, c := range contexts {
		if len(c) != 2 || c["tenant"] != "" {
			t.Errorf("the key was used with the context %v", c)
		}
	}
}

// TestP11_P13_TwoPairsOnEveryUse: of all that Proton does with the key, nothing has more or fewer pairs, and the
// second one names the resource.
func TestP11_P13_TwoPairsOnEveryUse(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	newBundles(t, admin, "managed-environment")
	template := environmentTemplate(t, admin, "network", key, "managed-environment")
	contexts := protonUses(t, admin, key)
	if len(contexts) < 3 {
		t.Errorf("the key was used %d times", len(contexts))
	}
	for _, c := range contexts {
		if len(c) != 2 || c["aws:proton:template"] != template || !strings.HasPrefix(c["aws:proton:resource"], "arn:aws:proton:"+house.Region+":"+h.Account+":") {
			t.Errorf("the key was used with the context %v", c)
		}
	}
	for _, resource := range []string{template, template + ":1.0"} {
		if !used(t, admin, key, template, resource) {
			t.Errorf("no use of the key names %s as the resource", resource)
		}
	}
}

// TestP12_TheTemplateConstrains: the grant is for the one template, and a key policy can speak of it.
func TestP12_TheTemplateConstrains(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	key := newKey(t, admin, "")
	template := templateARN(h, "environment-template", "network")
	create := func(name, key string) error {
		_, err := admin.Proton().CreateEnvironmentTemplate(ctx, &proton.CreateEnvironmentTemplateInput{Name: &name, EncryptionKey: &key, Description: aws.String("described")})
		return err
	}
	want(t, "the template", create("network", key), "")
	out, err := admin.KMS().ListGrants(ctx, &kms.ListGrantsInput{KeyId: &key})
	if err != nil || len(out.Grants) != 1 {
		t.Fatalf("the grants are %v, %v", out.Grants, err)
	}
	g := out.Grants[0]
	if g.Constraints == nil || !maps.Equal(g.Constraints.EncryptionContextSubset, map[string]string{"aws:proton:template": template}) || len(g.Constraints.EncryptionContextEquals) != 0 {
		t.Errorf("the grant is constrained by %+v, want the subset of the template %s", g.Constraints, template)
	}
	if who := aws.ToString(g.GranteePrincipal); !strings.HasPrefix(who, "proton") {
		t.Errorf("the grant is for %s", who)
	}
	for _, op := range g.Operations {
		if op != opDecrypt && op != opDescribe && op != kmstypes.GrantOperationGenerateDataKey {
			t.Errorf("the grant allows %s, which is not needed", op)
		}
	}

	// A key whose policy is for the template "network" and nothing else serves no other.
	narrow := newKey(t, admin, document(delegate(h.Account),
		`{"Effect":"Deny","Principal":"*","Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":"*","Condition":{"StringNotEquals":{"kms:EncryptionContext:aws:proton:template":"`+templateARN(h, "environment-template", "narrow")+`"}}}`))
	want(t, "the template that the policy is for", create("narrow", narrow), "")
	if err := create("wide", narrow); house.ErrorCode(err) != "ValidationException" && house.ErrorCode(err) != "AccessDeniedException" {
		t.Errorf("another template under that key: %v, want a refusal", err)
	}
}

// TestP15_TemplateCreation: both pairs carry the template's ARN.
func TestP15_TemplateCreation(t *testing.T) {
	h := house.Start(t)
	admin := h.AsAdmin()
	for family, create := range map[string]func(key *string) error{
		"environment-template": func(key *string) error {
			_, err := admin.Proton().CreateEnvironmentTemplate(ctx, &proton.CreateEnvironmentTemplateInput{Name: aws.String("first"), EncryptionKey: key, Description: aws.String("described")})
			return err
		},
		"service-template": func(key *string) error {
			_, err := admin.Proton().CreateServiceTemplate(ctx, &proton.CreateServiceTemplateInput{Name: aws.String("first"), EncryptionKey: key, Description: aws.String("described")})
			return err
		},
	} {
		key := newKey(t, admin, "")
		if err := create(&key); err != nil {
			t.Fatal(err)
		}
		template := templateARN(h, family, "first")
		contexts := protonUses(t, admin, key)
		if len(contexts) == 0 {
			t.Errorf("%s: the key was not used", family)
		}
		for _, c := range contexts {
			if !maps.Equal(c, map[string]string{"aws:proton:template": template, "aws:proton:resource": template}) {
				t.Errorf("%s: the key was used with the context %v", family, c)
			}
		}
	}
}
