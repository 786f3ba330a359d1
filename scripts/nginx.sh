#!/usr/bin/env bash
# Have nginx for the tests: installed where root of a Debian runs this, else a test says what to do.
set -euo pipefail
PATH=$PATH:/usr/sbin
if command -v nginx >/dev/null || [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    exit 0
fi
printf '%s\n' "servelab: installing nginx for the tests" >&2
export DEBIAN_FRONTEND=noninteractive
# RUNLEVEL=1: the package would start a server of its own, where there is an init to do it.
install() { RUNLEVEL=1 apt-get install --quiet --quiet --yes --no-install-recommends nginx; }
install >/dev/null 2>&1 || { apt-get update --quiet --quiet && install; } >/dev/null 2>&1 ||
    printf '%s\n' "servelab: nginx could not be installed; its tests will fail" >&2
