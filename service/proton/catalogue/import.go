package catalogue

import (
	"context"
	"errors"
	"fmt"
	"time"

	api "github.com/strongroom/strongroom/api/proton"
)

// Options say how a catalogue comes into another house.
type Options struct {
	Bucket string            // that bundles are uploaded to, and taken from again
	Prefix string            // of the keys of uploaded bundles
	Key    string            // KMS key for what was under a customer's key, or Owned
	Names  map[string]string // what ARNs, keys and account numbers of the folder are here; they come before Key
	Wait   time.Duration     // how long environments that are being deployed are waited for, all in all
}

// ErrIncomplete says that an import has made what it could and that the rest waits for something. Each
// has been said. Importing again goes on.
var ErrIncomplete = errors.New("the import is not complete")

// Import brings the catalogue in a folder into the caller's account and region: it adds what is missing. What
// is deployed there already stays as it is.
func Import(ctx context.Context, h *House, dir string, o Options) error {
	from, err := openFolder(dir)
	if err != nil {
		return err
	}
	in, err := readFolder(from)
	if err != nil {
		return errors.Join(err, from.close())
	}
	i := &importer{h: h, c: h.Proton, from: from, in: in, o: o, numbers: map[*family]map[string]map[number]number{}, deployed: map[string]bool{}}
	return errors.Join(i.run(ctx), from.close())
}

type importer struct {
	h    *House
	c    *api.Client
	from *folder
	in   *content
	o    Options
	to   translation

	numbers  map[*family]map[string]map[number]number // by template: the numbers of the folder to those of the house
	deployed map[string]bool                          // environments that have been deployed
	problems int
	end      time.Time // of waiting
}

func (i *importer) run(ctx context.Context) error {
	account, err := i.h.account(ctx)
	if err != nil {
		return err
	}
	i.to = translation{from: i.in.origin, account: account, region: i.h.Region, key: i.o.Key, names: i.o.Names}
	i.end = time.Now().Add(i.o.Wait)
	if err := i.keys(); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{
		i.repositories, i.connections, i.settings,
		func(ctx context.Context) error { return i.templates(ctx, environmentFamily) },
		func(ctx context.Context) error { return i.templates(ctx, serviceFamily) },
		i.environments, i.services, i.components, i.syncs,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if i.problems > 0 {
		return fmt.Errorf("%w: %d parts wait; import again when what they wait for is there", ErrIncomplete, i.problems)
	}
	return nil
}

// problem says what keeps a part from being imported now.
func (i *importer) problem(format string, args ...any) {
	i.problems++
	i.h.say("NOT IMPORTED YET: "+format, args...)
}

// keys makes sure that there is a key for everything that was under a customer's, before anything is made.
func (i *importer) keys() error {
	for _, f := range []*family{environmentFamily, serviceFamily} {
		for _, t := range i.in.templates[f] {
			if _, err := i.to.keyOf(t.EncryptionKey); err != nil {
				return about(err, "%s %s", f.word, t.name)
			}
		}
	}
	for _, r := range i.in.repositories {
		if _, err := i.to.keyOf(r.EncryptionKey); err != nil {
			return about(err, "repository %s", r.Name)
		}
	}
	return nil
}

// numberOf is what a version of the folder is in the house. A template that is not in the folder has its own numbers.
func (i *importer) numberOf(f *family, name, text string) (number, error) {
	n, err := parseNumber(text)
	if err != nil {
		return n, err
	}
	known, ok := i.numbers[f][name]
	if !ok {
		return n, nil
	}
	to, ok := known[n]
	if !ok {
		return n, fmt.Errorf("the folder has no version %s of the %s %s", n, f.word, name)
	}
	return to, nil
}
