#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What is not memory: a disk that only this host has, a guest that is saved because nobody takes it, and a stream that
# nobody may read.
set -u
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

IMAGE=/var/lib/libvirt/images/local.img # each host has its own

path() {
  "$TWO_HOSTS" path "$@"
}

new_guest() {
  expect "guest" "$TWO_HOSTS" guest A g --memory 128 --dirty-rate 2 --working-set 8 --persistent >/dev/null
}

test_copy_storage() {
  local sum

  step "a VM with a disk of this host alone is not to be moved, and it is said why"
  new_guest
  head -c 24M /dev/urandom >"$(path A "$IMAGE")"
  truncate -s 24M "$(path B "$IMAGE")"
  expect "attach" "$TWO_HOSTS" virsh A attach-disk g "$IMAGE" vda --targetbus virtio --live --config >/dev/null
  job A g --mode pre-copy --expect failed || fail "status $?: $(cat "$WORK/job")"
  grep -q 'blocker=disk vda .* is on this host alone, and copy-storage is off' "$WORK/job" ||
    fail "no reason: $(cat "$WORK/job")"
  expect_alive A g

  step "where the operator allows it, the disk is copied along"
  job A g --mode pre-copy --copy-storage || fail "status $?: $(cat "$WORK/job")"
  grep -q 'blocker=none' "$WORK/job" || fail "still blocked: $(cat "$WORK/job")"
  expect_alive B g
  expect_still A g
  sum=$(sha256sum <"$(path A "$IMAGE")")
  [[ $(sha256sum <"$(path B "$IMAGE")") == "$sum" ]] || fail "the copy of the disk is not the disk"

  step "it cannot go to post-copy, and that is said before anything moves"
  job B g --mode post-copy --copy-storage --expect failed && fail "it was tried"
  grep -q 'cannot be copied along in a job that may go to post-copy' "$WORK/job" || fail "$(cat "$WORK/job")"
  expect_alive B g
  "$TWO_HOSTS" virsh B destroy g >/dev/null
  "$TWO_HOSTS" virsh B undefine g >/dev/null
  "$TWO_HOSTS" virsh A undefine g &>/dev/null
}

test_save() {
  local beat uuid

  step "a guest that is saved (managed) goes on from there when it is started"
  new_guest
  beat=$("$TWO_HOSTS" beat A g | cut -d' ' -f1)
  job A g --save || fail "status $?: $(cat "$WORK/job")"
  expect_still A g
  "$TWO_HOSTS" virsh A dominfo g | grep -q 'Managed save: *yes' || fail "it is not kept by libvirt"
  expect "start" "$TWO_HOSTS" virsh A start g >/dev/null
  expect_alive A g
  (($("$TWO_HOSTS" beat A g | cut -d' ' -f1) > beat)) || fail "it began anew"

  step "one that is saved to shared storage is restored on another host"
  mkdir -p "$VMFT_TESTBED_DIR/shared/saved"
  uuid=$("$TWO_HOSTS" virsh A domuuid g | head -n 1)
  job A g --save --save-directory "$VMFT_TESTBED_DIR/shared/saved" || fail "status $?: $(cat "$WORK/job")"
  expect_still A g
  expect "restore" "$TWO_HOSTS" virsh B restore "$VMFT_TESTBED_DIR/shared/saved/g-$uuid.save" >/dev/null
  expect_alive B g
  "$TWO_HOSTS" virsh B destroy g >/dev/null
  "$TWO_HOSTS" virsh A undefine g &>/dev/null
}

# make_certificates: a CA, and for each host a certificate in its address's name
make_certificates() {
  local host address pki
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=vmft testbed" -keyout "$WORK/ca-key.pem" \
    -out "$WORK/ca-cert.pem" 2>/dev/null || return
  for host in A B; do
    address=$("$TWO_HOSTS" address $host)
    pki=$(path $host /etc/libvirt/pki)
    mkdir -p "$pki"
    cp "$WORK/ca-cert.pem" "$pki/"
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$address" -keyout "$pki/server-key.pem" -out "$WORK/$host.csr" \
      2>/dev/null &&
      openssl x509 -req -in "$WORK/$host.csr" -CA "$WORK/ca-cert.pem" -CAkey "$WORK/ca-key.pem" -CAcreateserial -days 2 \
        -extfile <(printf 'subjectAltName=IP:%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$address") \
        -out "$pki/server-cert.pem" 2>/dev/null || return
    cp "$pki/server-key.pem" "$pki/client-key.pem"
    cp "$pki/server-cert.pem" "$pki/client-cert.pem"
    printf 'migrate_tls_x509_cert_dir = "/etc/libvirt/pki"\nmigrate_tls_x509_verify = 1\n' \
      >>"$(path $host /etc/libvirt/qemu.conf)"
    "$TWO_HOSTS" libvirtd $host restart
  done
}

test_tls() {
  step "without certificates a job that must be encrypted is refused, and the guest stays"
  new_guest
  job A g --mode pre-copy --tls --expect failed || fail "status $?: $(cat "$WORK/job")"
  expect_alive A g

  step "the stream is encrypted when the operator wants it"
  make_certificates || fail "no certificates"
  job A g --mode pre-copy --tls || fail "status $?: $(cat "$WORK/job")"
  expect_alive B g
  expect_still A g
  job B g --mode post-copy --tls || fail "status $?: $(cat "$WORK/job")"
  expect_alive A g
  expect_still B g
}

command -v openssl >/dev/null || skip "no openssl"
start_hosts
for name in ${*:-copy_storage save tls}; do
  "test_$name"
done
finish
