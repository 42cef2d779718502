package proton

import (
	"reflect"
	"slices"
	"testing"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/wire"
)

func TestEveryOperationHasAScope(t *testing.T) {
	for _, op := range api.API.Operations {
		implemented := wire.Implemented((*Service)(nil), op)
		if _, ok := scopes[op.Name]; ok != implemented {
			t.Errorf("%s: has a scope %v, implemented %v", op.Name, ok, implemented)
		}
	}
	for name := range scopes {
		if api.API.Operation(name) == nil {
			t.Errorf("there is no operation %s", name)
		}
	}
}

// What P16 calls sensitive must not stand in the plain part of any record.
func TestSensitiveMembersAreSealed(t *testing.T) {
	for _, c := range []struct {
		record any
		want   []string
	}{
		{template{}, []string{"Description", "DisplayName"}},
		{version{}, []string{"Description", "StatusMessage", "Schema"}},
		{subject{}, []string{"Description", "Spec", "ServiceSpec", "TemplateFile", "Manifest", "DeploymentStatusMessage", "Outputs"}},
		{deployment{}, []string{"DeploymentStatusMessage", "InitialState", "TargetState", "State", "Outputs"}},
		{workload{}, []string{"Description", "Spec", "StatusMessage"}},
		{repository{}, []string{"ConnectionArn"}},
		{followed{}, []string{"LatestEvents", "SuccessfulEvents", "Want", "At"}},
		{watched{}, []string{"Events"}},
	} {
		typ := reflect.TypeOf(c.record)
		var got []string
		for _, path := range sealedFields(typ) {
			got = append(got, typ.FieldByIndex(path).Name)
		}
		for _, name := range c.want {
			if !slices.Contains(got, name) {
				t.Errorf("%s: %s is not sealed; sealed are %v", typ.Name(), name, got)
			}
		}
	}
}

func TestSplitAndJoin(t *testing.T) {
	v := subject{Name: wire.Ptr("dev"), Spec: wire.Ptr("proton: EnvironmentSpec"), Outputs: []api.Output{{Key: wire.Ptr("k"), ValueString: wire.Ptr("v")}}}
	open, secret, hides := split(v)
	if !hides || open.Spec != nil || open.Outputs != nil || *open.Name != "dev" || secret.Name != nil {
		t.Errorf("split: plain %+v, secret %+v, hides %v", open, secret, hides)
	}
	if got := join(open, secret); !reflect.DeepEqual(got, v) {
		t.Errorf("join: got %+v, want %+v", got, v)
	}
	if _, _, hides := split(subject{Name: wire.Ptr("dev")}); hides {
		t.Error("there is nothing to seal in a name")
	}
}

func TestKeyOfARN(t *testing.T) {
	p := place{"eu-central-1", "111122223333"}
	for _, c := range []struct {
		arn  string
		want []byte
	}{
		{p.templateARN(environmentFamily, "net"), key("et", p, "net")},
		{p.versionARN(serviceFamily, "web", "1", "10"), key("sv", p, "web", padded("1"), padded("10"))},
		{p.environmentARN("dev"), key("en", p, "dev")},
		{p.serviceARN("front"), key("se", p, "front")},
		{p.instanceARN("front", "blue"), key("si", p, "front", "blue")},
		{p.pipelineARN("front", newID()), key("pi", p, "front")},
		{p.componentARN("extra"), key("co", p, "extra")},
		{p.repositoryARN(api.RepositoryProviderGithub, "a/b"), key("re", p, "GITHUB", "a/b")},
		{"arn:aws:s3:::bucket", nil},
		{p.arn("service/front/other/x"), nil},
	} {
		at, got, ok := keyOfARN(c.arn)
		if ok != (c.want != nil) || ok && (string(got) != string(c.want) || at != p) {
			t.Errorf("%s: got %q in %v, %v", c.arn, got, at, ok)
		}
	}
}
