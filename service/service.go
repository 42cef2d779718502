// Package service holds the Room: all that a service of the house is given, and what
// it gives back. A service takes nothing else from outside, and no service imports
// another: what one needs of another it calls through Inside, which is the same road
// that a client's call takes.
package service

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"time"

	"github.com/strongroom/strongroom/audit"
	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/secret"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// Room is what a service is given when it is opened.
type Room struct {
	Regions []string   // the regions the house serves; the first is its home
	Store   store.DB   // the service's own part of the store
	Blobs   blob.Store // shared by all services; names are random, so they never meet
	Jobs    *job.Queue
	Audit   audit.Reader // what has happened in an account
	Root    Root         // the root key, behind purposes
	// Folder returns a folder for what the service keeps outside the store and the blobs, such as logs that it seals itself. It lies in
	// the data directory, belongs to the service alone, and is made when it is first asked for, with mode 0700.
	Folder func() (string, error)
	Log    *slog.Logger // the operator's log: no secrets, no customer data

	// Principals knows who there is.
	Principals Principals
	// Quotas are the requests a second that the operator lets an account make in a region, by
	// group of operations as the service calls them; nil for no limit.
	Quotas map[string]float64
	// KeyStores is what the operator says about key stores outside of the house.
	KeyStores KeyStores
	// AlertReceivers is what the operator says about who receives alerts.
	AlertReceivers AlertReceivers
	// GitConnections is the operator's file of connections to Git repositories; "" for none.
	GitConnections string
	// ScrapeAddresses are where scrapers of metrics may connect to: "10.1.0.0/16:9100"; none for nowhere.
	ScrapeAddresses []string
	// MetricsBackend is the cluster that keeps the workspaces of metrics that are made from now on; nil for none.
	MetricsBackend *MetricsBackend

	// Inside returns the door through which the service called name, such as
	// "s3.amazonaws.com", calls other services. With a Call in ctx it acts for that call's
	// principal; without, or with AsService, as itself.
	Inside func(name string) wire.Invoker
	// Authorize decides a permission from within a handler.
	Authorize call.Authorizer
}

// KeyStores is what the operator says about custom key stores: how far key material that is not
// in the house may be reached.
type KeyStores struct {
	// Roots are the authorities whose certificates external key store proxies may have; nil for the
	// system's.
	Roots *x509.CertPool
	// Addresses say where a proxy's host name, or a VPC endpoint service, is reached:
	// "10.1.2.3:8443". A name that is not listed must lead to a public address, port 443.
	Addresses map[string]string
	// Timeout bounds a call of a proxy; 0 for the 250 ms of AWS.
	Timeout time.Duration
	// Clusters are the PKCS#11 tokens that stand for CloudHSM clusters, by cluster id.
	Clusters map[string]Cluster
}

// AlertReceivers is what the operator says about those to whom alerts are delivered: how far a definition of Managed
// Prometheus reaches. The zero value is good for receivers on the public internet.
type AlertReceivers struct {
	// Roots are the authorities that certificates of receivers may come from; nil for the system's.
	Roots *x509.CertPool
	// Addresses say where a host name is reached: "10.1.2.3:8443". A name that is not listed must lead to a public address.
	Addresses map[string]string
	// Topics are the https addresses that stand for SNS topics, by the topic's ARN.
	Topics map[string]string
	// Timeout bounds a delivery; 0 for 20 seconds.
	Timeout time.Duration
}

// MetricsBackend is what the operator says about a Cortex or Mimir cluster.
type MetricsBackend struct {
	Kind       string         // "cortex" or "mimir"
	Address    string         // "https://cortex.example.org:9009"
	Roots      *x509.CertPool // authorities that its certificate may come from
	ServerName string         // in its certificate; "" for the address's
	// Certificate returns the client certificate of the house. It is asked at each handshake.
	Certificate func() (*tls.Certificate, error)
	Timeout     time.Duration // of what is no query; 0 for 30 seconds
	// Overrides is the file of the cluster's runtime configuration, which the house writes; Base one of the operator's that is
	// written into it, "" for none.
	Overrides, Base string
	// Principal is the ARN of the user or role whose access key the cluster has for its bucket; it is given a grant on each customer's
	// key. "" for none: the key's policy must let it in.
	Principal string
}

// Cluster is a PKCS#11 token that one account may use under the id of a CloudHSM cluster.
type Cluster struct {
	Module  string            // path of the PKCS#11 module
	Token   string            // label of the token
	Account string            // that may use it
	Anchor  *x509.Certificate // trust anchor that the account must name; nil for any
}

// Root wraps small secrets under the root key of the house. Both bind the purpose:
// what was wrapped for one purpose does not open for another.
type Root interface {
	Wrap(purpose string, plaintext []byte) ([]byte, error)
	Unwrap(purpose string, wrapped []byte) ([]byte, error)
	// Derive returns 32 bytes that are always the same for a purpose.
	Derive(purpose string) secret.Bytes
}

// Principals knows the users, roles and accounts of the house, for services that keep the
// names of some of them, such as in policies. Its methods may be called together.
type Principals interface {
	// PrincipalID returns the unique id of the user or role that an ARN names, and for the ARN
	// of a session "AROA...:session"; "" for an account, named by its number or its root user,
	// and for what is a unique id itself. It returns store.ErrNotFound when there is nobody of the name.
	PrincipalID(ctx context.Context, name string) (string, error)
	// PrincipalARN returns the ARN that the user or role with a unique id has now, or
	// store.ErrNotFound when he is no more.
	PrincipalARN(ctx context.Context, id string) (string, error)
}

// Rewrapper wraps again what was wrapped under the root key before it was rotated. changed is
// false, and out is wrapped itself, where that has been done already.
type Rewrapper interface {
	Rewrap(purpose string, wrapped []byte) (out []byte, changed bool, err error)
}

// Service is an opened service, as the gateway and the house see it.
type Service struct {
	API *wire.Service
	// Impl implements the generated Service interface.
	Impl any
	// Target says what a decoded and validated call acts on. An error is answered as it is.
	Target func(ctx context.Context, c *call.Call) (call.Target, error)
	// Data is the service's data plane, where clients speak another protocol than AWS's to it (wire.Raw); nil for none. Only
	// its API, Impl and Target count: all else is said here.
	Data *Service
	// Check reads and authenticates what the service keeps outside the store, and tells what
	// it does a line at a time; nil where there is nothing of the kind.
	Check func(ctx context.Context, tell func(string)) error
	// Hold keeps the files in the service's Folder from going until release is called, and Copy gives them to add, under
	// their names below the folder, as far as they are durable. A backup holds before it copies the records and
	// copies after it; both are nil where the service has no Folder.
	Hold func() (release func())
	Copy func(ctx context.Context, add func(name string, size int64, r io.Reader) error) error
	// Rewrap wraps everything that the service keeps directly under room.Root again, where root
	// says that it must be, and returns how many such things it changed. It runs when the root
	// key is rotated, while nothing else does, and again after a crash. A service that never
	// calls room.Root.Wrap leaves it nil.
	Rewrap func(ctx context.Context, root Rewrapper) (int, error)
	// Close releases what the service holds; it may be nil.
	Close func() error
}

type asServiceKey struct{}

// AsService returns a context in which calls made through Inside are made by the
// service itself, not for the caller of the call in ctx.
func AsService(ctx context.Context) context.Context {
	return context.WithValue(ctx, asServiceKey{}, true)
}

// IsAsService reports whether ctx came from AsService.
func IsAsService(ctx context.Context) bool {
	as, _ := ctx.Value(asServiceKey{}).(bool)
	return as
}
