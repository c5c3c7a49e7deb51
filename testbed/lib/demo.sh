# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What a demonstration or an end-to-end test on the two hosts is put together from. Source it after setting
# TESTBED, then: demo_begin, the functions below in any order, and nothing at the end: leaving the shell,
# however it is left, ends every process that was started here and both hosts.

# shellcheck source-path=SCRIPTDIR source=common.sh
. "$TESTBED/lib/common.sh"

DEMO_PACKAGES=(dbus-daemon python3)
# 500 Mbit/s carries 57 MiB/s. The VMs have 65 to 165 MiB to send, so all three move in about 10 s; the busy one
# writes 1.4 times what the link carries, whole pages (XBZRLE does not help), over a working set that takes 2 s
# to send, so pre-copy cannot come to an end.
DEMO_LINK=500mbit
DEMO_GUESTS=(idle middle busy)
declare -A DEMO_GUEST_OPTIONS=(
  [idle]="--memory 192 --fill 24"
  [middle]="--memory 256 --fill 32 --working-set 32 --dirty-rate 8 --page-bytes 64"
  [busy]="--memory 256 --fill 16 --working-set 112 --dirty-rate 80 --page-bytes 4096"
)
DEMO_PROCESSES=() # "PID START" of what demo_spawn started

two_hosts() {
  "$TESTBED/two-hosts" "$@"
}

# demo_begin: a testbed of this demonstration's own, in a new VMFT_TESTBED_DIR, both hosts up, link shaped
demo_begin() {
  install_packages "${DEMO_PACKAGES[@]}"
  VMFT_TESTBED_DIR=$(mktemp -d "${TMPDIR:-/tmp}/vmft-demo.XXXXXX") || die "cannot make a directory in ${TMPDIR:-/tmp}"
  export VMFT_TESTBED_DIR
  trap 'exit 130' INT
  trap 'exit 143' TERM
  trap 'exit 129' HUP
  trap demo_end EXIT
  two_hosts up "$@" || die "the hosts do not come up"
  two_hosts link "$DEMO_LINK"
}

demo_end() {
  local status=$? process
  trap '' INT TERM HUP
  for process in "${DEMO_PROCESSES[@]}"; do
    # shellcheck disable=SC2086 # two fields
    process_kill TERM $process
  done
  for process in "${DEMO_PROCESSES[@]}"; do
    # shellcheck disable=SC2086
    wait_until 5 process_gone $process || process_kill KILL $process
  done
  two_hosts down
  rm -rf "${VMFT_TESTBED_DIR:?}"
  exit "$status"
}

# demo_spawn LOG CMD...: run CMD in the background until it ends or the demonstration does; its PID in DEMO_PID
demo_spawn() {
  local log=$1
  shift
  # A terminal's Ctrl-C is for us: what runs here is ended by demo_end, in order.
  setsid -- "$@" </dev/null >"$log" 2>&1 &
  DEMO_PID=$!
  disown "$DEMO_PID"
  DEMO_PROCESSES+=("$(process_identity "$DEMO_PID")")
}

# demo_host_spawn A|B LOG CMD...: the same, inside a host
demo_host_spawn() {
  local host=$1 log=$2
  shift 2
  demo_spawn "$log" "$TESTBED/two-hosts" exec "$host" "$@"
}

# demo_guests: the three of them on host A, started together
demo_guests() {
  local name pid pids=()
  # Builds the guest's kernel if there is none yet, so that three do not do it at once.
  two_hosts accelerator >/dev/null || die "no guest to start"
  for name in "${DEMO_GUESTS[@]}"; do
    # shellcheck disable=SC2086 # options
    two_hosts guest A "$name" ${DEMO_GUEST_OPTIONS[$name]} &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do
    wait "$pid" || die "a guest does not start"
  done
}

# demo_bus: a dbus-daemon of its own as host A's system bus; its address for clients out here in DEMO_BUS
demo_bus() {
  local socket
  socket=$(two_hosts path A /run/dbus/system_bus_socket)
  demo_host_spawn A "$VMFT_TESTBED_DIR/A/bus.log" dbus-daemon --nofork --nopidfile --config-file="$TESTBED/lib/bus.conf"
  wait_until 10 test -S "$socket" || die "no system bus on host A: $(cat "$VMFT_TESTBED_DIR/A/bus.log")"
  # shellcheck disable=SC2034 # for the caller
  DEMO_BUS=unix:path=$socket
}

# demo_runs: the recorded runs, one directory a line
demo_runs() {
  find "$TESTBED/recorded" -mindepth 1 -maxdepth 1 -name "${1:-hdd}-[0-9]*" | sort -V
}

# demo_replay RUN LOG MARKS [OPTION...]: replay into LOG in the background, marks as they come into MARKS
demo_replay() {
  local run=$1 log=$2 marks=$3
  shift 3
  demo_spawn "$marks" "$TESTBED/replay" "$run" "$log" --rebase-now "$@"
}

# demo_mark MARKS NAME: wall time of a mark in seconds since the epoch, once it is there
demo_mark() {
  awk -v name="$2" '$1 == name { print $3; found = 1; exit } END { exit !found }' "$1"
}

# demo_arrived NAME [SECONDS]: the guest's heart beats on B, beyond its last beat on A, and no page is bad
demo_arrived() {
  two_hosts wait-beat B "$1" --seconds "${2:-10}"
}
