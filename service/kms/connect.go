package kms

import (
	"context"
	"encoding/json"
	"errors"

	api "github.com/strongroom/strongroom/api/kms"
	"github.com/strongroom/strongroom/job"
	"github.com/strongroom/strongroom/service/kms/xks"
	"github.com/strongroom/strongroom/store"
	"github.com/strongroom/strongroom/wire"
)

// connectJob connects a custom key store. Its ID is the jobID of the store.
const connectJob = "connect key store"

// connection is the payload of a connectJob.
type connection struct {
	Attempt uint32 `json:"attempt"` // of the record, when the job was made
	Request string `json:"request"` // id of the call that asked for it
}

// beginConnect has a store connected in the background.
func (s *Service) beginConnect(tx store.Tx, h home, r *storeRecord, request string) error {
	r.State, r.Failure = api.ConnectionStateTypeConnecting, ""
	r.Attempt++
	payload, err := json.Marshal(connection{r.Attempt, request})
	if err != nil {
		return internal("connection: %w", err)
	}
	return s.room.Jobs.Schedule(tx, job.Job{Kind: connectJob, ID: jobID(h), Due: now(), Payload: payload})
}

// runConnect tries to connect a store, once, and writes down what came of it. When the house
// stops in the midst the next one tries again.
func (s *Service) runConnect(ctx context.Context, j job.Job) error {
	h, err := jobHome(j.ID)
	if err != nil {
		return err
	}
	var asked connection
	if err := json.Unmarshal(j.Payload, &asked); err != nil {
		return internal("connection: %w", err)
	}
	waits := func(r *storeRecord) bool {
		return r.State == api.ConnectionStateTypeConnecting && r.Attempt == asked.Attempt
	}
	k, err := s.keyStores.Get(ctx, h.path(storeTag))
	if errors.Is(err, store.ErrNotFound) || err == nil && !waits(&k.storeRecord) {
		return nil // deleted or disconnected since
	}
	if err != nil {
		return err
	}
	err = k.connect(ctx, xks.Request{Operation: "ConnectCustomKeyStore", ID: asked.Request})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	failure := connectionError(err)
	if failure == api.ConnectionErrorCodeTypeInternalError {
		s.room.Log.Warn("custom key store cannot be connected", "store", h.id, "error", err)
	}
	err = s.changeStore(ctx, h, func(_ store.Tx, r *storeRecord) error {
		switch {
		case !waits(r):
		case failure != "":
			r.State, r.Failure = api.ConnectionStateTypeFailed, failure
		default:
			r.State = api.ConnectionStateTypeConnected
		}
		return nil
	})
	var gone *wire.Error
	if errors.As(err, &gone) { // the store was deleted meanwhile
		return nil
	}
	return err
}
