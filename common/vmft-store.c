/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-store.h"

#include "vmft-error.h"
#include "vmft-json.h"

G_DEFINE_INTERFACE (VmftStore, vmft_store, G_TYPE_OBJECT)

#define ID_KEY_SIZE 24

static void
vmft_store_default_init (VmftStoreInterface *iface)
{
}

gboolean
vmft_store_begin (VmftStore *self, GError **error)
{
  return VMFT_STORE_GET_IFACE (self)->begin (self, error);
}

gboolean
vmft_store_commit (VmftStore *self, GError **error)
{
  return VMFT_STORE_GET_IFACE (self)->commit (self, error);
}

void
vmft_store_rollback (VmftStore *self)
{
  VMFT_STORE_GET_IFACE (self)->rollback (self);
}

gboolean
vmft_store_put (VmftStore *self,
                const char *table,
                const char *key,
                VmftTime time_us,
                GVariant *record,
                GError **error)
{
  g_autoptr (GVariant) held = g_variant_ref_sink (record);

  return VMFT_STORE_GET_IFACE (self)->put (self, table, key, time_us, held, error);
}

static const char *
id_key (char key[ID_KEY_SIZE], guint64 id)
{
  g_snprintf (key, ID_KEY_SIZE, "%020" G_GUINT64_FORMAT, id);
  return key;
}

gboolean
vmft_store_put_id (VmftStore *self,
                   const char *table,
                   guint64 id,
                   VmftTime time_us,
                   GVariant *record,
                   GError **error)
{
  char key[ID_KEY_SIZE];

  return vmft_store_put (self, table, id_key (key, id), time_us, record, error);
}

gboolean
vmft_store_remove (VmftStore *self, const char *table, const char *key, GError **error)
{
  return VMFT_STORE_GET_IFACE (self)->remove (self, table, key, error);
}

gboolean
vmft_store_remove_id (VmftStore *self, const char *table, guint64 id, GError **error)
{
  char key[ID_KEY_SIZE];

  return vmft_store_remove (self, table, id_key (key, id), error);
}

GVariant *
vmft_store_get (VmftStore *self, const char *table, const char *key, GError **error)
{
  return VMFT_STORE_GET_IFACE (self)->get (self, table, key, error);
}

GVariant *
vmft_store_get_id (VmftStore *self, const char *table, guint64 id, GError **error)
{
  char key[ID_KEY_SIZE];

  return vmft_store_get (self, table, id_key (key, id), error);
}

gboolean
vmft_store_foreach (VmftStore *self,
                    const char *table,
                    VmftStoreOrder order,
                    guint limit,
                    VmftStoreFunc func,
                    gpointer user_data,
                    GError **error)
{
  return VMFT_STORE_GET_IFACE (self)->foreach (self, table, order, limit, func, user_data, error);
}

gboolean
vmft_store_foreach_of_incident (VmftStore *self,
                                const char *table,
                                guint64 incident_id,
                                VmftStoreFunc func,
                                gpointer user_data,
                                GError **error)
{
  return VMFT_STORE_GET_IFACE (self)->foreach_of_incident (self, table, incident_id, func, user_data, error);
}

guint64
vmft_store_last_id (VmftStore *self, const char *table)
{
  return VMFT_STORE_GET_IFACE (self)->last_id (self, table);
}

/* --- in memory --- */

typedef struct
{
  char *key;
  VmftTime time_us;
  GVariant *record;
} Row;

struct _VmftMemoryStore
{
  GObject parent;

  GHashTable *tables; /* table name -> GTree of key -> Row */
  GPtrArray *undo;    /* of Undo, while a transaction is open */
  guint writes_left;
};

typedef struct
{
  char *table;
  char *key;
  Row *before; /* (nullable): what stood there */
} Undo;

static void
row_free (Row *row)
{
  g_free (row->key);
  g_variant_unref (row->record);
  g_free (row);
}

