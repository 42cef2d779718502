package cli

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// Accounts is the command that makes and lists accounts.
func Accounts(data func() (string, error)) *cobra.Command {
	parent := &cobra.Command{
		Use:   "account",
		Short: "Make and list accounts",
		Long:  "Accounts are the tenants of a house. Nothing of one account is visible to another unless its owner says so.",
		Args:  cobra.NoArgs, // a word that is no command is a mistake, not a call for help
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	parent.AddCommand(
		&cobra.Command{
			Use:   "create NAME",
			Short: "Make an account with an administrator, and print its credentials once",
			Args:  cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				dir, err := data()
				if err != nil {
					return err
				}
				var made Account
				if err := NewClient(dir).Call(cmd.Context(), "POST", "/v1/accounts", Account{Name: args[0]}, &made); err != nil {
					return err
				}
				made.Print(cmd)
				return nil
			},
		},
		&cobra.Command{
			Use:   "list",
			Short: "List the accounts of the house",
			Args:  cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				dir, err := data()
				if err != nil {
					return err
				}
				var all []Account
				if err := NewClient(dir).Call(cmd.Context(), "GET", "/v1/accounts", nil, &all); err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				for _, a := range all {
					fmt.Fprintf(w, "%s\t%s\n", a.ID, a.Name)
				}
				return w.Flush()
			},
		},
	)
	return parent
}

// Print writes a new account's credentials. They are not shown again.
func (a *Account) Print(cmd *cobra.Command) {
	cmd.Printf("  account             %s (%s)\n", a.ID, a.Name)
	cmd.Printf("  administrator       %s\n", a.UserARN)
	cmd.Printf("  access key id       %s\n", a.AccessKeyID)
	cmd.Printf("  secret access key   %s\n", a.SecretAccessKey)
}
