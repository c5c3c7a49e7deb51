#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Installs a package into a throw-away copy of this system and starts the service as its unit does: user, directories,
# environment and command line are those of the unit. Without libvirtd and with it vmftd comes up, says READY=1, takes its
# name on a bus with the packaged policy, and observes. All of it ends and goes with the namespaces.
# usage: try-install.sh DEB
set -euo pipefail

if [ "${1-}" != --inside ]; then
  deb=$(realpath "$1")
  if [ "$EUID" != 0 ]; then
    echo "# skipped: only root can install"
    exit 0
  fi
  for tool in ip setpriv dbus-daemon; do
    if ! command -v "$tool" > /dev/null; then
      echo "# skipped: $tool (Debian packages iproute2, util-linux, dbus-daemon) is not installed"
      exit 0
    fi
  done
  if ! unshare --mount --net --pid --ipc --uts --fork true; then
    echo "# skipped: no namespaces can be made here"
    exit 0
  fi
  work=$(mktemp -d "${TMPDIR:-/tmp}/vmft-install-XXXXXX")
  trap 'rmdir "$work"' EXIT
  unshare --mount --net --pid --ipc --uts --fork --kill-child "$0" --inside "$work" "$deb"
  exit
fi

work=$2
deb=$3
mount -t tmpfs tmpfs "$work"
cd "$work"
mkdir up wk root
if ! mount -t overlay overlay -o lowerdir=/,upperdir=up,workdir=wk root; then
  echo "# skipped: this system cannot be overlaid"
  exit 0
fi
mount --rbind /dev root/dev
mount -t proc proc root/proc
mount -t sysfs sysfs root/sys
mount -t tmpfs tmpfs root/run
mkdir -p root/run/dbus root/run/lock
ip link set lo up
cp "$deb" root/vmft.deb
# an earlier installation, or the developer's own, is not what is tried
rm -rf root/etc/vmft root/var/lib/vmft root/usr/sbin/policy-rc.d
inside () { chroot "$work/root" "$@"; }
fail () { echo "FAIL: $*"; cat "$work/install.log" "$work/vmftd.log" 2> /dev/null; exit 1; }
printf '#!/bin/sh\nexit 101\n' > root/usr/sbin/policy-rc.d # nothing is to be started by maintainer scripts
chmod +x root/usr/sbin/policy-rc.d

DEBIAN_FRONTEND=noninteractive inside dpkg -i /vmft.deb > install.log 2>&1 || fail "dpkg -i"
inside id -nG vmft | grep -qw systemd-journal || fail "user vmft and its groups: $(inside id vmft)"
[ "$(inside stat -c '%a %U' /var/lib/vmft)" = "700 vmft" ] || fail "state: $(inside stat -c '%a %U' /var/lib/vmft)"
[ -x "$(inside readlink -f /etc/libvirt/hooks/qemu.d/50-vmft | sed "s,^,$work/root,")" ] || fail "the hook leads nowhere"
inside /etc/libvirt/hooks/qemu.d/50-vmft guest migrate begin - < /dev/null || fail "without vmftd the hook refuses"

unit=root/lib/systemd/system/vmftd.service
setting () { sed -n "s/^$1=//p" "$unit"; }
[ "$(setting Type)" = notify ] || fail "the unit is not of type notify"
install -d -m 700 -o "$(inside id -u vmft)" -g "$(inside id -g vmft)" "root/run/$(setting RuntimeDirectory)"
inside dbus-daemon --system --nofork --nopidfile --address=unix:path=/run/dbus/system_bus_socket &
for _ in {1..100}; do [ -S root/run/dbus/system_bus_socket ] && break; sleep 0.05; done

# serve NAME: runs the unit's command until it is told to stop; what it tells systemd is in NAME.notify
serve () {
  cat > notify.py <<'END'
import os, socket, subprocess, sys
name, root, user = sys.argv[1:4]
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind("\0vmft-notify-" + name)
environment = {"PATH": "/usr/bin:/usr/sbin", "NOTIFY_SOCKET": "@vmft-notify-" + name, "STATE_DIRECTORY": "/var/lib/vmft",
               "RUNTIME_DIRECTORY": "/run/vmft", "WATCHDOG_USEC": "1000000"}
child = subprocess.Popen(["chroot", root, "setpriv", "--reuid=" + user, "--regid=" + user, "--init-groups", "--no-new-privs",
                          *sys.argv[4:]], env=environment, stderr=open("vmftd.log", "w"))
open("pid", "w").write(str(child.pid))
receiver.settimeout(20)
with open(name + ".notify", "w") as log:
    try:
        while "STOPPING=1" not in (said := receiver.recv(4096).decode()):
            log.write(said + "\n")
            log.flush()
    except TimeoutError:
        log.write("silent\n")
sys.exit(child.wait(10))
END
  # shellcheck disable=SC2046
  python3 notify.py "$1" "$work/root" "$(setting User)" $(setting ExecStart) &
  server=$!
}

# said NAME WORD: waits until systemd has been told
said () {
  for _ in {1..300}; do grep -qx "$2" "$1.notify" 2> /dev/null && return; sleep 0.05; done
  fail "$1: $2 was never said: $(cat "$1.notify" 2> /dev/null)"
}

# status EXPRESSION: within 10 s it is true of what vmftctl status says
status () {
  for _ in {1..100}; do
    inside vmftctl status --json 2> status.err | python3 -c "import json, sys; v = json.load(sys.stdin); sys.exit(not ($1))" \
      2> /dev/null && return
    sleep 0.1
  done
  fail "never: $1: $(inside vmftctl status 2>&1)"
}

stop () {
  kill -TERM "$(cat pid)"
  wait "$server" || fail "vmftd ends with status $?"
}

serve alone
said alone READY=1
said alone WATCHDOG=1
status 'v["operation"] == "observe" and not v["libvirt_connected"]'
stop
echo "# without libvirtd: READY=1, WATCHDOG=1, observe"

if ! inside which libvirtd > /dev/null || ! inside getent group libvirt > /dev/null; then
  echo "# skipped: libvirtd (Debian package libvirt-daemon-system) is not installed"
else
  mkdir -p root/run/libvirt
  # as on a host where libvirt's polkit rule lets its group in
  printf 'auth_unix_rw = "none"\nunix_sock_group = "libvirt"\nunix_sock_rw_perms = "0770"\n' > root/etc/libvirt/libvirtd.conf
  inside libvirtd > libvirtd.log 2>&1 &
  serve beside
  said beside READY=1
  status 'v["operation"] == "observe" and v["libvirt_connected"]'
  printf '[Daemon]\nmdoe=act\n' > root/etc/vmft/vmftd.conf.d/wrong.conf
  chmod 644 root/etc/vmft/vmftd.conf.d/wrong.conf
  kill -HUP "$(cat pid)"
  for _ in {1..100}; do grep -q 'the old configuration stays' vmftd.log && break; sleep 0.05; done
  grep -q 'the old configuration stays.*mdoe' vmftd.log || fail "a wrong configuration was not refused"
  status 'v["operation"] == "observe"'
  stop
  echo "# with libvirtd: READY=1, connected as user vmft, observe; a wrong reload is refused"
fi
DEBIAN_FRONTEND=noninteractive inside dpkg --purge vmft > purge.log 2>&1 || { cat purge.log; fail "dpkg --purge"; }
[ ! -e root/etc/vmft/vmftd.conf ] || fail "the configuration outlives a purge"
echo "# purged"
