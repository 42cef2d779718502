package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/strongroom/strongroom/runner"
)

// RunnerOptions are the flags of the command runner.
type RunnerOptions struct {
	cfg  runner.Config
	once bool // end after one job
}

// Runner is the command that runs the commands of deployments.
func Runner() *cobra.Command {
	var o RunnerOptions
	cmd := &cobra.Command{
		Use:   "runner",
		Short: "Take the jobs of Proton's deployments and run their commands",
		Long: `Take jobs from a house until interrupted: the provision and deprovision commands of templates
whose rendering engine is codebuild. They run in a sandbox, in a scratch folder that is removed
afterwards, with temporary credentials of the environment's role.

The house, the region and the runner's own credentials are those of the usual AWS variables:
AWS_ENDPOINT_URL, AWS_CA_BUNDLE, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
AWS_SESSION_TOKEN. The commands see none of them. The runner needs to be allowed
proton:AcquireRunnerJob and proton:ReportRunnerJob, and should be allowed nothing else.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), cmd) },
	}
	name, _ := os.Hostname()
	f := cmd.Flags()
	f.StringVar(&o.cfg.Name, "name", runnerName(name), "name of this runner, in messages and records")
	f.StringVar(&o.cfg.Work, "work", "", "folder for the scratch folders, of this runner alone (default: one in the system's temporary folder)")
	f.IntVar(&o.cfg.User, "user", 65534, "id of the user that commands run as, where the runner is started by root")
	f.IntVar(&o.cfg.Jobs, "jobs", 1, "jobs at a time")
	f.StringVar(&o.cfg.Path, "path", "", "PATH of the commands (default: the usual folders of programs)")
	f.StringArrayVar(&o.cfg.Env, "env", nil, "NAME=VALUE for the environment of the commands; may be repeated")
	f.DurationVar(&o.cfg.Limits.Time, "time", 0, "longest time of a job (default 55m)")
	f.DurationVar(&o.cfg.Limits.CPU, "cpu-time", 0, "longest processor time of a process (default 30m)")
	f.Int64Var(&o.cfg.Limits.Memory, "memory", 0, "bytes of address space of a process (default 8 GiB)")
	f.Int64Var(&o.cfg.Limits.FileSize, "file-size", 0, "bytes of the largest file (default 1 GiB)")
	f.Int64Var(&o.cfg.Limits.Processes, "processes", 0, "processes of a job (default 512)")
	f.Int64Var(&o.cfg.Limits.Output, "output", 0, "bytes that a job may print (default 16 MiB)")
	f.BoolVar(&o.cfg.Weak, "without-namespaces", false, "run commands also where the kernel gives no namespaces; they then see the machine as their user does")
	f.BoolVar(&o.once, "once", false, "end after one job")
	return cmd
}

// runnerName makes a name of the machine's that the API takes.
func runnerName(host string) string {
	name := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune("._-", r) {
			return r
		}
		return '-'
	}, host)
	if name == "" {
		return "runner"
	}
	return name[:min(len(name), 64)]
}

// read takes the house and the credentials from the environment, and out of it.
func (o *RunnerOptions) read() error {
	c := &o.cfg
	house, err := HouseOf(os.Getenv)
	if err != nil {
		return err
	}
	c.Endpoint, c.Region, c.Credentials, c.Authorities = house.Endpoint, house.Region, house.Credentials, house.Authorities
	for _, name := range []string{"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		if err := os.Unsetenv(name); err != nil {
			return err
		}
	}
	for _, v := range c.Env {
		if name, _, ok := strings.Cut(v, "="); !ok || name == "" {
			return fmt.Errorf("--env %q is not NAME=VALUE", v)
		}
	}
	if c.User <= 0 {
		return errors.New("--user is the id of a user other than root")
	}
	return nil
}

func (o *RunnerOptions) run(ctx context.Context, cmd *cobra.Command) (err error) {
	if err := o.read(); err != nil {
		return err
	}
	o.cfg.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
	r, err := runner.Open(ctx, o.cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	o.cfg.Log.Info("the runner is ready", "house", o.cfg.Endpoint, "name", o.cfg.Name)
	if !o.once {
		r.Run(ctx)
		return nil
	}
	for {
		if ran, err := r.Next(ctx); ran || err != nil || ctx.Err() != nil {
			return err
		}
	}
}
