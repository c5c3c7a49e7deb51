#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds the Debian packages from a copy of the sources and looks into them.
# usage: test-package.sh SOURCE_ROOT
set -euo pipefail

root=$1
for tool in dpkg-buildpackage dh lintian fakeroot; do
  if ! command -v "$tool" > /dev/null; then
    echo "$tool (Debian packages dpkg-dev, debhelper, lintian, fakeroot) is not installed"
    exit 77
  fi
done
work=$(mktemp -d "${TMPDIR:-/tmp}/vmft-package-XXXXXX")
trap 'rm -rf "$work"' EXIT

mkdir "$work/vmft"
git -C "$root" rev-parse 2> "$work/missing" || { cat "$work/missing"; exit 77; }
git -C "$root" ls-files -z | (cd "$root" && tar --null -T - -cf -) | tar -xf - -C "$work/vmft"
cd "$work/vmft"
dpkg-checkbuilddeps > "$work/missing" 2>&1 || { cat "$work/missing"; exit 77; }
if ! DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS:-nocheck parallel=2}" dpkg-buildpackage -b -us -uc > "$work/build.log" 2>&1; then
  tail -60 "$work/build.log"
  exit 1
fi
cd "$work"

contains () { # PACKAGE PATH…
  local package=$1 path
  shift
  dpkg -c "$package"_*.deb > "$work/contents"
  for path in "$@"; do
    grep -Eq " \./$path\$" "$work/contents" || { echo "$package lacks $path"; exit 1; }
  done
}

contains vmft usr/sbin/vmftd usr/bin/vmftctl lib/systemd/system/vmftd.service usr/lib/sysusers.d/vmft.conf \
  usr/lib/tmpfiles.d/vmft.conf usr/share/dbus-1/system.d/org.vmft1.conf \
  usr/share/polkit-1/actions/org.vmft1.policy usr/share/vmft/kernel-message.model \
  usr/share/vmft/fault-families.conf etc/vmft/vmftd.conf usr/sbin/vmft-hook \
  'etc/libvirt/hooks/qemu.d/50-vmft -> .*' usr/share/man/man8/vmft-hook.8.gz \
  usr/share/man/man8/vmftd.8.gz usr/share/man/man1/vmftctl.1.gz usr/share/man/man5/vmftd.conf.5.gz \
  usr/share/man/man5/org.vmft1.5.gz
contains vmft-eval usr/bin/vmft-eval usr/share/man/man1/vmft-eval.1.gz

dpkg -e vmft_*.deb "$work/control"
grep -q '^/etc/vmft/vmftd.conf$' "$work/control/conffiles"
grep -q systemd-sysusers "$work/control/postinst"
dpkg -x vmft_*.deb "$work/tree"
# a check reads what the configuration names, which is not installed here
mkdir "$work/tree/etc/vmft/vmftd.conf.d"
printf '[Detector]\nmodel=%s\nfamilies=%s\n' "$work/tree/usr/share/vmft/kernel-message.model" \
  "$work/tree/usr/share/vmft/fault-families.conf" > "$work/tree/etc/vmft/vmftd.conf.d/test.conf"
"$work/tree/usr/sbin/vmftd" --check-config -c "$work/tree/etc/vmft/vmftd.conf"
"$work/tree/usr/bin/vmftctl" --version
"$root/tests/package/may-execute.py" /etc/apparmor.d/usr.sbin.libvirtd "$work/tree" /etc/libvirt/hooks/qemu.d/50-vmft

lintian --fail-on error --tag-display-limit 0 ./*.changes > "$work/lintian" || { cat "$work/lintian"; exit 1; }
sed 's/^/# /' "$work/lintian"
ls -l ./*.deb | awk '{ print "# " $5, $9 }'
"$root/tests/package/try-install.sh" vmft_*.deb
