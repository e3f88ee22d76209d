#!/bin/sh
# Serve Lattice on http://localhost:8000, after doing what is missing of setup.sh.
# Arguments go to `lattice server serve`: --dev reloads code, templates and styles as they change.
set -eu
cd "$(dirname "$0")"
if ! { [ -e .env ] && [ -x .venv/bin/python ] && [ -e .venv/requirements.lock.sum ] &&
  read -r installed <.venv/requirements.lock.sum && [ "$(cksum <requirements.lock)" = "$installed" ]; }; then
  ./setup.sh --no-migrate
fi
exec .venv/bin/python -m app.cli.main server serve --migrate "$@"
