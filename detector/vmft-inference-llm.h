/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vmft-inference-prompt.h"

G_BEGIN_DECLS

/**
 * VmftLlmConfig:
 * @url: base URL ("http://127.0.0.1:8080", "https://api.example.com/v1") or the whole one, ending in
 *   "/chat/completions"
 * @model: name of the model
 * @key_file: (nullable): file that holds the key
 * @credential: (nullable): name of a systemd credential that holds it (systemd.exec(5), $CREDENTIALS_DIRECTORY)
 * @max_reply_bytes: longer replies are no answers
 */
typedef struct
{
  const char *url;
  const char *model;
  const char *key_file;
  const char *credential;
  VmftPromptStyle style;
  gsize max_reply_bytes;
} VmftLlmConfig;

#define VMFT_LLM_CONFIG_DEFAULT                                                                              \
  ((VmftLlmConfig){ .style = VMFT_PROMPT_FEW_SHOT, .max_reply_bytes = 64 * 1024 })

/**
 * vmft_inference_llm_new:
 * @config: copied
 * @error: return location, %VMFT_ERROR_CONFIG: no usable URL; a key that cannot be read, is no header text, or
 *   would travel unencrypted to another machine
 *
 * The provider "llm": any endpoint that speaks OpenAI's chat completions. Redirects are not followed, since they
 * would carry the key elsewhere. Neither log nor error ever holds the key, nor anything that the server said.
 *
 * Returns: (transfer full): the provider
 */
VmftInferenceProvider *vmft_inference_llm_new (const VmftLlmConfig *config,
                                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
