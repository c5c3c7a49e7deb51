/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-inference-provider.h"

G_BEGIN_DECLS

/**
 * VmftPromptStyle: how a language model is asked.
 * @VMFT_PROMPT_FEW_SHOT: the paper's way with generative models: faulty or normal, beside samples of what is
 *   normal on this host
 * @VMFT_PROMPT_ZERO_SHOT: the paper's way with classifiers: normal, faulty or unsure, no samples
 */
typedef enum
{
  VMFT_PROMPT_FEW_SHOT,
  VMFT_PROMPT_ZERO_SHOT,
} VmftPromptStyle;

/**
 * vmft_prompt_scrub:
 * @template_text: a template, of which the first 512 bytes count
 *
 * A young template still holds the values of its only line. Whatever looks like one becomes a wildcard: words
 * with digits, paths, addresses, quoted text, what stands right of '=', names of users and commands, bytes
 * beyond ASCII.
 *
 * Returns: (transfer full): what may leave the house; printable ASCII without quotes and newlines
 */
char *vmft_prompt_scrub (const char *template_text);

/**
 * vmft_prompt_build:
 * @model: name of the model
 *
 * Returns: (transfer full): the JSON body of a `/v1/chat/completions` request
 */
char *vmft_prompt_build (VmftPromptStyle style, const char *model, const VmftQuestion *question);

/**
 * vmft_prompt_parse_reply:
 * @data: body of the response, whatever it is
 * @style: says whether "unsure" is an answer
 * @error: return location, %VMFT_ERROR_INVALID, in words of ours: nothing of the body is quoted
 *
 * Reads `choices[0].message.content`, whose first word must be one of the classes; the rest is the reason.
 *
 * Returns: (transfer full): the reply
 */
VmftReply *vmft_prompt_parse_reply (VmftPromptStyle style, const char *data, gsize length, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
