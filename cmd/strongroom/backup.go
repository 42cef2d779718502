package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/strongroom/strongroom/cli"
	"github.com/strongroom/strongroom/durable"
)

// A backup is a tar archive. Everything in it is sealed as it lies on disk, so it is as
// safe as the data directory, and opens with the same root key.
//
//	seal.json            the root key's slots
//	tls/<file>           the local authority
//	store/<number>       the records, in chunks of up to 4 MiB
//	audit/<file>         the audit log
//	blobs/<key>          the stored bytes
//	services/<name>/...  what a service keeps outside of both, such as logs
//	manifest             HMAC-SHA-256 under the root key of all before it, in order: of each entry the
//	                     length of its name and the name, its size and its bytes; integers are uint64, big endian
//
// A backup without its manifest is not whole, and restore refuses it.
const (
	backupManifest = "manifest"
	backupPurpose  = "backup/manifest"
	backupChunk    = 4 << 20
)

// archive writes a backup's entries and authenticates them.
type archive struct {
	tar *tar.Writer
	mac hash.Hash
}

// add writes one entry.
func (a *archive) add(name string, size int64, r io.Reader) error {
	if err := a.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size, Format: tar.FormatPAX}); err != nil {
		return err
	}
	macEntry(a.mac, name, size)
	_, err := io.Copy(io.MultiWriter(a.tar, a.mac), r)
	return err
}

// macEntry authenticates an entry's name and size; its bytes follow.
func macEntry(mac hash.Hash, name string, size int64) {
	b := binary.BigEndian.AppendUint64(nil, uint64(len(name)))
	b = append(b, name...)
	mac.Write(binary.BigEndian.AppendUint64(b, uint64(size)))
}

// chunks cuts a stream whose length is not known into entries.
type chunks struct {
	to     *archive
	prefix string
	buf    []byte
	n      int
}

func (c *chunks) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		take := min(len(p), backupChunk-len(c.buf))
		c.buf = append(c.buf, p[:take]...)
		p = p[take:]
		written += take
		if len(c.buf) == backupChunk {
			if err := c.flush(); err != nil {
				return written, err
			}
		}
	}
	return written, nil
}

func (c *chunks) flush() error {
	if len(c.buf) == 0 {
		return nil
	}
	name := fmt.Sprintf("%s%08d", c.prefix, c.n)
	c.n++
	err := c.to.add(name, int64(len(c.buf)), bytes.NewReader(c.buf))
	c.buf = c.buf[:0]
	return err
}

// Backup writes a consistent copy of the whole house to w, while it serves.
func (h *house) Backup(ctx context.Context, w io.Writer) (err error) {
	release := h.blobs.hold()
	defer func() { err = errors.Join(err, release(context.WithoutCancel(ctx))) }()
	defer h.holdServices()()
	a := &archive{tar: tar.NewWriter(w), mac: hmac.New(sha256.New, h.root.Derive(backupPurpose).Reveal())}
	if err := a.addFiles(h.cfg.Data, sealName, tlsName); err != nil {
		return err
	}
	records := &chunks{to: a, prefix: storeName + "/"}
	if err := h.db.Backup(ctx, records); err != nil {
		return err
	}
	if err := records.flush(); err != nil {
		return err
	}
	if err := h.audit.Backup(func(name string, size int64, r io.Reader) error { return a.add(auditName+"/"+name, size, r) }); err != nil {
		return err
	}
	if err := h.backupBlobs(ctx, a); err != nil {
		return err
	}
	if err := h.backupServices(ctx, a); err != nil {
		return err
	}
	sum := a.mac.Sum(nil)
	if err := a.add(backupManifest, int64(len(sum)), bytes.NewReader(sum)); err != nil {
		return err
	}
	return a.tar.Close()
}

// addFiles adds files and the files of folders of dir.
func (a *archive) addFiles(dir string, names ...string) error {
	for _, name := range names {
		err := filepath.WalkDir(filepath.Join(dir, name), func(p string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			content, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(dir, p)
			if err != nil {
				return err
			}
			return a.add(filepath.ToSlash(rel), int64(len(content)), bytes.NewReader(content))
		})
		if err != nil && !(errors.Is(err, os.ErrNotExist) && name == tlsName) {
			return err
		}
	}
	return nil
}

func (h *house) backupBlobs(ctx context.Context, a *archive) error {
	for info, err := range h.blobs.List(ctx, "", "") {
		if err != nil {
			return err
		}
		r, err := h.blobs.Get(ctx, info.Key, 0, -1)
		if err != nil {
			return err
		}
		err = a.add(blobsName+"/"+info.Key, info.Size, r)
		if err := errors.Join(err, r.Close()); err != nil {
			return err
		}
	}
	return nil
}

// holdServices keeps what services have outside of records and blobs until release is called.
func (h *house) holdServices() (release func()) {
	var all []func()
	for _, s := range h.services {
		if s.Hold != nil {
			all = append(all, s.Hold())
		}
	}
	return func() {
		for _, release := range all {
			release()
		}
	}
}

func (h *house) backupServices(ctx context.Context, a *archive) error {
	for _, s := range h.services {
		if s.Copy == nil {
			continue
		}
		err := s.Copy(ctx, func(name string, size int64, r io.Reader) error {
			return a.add(foldersName+"/"+s.API.Name+"/"+name, size, r)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", s.API.Name, err)
		}
	}
	return nil
}

func backupCommand(cfg *config, load func() error) *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a consistent copy of the whole house to a file",
		Long: `Write a consistent copy of the whole house to a file, or to standard output for "-". The
house may be running. The copy is sealed like the house and opens with the same root key, which is
not in it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := load(); err != nil {
				return err
			}
			if args[0] == "-" {
				return backupTo(cmd, cfg, cmd.OutOrStdout())
			}
			return backupFile(cmd, cfg, args[0])
		},
	}
}

// backupFile writes a backup to a new file, which appears only when it is whole and on disk.
func backupFile(cmd *cobra.Command, cfg *config, name string) (err error) {
	if err := absent(name); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".part-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	if err := backupTo(cmd, cfg, f); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), os.Rename(f.Name(), name), durable.SyncDir(filepath.Dir(name))); err != nil {
		return err
	}
	cmd.PrintErrf("wrote %s, %d bytes\n", name, info.Size())
	return f.Close()
}

// absent refuses to overwrite what is there.
func absent(name string) error {
	switch _, err := os.Lstat(name); {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("%s is there already", name)
}

func backupTo(cmd *cobra.Command, cfg *config, w io.Writer) error {
	stream, err := cli.NewClient(cfg.Data).Stream(cmd.Context(), "POST", "/v1/backup", nil)
	if errors.Is(err, cli.ErrNotRunning) {
		return withHouse(cmd, cfg, "Backup", func(h *house) error { return h.Backup(cmd.Context(), w) })
	}
	if err != nil {
		return err
	}
	defer stream.Close()
	_, err = io.Copy(w, stream)
	return err
}
