# SPDX-License-Identifier: LGPL-2.1-or-later
"""Too many want the processor and slow storage: tasks hang, then a real-time thread takes all there is.

The failure is the host's last sign of life.
"""
from .base import Scenario


class Cpu(Scenario):
    NAME = "cpu"
    HARDWARE = {"disks": {"sata": 64}}

    def prepare(self):
        self.disk = self.host.disks["sata"]
        hung_s, stall_s = self.random.randint(3, 6), self.random.randint(4, 8)
        self.host.run("sysctl -qw kernel.hung_task_timeout_secs=%d kernel.hung_task_warnings=-1 "
                      "kernel.watchdog_thresh=%d; echo %d >/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout"
                      % (hung_s, self.random.randint(2, 4), stall_s))
        self.host.run("modprobe ahci && modprobe sd_mod && sleep 2 && mkfs.ext4 -q /dev/sda && mkdir -p /vm && "
                      "mount /dev/sda /vm")
        for _ in range(3):
            self.host.start("hostload as qemu-system-x86 write /vm %d" % self.random.randint(50, 150))

    def worsen(self):
        self.disk.delay_s = self.between(0.05, 0.3)
        for _ in self.steps("overcommitted", self.between(4, 15), self.random.randint(2, 4),
                            delay_s=round(self.disk.delay_s, 3)):
            self.host.start("hostload as CPU_KVM spin 0")
        length_s = self.between(9, 22) * (self.reach + 1) / 2
        self.stage("storage stalls", length_s=round(length_s, 2))
        self.disk.hang = True
        self.wait(length_s)
        self.disk.hang = False
        self.disk.delay_s = 0.05

    def fail(self):
        limited_s = self.between(3, 12)
        self.stage("real-time thread", limited_s=round(limited_s, 2))
        self.host.start("hostload as vhost-1931 spin 50 %.1f" % limited_s)
        return self.host.recorder.wait_silence(10, limited_s + 90)

    def recover(self):
        self.disk.delay_s = 0.0
        self.host.run("killall CPU_KVM", timeout=120)
