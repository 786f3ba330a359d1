#!/usr/bin/env bash
# Run the checks and the tests; --full adds the long ones. Sets up .venv on first use.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
scripts/setup.sh requirements.lock requirements-dev.lock
scripts/nginx.sh
marks="not slow"
if [ "${1:-}" = "--full" ]; then
    marks=""
    shift
fi
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
.venv/bin/lint-imports
exec .venv/bin/python -m pytest -m "$marks" "$@"
