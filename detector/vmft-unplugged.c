/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-unplugged.h"

#include "vmft-locus.h"

#include <string.h>

#define MAX_HOSTS  32
#define MAX_DISKS  64
#define PORT_BYTES 32
#define NO_HOST    G_MAXUINT

/* A SCSI host that a USB device brought: "scsi host6: usb-storage 2-1:1.0". */
typedef struct
{
  guint number;
  char port[PORT_BYTES]; /* "2-1"; empty when the slot is free */
  VmftTime gone_us;      /* 0 while the device is there */
} Host;

/* "sd 6:0:0:0: [sda] …" */
typedef struct
{
  char name[16];
  guint host;
} Disk;

/* What one kind of sources says; both arrays are rings, in which the oldest goes first. */
typedef struct
{
  Host hosts[MAX_HOSTS];
  Disk disks[MAX_DISKS];
  guint next_host, next_disk;
  char newest_port[PORT_BYTES]; /* a "uas" host does not say where it is: on the port that came last */
} View;

struct _VmftUnplugged
{
  View views[2]; /* of trusted sources, of others */
};

VmftUnplugged *
vmft_unplugged_new (void)
{
  return g_new0 (VmftUnplugged, 1);
}

void
vmft_unplugged_free (VmftUnplugged *self)
{
  g_free (self);
}

/* --- reading --- */

static gboolean
skip (VmftSlice *text, const char *word)
{
  gsize length = strlen (word);

  if (text->length < length || memcmp (text->data, word, length) != 0)
    return FALSE;
  text->data += length;
  text->length -= length;
  return TRUE;
}

/* Digits at the start of @text, which moves past them; NO_HOST when there are none. */
static guint
take_number (VmftSlice *text)
{
  guint number = 0, n = 0;

  for (; n < text->length && n < 7 && g_ascii_isdigit (text->data[n]); n++)
    number = 10 * number + (guint) (text->data[n] - '0');
  text->data += n;
  text->length -= n;
  return n > 0 ? number : NO_HOST;
}

/* "2-1.4" up to a colon. */
static gboolean
take_port (VmftSlice *text, char port[PORT_BYTES])
{
  gsize n = 0;

  while (n < text->length && n < PORT_BYTES - 1 &&
         (g_ascii_isdigit (text->data[n]) || text->data[n] == '-' || text->data[n] == '.'))
    n++;
  if (n == 0 || n == text->length || text->data[n] != ':')
    return FALSE;
  memcpy (port, text->data, n);
  port[n] = '\0';
  text->data += n;
  text->length -= n;
  return TRUE;
}

/* --- what is there --- */

static const Host *
find_host (const View *view, guint number)
{
  for (guint i = 0; i < MAX_HOSTS; i++)
    if (view->hosts[i].port[0] != '\0' && view->hosts[i].number == number)
      return &view->hosts[i];
  return NULL;
}

static void
forget_host (View *view, guint number)
{
  Host *host = (Host *) find_host (view, number);

  if (host)
    host->port[0] = '\0';
}

static void
add_host (View *view, guint number, const char *port)
{
  Host *host = &view->hosts[view->next_host++ % MAX_HOSTS];

  *host = (Host){ .number = number };
  g_strlcpy (host->port, port, sizeof host->port);
}

/* "scsi host6: usb-storage 2-1:1.0", "scsi host6: uas"; any other host of that number is none of ours. */
static void
note_host (View *view, VmftSlice text)
{
  guint number = take_number (&text);
  char port[PORT_BYTES] = "";

  if (number == NO_HOST || !skip (&text, ": "))
    return;
  forget_host (view, number);
  if (skip (&text, "usb-storage "))
    {
      if (take_port (&text, port))
        add_host (view, number, port);
    }
  else if (skip (&text, "uas") && view->newest_port[0] != '\0')
    add_host (view, number, view->newest_port);
}

static void
note_departure (View *view, const char *port, VmftTime now_us)
{
  gsize length = strlen (port);

  /* what hangs on a hub leaves with it: "2-1.4" with "2-1" */
  for (guint i = 0; i < MAX_HOSTS; i++)
    if (strncmp (view->hosts[i].port, port, length) == 0 &&
        (view->hosts[i].port[length] == '\0' || view->hosts[i].port[length] == '.'))
      view->hosts[i].gone_us = now_us;
}

/* "usb 2-1: USB disconnect, device number 2", "usb 2-1: New USB device found, …" */
static void
note_usb (View *view, VmftSlice text, VmftTime now_us)
{
  char port[PORT_BYTES] = "";

  if (!take_port (&text, port))
    return;
  if (skip (&text, ": USB disconnect"))
    note_departure (view, port, now_us);
  else if (skip (&text, ": New USB device found"))
    g_strlcpy (view->newest_port, port, sizeof view->newest_port);
}

static void
note_disk (View *view, const VmftSlice *text)
{
  VmftLocus address, name;
  VmftSlice number;
  Disk *disk = NULL;

  if (!vmft_locus_scsi_pair (text->data, text->length, &address, &name) ||
      strlen (name.name) >= sizeof disk->name)
    return;
  for (guint i = 0; i < MAX_DISKS && !disk; i++)
    if (strcmp (view->disks[i].name, name.name) == 0)
      disk = &view->disks[i];
  if (!disk)
    disk = &view->disks[view->next_disk++ % MAX_DISKS];
  number = (VmftSlice){ address.name, strlen (address.name) };
  g_strlcpy (disk->name, name.name, sizeof disk->name);
  disk->host = take_number (&number);
}

static guint
view_of (const VmftLine *line)
{
  return line->trust == VMFT_TRUST_KERNEL ? 0 : 1;
}

void
vmft_unplugged_note (VmftUnplugged *self, const VmftLine *line, VmftTime now_us)
{
  View *view = &self->views[view_of (line)];
  VmftSlice text = line->text;

  if (text.length < 4 || (text.data[0] != 'u' && text.data[0] != 's'))
    return;
  if (skip (&text, "usb "))
    note_usb (view, text, now_us);
  else if (skip (&text, "scsi host"))
    note_host (view, text);
  else if (text.data[1] == 'd' && text.data[2] == ' ')
    note_disk (view, &text);
}

/* --- what it explains --- */

static guint
host_of (const View *view, const VmftLocus *locus)
{
  VmftSlice number = { locus->name, strlen (locus->name) };

  for (guint i = 0; i < MAX_DISKS; i++)
    if (view->disks[i].name[0] != '\0' && strcmp (view->disks[i].name, locus->name) == 0)
      return view->disks[i].host;
  return take_number (&number);
}

gboolean
vmft_unplugged_explains (const VmftUnplugged *self,
                         const VmftLine *line,
                         const VmftLocus *locus,
                         VmftTime now_us)
{
  const View *view = &self->views[view_of (line)];
  const Host *host = locus->kind == VMFT_LOCUS_BLOCK ? find_host (view, host_of (view, locus)) : NULL;

  return host != NULL && host->gone_us != 0 && vmft_time_diff_s (now_us, host->gone_us) <= VMFT_UNPLUGGED_S;
}
