#!/usr/bin/env bash
# Install what servelab's generator is compared with: on Debian, as root or with sudo.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
scripts/setup.sh requirements.lock
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
"${as_root[@]}" apt-get update
# RUNLEVEL=1: else Debian would start an nginx of its own on port 80, where no systemd runs.
"${as_root[@]}" env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --no-install-recommends \
    apache2-utils nghttp2-client nginx wrk
.venv/bin/python benchmarks/load_generator/peers.py
