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

new_testbed() {
  [[ $EUID -eq 0 ]] || skip "needs root"
  VMFT_TESTBED_DIR=$(mktemp -d /tmp/vmft-test.XXXXXX)
  export VMFT_TESTBED_DIR
  NAMESPACES=()
  trap 'status=$?; "$TWO_HOSTS" down; exit $status' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# Remember the namespaces that the hosts live in now.
note_namespaces() {
  local host kind
  for host in A B; do
    for kind in pid mnt net uts ipc; do
      NAMESPACES+=("$("$TWO_HOSTS" exec "$host" readlink "/proc/self/ns/$kind")")
    done
  done
}

# Processes of this testbed: all inherit its variable, except QEMUs, whose environment is libvirt's; but those are
# in its namespaces.
processes_left() {
  local link
  env -u VMFT_TESTBED_DIR grep -lsz "^VMFT_TESTBED_DIR=$VMFT_TESTBED_DIR\$" /proc/[0-9]*/environ
  ((${#NAMESPACES[@]} == 0)) ||
    for link in /proc/[0-9]*/ns/{pid,mnt,net,uts,ipc}; do
      printf '%s\n' "$link"
    done | xargs readlink 2>/dev/null | grep -F "$(printf '%s\n' "${NAMESPACES[@]}")"
}

expect_nothing_left() {
  expect_equal "processes left" "" "$(processes_left)"
  expect_equal "mounts left" "" "$(grep -F "$VMFT_TESTBED_DIR" /proc/mounts)"
  expect_equal "loop devices left" "" "$(losetup -l -n -O BACK-FILE | grep -F "$VMFT_TESTBED_DIR")"
  [[ ! -e $VMFT_TESTBED_DIR ]] || fail "left: $(find "$VMFT_TESTBED_DIR")"
}
