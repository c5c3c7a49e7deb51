/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks that were pulled out, as the kernel tells of them, and what that must not hide. */
#include "vmft-detector.h"
#include "vmft-locus.h"
#include "vmft-unplugged.h"

#include <string.h>

#define START (G_GINT64_CONSTANT (1800000000) * G_USEC_PER_SEC)

static VmftLine
make_line (const char *text, VmftTrust trust)
{
  return (VmftLine){ .kernel = TRUE, .trust = trust, .text = { text, strlen (text) } };
}

static void note (VmftUnplugged *unplugged, VmftTrust trust, const char *first, ...) G_GNUC_NULL_TERMINATED;

static void
note (VmftUnplugged *unplugged, VmftTrust trust, const char *first, ...)
{
  va_list texts;

  va_start (texts, first);
  for (const char *text = first; text != NULL; text = va_arg (texts, const char *))
    {
      VmftLine line = make_line (text, trust);

      vmft_unplugged_note (unplugged, &line, START);
    }
  va_end (texts);
}

static gboolean
explains_at (VmftUnplugged *unplugged, VmftTrust trust, const char *text, double seconds)
{
  VmftLine line = make_line (text, trust);
  VmftLocus locus;

  vmft_locus_scan (text, strlen (text), &locus);
  return vmft_unplugged_explains (unplugged, &line, &locus,
                                  START + (VmftTime) (seconds * (double) G_USEC_PER_SEC));
}

static gboolean
explains (VmftUnplugged *unplugged, const char *text)
{
  return explains_at (unplugged, VMFT_TRUST_KERNEL, text, 1);
}

#define SDA_LOST "sd 6:0:0:0: [sda] Synchronize Cache(10) failed: Result: hostbyte=DID_NO_CONNECT"
#define SDA_READ "Buffer I/O error on dev sda1, logical block 0, async page read"

static void
test_stick (void)
{
  g_autoptr (VmftUnplugged) unplugged = vmft_unplugged_new ();

  note (unplugged, VMFT_TRUST_KERNEL, "scsi host6: usb-storage 2-1:1.0",
        "sd 6:0:0:0: [sda] Attached SCSI disk", NULL);
  g_assert_false (explains (unplugged, SDA_LOST)); /* it is still there: a stick that fails */
  note (unplugged, VMFT_TRUST_KERNEL, "usb 2-1: USB disconnect, device number 2", NULL);
  g_assert_true (explains (unplugged, SDA_LOST));
  g_assert_true (explains (unplugged, SDA_READ));
  g_assert_true (explains (unplugged, "scsi 6:0:0:0: rejecting I/O to dead device"));
  g_assert_false (explains (unplugged, "Buffer I/O error on dev sdb, logical block 0, async page read"));
  g_assert_false (explains (unplugged, "EDAC MC0: 1 CE memory read error on CPU_SrcID#0"));
  g_assert_true (explains_at (unplugged, VMFT_TRUST_KERNEL, SDA_READ, VMFT_UNPLUGGED_S));
  g_assert_false (explains_at (unplugged, VMFT_TRUST_KERNEL, SDA_READ, VMFT_UNPLUGGED_S + 1));
}

/* The name, or the host's number, belongs to another disk by now. */
static void
test_name_taken_again (void)
{
  g_autoptr (VmftUnplugged) unplugged = vmft_unplugged_new ();

  note (unplugged, VMFT_TRUST_KERNEL, "scsi host6: usb-storage 2-1:1.0",
        "sd 6:0:0:0: [sda] Attached SCSI disk", "usb 2-1: USB disconnect, device number 2",
        "sd 0:0:0:0: [sda] Attached SCSI disk", NULL);
  g_assert_false (explains (unplugged, SDA_READ));
  g_assert_true (explains (unplugged, "scsi 6:0:0:0: rejecting I/O to dead device"));
  note (unplugged, VMFT_TRUST_KERNEL, "scsi host6: ahci", NULL);
  g_assert_false (explains (unplugged, "scsi 6:0:0:0: rejecting I/O to dead device"));
}

