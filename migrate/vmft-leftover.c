/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-leftover.h"

VmftLeftover
vmft_leftover_classify (VmftEnd source,
                        gboolean source_has_job,
                        int destination_state,
                        int destination_reason)
{
  if (source != VMFT_END_RUNNING || source_has_job)
    return VMFT_LEFTOVER_NONE;
  if (destination_state == VIR_DOMAIN_SHUTOFF)
    return VMFT_LEFTOVER_DEFINITION;
  if (destination_state != VIR_DOMAIN_PAUSED)
    return VMFT_LEFTOVER_NONE;
  switch (vmft_end_from_state (destination_state, destination_reason))
    {
    case VMFT_END_MIGRATING:
    case VMFT_END_POSTCOPY:
    case VMFT_END_POSTCOPY_FAILED:
      return VMFT_LEFTOVER_HALF;
    default:
      /* somebody paused it there: it may hold a life of its own */
      return VMFT_LEFTOVER_NONE;
    }
}

gboolean
vmft_leftover_is_clash (const char *message)
{
  /* "domain 'x' is already active", "… already exists with uuid …", "… is already defined with uuid …" */
  return strstr (message, "already") != NULL || strstr (message, "uuid") != NULL;
}

static gboolean
has_job (virDomainPtr domain)
{
  virDomainJobInfo info = { 0 };

  return virDomainGetJobInfo (domain, &info) < 0 || info.type != VIR_DOMAIN_JOB_NONE;
}

/* Returns: whether it is gone */
static gboolean
take_away (virDomainPtr copy, VmftLeftover what)
{
  if (what == VMFT_LEFTOVER_HALF)
    return virDomainDestroy (copy) == 0;
  /* refused by libvirt when a saved image hangs on it, and rightly */
  return virDomainUndefineFlags (copy, VIR_DOMAIN_UNDEFINE_KEEP_NVRAM) == 0;
}

gboolean
vmft_leftover_clear (virDomainPtr domain, const char *destination_uri)
{
  char uuid[VIR_UUID_STRING_BUFLEN] = "";
  g_autofree char *name = g_strdup (virDomainGetName (domain));
  g_autoptr (virConnect) destination = NULL;
  g_autoptr (virDomain) copy = NULL;
  int here = 0, there = 0, here_reason = 0, there_reason = 0;
  VmftLeftover what = VMFT_LEFTOVER_NONE;
  gboolean cleared = FALSE;

  if (virDomainGetUUIDString (domain, uuid) == 0 && virDomainGetState (domain, &here, &here_reason, 0) == 0 &&
      here == VIR_DOMAIN_RUNNING)
    destination = vmft_libvirt_open (destination_uri, NULL);
  if (destination != NULL)
    copy = virDomainLookupByUUIDString (destination, uuid);
  if (copy != NULL && virDomainGetState (copy, &there, &there_reason, 0) == 0)
    what = vmft_leftover_classify (vmft_end_from_state (here, here_reason), has_job (domain), there,
                                   there_reason);
  if (what != VMFT_LEFTOVER_NONE)
    cleared = take_away (copy, what);
  if (cleared)
    g_message ("%s: a %s that an earlier try left on the destination has been taken away", name,
               what == VMFT_LEFTOVER_HALF ? "dead half" : "definition");
  virResetLastError ();
  return cleared;
}
