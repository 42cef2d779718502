package catalogue

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/api/s3"
	"github.com/strongroom/strongroom/service/proton/bundle"
	"github.com/strongroom/strongroom/wire"
)

func (i *importer) templates(ctx context.Context, f *family) error {
	i.numbers[f] = map[string]map[number]number{}
	for n := range i.in.templates[f] {
		t := &i.in.templates[f][n]
		if err := i.template(ctx, f, t); err != nil {
			return about(err, "%s %s", f.word, t.name)
		}
	}
	return nil
}

func (i *importer) template(ctx context.Context, f *family, t *templateEntry) error {
	arn, there, err := f.template(ctx, i.c, t.name)
	key, keyErr := i.to.keyOf(t.EncryptionKey)
	switch {
	case keyErr != nil:
		return keyErr
	case missing(err):
		i.h.say("%s %s", f.word, t.name)
		if err := f.create(ctx, i.c, t.name, key, &t.template); err != nil {
			return err
		}
	case err != nil:
		return err
	default:
		if err := i.bringUp(ctx, f, t, arn, there, key); err != nil {
			return err
		}
	}
	return i.versions(ctx, f, t)
}

// bringUp gives a template that is there the words and tags of the folder. How it is provisioned and whether it
// is under a key of its customer's can't be changed.
func (i *importer) bringUp(ctx context.Context, f *family, t *templateEntry, arn string, there *template, key string) error {
	switch {
	case there.Provisioning != t.Provisioning:
		return fmt.Errorf("it is there already, with another provisioning: %q, and %q in the folder", there.Provisioning, t.Provisioning)
	case key != "" && there.EncryptionKey == "":
		return fmt.Errorf("it is there already, under a key that Proton owns and not under %s", key)
	}
	if there.DisplayName != t.DisplayName || there.Description != t.Description {
		i.h.say("%s %s: its description", f.word, t.name)
		if err := f.describe(ctx, i.c, t.name, &t.template); err != nil {
			return err
		}
	}
	return i.h.tag(ctx, arn, t.Tags)
}

// versions registers the versions that the house has not, and brings the others up to date. They are matched by position.
func (i *importer) versions(ctx context.Context, f *family, t *templateEntry) error {
	have, err := i.registered(ctx, f, t.name)
	if err != nil {
		return err
	}
	known := map[number]number{}
	i.numbers[f][t.name] = known
	for at, minors := range byMajor(t.versions) {
		house := 0 // the major version in the house; 0 for one that is to be made
		var there []number
		if at < len(have) {
			there, house = have[at], have[at][0].major
		}
		for position, v := range minors {
			if position < len(there) {
				known[v.number] = there[position]
				if err := i.sameVersion(ctx, f, t.name, v, there[position]); err != nil {
					return about(err, "version %s", v.number)
				}
				continue
			}
			made, err := i.register(ctx, f, t.name, house, v)
			if err != nil {
				return about(err, "version %s", v.number)
			}
			known[v.number], house = made, made.major
		}
	}
	return nil
}

// byMajor are versions in order, one list a major version.
func byMajor(list []versionEntry) (groups [][]versionEntry) {
	for n, v := range list {
		if n == 0 || list[n-1].number.major != v.number.major {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], v)
	}
	return groups
}

// registered are the versions of a template that are registered, one list a major version. One that an import before
// left behind is waited for.
func (i *importer) registered(ctx context.Context, f *family, name string) ([][]number, error) {
	list, err := versionsOf(ctx, i.c, f, name)
	if err != nil {
		return nil, err
	}
	majors := map[int][]number{}
	for _, n := range list {
		if n.status == api.TemplateVersionStatusRegistrationInProgress {
			status, _, err := i.settled(ctx, f, name, n.number)
			if err != nil {
				return nil, err
			}
			n.status = api.TemplateVersionStatus(status)
		}
		if n.registered() {
			majors[n.major] = append(majors[n.major], n.number)
		}
	}
	var groups [][]number
	for _, m := range slices.Sorted(maps.Keys(majors)) {
		groups = append(groups, majors[m])
	}
	return groups, nil
}

// registrationWait bounds how long the house may look into a bundle.
const registrationWait = 2 * time.Minute

// settled waits for the end of a registration.
func (i *importer) settled(ctx context.Context, f *family, name string, n number) (status, message string, err error) {
	pause := 50 * time.Millisecond
	for end := time.Now().Add(registrationWait); ; pause = min(2*pause, time.Second) {
		_, v, message, err := f.version(ctx, i.c, name, n)
		if err != nil || v.Status != string(api.TemplateVersionStatusRegistrationInProgress) {
			if err != nil {
				return "", "", err
			}
			return v.Status, message, nil
		}
		if time.Now().After(end) {
			return "", "", fmt.Errorf("the registration of version %s does not end", n)
		}
		if err := sleep(ctx, pause); err != nil {
			return "", "", err
		}
	}
}

