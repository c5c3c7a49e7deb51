/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How fast lines become templates: `meson test --benchmark -v bench-parser`; bench-parser LINES FILE takes its
 * lines from a log, over and over. */
#include "vmft-drain.h"
#include "vmft-line.h"
#include "vmft-mask.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define POOL_LINES (1 << 18)
#define HEADER     "2026-11-23T08:33:48.413755+00:00 host01 kernel: [   42.132541] "

/* %d a number, %i a small one, %x hexadecimal with 0x, %h a byte without, %s a disk, %v a guest's interface. */
static const char *const shapes[] = {
  "I/O error, dev %s, sector %d op %x:(READ) flags %x phys_seg %d prio class %d",
  "Buffer I/O error on dev %s, logical block %d, async page read",
  "sd %d:%d:%d:%d: [%s] tag#%d FAILED Result: hostbyte=DID_OK driverbyte=DRIVER_OK cmd_age=%ds",
  "sd %d:%d:%d:%d: [%s] tag#%d Sense Key : Medium Error [current]",
  "sd %d:%d:%d:%d: [%s] tag#%d CDB: Read(10) %h %h %h %h %h %h %h %h %h %h",
  "EXT4-fs (%s1): mounted filesystem with ordered data mode. Quota mode: none.",
  "EXT4-fs error (device %s1): ext4_find_entry:%d: inode #%d: comm qemu-system-x86: reading directory lblock "
  "%d",
  "br0: port %d(%v) entered blocking state",
  "br0: port %d(%v) entered forwarding state",
  "device %v entered promiscuous mode",
  "device %v left promiscuous mode",
  "IPv6: ADDRCONF(NETDEV_CHANGE): %v: link becomes ready",
  "mce: [Hardware Error]: Machine check events logged",
  "mce: [Hardware Error]: CPU %d: Machine Check: %d Bank %d: %x",
  "EDAC MC%i: %d CE memory read error on CPU_SrcID#%i_Ha#%i_Chan#%i_DIMM#%i (page:%x offset:%x grain:%d)",
  "pcieport 0000:00:%h.%d: AER: Corrected error received: 0000:01:%h.%d",
  "ata%i.00: exception Emask %x SAct %x SErr %x action %x frozen",
  "ata%i: SATA link up 6.0 Gbps (SStatus %d SControl %d)",
  "ata%i: hard resetting link",
  "nvme nvme%i: I/O %d QID %d timeout, aborting",
  "INFO: task qemu-system-x86:%d blocked for more than %d seconds.",
  "kvm [%d]: vcpu%d, guest rIP: %x disabled perfctr wrmsr: %x data %x",
  "audit: type=%d audit(%d.%d:%d): apparmor=\"STATUS\" operation=\"profile_load\" profile=\"unconfined\" "
  "name=\"libvirt-%h\" pid=%d comm=\"apparmor_parser\"",
  "Out of memory: Killed process %d (qemu-system-x86) total-vm:%dkB, anon-rss:%dkB, file-rss:%dkB",
  "perf: interrupt took too long (%d > %d), lowering kernel.perf_event_max_sample_rate to %d",
  "usb %d-%d: new high-speed USB device number %d using xhci_hcd",
  "e1000e 0000:00:1f.%d eno1: NIC Link is Up 1000 Mbps Full Duplex, Flow Control: Rx/Tx",
  "md/raid1:md%i: Disk failure on %s1, disabling device.",
  "systemd[1]: Started Virtual Machine qemu-%d-vm%i.",
  "CPU%i: Core temperature above threshold, cpu clock throttled (total events = %d)",
  "RAX: ffff%h%h%h RBX: %h%h%h%h RCX: 0000000000000000",
  "Modules linked in: vhost_net vhost tap bridge stp llc kvm_amd kvm irqbypass nvme nvme_core",
};

typedef struct
{
  GString *text;  /* headers and all, one after the other */
  GArray *starts; /* (guint32) one more for the end */
  guint n;
} Pool;

static void
append_shape (GString *out, const char *shape, GRand *rand)
{
  static const char *const devices[] = { "sda", "sdb", "sdc", "dm-0", "nvme0n1", "vda" };

  for (const char *p = shape; *p != '\0'; p++)
    {
      if (*p != '%')
        {
          g_string_append_c (out, *p);
          continue;
        }
      switch (*++p)
        {
        case 'd':
          g_string_append_printf (out, "%d", g_rand_int_range (rand, 0, 1 << g_rand_int_range (rand, 1, 24)));
          break;
        case 'i':
          g_string_append_printf (out, "%d", g_rand_int_range (rand, 0, 8));
          break;
        case 'x':
          g_string_append_printf (out, "0x%x", g_rand_int (rand));
          break;
        case 'h':
          g_string_append_printf (out, "%02x", (guint) g_rand_int_range (rand, 0, 256));
          break;
        case 's':
          g_string_append (out, devices[g_rand_int_range (rand, 0, G_N_ELEMENTS (devices))]);
          break;
        default:
          g_string_append_printf (out, "vnet%d", g_rand_int_range (rand, 0, 40));
          break;
        }
    }
}

static void
pool_init (Pool *pool)
{
  pool->text = g_string_new (NULL);
  pool->starts = g_array_new (FALSE, FALSE, sizeof (guint32));
  pool->n = 0;
}

