#!/usr/bin/env bash
# Everything about the tree that needs no running program. All checks run; the last lines name those
# that failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

scripts/setup.sh rust deny python || exit
locked=(${CI:+--locked})
failed=()

check() {
    local name=$1
    shift
    echo "== $name"
    "$@" || failed+=("$name")
}

# The advisory database is a repository of its own: where it cannot be reached this says so instead of
# failing, since a closed network is no defect of the tree.
advisories() {
    if timeout 60 cargo deny fetch db &>/dev/null; then
        cargo deny --log-level error check --disable-fetch advisories
    else
        echo "not measured: the advisory database cannot be reached from here"
    fi
}

# Tracked files and new ones that are not ignored.
shell_scripts() {
    git ls-files --cached --others --exclude-standard -- '*.sh' .ci/run
}

check "format" cargo fmt --all --check
check "format of the fuzz targets" cargo fmt --manifest-path fuzz/Cargo.toml --check
check "clippy" cargo clippy "${locked[@]}" --workspace --all-targets --quiet -- --deny warnings
check "licences, bans, sources" cargo deny --log-level error check bans licenses sources
check "advisories" advisories
check "generated files" cargo run --quiet "${locked[@]}" --package xtask -- generate --check
check "links" .venv/bin/python scripts/doc-links.py
check "spelling" .venv/bin/typos
# shellcheck disable=SC2046 # no file name here has a space
check "shell scripts" .venv/bin/shellcheck $(shell_scripts)

if ((${#failed[@]})); then
    printf 'failed: %s\n' "${failed[@]}"
    exit 1
fi
echo "all checks passed"
