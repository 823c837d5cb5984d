# What the side by side does not show: each part measures one row or two of the floors' table, of forumd alone. Sourced.

# row WHAT VALUE UNIT FLOOR TARGET [at-least]: smaller is better, unless at least so much is wanted
row() {
    [[ -s $out/floors.txt ]] || printf '%-62s %10s %-5s %8s %8s\n' "floors and targets" is "" floor target | tee "$out/floors.txt"
    awk -v what="$1" -v x="$2" -v unit="$3" -v floor="$4" -v target="$5" -v most="${6-}" 'BEGIN {
        met = most == "" ? (x <= target) + (x <= floor) : (x >= target) + (x >= floor)
        printf "%-62s %10.2f %-5s %8s %8s  %s\n", what, x, unit, floor, target, met == 2 ? "target met" : met == 1 ? "floor met" : "MISSED" }' |
        tee -a "$out/floors.txt"
}
remark() { printf '%s\n' "$*" | tee -a "$out/floors.txt"; }

has_cache() { "$forumd_bin/forumd-gateway" --help 2>/dev/null | grep -q -- --cache-size; }
cache_off() { forumd_env=(FORUMD_CACHE_SIZE=0); }
cache_on() { forumd_env=(); }

now_ms() { echo $(($(date +%s%N) / 1000000)); }
restart_forumd() {
    stop_forumd
    start_forumd "${worker_flags[@]}"
}

# load_forumd POSTS: a new forum with so many, through the API
load_forumd() {
    rm -rf "$work/state" "$work/seed/forumd"
    start_forumd "${worker_flags[@]}"
    load "${base[forumd]}" "$work/seed/forumd" "$users" "$subreddits" 10 "$1"
    settle 30 ${roots[forumd]} || say "forumd is still busy after loading"
}

# fill N: N more posts, straight into the posts engine; prints how many a second
fill() {
    "$tools/forumd-fill" --posts "$1" --subreddits "$subreddits" --users "$users" --port-base $((forumd_port_base + 1)) \
        --mac-key "$work/state/mac.key" 2>>"$work/fill.log" | tee -a "$work/fill.log" | sed -n 's/.*ms, \([0-9]*\)\/s$/\1/p'
}

# medians FIELD WORKLOAD CONNECTIONS: the median over rounds of what `measure` sets; requests that failed are remembered
medians() {
    local i values=()
    for ((i = 0; i < rounds; i++)); do
        measure forumd "$2" "$3" "$seconds"
        errors=$((errors + bad))
        values+=("${!1}")
    done
    result=$(printf '%s\n' "${values[@]}" | median)
}
no_errors() { ((errors == 0)) || die "$errors requests failed"; }

run_latency() {
    errors=0
    cache_off
    load_forumd "$posts"
    medians p50_us get_post 1
    row "latency, c = 1, GET of a post, p50, through the hop" "$result" us 250 150
    if has_cache; then
        cache_on
        restart_forumd
        export BENCH_POSTS=100
        wrk_result forumd get_post 1 "$seconds" >/dev/null
        medians p50_us get_post 1
        unset BENCH_POSTS
        row "latency, c = 1, GET of a post, p50, from the cache" "$result" us 80 50
    else
        remark "latency from the cache: this build has none"
    fi
    stop_forumd
    no_errors
}

