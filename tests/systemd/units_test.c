/* The units under real systemd: what starts, what comes back, what is left alone. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/forum_main.h"
#include "tests/lib/program.h"
#include "tests/systemd/sandbox.h"

#define ENOUGH_S 4 /* of load, unless FORUMD_SYSTEMD_S says more */

static unsigned load_seconds(void)
{
    const char *text = getenv("FORUMD_SYSTEMD_S");
    unsigned long seconds = text != NULL ? strtoul(text, NULL, 10) : 0;
    return seconds > 0 ? (unsigned)seconds : ENOUGH_S;
}

Test(start, serves_with_tokens_required_and_says_what_it_does)
{
    struct sandbox *sandbox = sandbox_open_started();
    sandbox_run(
        sandbox,
        "token=$(register ann)\n"
        "post /api/subreddits/create '{\"name\":\"cats\"}' \"$token\"\n"
        "post /api/posts/create '{\"subreddit_id\":\"sub_1\",\"title\":\"Mine\"}' \"$token\"\n"
        "test 401 = $(curl -s -o /dev/null -w '%%{http_code}' -d '{\"name\":\"dogs\"}' -H 'Content-Type: "
        "application/json' $forum/api/subreddits/create)\n"
        "test Mine = \"$(sqlite3 /var/lib/forumd/posts.db 'select title from posts')\"");
    /* Every 5 s. */
    sandbox_run(
        sandbox,
        "says() { systemctl show --property StatusText --value $1 | grep -qE \"$2\"; }\n"
        "until_true 8 says forumd-engined@posts '^[0-9]+ requests/s, 0 waiting, 0 parked, 1 events, last "
        "commit [0-9:]+Z in [0-9.]+ ms$'\n"
        "until_true 8 says forumd-gateway '^[0-9]+ requests/s, [0-9]+ connections, [0-9]+ workers'");
}

Test(start, keeps_engines_in_a_network_that_nobody_else_reaches)
{
    struct sandbox *sandbox = sandbox_open_started();
    sandbox_run(sandbox, "for unit in \"${services[@]}\"; do readlink /proc/$(main_pid $unit)/ns/net; done | "
                         "sort -u >/tmp/ns\n"
                         "test 1 = $(wc -l </tmp/ns)\n"
                         "test $(</tmp/ns) != $(readlink /proc/1/ns/net)\n"
                         "fails curl -s telnet://127.0.0.1:7103 </dev/null\n"
                         "test 600 = $(stat -c %%a /etc/forumd/token.key)");
    /* An engine that starts later joins. */
    sandbox_run(sandbox, "systemctl restart forumd-engined@users forumd-gateway\n"
                         "test $(</tmp/ns) = $(readlink /proc/$(main_pid forumd-engined@users)/ns/net)\n"
                         "until_true 10 is_ready");
}

Test(start, with_a_key_missing_fails_at_once)
{
    struct sandbox *sandbox = sandbox_open();
    sandbox_run(sandbox,
                "mv /etc/forumd/mac.key /tmp\n"
                "fails systemctl start forumd-engined@posts\n"
                "test no = $(systemctl show --property AssertResult --value forumd-engined@posts)\n"
                "mv /tmp/mac.key /etc/forumd\n"
                "rm /etc/forumd/token.pub\n"
                "fails systemctl start forumd-gateway\n"
                "test exit-code = $(systemctl show --property Result --value forumd-gateway)\n"
                "journalctl --no-pager -u forumd-gateway | grep -q '/etc/forumd/token.pub: No such file'");
}

Test(units, are_hardened_and_without_mistakes)
{
    struct sandbox *sandbox = sandbox_open();
    sandbox_run(
        sandbox,
        "cd /lib/systemd/system\n"
        "for unit in forumd-gateway.service forumd-engined@.service forumd-passwords@.service; do\n"
        "    systemd-analyze security --offline=true --threshold=20 --no-pager ./$unit | tail -n 1\n"
        "done\n"
        "wrong=$(systemd-analyze verify --man=no --recursive-errors=no forumd.target forumd-gateway.service "
        "\\\n"
        "    forumd-engined@users.service forumd-engined@feed.service forumd-passwords@0.service 2>&1)\n"
        "test -z \"$wrong\" || { echo \"$wrong\"; false; }");
}

