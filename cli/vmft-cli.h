/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every verb of vmftctl uses: the bus, options, tables, exit codes. */
#pragma once

#include "vmft-common.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/** VmftExit: vmftctl's exit codes, see vmftctl(1). */
typedef enum
{
  VMFT_EXIT_OK = 0,
  VMFT_EXIT_FAILED = 1,
  VMFT_EXIT_USAGE = 2,
  VMFT_EXIT_UNREACHABLE = 3,
  VMFT_EXIT_NOT_FOUND = 4,
  VMFT_EXIT_DENIED = 5,
} VmftExit;

typedef struct _VmftCli VmftCli;

/**
 * VmftVerb: one command.
 * @arguments: for the usage line, "VM", "[ID]", ""
 * @summary: one line for the list of commands
 * @run: @argv[0] is the verb
 */
typedef struct
{
  const char *name;
  const char *arguments;
  const char *summary;
  VmftExit (*run) (VmftCli *cli, int argc, char **argv);
} VmftVerb;

struct _VmftCli
{
  const VmftVerb *verb;
  GDBusConnection *bus; /* (nullable): opened by the first call */
  gboolean json;        /* --json */
};

/**
 * vmft_cli_parse:
 * @entries: (nullable): the verb's own options, NULL-terminated; --json and --help are added
 * @argc, @argv: (inout): what is left are the arguments, @argv[0] first
 * @min, @max: how many arguments there must be
 * @exit: (out): what to return when this says %FALSE: usage printed, or --help answered
 */
gboolean vmft_cli_parse (VmftCli *cli,
                         const GOptionEntry *entries,
                         int *argc,
                         char ***argv,
                         int min,
                         int max,
                         VmftExit *exit) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_cli_usage: prints one line on standard error, with the usage. Returns: %VMFT_EXIT_USAGE. */
VmftExit vmft_cli_usage (VmftCli *cli, const char *format, ...) G_GNUC_PRINTF (2, 3);

/**
 * vmft_cli_call:
 * @method: of org.vmft1.Manager
 * @arguments: (transfer floating) (nullable): tuple without the options
 * @options: (nullable): `a{sv}`
 * @exit: (out): what to return when it failed; the error has been printed
 *
 * Returns: (transfer full) (nullable): the first out argument, or an empty tuple when there is none.
 */
GVariant *
vmft_cli_call (VmftCli *cli, const char *method, GVariant *arguments, GVariant *options, VmftExit *exit);

/**
 * vmft_cli_query: vmft_cli_call() for those who ask again and again: prints nothing.
 *
 * Returns: (transfer full) (nullable): the answer, or NULL with @error set.
 */
GVariant *
vmft_cli_query (VmftCli *cli, const char *method, GVariant *arguments, GVariant *options, GError **error);

/** vmft_cli_connect: opens the bus unless it is open. Returns: %FALSE with @exit set; the error has been printed. */
gboolean vmft_cli_connect (VmftCli *cli, VmftExit *exit) G_GNUC_WARN_UNUSED_RESULT;

/** vmft_cli_query_at: vmft_cli_query() on another object and interface of the service. */
GVariant *vmft_cli_query_at (VmftCli *cli,
                             const char *path,
                             const char *interface,
                             const char *method,
                             GVariant *arguments,
                             GVariant *options,
                             GError **error);

/** vmft_cli_call_at: vmft_cli_call() on another object and interface of the service. */
GVariant *vmft_cli_call_at (VmftCli *cli,
                            const char *path,
                            const char *interface,
                            const char *method,
                            GVariant *arguments,
                            GVariant *options,
                            VmftExit *exit);

/** VmftCliPrint: shows @value, a method's answer, to a person. */
typedef void (*VmftCliPrint) (GVariant *value);

/**
 * vmft_cli_show: the shape of most verbs: one call, its answer as JSON or for people.
 *
 * Arguments as in vmft_cli_call().
 */
VmftExit
vmft_cli_show (VmftCli *cli, const char *method, GVariant *arguments, GVariant *options, VmftCliPrint print);

