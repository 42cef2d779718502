package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/strongroom/strongroom/audit"
)

// AuditKey is the public key that verifies the checkpoints and proofs of a house, in the form of
// golang.org/x/mod/sumdb/note.
type AuditKey struct {
	Key string `json:"key"`
}

// AuditOf names an account's log, and a record in it. "" is the first account of the house.
type AuditOf struct {
	Account string `json:"account,omitempty"`
	EventID string `json:"eventId,omitempty"`
}

// AuditCheckpoint is a signed checkpoint.
type AuditCheckpoint struct {
	Text string `json:"text"`
}

// AuditHeld says that the log holds the first Size records of an account, as a checkpoint has them.
type AuditHeld struct {
	Account string `json:"account"`
	Size    uint64 `json:"size"`
}

// Audit is the command by which an auditor gets proof from the log and verifies it.
func Audit(data func() (string, error)) *cobra.Command {
	parent := &cobra.Command{
		Use:   "audit",
		Short: "Get proof from the audit log, and verify it",
		Long: `A checkpoint is the signed state of an account's audit log. Kept where the house's operator cannot change
it, it shows later whether any record was changed or taken out:

    strongroom audit key > house.key             once; keep it with the checkpoints
    strongroom audit checkpoint > monday.txt     now and then
    strongroom audit verify monday.txt           the log still holds all that it held

A proof says of one record that it is in the log. Whoever has the house's public key can check
it, without the house:

    strongroom audit prove EVENT-ID > proof.json
    strongroom audit check-proof --key house.key proof.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	parent.AddCommand(auditKey(data), auditCheckpoint(data), auditVerify(data), auditProve(data), auditCheckProof())
	return parent
}

func auditKey(data func() (string, error)) *cobra.Command {
	return &cobra.Command{
		Use:   "key",
		Short: "Print the public key that verifies checkpoints and proofs",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := data()
			if err != nil {
				return err
			}
			var key AuditKey
			if err := NewClient(dir).Call(cmd.Context(), "GET", "/v1/audit/key", nil, &key); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), key.Key)
			return nil
		},
	}
}

// accountFlag lets a command name the account whose log it is about.
func accountFlag(cmd *cobra.Command, of *AuditOf) *cobra.Command {
	cmd.Flags().StringVar(&of.Account, "account", "", "account whose log is meant, 000000000000 for the house's own (default: the first account)")
	return cmd
}

func auditCheckpoint(data func() (string, error)) *cobra.Command {
	var of AuditOf
	return accountFlag(&cobra.Command{
		Use:   "checkpoint",
		Short: "Print the signed state of an account's log",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := data()
			if err != nil {
				return err
			}
			var c AuditCheckpoint
			if err := NewClient(dir).Call(cmd.Context(), "POST", "/v1/audit/checkpoint", of, &c); err != nil {
				return err
			}
			fmt.Fprint(cmd.OutOrStdout(), c.Text)
			return nil
		},
	}, &of)
}

func auditVerify(data func() (string, error)) *cobra.Command {
	return &cobra.Command{
		Use:   "verify FILE...",
		Short: "Have the log proved against checkpoints of earlier",
		Long:  `Have the running house prove that its log still holds all that each checkpoint says it held, unchanged. "-" is standard input.`,
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			dir, err := data()
			if err != nil {
				return err
			}
			for _, file := range files {
				text, err := readSmall(cmd, file)
				if err != nil {
					return err
				}
				var held AuditHeld
				if err := NewClient(dir).Call(cmd.Context(), "POST", "/v1/audit/verify", AuditCheckpoint{Text: string(text)}, &held); err != nil {
					return fmt.Errorf("%s: %w", file, err)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: the log of account %s holds its first %d records unchanged\n", file, held.Account, held.Size)
			}
			return nil
		},
	}
}

func auditProve(data func() (string, error)) *cobra.Command {
	var of AuditOf
	return accountFlag(&cobra.Command{
		Use:   "prove EVENT-ID",
		Short: "Print a record, and the proof that it is in the log",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := data()
			if err != nil {
				return err
			}
			of.EventID = args[0]
			var proof audit.Proof
			if err := NewClient(dir).Call(cmd.Context(), "POST", "/v1/audit/prove", of, &proof); err != nil {
				return err
			}
			out := json.NewEncoder(cmd.OutOrStdout())
			out.SetIndent("", "  ")
			out.SetEscapeHTML(false)
			return out.Encode(proof)
		},
	}, &of)
}

func auditCheckProof() *cobra.Command {
	key := ""
	cmd := &cobra.Command{
		Use:   "check-proof --key KEY FILE",
		Short: "Check a proof with nothing but the house's public key",
		Long:  `Check what "audit prove" printed, and print the record. No house need be there. "-" is standard input.`,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			verifier, err := keyText(cmd, key)
			if err != nil {
				return err
			}
			text, err := readSmall(cmd, args[0])
			if err != nil {
				return err
			}
			var proof audit.Proof
			if err := json.Unmarshal(text, &proof); err != nil {
				return fmt.Errorf("%s holds no proof: %w", args[0], err)
			}
			c, err := proof.Check(verifier)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), proof.Record)
			cmd.PrintErrf("it is record %d of the %d that account %s had\n", proof.Index+1, c.Size, c.Account)
			return nil
		},
	}
	cmd.Flags().StringVar(&key, "key", "", `what "audit key" printed, or a file that holds it`)
	_ = cmd.MarkFlagRequired("key") // it fails only for a flag that is not there
	return cmd
}

// keyText is a public key that was given itself, or as a file.
func keyText(cmd *cobra.Command, key string) (string, error) {
	if strings.HasPrefix(key, "strongroom+") {
		return key, nil
	}
	text, err := readSmall(cmd, key)
	return strings.TrimSpace(string(text)), err
}

// maxAuditFile is the most bytes of a checkpoint, a proof or a key: well above a record's, which has 256 KiB at most.
const maxAuditFile = 1 << 20

// readSmall reads a file, or standard input for "-".
func readSmall(cmd *cobra.Command, name string) ([]byte, error) {
	in := cmd.InOrStdin()
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxAuditFile+1))
	if err == nil && len(text) > maxAuditFile {
		err = errors.New(name + " is too long for what it should be")
	}
	return text, err
}
