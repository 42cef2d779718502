package proton

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	api "github.com/strongroom/strongroom/api/proton"
	"github.com/strongroom/strongroom/arn"
	"github.com/strongroom/strongroom/call"
)

// place is where resources stand: nothing crosses it but account connections.
type place struct{ region, account string }

// here is the place of the call in ctx.
func here(ctx context.Context) place {
	c := call.From(ctx)
	return place{c.Region, c.Principal.Account}
}

// family is what environment templates and service templates differ in.
type family struct {
	word     string // in ARNs and messages
	template kind
	version  kind
	syncType api.TemplateType
}

var (
	environmentFamily = &family{"environment-template", "et", "ev", api.TemplateTypeEnvironment}
	serviceFamily     = &family{"service-template", "st", "sv", api.TemplateTypeService}
)

// familyOf returns the family that a template type names.
func familyOf(t api.TemplateType) *family {
	if t == api.TemplateTypeEnvironment {
		return environmentFamily
	}
	return serviceFamily
}

// arn names a resource of the place.
func (p place) arn(format string, args ...any) string {
	return "arn:aws:proton:" + p.region + ":" + p.account + ":" + fmt.Sprintf(format, args...)
}

func (p place) templateARN(f *family, name string) string { return p.arn("%s/%s", f.word, name) }

func (p place) versionARN(f *family, name, major, minor string) string {
	return p.arn("%s/%s:%s.%s", f.word, name, major, minor)
}

func (p place) environmentARN(name string) string { return p.arn("environment/%s", name) }
func (p place) serviceARN(name string) string     { return p.arn("service/%s", name) }
func (p place) instanceARN(service, name string) string {
	return p.arn("service/%s/service-instance/%s", service, name)
}
func (p place) pipelineARN(service, id string) string {
	return p.arn("service/%s/pipeline/%s", service, id)
}
func (p place) componentARN(name string) string { return p.arn("component/%s", name) }
func (p place) connectionARN(id string) string  { return p.arn("environment-account-connection/%s", id) }
func (p place) deploymentARN(id string) string  { return p.arn("deployment/%s", id) }
func (p place) repositoryARN(provider api.RepositoryProvider, name string) string {
	return p.arn("repository/%s:%s", strings.ToLower(string(provider)), name)
}

// newID returns a random UUID.
func newID() string { return call.NewID() }

// newRev returns what tells one writing of a record from every other.
func newRev() string { return rand.Text()[:16] }

// keyOfARN returns the place and the key of the record that a resource name stands for. ok is
// false where it names no resource that has a record and tags.
func keyOfARN(name string) (p place, k []byte, ok bool) {
	a, err := arn.Parse(name)
	if err != nil || a.Service != "proton" {
		return place{}, nil, false
	}
	p = place{a.Region, a.Account}
	word, rest, found := strings.Cut(a.Resource, "/")
	if !found || rest == "" {
		return p, nil, false
	}
	switch word {
	case environmentFamily.word:
		return p, templateKeyOf(p, environmentFamily, rest), true
	case serviceFamily.word:
		return p, templateKeyOf(p, serviceFamily, rest), true
	case "environment":
		return p, key("en", p, rest), true
	case "component":
		return p, key("co", p, rest), true
	case "environment-account-connection":
		return p, key("ac", p, rest), true
	case "deployment":
		return p, key("de", p, rest), true
	case "service":
		return serviceKeyOf(p, rest)
	case "repository":
		provider, name, found := strings.Cut(rest, ":")
		return p, key("re", p, strings.ToUpper(provider), name), found
	}
	return p, nil, false
}

func templateKeyOf(p place, f *family, rest string) []byte {
	name, version, versioned := strings.Cut(rest, ":")
	if !versioned {
		return key(f.template, p, name)
	}
	major, minor, _ := strings.Cut(version, ".")
	return key(f.version, p, name, padded(major), padded(minor))
}

func serviceKeyOf(p place, rest string) (place, []byte, bool) {
	parts := strings.Split(rest, "/")
	switch {
	case len(parts) == 1:
		return p, key("se", p, parts[0]), true
	case len(parts) == 3 && parts[1] == "service-instance":
		return p, key("si", p, parts[0], parts[2]), true
	case len(parts) == 3 && parts[1] == "pipeline":
		return p, key("pi", p, parts[0]), true
	}
	return p, nil, false
}
