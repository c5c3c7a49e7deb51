/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmft-inference-provider.h"

#define MAX_REASON_BYTES 200

G_DEFINE_INTERFACE (VmftInferenceProvider, vmft_inference_provider, G_TYPE_OBJECT)

static void
vmft_inference_provider_default_init (VmftInferenceProviderInterface *iface)
{
}

const char *
vmft_inference_provider_get_name (VmftInferenceProvider *self)
{
  return VMFT_INFERENCE_PROVIDER_GET_IFACE (self)->get_name (self);
}

void
vmft_inference_provider_ask (VmftInferenceProvider *self,
                             const VmftQuestion *question,
                             GCancellable *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer user_data)
{
  VMFT_INFERENCE_PROVIDER_GET_IFACE (self)->ask (self, question, cancellable, callback, user_data);
}

VmftReply *
vmft_inference_provider_ask_finish (VmftInferenceProvider *self,
                                    GAsyncResult *result,
                                    double *retry_after_s,
                                    GError **error)
{
  *retry_after_s = 0;
  return VMFT_INFERENCE_PROVIDER_GET_IFACE (self)->ask_finish (self, result, retry_after_s, error);
}

VmftReply *
vmft_reply_new (VmftAnswerKind kind, const char *reason)
{
  VmftReply *reply = g_new0 (VmftReply, 1);

  reply->kind = kind;
  if (reason != NULL && *reason != '\0')
    {
      /* cut first and made printable after, so that a character cut in two becomes '?' */
      g_autofree char *text = vmft_text_printable (reason, (gssize) MIN (strlen (reason), MAX_REASON_BYTES));

      reply->reason = g_strdup (g_strstrip (text));
    }
  return reply;
}

void
vmft_reply_free (VmftReply *reply)
{
  g_free (reply->reason);
  g_free (reply);
}

/* --- none --- */

#define VMFT_TYPE_INFERENCE_NONE vmft_inference_none_get_type ()
G_DECLARE_FINAL_TYPE (VmftInferenceNone, vmft_inference_none, VMFT, INFERENCE_NONE, GObject)

struct _VmftInferenceNone
{
  GObject parent;
};

static void vmft_inference_none_iface_init (VmftInferenceProviderInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VmftInferenceNone,
                               vmft_inference_none,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (VMFT_TYPE_INFERENCE_PROVIDER,
                                                      vmft_inference_none_iface_init))

static const char *
vmft_inference_none_get_name (VmftInferenceProvider *provider)
{
  return "none";
}

static void
vmft_inference_none_ask (VmftInferenceProvider *provider,
                         const VmftQuestion *question,
                         GCancellable *cancellable,
                         GAsyncReadyCallback callback,
                         gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (provider, NULL, callback, user_data);

  g_task_return_pointer (task, vmft_reply_new (VMFT_ANSWER_UNSURE, NULL), (GDestroyNotify) vmft_reply_free);
}

static VmftReply *
vmft_inference_none_ask_finish (VmftInferenceProvider *provider,
                                GAsyncResult *result,
                                double *retry_after_s,
                                GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
vmft_inference_none_iface_init (VmftInferenceProviderInterface *iface)
{
  iface->get_name = vmft_inference_none_get_name;
  iface->ask = vmft_inference_none_ask;
  iface->ask_finish = vmft_inference_none_ask_finish;
}

static void
vmft_inference_none_class_init (VmftInferenceNoneClass *klass)
{
}

static void
vmft_inference_none_init (VmftInferenceNone *self)
{
}

VmftInferenceProvider *
vmft_inference_none_new (void)
{
  return g_object_new (VMFT_TYPE_INFERENCE_NONE, NULL);
}
