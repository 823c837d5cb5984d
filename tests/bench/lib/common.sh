# Shared by the scripts of the benchmark. Sourced; needs $root (of the repository) and sets up:
#   $work   a private directory for states, seeds and logs, removed at the end
#   finish  what is started is stopped, also upon Ctrl-C

here=$root/tests/bench
build=$root/build/release
tools=$build/bin

say() { echo "bench: $*" >&2; }
die() {
    say "$*"
    exit 1
}

work=$(mktemp -d "${FORUMD_BENCH_DIR:-/var/tmp}/forumd-bench-XXXXXX")
started=() # pids of what runs

# A port that nobody listens on now, below the range that outgoing connections take theirs from.
next_port=$((18000 + RANDOM % 6000))
free_port() {
    local count=${1:-1} i
    while :; do
        next_port=$((next_port + count + 1))
        ((next_port < 28000)) || next_port=18000
        for ((i = 0; i < count; i++)); do
            ! (: <>"/dev/tcp/127.0.0.1/$((next_port + i))") 2>/dev/null || continue 2
        done
        port=$next_port
        return
    done
}

# wait_for SECONDS COMMAND...: until it succeeds
wait_for() {
    local until=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < until)) || return 1
        sleep 0.02
    done
}

answers() { curl -sf -m 2 -o /dev/null "$1"; }

# median: of the numbers that come in, one a line
median() { sort -g | awk '{ v[NR] = $1 } END { if (NR) print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

on_exit() {
    local code=$?
    trap '' INT TERM
    stop_all
    if ((code != 0 && code < 128)); then
        tail -n 20 "$work"/*.log >&2 2>/dev/null
    fi
    rm -rf "$work"
    exit "$code"
}
trap on_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The release build, and what of the benchmark is written in C, made with the same flags.
build_release() {
    "$root/deploy/install-packages" >&2 || die "packages are missing"
    mkdir -p "$build"
    {
        [[ -f $build/build.ninja ]] || cmake --preset release -S "$root" &&
            (cd "$root" && cmake --build --preset release && cmake --build --preset release --target bench-tools)
    } >"$work/build.log" 2>&1 9>&- || die "the build failed"
}

needs_wrk() {
    command -v wrk >/dev/null || die "wrk is missing: apt-get install wrk"
}
