/* kafka-server-stop: asks the nodes of this machine to stop.
 *
 * A node is a process that was started by one of the names of kafka-server-start; its settings file is read again to tell its roles and id
 * (--process-role, --node-id). They get SIGTERM, which ends a node in good order, or what $SIGNAL names.
 */
#include "cli/cli_int.h"
#include "cli/options.h"

#include "base/mem.h"
#include "config/properties.h"

#include <stdlib.h>
#include <string.h>

#define PROCESS_COUNT_MAX  1000000
#define COMMAND_BYTES_MAX  65536
#define COMMAND_WORDS_MAX  256
#define SETTINGS_BYTES_MAX (1u << 20)

static const struct cli_option table[] = {
    { .name = "help", .words = "Show this help." },
    { .name = "node-id",
      .takes = CLI_VALUE,
      .type = CLI_INT,
      .value_words = "node id",
      .words = "Only the node with this node.id." },
    { .name = "process-role",
      .takes = CLI_VALUE,
      .value_words = "broker or controller",
      .words = "Only nodes that have this role." },
};

static const struct cli_spec spec = {
    .name = "kafka-server-stop",
    .words = "Stop the nodes that run on this machine.",
    .dialect = CLI_JOPT,
    .options = table,
    .option_count = ARRAY_LEN(table),
};

struct command {
    char text[COMMAND_BYTES_MAX + 1];
    const char *words[COMMAND_WORDS_MAX];
    size_t count;
};

static bool read_command(struct io_fs *fs, const char *pid, struct command *out)
{
    char *path = mem_printf("/proc/%s/cmdline", pid);
    struct io_file *file = NULL;
    int64_t size = io_file_open(fs, path, IO_OPEN_READ, &file);
    mem_free(path);
    if (size < 0)
        return false;
    size = io_file_read(file, 0, out->text, COMMAND_BYTES_MAX);
    io_file_unref(file);
    if (size <= 0)
        return false;
    out->text[size] = '\0';
    out->count = 0;
    for (int64_t at = 0; at < size && out->count < COMMAND_WORDS_MAX;) {
        out->words[out->count++] = out->text + at;
        at += (int64_t)strlen(out->text + at) + 1;
    }
    return true;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* The index of the first word after the name of kafka-server-start; 0: it is another program. */
static size_t words_of_node(const struct command *c)
{
    const char *name = c->count == 0 ? "" : base_name(c->words[0]);
    if (strcmp(name, "kafka-server-start.sh") == 0 || strcmp(name, "kafka-server-start") == 0)
        return 1;
    const bool is_ottla = strcmp(name, "ottla") == 0 && c->count > 1;
    return is_ottla && strstr(c->words[1], "server-start") != NULL ? 2 : 0;
}

/* The settings that the node was started with. */
static bool read_settings(struct io_fs *fs, const char *pid, const struct command *c, size_t first,
                          struct properties *out)
{
    const char *file = NULL;
    for (size_t i = first; i < c->count; i++) {
        if (strcmp(c->words[i], "--override") == 0)
            i++;
        else if (c->words[i][0] != '-')
            file = c->words[i];
    }
    if (file == NULL)
        return false;
    char *path = file[0] == '/' ? mem_strdup(file) : mem_printf("/proc/%s/cwd/%s", pid, file);
    uint8_t *text;
    size_t size;
    int r = io_fs_read_whole(fs, path, SETTINGS_BYTES_MAX, &text, &size);
    mem_free(path);
    if (r < 0)
        return false;
    r = properties_parse(out, bytes_from(text, size), NULL);
    mem_free(text);
    for (size_t i = first; i + 1 < c->count; i++) {
        const char *equals = strchr(c->words[i + 1], '=');
        if (strcmp(c->words[i], "--override") == 0 && equals != NULL)
            properties_put(out, bytes_from(c->words[i + 1], (size_t)(equals - c->words[i + 1])),
                           bytes_from_text(equals + 1), 0);
    }
    return r == 0;
}

static bool has_role(const char *roles, const char *role)
{
    while (roles != NULL && *roles != '\0') {
        const size_t size = strcspn(roles, ",");
        if (bytes_equal_text(bytes_trim(bytes_from(roles, size)), role))
            return true;
        roles += size + (roles[size] == ',');
    }
    return false;
}

static bool is_wanted(struct io_fs *fs, const char *pid, const struct command *c, size_t first,
                      const struct cli_options *o)
{
    const char *role = cli_text(o, "process-role", NULL);
    const char *id = cli_text(o, "node-id", NULL);
    if (role == NULL && id == NULL)
        return true;
    struct properties properties;
    properties_init(&properties);
    bool wanted = read_settings(fs, pid, c, first, &properties);
    if (wanted && id != NULL) {
        const char *own = properties_get(&properties, BYTES_LITERAL("node.id"));
        if (own == NULL)
            own = properties_get(&properties, BYTES_LITERAL("broker.id"));
        wanted = own != NULL && bytes_equal_text(bytes_trim(bytes_from_text(own)), id);
    } else if (wanted) {
        wanted = has_role(properties_get(&properties, BYTES_LITERAL("process.roles")), role);
    }
    properties_deinit(&properties);
    return wanted;
}

static int stop_one(const struct cli_context *context, const char *pid)
{
    const int r = context->stop_process(context->context, strtol(pid, NULL, 10));
    if (r == 0)
        return 0;
    cli_err(context, "Process %s cannot be stopped: %s\n", pid, err_sentence(r));
    return 1;
}

static int stop(const struct cli_context *context, const struct cli_options *o)
{
    struct io_fs *fs = io_get_fs(context->io);
    struct io_names processes;
    const int r = io_fs_list(fs, "/proc", PROCESS_COUNT_MAX, &processes);
    if (r < 0) {
        cli_err(context, "/proc cannot be read: %s\n", err_sentence(r));
        return 1;
    }
    struct command *command = MEM_NEW(struct command);
    uint32_t found = 0;
    int exit_code = 0;
    for (uint32_t i = 0; i < processes.count; i++) {
        const char *pid = processes.items[i];
        if (pid[0] < '0' || pid[0] > '9' || !read_command(fs, pid, command))
            continue;
        const size_t first = words_of_node(command);
        if (first == 0 || !is_wanted(fs, pid, command, first, o))
            continue;
        found++;
        exit_code |= stop_one(context, pid);
    }
    if (found == 0) {
        cli_out(context, "No kafka server to stop\n");
        exit_code = 1;
    }
    mem_free(command);
    io_names_deinit(&processes);
    return exit_code;
}

static int run(const struct cli_context *context, int argc, char **argv)
{
    struct cli_options options;
    struct err_note note = { 0 };
    int exit_code;
    if (cli_options_parse(&spec, argc, argv, &options, &note) < 0) {
        exit_code = cli_usage(context, &spec, "%s", note.text);
    } else if (cli_has(&options, "help")) {
        cli_help(context, false, &spec);
        exit_code = 0;
    } else {
        /* As in Kafka, the id is stronger where both are given. */
        exit_code = stop(context, &options);
    }
    cli_options_deinit(&options);
    return exit_code;
}

const struct cli_tool server_stop_tool = {
    .name = "kafka-server-stop",
    .words = "stops the nodes of this machine",
    .run = run,
};
