#!/bin/sh
# Turns the outputs of terraform, {"note": {"value": "..."}}, into {"note": "..."}.
tr -d '\n' | sed -n 's/.*"note" *: *{[^}]*"value" *: *\("[^"]*"\).*/{"note": \1}/p'
