package amp

import (
	"context"
	"strings"

	"github.com/strongroom/strongroom/arn"
	"github.com/strongroom/strongroom/call"
	"github.com/strongroom/strongroom/service/amp/tenant"
)

// The keys of the store. Parts are separated by a zero byte, which no name holds:
//
//	w 0 region 0 account 0 id                    workspace
//	i 0 region 0 id                              the account that has the workspace
//	d 0 region 0 account 0 id 0 ...              what is kept of a workspace: see package tenant
//	c 0 region 0 account 0 id                    scraper
//	t 0 arn                                      tags of a resource
//	o 0 region 0 account 0 operation 0 token     what a client token has done
const sep = "\x00"

func key(parts ...string) []byte { return []byte(strings.Join(parts, sep)) }

// place is where resources stand.
type place struct{ region, account string }

// here is the place of the call in ctx.
func here(ctx context.Context) place {
	c := call.From(ctx)
	return place{c.Region, c.Principal.Account}
}

func (p place) arn(resource string) string {
	return "arn:aws:aps:" + p.region + ":" + p.account + ":" + resource
}

func (p place) workspace(id string) tenant.ID {
	return tenant.ID{Region: p.region, Account: p.account, Workspace: id}
}

func workspaceKey(id tenant.ID) []byte { return key("w", id.Region, id.Account, id.Workspace) }
func indexKey(id tenant.ID) []byte     { return key("i", id.Region, id.Workspace) }
func tagsKey(arn string) []byte        { return key("t", arn) }

// workspacesOf is the prefix of the workspaces of a place.
func workspacesOf(p place) []byte { return append(key("w", p.region, p.account), 0) }

// The kinds of resources, as their ARNs have them.
const (
	kindWorkspace = "workspace"
	kindRules     = "rulegroupsnamespace"
	kindScraper   = "scraper"
	kindDetector  = "anomalydetector"
)

// resourceName is an ARN of the service, taken apart.
type resourceName struct {
	place
	kind  string
	parts []string // of the name, at slashes
}

// parseName takes the ARN of a resource apart: workspace/ID, rulegroupsnamespace/WORKSPACE/NAME, scraper/ID or
// anomalydetector/WORKSPACE/ID.
func parseName(name string) (n resourceName, ok bool) {
	a, err := arn.Parse(name)
	if err != nil || a.Service != "aps" || strings.Contains(name, sep) {
		return n, false
	}
	parts := strings.Split(a.Resource, "/")
	n = resourceName{place{a.Region, a.Account}, parts[0], parts[1:]}
	want := map[string]int{kindWorkspace: 1, kindRules: 2, kindScraper: 1, kindDetector: 2}[n.kind]
	if want == 2 && n.kind == kindRules && len(n.parts) > 2 {
		n.parts = []string{n.parts[0], strings.Join(n.parts[1:], "/")}
	}
	return n, want > 0 && len(n.parts) == want
}
