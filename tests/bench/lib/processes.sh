# What the kernel says of processes. Sourced.

# tree PID...: these and all their descendants
tree() {
    cat /proc/[0-9]*/stat 2>/dev/null | awk -v roots="$*" '
        { pid = $1; sub(/^.*\) /, ""); parent[pid] = $2 }
        END {
            n = split(roots, root, " ")
            for (i = 1; i <= n; i++) if (root[i] in parent) in_tree[root[i]] = 1
            do { more = 0
                for (p in parent) if (!(p in in_tree) && (parent[p] in in_tree)) { in_tree[p] = 1; more = 1 }
            } while (more)
            for (p in in_tree) print p
        }'
}

# role COMMAND-LINE: which column of the table a process belongs to
role() {
    local program=${1%% *}
    case ${program##*/}\ ${1#* } in
    forumd-gateway:\ worker*) echo workers ;;
    forumd-engined:\ passwords*) echo others ;;
    forumd-engined:*) set -- ${1#*: } && echo "$1" ;;
    forumd*) echo others ;;
    postgres*) echo postgres ;;
    node\ *) echo node ;;
    *) echo server ;;
    esac
}

# cpu_us PID...: "ROLE MICROSECONDS" a line, of these and all their descendants since they started. The kernel's sums are exact;
# what is shown here is cut to 10 ms a process.
cpu_us() {
    local pid line fields sums="" command
    for pid in $(tree "$@"); do
        { read -r line <"/proc/$pid/stat" && command=$(tr '\0' ' ' <"/proc/$pid/cmdline"); } 2>/dev/null || continue
        read -r -a fields <<<"${line##*) }"
        sums+="$(role "$command") $(((fields[11] + fields[12]) * 1000000 / clock_ticks))"$'\n'
    done
    awk '{ s[$1] += $2 } END { for (r in s) print r, s[r] }' <<<"${sums%$'\n'}"
}
clock_ticks=$(getconf CLK_TCK)

cpu_total_us() { cpu_us "$@" | awk '{ s += $2 } END { printf "%d\n", s }'; }

# pss_kb PID...: the proportional set of these and all their descendants
pss_kb() {
    local pid
    for pid in $(tree "$@"); do
        cat "/proc/$pid/smaps_rollup" 2>/dev/null
    done | awk '/^Pss:/ { s += $2 } END { print s + 0 }'
}

# How long all cores together were not idle
busy_us() { awk -v t="$clock_ticks" '/^cpu / { printf "%d\n", ($2 + $3 + $4 + $6 + $7 + $8) * 1000000 / t }' /proc/stat; }

# settle SECONDS PID...: until these are idle (below 4 % of a core), that long at most
settle() {
    local tries=$(($1 * 5)) before after
    shift
    before=$(cpu_total_us "$@")
    while ((tries-- > 0)); do
        sleep 0.25
        after=$(cpu_total_us "$@")
        ((after - before > 10000)) || return 0
        before=$after
    done
    return 1
}
