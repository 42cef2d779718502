package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/strongroom/strongroom/audit"
	"github.com/strongroom/strongroom/cli"
	"github.com/strongroom/strongroom/identity"
)

// auditKey answers with the key that verifies checkpoints. It is public, and its handing out leaves no record.
func (c *control) auditKey(h *house, w http.ResponseWriter, _ *http.Request) error {
	return answer(w, cli.AuditKey{Key: h.audit.Verifier()})
}

// auditCheckpoint signs what the log of an account holds at this moment. Its own record comes first, and is in it.
func (c *control) auditCheckpoint(h *house, w http.ResponseWriter, r *http.Request) error {
	of, err := h.audited(r)
	if err != nil {
		return err
	}
	if err := h.record(r.Context(), "GetAuditCheckpoint", of.Account, map[string]string{"accountId": of.Account}); err != nil {
		return err
	}
	text, err := h.audit.Checkpoint(of.Account)
	if err != nil {
		return err
	}
	return answer(w, cli.AuditCheckpoint{Text: string(text)})
}

// auditVerify says whether the log still holds what a checkpoint says it held.
func (c *control) auditVerify(h *house, w http.ResponseWriter, r *http.Request) error {
	var in cli.AuditCheckpoint
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return errors.New("malformed request")
	}
	was, err := audit.ReadCheckpoint([]byte(in.Text), h.audit.Verifier())
	if err != nil {
		return err
	}
	if err := h.record(r.Context(), "VerifyAuditCheckpoint", was.Account, map[string]string{"accountId": was.Account, "size": strconv.FormatUint(was.Size, 10)}); err != nil {
		return err
	}
	if err := h.audit.Verify([]byte(in.Text)); err != nil {
		return err
	}
	return answer(w, cli.AuditHeld{Account: was.Account, Size: was.Size})
}

// auditProve proves that a record is in the log of its account.
func (c *control) auditProve(h *house, w http.ResponseWriter, r *http.Request) error {
	of, err := h.audited(r)
	if err != nil {
		return err
	}
	if err := h.record(r.Context(), "ProveAuditRecord", of.Account, map[string]string{"accountId": of.Account, "eventId": of.EventID}); err != nil {
		return err
	}
	for _, region := range h.settings.Regions {
		found, err := h.audit.Lookup(r.Context(), audit.Query{Account: of.Account, Region: region, Attribute: audit.ByEventID, Value: of.EventID, Limit: 1})
		if err != nil {
			return err
		}
		if len(found) == 0 {
			continue
		}
		proof, err := h.audit.ProveFound(&found[0])
		if err != nil {
			return err
		}
		return answer(w, proof)
	}
	return fmt.Errorf("the log of account %s has no record with the event id %q", of.Account, of.EventID)
}

// audited reads which account's log is meant, the first one's of the house where none is named, and which record in it.
func (h *house) audited(r *http.Request) (of cli.AuditOf, err error) {
	if err := json.NewDecoder(r.Body).Decode(&of); err != nil {
		return of, errors.New("malformed request")
	}
	if of.Account == identity.HouseAccount {
		return of, nil
	}
	accounts, err := h.iam.Accounts(r.Context())
	if err != nil {
		return of, err
	}
	for _, a := range accounts {
		if of.Account == "" || a.ID == of.Account {
			of.Account = a.ID
			return of, nil
		}
	}
	return of, fmt.Errorf("the house has no account %q", of.Account)
}
