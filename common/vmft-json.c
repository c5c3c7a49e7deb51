/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-json.h"

#include "vmft-error.h"

#include <json-glib/json-glib.h>
#include <math.h>

static JsonNode *node_from_variant (GVariant *value);

static gboolean
is_dictionary (GVariant *value)
{
  return g_variant_is_of_type (value, G_VARIANT_TYPE ("a{s*}"));
}

static JsonNode *
object_from_variant (GVariant *value)
{
  g_autoptr (JsonObject) object = json_object_new ();
  GVariantIter iter;
  GVariant *entry;

  g_variant_iter_init (&iter, value);
  while ((entry = g_variant_iter_next_value (&iter)) != NULL)
    {
      g_autoptr (GVariant) key = g_variant_get_child_value (entry, 0);
      g_autoptr (GVariant) member = g_variant_get_child_value (entry, 1);

      json_object_set_member (object, g_variant_get_string (key, NULL), node_from_variant (member));
      g_variant_unref (entry);
    }
  return json_node_init_object (json_node_alloc (), object);
}

static JsonNode *
array_from_variant (GVariant *value)
{
  g_autoptr (JsonArray) array = json_array_new ();
  GVariantIter iter;
  GVariant *child;

  g_variant_iter_init (&iter, value);
  while ((child = g_variant_iter_next_value (&iter)) != NULL)
    {
      json_array_add_element (array, node_from_variant (child));
      g_variant_unref (child);
    }
  return json_node_init_array (json_node_alloc (), array);
}

static JsonNode *
node_from_variant (GVariant *value)
{
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_VARIANT))
    {
      g_autoptr (GVariant) inner = g_variant_get_variant (value);

      return node_from_variant (inner);
    }
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_DOUBLE) && !isfinite (g_variant_get_double (value)))
    return json_node_new (JSON_NODE_NULL);
  if (is_dictionary (value))
    return object_from_variant (value);
  if (g_variant_is_container (value))
    return array_from_variant (value);
  return json_gvariant_serialize (value);
}

char *
vmft_json_from_variant (GVariant *value, gboolean pretty)
{
  g_autoptr (GVariant) held = g_variant_ref_sink (value);
  g_autoptr (JsonNode) node = node_from_variant (held);

  return json_to_string (node, pretty);
}

static void tame_nulls (JsonNode *node);

static void
tame_object (JsonObject *object)
{
  g_autoptr (GList) names = json_object_get_members (object);

  for (GList *l = names; l != NULL; l = l->next)
    {
      JsonNode *member = json_object_get_member (object, l->data);

      if (JSON_NODE_HOLDS_NULL (member))
        json_object_remove_member (object, l->data);
      else
        tame_nulls (member);
    }
}

/* D-Bus has no "nothing": a null member is one that is not there, a null element is not a number. */
static void
tame_nulls (JsonNode *node)
{
  JsonArray *array;

  if (JSON_NODE_HOLDS_OBJECT (node))
    tame_object (json_node_get_object (node));
  if (!JSON_NODE_HOLDS_ARRAY (node))
    return;
  array = json_node_get_array (node);
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      JsonNode *element = json_array_get_element (array, i);

      if (JSON_NODE_HOLDS_NULL (element))
        json_node_init_double (element, NAN);
      else
        tame_nulls (element);
    }
}

GVariant *
vmft_json_to_variant (const char *text, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autoptr (JsonNode) node = json_from_string (text, &local);
  g_autoptr (GVariant) value = NULL;

  if (node != NULL)
    tame_nulls (node);
  if (node != NULL && (JSON_NODE_HOLDS_OBJECT (node) || JSON_NODE_HOLDS_ARRAY (node)))
    value = json_gvariant_deserialize (node, JSON_NODE_HOLDS_OBJECT (node) ? "a{sv}" : "av", &local);
  if (value == NULL)
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "not a JSON object or array: %s",
                   local ? local->message : "empty text");
      return NULL;
    }
  return g_variant_ref_sink (g_steal_pointer (&value));
}

static GVariant *
dict_lookup (GVariant *dict, const char *key)
{
  return g_variant_lookup_value (dict, key, NULL);
}

const char *
vmft_dict_string (GVariant *dict, const char *key)
{
  const char *text = NULL;

  /* "&s" borrows from @dict, unlike a child value whose memory could go with it */
  return g_variant_lookup (dict, key, "&s", &text) ? text : NULL;
}

static gboolean
integer_of (GVariant *value, gint64 *number)
{
  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_BYTE:
      *number = g_variant_get_byte (value);
      return TRUE;
    case G_VARIANT_CLASS_INT16:
      *number = g_variant_get_int16 (value);
      return TRUE;
    case G_VARIANT_CLASS_UINT16:
      *number = g_variant_get_uint16 (value);
      return TRUE;
    case G_VARIANT_CLASS_INT32:
      *number = g_variant_get_int32 (value);
      return TRUE;
    case G_VARIANT_CLASS_UINT32:
      *number = g_variant_get_uint32 (value);
      return TRUE;
    case G_VARIANT_CLASS_INT64:
      *number = g_variant_get_int64 (value);
      return TRUE;
    case G_VARIANT_CLASS_UINT64:
      *number = (gint64) MIN (g_variant_get_uint64 (value), (guint64) G_MAXINT64);
      return TRUE;
    default:
      return FALSE;
    }
}

double
vmft_dict_double (GVariant *dict, const char *key, double fallback)
{
  g_autoptr (GVariant) value = dict_lookup (dict, key);
  gint64 number;

  if (value != NULL && g_variant_is_of_type (value, G_VARIANT_TYPE_DOUBLE))
    return g_variant_get_double (value);
  return value != NULL && integer_of (value, &number) ? (double) number : fallback;
}

gint64
vmft_dict_int64 (GVariant *dict, const char *key, gint64 fallback)
{
  g_autoptr (GVariant) value = dict_lookup (dict, key);
  gint64 number;

  return value != NULL && integer_of (value, &number) ? number : fallback;
}

gboolean
vmft_dict_boolean (GVariant *dict, const char *key, gboolean fallback)
{
  gboolean value;

  return g_variant_lookup (dict, key, "b", &value) ? value : fallback;
}
