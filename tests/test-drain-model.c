/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The miner against Drain3's rules written down as plainly as can be: words as strings, templates searched one
 * by one, no numbers, no cache, no index. Random lines, random configurations, the same answers. */
#include "vmft-common.h"
#include "vmft-drain.h"

#include <string.h>

#define WILDCARD VMFT_DRAIN_WILDCARD

typedef struct
{
  GStrv words;
  guint n_words;
  guint serial;
  guint used;
  char *leaf;
} Template;

typedef struct
{
  VmftDrainConfig config;
  GPtrArray *templates; /* Template, live ones, by serial */
  GHashTable *nodes;    /* path -> (char *) set of the keys of its children */
  guint serial, used;
} Model;

static void
template_free (gpointer data)
{
  Template *t = data;

  g_strfreev (t->words);
  g_free (t->leaf);
  g_free (t);
}

static void
model_init (Model *model, const VmftDrainConfig *config)
{
  *model = (Model){ .config = *config };
  model->templates = g_ptr_array_new_with_free_func (template_free);
  model->nodes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_hash_table_unref);
}

static void
model_clear (Model *model)
{
  g_ptr_array_unref (model->templates);
  g_hash_table_unref (model->nodes);
}

static GStrv
split (const char *line)
{
  g_auto (GStrv) parts = g_strsplit_set (line, " _\t", -1);
  g_autoptr (GStrvBuilder) words = g_strv_builder_new ();

  for (guint i = 0; parts[i] != NULL; i++)
    {
      if (parts[i][0] != '\0')
        g_strv_builder_add (words, parts[i]);
    }
  return g_strv_builder_end (words);
}

static GHashTable *
children_of (Model *model, const char *path)
{
  GHashTable *children = g_hash_table_lookup (model->nodes, path);

  if (children == NULL)
    {
      children = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
      g_hash_table_insert (model->nodes, g_strdup (path), children);
    }
  return children;
}

/* The key under which a new word goes. */
static const char *
key_for (Model *model, GHashTable *children, const char *word)
{
  guint n = g_hash_table_size (children);
  gboolean has_wildcard = g_hash_table_contains (children, WILDCARD);

  if (g_hash_table_contains (children, word))
    return word;
  if (model->config.parametrize_numeric_tokens && strpbrk (word, "0123456789") != NULL)
    return WILDCARD;
  if (has_wildcard)
    return n < model->config.max_children ? word : WILDCARD;
  return n + 1 < model->config.max_children ? word : WILDCARD;
}

/* Returns: (transfer full) (nullable): the leaf's path, made as needed when @insert, else NULL when missing. */
static char *
walk (Model *model, GStrv words, gboolean insert)
{
  guint n = g_strv_length (words);
  g_autoptr (GString) path = g_string_new (NULL);

  g_string_append_printf (path, "%u", n);
  if (!insert && !g_hash_table_contains (model->nodes, path->str))
    return NULL;
  for (guint depth = 1; depth < model->config.depth - 2 && depth < n; depth++)
    {
      GHashTable *children = children_of (model, path->str);
      const char *key = words[depth - 1];

      if (insert)
        {
          key = key_for (model, children, key);
          g_hash_table_add (children, g_strdup (key));
        }
      else if (!g_hash_table_contains (children, key))
        {
          key = WILDCARD;
          if (!g_hash_table_contains (children, key))
            return NULL;
        }
      g_string_append_printf (path, " %s", key);
    }
  children_of (model, path->str);
  return g_string_free (g_steal_pointer (&path), FALSE);
}

static Template *
search (Model *model, GStrv words)
{
  g_autofree char *leaf = walk (model, words, FALSE);
  guint n = g_strv_length (words);
  Template *best = NULL;
  double best_similarity = -1;
  int best_wildcards = -1;

  for (guint i = 0; leaf != NULL && i < model->templates->len; i++)
    {
      Template *t = g_ptr_array_index (model->templates, i);
      int equal = 0, wildcards = 0;
      double similarity;

      if (!g_str_equal (t->leaf, leaf))
        continue;
      for (guint j = 0; j < n; j++)
        {
          if (g_str_equal (t->words[j], WILDCARD))
            wildcards++;
          else if (g_str_equal (t->words[j], words[j]))
            equal++;
        }
      similarity = n > 0 ? (double) equal / n : 1;
      if (similarity > best_similarity || (similarity == best_similarity && wildcards > best_wildcards))
        {
          best = t;
          best_similarity = similarity;
          best_wildcards = wildcards;
        }
    }
  return best_similarity >= model->config.similarity ? best : NULL;
}

