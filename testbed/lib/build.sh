# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Building vmft from a checkout: what it needs and how it is done, for the demo and for the tests alike.
# Source lib/common.sh first.

BUILD_PACKAGES=(gcc libc6-dev meson ninja-build pkg-config libglib2.0-dev libjson-glib-dev libsoup-3.0-dev
  libvirt-dev libvirt-glib-1.0-dev libsqlite3-dev libsystemd-dev libpcre2-dev libxml2-dev python3)

# build_configure DIR OPTION...: a build directory; one that is there gets the options set
build_configure() {
  local dir=$1 log
  shift
  log=$(mktemp)
  if [[ -f $dir/build.ninja ]]; then
    meson configure "$dir" "$@" >"$log" 2>&1
  else
    meson setup "$dir" "$@" >"$log" 2>&1
  fi || {
    cat "$log" >&2
    rm -f "$log"
    return 1
  }
  rm -f "$log"
}

# build_targets DIR TARGET...: quietly unless it fails
build_targets() {
  local dir=$1 log
  shift
  log=$(mktemp)
  ninja -C "$dir" "$@" >"$log" 2>&1 || {
    tail -n 40 "$log" >&2
    rm -f "$log"
    return 1
  }
  rm -f "$log"
}
