/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-detector.h"
#include "vmft-kernel-model.h"

#include <string.h>

static char *
model_path (void)
{
  return g_build_filename (VMFT_SOURCE_ROOT, "data", "kernel-message.model", NULL);
}

static VmftKernelModel *
load (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = model_path ();
  VmftKernelModel *model = vmft_kernel_model_load (path, &error);

  g_assert_no_error (error);
  return model;
}

static double
score (const VmftKernelModel *model, const char *text)
{
  return vmft_kernel_model_score (model, text, strlen (text));
}

static void
test_faults_and_chatter (void)
{
  static const char *const faults[] = {
    "Buffer I/O error on dev <:*:> logical block <:NUM:>, async page read",
    "sd <:NUM:>:<:NUM:>:<:NUM:>:<:NUM:>: [sda] tag#<:NUM:> Add. Sense: Unrecovered read error",
    "[sda] Unhandled error code",
    "[Hardware Error]: Corrected error, no action required.",
    "nvme nvme0: Device not ready; aborting reset",
  };
  static const char *const chatter[] = {
    "br0: port <:*:> entered <:*:> state",
    "EXT4-fs (sda1): mounted filesystem with ordered data mode. Quota mode: none.",
    "ata1: SATA link up 6.0 Gbps (SStatus 133 SControl 300)",
    "loop: module loaded",
    "device vnet0 left promiscuous mode",
  };
  g_autoptr (VmftKernelModel) model = load ();

  for (gsize i = 0; i < G_N_ELEMENTS (faults); i++)
    {
      g_test_message ("%.3f %s", score (model, faults[i]), faults[i]);
      g_assert_cmpfloat (score (model, faults[i]), >=, 0.5);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (chatter); i++)
    {
      g_test_message ("%.3f %s", score (model, chatter[i]), chatter[i]);
      g_assert_cmpfloat (score (model, chatter[i]), <, 0.5);
    }
}

static void
test_what_does_not_count (void)
{
  g_autoptr (VmftKernelModel) model = load ();
  double plain = score (model, "Buffer I/O error on dev logical block async page read");
  g_autoptr (GString) endless = g_string_new (NULL);

  g_assert_cmpfloat (
      score (model, "[   42.132541] Buffer I/O ERROR on dev <:*:> logical block <:NUM:>, async page read"),
      ==, plain);
  g_assert_cmpfloat (
      score (model, " [ <:NUM:>.<:NUM:>] buffer i/o error on dev <*> logical block 7 async page read"), ==,
      plain);
  g_assert_cmpfloat (
      score (model, "buffer i/o 00007ffc91f70de0 error on dev 9d000 logical block 7ffcde async page read"),
      ==, plain);
  g_assert_cmpfloat (score (model, ""), ==, 0.0);
  g_assert_cmpfloat (score (model, "<:*:> 12 x [<:NUM:>"), ==, 0.0);
  g_assert_cmpfloat (vmft_kernel_model_score (model, "\0\xff\xfe", 3), ==, 0.0);

  for (guint i = 0; i < 100000; i++)
    g_string_append_printf (endless, "word%c%c ", 'a' + i % 26, 'a' + i / 26 % 26);
  g_assert_cmpfloat (vmft_kernel_model_score (model, endless->str, endless->len), <=, 1.0);
}

/* What is said around a fault changes the score of the whole, and not that of the fault in it. */
static void
test_worst_part (void)
{
  static const char fault[] = "failed to recover from fatal hardware error, unable to reset device";
  static const char calm[] = " registered driver loaded version enabled link becomes ready using default ";
  g_autoptr (VmftKernelModel) model = load ();
  g_autoptr (GString) text = g_string_new (fault);
  g_autoptr (GString) endless = g_string_new (NULL);

  g_assert_cmpfloat (score (model, fault), >=, 0.9);
  for (guint i = 0; i < 4; i++)
    {
      g_string_prepend (text, calm);
      g_string_append (text, calm);
      g_assert_cmpfloat (vmft_kernel_model_score_worst_part (model, text->str, text->len), >=,
                         score (model, fault));
    }
  g_assert_cmpfloat (score (model, text->str), <, 0.9);
  g_assert_cmpfloat (vmft_kernel_model_score_worst_part (model, calm, strlen (calm)), <, 0.5);
  g_assert_cmpfloat (vmft_kernel_model_score_worst_part (model, "", 0), ==, 0.0);
  for (guint i = 0; i < 100000; i++)
    g_string_append_printf (endless, "word%c%c ", 'a' + i % 26, 'a' + i / 26 % 26);
  g_assert_cmpfloat (vmft_kernel_model_score_worst_part (model, endless->str, endless->len), <=, 1.0);
}

static void
test_corrupt (void)
{
  g_autofree char *path = model_path ();
  g_autofree char *data = NULL;
  gsize length = 0;
  g_autoptr (GError) error = NULL;
  static const gssize places[] = { 0, 30, 40, 70, 200, -1, -5000 };

  g_assert_true (g_file_get_contents (path, &data, &length, &error));
  for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
    {
      gsize at = places[i] >= 0 ? (gsize) places[i] : length + (gsize) places[i];

      data[at] ^= 0x11;
      g_assert_null (vmft_kernel_model_parse ("broken", data, length, &error));
      g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CORRUPT);
      g_clear_error (&error);
      data[at] ^= 0x11;
    }
  for (gsize cut = 0; cut < length; cut += 977)
    {
      g_assert_null (vmft_kernel_model_parse ("cut", data, cut, &error));
      g_assert_error (error, VMFT_ERROR, VMFT_ERROR_CORRUPT);
      g_clear_error (&error);
    }
  g_assert_null (vmft_kernel_model_load ("/nonexistent/model", &error));
  g_assert_error (error, VMFT_ERROR, VMFT_ERROR_NOT_FOUND);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/kernel-model/faults-and-chatter", test_faults_and_chatter);
  g_test_add_func ("/kernel-model/what-does-not-count", test_what_does_not_count);
  g_test_add_func ("/kernel-model/worst-part", test_worst_part);
  g_test_add_func ("/kernel-model/corrupt", test_corrupt);
  return g_test_run ();
}