/**
 * vmft_cli_order: vmft_cli_show() of a method that moves VMs and answers with the plan.
 * @wait: stay until it is over, telling how it goes; %VMFT_EXIT_FAILED if a VM is still here then. For --json the plan
 *   has "migrations" then. Whoever is interrupted interrupts nothing.
 */
VmftExit vmft_cli_order (VmftCli *cli,
                         const char *method,
                         GVariant *arguments,
                         GVariant *options,
                         gboolean wait,
                         VmftCliPrint print);

/** VmftCliListing: what a verb that lists records can be asked for besides --limit. */
typedef enum
{
  VMFT_CLI_LIST_INCIDENT, /* --incident ID */
  VMFT_CLI_LIST_OPEN,     /* --open */
} VmftCliListing;

/** vmft_cli_list: the shape of the verbs that list records, newest first. */
VmftExit vmft_cli_list (VmftCli *cli,
                        int argc,
                        char **argv,
                        const char *method,
                        VmftCliListing listing,
                        VmftCliPrint print);

/**
 * vmft_cli_done: the end of a verb that changes something: silence for people, for --json what was done.
 * @format: of g_variant_new_parsed(), an `a{sv}`
 *
 * Returns: %VMFT_EXIT_OK.
 */
VmftExit vmft_cli_done (VmftCli *cli, const char *format, ...);

/** vmft_cli_fail: prints @error in one line. Returns: the exit code that goes with it. */
VmftExit vmft_cli_fail (VmftCli *cli, const GError *error);

/** vmft_cli_print_json: @value: printed indented. */
void vmft_cli_print_json (GVariant *value);

/** vmft_cli_print_table: prints @table. */
void vmft_cli_print_table (VmftTable *table);

/** vmft_cli_is_terminal: Returns: whether standard output is a terminal that can be drawn on. */
gboolean vmft_cli_is_terminal (void);

/** vmft_cli_state_sgr: Returns: (nullable): rendition for the word @state, NULL where no colours are wanted. */
const char *vmft_cli_state_sgr (const char *state);

/** vmft_cli_paint: Returns: (transfer full): the word @text in the colour of its meaning. */
char *vmft_cli_paint (const char *text);

/** vmft_cli_add_state: adds the cell @state in the colour of its meaning. */
void vmft_cli_add_state (VmftTable *table, const char *state);

/** vmft_cli_terminal_size: @columns, @rows: (out): of the terminal; 80 and 24 without one. */
void vmft_cli_terminal_size (guint *columns, guint *rows);

/** vmft_cli_bar: Returns: (transfer full): @share (0 to 1) of @width characters, between brackets. */
char *vmft_cli_bar (double share, guint width);

/** vmft_cli_parse_id: @text: a positive number. Returns: 0 with usage printed when it is none. */
guint64 vmft_cli_parse_id (VmftCli *cli, const char *text);

/** vmft_cli_text: Returns: string @key of @record, or "-" where it is absent or empty. */
const char *vmft_cli_text (GVariant *record, const char *key);

/** vmft_cli_mode: Returns: the mode of @record, a plan's step or a migration; "save" for a VM that does not move. */
const char *vmft_cli_mode (GVariant *record);

/** vmft_cli_way: Returns: (transfer full): how and whereto @record, as above: "pre-copy to hostb", or "save". */
char *vmft_cli_way (GVariant *record);

/** vmft_cli_duration: Returns: (transfer full): number of seconds @key of @record for people; "never", "-". */
char *vmft_cli_duration (GVariant *record, const char *key);

/** vmft_cli_time: Returns: (transfer full): time @key (microseconds) of @record for people. */
char *vmft_cli_time (GVariant *record, const char *key);

/** vmft_cli_bytes: Returns: (transfer full): size @key of @record for people; "-" where it is absent. */
char *vmft_cli_bytes (GVariant *record, const char *key);

/** vmft_cli_children: Returns: (transfer container) (element-type GVariant): the `a{sv}` in list @key of @record. */
GPtrArray *vmft_cli_children (GVariant *record, const char *key);

/** vmft_cli_rows: Returns: (transfer container) (element-type GVariant): the `a{sv}` of an `aa{sv}`. */
GPtrArray *vmft_cli_rows (GVariant *list);

