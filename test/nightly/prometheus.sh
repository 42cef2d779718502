#!/usr/bin/env bash
# A real Prometheus scrapes itself for ten minutes, or as many as the first argument says, and sends what it finds to a house that is
# killed twice meanwhile. Each of its samples must be there at the end. Debian's package prometheus must be installed.
set -euo pipefail
cd "$(dirname "$0")/../.."
export STRONGROOM_REQUIRE_CLIENTS=1 STRONGROOM_PROMETHEUS_MINUTES=${1:-10}
exec go test ./test/compat -run '^TestPrometheusSends$' -count 1 -v -timeout 3h
