# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The guest of the two hosts: its kernel and initramfs, its domain XML, and how it is started.

GUEST_PACKAGES=(linux-image-amd64 qemu-system-x86 gcc libc6-dev cpio python3)
GUEST_MACHINE=pc-i440fx-7.2
# What the guest's kernel and its one program need beside the data that they are asked to hold.
GUEST_OVERHEAD_MIB=80
CONSOLE_DIR=/var/log/libvirt

# guest_image: directory with "vmlinux" and "initrd.gz", built when missing
guest_image() {
  local kernel key image
  install_packages "${GUEST_PACKAGES[@]}"
  kernel=$(newest_kernel)
  key=$(cat "$kernel" "$TESTBED/guest/vmft-guest.c" "$TESTBED/lib/extract-vmlinux.py" | sha256sum)
  image=$(cache_dir)/guest-${key::16}
  build_once "$image" guest_build "$kernel" || die "cannot build the guest"
  printf '%s\n' "$image"
}

guest_build() {
  local kernel=$1 out=$2
  python3 "$TESTBED/lib/extract-vmlinux.py" "$kernel" "$out/vmlinux" &&
    gcc -std=gnu11 -O2 -static -D_GNU_SOURCE -o "$out/init" "$TESTBED/guest/vmft-guest.c" &&
    (cd "$out" && printf 'init\n' | cpio --quiet -o -H newc | gzip -9 >initrd.gz && rm init)
}

# accelerator: kvm or tcg. /dev/kvm may open and yet not run a stock kernel (nested clouds), so the guest
# itself is booted once; the answer holds until the machine is booted again.
accelerator() {
  local image=$1 boot answer known
  boot=$(cat /proc/sys/kernel/random/boot_id)
  answer=$(cache_dir)/accelerator
  known=$(cat "$answer" 2>/dev/null)
  if [[ $known != "$boot "* ]]; then
    known="$boot tcg"
    ! kvm_boots "$image" || known="$boot kvm"
    printf '%s\n' "$known" >"$answer"
  fi
  printf '%s\n' "${known#* }"
}

# The real thing is there in well under a second; under emulation the same takes about three.
kvm_boots() {
  [[ -r /dev/kvm && -w /dev/kvm ]] && guest_boots kvm "$1" 5
}

# guest_boots kvm|tcg IMAGE SECONDS
guest_boots() {
  local output
  output=$(timeout "$3" qemu-system-x86_64 -accel "$1" -machine "$GUEST_MACHINE" -cpu qemu64 -m 128 -nodefaults \
    -display none -no-reboot -kernel "$2/vmlinux" -initrd "$2/initrd.gz" \
    -append 'console=ttyS0 quiet panic=-1 no_timer_check vmft.once=1' -serial stdio </dev/null 2>/dev/null)
  [[ $output == *'vmft-guest: READY'* ]]
}

# QEMU 7.2 under TCG loses dirty bits of RAM blocks whose size is a multiple of 256 KiB, and with them guest
# memory, in live migration (fixed upstream by "physmem: Fix migration dirty bitmap coherency with TCG memory
# access"). libvirt rounds <memory> up, hence the RAM block is declared beside it, 8 KiB larger.
xml_tcg_memory() {
  local kib=$(($1 * 1024 + 8))
  cat <<EOF
  <qemu:commandline>
    <qemu:arg value='-m'/>
    <qemu:arg value='size=${kib}k'/>
    <qemu:arg value='-object'/>
    <qemu:arg value='memory-backend-ram,id=vmft-ram,size=${kib}k'/>
    <qemu:arg value='-machine'/>
    <qemu:arg value='memory-backend=vmft-ram'/>
  </qemu:commandline>
EOF
}

# disk_create NAME MIB: a disk on storage that both hosts share; prints its path. libvirt 9.0 refuses to migrate
# a writable file on a local file system without --unsafe ("Migration without shared storage is unsafe"), with
# <shareable/> and cache='none' too; it takes a block device for shared. Hence a loop device over a shared file.
disk_create() {
  local file=$STATE/shared/$1.img
  [[ ! -e $file ]] || die "there is a disk $1 already: $file"
  if ! truncate -s "$2M" "$file" || ! losetup -f --show "$file"; then
    rm -f "$file"
    die "no loop device for $file"
  fi
}

disks_remove() {
  local device
  for device in $(losetup -l -n -O NAME,BACK-FILE | awk -v dir="$STATE/shared/" 'index($2, dir) == 1 { print $1 }'); do
    losetup -d "$device"
  done
}

# A raw file or a block device that both hosts see at one path
xml_disk() {
  local path=$1 readonly=$2 type=file attribute=file
  [[ ! -b $path ]] || type=block attribute=dev
  cat <<EOF
    <disk type='$type' device='disk'>
      <driver name='qemu' type='raw' cache='none'/>
      <source $attribute='$path'/>
      <target dev='vda' bus='virtio'/>
      ${readonly:+<readonly/>}
    </disk>
EOF
}

