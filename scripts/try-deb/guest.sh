# What is tried inside of the container (see run.sh). Each step: what is done, what it says, how long it took.
set -uo pipefail
cd /try
apt='apt-get -y -qq -o Dpkg::Use-Pty=0'
export SYSTEMD_PAGER= SYSTEMD_COLORS=0 DEBIAN_FRONTEND=noninteractive
failures=0

step() { printf '\n== %s s: %s\n' "$(cut -d' ' -f1 /proc/uptime | awk -v b="$begun" '{printf "%.1f", $1 - b}')" "$*"; }
# Runs a command line as it is shown; says when it fails.
run() {
    printf '$ %s\n' "$1"
    local from=$EPOCHREALTIME code=0
    bash -c "$1" 2>&1 || code=$?
    [ "$code" = 0 ] || echo "(exit code $code)"
    awk -v a="$from" -v b="$EPOCHREALTIME" 'BEGIN { if (b - a > 0.05) printf "(%.1f s)\n", b - a }'
    return "$code"
}
must() { run "$1" || fail "$1"; }
fail() { echo "FAILED: $1"; failures=$((failures + 1)); }
# Tries for ten seconds.
eventually() {
    for _ in $(seq 100); do bash -c "$1" >/dev/null 2>&1 && return; sleep 0.1; done
    fail "in vain for 10 s: $1"
}
hook=http://127.0.0.1:8080/webhooks/wochit
begun=$(cut -d' ' -f1 /proc/uptime)

step "the machine"
run '. /etc/os-release; echo "$PRETTY_NAME, systemd $(systemctl --version | sed -n "1s/systemd //p"), $(dpkg -l | grep -c ^ii) packages"'

step "install; nothing is started"
must "$apt install ./wochit-relay.deb | tee installed; exit \${PIPESTATUS[0]}"
# What it tells the operator to do next.
next=$(sed -n 's/^  \(wochit-relay .*\)/\1/p' installed)
run 'wochit-relay --version; systemctl is-enabled wochit-relay.service wochit-relay.socket; systemctl is-active wochit-relay.service wochit-relay.socket'
systemctl is-active --quiet wochit-relay.service wochit-relay.socket && fail "it was started"

step "a secret, a config of eleven lines"
cat >eleven-lines <<'CONFIG'
{
  "dataDir": "/var/lib/wochit-relay",
  "server": { "listen": "0.0.0.0:8080", "publicUrl": "http://127.0.0.1:8080" },
  "receive": { "allowFrom": ["127.0.0.1", "::1"] },
  "mirror": { "allowPrivateAddresses": ["127.0.0.1"] },
  "backup": { "every": "10s", "keep": 3 },
  "endpoints": [
    { "id": "cms", "url": "http://127.0.0.1:9000/hook", "secret": { "credential": "cms-secret" },
      "allowPrivateAddresses": true }
  ]
}
CONFIG
run 'cat eleven-lines; cat eleven-lines >/etc/wochit-relay/config.json'
must 'wochit-relay secret generate > /etc/wochit-relay/credentials/cms-secret'
mkdir -p /etc/systemd/system/wochit-relay.service.d
printf '[Service]\nLoadCredential=cms-secret:/etc/wochit-relay/credentials/cms-secret\n' \
    >/etc/systemd/system/wochit-relay.service.d/override.conf
systemctl daemon-reload
perl app.pl &

step "the doctor before the first start; then the very line that the package printed"
must 'wochit-relay doctor'
must "${next:-echo the package printed no next step; false}"
must 'systemctl is-active wochit-relay.service wochit-relay.socket'

step "simulate an event; the delivery, and its signature"
must "wochit-relay simulate video.ready --to $hook"
eventually 'test -s /try/body'
must 'grep -i ^webhook- head; cut -c -300 body; echo'
header() { printf '%s: %s' "$1" "$(grep -i "^$1:" head | cut -d' ' -f2- | tr -d '\r')"; }
must "wochit-relay verify-signature --body body --secret-file /etc/wochit-relay/credentials/cms-secret -H '$(header webhook-id)' -H '$(header webhook-timestamp)' -H '$(header webhook-signature)'"
must "wochit-relay simulate draft.exit --to http://[::1]:8080/webhooks/wochit"

step "status"
must 'systemctl status -n 2 wochit-relay.service wochit-relay.socket | cut -c -160'
must 'systemd-analyze security wochit-relay.service | tail -1'
must 'grep -E "^(Uid|CapEff|NoNewPrivs|Seccomp):" /proc/$(systemctl show -P MainPID wochit-relay)/status'

# As root, the secrets of what runs are looked at too.
must 'wochit-relay check'
run 'sed -i s/cms-secret/other-secret/ /etc/wochit-relay/config.json; wochit-relay check'
cat eleven-lines >/etc/wochit-relay/config.json

