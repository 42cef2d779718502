#!/bin/sh
# Writes what was asked for, and the outputs.
set -eu
greeting=$(sed -n 's/.*"greeting" *: *"\([^"]*\)".*/\1/p' proton-inputs.json)
echo "$greeting" > "$GREETING_FILE"
printf '{"greeting": "%s"}\n' "$greeting" > proton-outputs.json
