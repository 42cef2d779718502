// Package compat runs the clients that people have against the program itself: the AWS
// CLI, the AWS SDKs for Go and Python, the AWS Encryption SDK, openssl, sops and Prometheus. Nothing in them is changed but the
// endpoint.
//
// A client that is not installed is said so, and its test is skipped; with
// STRONGROOM_REQUIRE_CLIENTS=1 it fails. CI sets that.
package compat

import (
	"context"
	"testing"

	"github.com/strongroom/strongroom/test/house"
)

func TestMain(m *testing.M) { house.Main(m) }

var ctx = context.Background()