static void
evict_if_full (Model *model)
{
  guint oldest = 0;

  if (model->config.max_clusters == 0 || model->templates->len < model->config.max_clusters)
    return;
  for (guint i = 1; i < model->templates->len; i++)
    {
      const Template *a = g_ptr_array_index (model->templates, i);
      const Template *b = g_ptr_array_index (model->templates, oldest);

      if (a->used < b->used)
        oldest = i;
    }
  g_ptr_array_remove_index (model->templates, oldest);
}

static Template *
model_add (Model *model, const char *line, gboolean *is_new, gboolean *changed)
{
  g_auto (GStrv) words = split (line);
  Template *t = search (model, words);

  *is_new = t == NULL;
  *changed = FALSE;
  if (t == NULL)
    {
      evict_if_full (model);
      t = g_new0 (Template, 1);
      t->leaf = walk (model, words, TRUE);
      t->serial = ++model->serial;
      t->words = g_steal_pointer (&words);
      g_ptr_array_add (model->templates, t);
    }
  for (guint i = 0; words != NULL && words[i] != NULL; i++)
    {
      if (g_str_equal (t->words[i], words[i]) || g_str_equal (t->words[i], WILDCARD))
        continue;
      g_free (t->words[i]);
      t->words[i] = g_strdup (WILDCARD);
      *changed = TRUE;
    }
  t->used = ++model->used;
  return t;
}

static char *
random_line (GRand *rand, guint n_words, gint longest)
{
  static const char *const words[] = { "a", "b", "c", "d", "f1", WILDCARD, "e", "g2", "h", "i", "j", "k" };
  g_autoptr (GString) line = g_string_new (NULL);

  for (gint n = g_rand_int_range (rand, 0, longest + 1); n > 0; n--)
    g_string_append_printf (line, "%s%c", words[g_rand_int_range (rand, 0, n_words)],
                            " _\t "[g_rand_int_range (rand, 0, 4)]);
  return g_string_free (g_steal_pointer (&line), FALSE);
}

static void
compare (guint32 seed)
{
  static const double similarities[] = { 0, 0.2, 0.4, 0.4, 0.5, 0.75, 1 };
  static const guint limits[] = { 0, 0, 1, 2, 5, 30 }, children[] = { 1, 2, 3, 5, 100 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  guint n_words = (guint) g_rand_int_range (rand, 3, 13);
  gint longest = g_rand_int_range (rand, 1, 7);
  g_autoptr (VmftDrain) drain = NULL;
  VmftDrainConfig config;
  Model model;

  vmft_drain_config_init (&config);
  config.mask = FALSE;
  config.depth = (guint) g_rand_int_range (rand, 3, 7);
  config.similarity = similarities[g_rand_int_range (rand, 0, G_N_ELEMENTS (similarities))];
  config.max_clusters = limits[g_rand_int_range (rand, 0, G_N_ELEMENTS (limits))];
  config.max_children = children[g_rand_int_range (rand, 0, G_N_ELEMENTS (children))];
  config.parametrize_numeric_tokens = seed % 4 != 0;
  drain = vmft_drain_new (&config, NULL);
  model_init (&model, &config);
  for (guint i = 0; i < 300; i++)
    {
      g_autofree char *line = random_line (rand, n_words, longest), *expected = NULL;
      gboolean is_new, changed;
      const Template *t = model_add (&model, line, &is_new, &changed);
      VmftDrainTemplate info;
      VmftDrainMatch match;

      vmft_drain_add (drain, line, strlen (line), &match);
      g_assert_true (vmft_drain_template (drain, match.id, &info));
      expected = g_strjoinv (" ", t->words);
      g_assert_cmpstr (info.text, ==, expected);
      g_assert_cmpint (match.is_new, ==, is_new);
      g_assert_cmpint (match.changed, ==, changed);
      if (config.max_clusters == 0)
        g_assert_cmpuint (match.id, ==, t->serial);
    }
  g_assert_cmpuint (vmft_drain_n_clusters (drain), ==, model.templates->len);
  model_clear (&model);
}

static void
test_model (void)
{
  for (guint32 seed = 1; seed <= 250; seed++)
    compare (seed);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/drain/model", test_model);
  return g_test_run ();
}
