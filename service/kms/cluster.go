package kms

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"sync"
	"time"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/pkcs11"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/service"
	"github.com/strongroom/strongroom/service/kms/key"
	"github.com/strongroom/strongroom/service/kms/xks"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// tokenKeyJob destroys the other half of a key that is not there in its token. Its ID is the jobID of the
// key, its payload the id of the store.
const tokenKeyJob = "delete key of a token"

// tokenTries is how often that is tried. AWS calls it a best effort too.
const tokenTries = 12

// tokenGrace is how long a new half waits in its token for the KMS key that it belongs to: longer than any
// call takes.
const tokenGrace = 10 * time.Minute

// sessions are the open tokens, one for each CloudHSM key store that is in use. A session belongs
// to a store with one credential; another credential needs another one.
type sessions struct {
	mu   sync.Mutex
	open map[string]*tokenSession // by the store key of the key store
}

// tokenSession is a token that is opened when it is first used.
type tokenSession struct {
	proof [sha256.Size]byte // of cluster and credential

	mu      sync.Mutex
	session *pkcs11.Session // nil until it is open
	closed  bool
}

// hsm is the backend of a CloudHSM key store: a PKCS#11 token that the operator names.
type hsm struct {
	s          *Service
	home       home // of the store
	cluster    service.Cluster
	credential secret.Bytes
}

