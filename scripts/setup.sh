#!/usr/bin/env bash
# Make .venv hold what the given locks say and servelab itself; does nothing where it does already.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

say() { printf '%s\n' "$*" >&2; }

find_python() {
    local candidate
    for candidate in ${SERVELAB_PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
            >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    say "servelab needs Python 3.11 or newer with venv and pip, and found none;" \
        "install it (on Debian: apt-get install python3-venv), or name one with SERVELAB_PYTHON."
    exit 2
}

# A lock that was installed once is kept installed, so that run.sh does not undo what test.sh added.
state() { cat pyproject.toml scripts/setup.sh "$@" | cksum; }

if [ -x .venv/bin/servelab ] && [ -f .venv/locks ]; then
    installed=$(cat .venv/locks)
    if [ "$(cat .venv/state 2>/dev/null)" = "$(state $installed)" ]; then
        missing=
        for lock in "$@"; do
            case " $installed " in *" $lock "*) ;; *) missing=yes ;; esac
        done
        [ -n "$missing" ] || exit 0
    fi
fi

say "servelab: setting up .venv (once; it takes a minute where nothing is cached)"
if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    rm -rf .venv
    "$(find_python)" -m venv .venv
fi
rm -f .venv/state
for lock in "$@"; do
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
        --requirement "$lock"
done
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
    --no-build-isolation --editable .
printf '%s\n' "$*" >.venv/locks
state "$@" >.venv/state
