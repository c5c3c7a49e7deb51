/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the groups "[Source NAME]" to the sources themselves. */
#include "vmft-daemon-private.h"

#include "vmft-file-source.h"
#include "vmft-journal-source.h"
#include "vmft-kmsg-source.h"
#include "vmft-pressure-source.h"
#include "vmft-syslog-source.h"

#define QEMU_LOGS "/var/log/libvirt/qemu/*.log"

/* A group being read. */
typedef struct
{
  VmftDaemon *daemon;
  const char *name;
  const char *group;
} Group;

static const char *
get (const Group *g, const char *key)
{
  return vmft_conf_get_string (g->daemon->conf, g->group, key);
}

static VmftTrust
get_trust (const Group *g)
{
  return g_str_equal (get (g, "trust"), "kernel") ? VMFT_TRUST_KERNEL : VMFT_TRUST_CLAIMED;
}

static VmftLineFormat
parse_format (const char *text)
{
  static const char *const names[] = { "auto", "bare",  "rfc3164", "rfc5424", "iso",
                                       "kmsg", "dmesg", "qemu",    "libvirt", NULL };

  for (guint i = 0; names[i] != NULL; i++)
    if (strcmp (text, names[i]) == 0)
      return (VmftLineFormat) i;
  g_return_val_if_reached (VMFT_LINE_AUTO);
}

/* --- one function a type --- */

static VmftSource *
follow_files (const Group *g, const char *fallback, VmftLineFormat format, GError **error)
{
  g_auto (GStrv) configured = vmft_conf_get_list (g->daemon->conf, g->group, "path");
  const char *const standard[] = { fallback, NULL };
  const char *const *paths = configured[0] ? (const char *const *) configured : standard;

  if (paths[0] == NULL)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "[%s] path: is required for type=file", g->group);
      return NULL;
    }
  for (guint i = 0; paths[i] != NULL; i++)
    if (!g_path_is_absolute (paths[i]))
      {
        g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "[%s] path=%s: must be an absolute path", g->group,
                     paths[i]);
        return NULL;
      }
  return vmft_file_source_new (g->name, paths, format, get_trust (g), g->daemon->clock, g->daemon->store);
}

static VmftSource *
make_file (const Group *g, GError **error)
{
  return follow_files (g, NULL, parse_format (get (g, "format")), error);
}

static VmftSource *
make_qemu (const Group *g, GError **error)
{
  return follow_files (g, QEMU_LOGS, VMFT_LINE_QEMU, error);
}

static VmftSource *
make_journal (const Group *g, GError **error)
{
  VmftJournalConfig config = { .directory = get (g, "directory"),
                               .namespace = get (g, "namespace"),
                               .backlog_s = vmft_conf_get_double (g->daemon->conf, g->group, "backlog") };

  if (config.directory != NULL && config.namespace != NULL)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "[%s] namespace: not together with directory",
                   g->group);
      return NULL;
    }
  /* files elsewhere may be what systemd-journal-remote was told by others */
  config.trust = config.directory ? get_trust (g) : VMFT_TRUST_KERNEL;
  return vmft_journal_source_new (g->name, &config, g->daemon->clock, g->daemon->store);
}

static VmftSource *
make_kmsg (const Group *g, GError **error)
{
  g_auto (GStrv) paths = vmft_conf_get_list (g->daemon->conf, g->group, "path");

  if (paths[0] != NULL && (paths[1] != NULL || !g_path_is_absolute (paths[0])))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "[%s] path: must be one absolute path", g->group);
      return NULL;
    }
  return vmft_kmsg_source_new (g->name, paths[0] ? paths[0] : VMFT_KMSG_PATH, VMFT_BOOT_ID_PATH,
                               g->daemon->clock, g->daemon->store);
}

static VmftSource *
make_syslog (const Group *g, GError **error)
{
  g_auto (GStrv) listen = vmft_conf_get_list (g->daemon->conf, g->group, "listen");
  g_auto (GStrv) allow = vmft_conf_get_list (g->daemon->conf, g->group, "allow");
  VmftSyslogConfig config = { .listen = (const char *const *) listen,
                              .allow = (const char *const *) allow,
                              .max_connections =
                                  (guint) vmft_conf_get_uint (g->daemon->conf, g->group, "max-connections"),
                              .trust = get_trust (g) };
  VmftSource *source = vmft_syslog_source_new (g->name, &config, g->daemon->clock, error);

  if (source == NULL)
    g_prefix_error (error, "[%s] ", g->group);
  return source;
}

static void
on_pressure (const char *resource, const char *line, gpointer user_data)
{
  vmft_pipeline_raise_pressure (((VmftDaemon *) user_data)->pipeline, resource, line);
}

static VmftSource *
make_pressure (const Group *g, GError **error)
{
  VmftConf *conf = g->daemon->conf;
  const char *directory = get (g, "directory");
  VmftPressureConfig config = { .directory = directory ? directory : VMFT_PRESSURE_DIRECTORY,
                                .memory = vmft_conf_get_double (conf, g->group, "memory"),
                                .io = vmft_conf_get_double (conf, g->group, "io"),
                                .cpu = vmft_conf_get_double (conf, g->group, "cpu") };

  return vmft_pressure_source_new (g->name, &config, g->daemon->clock, on_pressure, g->daemon);
}

/* --- all of them --- */

typedef struct
{
  const char *name;
  VmftSource *(*make) (const Group *g, GError **error);
  const char *keys; /* that it reads, beside "type" */
} SourceType;

static const SourceType types[] = {
  { "file", make_file, "path|trust|format" },
  { "journal", make_journal, "directory|namespace|backlog|trust" },
  { "kmsg", make_kmsg, "path" },
  { "syslog", make_syslog, "listen|allow|max-connections|trust" },
  { "pressure", make_pressure, "directory|memory|io|cpu" },
  { "qemu", make_qemu, "path|trust" },
};

static const SourceType *
find_type (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    if (g_str_equal (types[i].name, name))
      return &types[i];
  g_return_val_if_reached (NULL);
}

/* A key that this type does not read would be a wish that nobody hears. */
static gboolean
check_keys (const Group *g, const SourceType *type, GError **error)
{
  g_auto (GStrv) allowed = g_strsplit (type->keys, "|", -1);
  guint n_keys = 0;
  const VmftConfKey *keys = vmft_conf_keys (&n_keys);

  for (guint i = 0; i < n_keys; i++)
    {
      const char *text;

      if (!g_str_equal (keys[i].group, "Source *") || g_str_equal (keys[i].key, "type") ||
          g_strv_contains ((const char *const *) allowed, keys[i].key))
        continue;
      text = get (g, keys[i].key);
      if (g_strcmp0 (text ? text : "", keys[i].fallback) == 0)
        continue;
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_CONFIG, "[%s] %s=%s: not a key of type=%s, which has %s",
                   g->group, keys[i].key, text, type->name, type->keys);
      return FALSE;
    }
  return TRUE;
}

gboolean
vmft_daemon_add_configured_sources (VmftDaemon *self, GError **error)
{
  g_autofree const char **names = vmft_conf_list_named (self->conf, "Source");

  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *group = g_strconcat ("Source ", names[i], NULL);
      const Group g = { self, names[i], group };
      const SourceType *type = find_type (get (&g, "type"));
      g_autoptr (VmftSource) source = NULL;

      if (!check_keys (&g, type, error))
        return FALSE;
      source = type->make (&g, error);
      if (source == NULL)
        return FALSE;
      vmft_daemon_add_source (self, source);
    }
  if (names[0] == NULL)
    g_warning ("no log source is configured: nothing will be seen");
  return TRUE;
}
