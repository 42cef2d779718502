package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	apiamp "github.com/strongroom/strongroom/api/amp"
	"github.com/strongroom/strongroom/remote"
	"github.com/strongroom/strongroom/service/amp/discover"
	"github.com/strongroom/strongroom/wire"
)

// statusFound is the exit status of a command that has found what it looked for, and nobody wants to be there.
const statusFound = 3

// foundError says how much sensitive data was found.
type foundError int

func (n foundError) Error() string {
	return fmt.Sprintf("sensitive data was found, in %d places; take it out where it comes from", int(n))
}

// ExitStatus is the exit status of the program.
func (foundError) ExitStatus() int { return statusFound }

func ampDiscover() *cobra.Command {
	var start, end, format string
	cmd := &cobra.Command{
		Use:   "discover [WORKSPACE]",
		Short: "Warn of sensitive data in names, labels, help texts and exemplars",
		Long: `Look for sensitive data in the names of metrics and labels, the values of labels, the help texts and the exemplars of a
workspace, or of all that the caller may list: keys, tokens and passwords, card and bank account numbers, data of persons.
Managed Prometheus is not meant for such data. The kinds of data have the ids of Amazon Macie's managed data identifiers.

What is found is told with its place, how often, and a mask of an example, never in the clear. Progress is on the error output.

The exit status is 0 when all was read and nothing was found, 3 when something was found, and 1 when something could not be
read, whatever was found beside it.

The caller needs aps:GetLabels, aps:GetSeries, aps:GetMetricMetadata and aps:QueryMetrics on the workspace, the right to decrypt
with its key if that is a customer's, and aps:ListWorkspaces where no workspace is named.

` + calls,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := discoverOptions(cmd, start, end, format)
			if err != nil {
				return err
			}
			return runDiscover(cmd, args, o, format == "json")
		},
	}
	f := cmd.Flags()
	f.StringVar(&start, "start", "", "beginning of the time that is looked at, as in 2026-11-29T08:00:00Z (default: all that is kept)")
	f.StringVar(&end, "end", "", "end of that time (default: all that is kept)")
	f.StringVar(&format, "format", "text", "text, a line for each warning, or json, one object")
	return cmd
}

func discoverOptions(cmd *cobra.Command, start, end, format string) (o discover.Options, err error) {
	o.Say = sayer(cmd)
	if format != "text" && format != "json" {
		return o, fmt.Errorf("--format is text or json, not %q", format)
	}
	for _, bound := range []struct {
		flag, text string
		into       *time.Time
	}{{"--start", start, &o.Start}, {"--end", end, &o.End}} {
		if bound.text == "" {
			continue
		}
		if *bound.into, err = time.Parse(time.RFC3339, bound.text); err != nil {
			return o, fmt.Errorf("%s: %w", bound.flag, err)
		}
	}
	if !o.End.IsZero() && o.End.Before(o.Start) {
		return o, errors.New("--end is before --start")
	}
	return o, nil
}

// workspacesOf returns the ids of all workspaces that the caller may list, but those that are being deleted.
func workspacesOf(ctx context.Context, house *remote.House) (ids []string, err error) {
	to, err := house.Service(apiamp.API)
	if err != nil {
		return nil, err
	}
	client, in := apiamp.NewClient(to), &apiamp.ListWorkspacesInput{}
	for {
		out, err := client.ListWorkspaces(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, w := range out.Workspaces {
			if w.Status == nil || w.Status.StatusCode != apiamp.WorkspaceStatusCodeDeleting {
				ids = append(ids, wire.Val(w.WorkspaceId))
			}
		}
		if in.NextToken = out.NextToken; wire.Val(in.NextToken) == "" {
			return ids, nil
		}
	}
}

// runDiscover searches the workspaces that are named, or all.
func runDiscover(cmd *cobra.Command, ids []string, o discover.Options, asJSON bool) error {
	if len(ids) == 1 && !workspaceID.MatchString(ids[0]) {
		return fmt.Errorf("%q is no id of a workspace; one begins with ws-", ids[0])
	}
	house, err := ampHouse()
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		if ids, err = workspacesOf(cmd.Context(), house); err != nil {
			return fmt.Errorf("discover: workspaces: %w", err)
		}
	}
	return discoverAll(cmd, house, ids, o, asJSON)
}

// discoverAll searches workspaces one after the other, also when one cannot be read, and prints what was found.
func discoverAll(cmd *cobra.Command, house *remote.House, ids []string, o discover.Options, asJSON bool) error {
	var all []discover.Warning
	var unread []string
	var errs []error
	for _, id := range ids {
		list, err := discover.Search(cmd.Context(), id, workspaceOf(house, id), o)
		all = append(all, list...)
		if err != nil {
			unread, errs = append(unread, err.Error()), append(errs, err)
		}
		if cmd.Context().Err() != nil {
			break
		}
	}
	if asJSON {
		errs = append(errs, discover.JSON(cmd.OutOrStdout(), all, unread))
	} else {
		errs = append(errs, discover.Text(cmd.OutOrStdout(), all))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("discover: not everything could be looked at, and %d warnings were given: %w", len(all), err)
	}
	if len(all) > 0 {
		return foundError(len(all))
	}
	return nil
}
