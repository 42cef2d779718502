// Package delivery follows what Proton renders to where it is applied: Git remotes with pull requests, runners with
// their sandboxes, real Terraform, and repositories that templates and services follow.
package delivery

import (
	"testing"

	"github.com/strongroom/strongroom/test/house"
)

func TestMain(m *testing.M) { house.Main(m) }
