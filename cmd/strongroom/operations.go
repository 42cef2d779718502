package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	apiamp "github.com/strongroom/strongroom/api/amp"
	apicloudtrail "github.com/strongroom/strongroom/api/cloudtrail"
	apiiam "github.com/strongroom/strongroom/api/iam"
	apikms "github.com/strongroom/strongroom/api/kms"
	apilogs "github.com/strongroom/strongroom/api/logs"
	apiproton "github.com/strongroom/strongroom/api/proton"
	apis3 "github.com/strongroom/strongroom/api/s3"
	apists "github.com/strongroom/strongroom/api/sts"
	"github.com/strongroom/strongroom/service/amp"
	"github.com/strongroom/strongroom/service/cloudtrail"
	"github.com/strongroom/strongroom/service/iam"
	"github.com/strongroom/strongroom/service/kms"
	"github.com/strongroom/strongroom/service/logs"
	"github.com/strongroom/strongroom/service/proton"
	"github.com/strongroom/strongroom/service/s3"
	"github.com/strongroom/strongroom/service/sts"
	"github.com/strongroom/strongroom/wire"
)

//go:generate go test -run TestCoverage -update .

// implementations are the services and what stands behind them. An empty value is enough
// to see which operations have code. docs/coverage.md is made of it.
var implementations = []struct {
	api  *wire.Service
	impl any
}{
	{apiamp.API, (*amp.Service)(nil)},
	{apicloudtrail.API, (*cloudtrail.Service)(nil)},
	{apiiam.API, (*iam.Service)(nil)},
	{apikms.API, (*kms.Service)(nil)},
	{apilogs.API, (*logs.Service)(nil)},
	{apiproton.API, (*proton.Service)(nil)},
	{apis3.API, (*s3.Service)(nil)},
	{apists.API, (*sts.Service)(nil)},
}

func operationsCommand() *cobra.Command {
	missing := false
	cmd := &cobra.Command{
		Use:   "operations [SERVICE]",
		Short: "List which operations of each service are implemented",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', tabwriter.AlignRight)
				fmt.Fprint(w, "service\timplemented\tof\t\n")
				for _, s := range implementations {
					fmt.Fprintf(w, "%s\t%d\t%d\t\n", s.api.Name, len(operations(s.api, s.impl, true)), len(s.api.Operations))
				}
				return w.Flush()
			}
			for _, s := range implementations {
				if s.api.Name == args[0] {
					for _, name := range operations(s.api, s.impl, !missing) {
						cmd.Println(name)
					}
					return nil
				}
			}
			return fmt.Errorf("there is no service %q", args[0])
		},
	}
	cmd.Flags().BoolVar(&missing, "missing", false, "list those that are not implemented instead")
	return cmd
}

// operations returns the names of the operations that impl implements, or does not.
func operations(api *wire.Service, impl any, implemented bool) []string {
	var names []string
	for _, op := range api.Operations {
		if wire.Implemented(impl, op) == implemented {
			names = append(names, op.Name)
		}
	}
	return names
}
