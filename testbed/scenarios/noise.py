# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ordinary life on a host: each act makes the real kernel or a real daemon say something, and none is a fault."""
import threading

from standin.host import HostError


class Noise(threading.Thread):
    """Does one thing after another at random until stopped."""

    PAUSE_S = (0.2, 1.4)

    def __init__(self, host, chance):
        super().__init__(daemon=True)
        self.host = host
        self.random = chance
        self.ended = threading.Event()
        self.count = 0
        self.mounted = False

    def stop(self):
        # A host that has failed may never answer what it was told last.
        self.ended.set()
        self.join(3)

    def run(self):
        acts = (self.mount_image, self.mount_image, self.plug_usb, self.flap_nic, self.guest_nic, self.guest_nic,
                self.veth_pair, self.dummy_nic, self.vlan, self.swap, self.renew_lease, self.rotate_log, self.crash,
                self.remount, self.sniff, self.log_in, self.cron_job, self.restart_service, self.install_package,
                self.plug_usb_disk, self.timer_job, self.timer_job, self.backup_job, self.reload_systemd)
        try:
            self.host.run("modprobe loop; modprobe tun; modprobe zram; ip link add virbr0 type bridge && "
                          "ip link set virbr0 up && dd if=/dev/zero of=/tmp/image bs=1M count=0 seek=24 && "
                          "mkfs.ext4 -q -F /tmp/image && mkdir -p /mnt/image")
            while not self.ended.wait(self.random.uniform(*self.PAUSE_S)):
                self.count += 1
                self.random.choice(acts)()
        except (HostError, OSError, ValueError):
            pass  # the host is going down: there is no ordinary life left

    def pause(self, low, high):
        self.ended.wait(self.random.uniform(low, high))

    def mount_image(self):
        if self.mounted:
            self.host.run("umount /mnt/image")
        else:
            self.host.run("mount -o loop /tmp/image /mnt/image && "
                          "dd if=/dev/urandom of=/mnt/image/file%d bs=64k count=8 && sync" % (self.count % 5))
        self.mounted = not self.mounted

    def remount(self):
        if self.mounted:
            self.host.run("mount -o remount,ro /mnt/image && mount -o remount,rw /mnt/image")

    def plug_usb(self):
        device = "usb%d" % self.count
        self.host.monitor.execute("device_add", driver="usb-kbd", bus="usb.0", id=device)
        self.pause(0.8, 2.0)
        self.host.monitor.execute("device_del", id=device)

    def flap_nic(self):
        self.host.monitor.execute("set_link", name="nic2", up=False)
        self.pause(2.2, 3.5)
        self.host.monitor.execute("set_link", name="nic2", up=True)

    def guest_nic(self):
        tap = "vnet%d" % (self.count % 4)
        self.host.run("tunctl -t {0} && ip link set {0} up && ip link set {0} master virbr0".format(tap))
        self.pause(0.5, 2.0)
        self.host.run("ip link set {0} nomaster; tunctl -d {0}".format(tap))

    def veth_pair(self):
        self.host.run("ip link add ve{0}a type veth peer name ve{0}b && ip link set ve{0}a up && ip link set ve{0}b up "
                      "&& sleep 0.5; ip link del ve{0}a".format(self.count))

    def dummy_nic(self):
        self.host.run("modprobe dummy numdummies=1 && ip link set dummy0 up; sleep 0.5; modprobe -r dummy")

    def vlan(self):
        self.host.run("modprobe 8021q && ip link add link eth1 name eth1.7 type vlan id 7 && ip link set eth1.7 up; "
                      "sleep 0.5; ip link del eth1.7")

    def swap(self):
        self.host.run("echo 1 >/sys/block/zram0/reset; echo 24M >/sys/block/zram0/disksize && mkswap /dev/zram0 && "
                      "swapon /dev/zram0; sleep 0.5; swapoff /dev/zram0")

    def renew_lease(self):
        self.host.start("udhcpc -i eth0 -n -q -S -t 2 -s /bin/true")

    def rotate_log(self):
        self.host.start("logrotate -f /etc/logrotate.conf")

    def crash(self):
        if self.count % 9 == 0:
            self.host.start("hostload crash")

    def sniff(self):
        self.host.run("ip link set eth1 promisc on; sleep 0.5; ip link set eth1 promisc off")

    def log_in(self):
        self.host.start("ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "
                        "-i /root/.ssh/id_ed25519 root@127.0.0.1 true")

    def cron_job(self):
        # Cron looks once a minute; a job more or less is what it finds then.
        self.host.run("echo '* * * * * root [ -x /bin/true ] && /bin/true %d' >/etc/cron.d/job%d"
                      % (self.count, self.count % 3))

    def restart_service(self):
        service = self.random.choice(("cron", "ssh", "rsyslog", "systemd-timesyncd", "systemd-logind", "systemd-udevd"))
        self.host.start("systemctl restart " + service)

    def timer_job(self):
        # What a timer starts once a day, as it would.
        self.host.start("systemctl start " + self.random.choice(("logrotate", "systemd-tmpfiles-clean")))

    def backup_job(self):
        self.host.start("systemd-run --collect --unit=backup-%d tar -cf /dev/null /etc" % self.count)

    def reload_systemd(self):
        self.host.start("systemctl daemon-reload")

    def install_package(self):
        # By its path: busybox's shell has a dpkg of its own, which logs nothing.
        self.host.start("/usr/bin/dpkg -i --force-all /root/host-tools.deb")

    def plug_usb_disk(self):
        device = "stick%d" % self.count
        self.host.monitor.execute("blockdev-add", driver="null-co", **{"node-name": device, "size": 64 << 20,
                                                                       "read-zeroes": True})
        self.host.monitor.execute("device_add", driver="usb-storage", bus="usb.0", id=device, drive=device)
        self.pause(2.5, 4.0)
        self.host.monitor.execute("device_del", id=device)
