package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"time"

	"github.com/strongroom/strongroom/audit"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/identity"
	"github.com/strongroom/strongroom/rootkey"
)

// operatorSource is the eventSource of what the operator does by commands.
const operatorSource = "operator.strongroom"

// record writes what the operator does into the trail of the account it concerns and into
// the house's own, durably. Without a record, it is not done.
func (h *house) record(ctx context.Context, event, account string, parameters map[string]string) error {
	accounts := []string{identity.HouseAccount}
	if account != "" && account != identity.HouseAccount {
		accounts = append(accounts, account)
	}
	shared := ""
	if len(accounts) > 1 {
		shared = call.NewID()
	}
	for _, recipient := range accounts {
		entry, err := h.operatorEntry(event, recipient, shared, parameters)
		if err != nil {
			return err
		}
		position, err := h.audit.Append(ctx, entry)
		if err != nil {
			return err
		}
		if err := h.audit.Wait(ctx, position, position); err != nil {
			return err
		}
	}
	return nil
}

// recordAlone writes what the operator does with a house that does not run. One that was never started has no log yet, and
// gets none.
func recordAlone(ctx context.Context, cfg *config, root *rootkey.Key, event string, parameters map[string]string) (err error) {
	if _, err := os.Stat(cfg.path(storeName)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	h := &house{cfg: cfg, root: root, log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	defer func() {
		if err = errors.Join(err, h.Close()); err != nil {
			err = fmt.Errorf("no record of this can be kept in the audit log, so it is not done: %w", err)
		}
	}()
	if err := h.openRecords(ctx); err != nil {
		return err
	}
	if err := h.recordRefusals(ctx); err != nil {
		return err
	}
	return h.record(ctx, event, "", parameters)
}

// operatorEntry is one record of what the operator does.
func (h *house) operatorEntry(event, recipient, shared string, parameters map[string]string) (*audit.Entry, error) {
	given, err := json.Marshal(parameters)
	if err != nil {
		return nil, err
	}
	name := "operator"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	r := audit.Record{
		EventVersion: "1.11", UserIdentity: audit.UserIdentity{Type: "Operator", UserName: name}, EventTime: time.Now().UTC().Truncate(time.Second),
		EventSource: operatorSource, EventName: event, AWSRegion: h.settings.Regions[0], SourceIPAddress: "localhost", UserAgent: "strongroom " + version,
		RequestParameters: given, ResponseElements: json.RawMessage("null"), RequestID: call.NewID(), EventID: call.NewID(),
		EventType: "AwsServiceEvent", ManagementEvent: true, EventCategory: "Management", RecipientAccountID: recipient, SharedEventID: shared,
	}
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return &audit.Entry{
		Account: recipient, Time: r.EventTime, Region: r.AWSRegion, EventID: r.EventID, JSON: text,
		Attributes: audit.Attributes{EventName: event, EventSource: operatorSource, Username: name},
	}, nil
}