static void
undo_free (Undo *undo)
{
  g_clear_pointer (&undo->before, row_free);
  g_free (undo->table);
  g_free (undo->key);
  g_free (undo);
}

static gint
compare_keys (gconstpointer a, gconstpointer b, gpointer user_data)
{
  return g_strcmp0 (a, b);
}

static GTree *
get_table (VmftMemoryStore *self, const char *name)
{
  GTree *table = g_hash_table_lookup (self->tables, name);

  if (table == NULL)
    {
      table = g_tree_new_full (compare_keys, NULL, NULL, (GDestroyNotify) row_free);
      g_hash_table_insert (self->tables, g_strdup (name), table);
    }
  return table;
}

static Row *
row_new (const char *key, VmftTime time_us, GVariant *record)
{
  Row *row = g_new0 (Row, 1);

  row->key = g_strdup (key);
  row->time_us = time_us;
  row->record = g_variant_ref (record);
  return row;
}

static gboolean
spend_write (VmftMemoryStore *self, GError **error)
{
  if (self->writes_left == 0)
    {
      g_set_error_literal (error, VMFT_ERROR, VMFT_ERROR_FAILED, "the store takes no more writes");
      return FALSE;
    }
  if (self->writes_left != G_MAXUINT)
    self->writes_left--;
  return TRUE;
}

static void
remember_undo (VmftMemoryStore *self, const char *table, const char *key)
{
  Row *row = g_tree_lookup (get_table (self, table), key);
  Undo *undo;

  if (self->undo == NULL)
    return;
  undo = g_new0 (Undo, 1);
  undo->table = g_strdup (table);
  undo->key = g_strdup (key);
  undo->before = row ? row_new (row->key, row->time_us, row->record) : NULL;
  g_ptr_array_add (self->undo, undo);
}

static gboolean
memory_store_begin (VmftStore *store, GError **error)
{
  VmftMemoryStore *self = VMFT_MEMORY_STORE (store);

  g_return_val_if_fail (self->undo == NULL, FALSE);
  self->undo = g_ptr_array_new_with_free_func ((GDestroyNotify) undo_free);
  return TRUE;
}

static gboolean
memory_store_commit (VmftStore *store, GError **error)
{
  g_clear_pointer (&VMFT_MEMORY_STORE (store)->undo, g_ptr_array_unref);
  return TRUE;
}

static void
memory_store_rollback (VmftStore *store)
{
  VmftMemoryStore *self = VMFT_MEMORY_STORE (store);
  g_autoptr (GPtrArray) undos = g_steal_pointer (&self->undo);

  for (guint i = undos ? undos->len : 0; i > 0; i--)
    {
      Undo *undo = g_ptr_array_index (undos, i - 1);
      GTree *table = get_table (self, undo->table);
      Row *row = g_steal_pointer (&undo->before);

      if (row != NULL)
        g_tree_replace (table, row->key, row);
      else
        g_tree_remove (table, undo->key);
    }
}

static gboolean
memory_store_put (VmftStore *store,
                  const char *table,
                  const char *key,
                  VmftTime time_us,
                  GVariant *record,
                  GError **error)
{
  VmftMemoryStore *self = VMFT_MEMORY_STORE (store);
  Row *row;

  if (!spend_write (self, error))
    return FALSE;
  remember_undo (self, table, key);
  row = row_new (key, time_us, record);
  g_tree_replace (get_table (self, table), row->key, row);
  return TRUE;
}

static gboolean
memory_store_remove (VmftStore *store, const char *table, const char *key, GError **error)
{
  VmftMemoryStore *self = VMFT_MEMORY_STORE (store);

  if (!spend_write (self, error))
    return FALSE;
  remember_undo (self, table, key);
  g_tree_remove (get_table (self, table), key);
  return TRUE;
}

static GVariant *
memory_store_get (VmftStore *store, const char *table, const char *key, GError **error)
{
  Row *row = g_tree_lookup (get_table (VMFT_MEMORY_STORE (store), table), key);

  return row ? g_variant_ref (row->record) : NULL;
}

