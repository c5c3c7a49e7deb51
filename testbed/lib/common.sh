# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What every testbed command needs: messages, waiting with a deadline, processes we started, packages.

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

usage_error() {
  printf "%s: %s\nTry '%s help'.\n" "${0##*/}" "$*" "${0##*/}" >&2
  exit 2
}

need_root() {
  [[ $EUID -eq 0 ]] || die "needs root (it makes namespaces and mounts)"
}

# is_number TEXT: a non-negative decimal number
is_number() {
  [[ $1 =~ ^[0-9]+(\.[0-9]+)?$ ]]
}

is_integer() {
  [[ $1 =~ ^[0-9]+$ ]]
}

# wait_until SECONDS CMD...: run CMD until it succeeds or the deadline has passed
wait_until() {
  local deadline=$((SECONDS + $1 + 1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.05
  done
}

# A process is "PID START": the start time (field 22 of /proc/PID/stat) tells it from a later one of the same PID.
process_identity() {
  local stat
  read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
  # shellcheck disable=SC2086 # the fields after the ")" that ends the command name
  set -- "$1" ${stat##*) }
  [[ $2 != Z ]] || return 1
  printf '%s %s\n' "$1" "${21}"
}

# process_alive PID START
process_alive() {
  [[ -n ${1:-} && $(process_identity "$1") == "$1 ${2:-}" ]]
}

process_gone() {
  ! process_alive "$@"
}

# process_kill SIGNAL PID START: only ever the very process that was recorded
process_kill() {
  process_alive "$2" "$3" && kill -s "$1" "$2" 2>/dev/null
}

# install_packages PACKAGE...: those that are missing, through apt; silent and quick when there is nothing to do
install_packages() {
  local package missing=() log
  for package; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  ((${#missing[@]} > 0)) || return 0
  command -v apt-get >/dev/null || die "missing packages and no apt-get to install them with: ${missing[*]}"
  [[ $EUID -eq 0 ]] || die "missing packages (install them as root): ${missing[*]}"

  printf '%s: installing %s\n' "${0##*/}" "${missing[*]}" >&2
  log=$(mktemp)
  if ! apt_install "${missing[@]}" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    die "apt could not install: ${missing[*]}"
  fi
  rm -f "$log"
}

# The lists may be absent (a container) or out of date (a file that has gone): one update, then a second try.
apt_install() {
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120)
  "${apt[@]}" install -y --no-install-recommends "$@" && return
  "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "$@"
}

# build_once DIR BUILDER...: DIR holds what "BUILDER... TMP" made in an empty directory; concurrent builders agree
build_once() {
  [[ -d $1 ]] || (
    target=$1
    shift
    mkdir -p "${target%/*}"
    tmp=$(mktemp -d "$target.XXXXXX")
    trap 'rm -rf "$tmp"' EXIT
    trap 'exit 1' INT TERM HUP
    "$@" "$tmp" || exit 1
    # Whoever comes second finds the directory there and throws the same thing away.
    mv -T "$tmp" "$target" 2>/dev/null || [[ -d $target ]]
  )
}

cache_dir() {
  printf '%s\n' "${VMFT_CACHE:-/var/cache/vmft-testbed}"
}

# newest_kernel: path of the newest Debian kernel image
newest_kernel() {
  local kernels
  mapfile -t kernels < <(printf '%s\n' /boot/vmlinuz-*-amd64 | sort -V)
  [[ -f ${kernels[-1]} ]] || die "no Debian kernel in /boot (package linux-image-amd64)"
  printf '%s\n' "${kernels[-1]}"
}
