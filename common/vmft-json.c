/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-json.h"

#include "vmft-error.h"
#include "vmft-text.h"

#include <json-glib/json-glib.h>
#include <math.h>

#define MAX_DEPTH 24 /* D-Bus takes variants nested 64 deep; each level here is two of those */

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

static GVariant *variant_from_node (JsonNode *node);

/* json-glib makes text that is not UTF-8 out of half a surrogate pair ("\\ud800"); a variant must not hold it. */
static char *
valid_text (const char *text)
{
  return g_utf8_validate (text, -1, NULL) ? g_strdup (text) : vmft_text_printable (text, -1);
}

static GVariant *
variant_from_object (JsonObject *object)
{
  JsonObjectIter iter;
  GVariantDict dict;
  const char *name;
  JsonNode *member;

  g_variant_dict_init (&dict, NULL);
  json_object_iter_init (&iter, object);
  while (json_object_iter_next (&iter, &name, &member))
    if (!JSON_NODE_HOLDS_NULL (member))
      {
        g_autofree char *valid_name = valid_text (name);

        g_variant_dict_insert_value (&dict, valid_name, variant_from_node (member));
      }
  return g_variant_dict_end (&dict);
}

static GVariant *
variant_from_array (JsonArray *array)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("av"));
  for (guint i = 0; i < json_array_get_length (array); i++)
    g_variant_builder_add (&builder, "v", variant_from_node (json_array_get_element (array, i)));
  return g_variant_builder_end (&builder);
}

/*
 * D-Bus has no "nothing": a null member is one that is not there, a null element is not a number. By hand because
 * json_gvariant_deserialize() takes no nulls and no bound on depth.
 */
static GVariant *
variant_from_node (JsonNode *node)
{
  if (JSON_NODE_HOLDS_OBJECT (node))
    return variant_from_object (json_node_get_object (node));
  if (JSON_NODE_HOLDS_ARRAY (node))
    return variant_from_array (json_node_get_array (node));
  if (JSON_NODE_HOLDS_NULL (node))
    return g_variant_new_double (NAN);
  if (json_node_get_value_type (node) == G_TYPE_STRING)
    return g_variant_new_take_string (valid_text (json_node_get_string (node)));
  if (json_node_get_value_type (node) == G_TYPE_BOOLEAN)
    return g_variant_new_boolean (json_node_get_boolean (node));
  if (json_node_get_value_type (node) == G_TYPE_INT64)
    return g_variant_new_int64 (json_node_get_int (node));
  return g_variant_new_double (json_node_get_double (node));
}

/* Whether brackets nest no deeper than a variant may: asked of the text, since the parser itself recurses. */
static gboolean
is_shallow (const char *text)
{
  gboolean in_string = FALSE;
  int depth = 0;

  for (const char *p = text; *p != '\0'; p++)
    {
      if (*p == '\\' && in_string && p[1] != '\0')
        p++;
      else if (*p == '"')
        in_string = !in_string;
      else if (!in_string && (*p == '[' || *p == '{') && ++depth > MAX_DEPTH)
        return FALSE;
      else if (!in_string && (*p == ']' || *p == '}'))
        depth--;
    }
  return TRUE;
}

GVariant *
vmft_json_to_variant (const char *text, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autoptr (JsonNode) node = NULL;

  if (!is_shallow (text))
    {
      g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "JSON nested deeper than %d levels", MAX_DEPTH);
      return NULL;
    }
  node = json_from_string (text, &local);
  if (node != NULL && (JSON_NODE_HOLDS_OBJECT (node) || JSON_NODE_HOLDS_ARRAY (node)))
    return g_variant_ref_sink (variant_from_node (node));
  g_set_error (error, VMFT_ERROR, VMFT_ERROR_INVALID, "not a JSON object or array: %s",
               local ? local->message : "empty text");
  return NULL;
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
vmft_variant_double (GVariant *value, double fallback)
{
  gint64 number;

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_DOUBLE))
    return g_variant_get_double (value);
  return integer_of (value, &number) ? (double) number : fallback;
}

double
vmft_dict_double (GVariant *dict, const char *key, double fallback)
{
  g_autoptr (GVariant) value = dict_lookup (dict, key);

  return value != NULL ? vmft_variant_double (value, fallback) : fallback;
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
