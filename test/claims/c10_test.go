package claims

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/strongroom/strongroom/test/canary"
	"github.com/strongroom/strongroom/test/house"
)

// tenants is what a tenant has in a house: an object, a plaintext and a sample, all under a key of his own.
type tenants struct {
	key, bucket, workspace, secret string
	blob                           []byte
}

func fillTenant(t *testing.T, h *house.House, a house.Account) tenants {
	t.Helper()
	of := tenants{key: newKey(t, a, ""), bucket: "tenants-own", secret: "canary_of_the_tenant"}
	newBucket(t, a, of.bucket, of.key)
	put(t, a, of.bucket, "object", []byte(of.secret))
	of.blob = mustEncrypt(t, a, of.key, nil)
	of.workspace = a.NewWorkspace(t, of.key)
	p := planeOf(t, h, mustRetrieve(t, a), of.workspace)
	p.mustWrite(time.Now(), map[string]float64{of.secret: 1})
	return of
}

// reads tells for each thing of the tenant whether it can be read with some credentials.
func (of tenants) reads(t *testing.T, h *house.House, a house.Account) (can []string) {
	t.Helper()
	if body, err := get(a, of.bucket, "object"); err == nil && string(body) == of.secret {
		can = append(can, "object")
	}
	if decrypt(a, of.blob, nil) == nil {
		can = append(can, "plaintext")
	}
	if status, body := planeOf(t, h, mustRetrieve(t, a), of.workspace).get("query", "query", of.secret); status == 200 && strings.Contains(body, of.secret) {
		can = append(can, "sample")
	}
	return can
}

// TestC10_OperatorCannotReadUnderADisabledKey has the operator run his commands on a house in which a tenant has disabled his key. Nothing of the tenant's
// opens by them, in this house or in one that is restored and has another root key, for the operator or for the tenant; and all is back when
// the tenant enables the key.
func TestC10_OperatorCannotReadUnderADisabledKey(t *testing.T) {
	h := house.Start(t)
	_, credentials := h.NewAccount("tenant")
	tenant := h.As(credentials)
	of := fillTenant(t, h, tenant)
	if got := of.reads(t, h, tenant); len(got) != 3 {
		t.Fatalf("the tenant reads only %v", got)
	}
	if _, err := tenant.KMS().DisableKey(ctx, &kms.DisableKeyInput{KeyId: &of.key}); err != nil {
		t.Fatal(err)
	}
	hunt := new(canary.Hunt)
	hunt.Add("the tenant's content", []byte(of.secret))
	run := func(h *house.House, args ...string) {
		t.Helper()
		text, err := h.Run(args...)
		if err != nil {
			t.Errorf("%s: %v\n%s", args, err, text)
		}
		for _, f := range hunt.Bytes(strings.Join(args, " "), []byte(text)) {
			t.Error(f)
		}
	}
	shut := func(what string, h *house.House) {
		t.Helper()
		for who, a := range map[string]house.Account{"the operator": h.AsAdmin(), "the tenant": h.As(credentials)} {
			if got := of.reads(t, h, a); len(got) != 0 {
				t.Errorf("%s: %s reads %v under a disabled key", what, who, got)
			}
		}
	}
	shut("disabled", h)
	aside := t.TempDir()
	backup := filepath.Join(aside, "backup")
	for _, args := range [][]string{{"env"}, {"account", "list"}, {"account", "create", "further"}, {"audit", "checkpoint"}, {"check"}, {"backup", backup}} {
		run(h, args...)
	}
	shut("after the commands", h)

	restored := house.New(t)
	restored.RootKey, restored.Account, restored.Admin = h.RootKey, h.Account, h.Admin
	run(restored, "restore", backup)
	run(restored, "rootkey", "rotate")
	run(restored, "check")
	restored.Restart()
	shut("restored", restored)
	for _, dir := range []string{h.Dir, restored.Dir, aside} {
		findings, _, err := hunt.Dir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range findings {
			t.Error(f)
		}
	}
	for what, h := range map[string]*house.House{"the house": h, "the restored house": restored} {
		if _, err := h.As(credentials).KMS().EnableKey(ctx, &kms.EnableKeyInput{KeyId: &of.key}); err != nil {
			t.Fatal(err)
		}
		if got := of.reads(t, h, h.As(credentials)); len(got) != 3 {
			t.Errorf("%s: with the key enabled the tenant reads only %v", what, got)
		}
		if got := of.reads(t, h, h.AsAdmin()); len(got) != 0 {
			t.Errorf("%s: the operator reads %v of another account", what, got)
		}
	}
}

// TestC10_ResponsibilitiesAreWritten reads the matrix that says who is responsible for what: it names the tenant's and the operator's part of each of what
// the claim names, and every command of the operator.
func TestC10_ResponsibilitiesAreWritten(t *testing.T) {
	page, err := os.ReadFile("../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(page), "### Who is responsible for what\n")
	if !ok {
		t.Fatal("there is no such section")
	}
	section, _, _ = strings.Cut(section, "\n### ")
	rows := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| ([^|]+) \| ([^|]*\S[^|]*) \| ([^|]*\S[^|]*) \|$`).FindAllStringSubmatch(section, -1) {
		rows[strings.TrimSpace(m[1])] = true
	}
	for _, want := range []string{"infrastructure", "the root key", "accounts", "content", "names, descriptions, tags", "credentials", "policies", "keys", "records"} {
		if !rows[want] {
			t.Errorf("there is no row for %s", want)
		}
	}
	h := house.New(t)
	help, err := h.Run("help")
	if err != nil {
		t.Fatal(err)
	}
	_, commands, _ := strings.Cut(help, "Available Commands:\n")
	commands, _, _ = strings.Cut(commands, "\n\n")
	for line := range strings.Lines(commands) {
		if name := strings.Fields(line)[0]; name != "completion" && name != "help" && name != "version" && name != "operations" && !strings.Contains(section, "`"+name) {
			t.Errorf("the command %s is not named", name)
		}
	}
}
