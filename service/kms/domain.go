package kms

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/service/kms/key"
	"github.com/strongroom/strongroom/store"
)

// purpose binds a domain key to its place under the root key.
func purpose(region string, number uint32) string {
	return fmt.Sprintf("kms domain key %s %d", region, number)
}

func domainPath(region string, number uint32) string {
	return path(domainTag, region, digits(number))
}

// digits writes a number so that numbers sort as text; parseDigits reads it.
func digits(n uint32) string { return fmt.Sprintf("%010d", n) }

func parseDigits(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err
}

// domain returns a domain key of a region by its number.
func (s *Service) domain(r store.Reader, region string, number uint32) (*key.Domain, error) {
	wrapped, err := r.Get([]byte(domainPath(region, number)))
	if err != nil {
		return nil, internal("domain key %d of %s: %w", number, region, hideNotFound(err))
	}
	raw, err := s.room.Root.Unwrap(purpose(region, number), wrapped)
	if err != nil {
		return nil, internal("domain key %d of %s: %w", number, region, err)
	}
	return key.OpenDomain(number, raw)
}

// newest returns the number of the domain key that wraps in a region, or 0 when there is
// none yet.
func newest(r store.Reader, region string) (uint32, error) {
	prefix := []byte(path(domainTag, region, ""))
	scan := store.Prefix(prefix)
	scan.Reverse, scan.Limit, scan.KeysOnly = true, 1, true
	for rec, err := range r.Scan(scan) {
		if err != nil {
			return 0, err
		}
		return parseDigits(string(rec.Key[len(prefix):]))
	}
	return 0, nil
}

// wrapping returns the domain key that wraps in a region, and makes the first.
func (s *Service) wrapping(tx store.Tx, region string) (*key.Domain, error) {
	n, err := newest(tx, region)
	if err != nil {
		return nil, err
	}
	if n > 0 {
		return s.domain(tx, region, n)
	}
	if err := s.scheduleDomain(tx, region); err != nil {
		return nil, err
	}
	return s.addDomain(tx, region, 1)
}

func (s *Service) scheduleDomain(tx store.Tx, region string) error {
	return s.room.Jobs.Schedule(tx, job.Job{Kind: domainJob, ID: region, Due: now().Add(domainPeriod)})
}

// addDomain makes a new domain key, which wraps from then on.
func (s *Service) addDomain(tx store.Tx, region string, number uint32) (*key.Domain, error) {
	d := key.NewDomain(number)
	wrapped, err := s.room.Root.Wrap(purpose(region, number), d.Secret().Reveal())
	if err != nil {
		return nil, internal("domain key of %s: %w", region, err)
	}
	return d, tx.Put([]byte(domainPath(region, number)), wrapped)
}

// backing returns one version of a key's material.
func (s *Service) backing(r store.Reader, h home, version uint32) (*key.Material, error) {
	wrapped, err := r.Get([]byte(h.under(backingTag, digits(version))))
	if err != nil {
		return nil, internal("backing key %d of %s: %w", version, h.arn(), hideNotFound(err))
	}
	number, err := key.WrappedUnder(wrapped)
	if err != nil {
		return nil, internal("backing key %d of %s: %w", version, h.arn(), err)
	}
	d, err := s.domain(r, h.region, number)
	if err != nil {
		return nil, err
	}
	m, err := d.Unwrap(wrapped, h.arn(), version)
	if err != nil {
		return nil, internal("backing key %d of %s: %w", version, h.arn(), err)
	}
	return m, nil
}

// hideNotFound keeps a record that must be there and is not from looking like a key that
// does not exist.
func hideNotFound(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return store.ErrCorrupt
	}
	return err
}
