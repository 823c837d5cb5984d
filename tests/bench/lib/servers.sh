# Starts and stops forumd and its peers, each on private ports and in a private directory. Sourced.
# start_NAME sets base[NAME] (its URL) and roots[NAME] (pids of its root processes); it fails, having said why, where something is
# missing. What is started ends with this shell, however that ends.
declare -A base roots end_signal

# launch LOG SIGNAL COMMAND...: in the background; sets `pid`. SIGNAL ends it, at the end and if this shell dies. (Not SIGINT unless
# it asks for that itself: what a shell starts in the background ignores it.)
launch() {
    local log=$1 signal=$2
    shift 2
    setpriv --pdeathsig "$signal" "$@" </dev/null >>"$log" 2>&1 9>&- &
    pid=$!
    started+=("$pid")
    end_signal[$pid]=$signal
}

# stop PID...: of what was launched
stop() {
    local one left=()
    for one in "$@"; do
        kill -"${end_signal[$one]}" "$one" 2>/dev/null
    done
    for one in "$@"; do
        wait_for 15 gone "$one" || kill -KILL "$one" 2>/dev/null
        wait "$one" 2>/dev/null
    done
    for one in "${started[@]}"; do
        [[ " $* " == *" $one "* ]] || left+=("$one")
    done
    started=("${left[@]}")
}
gone() { ! grep -qs '^State:[[:space:]]*[^Z]' "/proc/$1/status"; }

