/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-tokens.h"

#include "vmft-hash.h"

typedef struct
{
  char *text; /* padded with zeros to whole words of eight bytes */
  guint64 hash;
  guint32 length;
  guint32 refs;
} Token;

struct _VmftTokens
{
  guint64 seed;   /* drawn at random: who writes the log must not choose the collisions */
  guint32 *slots; /* open addressing, linear; 0 is empty */
  guint32 mask;
  guint32 used;
  GArray *tokens; /* Token, by number */
  GArray *unused; /* numbers to give out again */
  gsize text_bytes;
};

#define FIRST_SLOTS 1024

VmftTokens *
vmft_tokens_new (void)
{
  VmftTokens *self = g_new0 (VmftTokens, 1);

  self->seed = ((guint64) g_random_int () << 32) | g_random_int ();
  self->slots = g_new0 (guint32, FIRST_SLOTS);
  self->mask = FIRST_SLOTS - 1;
  self->tokens = g_array_new (FALSE, TRUE, sizeof (Token));
  self->unused = g_array_new (FALSE, FALSE, sizeof (guint32));
  g_array_set_size (self->tokens, 1);
  return self;
}

void
vmft_tokens_free (VmftTokens *self)
{
  for (guint i = 0; i < self->tokens->len; i++)
    g_free (g_array_index (self->tokens, Token, i).text);
  g_array_unref (self->tokens);
  g_array_unref (self->unused);
  g_free (self->slots);
  g_free (self);
}

static inline Token *
token (const VmftTokens *self, guint32 id)
{
  return &g_array_index (self->tokens, Token, id);
}

static inline gboolean
equal (const Token *t, guint64 hash, const char *text, gsize length)
{
  if (t->hash != hash || t->length != length)
    return FALSE;
  for (gsize i = 0; i < length; i += 8)
    {
      if (vmft_hash_load (t->text + i, 8) != vmft_hash_load (text + i, length - i))
        return FALSE;
    }
  return TRUE;
}

/* The slot of the word, or the empty one where it would go. */
static inline guint32
slot_of (const VmftTokens *self, guint64 hash, const char *text, gsize length)
{
  guint32 slot = (guint32) hash & self->mask;

  while (self->slots[slot] != VMFT_TOKEN_NONE && !equal (token (self, self->slots[slot]), hash, text, length))
    slot = (slot + 1) & self->mask;
  return slot;
}

guint32
vmft_tokens_find (const VmftTokens *self, const char *text, gsize length)
{
  return self->slots[slot_of (self, vmft_hash_bytes (text, length, self->seed), text, length)];
}

static void
grow (VmftTokens *self)
{
  guint32 n_slots = (self->mask + 1) * 2;

  g_free (self->slots);
  self->slots = g_new0 (guint32, n_slots);
  self->mask = n_slots - 1;
  for (guint32 id = 1; id < self->tokens->len; id++)
    {
      guint32 slot = (guint32) token (self, id)->hash & self->mask;

      if (token (self, id)->refs == 0)
        continue;
      while (self->slots[slot] != VMFT_TOKEN_NONE)
        slot = (slot + 1) & self->mask;
      self->slots[slot] = id;
    }
}

static guint32
new_id (VmftTokens *self)
{
  guint32 id = self->tokens->len;

  if (self->unused->len > 0)
    {
      id = g_array_index (self->unused, guint32, self->unused->len - 1);
      g_array_set_size (self->unused, self->unused->len - 1);
      return id;
    }
  g_array_set_size (self->tokens, id + 1);
  return id;
}

guint32
vmft_tokens_intern (VmftTokens *self, const char *text, gsize length)
{
  guint64 hash = vmft_hash_bytes (text, length, self->seed);
  guint32 slot, id;
  Token *t;

  if (self->used >= self->mask / 2)
    grow (self);
  slot = slot_of (self, hash, text, length);
  id = self->slots[slot];
  if (id == VMFT_TOKEN_NONE)
    {
      id = new_id (self);
      self->slots[slot] = id;
      self->used++;
      t = token (self, id);
      t->text = g_malloc0 ((length + 7) / 8 * 8 + 8);
      memcpy (t->text, text, length);
      t->hash = hash;
      t->length = (guint32) length;
      self->text_bytes += length + 16;
    }
  token (self, id)->refs++;
  return id;
}

void
vmft_tokens_ref (VmftTokens *self, guint32 id)
{
  token (self, id)->refs++;
}

/* Closes the gap at @slot: whatever a probe would no longer find across it moves up. */
static void
remove_slot (VmftTokens *self, guint32 slot)
{
  guint32 next = slot;

  for (;;)
    {
      guint32 home;

      next = (next + 1) & self->mask;
      if (self->slots[next] == VMFT_TOKEN_NONE)
        break;
      home = (guint32) token (self, self->slots[next])->hash & self->mask;
      if (((next - home) & self->mask) >= ((next - slot) & self->mask))
        {
          self->slots[slot] = self->slots[next];
          slot = next;
        }
    }
  self->slots[slot] = VMFT_TOKEN_NONE;
}

void
vmft_tokens_unref (VmftTokens *self, guint32 id)
{
  Token *t = token (self, id);

  if (--t->refs > 0)
    return;
  remove_slot (self, slot_of (self, t->hash, t->text, t->length));
  self->used--;
  self->text_bytes -= t->length + 16;
  g_clear_pointer (&t->text, g_free);
  g_array_append_val (self->unused, id);
}

const char *
vmft_tokens_text (const VmftTokens *self, guint32 id, gsize *length)
{
  *length = token (self, id)->length;
  return token (self, id)->text;
}

gsize
vmft_tokens_memory_bytes (const VmftTokens *self)
{
  return sizeof *self + (self->mask + 1) * sizeof (guint32) + self->tokens->len * sizeof (Token) +
         self->unused->len * sizeof (guint32) + self->text_bytes;
}
