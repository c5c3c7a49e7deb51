/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole configuration as a table: what vmftd.conf may say. A key stands here because something reads it. */
#include "vmft-conf.h"
#include "vmft-hook-protocol.h"

#include <vmft-config.h>

static const VmftConfKey keys[] = {
  { "Daemon", "mode", VMFT_CONF_CHOICE, "observe", "observe|advise|act",
    "observe: detect and record; advise: make plans as well; act: carry them out" },
  { "Daemon", "state-directory", VMFT_CONF_PATH, VMFT_STATEDIR, NULL,
    "where the database lives; a change needs a restart" },
  { "Daemon", "bus", VMFT_CONF_CHOICE, "system", "system|none", "the bus that org.vmft1 is offered on" },
  { "Daemon", "sysfs", VMFT_CONF_PATH, "/sys", NULL, "where this host's sysfs is mounted" },
  { "Daemon", "proc", VMFT_CONF_PATH, "/proc", NULL, "where this host's proc is mounted" },
  { "Daemon", "hostname", VMFT_CONF_STRING, "", NULL,
    "this host's name in its log lines; empty for the machine's own, * to accept any" },
  { "Daemon", "retention", VMFT_CONF_DURATION, "90d", "3600..",
    "how long alarms, cleared incidents, plans and migrations are kept" },
  { "Daemon", "max-records", VMFT_CONF_INTEGER, "100000", "100..10000000",
    "how many alarms, cleared incidents, plans and migrations are kept, of each" },

  { "Source *", "type", VMFT_CONF_CHOICE, NULL, "file|journal|kmsg|syslog|pressure|qemu",
    "what this is: log files, systemd's journal, the kernel's own log, a receiver for rsyslog, stalls (PSI), "
    "or the "
    "logs of the VMs' QEMU" },
  { "Source *", "path", VMFT_CONF_LIST, "", NULL,
    "file: what to follow, shell patterns are allowed; qemu: empty for libvirt's logs; kmsg: empty for "
    "/dev/kmsg" },
  { "Source *", "trust", VMFT_CONF_CHOICE, "claimed", "claimed|kernel",
    "kernel: lines that say they are the kernel's are believed, because nobody else can write there; kmsg "
    "and this "
    "machine's journal are trusted without it, UDP is not with it" },
  { "Source *", "format", VMFT_CONF_CHOICE, "auto", "auto|bare|rfc3164|rfc5424|iso|kmsg|dmesg|qemu|libvirt",
    "file: how lines begin" },
  { "Source *", "directory", VMFT_CONF_PATH, "", NULL,
    "journal: files there, empty for this machine's journal; pressure: empty for /proc/pressure" },
  { "Source *", "namespace", VMFT_CONF_STRING, "", NULL, "journal: a namespace of this machine's journal" },
  { "Source *", "backlog", VMFT_CONF_DURATION, "30d", NULL,
    "journal: how much of its past is read the first time" },
  { "Source *", "listen", VMFT_CONF_LIST, "tcp:127.0.0.1:5514", NULL,
    "syslog: tcp:ADDRESS:PORT and udp:ADDRESS:PORT" },
  { "Source *", "allow", VMFT_CONF_LIST, "", NULL,
    "syslog: addresses and networks that may send; empty: this machine only" },
  { "Source *", "max-connections", VMFT_CONF_INTEGER, "64", "1..4096", "syslog: TCP connections at a time" },
  { "Source *", "memory", VMFT_CONF_NUMBER, "0.15", "0..0.999",
    "pressure: share of 2 s in which some task waits for memory; 0: not watched" },
  { "Source *", "io", VMFT_CONF_NUMBER, "0.9", "0..0.999",
    "pressure: share of 2 s in which all tasks wait for I/O; 0: not watched" },
  { "Source *", "cpu", VMFT_CONF_NUMBER, "0", "0..0.999",
    "pressure: share of 2 s in which some task waits for a CPU; 0: not watched, since on a host with more "
    "vCPUs than CPUs some task always does" },

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
  { "Detector", "masks", VMFT_CONF_PATH, "", NULL,
    "masks instead of the default ones: a file with a name and a PCRE2 pattern a line" },
  { "Detector", "families", VMFT_CONF_PATH, "", NULL, "fault-family table; empty for the installed one" },

  { "Record", "enabled", VMFT_CONF_BOOLEAN, "false", NULL,
    "keep every log line from some time before an incident until after the failure, in runs under the state "
    "directory, for vmftctl record; nothing is redacted" },
  { "Record", "context", VMFT_CONF_DURATION, "10min", "0..86400",
    "how much of what was said before the first alarm belongs to a run; 4 MiB at most" },
  { "Record", "aftermath", VMFT_CONF_DURATION, "1min", "0..86400",
    "a run goes on for so long after its failure" },
  { "Record", "max-size", VMFT_CONF_BYTES, "64M", NULL, "of one run; what comes later is counted only" },
  { "Record", "max-runs", VMFT_CONF_INTEGER, "20", "1..10000", "the oldest make room for new ones" },

  { "Inference", "provider", VMFT_CONF_CHOICE, "kernel-model", "kernel-model|llm|none",
    "who is asked whether a template announces a fault" },
  { "Inference", "url", VMFT_CONF_STRING, "", NULL,
    "llm: an endpoint that speaks OpenAI's chat completions, such as https://HOST/v1" },
  { "Inference", "model", VMFT_CONF_STRING, "", NULL, "llm: name of the model" },
  { "Inference", "key-file", VMFT_CONF_PATH, "", NULL, "llm: file with the key" },
  { "Inference", "credential", VMFT_CONF_STRING, "", NULL, "llm: systemd credential with the key" },
  { "Inference", "prompt", VMFT_CONF_CHOICE, "few-shot", "few-shot|zero-shot",
    "llm: with samples of what is normal here, or without them but with \"unsure\"" },
  { "Inference", "deadline", VMFT_CONF_DURATION, "30s", "1..600", "how long one attempt may take" },
  { "Inference", "max-queued", VMFT_CONF_INTEGER, "256", "1..100000", "questions that may wait" },

  { "LeadTime", "origin", VMFT_CONF_CHOICE, "auto", "auto|field|testbed|paper",
    "whose history of failures this host believes; auto: the one with most events, field first" },

  { "Estimator", "sample-interval", VMFT_CONF_DURATION, "60s", "1..86400",
    "from one dirty-rate reading of a VM to its next" },
  { "Estimator", "sample-pause", VMFT_CONF_DURATION, "2s", "0..3600",
    "least time between readings of any two VMs" },
  { "Estimator", "read-memory", VMFT_CONF_BOOLEAN, "true", NULL,
    "sample guest pages directly where the kernel permits it (CAP_SYS_PTRACE); else through libvirt" },

  { "Policy", "modes", VMFT_CONF_STRING, "all", NULL,
    "modes allowed: pre-copy, xbzrle, auto-converge, hybrid, post-copy, or all" },
  { "Policy", "confidence", VMFT_CONF_NUMBER, "0.9", "0.5..0.999",
    "probability of arriving in time at which a mode is good enough" },
  { "Policy", "guard", VMFT_CONF_DURATION, "1s", "0..3600",
    "safety margin between the end of a migration and the failure" },
  { "Policy", "fallback", VMFT_CONF_CHOICE, "fastest", "fastest|alert|save",
    "what to do with VMs that no destination takes, or takes in time: try the fastest way there is; leave "
    "them "
    "and say so; or save them to shared storage, after those that move" },
  { "Policy", "cool-down", VMFT_CONF_DURATION, "10min", NULL, "a VM that moved less than so long ago stays" },
  { "Policy", "max-failures", VMFT_CONF_INTEGER, "5", "1..100",
    "a VM that failed to move so often in one incident stays" },
  { "Policy", "loss", VMFT_CONF_DURATION, "10min", NULL, "what losing a VM costs, as time of its service" },
  { "Policy", "move-cost", VMFT_CONF_DURATION, "1s", NULL, "what a move costs beyond its downtime" },
  { "Policy", "suspect-share", VMFT_CONF_NUMBER, "0.34", "0..1",
    "more than this share of the destinations suspect: advise only" },
  { "Policy", "same-template-time", VMFT_CONF_DURATION, "10min", NULL,
    "a destination that showed the same line so recently: advise only" },
  { "Policy", "when-cleared", VMFT_CONF_CHOICE, "stop", "finish|stop|abort",
    "an incident that clears during its evacuation: finish it, stop after the jobs that run, or abort those "
    "too" },
  { "Policy", "replan-interval", VMFT_CONF_DURATION, "5s", "0.1..3600",
    "least time between two plans for one incident" },

  { "Libvirt", "uri", VMFT_CONF_STRING, "qemu:///system", NULL, "the libvirt of this host" },
  { "Libvirt", "shared-paths", VMFT_CONF_LIST, "", NULL,
    "directories, devices and vhost-user sockets that are the same on all hosts though the kernel cannot "
    "tell" },

  { "Arrivals", "socket", VMFT_CONF_PATH, VMFT_HOOK_SOCKET, NULL, "where libvirt's hook finds vmftd" },
  { "Arrivals", "limit", VMFT_CONF_INTEGER, "0", "0..1000", "VMs coming at a time; 0: any number" },
  { "Arrivals", "reserve-memory", VMFT_CONF_BYTES, "256M", NULL,
    "memory of this host that no arriving VM may take" },

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
  { "Migration", "xbzrle-cache", VMFT_CONF_BYTES, "0", NULL, "0: one that holds the VM's working set" },
  { "Migration", "parallel-connections", VMFT_CONF_INTEGER, "0", "0..255",
    "multifd streams of a job; 0: off" },
  { "Migration", "copy-storage", VMFT_CONF_BOOLEAN, "false", NULL, "copy disks that are not shared" },
  { "Migration", "tls", VMFT_CONF_BOOLEAN, "false", NULL, "encrypt the migration stream" },
  { "Migration", "save-directory", VMFT_CONF_STRING, "", NULL,
    "shared storage for VMs that are saved (fallback=save), as NAME-UUID.save; empty: libvirt's managed "
    "save" },
  { "Migration", "command", VMFT_CONF_STRING, "", NULL,
    "moves VMs in libvirt's place: gets the plan as JSON, whose steps are the VMs it is to move now; exit "
    "status 0 done, 75 again later, else failed" },
  { "Migration", "command-timeout", VMFT_CONF_DURATION, "10min", "1..86400", "how long it may take" },

  { "Destination *", "uri", VMFT_CONF_STRING, NULL, NULL,
    "libvirt URI of the host as this host's libvirtd opens it" },
  { "Destination *", "migrate-uri", VMFT_CONF_STRING, "", NULL,
    "where the stream goes (tcp://HOST); empty: libvirt decides" },
  { "Destination *", "bandwidth", VMFT_CONF_BYTES, "0", NULL,
    "speed of the link there, per second, until jobs have measured it; 0: unknown" },
  { "Destination *", "limit-in", VMFT_CONF_INTEGER, "0", "0..1000",
    "incoming jobs at a time; 0: any number" },
  { "Destination *", "same-storage", VMFT_CONF_LIST, "", NULL,
    "block devices or pools of this host whose failure hits that host too" },
  { "Destination *", "weight", VMFT_CONF_NUMBER, "1", "0.001..1000", "preference among destinations" },
  { "Destination *", "tags", VMFT_CONF_LIST, "", NULL, "words of your own, for VMs that want them" },
  { "Destination *", "status-url", VMFT_CONF_STRING, "", NULL,
    "where that host says whether it is suspect itself: http://HOST:8638/api/v1/status of its vmftd; empty: "
    "only its libvirt is asked" },
  { "Destination *", "status-token-file", VMFT_CONF_PATH, "", NULL, "bearer token for it" },

  { "VM *", "tags", VMFT_CONF_LIST, "", NULL,
    "the VM of this name moves only to destinations that have all of these" },

  { "HTTP", "listen", VMFT_CONF_LIST, "127.0.0.1:8638", NULL,
    "ADDRESS:PORT of the status page, the API and the metrics; empty: nowhere" },
  { "HTTP", "token-file", VMFT_CONF_PATH, "", NULL,
    "bearer token that clients must show; required where others can reach an address; empty: credential "
    "http-token, if there is one" },
  { "HTTP", "allowed-hosts", VMFT_CONF_LIST, "", NULL,
    "names under which this server is reached, besides its addresses, localhost and the host's own" },
  { "HTTP", "max-clients", VMFT_CONF_INTEGER, "256", "1..10000", "clients of the event stream at a time" },

  { "Heartbeat", "listen", VMFT_CONF_LIST, "", NULL,
    "ADDRESS:PORT where VMs and hosts beat; empty: nowhere" },
  { "Heartbeat", "tokens-file", VMFT_CONF_PATH, "", NULL,
    "lines NAME TOKEN, one for each VM or host; empty: credential heartbeat-tokens" },
  { "Heartbeat", "heartbeat-period", VMFT_CONF_DURATION, "15s", "1..3600",
    "how often each is meant to beat; more than five times as often is refused" },
  { "Heartbeat", "heartbeat-timeout", VMFT_CONF_DURATION, "18s", "1..7200",
    "silence after which one that was heard counts as failed" },

  { "Alerts", "events", VMFT_CONF_LIST, "incident-raised incident-cleared plan-made migration-finished", NULL,
    "what to tell" },
  { "Alerts", "command", VMFT_CONF_PATH, "", NULL,
    "program that is run with the event as argument and its JSON on standard input" },
  { "Alerts", "webhook", VMFT_CONF_STRING, "", NULL, "URL that gets the JSON as a POST" },
  { "Alerts", "webhook-secret-file", VMFT_CONF_PATH, "", NULL,
    "key of the signature in header X-Vmft-Signature; empty: credential webhook-secret, if there is one" },
  { "Alerts", "timeout", VMFT_CONF_DURATION, "30s", "1..600", "for one attempt of command or webhook" },
  { "Alerts", "queue", VMFT_CONF_INTEGER, "256", "1..100000",
    "alerts kept for each while it does not take them" },
};

const VmftConfKey *
vmft_conf_keys (guint *n_keys)
{
  *n_keys = G_N_ELEMENTS (keys);
  return keys;
}
