package amp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/service/amp/tenant"
	"github.com/strongroom/strongroom/wire"
)

// bindKey makes a workspace's grants on a customer's key, with the caller's own permission, and its proof.
func (s *Service) bindKey(ctx context.Context, w *workspace) (err error) {
	keyID := tenant.OwnedKey(w.ID.Account)
	if w.Key != "" {
		if err := s.describeKey(ctx, w); err != nil {
			return err
		}
		if err := s.makeGrants(ctx, w); err != nil {
			return err
		}
		keyID = w.Key
	}
	dk, err := s.keys.Make(tenant.As(ctx, w.ID), keyID, tenant.Context(w.arn()))
	if err != nil {
		s.releaseGrants(ctx, w)
		return keyRefused(w.Key, err)
	}
	dk.Plaintext.Wipe()
	w.Proof = dk.Wrapped
	return nil
}

// describeKey makes sure that a customer's key is one that can protect a workspace ("Encryption at rest", Amazon Managed Service for
// Prometheus User Guide: a symmetric key for encryption, of the workspace's region).
func (s *Service) describeKey(ctx context.Context, w *workspace) error {
	out, err := s.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &w.Key})
	if err != nil {
		return keyRefused(w.Key, err)
	}
	m := out.KeyMetadata
	switch {
	case wire.Val(m.Arn) != w.Key || !strings.Contains(w.Key, ":kms:"+w.ID.Region+":"):
		return invalid("kmsKeyArn", "The KMS key %s is not a key of the Region %s.", w.Key, w.ID.Region)
	case m.KeySpec != kms.KeySpecSymmetricDefault || m.KeyUsage != kms.KeyUsageTypeEncryptDecrypt:
		return invalid("kmsKeyArn", "The KMS key %s is not a symmetric encryption key.", w.Key)
	case m.KeyState != kms.KeyStateEnabled:
		return invalid("kmsKeyArn", "The KMS key %s is not enabled.", w.Key)
	}
	return nil
}

// makeGrants makes the three grants. Each is bound to a source of its own, so that a use proves that its grant stands. Their names
// are the same for each try.
func (s *Service) makeGrants(ctx context.Context, w *workspace) error {
	who, sum := "aps."+w.ID.Region+".amazonaws.com", sha256.Sum256([]byte(w.arn()))
	for i, source := range tenant.Sources(w.arn()) {
		name := "aps-" + []string{"workspace", "query", "rules"}[i] + "-" + hex.EncodeToString(sum[:16])
		out, err := s.kms.CreateGrant(ctx, &kms.CreateGrantInput{
			KeyId: &w.Key, GranteePrincipal: &who, RetiringPrincipal: &who, Name: &name,
			Operations: []kms.GrantOperation{kms.GrantOperationGenerateDataKey, kms.GrantOperationDecrypt, kms.GrantOperationDescribeKey},
			Constraints: &kms.GrantConstraints{
				EncryptionContextSubset: tenant.Context(w.arn()), SourceArn: wire.Ptr(source),
			},
		})
		if err != nil {
			s.releaseGrants(ctx, w)
			return keyRefused(w.Key, err)
		}
		w.Grants = append(w.Grants, wire.Val(out.GrantId))
	}
	if err := s.grantCluster(ctx, w, who); err != nil {
		s.releaseGrants(ctx, w)
		return keyRefused(w.Key, err)
	}
	return nil
}

// releaseGrants gives the grants of a workspace back. One that cannot be retired, because its key is gone or it was revoked before, needs
// no more than a note: nothing is left to open.
func (s *Service) releaseGrants(ctx context.Context, w *workspace) {
	ctx = tenant.As(context.WithoutCancel(ctx), w.ID)
	all := slices.Clone(w.Grants)
	if w.ClusterGrant != "" {
		all = append(all, w.ClusterGrant)
	}
	for _, g := range all {
		if _, err := s.kms.RetireGrant(ctx, &kms.RetireGrantInput{KeyId: &w.Key, GrantId: &g}); err != nil {
			s.log.Info("grant of a workspace was not retired", "workspace", w.arn(), "error", err)
		}
	}
	w.Grants, w.ClusterGrant = nil, ""
}
