#!/usr/bin/env bash
# Sets a clean export of HEAD up in a bare Debian, as a plain user with sudo and with that Debian's own Python, and runs
# the quick tests there: `make test-debian RELEASE=trixie` (Python 3.13). What follows the release goes to pytest.
#
# For each night and each release: the usual tests run on one Python only. Needs root and debootstrap. FOLDER says where
# the system is made (kept, and used again), MIRROR which archive it comes from. This machine's settings of apt and pip
# and its certificates hold in there, too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly RELEASE=${1:-trixie}
shift || true
readonly FOLDER=${FOLDER:-/var/tmp/pramaan-debian-$RELEASE}
readonly MIRROR=${MIRROR:-http://deb.debian.org/debian}
readonly CHECKOUT=/home/tester/pramaan

if [ "$(id -u)" -ne 0 ] || ! command -v debootstrap >/dev/null; then
    echo "test-debian needs root and debootstrap: sudo apt-get install debootstrap, then run it with sudo" >&2
    exit 2
fi

make_system() {
    debootstrap --variant=minbase --include=ca-certificates,git,make,procps,sudo "$RELEASE" "$FOLDER" "$MIRROR" >"$FOLDER.log" ||
        { tail -n 20 "$FOLDER.log" >&2; exit 1; }
    cp /etc/ssl/certs/ca-certificates.crt "$FOLDER/etc/ssl/certs/"
    cp /etc/apt/apt.conf.d/99* "$FOLDER/etc/apt/apt.conf.d/" 2>/dev/null || true
    cp /etc/pip.conf "$FOLDER/etc/" 2>/dev/null || true
    chroot "$FOLDER" useradd --create-home --shell /bin/bash tester
    echo 'tester ALL=(ALL) NOPASSWD: ALL' >"$FOLDER/etc/sudoers.d/tester"
    touch "$FOLDER/.made"
}

finish() {
    for place in dev/shm dev/pts dev sys proc; do
        if mountpoint -q "$FOLDER/$place"; then umount --lazy "$FOLDER/$place"; fi
    done
}

[ -e "$FOLDER/.made" ] || { rm -rf "$FOLDER"; mkdir -p "$FOLDER"; make_system; }
trap finish EXIT
mount -t proc proc "$FOLDER/proc"
mount -t sysfs -o ro sysfs "$FOLDER/sys"
mount --bind /dev "$FOLDER/dev"
mount -t devpts devpts "$FOLDER/dev/pts"
mount -t tmpfs tmpfs "$FOLDER/dev/shm"
cp /etc/resolv.conf /etc/hosts "$FOLDER/etc/"

rm -rf "$FOLDER$CHECKOUT"
mkdir -p "$FOLDER$CHECKOUT"
git archive HEAD | tar -x -C "$FOLDER$CHECKOUT"
chroot "$FOLDER" chown -R tester: "$CHECKOUT"
chroot "$FOLDER" /usr/bin/env -i HOME=/home/tester LANG=C.UTF-8 PATH=/usr/local/bin:/usr/bin:/bin \
    su tester -c "cd $CHECKOUT && bash setup.sh && .venv/bin/python -V && make test ARGS='-m \"not slow and not long\" $*'"
