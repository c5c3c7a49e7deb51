/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How long between the first alarm and the failure, and whether a failure comes at all (DESIGN 4.2). */
#pragma once

#include "vmft-store.h"
#include "vmft-time.h"

#include <glib-object.h>

G_BEGIN_DECLS

/** Origins of a record. Never pooled: each is evidence about its own population alone. */
#define VMFT_LEAD_ORIGIN_PAPER   "paper"
#define VMFT_LEAD_ORIGIN_TESTBED "testbed"
#define VMFT_LEAD_ORIGIN_FIELD   "field"

#define VMFT_LEAD_N_KNOTS        4

/**
 * VmftLeadCurve: one distribution of L in seconds: ln L is piecewise linear in the normal quantile z through the
 * knots (a log-normal whose two halves may differ), exponential beyond the last one with the hazard continuous.
 */
typedef struct
{
  double z[VMFT_LEAD_N_KNOTS];
  double ln_s[VMFT_LEAD_N_KNOTS];
  double weight; /* of this curve in a mixture */
} VmftLeadCurve;

/**
 * VmftLead: what is believed of one incident's remaining time. A plain value: take it from
 * vmft_lead_model_get(), then ask.
 * @elapsed_s: e, time since the first alarm; everything below is conditional on having survived it
 * @pi: P(a failure follows an alarm of this class), before @elapsed_s counts
 * @p_fails: P(fails | class, e) = pi S(e) / (pi S(e) + 1 - pi)
 * @headroom_s: for pressure: (MemAvailable + SwapFree) / rate of decline; infinite when there is none
 * @n_events, @n_censored: own records behind it
 * @p_own: weight of "this host is a population of its own" against "this host is like the prior's"
 * @origin: of the own records, or "paper"
 * @stand_in: (nullable): class whose prior stands in, when this one has none
 */
typedef struct
{
  VmftLeadCurve curves[2];
  guint n_curves;
  gboolean pessimistic; /* the survival is the least of the curves' rather than their mixture */
  double elapsed_s;
  double pi;
  double p_fails;
  double headroom_s;
  guint n_events;
  guint n_censored;
  double p_own;
  char origin[16];
  const char *stand_in;
} VmftLead;

/** vmft_lead_survival: Returns: P(L > e + @seconds | L > e), in [0, 1], falling in @seconds. */
double vmft_lead_survival (const VmftLead *lead, double seconds);

/** vmft_lead_quantile: Returns: the time from now, in seconds, at which the failure has come with probability @p. */
double vmft_lead_quantile (const VmftLead *lead, double p);

/** vmft_lead_set_elapsed: moves the incident on: @elapsed_s since its first alarm (negative counts as 0). */
void vmft_lead_set_elapsed (VmftLead *lead, double elapsed_s);

/**
 * vmft_lead_set_headroom:
 * @free_bytes: MemAvailable + SwapFree
 * @decline_bps: smoothed rate at which that falls; 0 or less when it does not
 *
 * For pressure: L becomes min (prior, @free_bytes / @decline_bps), the latter with a relative error of 25%.
 */
void vmft_lead_set_headroom (VmftLead *lead, double free_bytes, double decline_bps);

/** vmft_lead_init_lognormal: a lead that is given: median @p50_s, spread @sigma of the logarithm. */
void vmft_lead_init_lognormal (VmftLead *lead, double p50_s, double sigma, double pi);

/** vmft_lead_to_variant: Returns: (transfer floating): `a{sv}`: p5/p10/p50/p90 remaining, elapsed, p_fails, origin, n. */
GVariant *vmft_lead_to_variant (const VmftLead *lead);

/**
 * VmftLeadModel:
 *
 * Priors per class with their origin, and this host's own records (%VMFT_STORE_LEADS). See vmft-lead-fit.c for how
 * the two meet.
 */
#define VMFT_TYPE_LEAD_MODEL vmft_lead_model_get_type ()
G_DECLARE_FINAL_TYPE (VmftLeadModel, vmft_lead_model, VMFT, LEAD_MODEL, GObject)

/**
 * vmft_lead_model_new:
 * @origin: (nullable): the population this host belongs to: records of another origin are kept but not believed; NULL
 *   for the origin with most events of the class, field before testbed
 */
VmftLeadModel *vmft_lead_model_new (VmftStore *store,
                                    const char *origin,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * VmftLeadRecord: one incident's end.
 * @fault_class: "disk", "io", "memory", "pressure", "cpu", "pcie", "network" or "other"
 * @lead_s: first alarm to failure; when @censored, how long it was watched without one
 * @censored: evacuated, repaired or cleared: no failure was seen
 * @origin: "field", "testbed" or "paper"
 * @when_us: of the failure, or of the end of watching
 */
typedef struct
{
  const char *fault_class;
  double lead_s;
  gboolean censored;
  const char *origin;
  VmftTime when_us;
} VmftLeadRecord;

/** vmft_lead_model_add: stores one record and believes it from now on. %VMFT_ERROR_INVALID for absurd ones. */
gboolean vmft_lead_model_add (VmftLeadModel *self,
                              const VmftLeadRecord *record,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vmft_lead_model_import:
 * @records: `av` or `aa{sv}` of {class, lead_s, censored, origin, when}; origin defaults to "field", censored to
 *   false, when (seconds since the epoch, or text as ISO 8601) to unknown
 * @n_imported: (out) (optional)
 *
 * The error names the first record that does not parse, and then none is imported. A record that is there already is not counted twice.
 */
gboolean vmft_lead_model_import (VmftLeadModel *self, GVariant *records, guint *n_imported, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/** vmft_lead_model_export: Returns: (transfer floating): `aa{sv}`, as vmft_lead_model_import() takes it. */
GVariant *vmft_lead_model_export (VmftLeadModel *self);

/**
 * vmft_lead_model_get:
 * @fault_class: unknown ones get the most pessimistic prior
 * @elapsed_s: time since the first alarm
 * @lead: (out)
 */
void vmft_lead_model_get (VmftLeadModel *self, const char *fault_class, double elapsed_s, VmftLead *lead);

/** vmft_lead_model_describe: Returns: (transfer floating): `aa{sv}`: per class the record of vmft_lead_to_variant() at
 * e = 0 and the prior's. */
GVariant *vmft_lead_model_describe (VmftLeadModel *self);

G_END_DECLS
