package proton

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/wire"
)

// grant makes the grant by which the service uses a customer's key for one template and nothing
// else. It is made with the caller's own permission, over the road, so that a caller who may not
// make grants on the key cannot name it. Without a customer's key there is none.
//
// Its name is the same for each try, so that a creation that was cut off and is tried again
// finds the grant that it left and makes no second one.
func (s *Service) grant(ctx context.Context, p place, keyID, template string) (string, error) {
	if keyID == "" {
		return "", nil
	}
	who, sum := "proton."+p.region+".amazonaws.com", sha256.Sum256([]byte(template))
	out, err := s.kms.CreateGrant(ctx, &kms.CreateGrantInput{
		KeyId: &keyID, GranteePrincipal: &who, RetiringPrincipal: &who, Name: wire.Ptr("proton-" + hex.EncodeToString(sum[:16])),
		Operations: []kms.GrantOperation{
			kms.GrantOperationDecrypt, kms.GrantOperationDescribeKey, kms.GrantOperationGenerateDataKey,
		},
		Constraints: &kms.GrantConstraints{EncryptionContextSubset: map[string]string{"aws:proton:template": template}},
	})
	var e *wire.Error
	switch {
	case err == nil:
		return wire.Val(out.GrantId), nil
	case !errors.As(err, &e) || e.Fault:
		return "", err
	case e.Code == "AccessDeniedException" || e.Code == "ThrottlingException":
		return "", e
	}
	return "", invalid("AWS Proton can't use the KMS key %s: %s: %s", keyID, e.Code, e.Message).WithCause(err)
}

// tryKey makes sure that the key of a resource can be used.
func (s *Service) tryKey(ctx context.Context, h *head) error {
	if _, err := s.keys.Make(h.context(ctx), h.keyID(), h.pairs()); err != nil {
		return keyError(h.Resource, err)
	}
	return nil
}

// releaseGrant gives a grant back. One that cannot be retired, because its key is gone or it was
// retired before, needs no more than a note: the resource is gone, and nothing is left to open.
func (s *Service) releaseGrant(ctx context.Context, h *head, grant string) {
	if grant == "" {
		return
	}
	ctx = h.context(context.WithoutCancel(ctx))
	if _, err := s.kms.RetireGrant(ctx, &kms.RetireGrantInput{KeyId: &h.Key, GrantId: &grant}); err != nil {
		s.log.Info("grant of a deleted template was not retired", "template", h.Template, "error", err)
	}
}
