/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole configuration as a table: what vmftd.conf may say. A key stands here because something reads it. */
#include "vmft-conf.h"

#include <vmft-config.h>

static const VmftConfKey keys[] = {
  { "Daemon", "mode", VMFT_CONF_CHOICE, "observe", "observe|advise|act",
    "observe: detect and record; advise: make plans as well; act: carry them out" },
  { "Daemon", "state-directory", VMFT_CONF_PATH, VMFT_STATEDIR, NULL, "where the database lives" },
  { "Daemon", "bus", VMFT_CONF_CHOICE, "system", "system|none", "the bus that org.vmft1 is offered on" },
  { "Daemon", "hostname", VMFT_CONF_STRING, "", NULL,
    "this host's name in its log lines; empty for the machine's own, * to accept any" },
  { "Daemon", "retention", VMFT_CONF_DURATION, "90d", "3600..",
    "how long alarms, plans and migrations are kept" },
  { "Daemon", "max-records", VMFT_CONF_INTEGER, "100000", "100..10000000",
    "how many alarms, plans and migrations are kept, of each" },

  { "Source *", "type", VMFT_CONF_CHOICE, NULL, "file", "what kind of log this is" },
  { "Source *", "path", VMFT_CONF_LIST, "", NULL, "files to follow; shell patterns are allowed" },
  { "Source *", "trust", VMFT_CONF_CHOICE, "claimed", "claimed|kernel",
    "kernel: lines that say they are the kernel's are believed, because nobody else can write there" },
  { "Source *", "format", VMFT_CONF_CHOICE, "auto", "auto|bare|rfc3164|rfc5424|iso|kmsg|dmesg|qemu|libvirt",
    "how lines begin" },

  { "Detector", "engine", VMFT_CONF_CHOICE, "kernel", "kernel|vmft-lad", "the engine that raises alarms" },
  { "Detector", "preset", VMFT_CONF_CHOICE, "published", "published|paper", "parameters of engine vmft-lad" },
  { "Detector", "learning-time", VMFT_CONF_DURATION, "1h", NULL,
    "what a healthy host says during its backlog and so much longer is normal" },
  { "Detector", "learning-lines", VMFT_CONF_INTEGER, "0", "0..1000000000",
    "learning ends after so many lines instead; 0: by time" },
  { "Detector", "boot-time", VMFT_CONF_DURATION, "120s", NULL,
    "kernel uptime at which booting counts as over" },
  { "Detector", "quiet-time", VMFT_CONF_DURATION, "30min", "1..",
    "an incident without a lasting state clears after so long without an alarm" },
  { "Detector", "max-templates", VMFT_CONF_INTEGER, "100000", "100..10000000",
    "bound on templates in memory" },
  { "Detector", "model", VMFT_CONF_PATH, "", NULL, "kernel-message model; empty for the installed one" },
  { "Detector", "families", VMFT_CONF_PATH, "", NULL, "fault-family table; empty for the installed one" },

  { "Libvirt", "uri", VMFT_CONF_STRING, "qemu:///system", NULL, "the libvirt of this host" },

  { "Migration", "peer-to-peer", VMFT_CONF_BOOLEAN, "true", NULL,
    "the source's libvirtd talks to the destination's, so that a job outlives vmftd" },
  { "Migration", "persistent", VMFT_CONF_BOOLEAN, "true", NULL,
    "define the VM on the destination and undefine it here" },
  { "Migration", "bandwidth", VMFT_CONF_BYTES, "0", NULL, "limit of one job, per second; 0: none" },
  { "Migration", "postcopy-bandwidth", VMFT_CONF_BYTES, "0", NULL,
    "limit of a job in post-copy, per second; 0: none" },
  { "Migration", "max-downtime", VMFT_CONF_DURATION, "300ms", "0.001..60",
    "how long pre-copy may stop a VM that sets no limit of its own" },
  { "Migration", "max-parallel", VMFT_CONF_INTEGER, "1", "1..64",
    "jobs at a time: they share the link, so more than one only helps when one cannot fill it" },
  { "Migration", "parallel-connections", VMFT_CONF_INTEGER, "0", "0..255",
    "multifd streams of a job; 0: off" },
  { "Migration", "copy-storage", VMFT_CONF_BOOLEAN, "false", NULL, "copy disks that are not shared" },
  { "Migration", "tls", VMFT_CONF_BOOLEAN, "false", NULL, "encrypt the migration stream" },

  { "Destination *", "uri", VMFT_CONF_STRING, NULL, NULL,
    "libvirt URI of the host as this host's libvirtd opens it" },
  { "Destination *", "migrate-uri", VMFT_CONF_STRING, "", NULL,
    "where the stream goes (tcp://HOST); empty: libvirt decides" },
  { "Destination *", "weight", VMFT_CONF_NUMBER, "1", "0.001..1000", "preference among destinations" },
  { "Destination *", "tags", VMFT_CONF_LIST, "", NULL, "what the host offers, for VMs that ask for it" },
};

const VmftConfKey *
vmft_conf_keys (guint *n_keys)
{
  *n_keys = G_N_ELEMENTS (keys);
  return keys;
}
