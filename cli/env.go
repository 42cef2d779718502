package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Env is the command that prints what a shell needs to use a running house.
func Env(data func() (string, error)) *cobra.Command {
	return &cobra.Command{
		Use:   "env",
		Short: "Print the shell variables that point AWS clients at a running house",
		Long: `Print POSIX export lines for a running house, so that

    eval "$(strongroom env)"

is all the set-up that the AWS CLI, an SDK or Terraform needs. The credentials are those
of the first account's administrator. Only the user who runs the house can ask.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := data()
			if err != nil {
				return err
			}
			var e Environment
			if err := NewClient(dir).Call(cmd.Context(), "GET", "/v1/env", nil, &e); err != nil {
				return err
			}
			return e.Export(cmd.OutOrStdout())
		},
	}
}

// Export writes the environment as lines for a POSIX shell.
func (e *Environment) Export(w io.Writer) error {
	for _, v := range []struct{ name, value string }{
		{"AWS_ENDPOINT_URL", e.Endpoint},
		{"AWS_CA_BUNDLE", e.CABundle},
		{"AWS_ACCESS_KEY_ID", e.AccessKeyID},
		{"AWS_SECRET_ACCESS_KEY", e.SecretAccessKey},
		{"AWS_REGION", e.Region},
		{"AWS_DEFAULT_REGION", e.Region}, // the AWS CLI version 1 knows only this name
	} {
		if v.value == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "export %s=%s\n", v.name, quote(v.value)); err != nil {
			return err
		}
	}
	return nil
}

// quote makes a word of s for a POSIX shell, whatever is in it.
func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
