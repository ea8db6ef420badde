#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Make a small Debian with a Blender that has a window, in a folder of its own.
#
#   prepare.sh FOLDER      1.6 GB, a few minutes; says why and makes none where that is impossible
#
# Blender's Python module opens no window, and the Blender of Debian's stable release is older than
# we support: it is taken from unstable. The folder appears whole or not at all.
set -eu
target=$1
making=$target.making
[ ! -d "$target" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "The test in a window is left out: it needs Debian or Ubuntu, and root."
    exit 0
fi
leave_out() {
    umount "$making/proc" "$making/sys" 2>/dev/null || true
    rm -rf --one-file-system "$making"
    echo "The test in a window is left out: $1 could not be fetched from Debian."
    exit 0
}
for tool in debootstrap Xvfb xdotool; do
    command -v $tool >/dev/null && continue
    apt-get -q update || leave_out "the list of packages"
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        debootstrap xvfb xdotool || leave_out "$tool"
    break
done

address=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -1)
rm -rf "$making"
mkdir -p "$(dirname "$target")"
debootstrap --variant=minbase --include=ca-certificates sid "$making" \
    "${address:-http://deb.debian.org/debian}" || leave_out "a small system"
# The same way into the network as the machine itself: resolver, proxy.
cp /etc/resolv.conf /etc/hosts "$making/etc/"
apt-config dump Acquire > "$making/etc/apt/apt.conf.d/99machine"
chroot "$making" apt-get -q update || leave_out "the list of its packages"
# Debian's Blender doesn't depend on all that its own extensions platform imports.
DEBIAN_FRONTEND=noninteractive chroot "$making" apt-get install -q -y --no-install-recommends \
    blender python3-numpy python3-requests python3-zstandard python3-cattr \
    libgl1 libgl1-mesa-dri libegl1 libegl-mesa0 libglx-mesa0 || leave_out "Blender"
chroot "$making" apt-get clean
mv "$making" "$target"
