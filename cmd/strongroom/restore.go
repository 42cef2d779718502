package main

import (
	"archive/tar"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/strongroom/strongroom/blob"
	"github.com/strongroom/strongroom/durable"
	"github.com/strongroom/strongroom/rootkey"
	"github.com/strongroom/strongroom/store"
)

func restoreCommand(cfg *config, load func() error) *cobra.Command {
	recovery := false
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Make a data directory from a backup",
		Long: `Make a new data directory (--data) from a backup. The root key of the house that was backed
up opens it: say --root-key or --passphrase as for that house, or --recovery to be asked for its
recovery code. Nothing is there until everything is.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := load(); err != nil {
				return err
			}
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			open, by := openRoot, byConfiguration
			if recovery {
				open, by = openRecovery, byRecovery
			}
			if err := restore(cmd.Context(), cfg, f, by, open); err != nil {
				return err
			}
			cmd.PrintErrf("restored %s\n", cfg.Data)
			return nil
		},
	}
	cmd.Flags().BoolVar(&recovery, "recovery", false, "open the backup with the recovery code")
	return cmd
}

// restore unpacks a backup beside the data directory and moves it there when all of it has
// been authenticated, with a record of it in the log that came with it. open opens its root key, by what by says.
func restore(ctx context.Context, cfg *config, r io.Reader, by string, open func(*config) (*rootkey.Key, error)) (err error) {
	if err := absent(cfg.Data); err != nil {
		return err
	}
	if err := durable.MkdirAll(filepath.Dir(cfg.Data), 0o700); err != nil {
		return err
	}
	part := *cfg
	if part.Data, err = os.MkdirTemp(filepath.Dir(cfg.Data), filepath.Base(cfg.Data)+".restoring-*"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(part.Data))
		}
	}()
	u := &unpacking{cfg: &part, archive: tar.NewReader(r)}
	root, err := u.open(open)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := u.unpack(ctx, root); err != nil {
		return err
	}
	if err := recordAlone(ctx, &part, root, "Restore", map[string]string{"openedBy": by}); err != nil {
		return err
	}
	return errors.Join(os.Rename(part.Data, cfg.Data), durable.SyncDir(filepath.Dir(cfg.Data)))
}

// errBackup says that a file is no whole backup.
var errBackup = errors.New("not a whole backup of a house that this root key opens")

// unpacking is a restore under way.
type unpacking struct {
	cfg     *config
	archive *tar.Reader
	mac     hash.Hash
	records *io.PipeWriter
	blobs   *blob.Dir
}

// open unpacks the seal file, which comes first, and opens the root key with it.
func (u *unpacking) open(open func(*config) (*rootkey.Key, error)) (*rootkey.Key, error) {
	head, err := u.archive.Next()
	if err != nil || head.Name != sealName || head.Size > 1<<20 {
		return nil, fmt.Errorf("%w: it does not begin with %s", errBackup, sealName)
	}
	text, err := io.ReadAll(u.archive)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBackup, err)
	}
	if err := durable.WriteFile(u.cfg.path(sealName), text, 0o600); err != nil {
		return nil, err
	}
	root, err := open(u.cfg)
	if err != nil {
		return nil, err
	}
	u.mac = hmac.New(sha256.New, root.Derive(backupPurpose).Reveal())
	macEntry(u.mac, sealName, head.Size)
	u.mac.Write(text)
	return root, nil
}

// unpack unpacks the rest. The records go to the store as they come.
func (u *unpacking) unpack(ctx context.Context, root *rootkey.Key) (err error) {
	if u.blobs, err = blob.OpenDir(u.cfg.path(blobsName)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, u.blobs.Close()) }()
	pr, pw := io.Pipe()
	u.records = pw
	done := make(chan error, 1)
	go func() {
		err := store.Restore(u.cfg.path(storeName), root, pr)
		pr.CloseWithError(err)
		done <- err
	}()
	whole := false
	err = u.entries(ctx, &whole)
	pw.CloseWithError(io.EOF)
	if err := errors.Join(err, <-done); err != nil {
		return err
	}
	if !whole {
		return fmt.Errorf("%w: its end is missing", errBackup)
	}
	return nil
}

// entries unpacks entry after entry until the manifest, which must be right and the last.
func (u *unpacking) entries(ctx context.Context, whole *bool) error {
	for ctx.Err() == nil {
		head, err := u.archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errBackup, err)
		}
		if *whole {
			return fmt.Errorf("%w: something follows its end", errBackup)
		}
		if head.Name == backupManifest {
			sum, err := io.ReadAll(io.LimitReader(u.archive, 1<<10))
			if err != nil || !hmac.Equal(sum, u.mac.Sum(nil)) {
				return fmt.Errorf("%w: it has been changed", errBackup)
			}
			*whole = true
			continue
		}
		macEntry(u.mac, head.Name, head.Size)
		if err := u.entry(ctx, head.Name); err != nil {
			return fmt.Errorf("%s: %w", head.Name, err)
		}
	}
	return ctx.Err()
}

// entry unpacks one entry to where it belongs.
func (u *unpacking) entry(ctx context.Context, name string) error {
	content := io.TeeReader(u.archive, u.mac)
	folder, rest, _ := strings.Cut(name, "/")
	if path.Clean(name) != name || rest == "" || strings.HasPrefix(rest, "../") {
		return fmt.Errorf("%w: malformed name", errBackup)
	}
	switch folder {
	case storeName:
		_, err := io.Copy(u.records, content)
		return err
	case tlsName, auditName, foldersName:
		return writeSynced(u.cfg.path(name), content)
	case blobsName:
		_, err := u.blobs.Put(ctx, rest, content)
		return err
	}
	return fmt.Errorf("%w: unknown part", errBackup)
}

// writeSynced writes a new file durably.
func writeSynced(name string, r io.Reader) error {
	if err := durable.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Sync(), f.Close(), durable.SyncDir(filepath.Dir(name)))
}
