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
return_reply (gpointer source, GAsyncReadyCallback callback, gpointer user_data, VmftReply *reply)
{
  g_autoptr (GTask) task = g_task_new (source, NULL, callback, user_data);

  g_task_return_pointer (task, reply, (GDestroyNotify) vmft_reply_free);
}

static void
vmft_inference_none_ask (VmftInferenceProvider *provider,
                         const VmftQuestion *question,
                         GCancellable *cancellable,
                         GAsyncReadyCallback callback,
                         gpointer user_data)
{
  return_reply (provider, callback, user_data, vmft_reply_new (VMFT_ANSWER_UNSURE, NULL));
}

static VmftReply *
finish_task (VmftInferenceProvider *provider, GAsyncResult *result, double *retry_after_s, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
vmft_inference_none_iface_init (VmftInferenceProviderInterface *iface)
{
  iface->get_name = vmft_inference_none_get_name;
  iface->ask = vmft_inference_none_ask;
  iface->ask_finish = finish_task;
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

/* --- kernel-model --- */

#define VMFT_TYPE_INFERENCE_KERNEL vmft_inference_kernel_get_type ()
G_DECLARE_FINAL_TYPE (VmftInferenceKernel, vmft_inference_kernel, VMFT, INFERENCE_KERNEL, GObject)

struct _VmftInferenceKernel
{
  GObject parent;

  VmftScoreFunc score;
  gpointer user_data;
  GDestroyNotify destroy;
};

static void vmft_inference_kernel_iface_init (VmftInferenceProviderInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (VmftInferenceKernel,
                               vmft_inference_kernel,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (VMFT_TYPE_INFERENCE_PROVIDER,
                                                      vmft_inference_kernel_iface_init))

static const char *
vmft_inference_kernel_get_name (VmftInferenceProvider *provider)
{
  return "kernel-model";
}

static void
vmft_inference_kernel_ask (VmftInferenceProvider *provider,
                           const VmftQuestion *question,
                           GCancellable *cancellable,
                           GAsyncReadyCallback callback,
                           gpointer user_data)
{
  VmftInferenceKernel *self = VMFT_INFERENCE_KERNEL (provider);
  double p = self->score (question->template_text, strlen (question->template_text), self->user_data);
  g_autofree char *reason = g_strdup_printf ("p %.3f", p);

  return_reply (provider, callback, user_data,
                vmft_reply_new (p >= 0.5 ? VMFT_ANSWER_FAULTY : VMFT_ANSWER_NORMAL, reason));
}

static void
vmft_inference_kernel_iface_init (VmftInferenceProviderInterface *iface)
{
  iface->get_name = vmft_inference_kernel_get_name;
  iface->ask = vmft_inference_kernel_ask;
  iface->ask_finish = finish_task;
}

static void
vmft_inference_kernel_finalize (GObject *object)
{
  VmftInferenceKernel *self = VMFT_INFERENCE_KERNEL (object);

  if (self->destroy)
    self->destroy (self->user_data);
  G_OBJECT_CLASS (vmft_inference_kernel_parent_class)->finalize (object);
}

static void
vmft_inference_kernel_class_init (VmftInferenceKernelClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = vmft_inference_kernel_finalize;
}

static void
vmft_inference_kernel_init (VmftInferenceKernel *self)
{
}

VmftInferenceProvider *
vmft_inference_kernel_new (VmftScoreFunc score, gpointer user_data, GDestroyNotify destroy)
{
  VmftInferenceKernel *self = g_object_new (VMFT_TYPE_INFERENCE_KERNEL, NULL);

  self->score = score;
  self->user_data = user_data;
  self->destroy = destroy;
  return VMFT_INFERENCE_PROVIDER (self);
}