static void
pool_clear (Pool *pool)
{
  g_string_free (pool->text, TRUE);
  g_array_unref (pool->starts);
}

static void
pool_end_line (Pool *pool)
{
  guint32 end = (guint32) pool->text->len;

  g_array_append_val (pool->starts, end);
}

static void
pool_generate (Pool *pool)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);

  for (pool->n = 0; pool->n < POOL_LINES; pool->n++)
    {
      pool_end_line (pool);
      g_string_append (pool->text, HEADER);
      append_shape (pool->text, shapes[g_rand_int_range (rand, 0, G_N_ELEMENTS (shapes))], rand);
    }
  pool_end_line (pool);
}

static void
pool_read (Pool *pool, const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, &error))
    g_error ("%s", error->message);
  for (char *line = text, *end; (end = strchr (line, '\n')) != NULL; line = end + 1, pool->n++)
    {
      pool_end_line (pool);
      g_string_append_len (pool->text, line, end - line);
    }
  pool_end_line (pool);
}

/* Returns: a counter of this thread's instructions in user space, or -1. */
static int
open_counter (void)
{
  struct perf_event_attr attr = {
    .type = PERF_TYPE_HARDWARE,
    .size = sizeof attr,
    .config = PERF_COUNT_HW_INSTRUCTIONS,
    .exclude_kernel = 1,
    .exclude_hv = 1,
  };

  return (int) syscall (SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static guint64
read_counter (int counter)
{
  guint64 value = 0;

  return counter >= 0 && read (counter, &value, sizeof value) == sizeof value ? value : 0;
}

/* Of this thread: what else the machine does is not the parser's time. */
static double
cpu_seconds (void)
{
  struct timespec now;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
  return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

typedef struct
{
  VmftDrain *drain;
  char *masked;
  guint64 sink;
} Work;

typedef void (*WorkFunc) (Work *work, const char *data, gsize length);

static void
mask_only (Work *work, const char *data, gsize length)
{
  const gsize header = sizeof HEADER - 1;

  work->sink += vmft_mask_default (data + header, length - header, work->masked);
}

static void
mine (Work *work, const char *data, gsize length)
{
  const gsize header = sizeof HEADER - 1;
  VmftDrainMatch match;

  vmft_drain_add (work->drain, data + header, length - header, &match);
  work->sink += match.id;
}

static void
split_and_mine (Work *work, const char *data, gsize length)
{
  VmftDrainMatch match;
  VmftLine line;

  vmft_line_split (&line, VMFT_LINE_AUTO, data, length, 0);
  vmft_drain_add (work->drain, line.text.data, line.text.length, &match);
  work->sink += match.id;
}

static void
measure (const char *name, WorkFunc func, const Pool *pool, guint64 n_lines, int counter)
{
  g_autoptr (VmftDrain) drain = NULL;
  g_autofree char *masked = g_malloc (vmft_mask_bound (4096));
  g_autofree char *instructions = NULL;
  VmftDrainConfig config;
  Work work = { .masked = masked };
  guint64 counted, bytes = 0;
  double started, seconds;

  vmft_drain_config_init (&config);
  config.max_clusters = 10000;
  drain = work.drain = vmft_drain_new (&config, NULL);
  counted = read_counter (counter);
  started = cpu_seconds ();
  for (guint64 i = 0; i < n_lines; i++)
    {
      const guint32 *start = &g_array_index (pool->starts, guint32, i % pool->n);
      gsize length = start[1] - start[0];

      func (&work, pool->text->str + start[0], length);
      bytes += length;
    }
  seconds = cpu_seconds () - started;
  counted = read_counter (counter) - counted;
  instructions = counter >= 0 ? g_strdup_printf ("%6.0f", (double) counted / n_lines) : g_strdup ("   n/a");
  g_print ("%-16s %9" G_GUINT64_FORMAT " lines  %6.2f M lines/s  %7.1f MB/s  %s instructions/line  "
           "%4u templates  %5" G_GSIZE_FORMAT " KiB\n",
           name, n_lines, n_lines / seconds / 1e6, bytes / seconds / 1e6, instructions,
           vmft_drain_n_clusters (drain), vmft_drain_memory_bytes (drain) / 1024);
}

int
main (int argc, char **argv)
{
  guint64 most = argc > 1 ? g_ascii_strtoull (argv[1], NULL, 10) : 10 * 1000 * 1000;
  gboolean generated = argc < 3;
  int counter = open_counter ();
  Pool pool;

  pool_init (&pool);
  if (counter < 0)
    g_print ("instructions: not available here (perf_event_open: %s)\n", g_strerror (errno));
  if (generated)
    pool_generate (&pool);
  else
    pool_read (&pool, argv[2]);
  g_print ("one core, %s lines of %.0f bytes with their header, default masks\n",
           generated ? "kernel-like" : "the log's", (double) pool.text->len / MAX (pool.n, 1));
  for (guint64 n = 10000; generated && n <= most; n *= 10)
    measure ("mine", mine, &pool, n, counter);
  if (pool.n > 0)
    measure ("split and mine", split_and_mine, &pool, most, counter);
  if (generated)
    measure ("mask alone", mask_only, &pool, most, counter);
  if (counter >= 0)
    close (counter);
  pool_clear (&pool);
  return 0;
}
