# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The wire between the two hosts: its rate, and how it breaks.

# link_shape RATE|none: the same rate in both directions, as tc writes rates (1gbit, 200mbit)
link_shape() {
  local host rate=$1
  [[ -n $rate ]] || usage_error "link: no rate"
  for host in "${HOSTS[@]}"; do
    host_exec "$host" tc qdisc del dev eth0 root 2>/dev/null
    [[ $rate == none ]] ||
      host_exec "$host" tc qdisc add dev eth0 root tbf rate "$rate" burst 256kb latency 50ms ||
      usage_error "link: not a rate: '$rate' (as in 1gbit, 200mbit, or none)"
  done
}

# link_abort [FILTER]: abort TCP connections at both ends, so that both notice at once
link_abort() {
  local host
  for host in "${HOSTS[@]}"; do
    host_exec "$host" ss -K -H -t state connected "$1" >/dev/null
  done
}

# link_cut: the cable is severed, and both ends know
link_cut() {
  link_down
  link_abort "dst 10.77.0.0/24"
}

# link_cut_streams: abort the migrations' connections and leave the link as it is
link_cut_streams() {
  local low=${MIGRATION_PORTS[0]} high=${MIGRATION_PORTS[1]}
  link_abort "( sport >= $low and sport <= $high ) or ( dport >= $low and dport <= $high )"
}

# Without the aborts of link_cut the source notices after seconds, a post-copy destination never.
link_down() {
  host_exec A ip link set eth0 down
}

link_heal() {
  host_exec A ip link set eth0 up
}
