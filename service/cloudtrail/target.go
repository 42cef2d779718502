package cloudtrail

import (
	"context"
	"fmt"

	"github.com/strongroom/strongroom/call"
)

// open lists the operations that ask for one permission on everything.
var open = map[string]bool{
	"LookupEvents": true,
}

// target says what a call acts on. The actions of this service that are implemented
// have no resource level.
func (s *Service) target(_ context.Context, c *call.Call) (call.Target, error) {
	if !open[c.Op.Name] {
		return call.Target{}, fmt.Errorf("cloudtrail: %s has no target", c.Op.Name)
	}
	return call.Target{Checks: []call.Check{{Action: "cloudtrail:" + c.Op.Name, Resource: "*"}}}, nil
}
