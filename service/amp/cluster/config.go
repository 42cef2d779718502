package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"gopkg.in/yaml.v3"
)

// Refused is that the cluster does not take a rule group or a definition as it is. Its words may repeat those of the document, so they
// are not kept.
type Refused struct{ Status int }

// Error says so.
func (e *Refused) Error() string {
	return fmt.Sprintf("the metrics cluster does not take it (status %d)", e.Status)
}

// want turns an answer into an error, unless its status is 2xx.
func (c *Cluster) want(out *response, err error) (*response, error) {
	switch {
	case err != nil:
		return nil, err
	case out.status >= 200 && out.status < 300:
		return out, nil
	case out.status == http.StatusBadRequest, out.status == http.StatusRequestEntityTooLarge, out.status == http.StatusUnprocessableEntity:
		return nil, &Refused{out.status}
	}
	return nil, &statusError{out.status}
}

// statusError is an answer that nobody expects.
type statusError struct{ status int }

func (e *statusError) Error() string {
	return fmt.Sprintf("the metrics cluster answers with status %d", e.status)
}

func isStatus(err error, status int) bool {
	var e *statusError
	return errors.As(err, &e) && e.status == status
}

// yamlHeader has the content type of rule groups and definitions.
var yamlHeader = http.Header{"Content-Type": {"application/yaml"}}

func (c *Cluster) namespace(name string) string {
	return placesOf[c.kind].rules + "/" + url.PathEscape(name)
}

// Namespaces returns the names of the groups of all namespaces of a tenant.
func (c *Cluster) Namespaces(ctx context.Context, tenant string) (map[string][]string, error) {
	out, err := c.want(c.ask(ctx, request{method: http.MethodGet, path: placesOf[c.kind].rules, tenant: tenant}))
	var refused *Refused
	switch {
	case isStatus(err, http.StatusNotFound): // of a tenant without rules
		return nil, nil
	case errors.As(err, &refused): // what is asked for is nobody's document
		return nil, &statusError{refused.Status}
	case err != nil:
		return nil, err
	}
	var all map[string][]struct {
		Name string `yaml:"name"`
	}
	if err := yaml.Unmarshal(out.body, &all); err != nil {
		return nil, errors.New("the metrics cluster lists rules in a way that is not understood")
	}
	names := make(map[string][]string, len(all))
	for space, groups := range all {
		names[space] = []string{}
		for _, g := range groups {
			names[space] = append(names[space], g.Name)
		}
	}
	return names, nil
}

// PutNamespace replaces the groups of a namespace by those of a rule file. have are the names of the groups that are there. The error is
// a *Refused where the cluster does not take them.
func (c *Cluster) PutNamespace(ctx context.Context, tenant, name string, file []byte, have []string) error {
	var doc struct {
		Groups []yaml.Node `yaml:"groups"`
	}
	if err := yaml.Unmarshal(file, &doc); err != nil {
		return fmt.Errorf("rule file that was accepted: %w", err)
	}
	names, room := map[string]bool{}, maxNodes
	texts := make([][]byte, len(doc.Groups))
	for i := range doc.Groups {
		var g struct {
			Name string `yaml:"name"`
		}
		err := doc.Groups[i].Decode(&g)
		if alone := standalone(&doc.Groups[i], &room); err == nil && alone != nil {
			texts[i], err = yaml.Marshal(alone)
		} else if err == nil {
			return &Refused{http.StatusRequestEntityTooLarge}
		}
		if err != nil {
			return fmt.Errorf("rule file that was accepted: %w", err)
		}
		names[g.Name] = true
	}
	for _, old := range have {
		if !names[old] { // names of groups hold any letter, so none of them goes into a path
			if err := c.DeleteNamespace(ctx, tenant, name); err != nil {
				return err
			}
			break
		}
	}
	for _, text := range texts {
		if _, err := c.want(c.ask(ctx, request{method: http.MethodPost, path: c.namespace(name), tenant: tenant, header: yamlHeader, body: text})); err != nil {
			return err
		}
	}
	return nil
}

// maxNodes bounds what aliases of a rule file may unfold to.
const maxNodes = 1 << 18

// standalone returns a copy of a node that has no aliases, and nil where that would be too large. Scalars stay as they are written.
func standalone(n *yaml.Node, room *int) *yaml.Node {
	if *room--; *room < 0 {
		return nil
	}
	if n.Kind == yaml.AliasNode {
		return standalone(n.Alias, room)
	}
	out := *n
	out.Anchor, out.Content = "", nil
	for _, inner := range n.Content {
		one := standalone(inner, room)
		if one == nil {
			return nil
		}
		out.Content = append(out.Content, one)
	}
	return &out
}

// DeleteNamespace deletes a namespace with its groups, if it is there.
func (c *Cluster) DeleteNamespace(ctx context.Context, tenant, name string) error {
	_, err := c.want(c.ask(ctx, request{method: http.MethodDelete, path: c.namespace(name), tenant: tenant}))
	if isStatus(err, http.StatusNotFound) {
		return nil
	}
	return err
}

// PutDefinition replaces the definition of the alert manager. The error is a *Refused where the cluster does not take it.
func (c *Cluster) PutDefinition(ctx context.Context, tenant string, text []byte) error {
	_, err := c.want(c.ask(ctx, request{method: http.MethodPost, path: definitionPath, tenant: tenant, header: yamlHeader, body: text}))
	return err
}

// DeleteDefinition deletes the definition of the alert manager, if there is one.
func (c *Cluster) DeleteDefinition(ctx context.Context, tenant string) error {
	_, err := c.want(c.ask(ctx, request{method: http.MethodDelete, path: definitionPath, tenant: tenant}))
	if isStatus(err, http.StatusNotFound) {
		return nil
	}
	return err
}

// Withdraw deletes namespaces and the definition of a tenant. Nothing that is sealed is read for it, so it takes no key.
func (c *Cluster) Withdraw(ctx context.Context, tenant string, namespaces []string) error {
	for _, name := range namespaces {
		if err := c.DeleteNamespace(ctx, tenant, name); err != nil {
			return err
		}
	}
	return c.DeleteDefinition(ctx, tenant)
}

// Delete asks for the deletion of all blocks of a tenant. It may be asked again.
func (c *Cluster) Delete(ctx context.Context, tenant string) error {
	_, err := c.want(c.ask(ctx, request{method: http.MethodPost, path: placesOf[c.kind].remove, tenant: tenant}))
	return err
}

// Deleted reports whether the blocks of a tenant are gone.
func (c *Cluster) Deleted(ctx context.Context, tenant string) (bool, error) {
	out, err := c.want(c.ask(ctx, request{method: http.MethodGet, path: placesOf[c.kind].removed, tenant: tenant}))
	if err != nil {
		return false, err
	}
	var said struct {
		Tenant string `json:"tenant_id"`
		Gone   bool   `json:"blocks_deleted"`
	}
	if err := json.Unmarshal(bytes.TrimSpace(out.body), &said); err != nil || said.Tenant != tenant {
		return false, errors.New("the metrics cluster tells of a deletion in a way that is not understood")
	}
	return said.Gone, nil
}
