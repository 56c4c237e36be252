#!/usr/bin/env bash
# Runs every test: Rust tests, documentation tests, and against the binary the official SDKs and the commands of
# the documentation. What the SDKs show of dialects and providers has to be what docs/providers.md says. Last, some
# seconds of fuzzing for each target.
# One suite's failure does not stop the others; the last line sums up: `N passed, N failed`. Servers
# that tests start listen on ports the system chooses and keep their data in a folder that is removed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

scripts/setup.sh nextest node curl fuzz || exit
locked=(${CI:+--locked})
work=$(mktemp -d "${TMPDIR:-/tmp}/parapet-test.XXXXXX")
trap 'rm -rf "$work"' EXIT
export TMPDIR=$work PYTHONDONTWRITEBYTECODE=1

target=$(cargo metadata "${locked[@]}" --format-version 1 --no-deps | .venv/bin/python -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
[[ -n $target ]] || exit 1
junit=target/nextest/default/junit.xml # nextest keeps its store here, wherever the target directory is
matrix=$target/provider-matrix.jsonl # stays, for scripts/provider-matrix.py to write the tables from
suites=()

# suite NAME REPORT COMMAND...: runs it and keeps its exit code and report for the sum.
suite() {
    local name=$1 report=$2
    shift 2
    echo "== $name"
    "$@"
    local code=$?
    suites+=("$name" "$code" "$report")
    return "$code"
}

rust() {
    rm -f "$junit"
    cargo nextest run "${locked[@]}" --workspace
}

documentation() {
    cargo test "${locked[@]}" --workspace --doc 2>&1 | tee "$work/doc.log"
}

binary() {
    cargo build "${locked[@]}" --package parapet --bin parapet
}

python_sdk() {
    .venv/bin/python -m pytest -p no:cacheprovider --junit-xml="$work/python.xml" tests/sdk/python
}

node_sdk() (
    node=$PWD/.venv/bin/node
    cd tests/sdk/node && "$node" --test --test-concurrency=1 --test-timeout=60000 \
        --test-reporter=spec --test-reporter-destination=stdout \
        --test-reporter=junit --test-reporter-destination="$work/node.xml"
)

provider_matrix() {
    .venv/bin/python scripts/provider-matrix.py --check "$matrix"
}

openapi() {
    .venv/bin/python -m pytest -p no:cacheprovider --junit-xml="$work/openapi.xml" tests/openapi
}

fuzzing() {
    CARGO_TARGET_DIR=$target/fuzz scripts/fuzz.sh 10
}

documented_commands() {
    .venv/bin/python scripts/doc-commands.py --junit "$work/commands.xml"
}

suite "rust" "$junit" rust
suite "documentation" "$work/doc.log" documentation
if suite "binary" - binary; then
    rm -f "$matrix"
    export PARAPET_BIN=$target/debug/parapet PARAPET_MATRIX_OUT=$matrix
    suite "sdks for python" "$work/python.xml" python_sdk
    suite "sdks for node" "$work/node.xml" node_sdk
    suite "tables of providers" - provider_matrix
    suite "openapi document" "$work/openapi.xml" openapi
    suite "documented commands" "$work/commands.xml" documented_commands
fi
suite "fuzzing" - fuzzing

echo
.venv/bin/python scripts/tally.py "${suites[@]}"
