# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Two libvirt hosts on one machine. A host is a PID namespace (with its own mount, network, UTS and IPC
# namespaces): killing its first process kills everything in it, so nothing can be left behind.
#
# Everything a host writes lies under $STATE/A/root, at the path that it has inside the host:
#   $STATE/A/root/var/log/libvirt is A's /var/log/libvirt.  $STATE itself has the same path everywhere.

HOSTS=(A B)
declare -A HOST_UUID=([A]=7b1d4a52-5f0e-4c5e-9d0a-00000000000a [B]=7b1d4a52-5f0e-4c5e-9d0a-00000000000b)
declare -A HOST_ADDRESS=([A]=10.77.0.1 [B]=10.77.0.2)
declare -A HOST_NAME=([A]=host-a [B]=host-b)
# shellcheck disable=SC2034 # for the commands
HOST_PACKAGES=(qemu-system-x86 libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients iproute2 procps)
MIGRATION_PORTS=(49152 49215)
# Directories of the machine that each host has a version of its own of.
# "run" is last: once it is mounted, a state directory under the machine's /run is out of sight.
HOST_DIRS=(etc/libvirt var/lib/libvirt var/log/libvirt var/cache/libvirt run)

STATE=${VMFT_TESTBED_DIR:-/run/vmft-testbed}
STATE_MARK=.vmft-testbed
STARTING= # set while "up" is at work
SPAWNING= # the host that it is starting

host_root() {
  printf '%s/%s/root\n' "$STATE" "$1"
}

host_uri() {
  printf 'qemu+unix:///system?socket=%s/run/libvirt/libvirt-sock\n' "$(host_root "$1")"
}

# host_address A|B: where the other host reaches it
host_address() {
  printf '%s\n' "${HOST_ADDRESS[$1]}"
}

# host_process A|B init|unshare: its recorded "PID START"
host_process() {
  cat "$STATE/$1/$2.pid" 2>/dev/null
}

host_alive() {
  local process
  process=$(host_process "$1" init) || return 1
  # shellcheck disable=SC2086 # two fields
  process_alive $process
}

host_pid() {
  local process
  process=$(host_process "$1" init)
  printf '%s\n' "${process%% *}"
}

host_virsh() {
  local host=$1
  shift
  virsh -q -c "$(host_uri "$host")" "$@"
}

