package syncfile

import (
	"path"
	"regexp"
	"strings"

	"github.com/strongroom/strongroom/service/proton/document"
)

// maxInstances bounds the instances of a service in an ops file.
const maxInstances = 1000

// Instance says where the spec of a service instance stands.
type Instance struct {
	Name   string
	Branch string
	Spec   string // path from the top of the repository
	at     *document.Node
}

// Fail returns an error at the place where the instance is named.
func (i Instance) Fail(format string, args ...any) error { return i.at.Fail(format, args...) }

var instanceName = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z_-]{0,99}$`)

// ParseOps reads what an ops file says of one service, in the file's order. What it says of others is
// not looked at. file is what errors call it.
func ParseOps(file string, text []byte, service string) ([]Instance, error) {
	root, err := document.Read(file, text)
	if err != nil {
		return nil, err
	}
	services := root.Get("sync").Get("services")
	if services == nil || services.Kind != document.Map {
		return nil, root.Fail("must have a map of services under sync: services")
	}
	n := services.Get(service)
	switch {
	case n == nil:
		return nil, services.Fail("the service %s is not under sync: services", service)
	case n.Kind != document.Map || len(n.Members) == 0:
		return nil, n.Fail("a service must be a map of its instances")
	case len(n.Members) > maxInstances:
		return nil, n.Fail("a service has more than %d instances", maxInstances)
	}
	var list []Instance
	for _, m := range n.Members {
		one, err := instance(m)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}

func instance(m document.Member) (one Instance, err error) {
	one = Instance{Name: m.Name, at: m.Key}
	if !instanceName.MatchString(m.Name) {
		return one, m.Key.Fail("the name of an instance has 1 to 100 letters, digits, _ and -, a letter or digit first")
	}
	if m.Node.Kind != document.Map {
		return one, m.Node.Fail("an instance must be a map with branch and spec")
	}
	for _, member := range m.Node.Members {
		text := member.Node.Text()
		if member.Node.Kind != document.Scalar || member.Node.Null() || text == "" {
			return one, member.Node.Fail("%s must be a text", member.Name)
		}
		switch member.Name {
		case "branch":
			one.Branch = text
		case "spec":
			if one.Spec = strings.TrimPrefix(path.Clean("/"+text), "/"); one.Spec == "" {
				err = member.Node.Fail("spec must be the path of a file")
			}
		default:
			err = member.Key.Fail("the key %q is not known in an instance", member.Name)
		}
		if err != nil {
			return one, err
		}
	}
	if one.Branch == "" || one.Spec == "" {
		return one, m.Key.Fail("an instance must have branch and spec")
	}
	return one, nil
}
