# One run of one workload against one server. Sourced. Settings: seconds, connections, threads.

run_number=0
run_stamp=$(printf %x $(($(date +%s) % 16777216)))

# wrk_result SERVER WORKLOAD CONNECTIONS SECONDS: wrk's RESULT line; other settings by the environment (wrk/workload.lua)
wrk_result() {
    local server=$1 output used=$threads
    ((used <= $3)) || used=$3
    run_number=$((run_number + 1))
    output=$(BENCH_WORKLOAD=$2 BENCH_SEED=$work/seed/$server BENCH_RUN=$run_stamp$run_number \
        wrk -t"$used" -c"$3" -d"${4}s" --timeout 10s -s "$here/wrk/workload.lua" "${base[$server]}" 2>&1)
    grep '^RESULT ' <<<"$output" || die "$server $2: wrk failed: $output"
}

# measure SERVER WORKLOAD CONNECTIONS SECONDS: sets req_s, p50_us, p99_us, max_us, requests, bad (status not 2xx or 3xx, and socket
# errors), cpu (total, µs), cpu_roles ("ROLE µs" lines) and other (what others used of the machine, in % of one core). The server's
# processes are counted until they are idle again, so followers that catch up are in it.
measure() {
    local server=$1 status socket before=$work/cpu-before after=$work/cpu-after idle_before idle_after wrk_before wrk_after
    settle 10 ${roots[$server]} || say "$server is still busy before $2"
    cpu_us ${roots[$server]} >"$before"
    idle_before=$(busy_us)
    wrk_before=$(children_us)
    local line
    wrk_result "$@" >"$work/result"
    idle_after=$(busy_us)
    wrk_after=$(children_us)
    read -r line <"$work/result"
    read -r _ req_s p50_us p99_us max_us requests status socket <<<"$line"
    bad=$((status + socket))
    local busy_end
    busy_end=$(cpu_total_us ${roots[$server]})
    settle 10 ${roots[$server]} || say "$server is still busy after $2"
    cpu_us ${roots[$server]} >"$after"
    cpu_roles=$(awk 'NR == FNR { old[$1] = $2; next } { print $1, $2 - old[$1] }' "$before" "$after" | sort)
    cpu=$(awk '{ s += $2 } END { print s + 0 }' <<<"$cpu_roles")
    other=$(awk -v busy=$((idle_after - idle_before)) -v wrk=$((wrk_after - wrk_before)) -v s="$4" \
        -v mine=$((busy_end - $(awk '{ s += $2 } END { print s + 0 }' "$before"))) 'BEGIN { o = (busy - wrk - mine) / (s * 1e4); print int(o > 0 ? o : 0) }')
}

# CPU of this shell's children that ended: wrk's, between two calls
children_us() {
    local fields line
    read -r line <"/proc/$$/stat"
    read -r -a fields <<<"${line##*) }"
    echo $(((fields[13] + fields[14]) * 1000000 / clock_ticks))
}
