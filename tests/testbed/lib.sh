# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the testbed's own tests share: checks, and the proof that nothing is left behind. Each test has a testbed
# of its own, in a new VMFT_TESTBED_DIR, so it neither meets nor disturbs another one on the same machine.

SOURCE_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
TWO_HOSTS=$SOURCE_ROOT/testbed/two-hosts

skip() {
  echo "SKIP: $*"
  exit 77
}

fail() {
  echo "FAIL: $*" >&2
  exit 1
}

step() {
  printf -- '- %s (%d s)\n' "$*" "$SECONDS"
}

# expect WHAT CMD...: CMD must succeed
expect() {
  local what=$1
  shift
  "$@" || fail "$what: status $? of: $*"
}

# expect_status STATUS CMD...
expect_status() {
  local wanted=$1 status=0
  shift
  "$@" &>/dev/null || status=$?
  ((status == wanted)) || fail "status $status instead of $wanted of: $*"
}

# expect_equal WHAT WANTED GOT
expect_equal() {
  [[ $2 == "$3" ]] || fail "$1: wanted '$2', got '$3'"
}

# need_hosts: what "two-hosts up" cannot do without
need_hosts() {
  [[ $EUID -eq 0 ]] || skip "needs root"
  unshare --mount --net --pid --ipc --uts --fork true || skip "no namespaces can be made here"
}

new_testbed() {
  need_hosts
  VMFT_TESTBED_DIR=$(mktemp -u /tmp/vmft-test.XXXXXX)
  export VMFT_TESTBED_DIR
  NOTED=()
  trap 'status=$?; "$TWO_HOSTS" down; exit $status' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# process_start PID: what tells it from a later process of the same number
process_start() {
  sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20
}

# Remember what runs inside the hosts now, QEMUs above all, whose environment is libvirt's and not ours.
# (Their namespaces would not do: the kernel gives their numbers to the next testbed.)
note_processes() {
  local host namespace link pid start
  for host in A B; do
    namespace=$("$TWO_HOSTS" exec "$host" readlink /proc/self/ns/pid)
    for link in /proc/[0-9]*/ns/pid; do
      [[ $(readlink "$link" 2>/dev/null) == "$namespace" ]] || continue
      pid=${link#/proc/} pid=${pid%%/*}
      start=$(process_start "$pid")
      [[ -z $start ]] || NOTED+=("$pid $start")
    done
  done
}

# Processes of this testbed: whatever inherited its variable, and those noted above.
processes_left() {
  local process
  env -u VMFT_TESTBED_DIR grep -lsz "^VMFT_TESTBED_DIR=$VMFT_TESTBED_DIR\$" /proc/[0-9]*/environ
  for process in "${NOTED[@]}"; do
    [[ $(process_start "${process% *}") != "${process#* }" ]] || echo "$process"
  done
}

expect_nothing_left() {
  # What was killed a moment ago may take another to be gone.
  for _ in {1..50}; do
    [[ -n $(processes_left) ]] || break
    sleep 0.1
  done
  expect_equal "processes left" "" "$(processes_left)"
  expect_equal "mounts left" "" "$(grep -F "$VMFT_TESTBED_DIR" /proc/mounts)"
  expect_equal "loop devices left" "" "$(losetup -l -n -O BACK-FILE | grep -F "$VMFT_TESTBED_DIR")"
  [[ ! -e $VMFT_TESTBED_DIR ]] || fail "left: $(find "$VMFT_TESTBED_DIR")"
}
