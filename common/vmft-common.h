/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every room may use: errors, time, text, records as JSON, tables. Nothing that belongs in one room. */
#pragma once

#include "vmft-clock.h"
#include "vmft-error.h"
#include "vmft-json.h"
#include "vmft-store.h"
#include "vmft-table.h"
#include "vmft-text.h"
#include "vmft-time.h"