Test(socket, starts_the_gateway_with_the_first_connection)
{
    struct sandbox *sandbox = sandbox_open_started();
    sandbox_run(sandbox,
                "systemctl stop forumd-gateway.service\n"
                "fails systemctl is-active forumd-gateway.service\n"
                "curl -fsS --max-time 10 $forum/health\n"
                "until_true 10 systemctl is-active forumd-gateway.service"); /* a worker serves a moment
                                                                                before all do */
}

/* Each with a connection of its own. */
Test(socket, refuses_nobody_while_the_gateway_is_restarted_or_killed)
{
    struct sandbox *sandbox = sandbox_open_started();
    sandbox_run(
        sandbox,
        "{ while [[ ! -e /tmp/over ]]; do\n"
        "    curl -fsS --max-time 10 -o /dev/null $forum/api/subreddits || echo failed >>/tmp/failed\n"
        "    echo >>/tmp/asked\n"
        "done; } & asking=$!\n"
        "until test -s /tmp/asked; do sleep .01; done\n"
        "while (($(wc -l </tmp/asked) < 12)); do systemctl restart forumd-gateway; done\n"
        "systemctl stop forumd-gateway.service; until_true 10 systemctl is-active forumd-gateway.service\n"
        "touch /tmp/over; wait $asking\n"
        "test ! -e /tmp/failed");
    /* What the killed one had accepted is lost, and only that. */
    sandbox_run(sandbox, "pid=$(main_pid forumd-gateway)\n"
                         "kill -9 $pid\n"
                         "curl -fsS --max-time 10 --retry 0 $forum/health\n"
                         "until_true 5 is_another forumd-gateway $pid");
}

Test(killed, is_back_at_once_whoever_it_is)
{
    struct sandbox *sandbox = sandbox_open_started();
    sandbox_run(sandbox, "token=$(register ann)\n"
                         "post /api/subreddits/create '{\"name\":\"cats\"}' \"$token\"\n"
                         "for unit in \"${services[@]}\"; do\n"
                         "    pid=$(main_pid $unit)\n"
                         "    kill -9 $pid\n"
                         "    until_true 5 is_another $unit $pid\n"
                         "done\n"
                         "worker=$(pgrep -P $(main_pid forumd-gateway) | head -n 1)\n"
                         "kill -9 $worker\n"
                         "until_true 5 test ! -d /proc/$worker\n"
                         "until_true 10 is_ready\n"
                         "curl -fsS --max-time 5 $forum/api/r/cats\n"
                         "test -n \"$(register bob)\"");
}

/* As a chaos test does it: as soon as it is back. */
Test(killed, thirty_times_in_a_row_is_not_given_up)
{
    struct sandbox *sandbox = sandbox_open_started();
    sandbox_run(sandbox, "for _ in {1..30}; do\n"
                         "    pid=$(main_pid forumd-engined@dms)\n"
                         "    kill -9 $pid\n"
                         "    until_true 5 is_another forumd-engined@dms $pid\n"
                         "done\n"
                         "test 30 = $(systemctl show --property NRestarts --value forumd-engined@dms)");
}

Test(killed, beyond_the_start_limit_stays_down_until_it_is_reset_and_others_serve)
{
    struct sandbox *sandbox = sandbox_open_started();
    sandbox_run(sandbox,
                "override forumd-engined@dms.service '[Unit]' StartLimitBurst=4\n"
                "is_given_up() { systemctl is-failed --quiet forumd-engined@dms ||\n"
                "    { pid=$(main_pid forumd-engined@dms); [[ $pid = 0 ]] || kill -9 $pid; false; }; }\n"
                "until_true 10 is_given_up\n"
                "journalctl --no-pager -u forumd-engined@dms | grep 'Start request repeated too quickly'\n"
                "curl -fsS --max-time 5 $forum/api/subreddits\n"
                "systemctl reset-failed forumd-engined@dms\n"
                "systemctl start forumd-engined@dms\n"
                "until_true 10 is_ready");
}

