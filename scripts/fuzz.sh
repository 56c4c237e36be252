#!/usr/bin/env bash
# Fuzzes the stream parsers and the translators: `scripts/fuzz.sh [SECONDS [TARGET...]]`, by default 15 seconds each.
# Begins with the kept corpus (fuzz/corpus/TARGET.tar.gz) and the golden files; what is found on the way stays in
# fuzz/corpus/TARGET until `scripts/fuzz.sh keep` packs the least of it that covers as much. Needs no nightly
# compiler: coverage comes from LLVM's own pass, without a sanitizer, since the code under test has no unsafe.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"
../scripts/setup.sh fuzz

targets=(frames streams answers requests)
host=$(rustc -vV | sed -n 's/^host: //p')
out=${CARGO_TARGET_DIR:-target}

build() {
    local flags="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
    flags+=" -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
    flags+=" -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
    cargo build --quiet --locked --release --bin seed
    # With --target the flags are for the targets alone, not for build scripts.
    RUSTFLAGS=$flags cargo build --quiet --locked --release --target "$host" "${targets[@]/#/--bin=}"
}

unpack() {
    local target=$1
    mkdir -p "corpus/$target"
    "$out/release/seed" "$target" "corpus/$target"
    if [[ -f corpus/$target.tar.gz ]]; then tar -xzf "corpus/$target.tar.gz" -C corpus; fi
}

run() {
    local target=$1 seconds=$2
    unpack "$target"
    mkdir -p "artifacts/$target"
    "$out/$host/release/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=16384 \
        -print_final_stats=1 -verbosity=0 -artifact_prefix="artifacts/$target/" "corpus/$target" 2>"artifacts/$target/log" ||
        { tail -n 30 "artifacts/$target/log"; return 1; }
    echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "artifacts/$target/log") runs in $seconds s, no finding"
}

keep() {
    local target=$1
    unpack "$target"
    mkdir -p "corpus/least"
    "$out/$host/release/$target" -merge=1 corpus/least "corpus/$target" 2>/dev/null
    rm -rf "corpus/$target" && mv corpus/least "corpus/$target"
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C corpus -cf - "$target" | gzip -n9 >"corpus/$target.tar.gz"
    echo "$target: $(find "corpus/$target" -type f | wc -l) files, $(stat -c %s "corpus/$target.tar.gz") bytes packed"
}

build
if [[ ${1:-} == keep ]]; then
    for target in "${targets[@]}"; do keep "$target"; done
    exit
fi
seconds=${1:-15}
shift || true
for target in "${@:-${targets[@]}}"; do run "$target" "$seconds"; done
