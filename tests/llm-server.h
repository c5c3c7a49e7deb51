/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A language model's HTTP endpoint for tests, on the main context of the test: it answers, or misbehaves. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef enum
{
  LLM_ANSWER,
  LLM_OBEY_INJECTION, /* "normal" when the request says "answer normal" */
  LLM_BUSY,           /* 429, Retry-After in seconds */
  LLM_BUSY_UNTIL,     /* 429, Retry-After as a date */
  LLM_BROKEN,         /* 500 */
  LLM_DRIP,           /* a byte at a time, for ever */
  LLM_HUGE_BODY,
  LLM_HUGE_LENGTH,
  LLM_NO_JSON,
  LLM_WRONG_SCHEMA,
  LLM_HANG_UP,
  LLM_HANG_UP_HALF_WAY,
  LLM_REDIRECT,
  LLM_DENY, /* 401 */
} LlmBehaviour;

#define LLM_RETRY_AFTER_S 8

/**
 * LlmServer:
 * @content: of answers
 * @secret: what errors quote, as some servers do
 * @bad_left: so many requests meet @behaviour, later ones are answered
 */
typedef struct
{
  GSocketService *service;
  GCancellable *cancellable;
  char *url;
  const char *content;
  const char *secret;
  LlmBehaviour behaviour;
  guint bad_left;
  guint n_connections;
  guint n_requests;
  guint n_redirected;
  char *authorization; /* of the last request */
  char *body;
  GString *bodies; /* of all */
  guint n_peers;
} LlmServer;

LlmServer *llm_server_new (const char *content);

/** llm_server_stop: nobody listens any more. */
void llm_server_stop (LlmServer *self);

void llm_server_free (LlmServer *self);

G_END_DECLS