/* With shorter times than the units': that they are kept without SIGSTOP is what the wait before shows. */
Test(watchdog, restarts_what_stands_still)
{
    struct sandbox *sandbox = sandbox_open();
    sandbox_run(
        sandbox,
        "for unit in forumd-gateway.service forumd-engined@posts.service forumd-passwords@0.service; do\n"
        "    override $unit WatchdogSec=1\n"
        "done\n"
        "systemctl start forumd.target\n"
        "until_true 10 is_ready\n"
        "sleep 2.5 # more than two of its times\n"
        "declare -A pids\n"
        "for unit in forumd-gateway forumd-engined@posts forumd-passwords@0; do\n"
        "    test 0 = $(systemctl show --property NRestarts --value $unit)\n"
        "    pids[$unit]=$(main_pid $unit)\n"
        "    kill -STOP ${pids[$unit]}\n"
        "done\n"
        "for unit in \"${!pids[@]}\"; do until_true 10 is_another $unit ${pids[$unit]}; done\n"
        "test 3 = $(journalctl --no-pager -o cat | grep -c 'Watchdog timeout')\n"
        "until_true 10 is_ready");
    /* Workers are the master's. */
    sandbox_run(sandbox, "master=$(main_pid forumd-gateway)\n"
                         "worker=$(pgrep -P $master | head -n 1)\n"
                         "kill -STOP $worker\n"
                         "until_true 10 test ! -d /proc/$worker\n"
                         "until_true 10 is_ready\n"
                         "test $master = $(main_pid forumd-gateway)");
}

Test(reload, returns_when_the_new_workers_serve)
{
    struct sandbox *sandbox = sandbox_open_started();
    /* Those that are not told to end yet, or again, serve: a reload that returns has no other. */
    sandbox_run(sandbox, "master=$(main_pid forumd-gateway)\n"
                         "for n in 1 2 3; do\n"
                         "    pgrep -P $master | sort >/tmp/old\n"
                         "    systemctl reload forumd-gateway\n"
                         "    grep \"served=$n$\" /run/forumd-gateway/reload\n"
                         "    pgrep -P $master | sort | comm -13 /tmp/old - >/tmp/new\n"
                         "    test -s /tmp/new\n"
                         "    curl -fsS --max-time 5 -o /dev/null $forum/health\n"
                         "done\n"
                         "test $master = $(main_pid forumd-gateway)");
}

Test(reload, fails_and_leaves_the_old_workers_when_the_new_program_does_not_start)
{
    struct sandbox *sandbox = sandbox_open_started();
    sandbox_run(sandbox, "master=$(main_pid forumd-gateway)\n"
                         "pgrep -P $master | sort >/tmp/old\n"
                         "mv /usr/sbin/forumd-gateway /usr/sbin/good\n"
                         "printf '#!/bin/sh\\n[ \"$1\" != reload ] || exec /usr/sbin/good reload\\nexit "
                         "1\\n' >/usr/sbin/forumd-gateway\n"
                         "chmod +x /usr/sbin/forumd-gateway\n"
                         "fails systemctl reload forumd-gateway\n"
                         "curl -fsS --max-time 5 -o /dev/null $forum/health\n"
                         "pgrep -P $master | sort | cmp - /tmp/old\n"
                         "mv /usr/sbin/good /usr/sbin/forumd-gateway\n"
                         "systemctl reload forumd-gateway\n"
                         "pgrep -P $master | sort >/tmp/new; fails cmp -s /tmp/new /tmp/old");
}

Test(reload, every_two_seconds_under_load_fails_no_request)
{
    struct sandbox *sandbox = sandbox_open_started();
    struct sandbox_load *load = sandbox_load_start(sandbox, load_seconds());
    while (sandbox_load_runs(load))
        sandbox_run(sandbox,
                    "systemctl reload forumd-gateway; sleep 2"); /* the pace, not a wait for something */
    sandbox_load_check(load, "64 clients, a reload every 2 s");
}

Test(restart, of_all_engines_one_by_one_under_load_fails_no_request)
{
    struct sandbox *sandbox = sandbox_open_started();
    struct sandbox_load *load = sandbox_load_start(sandbox, load_seconds());
    while (sandbox_load_runs(load))
        sandbox_run(sandbox, "for unit in \"${services[@]}\"; do\n"
                             "    [[ $unit = forumd-gateway ]] || systemctl restart $unit\n"
                             "done");
    sandbox_load_check(load, "64 clients, all engines restarted one by one");
}