# Nice value of the relay's next backup, which is a child of its own; nothing when none came within 15 s.
backup_nice() {
    perl -e '
        my ($relay, $until, $nice) = (shift, time + 15);
        while (time < $until) {
            my @seen;
            for my $list (glob "/proc/$relay/task/*/children") {
                open(my $file, "<", $list) or next;
                for my $child (split " ", <$file> // "") {
                    open(my $line, "<", "/proc/$child/cmdline") or next;
                    next unless (<$line> // "") =~ /\0backup\0/;
                    open(my $stat, "<", "/proc/$child/stat") or next;
                    push @seen, (split " ", <$stat> // "")[18];
                }
            }
            if (@seen) { $nice = $seen[0] // $nice } elsif (defined $nice) { last }
            select(undef, undef, undef, 0.005);
        }
        print $nice // ""' "$(systemctl show -P MainPID wochit-relay)"
}
step "a backup in the sandbox, behind everybody else; the doctor beside the running relay"
nice=$(backup_nice)
echo "nice value of the backup: ${nice:-none was seen}"
[ "$nice" = 10 ] || fail "it has no low priority"
eventually 'wochit-relay doctor --json | grep -E "\"backup\",\"state\":\"ok"'
must 'ls -l /var/lib/wochit-relay/backups'
must 'wochit-relay doctor'

step "reload: a good config, and a wrong one"
run 'sed -i s,/hook,/hooks, /etc/wochit-relay/config.json; systemctl reload wochit-relay'
eventually 'journalctl -u wochit-relay -o cat | grep "config taken"'
run 'cp -p /etc/wochit-relay/config.json good; echo "{\"recieve\":{}}" > /etc/wochit-relay/config.json; systemctl reload wochit-relay'
eventually 'journalctl -u wochit-relay -o cat | grep "config refused"'
cat good >/etc/wochit-relay/config.json
run 'journalctl -u wochit-relay -o cat | grep -i config | tail -3'
systemctl is-active --quiet wochit-relay || fail "the relay did not outlive a wrong config"

# Events at a steady pace, and what is done meanwhile; every one must be accepted, and delivered afterwards.
under_load() {
    : >ids
    wochit-relay simulate draft.update --to "$hook" --count 600 --rate 60 >load 2>&1 &
    local load=$!
    run "$1" || fail "$1"
    wait "$load" || fail "events were refused"
    tail -1 load
    eventually 'test "$(sort -u /try/ids | wc -l)" -ge 600'
    echo "delivered: $(sort -u ids | wc -l) of 600"
}

step "three restarts under 60 events a second"
under_load 'for n in 1 2 3; do sleep 2; systemctl restart wochit-relay; done'

step "an upgrade under the same load"
under_load "sleep 2; $apt install --reinstall ./wochit-relay.deb"

step "the process hangs: the watchdog ends it, and the request that came meanwhile is answered"
run 'systemctl kill --kill-whom=main --signal=STOP wochit-relay'
# One that comes earlier would be given up by its sender before the watchdog's 30 s are over.
must "sleep 20; wochit-relay simulate draft.update --to $hook"
run 'journalctl -u wochit-relay -o short-precise | grep -E "Sent signal|Watchdog|SIGABRT|Failed with|Scheduled|Started" | tail -6'
[ "$(systemctl show -P NRestarts wochit-relay)" = 1 ] || fail "it was not restarted by the watchdog"

step "stop both by the socket, remove, purge"
must 'systemctl stop wochit-relay.socket'
run 'systemctl is-active wochit-relay.service wochit-relay.socket; journalctl -u wochit-relay -o cat | grep -v systemd-notify | tail -3'
systemctl is-active --quiet wochit-relay.service && fail "the service runs without its socket"
must "$apt remove wochit-relay; ls /var/lib/wochit-relay"
must "$apt purge wochit-relay; ! ls -d /var/lib/wochit-relay /etc/wochit-relay"

if [ -e previous.deb ]; then
    step "an earlier version, its config and a secret; then the upgrade to this one under load"
    must "$apt install ./previous.deb"
    run 'wochit-relay --version'
    cat eleven-lines >/etc/wochit-relay/config.json
    must 'wochit-relay secret generate > /etc/wochit-relay/credentials/cms-secret'
    must 'systemctl enable --now wochit-relay'
    echo "nice value of its backup: $(backup_nice)"
    under_load "sleep 2; $apt install ./wochit-relay.deb"
    must 'wochit-relay --version; systemctl show -P StatusText wochit-relay'
    echo "nice value of the backup: $(backup_nice)"
    must 'wochit-relay doctor'
    must 'ls /var/lib/wochit-relay'

    step "a service that cannot be stopped does not keep the package from being removed"
    mkdir failing
    printf '#!/bin/sh\nexit 1\n' >failing/deb-systemd-invoke && chmod 755 failing/deb-systemd-invoke
    # Not by apt, which has a PATH of its own.
    must 'PATH=/try/failing:$PATH dpkg --purge wochit-relay'
    systemctl kill --signal=KILL wochit-relay
fi

step "done: $failures failed"
exit "$failures"