stop_all() {
    ((${#started[@]} == 0)) || stop "${started[@]}"
}

# start_forumd [FLAG...]: ./run's defaults, but for the ports and the directory. Sets start_ms: until it was ready.
start_forumd() {
    local state=$work/state begin
    ((${forumd_port_base:-0})) || { free_port 12 && forumd_port_base=$port; }
    base[forumd]=http://127.0.0.1:$forumd_port_base
    begin=$(date +%s%N)
    launch "$work/forumd.log" TERM env "${forumd_env[@]}" "$forumd_bin/forumd" --listen "127.0.0.1:$forumd_port_base" --state-dir "$state" \
        --port-base $((forumd_port_base + 1)) "$@"
    roots[forumd]=$pid
    wait_for 60 answers "${base[forumd]}/ready" || die "forumd does not start"
    start_ms=$((($(date +%s%N) - begin) / 1000000))
    check_durable
}
forumd_bin=$build/bin
forumd_env=() # "NAME=VALUE" for it

# What is measured must be durable. SQLite says so itself, in each running engine, of the connection that commits. The feed owns
# nothing: what it loses it reads again from the owners.
check_durable() {
    local metrics engine level
    metrics=$(curl -s -m 5 "${base[forumd]}/metrics")
    for engine in users subreddits posts comments dms; do
        level=$(sed -n "s/^forumd_engine_synchronous{engine=\"$engine\"} //p" <<<"$metrics")
        [[ $level =~ ^[0-9]+$ ]] || die "refused: the $engine engine does not say how it syncs"
        ((level >= 2)) || die "refused: the $engine engine runs with synchronous=$level, below FULL: its writes are not durable"
    done
}

stop_forumd() { stop ${roots[forumd]}; }

# The disk's time, not that of memory
check_disk() {
    [[ $(stat -f -c %T "$1") != tmpfs ]] || die "$1 is in memory, where nothing is durable: set FORUMD_BENCH_DIR to a directory on a disk"
}

start_go() {
    local go binary=$root/build/bench/go-peer source=$here/peers/go/main.go
    go=$(command -v go || ls /usr/lib/go-*/bin/go 2>/dev/null | tail -n 1)
    [[ -n $go ]] || { say "no peer go: apt-get install golang-1.19-go"; return 1; }
    mkdir -p "${binary%/*}"
    [[ $binary -nt $source ]] || GO111MODULE=off GOCACHE=$root/build/bench/go-cache "$go" build -o "$binary" "$source" >&2 || return 1
    free_port
    base[go]=http://127.0.0.1:$port
    launch "$work/go.log" TERM "$binary" -addr "127.0.0.1:$port"
    roots[go]=$pid
    wait_for 10 answers "${base[go]}/health" || { say "no peer go: it does not start"; return 1; }
}

# A cluster of its own, with PostgreSQL's defaults for durability (fsync and synchronous_commit on).
start_postgres() {
    local bin data=$work/postgres as=()
    bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)
    [[ -x $bin/postgres ]] || { say "no peer node: apt-get install postgresql-15"; return 1; }
    mkdir -p "$data"
    if ((EUID == 0)); then
        chmod 711 "$work" && chown postgres "$data" && as=(setpriv --reuid postgres --regid postgres --init-groups)
    fi
    free_port && pg_port=$port
    (cd / && "${as[@]}" "$bin/initdb" -D "$data" -A trust -U bench --no-instructions --no-locale -E UTF8) >"$work/postgres.log" 2>&1 || return 1
    cat >>"$data/postgresql.conf" <<END
port = $pg_port
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_buffers = 256MB
max_connections = 60
END
    launch "$work/postgres.log" INT "${as[@]}" "$bin/postgres" -D "$data"
    roots[node]=$pid
    wait_for 20 "$bin/pg_isready" -q -h 127.0.0.1 -p "$pg_port" || return 1
    "$bin/psql" -q -h 127.0.0.1 -p "$pg_port" -U bench -d postgres -f "$here/peers/node/schema.sql" >>"$work/postgres.log" 2>&1
}

start_node() {
    local peer=$here/peers/node
    command -v node >/dev/null && command -v npm >/dev/null || { say "no peer node: apt-get install nodejs npm"; return 1; }
    [[ $peer/node_modules/.installed -nt $peer/package-lock.json ]] ||
        (cd "$peer" && npm ci --no-audit --no-fund --ignore-scripts && touch node_modules/.installed) >"$work/npm.log" 2>&1 ||
        { say "no peer node: npm ci failed: $(tail -n 1 "$work/npm.log")"; return 1; }
    start_postgres || { say "no peer node: PostgreSQL does not start: $(tail -n 1 "$work/postgres.log" 2>/dev/null)"; return 1; }
    free_port
    base[node]=http://127.0.0.1:$port
    launch "$work/node.log" TERM env NODE_ENV=production PORT="$port" DATABASE_URL="postgres://bench@127.0.0.1:$pg_port/postgres" \
        node "$peer/server.js"
    roots[node]+=" $pid"
    wait_for 20 answers "${base[node]}/health" || { say "no peer node: it does not start: $(tail -n 1 "$work/node.log")"; return 1; }
}
# Statistics as they are in a database that has been running for a while
loaded_node() { "$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)/psql" -q -h 127.0.0.1 -p "$pg_port" -U bench -d postgres -c 'VACUUM ANALYZE' >&2; }

start_nginx() {
    local run=$work/nginx
    command -v nginx >/dev/null || { say "no peer nginx: apt-get install nginx-light"; return 1; }
    mkdir -p "$run/html"
    chmod 711 "$work"
    fixed_json 200 >"$run/html/post.json"
    fixed_json 9000 >"$run/html/feed.json" # twenty posts
    free_port
    base[nginx]=http://127.0.0.1:$port
    sed "s|@RUN@|$run|g; s|@PORT@|$port|g" "$here/peers/nginx/nginx.conf.in" >"$run/nginx.conf"
    launch "$work/nginx.log" TERM nginx -e "$run/error.log" -c "$run/nginx.conf"
    roots[nginx]=$pid
    wait_for 10 answers "${base[nginx]}/health" || { say "no peer nginx: it does not start: $(tail -n 1 "$run/error.log")"; return 1; }
}
fixed_json() { awk -v n="$1" 'BEGIN { s = "{\"post_id\":\"post_1\",\"content\":\""; printf "%s", s; for (i = length(s) + 2; i < n; i++) printf "x"; printf "\"}" }'; }
