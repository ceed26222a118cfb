#!/bin/bash
# scripts/try-deb/run.sh [--root ROOT.tar] [--previous OLD.deb] FILE.deb
# Installs the Debian package on a fresh minimal Debian that runs under real systemd, in a container without a network, and
# tries all that docs/INSTALL.md promises of it; prints the timed transcript, and exits 0 when every step ended as it should.
# Takes about three minutes. Needs root, debootstrap and systemd-container. ROOT.tar is a debootstrap tree (--variant=minbase)
# to begin with instead of a new one; with OLD.deb, an earlier version, the upgrade from that is tried as well.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
base= previous=
while [ $# -gt 1 ]; do
    case "$1" in
    --root) base=$2 ;;
    --previous) previous=$2 ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
    esac
    shift 2
done
deb=$(realpath "${1:?which package? scripts/try-deb/run.sh [--root ROOT.tar] [--previous OLD.deb] FILE.deb}")
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root

echo "preparing a minimal Debian"
mkdir "$root"
if [ -n "$base" ]; then
    tar -xf "$base" -C "$root"
else
    debootstrap --variant=minbase bookworm "$root" >"$work/debootstrap.log" || { tail "$work/debootstrap.log"; exit 1; }
fi
if [ ! -x "$root/lib/systemd/systemd" ]; then
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" && chmod 755 "$root/usr/sbin/policy-rc.d"
    {
        chroot "$root" apt-get update -qq
        chroot "$root" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends systemd systemd-sysv
    } >"$work/apt.log" 2>&1 || { tail "$work/apt.log"; exit 1; }
    rm "$root/usr/sbin/policy-rc.d"
fi
: >"$root/etc/machine-id"
echo relay >"$root/etc/hostname"

mkdir "$root/try"
cp "$here/guest.sh" "$here/app.pl" "$root/try"
cp "$deb" "$root/try/wochit-relay.deb"
[ -z "$previous" ] || cp "$previous" "$root/try/previous.deb"
cat >"$root/etc/systemd/system/try.service" <<'UNIT'
[Unit]
After=multi-user.target
SuccessAction=exit
FailureAction=exit
[Service]
Type=oneshot
ExecStart=/bin/bash /try/guest.sh
Environment=HOME=/root LANG=C.UTF-8
StandardOutput=truncate:/try/transcript
StandardError=inherit
TimeoutStartSec=10min
UNIT
mkdir -p "$root/etc/systemd/system/default.target.wants"
ln -s ../try.service "$root/etc/systemd/system/default.target.wants/try.service"

# Where systemd does not run outside of the container, there is nobody to register it with.
alone=()
[ -d /run/systemd/system ] || alone=(--register=no --keep-unit)
: >"$root/try/transcript"
tail -n +1 -f "$root/try/transcript" &
reader=$!
status=0
SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn --quiet --directory="$root" --boot --private-network \
    --console=pipe "${alone[@]}" >"$work/console.log" 2>&1 </dev/null || status=$?
sleep 1
kill "$reader"
[ -s "$root/try/transcript" ] || tail "$work/console.log"
exit "$status"