static void
test_plugged_again (void)
{
  g_autoptr (VmftUnplugged) unplugged = vmft_unplugged_new ();

  for (guint i = 0; i < 100; i++)
    {
      note (unplugged, VMFT_TRUST_KERNEL, "scsi host6: usb-storage 2-1:1.0",
            "sd 6:0:0:0: [sda] Attached SCSI disk", NULL);
      g_assert_false (explains (unplugged, SDA_LOST));
      note (unplugged, VMFT_TRUST_KERNEL, "usb 2-1: USB disconnect, device number 2", NULL);
      g_assert_true (explains (unplugged, SDA_LOST));
    }
}

static void
test_ports (void)
{
  g_autoptr (VmftUnplugged) unplugged = vmft_unplugged_new ();

  note (unplugged, VMFT_TRUST_KERNEL, "scsi host6: usb-storage 2-1.4:1.0",
        "sd 6:0:0:0: [sda] Attached SCSI disk", "usb 2-1.3: USB disconnect, device number 3",
        "usb 2-11: USB disconnect, device number 4", NULL);
  g_assert_false (explains (unplugged, SDA_LOST));
  note (unplugged, VMFT_TRUST_KERNEL, "usb 2-1: USB disconnect, device number 2", NULL); /* the hub */
  g_assert_true (explains (unplugged, SDA_LOST));

  note (unplugged, VMFT_TRUST_KERNEL, "usb 4-2: New USB device found, idVendor=174c, idProduct=55aa",
        "scsi host7: uas", "sd 7:0:0:0: [sdb] Attached SCSI disk", "usb 4-2: USB disconnect, device number 2",
        NULL);
  g_assert_true (explains (unplugged, "Buffer I/O error on dev sdb, logical block 0, async page read"));
}

/* Who may write to syslog silences nothing that the kernel says. */
static void
test_forged (void)
{
  g_autoptr (VmftUnplugged) unplugged = vmft_unplugged_new ();

  note (unplugged, VMFT_TRUST_KERNEL, "sd 0:0:0:0: [sda] Attached SCSI disk", NULL);
  note (unplugged, VMFT_TRUST_CLAIMED, "scsi host0: usb-storage 2-1:1.0",
        "sd 0:0:0:0: [sda] Attached SCSI disk", "usb 2-1: USB disconnect, device number 2", NULL);
  g_assert_false (explains (unplugged, SDA_READ));
  g_assert_true (explains_at (unplugged, VMFT_TRUST_CLAIMED, SDA_READ, 1));
}

static void
test_hostile (void)
{
  static const char *const texts[] = { "usb ",
                                       "usb 2-1",
                                       "usb : USB disconnect",
                                       "usb 2-1: USB disconnect",
                                       "usb 2-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1: USB disconnect",
                                       "scsi host",
                                       "scsi host: usb-storage 2-1:1.0",
                                       "scsi host6",
                                       "scsi host6: ",
                                       "scsi host6: uas",
                                       "scsi host6: usb-storage ",
                                       "scsi host6: usb-storage 2-1",
                                       "scsi host99999999999999999999: usb-storage 2-1:1.0",
                                       "sd ",
                                       "sd 6:0:0:0: [",
                                       "sd 6:0:0:0: []",
                                       "sd 99999999999:0:0:0: [sdaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa] x" };
  g_autoptr (VmftUnplugged) unplugged = vmft_unplugged_new ();

  for (guint round = 0; round < 100; round++)
    for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
      note (unplugged, VMFT_TRUST_KERNEL, texts[i], NULL);
  g_assert_false (explains (unplugged, SDA_READ));
  g_assert_false (explains (unplugged, ""));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/unplugged/stick", test_stick);
  g_test_add_func ("/unplugged/name-taken-again", test_name_taken_again);
  g_test_add_func ("/unplugged/plugged-again", test_plugged_again);
  g_test_add_func ("/unplugged/ports", test_ports);
  g_test_add_func ("/unplugged/forged", test_forged);
  g_test_add_func ("/unplugged/hostile", test_hostile);
  return g_test_run ();
}
