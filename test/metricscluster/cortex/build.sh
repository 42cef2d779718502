#!/bin/sh
# Build a single-binary Cortex from the module proxy, for the test in this folder's parent:
#
#     test/metricscluster/cortex/build.sh FOLDER
#     STRONGROOM_CORTEX=FOLDER/cortex go test -count 1 -run TestRealCortex ./test/metricscluster
#
# It takes some ten minutes of two processors and 100 MB. Without the tag slicelabels the first push panics.
set -eu
out=${1:?say which folder the program is to be in}
mkdir -p "$out/module"
out=$(cd "$out" && pwd)
cp "$(dirname "$0")/go.mod" "$out/module/go.mod" # which building completes
cd "$out/module"
GOFLAGS=-mod=mod go build -tags slicelabels -trimpath -o "$out/cortex" github.com/cortexproject/cortex/cmd/cortex
