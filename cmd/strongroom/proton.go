package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	apiproton "github.com/strongroom/strongroom/api/proton"
	apis3 "github.com/strongroom/strongroom/api/s3"
	apists "github.com/strongroom/strongroom/api/sts"
	"github.com/strongroom/strongroom/cli"
	"github.com/strongroom/strongroom/remote"
	"github.com/strongroom/strongroom/service/proton/catalogue"
	"github.com/strongroom/strongroom/wire"
)

const calls = `The house and the caller are those of the usual AWS variables: AWS_ENDPOINT_URL, AWS_CA_BUNDLE, AWS_REGION,
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; on the machine of the house,
eval "$(strongroom env)" sets them. Every call is the caller's own, and what he may not do is refused.`

// protonCommand moves catalogues of Proton between houses.
func protonCommand() *cobra.Command {
	parent := &cobra.Command{
		Use:   "proton",
		Short: "Move a Proton catalogue between houses",
		Long:  "Write a whole Proton catalogue to a folder that people can read and keep in Git, and bring one into a house.",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	parent.AddCommand(protonExport(), protonImport())
	return parent
}

func protonExport() *cobra.Command {
	return &cobra.Command{
		Use:   "export DIR",
		Short: "Write the catalogue of an account to a folder, in plaintext",
		Long: `Write the templates of the caller's account in the region, with all registered versions and their bundles, and
the environments, services, instances, components, repositories and account connections, to a folder of plain
files. The folder is made, is empty, or holds an earlier export, which is then brought up to date.

The files are PLAINTEXT: what the house keeps sealed can be read in them. They are written for their owner alone
(0600, folders 0700). Keep them where the templates and specs themselves may be kept.

` + calls,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := protonHouse(cmd)
			if err != nil {
				return err
			}
			if err := catalogue.Export(cmd.Context(), h, args[0]); err != nil {
				return fmt.Errorf("export: %w", err)
			}
			h.Say("the catalogue is in %s, in plaintext: whoever can read the folder can read all of it", args[0])
			return nil
		},
	}
}

func protonImport() *cobra.Command {
	var o catalogue.Options
	var names []string
	cmd := &cobra.Command{
		Use:   "import DIR",
		Short: "Bring a catalogue that was exported into a house",
		Long: `Bring a catalogue in a folder into the caller's account and region. What is missing there is made; words, tags and
publications are brought up to date; nothing is taken away, and what is deployed already is not deployed anew.
Importing again changes nothing, and goes on where an import before had to stop.

The house gives versions their numbers itself: the first major version of a template in the folder is the first
in the house, and so on. Bundles are uploaded to a bucket, from which the house fetches them, and
deleted from it afterwards. Roles and account numbers of the account that the catalogue was taken from become those
of the caller's account.

What was under a customer's key needs a key here too: say --key, or --map with the key it was under.

` + calls,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.Names, err = mapping(names); err != nil {
				return err
			}
			h, err := protonHouse(cmd)
			if err != nil {
				return err
			}
			if err := catalogue.Import(cmd.Context(), h, args[0], o); err != nil {
				return fmt.Errorf("import: %w", err)
			}
			h.Say("the catalogue is imported")
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Bucket, "bucket", "", "bucket for the bundles of versions that have to be registered; they are deleted from it afterwards")
	f.StringVar(&o.Prefix, "prefix", "proton-import/", "what the keys of uploaded bundles begin with")
	f.StringVar(&o.Key, "key", "", `KMS key for what was under a customer's key, or "owned" for one that Proton owns`)
	f.StringArrayVar(&names, "map", nil, "OLD=NEW: what an ARN, a key or an account number of the folder is in this house; may be repeated")
	f.DurationVar(&o.Wait, "wait", time.Minute, "how long to wait for environments to be deployed, before what stands in them is left for another import")
	return cmd
}

// mapping reads the values of --map.
func mapping(names []string) (map[string]string, error) {
	m := map[string]string{}
	for _, n := range names {
		from, to, ok := strings.Cut(n, "=")
		if !ok || from == "" || to == "" {
			return nil, fmt.Errorf("--map %q is not OLD=NEW", n)
		}
		if _, twice := m[from]; twice {
			return nil, fmt.Errorf("--map says twice what %q is", from)
		}
		m[from] = to
	}
	return m, nil
}

// protonHouse is the house that the environment names, with progress on the error output.
func protonHouse(cmd *cobra.Command) (*catalogue.House, error) {
	cfg, err := cli.HouseOf(os.Getenv)
	if err != nil {
		return nil, err
	}
	if cfg.Endpoint == "" {
		return nil, errors.New(`AWS_ENDPOINT_URL does not say which house: eval "$(strongroom env)" does, on the machine of the house`)
	}
	cfg.Agent = "strongroom-proton"
	house, err := remote.Open(cfg)
	if err != nil {
		return nil, err
	}
	var to [3]wire.Invoker
	for n, api := range []*wire.Service{apiproton.API, apis3.API, apists.API} {
		if to[n], err = house.Service(api); err != nil {
			return nil, err
		}
	}
	return &catalogue.House{
		Region: cfg.Region, Proton: apiproton.NewClient(to[0]), S3: apis3.NewClient(to[1]), STS: apists.NewClient(to[2]),
		Say: func(format string, args ...any) { fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...) },
	}, nil
}
