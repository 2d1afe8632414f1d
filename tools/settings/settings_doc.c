/* Prints the table of settings: as docs/settings.md, or (--ids) as rows for settings.py. */
#include "config/setting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const importances[] = { "high", "medium", "low" };

/* ---- for settings.py ----------------------------------------------------------------------------------------- */

static void print_ids(void)
{
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        const struct setting *setting = setting_get((enum setting_id)i);
        printf("%s\t%s\t%s", setting_kind_name(setting->kind), setting->name,
               setting_status_name(setting->status));
        struct setting_synonym behind[SETTING_SYNONYM_COUNT_MAX];
        const size_t count = setting_synonyms(setting->id, behind);
        for (size_t j = 0; j < count; j++)
            printf("\t%s", setting_get(behind[j].id)->name);
        printf("\n");
    }
}

/* ---- docs/settings.md ---------------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    const struct setting *const *left = a;
    const struct setting *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

/* Text in a cell: '|' would end it, '*' and '_' would be marks. */
static void print_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|' || *text == '*' || *text == '_' || *text == '<')
            putchar('\\');
        putchar(*text);
    }
}

/* Code in a cell, with room to break after commas. */
static void print_code(const char *text)
{
    putchar('`');
    for (; *text != '\0'; text++) {
        putchar(*text);
        if (*text == ',' && text[1] != '\0')
            printf("` `");
    }
    putchar('`');
}

static void print_default(const struct setting *setting)
{
    struct setting_synonym behind[SETTING_SYNONYM_COUNT_MAX];
    const size_t count = setting_synonyms(setting->id, behind);
    const bool is_broker = setting->kind == SETTING_KIND_BROKER;
    if (setting->is_required)
        printf("required");
    else if (count > 0 && !is_broker)
        printf("broker's `%s`", setting_get(behind[0].id)->name);
    else if (setting->initial == NULL && count > 1)
        printf("`%s`", setting_get(behind[1].id)->name);
    else if (setting->initial == NULL)
        printf("none");
    else if (setting->initial[0] == '\0')
        printf("empty");
    else
        print_code(setting->initial);
}

static void print_row(const struct setting *setting, const char *kinds)
{
    printf("| `%s` | %s", setting->name, setting_type_name(setting->type));
    if (setting->check.text[0] != '\0') {
        printf(", ");
        print_text(setting->check.text);
    }
    printf(" | ");
    print_default(setting);
    printf(" | ");
    if (kinds != NULL)
        printf("%s | ", kinds);
    else if (setting->kind == SETTING_KIND_BROKER)
        printf("%s | ", setting_scope_name(setting->scope));
    printf("%s | %s | ", importances[setting->importance], setting_status_name(setting->status));
    print_text(setting->words);
    printf(" |\n");
}

static size_t sorted_rows(enum setting_kind first, enum setting_kind last,
                          const struct setting **out)
{
    size_t count = 0;
    for (unsigned i = setting_range(first).first; i < setting_range(last).end; i++) {
        const struct setting *setting = setting_get((enum setting_id)i);
        if (!setting->is_internal)
            out[count++] = setting;
    }
    qsort(out, count, sizeof(out[0]), compare_names);
    return count;
}

static void print_kind(enum setting_kind kind, const char *title, const char *intro)
{
    const struct setting *rows[SETTING_COUNT];
    const size_t count = sorted_rows(kind, kind, rows);
    const bool has_scope = kind == SETTING_KIND_BROKER;
    printf("\n## %s\n\n%s\n\n", title, intro);
    printf("| setting | value | default | %simportance | status | what it does |\n",
           has_scope ? "changes | " : "");
    printf("|---|---|---|%s---|---|---|\n", has_scope ? "---|" : "");
    for (size_t i = 0; i < count; i++)
        print_row(rows[i], NULL);
}

static bool is_same(const struct setting *a, const struct setting *b)
{
    const bool is_same_default = a->initial == NULL || b->initial == NULL
                                     ? a->initial == b->initial
                                     : strcmp(a->initial, b->initial) == 0;
    return strcmp(a->name, b->name) == 0 && is_same_default && a->type == b->type &&
           a->status == b->status && a->importance == b->importance &&
           strcmp(a->words, b->words) == 0 && strcmp(a->check.text, b->check.text) == 0;
}

/* Rows that clients share are printed once. */
static void print_clients(void)
{
    const struct setting *rows[SETTING_COUNT];
    bool is_printed[SETTING_COUNT] = { false };
    const size_t count = sorted_rows(SETTING_KIND_PRODUCER, SETTING_KIND_ADMIN, rows);
    printf("\n## Clients\n\nProperties that command-line tools take in files and options.\n\n");
    printf("| setting | value | default | of | importance | status | what it does |\n");
    printf("|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < count; i++) {
        if (is_printed[i])
            continue;
        char kinds[64] = "";
        for (size_t j = i; j < count && strcmp(rows[i]->name, rows[j]->name) == 0; j++) {
            if (!is_same(rows[i], rows[j]))
                continue;
            const size_t used = strlen(kinds);
            (void)snprintf(kinds + used, sizeof(kinds) - used, "%s%s", used == 0 ? "" : ", ",
                           setting_kind_name(rows[j]->kind));
            is_printed[j] = true;
        }
        print_row(rows[i], kinds);
    }
}

static void print_markdown(void)
{
    printf("# Settings\n\n"
           "Generated from the table in `src/config` by `tools/settings/settings.py --write`.\n\n"
           "Names, types, defaults and limits are those of Apache Kafka 4.3.1. What a setting is "
           "worth in this "
           "build:\n\n"
           "| status | meaning |\n|---|---|\n"
           "| honoured | it has its effect |\n"
           "| not yet | it is read and checked, and has no effect yet: a warning at start if it "
           "differs from its "
           "default |\n"
           "| refused yet | it cannot be honoured yet, and ignoring it would weaken security or "
           "durability: the node "
           "does not start with it |\n"
           "| meaningless here | it tunes machinery that this build does not have; accepted in "
           "silence |\n\n"
           "A listener may have settings of its own: `listener.name.<listener>.<setting>`, the "
           "listener in lower "
           "case.\n");
    print_kind(SETTING_KIND_BROKER, "Broker and controller",
               "Lines of `server.properties`. Those that are per-broker or cluster-wide may also "
               "be changed while "
               "the cluster runs (`kafka-configs.sh`), for one broker or for all.");
    print_kind(SETTING_KIND_TOPIC, "Topics", "Set when a topic is created, or any time later.");
    print_kind(SETTING_KIND_GROUP, "Groups",
               "Of consumer, share and streams groups, within the broker's bounds.");
    print_kind(SETTING_KIND_CLIENT_METRICS, "Client metrics subscriptions",
               "Which clients push which metrics.");
    print_clients();
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--ids") == 0)
        print_ids();
    else
        print_markdown();
    return ferror(stdout) != 0 || fflush(stdout) != 0 ? 1 : 0;
}