/* the verbs, one a file */
VmftExit vmft_verb_accuracy (VmftCli *cli, int argc, char **argv);
VmftExit vmft_verb_abort (VmftCli *cli, int argc, char **argv);
VmftExit vmft_verb_acknowledge (VmftCli *cli, int argc, char **argv);
VmftExit vmft_verb_alarms (VmftCli *cli, int argc, char **argv);
VmftExit vmft_verb_config (VmftCli *cli, int argc, char **argv);
VmftExit vmft_verb_drill (VmftCli *cli, int argc, char **argv);
VmftExit vmft_verb_estimate (VmftCli *cli, int argc, char **argv);
VmftExit vmft_verb_evacuate (VmftCli *cli, int argc, char **argv);
VmftExit vmft_verb_history (VmftCli *cli, int argc, char **argv);
VmftExit vmft_verb_incidents (VmftCli *cli, int argc, char **argv);
VmftExit vmft_verb_inhibit (VmftCli *cli, int argc, char **argv);
VmftExit vmft_verb_answers (VmftCli *cli, int argc, char **argv);
VmftExit vmft_verb_leads (VmftCli *cli, int argc, char **argv);
VmftExit vmft_verb_list (VmftCli *cli, int argc, char **argv);
VmftExit vmft_verb_migrate (VmftCli *cli, int argc, char **argv);
VmftExit vmft_verb_mode (VmftCli *cli, int argc, char **argv);
VmftExit vmft_verb_plan (VmftCli *cli, int argc, char **argv);
VmftExit vmft_verb_policy (VmftCli *cli, int argc, char **argv);
VmftExit vmft_verb_record (VmftCli *cli, int argc, char **argv);
VmftExit vmft_verb_reload (VmftCli *cli, int argc, char **argv);
VmftExit vmft_verb_replay (VmftCli *cli, int argc, char **argv);
VmftExit vmft_verb_show (VmftCli *cli, int argc, char **argv);
VmftExit vmft_verb_status (VmftCli *cli, int argc, char **argv);
VmftExit vmft_verb_templates (VmftCli *cli, int argc, char **argv);
VmftExit vmft_verb_watch (VmftCli *cli, int argc, char **argv);
VmftExit vmft_verb_why (VmftCli *cli, int argc, char **argv);

/** vmft_cli_print_plan: a plan's record for people: what happens to each VM, and why. Shared by plan and why. */
void vmft_cli_print_plan (GVariant *plan, gboolean estimates);

/** vmft_cli_print_story: an incident with its lines, plans and migrations, as vmft_daemon_explain() tells it. */
void vmft_cli_print_story (GVariant *story);

/** vmft_cli_describe_event: Returns: (transfer full): @record of event @event ("alarm", "plan" …) in one line. */
char *vmft_cli_describe_event (const char *event, GVariant *record);

/**
 * vmft_cli_is_news: a job's progress is told many times; as a line of text only what it turns into is worth one.
 * @states: migration id (int64) -> state said last (char *); remembers @migration's
 *
 * Returns: whether @migration is in another state than when it was last told of
 */
gboolean vmft_cli_is_news (GHashTable *states, GVariant *migration);

/** vmft_cli_describe_job: Returns: (transfer full): a running migration's @record in one line, with a bar. */
char *vmft_cli_describe_job (GVariant *job, int name_width);

/** VmftCliScreen: watch's picture of status, incidents, migrations and events on a terminal. */
typedef struct _VmftCliScreen VmftCliScreen;

/** vmft_cli_screen_new: takes the terminal until it is freed. */
VmftCliScreen *vmft_cli_screen_new (VmftCli *cli);
void vmft_cli_screen_free (VmftCliScreen *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VmftCliScreen, vmft_cli_screen_free)

/** vmft_cli_screen_draw: asks the daemon and draws what it says. */
void vmft_cli_screen_draw (VmftCliScreen *self);

/** vmft_cli_screen_add_event: shown from the next drawing on, newest first. */
void vmft_cli_screen_add_event (VmftCliScreen *self, const char *time, const char *text);

/** vmft_cli_print_estimates: @list: `aa{sv}` of estimates, one row a mode; @indent goes before each line. */
void vmft_cli_print_estimates (GPtrArray *estimates, const char *indent);

G_END_DECLS
