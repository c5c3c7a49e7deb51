/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For vmft-daemon.c and vmft-report.c alone. */
#pragma once

#include "vmft-daemon.h"
#include "vmft-decisions.h"
#include "vmft-history.h"
#include "vmft-inquiry.h"
#include "vmft-pipeline.h"
#include "vmft-recorder.h"
#include "vmft-sampler.h"

struct _VmftDaemon
{
  GObject parent;

  VmftConf *conf;
  VmftClock *clock;
  VmftStore *store;
  VmftHypervisor *hypervisor;
  VmftDetector *detector;
  VmftEstimator *estimator;
  VmftLeadModel *leads;
  VmftDestinations *destinations;
  VmftFacts *facts;
  VmftGuards *guards;
  VmftPlanner *planner;
  VmftExecutor *executor;
  VmftDecisions *decisions;
  VmftPipeline *pipeline;
  VmftInquiry *inquiry;
  VmftSampler *sampler;
  VmftHistory *history;
  VmftRecorder *recorder; /* (nullable): nothing is recorded */

  VmftOperation operation;
  VmftTime started_us;
  gboolean resumed; /* what the last run left has been taken up */
  guint review_id;  /* timer: open incidents are thought over */
  guint settle_id;  /* timer: VMs changed; once they have settled, incidents are thought over */
};