// checkCluster refuses a cluster that the operator has not given to the account, and a trust anchor
// that is not the cluster's. What a certificate means to a PKCS#11 token is up to the operator: where
// he names one for the cluster it must be that one, and else it must be a certificate.
func (s *Service) checkCluster(h home, r *storeRecord) error {
	cluster, ok := s.room.KeyStores.Clusters[r.Cluster]
	if !ok || cluster.Account != h.account {
		return api.CloudHsmClusterNotFoundException("The AWS CloudHSM cluster %s was not found.", r.Cluster)
	}
	block, rest := pem.Decode([]byte(r.Anchor))
	if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 {
		return wrongAnchor()
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil || cluster.Anchor != nil && !cert.Equal(cluster.Anchor) {
		return wrongAnchor()
	}
	return nil
}

func wrongAnchor() error {
	return api.IncorrectTrustAnchorException("The trust anchor certificate is not the trust anchor certificate of the AWS CloudHSM cluster.")
}

// updatedCluster takes another password or another related cluster: one with the same trust anchor.
func (s *Service) updatedCluster(k *keyStore, r *storeRecord, in *api.UpdateCustomKeyStoreInput) (*storeRecord, *secret.Bytes, error) {
	if in.CloudHsmClusterId != nil && *in.CloudHsmClusterId != r.Cluster {
		from := s.room.KeyStores.Clusters[r.Cluster]
		r.Cluster = *in.CloudHsmClusterId
		to, ok := s.room.KeyStores.Clusters[r.Cluster]
		if !ok || to.Account != k.account {
			return nil, nil, api.CloudHsmClusterNotFoundException("The AWS CloudHSM cluster %s was not found.", r.Cluster)
		}
		if from.Anchor == nil || to.Anchor == nil || !from.Anchor.Equal(to.Anchor) {
			return nil, nil, api.CloudHsmClusterNotRelatedException("The AWS CloudHSM cluster %s is not related to the one that the custom key store was made with.", r.Cluster)
		}
	}
	if in.KeyStorePassword == nil {
		return r, nil, nil
	}
	return r, wire.Ptr(secret.FromString(*in.KeyStorePassword)), nil
}

// backend makes what stands behind a store, without connecting to it.
func (s *Service) backend(h home, r *storeRecord, credential secret.Bytes) (backend, error) {
	if !r.external() {
		return hsm{s, h, s.room.KeyStores.Clusters[r.Cluster], credential}, nil
	}
	p, err := s.proxies.Proxy(xks.Address{
		Endpoint: r.Endpoint, Path: r.Path, Via: r.Service, Region: h.region, AccessKeyID: r.AccessKeyID, Secret: credential,
	})
	return proxied{p}, err
}

// use returns the open session of the token's store, opening it when it is not.
func (t hsm) use(ctx context.Context) (*pkcs11.Session, error) {
	if t.cluster.Module == "" || t.cluster.Account != t.home.account {
		return nil, errNoCluster
	}
	at := t.home.path(storeTag)
	proof := sha256.Sum256(slices.Concat([]byte(t.cluster.Module+sep+t.cluster.Token+sep), t.credential.Reveal()))
	all := &t.s.sessions
	all.mu.Lock()
	held := all.open[at]
	var stale *tokenSession
	if held == nil || held.proof != proof {
		stale, held = held, &tokenSession{proof: proof}
		all.open[at] = held
	}
	all.mu.Unlock()
	stale.close()
	held.mu.Lock()
	defer held.mu.Unlock()
	if held.closed {
		return nil, pkcs11.ErrClosed
	}
	if held.session != nil {
		return held.session, nil
	}
	session, err := pkcs11.Open(ctx, pkcs11.Config{Module: t.cluster.Module, Token: t.cluster.Token, PIN: t.credential})
	if err != nil {
		return nil, err
	}
	held.session = session
	return session, nil
}

var errNoCluster = errors.New("the operator has not named the cluster")

// close closes a session; a nil one is none.
func (h *tokenSession) close() {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	if h.session != nil {
		_ = h.session.Close()
		h.session = nil
	}
}

// shut closes the session of a store that is disconnected, and lets none be opened with its credential
// before it is connected again: not by a call either that found it connected a moment ago.
func (all *sessions) shut(h home) {
	at := h.path(storeTag)
	all.mu.Lock()
	held := all.open[at]
	all.mu.Unlock()
	held.close()
}

// drop closes the session of a store, which may have none, and forgets it.
func (all *sessions) drop(h home) {
	all.mu.Lock()
	held := all.open[h.path(storeTag)]
	delete(all.open, h.path(storeTag))
	all.mu.Unlock()
	held.close()
}

// close closes all sessions.
func (all *sessions) close() {
	all.mu.Lock()
	open := all.open
	all.open = make(map[string]*tokenSession)
	all.mu.Unlock()
	for _, held := range open {
		held.close()
	}
}

// connect opens the token anew, so that a changed PIN is noticed, and asks for a sign of life.
func (t hsm) connect(ctx context.Context, _ xks.Request) error {
	t.s.sessions.drop(t.home)
	session, err := t.use(ctx)
	if err == nil {
		err = session.Ping(ctx)
	}
	if err != nil {
		t.s.sessions.drop(t.home)
	}
	return err
}

func (t hsm) half(id string, _ xks.Request) half { return tokenKey{t, id} }

// tokenKey is the half of a key that a token holds, labelled with the id of the KMS key.
type tokenKey struct {
	hsm
	label string
}

// Seal implements key.Holder. The token makes a random nonce each time; two that are the same
// would tell nothing, because what they encrypt is encrypted already, under a key of its own.
func (k tokenKey) Seal(ctx context.Context, inner, aad []byte) (key.Outer, error) {
	session, err := k.use(ctx)
	if err != nil {
		return key.Outer{}, err
	}
	held, err := session.Key(ctx, k.label)
	if err != nil {
		return key.Outer{}, err
	}
	sealed, err := held.Encrypt(ctx, aad, inner)
	if err != nil {
		return key.Outer{}, err
	}
	if len(sealed) != len(inner)+pkcs11.Overhead {
		return key.Outer{}, key.ErrOuter
	}
	end := len(sealed) - 16
	return key.Outer{IV: sealed[:12:12], Body: sealed[12:end:end], Tag: sealed[end:]}, nil
}

// Open implements key.Holder.
func (k tokenKey) Open(ctx context.Context, o key.Outer, aad []byte) ([]byte, error) {
	session, err := k.use(ctx)
	if err != nil {
		return nil, err
	}
	held, err := session.Key(ctx, k.label)
	if err != nil {
		return nil, err
	}
	return held.Decrypt(ctx, aad, slices.Concat(o.IV, o.Body, o.Tag))
}

func (k tokenKey) check(ctx context.Context) error {
	session, err := k.use(ctx)
	if err == nil {
		_, err = session.Key(ctx, k.label)
	}
	return err
}

// generate makes the half of a new key, which never leaves the token.
func (k tokenKey) generate(ctx context.Context) error {
	session, err := k.use(ctx)
	if err == nil {
		_, err = session.GenerateKey(ctx, k.label)
	}
	return tokenFailure(err, api.CustomKeyStoreInvalidStateException)
}

// tokenFailure is what becomes of the failures of a token: the token's, and not those of a call that
// was given up or of this program.
func tokenFailure(err error, fail maker) error {
	message := ""
	switch {
	case errors.Is(err, pkcs11.ErrNotFound), errors.Is(err, pkcs11.ErrAmbiguous), errors.Is(err, pkcs11.ErrUnfit):
		message = "The key material of this KMS key was not found in its AWS CloudHSM cluster, or cannot be used."
	case errors.Is(err, pkcs11.ErrCorrupt):
		message = "The AWS CloudHSM cluster rejected the request because the specified ciphertext or encryption context is corrupted, missing, or otherwise invalid."
	case errors.Is(err, pkcs11.ErrPIN), errors.Is(err, pkcs11.ErrLocked):
		message = "The AWS CloudHSM cluster rejected the password of the kmsuser. Disconnect the AWS CloudHSM key store, update its KeyStorePassword, and connect it again."
	case errors.Is(err, pkcs11.ErrUnavailable), errors.Is(err, pkcs11.ErrHelper), errors.Is(err, pkcs11.ErrClosed), errors.Is(err, errNoCluster),
		errors.Is(err, pkcs11.ErrUnsupported), errors.Is(err, pkcs11.ErrExists):
		message = "AWS KMS cannot communicate with the AWS CloudHSM cluster. Verify that the cluster is active, and try the request again."
	default:
		return err
	}
	return fail("%s", message)
}

// tokenCode is what DescribeCustomKeyStores says of a token that cannot be connected.
func tokenCode(err error) api.ConnectionErrorCodeType {
	switch {
	case errors.Is(err, pkcs11.ErrPIN):
		return api.ConnectionErrorCodeTypeInvalidCredentials
	case errors.Is(err, pkcs11.ErrLocked):
		return api.ConnectionErrorCodeTypeUserLockedOut
	case errors.Is(err, errNoCluster), errors.Is(err, pkcs11.ErrAmbiguous):
		return api.ConnectionErrorCodeTypeClusterNotFound
	case errors.Is(err, pkcs11.ErrHelper): // ours to mend
	case errors.Is(err, pkcs11.ErrUnavailable), errors.Is(err, pkcs11.ErrUnsupported):
		return api.ConnectionErrorCodeTypeInsufficientCloudhsmHsms
	}
	return api.ConnectionErrorCodeTypeInternalError
}

// randomInStore answers GenerateRandom from a CloudHSM key store.
func (s *Service) randomInStore(ctx context.Context, k *keyStore, n int) ([]byte, error) {
	t, ok := k.backend.(hsm)
	switch {
	case !ok:
		return nil, api.UnsupportedOperationException("GenerateRandom is not supported for external key stores.")
	case !k.connected():
		return nil, wrongState(k.home, &k.storeRecord, "CONNECTED")
	}
	session, err := t.use(ctx)
	if err != nil {
		return nil, tokenFailure(err, api.CustomKeyStoreInvalidStateException)
	}
	random, err := session.Random(ctx, n)
	return random, tokenFailure(err, api.CustomKeyStoreInvalidStateException)
}

// scheduleTokenKey has the other half of a key that is gone, or that has not come by then, destroyed in its token.
func (s *Service) scheduleTokenKey(tx store.Tx, h home, r *record, due time.Time) error {
	return s.room.Jobs.Schedule(tx, job.Job{Kind: tokenKeyJob, ID: jobID(h), Due: due, Payload: []byte(r.Store)})
}

// keepTokenKey says that the key has come for which a half was made in a token.
func (s *Service) keepTokenKey(tx store.Tx, h home) error {
	_, waits, err := s.room.Jobs.Get(tx, tokenKeyJob, jobID(h))
	if err != nil {
		return err
	}
	if !waits {
		return internal("the key in the token was not waited for any longer")
	}
	return s.room.Jobs.Cancel(tx, tokenKeyJob, jobID(h))
}

// runTokenKey destroys the other half of a key that is deleted, or that never came to be. Our own half is not
// there, so that nothing opens; this tidies up, and gives up when the token cannot be reached for long.
func (s *Service) runTokenKey(ctx context.Context, j job.Job) error {
	h, err := jobHome(j.ID)
	if err != nil {
		return err
	}
	k, err := s.keyStores.Get(ctx, home{h.region, h.account, string(j.Payload)}.path(storeTag))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	t, ok := k.backend.(hsm)
	if !ok {
		return nil
	}
	err = errors.New("the key store is not connected")
	if k.connected() {
		var session *pkcs11.Session
		if session, err = t.use(ctx); err == nil {
			err = session.DeleteKey(ctx, h.id)
		}
	}
	switch {
	case errors.Is(err, pkcs11.ErrNotFound):
		return nil
	case err != nil && j.Attempt >= tokenTries:
		s.room.Log.Warn("key of a token is left over", "store", k.id, "label", h.id, "error", err)
		return nil
	}
	return err
}
