# Medians over rounds, as tables. Input: what compare writes, tab-separated:
#   run <round> <server> <workload> <connections> <req/s> <p50 us> <p99 us> <max us> <requests> <bad> <cpu us> <role:us,role:us,...> <other %>
#   pss <server> <loaded kB> <after reads kB>
function median(key,    n, i, j, v, t) {
    n = count[key]
    for (i = 1; i <= n; i++) {
        t = value[key, i]
        for (j = i; j > 1 && v[j - 1] > t; j--) v[j] = v[j - 1]
        v[j] = t
    }
    return n == 0 ? 0 : n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}
function add(key, x) { value[key, ++count[key]] = x + 0 }
function has(server, workload) { return ((server, workload, "req") in count) }
function of(server, workload, what) { return median(server SUBSEP workload SUBSEP what) }
function ratio(server, workload, peer) { return of(server, workload, "req") / of(peer, workload, "req") }
function verdict(x, floor, target, smaller) {
    if (smaller) return x <= target ? "target met" : x <= floor ? "floor met" : "MISSED"
    if (floor == "-") return x >= target ? "target met" : "below target"
    return x >= target ? "target met" : x >= floor ? "floor met" : "MISSED"
}
function line(what, x, unit, floor, target, smaller) {
    printf "%-58s %9.2f %-4s %8s %8s  %s\n", what, x, unit, floor, target, verdict(x, floor, target, smaller)
}
function against(workload, peer, floor, target) {
    if (has("forumd", workload) && has(peer, workload))
        line(workload ", requests/s: forumd / " peer, ratio("forumd", workload, peer), "x", floor, target, 0)
}

BEGIN {
    FS = "\t"
    servers = split("forumd go node nginx", server, " ")
    workloads = split("get_post feed mixed register create_post", workload, " ")
}
$1 == "pss" { pss[$2] = $3; pss_read[$2] = $4 }
$1 == "run" {
    connections = $5
    if ($2 > rounds) rounds = $2
    add($3 SUBSEP $4 SUBSEP "req", $6); add($3 SUBSEP $4 SUBSEP "p50", $7); add($3 SUBSEP $4 SUBSEP "p99", $8)
    bad[$3, $4] += $11
    if ($10 > 0) {
        add($3 SUBSEP $4 SUBSEP "cpu", $12 / $10)
        n = split($13, part, ",")
        for (i = 1; i <= n; i++) {
            split(part[i], pair, ":")
            add($3 SUBSEP $4 SUBSEP "role" SUBSEP pair[1], pair[2] / $10)
            if (!(pair[1] in known)) { known[pair[1]] = 1; role[++roles] = pair[1] }
        }
    }
    if ($14 > worst_other) worst_other = $14
}
END {
    printf "Side by side: c = %d, medians of %d rounds; times in ms, CPU in us a request\n\n", connections, rounds
    printf "%-12s %-7s %10s %7s %7s %7s %7s", "workload", "server", "requests/s", "p50", "p99", "errors", "CPU us"
    printf "  %-22s %s\n", "ratio to go/node/nginx", "CPU us by process"
    for (w = 1; w <= workloads; w++)
        for (s = 1; s <= servers; s++) {
            a = server[s]; b = workload[w]
            if (!has(a, b)) continue
            printf "%-12s %-7s %10.0f %7.2f %7.2f %7d %7.1f", b, a, of(a, b, "req"), of(a, b, "p50") / 1000, of(a, b, "p99") / 1000, bad[a, b], of(a, b, "cpu")
            all = ""
            if (a == "forumd")
                for (p = 2; p <= servers; p++) all = all (p > 2 ? " / " : "") (has(server[p], b) ? sprintf("%.2f", ratio(a, b, server[p])) : "-")
            by = ""
            for (i = 1; i <= roles; i++) {
                x = median(a SUBSEP b SUBSEP "role" SUBSEP role[i])
                if (x >= 0.05) by = by sprintf("%s %.1f  ", role[i], x)
            }
            printf "  %-22s %s\n", all, by
        }
    printf "\n%-7s %14s %14s\n", "PSS MB", "data loaded", "after reads"
    for (s = 1; s <= servers; s++)
        if (server[s] in pss) printf "%-7s %14.1f %14.1f\n", server[s], pss[server[s]] / 1024, pss_read[server[s]] / 1024
    printf "\n%-58s %9s %-4s %8s %8s\n", "floors and targets", "is", "", "floor", "target"
    against("get_post", "go", 1.0, 1.0); against("get_post", "nginx", "-", 0.75)
    against("register", "go", 0.4, 0.7); against("register", "node", 2, 2)
    against("create_post", "go", 0.4, 0.7); against("create_post", "node", 2, 2)
    against("feed", "go", 0.6, 1.2); against("feed", "node", 3, 3)
    against("mixed", "go", 0.6, 1.0); against("mixed", "node", 3, 3)
    for (w = 1; w <= workloads; w++)
        if (has("forumd", workload[w]) && has("go", workload[w]) && of("go", workload[w], "p99") > 0)
            line(workload[w] ", p99: forumd / go", of("forumd", workload[w], "p99") / of("go", workload[w], "p99"), "x", 1.0, 0.5, 1)
    if (has("forumd", "create_post")) line("create_post, CPU of all processes", of("forumd", "create_post", "cpu"), "us", 75, 60, 1)
    if ("forumd" in pss && full) line("memory (PSS, all processes) after reads", pss_read["forumd"] / 1024, "MB", 120, 60, 1)
    if (worst_other > 20) printf "\nOthers used up to %d %% of a core meanwhile: compare within a round only.\n", worst_other
}
