package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/strongroom/strongroom/cli"
	"github.com/strongroom/strongroom/remote"
	"github.com/strongroom/strongroom/service/amp/transfer"
)

// ampCommand moves series into and out of workspaces of Managed Prometheus, and looks what is in them.
func ampCommand() *cobra.Command {
	parent := &cobra.Command{
		Use:   "amp",
		Short: "Move time series into and out of Managed Prometheus, and find sensitive data among them",
		Long: "Bring what a Prometheus has stored into a workspace, write what a workspace holds as blocks that Prometheus reads, and look for\n" +
			"sensitive data in the labels of a workspace.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	parent.AddCommand(ampImport(), ampExport(), ampDiscover())
	return parent
}

func ampImport() *cobra.Command {
	progress := ""
	cmd := &cobra.Command{
		Use:   "import WORKSPACE SOURCE",
		Short: "Bring the samples of a Prometheus into a workspace",
		Long: `Send all samples of SOURCE to a workspace by remote write, the oldest first. SOURCE is the data directory of a Prometheus
that is stopped, a snapshot of one that runs, or a file in the OpenMetrics format with a time at every sample.

Import before anything newer is written to the workspace: samples that are older than its newest ones are taken only within
its window for samples out of order (UpdateWorkspaceConfiguration, outOfOrderTimeWindowInSeconds).

A file says how far the import came (--progress). The same command goes on from there, also after it ended: then
only what is newer is sent. What another sender has overtaken meanwhile cannot be taken any more: it is counted, by
reading the workspace, and the command ends with status 1 when it has sent all the rest.

What stands only in the log of a data directory, and a whole OpenMetrics file, is brought into blocks in a temporary folder
(TMPDIR) first, in plaintext as in SOURCE; it is removed at the end.

` + calls,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			to, say, err := ampWorkspace(cmd, args[0])
			if err != nil {
				return err
			}
			scratch, err := os.MkdirTemp("", "strongroom-import-*")
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
			path, err := filepath.Abs(args[1])
			if err != nil {
				return err
			}
			from, err := ampSource(cmd, path, scratch)
			if err != nil {
				return fmt.Errorf("import: %w", err)
			}
			defer func() { err = errors.Join(err, from.Close()) }()
			if progress == "" {
				progress = "amp-import-" + args[0] + ".json"
			}
			n, err := transfer.Import(cmd.Context(), from, to, transfer.Options{Progress: progress, Name: path + " to " + to.Address, Say: say})
			var left *transfer.LeftOutError
			if errors.As(err, &left) {
				return fmt.Errorf("import: %d samples were sent, and the end of %s is reached, but %w", n, args[1], err)
			}
			if err != nil {
				return fmt.Errorf("import: %w; the same command goes on", err)
			}
			say("%d samples were sent; all of %s is in the workspace", n, args[1])
			return nil
		},
	}
	cmd.Flags().StringVar(&progress, "progress", "", "file that says how far the import came (default: amp-import-WORKSPACE.json)")
	return cmd
}

func ampSource(cmd *cobra.Command, path, scratch string) (*transfer.Source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return transfer.OpenDirectory(path, scratch)
	}
	return transfer.OpenDump(cmd.Context(), path, scratch)
}

func ampExport() *cobra.Command {
	var from, to, match string
	cmd := &cobra.Command{
		Use:   "export WORKSPACE DIR",
		Short: "Write the samples of a workspace as Prometheus's blocks, in plaintext",
		Long: `Read samples of a workspace by remote read and write them to a folder as blocks of two hours, as Prometheus and promtool
read them.

The blocks are PLAINTEXT: what the house keeps sealed can be read in them. They are written for their owner alone. An export
into a folder that holds blocks of the same time makes them twice; Prometheus puts such blocks together.

` + calls,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			what, err := ampSelection(from, to, match)
			if err != nil {
				return err
			}
			workspace, say, err := ampWorkspace(cmd, args[0])
			if err != nil {
				return err
			}
			n, blocks, err := transfer.Export(cmd.Context(), workspace, args[1], what, say)
			if err != nil {
				return fmt.Errorf("export: %w", err)
			}
			say("%d samples are in %d blocks in %s, in plaintext: whoever can read the folder can read them", n, blocks, args[1])
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&from, "from", "", "time of the oldest sample, as in 2026-11-29T08:00:00Z")
	f.StringVar(&to, "to", "", "time of the newest sample (default: now)")
	f.StringVar(&match, "match", "", `series, as in {job="node"} (default: all)`)
	cobra.CheckErr(cmd.MarkFlagRequired("from"))
	return cmd
}

func ampSelection(from, to, match string) (s transfer.Selection, err error) {
	s.To = time.Now()
	if s.From, err = time.Parse(time.RFC3339, from); err != nil {
		return s, fmt.Errorf("--from: %w", err)
	}
	if to != "" {
		if s.To, err = time.Parse(time.RFC3339, to); err != nil {
			return s, fmt.Errorf("--to: %w", err)
		}
	}
	if s.To.Before(s.From) {
		return s, errors.New("--to is before --from")
	}
	if match != "" {
		if err := s.Match(match); err != nil {
			return s, fmt.Errorf("--match: %w", err)
		}
	}
	return s, nil
}

// workspaceID is what ids of workspaces look like.
var workspaceID = regexp.MustCompile(`^ws-[0-9A-Za-z-]{1,61}$`)

// ampWorkspace is a workspace of the house that the environment names, with progress on the error output.
func ampWorkspace(cmd *cobra.Command, id string) (*transfer.Workspace, func(string, ...any), error) {
	if !workspaceID.MatchString(id) {
		return nil, nil, fmt.Errorf("%q is no id of a workspace; one begins with ws-", id)
	}
	house, err := ampHouse()
	if err != nil {
		return nil, nil, err
	}
	return workspaceOf(house, id), sayer(cmd), nil
}

func workspaceOf(house *remote.House, id string) *transfer.Workspace {
	return &transfer.Workspace{Client: house.Client("aps"), Address: house.Address("/workspaces/" + url.PathEscape(id))}
}

// sayer tells how it goes on the error output.
func sayer(cmd *cobra.Command) func(string, ...any) {
	return func(format string, args ...any) { fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...) }
}

// ampHouse is the house that the environment names.
func ampHouse() (*remote.House, error) {
	cfg, err := cli.HouseOf(os.Getenv)
	if err != nil {
		return nil, err
	}
	if cfg.Endpoint == "" {
		return nil, errors.New(`AWS_ENDPOINT_URL does not say which house: eval "$(strongroom env)" does, on the machine of the house`)
	}
	cfg.Agent = "strongroom-amp"
	return remote.Open(cfg)
}
