package tenant

import (
	"context"
	"errors"
	"fmt"

	"github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/seal"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/service/amp/wal"
	"github.com/strongroom/strongroom/wire"
)

// KeyError says that the key of a workspace cannot be used. Nothing is lost that was acknowledged, unless Lost is set.
type KeyError struct {
	ARN  string // of the workspace
	Code string // what KMS said: "DisabledException"
	Lost bool   // a grant of the workspace was revoked: nothing brings it back
	Err  error
}

// Error says what is the matter and what can be done, without anything that is secret.
func (e *KeyError) Error() string {
	if e.Lost {
		return fmt.Sprintf("The data of %s is lost: a grant on its KMS key was revoked or retired, and cannot be made again.", e.ARN)
	}
	return fmt.Sprintf("The KMS key of %s can't be used at present (%s). What was acknowledged is kept. Try again when the key can be used.", e.ARN, e.Code)
}

// Unwrap returns the error of KMS.
func (e *KeyError) Unwrap() error { return e.Err }

// Retryable reports whether the same request may succeed later.
func (e *KeyError) Retryable() bool { return !e.Lost }

// keyError turns a refusal of KMS into a KeyError. An error that is no refusal stays as it is.
func keyError(arn string, err error) error {
	var e *wire.Error
	if err == nil || !errors.As(err, &e) || e.Fault {
		return err
	}
	return &KeyError{ARN: arn, Code: e.Code, Err: err}
}

// pairs is the encryption context of everything that is sealed for a workspace.
func pairs(arn string) map[string]string { return map[string]string{"aws:aps:arn": arn} }

// Context returns the encryption context of everything that is sealed for a workspace: {"aws:aps:arn": arn}.
func Context(arn string) map[string]string { return pairs(arn) }

// Sources are the ARNs that the three grants of a workspace are bound to (aws:SourceArn): the workspace itself, its
// queries and its rules. Because each grant has its own, a Decrypt for a source proves that its grant stands.
func Sources(arn string) [3]string { return [3]string{arn, arn + "/query", arn + "/rules"} }

// as is the context in which the service itself uses the key of a workspace.
func as(ctx context.Context, id ID, source string) context.Context {
	return service.AsService(call.InRegion(call.ForSource(ctx, id.Account, source), id.Region))
}

// As returns a context in which the service calls KMS as itself, in the region of a workspace and on its behalf.
func As(ctx context.Context, id ID) context.Context { return as(ctx, id, id.ARN()) }

// OwnedKey is the name of the key that protects a workspace without a customer's key.
func OwnedKey(account string) string { return "alias/owned/aps/" + account }

// keys makes and opens data keys for one workspace, by the service itself.
type keys struct {
	seal seal.Keys
	id   ID
	arn  string
	key  string // name or ARN of the KMS key that new data keys are made under
}

var _ wal.Keys = (*keys)(nil)

func newKeys(s seal.Keys, id ID, w *Workspace) *keys {
	k := &keys{seal: s, id: id, arn: w.ARN, key: w.Key}
	if k.key == "" {
		k.key = OwnedKey(id.Account)
	}
	return k
}

// Make returns a fresh data key.
func (k *keys) Make(ctx context.Context) (seal.DataKey, error) {
	dk, err := k.seal.Make(as(ctx, k.id, k.arn), k.key, pairs(k.arn))
	return dk, keyError(k.arn, err)
}

// Open opens a data key that Make made. The ciphertext says which key wrapped it. One that KMS does not
// know as its own was changed: that is seal.ErrCorrupt, and not a matter of the key.
func (k *keys) Open(ctx context.Context, wrapped []byte) (secret.Bytes, error) {
	key := ""
	if k.key != OwnedKey(k.id.Account) {
		key = k.key
	}
	opened, err := k.seal.Open(as(ctx, k.id, k.arn), key, wrapped, pairs(k.arn))
	var e *wire.Error
	if errors.As(err, &e) && (e.Code == "InvalidCiphertextException" || e.Code == "IncorrectKeyException") {
		return secret.Bytes{}, fmt.Errorf("%w: data key of %s (%s)", seal.ErrCorrupt, k.arn, e.Code)
	}
	return opened, keyError(k.arn, err)
}

// stands reports whether a grant still exists. KMS tells whoever may retire it.
func (ts *Tenants) stands(ctx context.Context, id ID, key, grant string) (bool, error) {
	_, err := ts.kms.RetireGrant(As(ctx, id), &kms.RetireGrantInput{KeyId: &key, GrantId: &grant, DryRun: wire.Ptr(true)})
	var e *wire.Error
	switch {
	case !errors.As(err, &e) || e.Fault:
		return false, errors.Join(err, errors.New("a dry run of RetireGrant did not say whether the grant is there"))
	case e.Code == "DryRunOperationException":
		return true, nil
	case e.Code == "NotFoundException" || e.Code == "AccessDeniedException" || e.Code == "InvalidGrantIdException":
		return false, nil
	}
	return false, err
}
