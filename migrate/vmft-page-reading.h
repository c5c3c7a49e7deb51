/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to the migrate room. */
#pragma once

#include "vmft-dirty-reading.h"
#include "vmft-page-sample.h"

G_BEGIN_DECLS

/**
 * vmft_page_reading_start:
 * @sample: (transfer full): just taken
 * @period_s: of the last look
 * @task: returned with a #VmftReading
 */
void vmft_page_reading_start (VmftPageSample *sample,
                              VmftClock *clock,
                              const VmftVm *vm,
                              guint period_s,
                              GTask *task);

G_END_DECLS