/* Other files, though the same programs: what a package's upgrade does. */
Test(upgrade, to_other_files_under_load_fails_no_request)
{
    struct sandbox *sandbox = sandbox_open_started();
    struct sandbox_load *load = sandbox_load_start(sandbox, load_seconds());
    sandbox_run(sandbox, "for program in forumd-gateway forumd-engined forumctl; do\n"
                         "    cp /usr/sbin/$program /usr/sbin/$program.new\n"
                         "    mv /usr/sbin/$program.new /usr/sbin/$program\n"
                         "done\n"
                         "for unit in \"${services[@]}\"; do systemctl restart $unit; done\n"
                         "systemctl reload forumd-gateway\n"
                         "for unit in \"${services[@]}\"; do\n"
                         "    fails grep deleted <(readlink /proc/$(main_pid $unit)/exe)\n"
                         "done");
    cr_assert(sandbox_load_runs(load), "the load was over before the upgrade");
    sandbox_load_check(load, "64 clients, an upgrade: engines, then the gateway");
}

Test(stop, ends_the_gateway_before_the_engines_and_leaves_nothing)
{
    struct sandbox *sandbox = sandbox_open_started();
    sandbox_run(sandbox,
                "token=$(register ann)\n"
                "post /api/subreddits/create '{\"name\":\"cats\"}' \"$token\"\n"
                "systemctl stop forumd.target\n"
                "nothing_is_left() { [[ -z $(systemctl list-units --plain --no-legend 'forumd*') ]]; }\n"
                "until_true 15 nothing_is_left; fails pgrep forumd\n"
                "gone=$(systemctl show --property InactiveEnterTimestampMonotonic --value forumd-gateway)\n"
                "for engine in \"${engines[@]}\"; do\n"
                "    test $gone -le $(systemctl show --property ActiveExitTimestampMonotonic --value "
                "forumd-engined@$engine)\n"
                "    test success = $(systemctl show --property Result --value forumd-engined@$engine)\n"
                "done\n"
                "test 7 = $(curl -s $forum/health; echo $?) # refused: not even the socket is left");
    sandbox_run(sandbox, "systemctl start forumd.target\n"
                         "until_true 10 is_ready\n"
                         "curl -fsS --max-time 5 $forum/api/r/cats");
}

Test(keys, are_rotated_without_a_request_refused_and_dropped_when_told)
{
    struct sandbox *sandbox = sandbox_open_started();
    sandbox_run(
        sandbox,
        "works() { curl -fsS --max-time 5 -o /dev/null -H \"Authorization: Bearer $1\" $forum/api/feed; }\n"
        "first=$(register ann)\n"
        "works $first\n"
        "forumctl rotate-token-key --keys-dir /etc/forumd\n"
        "systemctl restart forumd-engined@users\n"
        "second=$(register bob)\n"
        "works $first; works $second\n"
        "forumctl rotate-token-key --keys-dir /etc/forumd --drop\n"
        "systemctl restart forumd-engined@users\n"
        "third=$(register cid)\n"
        "works $third\n"
        /* a worker looks at the keys once a second: an older token may count as long, at one that has not
           looked */
        "refused() { for i in {1..20}; do works $1 && return 1; done; return 0; }\n"
        "until_true 3 refused $first\n"
        "until_true 1 refused $second\n"
        "works $third");
}

/* As root, from any directory: engines have a network of their own, keys lie elsewhere, and what root writes
 * is the engines'. */
Test(forumctl, needs_no_flags_where_a_forum_is_installed)
{
    struct sandbox *sandbox = sandbox_open_started();
    sandbox_run(
        sandbox,
        "works() { curl -fsS --max-time 5 -o /dev/null -H \"Authorization: Bearer $1\" $forum/api/feed; }\n"
        "cd /root\n"
        "first=$(register ann)\n"
        "forumctl status\n"
        "forumctl user list | grep -q ann\n"
        "works \"$(forumctl token issue ann --hours 1)\"\n"
        "forumctl backup /root/monday --token-keys\n"
        "forumctl check /root/monday\n"
        "systemctl stop forumd.target 'forumd-*'\n"
        "forumctl export /root/all.jsonl\n"
        "grep -q ann /root/all.jsonl\n"
        "forumctl rebuild users\n"
        "forumctl check /var/lib/forumd\n"
        "systemctl start forumd.target\n"
        "until_true 20 is_ready\n"
        "works $first\n"
        "systemctl stop forumd.target 'forumd-*'\n"
        "rm -r /var/lib/forumd/*\n"
        "forumctl restore /root/monday /var/lib/forumd\n"
        "systemctl start forumd.target\n"
        "until_true 20 is_ready\n"
        "works $first");
}

int main(int argc, char **argv)
{
    return forum_main(argc, argv, &(struct forum_plan){.one_by_one = true, .timeout_s = 240});
}
