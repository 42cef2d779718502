// Strongroom keeps the data of five kinds of workload under keys that the data's owner
// controls, and speaks the AWS wire protocols.
//
// This package is the one binary. serve.go starts a house, house.go joins its parts,
// first.go is what is shown once, services.go is the list of its services, config.go is what an operator can choose,
// provider.go is how its root key opens, slots.go and rotate.go change that,
// control.go answers the operator's commands, proton.go moves catalogues of Proton, amp.go moves time series, discover.go looks for sensitive data among them, and backup.go, restore.go and check.go look after
// a data directory. The commands that speak to a running house are in package cli.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/strongroom/strongroom/cli"
	"github.com/strongroom/strongroom/machine"
	"github.com/strongroom/strongroom/runner/sandbox"
)

// version is set when a release is built: -ldflags "-X main.version=v1.2.3".
var version = "development"

func main() {
	sandbox.Init() // a runner starts this program again, above the commands it runs
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if os.Getenv("GOMAXPROCS") == "" {
		machine.SparePlaces(2)
	}
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "strongroom:", hint(err))
		os.Exit(status(err))
	}
}

// status is the exit status for an error: 1, unless it says another one.
func status(err error) int {
	if s := (interface{ ExitStatus() int })(nil); errors.As(err, &s) {
		return s.ExitStatus()
	}
	return 1
}

// hint adds what to do next to errors whose cure is known.
func hint(err error) string {
	if errors.Is(err, cli.ErrNotRunning) {
		return err.Error() + "; start it with: " + self() + " serve"
	}
	return err.Error()
}

// self is how the user called this program, so that what is printed can be typed.
func self() string {
	if strings.Contains(os.Args[0], "go-build") {
		return "go run ./cmd/strongroom"
	}
	return os.Args[0]
}

// command is the whole command line.
func command() *cobra.Command {
	cfg, file := &config{}, ""
	root := &cobra.Command{
		Use:   "strongroom",
		Short: "Keep data under keys that its owner controls",
		Long: `Strongroom keeps data under keys that the data's owner controls, and speaks the AWS wire
protocols: the AWS CLI, SDKs and Terraform work by changing the endpoint.

To begin:

    strongroom serve                 start a house, and make it at the first start
    eval "$(strongroom env)"         point AWS clients at it
    aws sts get-caller-identity      and use it`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetOut(os.Stdout)
	root.PersistentFlags().StringVar(&file, "config", "", "YAML file with the configuration; flags win over it")
	cfg.bindHouse(root.PersistentFlags())
	load := func() error { return cfg.load(file) }
	dataOf := func() (string, error) {
		err := load()
		return cfg.Data, err
	}
	root.AddCommand(
		serveCommand(cfg, load), cli.Env(dataOf), cli.Accounts(dataOf), cli.Unseal(dataOf), cli.Audit(dataOf), cli.Runner(), protonCommand(), ampCommand(), operationsCommand(),
		checkCommand(cfg, load), backupCommand(cfg, load), restoreCommand(cfg, load), rootkeyCommand(cfg, load), versionCommand(),
	)
	return root
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			revision := "unknown revision"
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						revision = s.Value
					}
				}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "strongroom %s (%s, %s, %s/%s)\n", version, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}
