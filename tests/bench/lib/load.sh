# Fills a server through its API, with the same data each time. Sourced.

# awk program that turns "METHOD<tab>PATH<tab>BODY" into what curl --config reads
to_curl='{ gsub(/\\/, "\\\\", $3); gsub(/"/, "\\\"", $3)
    printf "url = \"%s%s\"\nheader = \"Content-Type: application/json\"\nheader = \"Expect:\"\ndata-binary = \"%s\"\n", base, $2, $3
    printf "silent\nmax-time = 30\nwrite-out = \"\\n#%%{http_code}\\n\"\nnext\n" }'

# send BASE PLAN OUT CURLS: the plan's requests by that many curls at once; their answers, one a line, all of them 2xx
send() {
    local base=$1 plan=$2 out=$3 part wrong pids=()
    split -n "l/$4" -d "$plan" "$plan."
    for part in "$plan".[0-9]*; do
        awk -F'\t' -v base="$base" "$to_curl" "$part" | curl --config - >"$part.out" 2>/dev/null &
        pids+=($!)
    done
    wait "${pids[@]}"
    cat "$plan".*.out | awk '/^#[0-9][0-9][0-9]$/ { print substr($0, 2) "\t" body; body = ""; next } { body = body $0 }' >"$out"
    rm -f "$plan".[0-9]*
    wrong=$(grep -cv '^2' "$out")
    [[ $(wc -l <"$out") == $(wc -l <"$plan") && $wrong == 0 ]] ||
        die "$base: $(wc -l <"$plan") requests, $(wc -l <"$out") answers, $wrong refused: $(grep -v '^2' "$out" | head -n 1)"
}

ids() { grep -o "\"$1\" *: *\"[^\"]*\"" | sed 's/.*"\([^"]*\)"$/\1/'; }

# load BASE SEED USERS SUBREDDITS JOINS POSTS: users join by Zipf(1); each post is by a user in a subreddit which that user joined,
# after one in every subreddit. Leaves users.txt, subs.txt and posts.txt in SEED.
load() {
    local base=$1 seed=$2 users=$3 subs=$4 joins=$5 posts=$6 owner
    mkdir -p "$seed"
    awk -v n="$users" 'BEGIN { for (i = 1; i <= n + 1; i++) printf "POST\t/api/auth/register\t{\"username\":\"bench_u%d\"}\n", i }' >"$seed/plan"
    send "$base" "$seed/plan" "$seed/out" 1
    ids user_id <"$seed/out" >"$seed/all"
    head -n "$users" "$seed/all" >"$seed/users.txt"
    owner=$(tail -n 1 "$seed/all")
    awk -v n="$subs" -v owner="$owner" 'BEGIN { for (i = 1; i <= n; i++)
        printf "POST\t/api/subreddits/create\t{\"name\":\"bench_s%d\",\"description\":\"Community %d\",\"creator_id\":\"%s\"}\n", i, i, owner }' >"$seed/plan"
    send "$base" "$seed/plan" "$seed/out" 1
    ids subreddit_id <"$seed/out" >"$seed/subs.txt"
    : >"$seed/joins"
    : >"$seed/plan"
    awk -v joins="$joins" -v posts="$posts" -v join_plan="$seed/joins" -v post_plan="$seed/plan" '
        NR == FNR { user[++users] = $1; next }
        { sub_[++subs] = $1 }
        END {
            srand(42)
            for (i = 1; i <= subs; i++) { h += 1 / i; upto[i] = h }
            if (joins > subs) joins = subs
            for (i = 1; i <= users; i++) {
                delete seen
                for (j = 1; j <= joins;) {
                    r = rand() * h; low = 1; high = subs
                    while (low < high) { middle = int((low + high) / 2); if (upto[middle] < r) low = middle + 1; else high = middle }
                    if (low in seen) continue
                    seen[low] = 1; joined[i, j++] = low
                    printf "POST\t/api/subreddits/%s/join\t{\"user_id\":\"%s\"}\n", sub_[low], user[i] >join_plan
                }
            }
            text = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore."
            for (i = 1; i <= posts; i++) {
                a = 1 + int(rand() * users); s = i <= subs ? i : joined[a, 1 + int(rand() * joins)]
                printf "POST\t/api/posts/create\t{\"subreddit_id\":\"%s\",\"author_id\":\"%s\",\"title\":\"Benchmark post number %d\",\"content\":\"%s\"}\n", sub_[s], user[a], i, text >post_plan
            }
        }' "$seed/users.txt" "$seed/subs.txt"
    send "$base" "$seed/joins" "$seed/out" 4
    send "$base" "$seed/plan" "$seed/out" 4
    ids post_id <"$seed/out" >"$seed/posts.txt"
    [[ $(sort -u "$seed/posts.txt" | wc -l) == "$posts" ]] || die "$base gave $(sort -u "$seed/posts.txt" | wc -l) ids for $posts posts"
    rm -f "$seed/plan" "$seed/joins" "$seed/out" "$seed/all"
}
