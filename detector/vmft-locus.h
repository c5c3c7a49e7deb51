/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a kernel message says the fault is, read off the message itself. */
#pragma once

#include "vmft-detector.h"

G_BEGIN_DECLS

/**
 * vmft_locus_set_device:
 * @name: a device's name as a message has it: "sda1", "dm-0-8", "nvme0n1p2", "0000:01:00.0", "0:0:0:0", "eth0"
 * @length: bytes
 *
 * Partitions become their disk ("sda"), a journal's "dm-0-8" its device ("dm-0"). Names that are neither disk
 * nor bus address are left alone.
 *
 * Returns: whether @name can be a device's name; otherwise @locus is unchanged
 */
gboolean vmft_locus_set_device (VmftLocus *locus, VmftLocusKind kind, const char *name, gsize length)
    G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_locus_scan:
 * @text: a message of the kernel
 * @locus: (out): the first block device it names; else a SCSI address or ATA port, else a PCI device; else the
 *   host
 */
void vmft_locus_scan (const char *text, gsize length, VmftLocus *locus);

/**
 * vmft_locus_scsi_pair:
 * @text: a message like "sd 0:0:0:0: [sda] …"
 * @address: (out caller-allocates): "0:0:0:0"
 * @disk: (out caller-allocates): "sda"
 *
 * Returns: whether the message names both, so that one can stand for the other later
 */
gboolean vmft_locus_scsi_pair (const char *text, gsize length, VmftLocus *address, VmftLocus *disk);

/** vmft_locus_is_vague: Returns: whether it is a SCSI address, an ATA port or an NVMe controller, not a disk. */
gboolean vmft_locus_is_vague (const VmftLocus *locus);

/** vmft_locus_overlaps: Returns: equal, or an NVMe controller and a namespace of it. */
gboolean vmft_locus_overlaps (const VmftLocus *a, const VmftLocus *b);

G_END_DECLS
