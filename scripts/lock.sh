#!/usr/bin/env bash
# Renew requirements.lock and requirements-dev.lock from pyproject.toml, and the servers' locks.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
compile() {
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-header --no-annotate "$@"
}
compile --group build pyproject.toml --output-file requirements.lock
compile --group build --group dev pyproject.toml --constraints requirements.lock \
    --output-file requirements-dev.lock
.venv/bin/python -m servelab.catalogue.lock