static gboolean
collect_row (gpointer key, gpointer value, gpointer user_data)
{
  g_ptr_array_add (user_data, value);
  return FALSE;
}

static gint
newest_first (gconstpointer a, gconstpointer b)
{
  const Row *x = *(Row *const *) a, *y = *(Row *const *) b;

  if (x->time_us != y->time_us)
    return x->time_us > y->time_us ? -1 : 1;
  return -g_strcmp0 (x->key, y->key);
}

static gboolean
memory_store_foreach (VmftStore *store,
                      const char *table,
                      VmftStoreOrder order,
                      guint limit,
                      VmftStoreFunc func,
                      gpointer user_data,
                      GError **error)
{
  g_autoptr (GPtrArray) rows = g_ptr_array_new ();

  g_tree_foreach (get_table (VMFT_MEMORY_STORE (store), table), collect_row, rows);
  if (order == VMFT_STORE_NEWEST_FIRST)
    g_ptr_array_sort (rows, newest_first);
  for (guint i = 0; i < rows->len && (limit == 0 || i < limit); i++)
    {
      const Row *row = g_ptr_array_index (rows, i);

      if (!func (row->key, row->time_us, row->record, user_data))
        break;
    }
  return TRUE;
}

typedef struct
{
  guint64 incident_id;
  VmftStoreFunc func;
  gpointer user_data;
} OfIncident;

static gboolean
pass_on_of_incident (const char *key, VmftTime time_us, GVariant *record, gpointer user_data)
{
  OfIncident *of = user_data;

  return (guint64) vmft_dict_int64 (record, "incident_id", 0) != of->incident_id ||
         of->func (key, time_us, record, of->user_data);
}

static gboolean
memory_store_foreach_of_incident (VmftStore *store,
                                  const char *table,
                                  guint64 incident_id,
                                  VmftStoreFunc func,
                                  gpointer user_data,
                                  GError **error)
{
  OfIncident of = { incident_id, func, user_data };

  return memory_store_foreach (store, table, VMFT_STORE_NEWEST_FIRST, 0, pass_on_of_incident, &of, error);
}

static guint64
memory_store_last_id (VmftStore *store, const char *table)
{
  GTreeNode *last = g_tree_node_last (get_table (VMFT_MEMORY_STORE (store), table));

  return last ? g_ascii_strtoull (g_tree_node_key (last), NULL, 10) : 0;
}

static void
memory_store_iface_init (VmftStoreInterface *iface)
{
  iface->begin = memory_store_begin;
  iface->commit = memory_store_commit;
  iface->rollback = memory_store_rollback;
  iface->put = memory_store_put;
  iface->remove = memory_store_remove;
  iface->foreach = memory_store_foreach;
  iface->foreach_of_incident = memory_store_foreach_of_incident;
  iface->get = memory_store_get;
  iface->last_id = memory_store_last_id;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (VmftMemoryStore,
                               vmft_memory_store,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (VMFT_TYPE_STORE, memory_store_iface_init))

static void
vmft_memory_store_finalize (GObject *object)
{
  VmftMemoryStore *self = VMFT_MEMORY_STORE (object);

  g_clear_pointer (&self->undo, g_ptr_array_unref);
  g_hash_table_unref (self->tables);
  G_OBJECT_CLASS (vmft_memory_store_parent_class)->finalize (object);
}

static void
vmft_memory_store_class_init (VmftMemoryStoreClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vmft_memory_store_finalize;
}

static void
vmft_memory_store_init (VmftMemoryStore *self)
{
  self->tables = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_tree_unref);
  self->writes_left = G_MAXUINT;
}

VmftStore *
vmft_memory_store_new (void)
{
  return g_object_new (VMFT_TYPE_MEMORY_STORE, NULL);
}

void
vmft_memory_store_fail_after (VmftMemoryStore *self, guint n_writes)
{
  self->writes_left = n_writes;
}
