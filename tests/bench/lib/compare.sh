# The side by side. Sourced.

compare_read() { [[ $1 == get_post || $1 == feed ]]; }
serves() { [[ $1 != nginx ]] || compare_read "$2"; }

compare_start() {
    local peer
    start_forumd "${worker_flags[@]}"
    servers=(forumd)
    for peer in $peers; do
        if "start_$peer"; then
            servers+=("$peer")
        else
            stop ${roots[$peer]-}
        fi
    done
    for peer in "${servers[@]}"; do
        [[ $peer == nginx ]] || {
            say "loading $peer"
            load "${base[$peer]}" "$work/seed/$peer" "$users" "$subreddits" 10 "$posts"
        }
        if declare -F "loaded_$peer" >/dev/null; then "loaded_$peer"; fi
        settle 20 ${roots[$peer]} || say "$peer is still busy after loading"
        loaded_kb[$peer]=$(pss_kb ${roots[$peer]})
    done
    [[ ! " ${servers[*]} " == *" nginx "* ]] || cp -r "$work/seed/forumd" "$work/seed/nginx"
    for peer in "${servers[@]}"; do
        look "$peer"
    done
}

# A fast wrong answer must not pass.
look() {
    local id user post feed
    id=$(sed -n 17p "$work/seed/$1/posts.txt")
    user=$(head -n 1 "$work/seed/$1/users.txt")
    post=$(curl -sf -m 10 "${base[$1]}/api/posts/$id") || die "$1 does not answer for $id"
    feed=$(curl -sf -m 10 "${base[$1]}/api/feed/$user?limit=20") || die "$1 does not answer for the feed of $user"
    [[ $1 == nginx ]] || {
        grep -q 'Benchmark post number' <<<"$post" || die "$1 answers for $id with another post: $post"
        [[ $(grep -o '"title"' <<<"$feed" | wc -l) == 20 ]] || die "$1 shows a feed of $(grep -o '"title"' <<<"$feed" | wc -l) posts, not 20"
    }
    say "$1: post of ${#post} bytes, feed of ${#feed}"
}

# Each server comes first as often as the others.
turn_order() {
    local i n=${#servers[@]}
    for ((i = 0; i < n; i++)); do
        echo "${servers[(i + $1 - 1) % n]}"
    done
}

compare_one() {
    local round=$1 server=$2 workload=$3
    ((warm_seconds == 0)) || wrk_result "$server" "$workload" "$connections" "$warm_seconds" >/dev/null
    measure "$server" "$workload" "$connections" "$seconds"
    errors=$((errors + bad))
    printf 'run\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$round" "$server" "$workload" "$connections" "$req_s" "$p50_us" \
        "$p99_us" "$max_us" "$requests" "$bad" "$cpu" "$(awk '{ printf "%s%s:%s", (NR > 1 ? "," : ""), $1, $2 }' <<<"$cpu_roles")" "$other" >>"$results"
    say "$(printf 'round %d  %-11s %-7s %8.0f/s  p50 %6.2f ms  p99 %7.2f ms  %d errors' "$round" "$workload" "$server" "$req_s" \
        "$(us_to_ms "$p50_us")" "$(us_to_ms "$p99_us")" "$bad")"
}
us_to_ms() { awk -v us="$1" 'BEGIN { print us / 1000 }'; }

# All rounds of one behind the other, so that they see the same amount of data.
compare_workload() {
    local round server
    for ((round = 1; round <= rounds; round++)); do
        for server in $(turn_order "$round"); do
            serves "$server" "$1" && compare_one "$round" "$server" "$1"
        done
    done
}

# Workload by workload, reads before any write.
run_compare() {
    local workload written=0
    declare -A loaded_kb
    errors=0
    results=$out/compare.tsv
    : >"$results"
    compare_start
    for workload in $workloads; do
        if ((written == 0)) && ! compare_read "$workload"; then
            compare_memory
            written=1
        fi
        compare_workload "$workload"
    done
    ((written)) || compare_memory
    awk -v full=$((posts == 10000 && users == 1000)) -f "$here/lib/report.awk" "$results" | tee "$out/compare.txt"
    ((errors == 0)) || die "$errors requests failed"
}

compare_memory() {
    local server
    for server in "${servers[@]}"; do
        printf 'pss\t%s\t%s\t%s\n' "$server" "${loaded_kb[$server]}" "$(pss_kb ${roots[$server]})" >>"$results"
    done
}
