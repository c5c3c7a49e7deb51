/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to the estimator room: forecasts against outcomes, per mode. */
#pragma once

#include "vmft-forecast.h"

G_BEGIN_DECLS

typedef struct _VmftAccuracyBook VmftAccuracyBook;

VmftAccuracyBook *vmft_accuracy_book_new (void);
void vmft_accuracy_book_free (VmftAccuracyBook *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftAccuracyBook, vmft_accuracy_book_free)

/** vmft_accuracy_book_add: an ended job; a forecast of "never" has no error, its job only counts. */
void vmft_accuracy_book_add (VmftAccuracyBook *self, const VmftForecast *forecast);

void vmft_accuracy_book_get (const VmftAccuracyBook *self, VmftMode mode, VmftAccuracy *row);

G_END_DECLS