// sleep waits, unless the context ends before.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// here is what a version of the folder says, with the numbers of the house.
func (i *importer) here(v versionEntry) (version, error) {
	w := v.version
	w.CompatibleEnvironmentTemplates = slices.Clone(w.CompatibleEnvironmentTemplates)
	for n := range w.CompatibleEnvironmentTemplates {
		c := &w.CompatibleEnvironmentTemplates[n]
		for from, to := range i.numbers[environmentFamily][c.TemplateName] {
			if strconv.Itoa(from.major) == c.MajorVersion {
				c.MajorVersion = strconv.Itoa(to.major)
				break
			}
		}
	}
	return w, nil
}

// register uploads the bundle of a version and has it registered, in a major version or, for 0, in a new one. A
// version that is not registered is taken away again.
func (i *importer) register(ctx context.Context, f *family, name string, major int, v versionEntry) (n number, err error) {
	if i.o.Bucket == "" {
		return n, fmt.Errorf("it has to be registered, for which its bundle is uploaded: say which bucket to use")
	}
	want, err := i.here(v)
	if err != nil {
		return n, err
	}
	_, packed, err := i.from.bundle(v.dir)
	if err != nil {
		return n, err
	}
	key := i.o.Prefix + fmt.Sprintf("%x.tar.gz", sha256.Sum256(packed))
	if _, err := i.h.S3.PutObject(ctx, &s3.PutObjectInput{Bucket: &i.o.Bucket, Key: &key, Body: bytes.NewReader(packed)}); err != nil {
		return n, about(err, "upload to s3://%s/%s", i.o.Bucket, key)
	}
	var to *string
	if major != 0 {
		to = wire.Ptr(strconv.Itoa(major))
	}
	n, err = f.register(ctx, i.c, name, to, &want, &api.TemplateVersionSourceInput{S3: &api.S3ObjectSource{Bucket: &i.o.Bucket, Key: &key}})
	// The house has its own copy now, or none.
	if _, gone := i.h.S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &i.o.Bucket, Key: &key}); gone != nil {
		i.h.say("  s3://%s/%s stays: %v", i.o.Bucket, key, gone)
	}
	if err != nil {
		return n, err
	}
	i.h.say("  %s as %s", v.number, n)
	status, message, err := i.settled(ctx, f, name, n)
	if err != nil {
		return n, err
	}
	if status == string(api.TemplateVersionStatusRegistrationFailed) {
		err := fmt.Errorf("it could not be registered: %s", message)
		return n, wrapped(err, f.remove(ctx, i.c, name, n))
	}
	if message != "" {
		i.h.say("    %s", message)
	}
	if want.Status == string(api.TemplateVersionStatusPublished) {
		return n, f.change(ctx, i.c, name, n, &want)
	}
	return n, nil
}

// wrapped is err, with what went wrong when it was cleaned up after.
func wrapped(err, after error) error {
	if after == nil {
		return err
	}
	return fmt.Errorf("%w (and the version could not be deleted: %v)", err, after)
}

// sameVersion makes sure that a version of the house is the one of the folder, and brings up to date what is
// said of it. A version that is published stays so.
func (i *importer) sameVersion(ctx context.Context, f *family, name string, v versionEntry, n number) error {
	mine, _, err := i.from.bundle(v.dir)
	if err != nil {
		return err
	}
	theirs, err := filesOf(ctx, i.c, f, name, n)
	if err != nil {
		return err
	}
	if file := differs(mine, theirs); file != "" {
		return fmt.Errorf("the house has another one in its place, %s: its bundle differs in %s", n, file)
	}
	arn, there, _, err := f.version(ctx, i.c, name, n)
	if err != nil {
		return err
	}
	want, err := i.here(v)
	if err != nil {
		return err
	}
	publish := want.Status == string(api.TemplateVersionStatusPublished) && there.Status != want.Status
	if !publish {
		want.Status = ""
	}
	if publish || want.Description != there.Description || !slices.Equal(want.CompatibleEnvironmentTemplates, there.CompatibleEnvironmentTemplates) ||
		!slices.Equal(want.SupportedComponentSources, there.SupportedComponentSources) {
		i.h.say("%s %s: what is said of %s", f.word, name, n)
		if err := f.change(ctx, i.c, name, n, &want); err != nil {
			return err
		}
	}
	return i.h.tag(ctx, arn, v.Tags)
}

// differs names the first file in which two bundles differ; "" for none. Both are sorted.
func differs(a, b []bundle.File) string {
	for n := 0; n < len(a) || n < len(b); n++ {
		switch {
		case n == len(a) || n < len(b) && b[n].Name < a[n].Name:
			return b[n].Name
		case n == len(b) || a[n].Name != b[n].Name || a[n].Exec != b[n].Exec || !bytes.Equal(a[n].Data, b[n].Data):
			return a[n].Name
		}
	}
	return ""
}