run_engines() {
    local i rates=() sums=() comments
    errors=0
    load_forumd "$((posts < 1000 ? posts : 1000))"
    measure forumd create_comment "$connections" 1
    comments=$requests
    errors=$((errors + bad))
    awk 'NR > 1 { printf "POST\t/api/dm/send\t{\"from_user_id\":\"%s\",\"to_user_id\":\"%s\",\"content\":\"Hello\"}\n", before, $1 } { before = $1 }' \
        "$work/seed/forumd/users.txt" >"$work/messages"
    send "${base[forumd]}" "$work/messages" "$work/messages.out" 2
    for ((i = 0; i < rounds; i++)); do
        settle 60 ${roots[forumd]}
        "$tools/forumd-reads" --seconds "$seconds" --users "$users" --subreddits "$subreddits" --posts "$((posts < 1000 ? posts : 1000))" \
            --comments "$comments" --port-base $((forumd_port_base + 1)) --mac-key "$work/state/mac.key" >"$work/reads" 2>>"$work/reads.log" ||
            die "reading failed: $(tail -n 1 "$work/reads.log")"
        sums+=("$(sed -n 's/^together \([0-9]*\)\/s$/\1/p' "$work/reads")")
    done
    row "six engines together, full batches, reads/s" "$(printf '%s\n' "${sums[@]}" | median)" /s 100000 200000 at-least
    remark "  of which: $(grep -v together "$work/reads" | tr '\n' ' ')"
    for ((i = 0; i < rounds; i++)); do
        settle 60 ${roots[forumd]}
        rates+=("$(fill "$((quick ? 5000 : 200000))")")
    done
    row "one engine, full batches, durable writes/s" "$(printf '%s\n' "${rates[@]}" | median)" /s 30000 60000 at-least
    stop_forumd
    no_errors
}

# growth_at N: measures with N posts, first with the cache off, evenly; then on, by Zipf(1). Times of one request, in µs of the clock.
growth_at() {
    local workload
    export BENCH_POSTS=$1
    cache_off
    restart_forumd
    for workload in get_post feed list; do
        medians req_s "$workload" "$connections"
        growth[$workload-even-$1]=$(awk -v r="$result" 'BEGIN { print 1e6 / r }')
    done
    cache_on
    restart_forumd
    export BENCH_ZIPF=1
    for workload in get_post feed list; do
        wrk_result forumd "$workload" "$connections" "$seconds" >/dev/null
        medians req_s "$workload" "$connections"
        growth[$workload-zipf-$1]=$(awk -v r="$result" 'BEGIN { print 1e6 / r }')
    done
    unset BENCH_ZIPF BENCH_POSTS
}

run_growth() {
    local size now sizes workload law
    declare -A growth
    errors=0
    sizes=(10000 100000 1000000)
    ((!quick)) || sizes=(300 600 1200)
    now=${sizes[0]}
    load_forumd "$now"
    for size in "${sizes[@]}"; do
        ((size == now)) || fill $((size - now)) >/dev/null
        now=$size
        settle 120 ${roots[forumd]} || say "forumd is still busy with $size posts"
        growth_at "$size"
        say "$size posts: done"
    done
    for law in even zipf; do
        for workload in get_post feed list; do
            remark "$workload, $law: us a request with $(for size in "${sizes[@]}"; do printf '%s posts %.1f  ' "$size" "${growth[$workload-$law-$size]}"; done)"
            row "  growth of $workload, cache $([[ $law == even ]] && echo "off, evenly" || echo "on, Zipf(1)")" \
                "$(awk -v a="${growth[$workload-$law-${sizes[0]}]}" -v b="${growth[$workload-$law-$now]}" 'BEGIN { print b / a }')" x 1.5 1.15
        done
    done
    stop_forumd
    no_errors
}

engine_pid() {
    local pid
    for pid in $(tree ${roots[forumd]}); do
        [[ $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) != *"forumd-engined: $1 "* ]] || echo "$pid"
    done | head -n 1
}

# killed ENGINE PATH: kills it and asks at once, several times; sets result to the median of ms until the answer
killed() {
    local i start times=()
    for ((i = 0; i < (quick ? 1 : 9); i++)); do
        sleep 1 # after less service a supervisor puts the next start off
        start=$(now_ms)
        kill -KILL "$(engine_pid "$1")"
        curl -sf -m 10 -o /dev/null "${base[forumd]}$2" || die "no answer after the $1 engine was killed"
        times+=($(($(now_ms) - start)))
        wait_for 10 answers "${base[forumd]}/ready" || die "not ready after the $1 engine was killed"
    done
    result=$(printf '%s\n' "${times[@]}" | median)
    say "kill -9 of $1, ms: ${times[*]}"
}

