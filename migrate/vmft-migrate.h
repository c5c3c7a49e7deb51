/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The migrate room: everything that talks to libvirt, behind one interface, and the evacuation of a host on top. */
#pragma once

#include "vmft-arrivals.h"
#include "vmft-block-device.h"
#include "vmft-evacuation.h"
#include "vmft-hook-server.h"
#include "vmft-hypervisor.h"
#include "vmft-libvirt-hypervisor.h"
