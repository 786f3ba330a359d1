#!/usr/bin/env bash
# Measure deployments: ./run.sh STACK WORKLOAD [OPTIONS]. Sets up .venv on first use.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
"$here/scripts/setup.sh" requirements.lock
exec "$here/.venv/bin/servelab" run "$@"