run_recovery() {
    local i size=$((quick ? 3000 : 1000000)) times=()
    load_forumd "$((quick ? 300 : 1000))"
    fill $((size - (quick ? 300 : 1000))) >/dev/null
    settle 120 ${roots[forumd]} || say "forumd is still busy with $size posts"
    for ((i = 0; i < rounds; i++)); do
        restart_forumd
        times+=("$start_ms")
    done
    row "start to ready with $size posts" "$(printf '%s\n' "${times[@]}" | median)" ms 2000 500
    killed posts /api/posts/post_100
    row "kill -9 of the posts engine to serving a post" "$result" ms 300 150
    killed posts "/api/subreddits/sub_7/posts?sort=hot"
    row "kill -9 of the posts engine to serving a hot list" "$result" ms 300 150
    killed users /api/users/user_1
    row "kill -9 of the users engine to serving a user" "$result" ms 300 150
    killed feed /api/feed/user_1
    row "kill -9 of the feed engine to serving a feed" "$result" ms 300 150
    stop_forumd
}

run_idle() {
    local i ratios=() alone before=0 idle many=$((quick ? 500 : 10000)) each=0
    errors=0
    load_forumd "$((posts < 1000 ? posts : 1000))"
    wrk_result forumd get_post "$connections" "$seconds" >/dev/null
    for ((i = 0; i < rounds; i++)); do
        measure forumd get_post "$connections" "$seconds"
        alone=$p99_us
        errors=$((errors + bad))
        before=$(pss_kb ${roots[forumd]})
        coproc holder { exec "$tools/forumd-idle" --port "$forumd_port_base" --connections "$many" 2>>"$work/idle.log"; }
        read -r -t 60 -u "${holder[0]}" idle || die "the idle connections could not be made: $(tail -n 1 "$work/idle.log")"
        ((i > 0)) || each=$(awk -v a="$before" -v b="$(pss_kb ${roots[forumd]})" -v n="$many" 'BEGIN { print (b - a) / n }')
        measure forumd get_post "$connections" "$seconds"
        errors=$((errors + bad))
        ratios+=("$(awk -v a="$alone" -v b="$p99_us" 'BEGIN { print b / a }')")
        exec {holder[1]}>&-
        read -r -t 20 -u "${holder[0]}" idle
        [[ $idle == "0 closed" ]] || die "of $many idle connections the server closed: $idle"
        wait "$holder_PID"
    done
    row "$many idle connections: p99 of $connections active ones, with / without" "$(printf '%s\n' "${ratios[@]}" | median)" x 1.5 1.5
    row "$many idle connections: memory of forumd for each" "$each" KB 24 12
    stop_forumd
    no_errors
}

run_scale() {
    local workers c workload
    errors=0
    printf '%-12s %8s %6s %10s %9s %9s %7s %8s\n' workload workers c requests/s p50_ms p99_ms errors CPU_us | tee "$out/scale.txt"
    for workers in 1 2 4; do
        worker_flags=(--workers "$workers")
        load_forumd "$posts"
        for workload in get_post feed mixed create_post; do
            for c in 1 8 64 256 1024; do
                measure forumd "$workload" "$c" "$seconds"
                errors=$((errors + bad))
                awk -v w="$workload" -v k="$workers" -v c="$c" -v r="$req_s" -v a="$p50_us" -v b="$p99_us" -v e="$bad" -v u="$cpu" -v n="$requests" 'BEGIN {
                    printf "%-12s %8d %6d %10.0f %9.2f %9.2f %7d %8.1f\n", w, k, c, r, a / 1000, b / 1000, e, n ? u / n : 0 }' | tee -a "$out/scale.txt"
            done
        done
        stop_forumd
    done
    no_errors
}

run_micro() {
    "$tools/forumd-microbench" --round "$((quick ? 5 : 300))" | tee "$out/micro.tsv"
    [[ ${PIPESTATUS[0]} == 0 ]] || die "the microbenchmarks failed"
}