# guest_xml IMAGE ACCELERATOR NAME MEMORY CMDLINE DISK READONLY
guest_xml() {
  local image=$1 accelerator=$2 name=$3 memory=$4 cmdline=$5 disk=$6 readonly=$7 type=kvm
  [[ $accelerator == kvm ]] || type=qemu
  cat <<EOF
<domain type='$type' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>$name</name>
  <memory unit='MiB'>$memory</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='$GUEST_MACHINE'>hvm</type>
    <kernel>$image/vmlinux</kernel>
    <initrd>$image/initrd.gz</initrd>
    <cmdline>console=ttyS0 quiet panic=-1 no_timer_check $cmdline</cmdline>
  </os>
  <features>
    <acpi/>
  </features>
  <cpu mode='custom' match='exact' check='none'>
    <model fallback='forbid'>qemu64</model>
  </cpu>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>destroy</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    <serial type='file'>
      <source path='$CONSOLE_DIR/console-$name.log' append='on'/>
      <target port='0'/>
    </serial>
$([[ -z $disk ]] || xml_disk "$disk" "$readonly")
  </devices>
$([[ $accelerator == kvm ]] || xml_tcg_memory "$memory")
</domain>
EOF
}

# guest_console A|B NAME: the console log as seen from outside
guest_console() {
  printf '%s%s/console-%s.log\n' "$(host_root "$1")" "$CONSOLE_DIR" "$2"
}

guest_ready() {
  grep -qsa '^vmft-guest: READY' "$1"
}

# The last heartbeat on a console: sets BEAT and BAD, which are 0 before the first
# shellcheck disable=SC2034 # for the caller
guest_last_beat() {
  local line
  line=$(grep -as '^vmft-guest: beat=[0-9]* .*bad=[0-9]*' "$1" | tail -n 1)
  BEAT=0 BAD=0
  [[ ! $line =~ beat=([0-9]+)\ .*bad=([0-9]+) ]] || BEAT=${BASH_REMATCH[1]} BAD=${BASH_REMATCH[2]}
}

guest_has_beaten() {
  guest_last_beat "$1"
  ((BEAT >= $2 || BAD > 0))
}

# guest_wait_beat A|B NAME BEATS SECONDS: the numbers go on where they were, so the other host's console tells
# what has to be exceeded here
guest_wait_beat() {
  local console BEAT BAD before other=A
  [[ $1 == B ]] || other=B
  console=$(guest_console "$1" "$2")
  guest_last_beat "$(guest_console "$other" "$2")"
  before=$BEAT
  guest_last_beat "$console"
  ((BEAT <= before)) || before=$BEAT
  wait_until "$4" guest_has_beaten "$console" $((before + $3)) ||
    die "$2 does not beat on host $1: last beat $BEAT, wanted $((before + $3))"
  ((BAD == 0)) || die "$2 has $BAD bad pages on host $1"
}

# guest_fill_check MEMORY WORKING_SET FILL: what fits beside the guest's kernel; sets FILL if it is empty
guest_fill_check() {
  local room=$(($1 - GUEST_OVERHEAD_MIB - $2))
  ((room >= 0)) || usage_error "guest: a working set of $2 MiB does not fit into $1 MiB of memory"
  FILL=${3:-$((room / 2))}
  ((FILL <= room)) || usage_error "guest: --fill may be $room MiB at most here, not $FILL"
}

# guest_start A|B NAME MEMORY DIRTY_RATE WORKING_SET FILL PAGE_BYTES PERSISTENT DISK READONLY TIMEOUT
guest_start() {
  local host=$1 name=$2 memory=$3 rate=$4 working_set=$5 fill=$6 page_bytes=$7 persistent=$8 disk=$9
  local readonly=${10} timeout=${11} image xml console other

  image=$(guest_image) || exit
  xml=$STATE/$host/guest-$name.xml
  guest_xml "$image" "$(accelerator "$image")" "$name" "$memory" \
    "vmft.fill=$fill vmft.working_set=$working_set vmft.dirty_rate=$rate vmft.page_bytes=$page_bytes" \
    "$disk" "$readonly" >"$xml"
  for other in "${HOSTS[@]}"; do
    ! host_virsh "$other" domstate "$name" &>/dev/null || die "host $other has a domain named $name already"
    rm -f "$(guest_console "$other" "$name")"
  done
  if [[ -n $persistent ]]; then
    host_virsh "$host" define "$xml" >/dev/null && host_virsh "$host" start "$name" >/dev/null
  else
    host_virsh "$host" create "$xml" >/dev/null
  fi || die "host $host does not start $name"

  console=$(guest_console "$host" "$name")
  wait_until "$timeout" guest_ready "$console" || die "$name is not ready after $timeout s: $(tail -n 3 "$console")"
  grep -am1 '^vmft-guest: READY' "$console" | tr -d '\r' | sed "s/^vmft-guest:/$name:/"
}