# host_enter A|B CMD...: the nsenter command line that runs CMD in the host's namespaces, in ENTER. The
# command gets SIGTERM when nsenter dies: to end the one is to end the other.
host_enter() {
  local host=$1 dir=/
  shift
  host_alive "$host" || die "host $host is not up"
  # The caller's directory, where the host sees it too (its /run is another one).
  [[ $PWD == /run/* && $PWD != "$STATE"* ]] || dir=$PWD
  ENTER=(nsenter -t "$(host_pid "$host")" -m -n -u -i -p "--wdns=$dir" --
    env -u DBUS_SYSTEM_BUS_ADDRESS -u DBUS_SESSION_BUS_ADDRESS "VMFT_TESTBED_HOST=$host"
    setpriv --pdeathsig TERM -- "$@")
}

host_exec() {
  local ENTER
  host_enter "$@"
  "${ENTER[@]}"
}

state_check() {
  [[ $STATE == /* ]] || die "VMFT_TESTBED_DIR is not an absolute path: $STATE"
  # sun_path holds 108 bytes, and libvirt's sockets lie deep.
  ((${#STATE} <= 64)) || die "VMFT_TESTBED_DIR is longer than 64 characters, too long for sockets under it: $STATE"
  [[ ! -L $STATE ]] || die "$STATE is a symbolic link"
  if [[ -d $STATE && ! -e $STATE/$STATE_MARK ]]; then
    [[ -z $(ls -A "$STATE") ]] || die "$STATE is not empty and not a testbed's"
  fi
}

# state_lock: from here on nobody else starts or ends this testbed. The directory itself is the lock; who
# waited for one that has been removed meanwhile takes the new one.
state_lock() {
  while :; do
    install -d -m 0700 "$STATE" || exit
    exec 9<"$STATE" || exit
    flock -w 60 9 || die "another command is starting or ending $STATE"
    [[ $STATE -ef /proc/self/fd/9 ]] && return
  done
}

host_write_config() {
  local host=$1 root dir
  root=$(host_root "$host")
  for dir in "${HOST_DIRS[@]}"; do
    mkdir -p "$root/$dir"
  done
  mkdir -p "$root"/run/{libvirt,lock,dbus} "$root"/etc/libvirt/{hooks,qemu,secrets,nwfilter,storage} \
    "$root"/var/lib/libvirt/{qemu,images,boot} "$root/var/log/libvirt/qemu"
  printf '127.0.0.1 localhost\n%s %s\n%s %s\n' "${HOST_ADDRESS[A]}" "${HOST_NAME[A]}" \
    "${HOST_ADDRESS[B]}" "${HOST_NAME[B]}" >"$root/etc/hosts"

  cat >"$root/etc/libvirt/libvirtd.conf" <<EOF
host_uuid = "${HOST_UUID[$host]}"
listen_tls = 0
listen_tcp = 1
listen_addr = "${HOST_ADDRESS[$host]}"
auth_tcp = "none"
auth_unix_rw = "none"
unix_sock_rw_perms = "0700"
log_outputs = "2:file:/var/log/libvirt/libvirtd.log"
keepalive_interval = 5
keepalive_count = 5
EOF
  # Root without confinement: userfaultfd for post-copy, and files that both hosts may open.
  cat >"$root/etc/libvirt/qemu.conf" <<EOF
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = [ ]
cgroup_controllers = [ ]
stdio_handler = "file"
clear_emulator_capabilities = 0
seccomp_sandbox = 0
max_core = 0
migration_address = "${HOST_ADDRESS[$host]}"
migration_host = "${HOST_ADDRESS[$host]}"
migration_port_min = ${MIGRATION_PORTS[0]}
migration_port_max = ${MIGRATION_PORTS[1]}
keepalive_interval = 5
keepalive_count = 5
EOF
}

host_spawn() {
  local host=$1
  mkdir -p "$STATE/$host"
  (
    exec 9>&- # the lock is ours, not the host's
    process_identity "$BASHPID" >"$STATE/$host/unshare.pid" || exit
    exec setsid -- unshare -m -u -n -i -p --fork --mount-proc --kill-child=SIGKILL \
      bash "$TESTBED/lib/host-init.sh" "$(host_root "$host")" "$STATE" "${HOST_NAME[$host]}" "${HOST_ADDRESS[$host]}" \
      "${HOST_DIRS[@]}" </dev/null >"$STATE/$host/init.log" 2>&1
  ) &
  disown $!
}

# The first process of the new PID namespace, or the certainty that there will be none.
host_init_decided() {
  local unshare pid
  unshare=$(host_process "$1" unshare)
  [[ -n $unshare ]] || return 1
  pid=$(pgrep -P "${unshare%% *}" | head -n 1)
  [[ -n $pid ]] && process_identity "$pid" >"$STATE/$1/init.pid" && return
  # shellcheck disable=SC2086 # two fields
  process_gone $unshare
}

# host_settle A|B: wait for what host_spawn began, so that it is on record and can be ended
host_settle() {
  [[ -s $STATE/$1/init.pid ]] || wait_until 5 host_init_decided "$1"
}

host_answers() {
  [[ -S $(host_root "$1")/run/libvirt/libvirt-sock ]] && timeout 5 virsh -q -c "$(host_uri "$1")" uri &>/dev/null
}

# host_install_hooks A|B DIR: libvirt looks for hooks when it starts
host_install_hooks() {
  cp -a -- "$2/." "$(host_root "$1")/etc/libvirt/hooks/"
}

# "up" was interrupted or failed. A host that has just been forked is waited for: it is not on record yet. Hosts
# that were up before are none of its business.
hosts_abandon() {
  trap '' INT TERM HUP
  [[ -z $SPAWNING ]] || host_settle "$SPAWNING"
  if [[ -n $STARTING ]]; then
    hosts_down
  elif [[ -d $STATE ]]; then
    rmdir --ignore-fail-on-non-empty "$STATE"
  fi
}

hosts_guard() {
  trap 'exit 130' INT
  trap 'exit 143' TERM
  trap 'exit 129' HUP
  trap hosts_abandon EXIT
}

# hosts_up HOOKS: with the state directory locked, after hosts_guard
hosts_up() {
  local hooks=$1 host
  host_alive A && host_alive B && host_answers A && host_answers B && return
  STARTING=yes
  : >>"$STATE/$STATE_MARK"
  hosts_kill
  mkdir -p "$STATE/shared"
  for host in "${HOSTS[@]}"; do
    host_write_config "$host"
    [[ -z $hooks ]] || host_install_hooks "$host" "$hooks"
    SPAWNING=$host
    host_spawn "$host"
    host_settle "$host"
    SPAWNING=
    host_alive "$host" || die "host $host did not start: $(cat "$STATE/$host/init.log")"
  done
  ip link add name eth0 netns "$(host_pid A)" type veth peer name eth0 netns "$(host_pid B)" ||
    die "cannot join the hosts with a veth pair"
  for host in "${HOSTS[@]}"; do
    wait_until 30 host_answers "$host" ||
      die "libvirtd of host $host does not answer: $(tail -n 5 "$STATE/$host/init.log")"
  done
  STARTING=
}

# host_kill A|B: end the host's first process, which ends all others in it, and wait until they have gone
host_kill() {
  local host=$1 name process
  [[ ! -s $STATE/$host/unshare.pid ]] || host_settle "$host"
  for name in init unshare; do
    process=$(host_process "$host" "$name")
    [[ -n $process ]] || continue
    # shellcheck disable=SC2086 # two fields
    process_kill KILL $process
    # shellcheck disable=SC2086
    wait_until 20 process_gone $process || die "process ${process%% *} of host $host does not die"
  done
}

hosts_kill() {
  local host
  for host in "${HOSTS[@]}"; do
    host_kill "$host"
    # A status file left in run/ or lib/ would be attached to at the next start.
    rm -rf "${STATE:?}/$host"
  done
}

# Safe at any time, also twice, also when "up" was interrupted anywhere.
hosts_down() {
  trap '' INT TERM HUP
  if [[ -e $STATE/$STATE_MARK ]]; then
    hosts_kill
    disks_remove
    rm -rf "${STATE:?}/shared"
    rm -f "${STATE:?}/$STATE_MARK"
  fi
  rmdir --ignore-fail-on-non-empty "$STATE"
  trap - INT TERM HUP
}

host_status() {
  local host=$1 namespace pid
  if ! host_alive "$host"; then
    printf 'host %s: down\n' "$host"
    return
  fi
  printf 'host %s: up, %s, %s\n' "$host" "${HOST_ADDRESS[$host]}" "$(host_uri "$host")"
  namespace=$(readlink "/proc/$(host_pid "$host")/ns/pid")
  for pid in $(pgrep -f .); do
    [[ $(readlink "/proc/$pid/ns/pid" 2>/dev/null) == "$namespace" ]] || continue
    awk -v pid="$pid" '/^Name/ { name = $2 } /^VmRSS/ { rss = $2 }
      END { printf "  pid %-8s %-18s %7.1f MiB resident\n", pid, name, rss / 1024 }' "/proc/$pid/status" 2>/dev/null
  done
  host_exec "$host" tc qdisc show dev eth0 | sed 's/^/  link: /'
  host_virsh "$host" list --all | sed 's/^/  guest: /'
}

# host_libvirtd A|B start|stop|kill|restart: guests are not touched, as on any libvirt host
host_libvirtd() {
  local host=$1 verb=$2
  case $verb in
    start) host_exec "$host" bash "$TESTBED/lib/host-init.sh" --libvirtd ;;
    stop) libvirtd_end "$host" TERM ;;
    kill) libvirtd_end "$host" KILL ;;
    restart)
      libvirtd_end "$host" TERM
      host_exec "$host" bash "$TESTBED/lib/host-init.sh" --libvirtd
      ;;
    *) usage_error "libvirtd: start, stop, kill or restart, not '$verb'" ;;
  esac
  [[ $verb != *start ]] || wait_until 30 host_answers "$host" || die "libvirtd of host $host does not answer"
}

libvirtd_end() {
  # shellcheck disable=SC2016 # for the shell inside the host, whose PIDs are its own
  host_exec "$1" sh -c '
    pid=$(cat /run/libvirt/libvirtd.pid 2>/dev/null) && kill -s "$1" "$pid" 2>/dev/null || exit 0
    for _ in $(seq 200); do kill -0 "$pid" 2>/dev/null || exit 0; sleep 0.05; done
    exit 1' sh "$2" || die "libvirtd of host $1 does not end"
}
