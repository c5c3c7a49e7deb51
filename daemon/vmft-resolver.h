/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-detector.h"

G_BEGIN_DECLS

/**
 * vmft_resolver_resolve:
 * @sysfs: "/sys"
 * @locus: (inout): a block locus that names an address instead of a device: SCSI ("0:0:0:0"), an ATA port ("ata1")
 *   or an NVMe controller ("nvme0"); becomes the block device behind it where sysfs knows one
 *
 * Reads directories of sysfs only: it does not block on the device. What is no such address stays as it is.
 */
void vmft_resolver_resolve (const char *sysfs, VmftLocus *locus);

G_END_DECLS
