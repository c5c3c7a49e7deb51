/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-accuracy.h"

#include <math.h>

typedef struct
{
  guint n_covered;
  guint n_censored;
  GArray *errors; /* of double: |p50 - actual| / actual */
  GArray *linear_errors;
} Page;

struct _VmftAccuracyBook
{
  Page pages[VMFT_N_MODES];
};

VmftAccuracyBook *
vmft_accuracy_book_new (void)
{
  VmftAccuracyBook *self = g_new0 (VmftAccuracyBook, 1);

  for (guint i = 0; i < VMFT_N_MODES; i++)
    {
      self->pages[i].errors = g_array_new (FALSE, FALSE, sizeof (double));
      self->pages[i].linear_errors = g_array_new (FALSE, FALSE, sizeof (double));
    }
  return self;
}

void
vmft_accuracy_book_free (VmftAccuracyBook *self)
{
  for (guint i = 0; i < VMFT_N_MODES; i++)
    {
      g_array_unref (self->pages[i].errors);
      g_array_unref (self->pages[i].linear_errors);
    }
  g_free (self);
}

void
vmft_accuracy_book_add (VmftAccuracyBook *self, const VmftForecast *forecast)
{
  Page *page = &self->pages[forecast->mode];
  double error = fabs (forecast->p50_s - forecast->total_s) / forecast->total_s;
  double linear = fabs (forecast->linear_s - forecast->total_s) / forecast->total_s;

  if (!forecast->completed)
    {
      page->n_censored++;
      return;
    }
  /* "never" about a job that ended is as wrong as can be */
  if (!isfinite (error))
    error = 1.0;
  g_array_append_val (page->errors, error);
  if (isfinite (linear))
    g_array_append_val (page->linear_errors, linear);
  if (forecast->total_s <= forecast->p90_s)
    page->n_covered++;
}

static gint
compare_doubles (gconstpointer a, gconstpointer b)
{
  double left = *(const double *) a, right = *(const double *) b;

  return left < right ? -1 : left > right;
}

static double
median (const GArray *values)
{
  g_autoptr (GArray) sorted = g_array_copy ((GArray *) values);
  guint middle = sorted->len / 2;

  if (sorted->len == 0)
    return NAN;
  g_array_sort (sorted, compare_doubles);
  if (sorted->len % 2 == 1)
    return g_array_index (sorted, double, middle);
  return 0.5 * (g_array_index (sorted, double, middle - 1) + g_array_index (sorted, double, middle));
}

void
vmft_accuracy_book_get (const VmftAccuracyBook *self, VmftMode mode, VmftAccuracy *row)
{
  const Page *page = &self->pages[mode];

  *row = (VmftAccuracy){ .mode = mode,
                         .n = page->errors->len,
                         .n_censored = page->n_censored,
                         .median_error = median (page->errors),
                         .p90_coverage =
                             page->errors->len > 0 ? (double) page->n_covered / page->errors->len : NAN,
                         .linear_median_error = median (page->linear_errors) };
}

GVariant *
vmft_estimator_accuracy_to_variant (VmftEstimator *self)
{
  VmftAccuracy rows[VMFT_N_MODES];
  GVariantBuilder builder;

  vmft_estimator_accuracy (self, rows);
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < VMFT_N_MODES; i++)
    {
      GVariantDict dict;

      if (rows[i].n + rows[i].n_censored == 0)
        continue;
      g_variant_dict_init (&dict, NULL);
      g_variant_dict_insert (&dict, "mode", "s", vmft_mode_to_string (rows[i].mode));
      g_variant_dict_insert (&dict, "n", "u", rows[i].n);
      g_variant_dict_insert (&dict, "censored", "u", rows[i].n_censored);
      g_variant_dict_insert (&dict, "median_error", "d", rows[i].median_error);
      g_variant_dict_insert (&dict, "p90_coverage", "d", rows[i].p90_coverage);
      g_variant_dict_insert (&dict, "linear_median_error", "d", rows[i].linear_median_error);
      g_variant_builder_add_value (&builder, g_variant_dict_end (&dict));
    }
  return g_variant_builder_end (&builder);
}
