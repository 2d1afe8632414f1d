/* kafka-storage: formats the log directories of a node, and tells about them.
 *
 * A formatted directory holds meta.properties and bootstrap.checkpoint, and an empty recovery-point-offset-checkpoint
 * (Apache Kafka leaves that to the first start); the metadata directory of a controller whose
 * voters are dynamic (KIP-853) also __cluster_metadata-0/00000000000000000000-0000000000.checkpoint. meta.properties
 * is written last, so that a directory which was formatted half counts as not formatted.
 */
#include "cli/cli_int.h"
#include "cli/options.h"

#include "config/config.h"
#include "config/listeners.h"
#include "log/log_dirs.h"
#include "log/meta_properties.h"
#include "metadata/bootstrap.h"
#include "raft/snapshot.h"
#include "wire/messages/feature_level_record.h"
#include "wire/record_frame.h"

#include <stdio.h>
#include <string.h>

#define PROPERTIES_BYTES_MAX  (1u << 20)
#define BOOTSTRAP_BYTES_MAX   (1u << 20)
#define CLUSTER_METADATA_NAME "__cluster_metadata-0"
#define CHOSEN_COUNT_MAX      16

/* ---- options --------------------------------------------------------------------------------- */

static const struct cli_option info_options[] = {
    { .name = "help", .letter = 'h', .words = "Show this help." },
    { .name = "config",
      .letter = 'c',
      .takes = CLI_VALUE,
      .value_words = "CONFIG",
      .is_required = true,
      .words = "The node's server.properties." },
};

static const struct cli_option format_options[] = {
    { .name = "help", .letter = 'h', .words = "Show this help." },
    { .name = "cluster-id",
      .letter = 't',
      .takes = CLI_VALUE,
      .value_words = "CLUSTER_ID",
      .is_required = true,
      .words = "The id of the cluster, the same on all its nodes; random-uuid makes one." },
    { .name = "config",
      .letter = 'c',
      .takes = CLI_VALUE,
      .value_words = "CONFIG",
      .is_required = true,
      .words = "The node's server.properties." },
    { .name = "add-scram",
      .letter = 'S',
      .takes = CLI_VALUE,
      .value_words = "ADD_SCRAM",
      .words =
          "Credentials that the cluster begins with. This build has no SASL yet and refuses it." },
    { .name = "ignore-formatted",
      .letter = 'g',
      .words = "Leave directories alone that are formatted already, instead of failing." },
    { .name = "release-version",
      .letter = 'r',
      .takes = CLI_VALUE,
      .value_words = "RELEASE_VERSION",
      .words =
          "The release whose feature levels the cluster begins with: 3.3-IV3 up to 4.3-IV0, the "
          "default." },
    { .name = "feature",
      .letter = 'f',
      .takes = CLI_VALUE,
      .value_words = "FEATURE",
      .words = "The level of one feature, as name=level. May be given several times." },
    { .name = "standalone",
      .letter = 's',
      .words = "This controller is the only voter of a dynamic quorum for now." },
    { .name = "no-initial-controllers",
      .letter = 'N',
      .words =
          "The voters of the dynamic quorum are learned from it; for brokers and controllers that "
          "join later." },
    { .name = "initial-controllers",
      .letter = 'I',
      .takes = CLI_VALUE,
      .value_words = "INITIAL_CONTROLLERS",
      .words = "The first voters of a dynamic quorum, as id@host:port:directory id, separated by "
               "commas; "
               "the same on all of them." },
};

static const struct cli_option version_mapping_options[] = {
    { .name = "help", .letter = 'h', .words = "Show this help." },
    { .name = "release-version",
      .letter = 'r',
      .takes = CLI_VALUE,
      .value_words = "RELEASE_VERSION",
      .words = "The release to tell about; default 4.3-IV0." },
};

static const struct cli_option feature_options[] = {
    { .name = "help", .letter = 'h', .words = "Show this help." },
    { .name = "feature",
      .letter = 'f',
      .takes = CLI_VALUE,
      .value_words = "FEATURE",
      .is_required = true,
      .words = "A feature and level, as name=level. May be given several times." },
};

static const struct cli_option random_uuid_options[] = {
    { .name = "help", .letter = 'h', .words = "Show this help." },
};

/* ---- the node's configuration ---------------------------------------------------------------- */

static struct config *load_config(const struct cli_context *context, const char *path)
{
    uint8_t *text = NULL;
    size_t size = 0;
    int r = io_fs_read_whole(io_get_fs(context->io), path, PROPERTIES_BYTES_MAX, &text, &size);
    if (r < 0) {
        cli_err(context, "%s cannot be read: %s\n", path, err_sentence(r));
        return NULL;
    }
    struct config *config = NULL;
    struct config_problems problems = { 0 };
    r = config_load(SETTING_KIND_BROKER, bytes_from(text, size), path, CONFIG_OVERRIDES_NONE,
                    &config, &problems);
    for (size_t i = 0; i < problems.list.count; i++) {
        if (problems.list.items[i].severity == CONFIG_ERROR)
            cli_err(context, "%s\n", problems.list.items[i].text);
    }
    config_problems_deinit(&problems);
    mem_free(text);
    return r < 0 ? NULL : config;
}

/* The log directories, and the metadata directory where it is another one. Each once. */
struct directories {
    VEC(const char *) list; /* borrowed from the config */
    const char *metadata;
};

static void add_directory(struct directories *out, const char *path)
{
    for (size_t i = 0; i < out->list.count; i++) {
        if (strcmp(out->list.items[i], path) == 0)
            return;
    }
    VEC_ADD(&out->list, path);
}

static void directories_init(struct directories *out, const struct config *config)
{
    *out = (struct directories){ .metadata = config_metadata_log_dir(config) };
    const struct config_list dirs = config_log_dirs(config);
    for (size_t i = 0; i < dirs.count; i++)
        add_directory(out, dirs.items[i]);
    add_directory(out, out->metadata);
}

/* ---- info ------------------------------------------------------------------------------------ */

struct findings {
    VEC(const char *) found;
    VEC(char *) problems;
    struct meta_properties meta;
    bool has_meta;
};

static void look_at(const struct cli_context *context, const char *directory,
                    struct findings *findings)
{
    struct io_stat stat;
    struct meta_properties meta;
    struct err_note note = { 0 };
    struct io_fs *fs = io_get_fs(context->io);
    if (io_fs_stat(fs, directory, &stat) < 0) {
        VEC_ADD(&findings->problems, mem_printf("%s does not exist", directory));
        return;
    }
    if (!stat.is_directory) {
        VEC_ADD(&findings->problems, mem_printf("%s is not a directory", directory));
        return;
    }
    VEC_ADD(&findings->found, directory);
    const int r = meta_properties_read(fs, directory, &meta, &note);
    if (r == -ENOENT) {
        VEC_ADD(&findings->problems, mem_printf("%s is not formatted.", directory));
    } else if (r < 0) {
        VEC_ADD(&findings->problems, mem_printf("%s", note.text));
    } else if (!findings->has_meta) {
        findings->meta = meta;
        findings->has_meta = true;
    } else if (strcmp(meta.cluster_id, findings->meta.cluster_id) != 0 ||
               meta.node_id != findings->meta.node_id) {
        VEC_ADD(&findings->problems,
                mem_printf("%s/" META_PROPERTIES_NAME " is of node %" PRId32
                           " of cluster %s, but other directories are of node %" PRId32
                           " of cluster %s",
                           directory, meta.node_id, meta.cluster_id, findings->meta.node_id,
                           findings->meta.cluster_id));
    }
}

static void print_meta(const struct cli_context *context, const struct meta_properties *meta)
{
    char id[UUID_TEXT_SIZE];
    uuid_to_text(meta->directory_id, id);
    cli_out(context, "Found metadata: {");
    if (meta->cluster_id[0] != '\0')
        cli_out(context, "cluster.id=%s, ", meta->cluster_id);
    if (!uuid_is_zero(meta->directory_id))
        cli_out(context, "directory.id=%s, ", id);
    cli_out(context, "%s=%" PRId32 ", version=%" PRId32 "}\n\n",
            meta->version == 0 ? "broker.id" : "node.id", meta->node_id, meta->version);
}

static void print_findings(const struct cli_context *context, const struct findings *findings)
{
    if (findings->found.count > 0) {
        cli_out(context, "Found log director%s:\n", findings->found.count == 1 ? "y" : "ies");
        for (size_t i = 0; i < findings->found.count; i++)
            cli_out(context, "  %s\n", findings->found.items[i]);
        cli_out(context, "\n");
    }
    if (findings->has_meta)
        print_meta(context, &findings->meta);
    if (findings->problems.count > 0) {
        cli_out(context, "Found problem%s:\n", findings->problems.count == 1 ? "" : "s");
        for (size_t i = 0; i < findings->problems.count; i++)
            cli_out(context, "  %s\n", findings->problems.items[i]);
        cli_out(context, "\n");
    }
}

static int info(const struct cli_context *context, const struct cli_options *options)
{
    struct config *config = load_config(context, cli_text(options, "config", ""));
    if (config == NULL)
        return 1;
    struct directories directories;
    directories_init(&directories, config);
    struct findings findings = { 0 };
    for (size_t i = 0; i < directories.list.count; i++)
        look_at(context, directories.list.items[i], &findings);
    print_findings(context, &findings);
    const int exit_code = findings.problems.count == 0 ? 0 : 1;
    for (size_t i = 0; i < findings.problems.count; i++)
        mem_free(findings.problems.items[i]);
    VEC_DEINIT(&findings.problems);
    VEC_DEINIT(&findings.found);
    VEC_DEINIT(&directories.list);
    config_unref(config);
    return exit_code;
}

/* ---- format: what is asked for --------------------------------------------------------------- */

struct format {
    const struct cli_context *context;
    const struct cli_options *options;
    struct config *config;
    struct directories directories;
    int32_t node_id;
    int16_t metadata_level;
    struct metadata_bootstrap_feature chosen[CHOSEN_COUNT_MAX];
    uint32_t chosen_count;
    bool is_dynamic;    /* voters are told to this directory now */
    struct uuid own_id; /* of the metadata directory */
    struct raft_voters voters;
    struct arena arena;
    struct metadata_record *records;
    uint32_t record_count;
    VEC(const char *) unformatted;
};

/* "name=level" */
static int parse_feature(const char *text, struct metadata_bootstrap_feature *out,
                         struct err_note *note)
{
    const char *equals = strchr(text, '=');
    int64_t level;
    if (equals == NULL)
        return err_note(note, -ERR_INVALID_ARGUMENT,
                        "Can't parse feature=level string %s: equals sign not found.", text);
    if (bytes_to_i64(bytes_trim(bytes_from_text(equals + 1)), &level) < 0 || level < INT16_MIN ||
        level > INT16_MAX)
        return err_note(note, -ERR_INVALID_ARGUMENT,
                        "Can't parse feature=level string %s: unable to parse %s as a short.", text,
                        equals + 1);
    out->name = bytes_trim(bytes_from(text, (size_t)(equals - text)));
    out->level = (int16_t)level;
    return 0;
}

static int choose_levels(struct format *f, struct err_note *note)
{
    const char *release = cli_text(f->options, "release-version", NULL);
    f->metadata_level = METADATA_LEVEL_MAX;
    if (release != NULL) {
        const int r = metadata_level_from_text(bytes_from_text(release), &f->metadata_level, note);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < cli_count(f->options, "feature"); i++) {
        struct metadata_bootstrap_feature feature;
        const int r = parse_feature(cli_text_at(f->options, "feature", i), &feature, note);
        if (r < 0)
            return r;
        if (bytes_equal_text(feature.name, FEATURE_METADATA_VERSION)) {
            if (release != NULL)
                return err_note(note, -ERR_INVALID_ARGUMENT,
                                "Use --release-version instead of --feature metadata.version=X to "
                                "avoid ambiguity.");
            f->metadata_level = feature.level;
            continue;
        }
        if (f->chosen_count == CHOSEN_COUNT_MAX)
            return err_note(note, -ERR_LIMIT, "--feature may be given %d times at most",
                            CHOSEN_COUNT_MAX);
        f->chosen[f->chosen_count++] = feature;
    }
    return 0;
}

static int check_voter_options(const struct format *f, struct err_note *note)
{
    const bool is_standalone = cli_has(f->options, "standalone");
    const bool has_initial = cli_has(f->options, "initial-controllers");
    const bool is_none = cli_has(f->options, "no-initial-controllers");
    const bool is_static =
        config_list(f->config, SETTING_BROKER_CONTROLLER_QUORUM_VOTERS).count > 0;
    const bool is_controller = config_has_role_controller(f->config);
    const char *which = is_standalone ? "--standalone" : "--initial-controllers";
    if ((is_standalone || has_initial) && is_static)
        return err_note(note, -ERR_INVALID_ARGUMENT,
                        "You cannot specify %s and also set controller.quorum.voters: the voters "
                        "are either dynamic or static.",
                        which);
    if (is_standalone && !is_controller)
        return err_note(note, -ERR_INVALID_ARGUMENT,
                        "You can only use --standalone on a controller: process.roles of this node "
                        "lacks it.");
    if (is_controller && !is_static && !is_standalone && !has_initial && !is_none)
        return err_note(note, -ERR_INVALID_ARGUMENT,
                        "Because controller.quorum.voters is not set on this controller, you must "
                        "specify one of the following: --standalone, --initial-controllers, or "
                        "--no-initial-controllers.");
    return 0;
}

/* A single voter: this controller, at what it advertises. */
static int add_own_voter(struct format *f, const struct controller_listener *first,
                         struct err_note *note)
{
    const struct listener *own = listeners_find(config_listeners(f->config), first->name);
    if (own == NULL)
        return err_note(note, -ERR_INVALID_SETTING,
                        "listeners has no listener %s, the first of controller.listener.names",
                        first->name);
    const struct endpoint *at = own->advertised.host == NULL ? &own->bind : &own->advertised;
    char localhost[] = "localhost";
    struct raft_endpoint endpoint = {
        .name = first->name,
        .host = at->host == NULL || at->host[0] == '\0' ? localhost : at->host,
        .port = at->port == 0 ? own->bind.port : at->port,
    };
    const struct raft_voter voter = {
        .id = f->node_id,
        .directory_id = f->own_id,
        .endpoints = &endpoint,
        .endpoint_count = 1,
        .kraft_version_min = 0,
        .kraft_version_max = 1,
    };
    return raft_voters_add(&f->voters, &voter, note);
}

static int choose_voters(struct format *f, struct err_note *note)
{
    int r = check_voter_options(f, note);
    if (r < 0)
        return r;
    f->own_id = io_random_uuid(f->context->io);
    const char *initial = cli_text(f->options, "initial-controllers", NULL);
    if (initial == NULL && !cli_has(f->options, "standalone"))
        return 0;
    f->is_dynamic = true;
    const struct listeners *listeners = config_listeners(f->config);
    if (listeners->controller_count == 0)
        return err_note(note, -ERR_INVALID_SETTING, "controller.listener.names is not set");
    if (initial == NULL)
        return add_own_voter(f, &listeners->controllers[0], note);
    r = raft_voters_from_initial(bytes_from_text(initial),
                                 bytes_from_text(listeners->controllers[0].name), &f->voters, note);
    const struct raft_voter *own = r < 0 ? NULL : raft_voters_get(&f->voters, f->node_id);
    if (own != NULL)
        f->own_id = own->directory_id;
    return r;
}

/* Levels of kraft.version that do not fit the way in which voters are known. */
static int check_kraft_version(const struct format *f, struct err_note *note)
{
    const bool is_none = cli_has(f->options, "no-initial-controllers");
    for (uint32_t i = 0; i < f->chosen_count; i++) {
        if (!bytes_equal_text(f->chosen[i].name, FEATURE_KRAFT_VERSION))
            continue;
        if (f->chosen[i].level == 0 && f->is_dynamic)
            return err_note(note, -ERR_INVALID_ARGUMENT,
                            "Cannot set kraft.version to 0 if one of the flags --standalone or "
                            "--initial-controllers is used: a static quorum has its voters from "
                            "controller.quorum.voters.");
        if (f->chosen[i].level > 0 && !f->is_dynamic && !is_none)
            return err_note(note, -ERR_INVALID_ARGUMENT,
                            "Cannot set kraft.version to %d unless one of the flags --standalone, "
                            "--initial-controllers, or --no-initial-controllers is used.",
                            f->chosen[i].level);
    }
    return 0;
}

/* ---- format: what is there ------------------------------------------------------------------- */

static int check_directory(struct format *f, const char *directory, struct err_note *note)
{
    struct meta_properties meta;
    const char *cluster_id = cli_text(f->options, "cluster-id", "");
    const int r = meta_properties_read(io_get_fs(f->context->io), directory, &meta, note);
    if (r == -ENOENT) {
        VEC_ADD(&f->unformatted, directory);
        return 0;
    }
    if (r < 0)
        return r;
    if (strcmp(meta.cluster_id, cluster_id) != 0)
        return err_note(note, -ERR_WRONG_CLUSTER,
                        "Invalid cluster.id in: %s/" META_PROPERTIES_NAME
                        ". Expected %s, but read %s",
                        directory, cluster_id, meta.cluster_id);
    if (meta.node_id != f->node_id)
        return err_note(note, -ERR_WRONG_CLUSTER,
                        "Invalid node.id in: %s/" META_PROPERTIES_NAME ". Expected %" PRId32
                        ", but read %" PRId32,
                        directory, f->node_id, meta.node_id);
    if (!cli_has(f->options, "ignore-formatted"))
        return err_note(note, -ERR_EXISTS,
                        "Log directory %s is already formatted. Use --ignore-formatted to ignore "
                        "this directory and format the others.",
                        directory);
    return 0;
}

/* ---- format: writing ------------------------------------------------------------------------- */

static void print_records(const struct format *f)
{
    cli_out(f->context, "Bootstrap metadata: BootstrapMetadata(records=[");
    for (uint32_t i = 0; i < f->record_count; i++) {
        const struct feature_level_record *record = f->records[i].value;
        cli_out(f->context,
                "%sApiMessageAndVersion(FeatureLevelRecord(name='%.*s', featureLevel=%d) at "
                "version %d)",
                i == 0 ? "" : ", ", BYTES_PRINTF(record->name), record->feature_level,
                f->records[i].version);
    }
    cli_out(f->context, "], metadataVersionLevel=%d, source=format command)\n", f->metadata_level);
}

static int encode_records(struct format *f, struct bytes *values, struct err_note *note)
{
    for (uint32_t i = 0; i < f->record_count; i++) {
        const struct metadata_record *record = &f->records[i];
        const int64_t size =
            record_frame_size(record->message, record->version, record->value, note);
        if (size < 0)
            return (int)size;
        struct buf buf;
        buf_init(&buf, (size_t)size);
        struct writer w = writer_to(&buf);
        const int r =
            record_frame_encode(record->message, record->version, record->value, &w, note);
        if (r == 0)
            values[i] = bytes_from(arena_dup(&f->arena, buf.data, buf.size), buf.size);
        buf_deinit(&buf);
        if (r < 0)
            return r;
    }
    return 0;
}

static int write_file(struct format *f, const char *directory, const char *name,
                      const struct buf *content, struct err_note *note)
{
    const char *path = arena_printf(&f->arena, "%s/%s", directory, name);
    const int r = buf_is_ok(content)
                      ? io_fs_replace(io_get_fs(f->context->io), path, buf_view(content))
                      : -ERR_LIMIT;
    return r < 0 ? err_note(note, r, "%s cannot be written: %s", path, err_sentence(r)) : 0;
}

static int write_bootstrap(struct format *f, const char *directory, struct err_note *note)
{
    struct bytes *values = ARENA_NEW_ARRAY(&f->arena, struct bytes, f->record_count);
    int r = encode_records(f, values, note);
    if (r < 0)
        return r;
    struct buf content;
    buf_init(&content, BOOTSTRAP_BYTES_MAX);
    snapshot_print_bootstrap(values, f->record_count, io_now_ms(f->context->io), &content);
    r = write_file(f, directory, "bootstrap.checkpoint", &content, note);
    buf_deinit(&content);
    return r;
}

static int write_voters(struct format *f, const char *directory, struct err_note *note)
{
    const char *log = arena_printf(&f->arena, "%s/" CLUSTER_METADATA_NAME, directory);
    int r = io_fs_make_directories(io_get_fs(f->context->io), log);
    if (r < 0)
        return err_note(note, r, "%s cannot be made: %s", log, err_sentence(r));
    char name[SNAPSHOT_NAME_SIZE];
    snapshot_name((struct snapshot_id){ .end_offset = 0, .epoch = 0 }, "", name);
    struct buf content;
    buf_init(&content, BOOTSTRAP_BYTES_MAX);
    snapshot_print_voters(&f->voters, io_now_ms(f->context->io), &content);
    r = write_file(f, log, name, &content, note);
    buf_deinit(&content);
    return r;
}

static bool is_empty(struct io_fs *fs, const char *directory)
{
    struct io_names names;
    if (io_fs_list(fs, directory, 1, &names) < 0) /* more than one: -ERR_LIMIT */
        return false;
    const bool is_empty = names.count == 0;
    io_names_deinit(&names);
    return is_empty;
}

static int format_directory(struct format *f, const char *directory, struct err_note *note)
{
    const bool is_metadata = strcmp(directory, f->directories.metadata) == 0;
    const bool has_voters = is_metadata && f->is_dynamic;
    const char *kind = !is_metadata                                      ? "data"
                       : !has_voters                                     ? "metadata"
                       : raft_voters_get(&f->voters, f->node_id) != NULL ? "dynamic metadata voter"
                                                                         : "dynamic metadata";
    cli_out(f->context, "Formatting %s directory %s with metadata.version %s.\n", kind, directory,
            metadata_level_name(f->metadata_level));
    struct io_fs *fs = io_get_fs(f->context->io);
    int r = io_fs_make_directories(fs, directory);
    if (r < 0)
        return err_note(note, r, "%s cannot be made: %s", directory, err_sentence(r));
    if (is_empty(fs, directory))
        r = log_dir_begin(fs, directory, note);
    if (r == 0)
        r = write_bootstrap(f, directory, note);
    if (r == 0 && has_voters)
        r = write_voters(f, directory, note);
    if (r < 0)
        return r;
    struct meta_properties meta = {
        .version = 1,
        .node_id = f->node_id,
        .directory_id = is_metadata ? f->own_id : io_random_uuid(f->context->io),
    };
    const char *cluster_id = cli_text(f->options, "cluster-id", "");
    memcpy(meta.cluster_id, cluster_id, strlen(cluster_id) + 1);
    return meta_properties_write(fs, directory, &meta, io_now_ms(f->context->io), note);
}

static int plan(struct format *f, struct err_note *note)
{
    const char *cluster_id = cli_text(f->options, "cluster-id", "");
    if (cluster_id[0] == '\0' || strlen(cluster_id) > META_CLUSTER_ID_MAX)
        return err_note(note, -ERR_INVALID_ARGUMENT,
                        "--cluster-id is %zu bytes long: 1 to %d are allowed", strlen(cluster_id),
                        META_CLUSTER_ID_MAX);
    if (cli_has(f->options, "add-scram"))
        return err_note(note, -ERR_UNSUPPORTED,
                        "--add-scram is not possible yet: this build has no SASL. Leave it out; "
                        "nothing was formatted.");
    int r = choose_levels(f, note);
    if (r == 0)
        r = choose_voters(f, note);
    if (r == 0)
        r = check_kraft_version(f, note);
    if (r == 0)
        r = metadata_bootstrap_records(f->metadata_level, f->chosen, f->chosen_count, &f->arena,
                                       &f->records, &f->record_count, note);
    for (size_t i = 0; r == 0 && i < f->directories.list.count; i++)
        r = check_directory(f, f->directories.list.items[i], note);
    return r;
}

static int act(struct format *f, struct err_note *note)
{
    if (f->unformatted.count == 0) {
        cli_out(f->context, "All of the log directories are already formatted.\n");
        return 0;
    }
    print_records(f);
    int r = 0;
    for (size_t i = 0; r == 0 && i < f->unformatted.count; i++)
        r = format_directory(f, f->unformatted.items[i], note);
    return r;
}

static int format(const struct cli_context *context, const struct cli_options *options)
{
    struct format f = { .context = context, .options = options };
    f.config = load_config(context, cli_text(options, "config", ""));
    if (f.config == NULL)
        return 1;
    directories_init(&f.directories, f.config);
    arena_init(&f.arena, BOOTSTRAP_BYTES_MAX);
    f.node_id = (int32_t)config_i64(f.config, SETTING_BROKER_NODE_ID);
    struct err_note note = { 0 };
    int r = plan(&f, &note);
    if (r == 0)
        r = act(&f, &note);
    if (r < 0)
        cli_err(context, "%s\n", note.text[0] == '\0' ? err_sentence(r) : note.text);
    raft_voters_deinit(&f.voters);
    arena_deinit(&f.arena);
    VEC_DEINIT(&f.unformatted);
    VEC_DEINIT(&f.directories.list);
    config_unref(f.config);
    return r < 0 ? 1 : 0;
}

/* ---- the other commands ---------------------------------------------------------------------- */

static int version_mapping(const struct cli_context *context, const struct cli_options *options)
{
    static const char *const order[] = { FEATURE_KRAFT_VERSION, FEATURE_TRANSACTION_VERSION,
                                         FEATURE_GROUP_VERSION, FEATURE_ELR_VERSION,
                                         FEATURE_SHARE_VERSION, FEATURE_STREAMS_VERSION };
    const char *release =
        cli_text(options, "release-version", metadata_level_name(METADATA_LEVEL_MAX));
    struct err_note note = { 0 };
    int16_t level;
    if (metadata_level_from_text(bytes_from_text(release), &level, &note) < 0) {
        cli_err(context, "%s\n", note.text);
        return 1;
    }
    cli_out(context, "metadata.version=%d (%s)\n", level, release);
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        cli_out(context, "%s=%d\n", order[i],
                feature_initial_level(feature_find(bytes_from_text(order[i])), level));
    return 0;
}

static int print_dependencies(const struct cli_context *context, const char *text)
{
    struct metadata_bootstrap_feature wanted;
    struct err_note note = { 0 };
    if (parse_feature(text, &wanted, &note) < 0) {
        cli_err(context, "%s\n", note.text);
        return 1;
    }
    const struct feature *feature = feature_find(wanted.name);
    if (feature == NULL) {
        cli_err(context, "Unknown feature: %.*s\n", BYTES_PRINTF(wanted.name));
        return 1;
    }
    if (wanted.level < feature->min || wanted.level > feature->max) {
        cli_err(context, "Feature level %d is not supported for feature %s\n", wanted.level,
                feature->name);
        return 1;
    }
    int16_t needs = METADATA_LEVEL_MIN;
    while (feature_check(feature, wanted.level, needs, &note) < 0 && needs < METADATA_LEVEL_MAX)
        needs++;
    const bool is_metadata = strcmp(feature->name, FEATURE_METADATA_VERSION) == 0;
    cli_out(context, "%s=%d", feature->name, wanted.level);
    if (is_metadata)
        cli_out(context, " (%s)", metadata_level_name(wanted.level));
    if (is_metadata || needs == METADATA_LEVEL_MIN)
        cli_out(context, " has no dependencies.\n");
    else
        cli_out(context, " requires:\n    metadata.version=%d (%s)\n", needs,
                metadata_level_name(needs));
    return 0;
}

static int feature_dependencies(const struct cli_context *context,
                                const struct cli_options *options)
{
    int exit_code = 0;
    for (size_t i = 0; exit_code == 0 && i < cli_count(options, "feature"); i++)
        exit_code = print_dependencies(context, cli_text_at(options, "feature", i));
    return exit_code;
}

static int print_random_uuid(const struct cli_context *context, const struct cli_options *options)
{
    (void)options; /* it has none but --help */
    char text[UUID_TEXT_SIZE];
    uuid_to_text(io_random_uuid(context->io), text);
    cli_out(context, "%s\n", text);
    return 0;
}

/* ---- commands -------------------------------------------------------------------------------- */

struct command {
    struct cli_spec spec;
    int (*run)(const struct cli_context *context, const struct cli_options *options);
};

#define COMMAND(name_, words_, table, run_)                                                        \
    {                                                                                              \
        .spec = { .name = name_,                                                                   \
                  .words = words_,                                                                 \
                  .dialect = CLI_ARGPARSE,                                                         \
                  .options = table,                                                                \
                  .option_count = ARRAY_LEN(table) },                                              \
        .run = run_,                                                                               \
    }

static const struct command commands[] = {
    COMMAND("info", "Tell what the log directories of a node hold.", info_options, info),
    COMMAND("format", "Format the log directories of a node.", format_options, format),
    COMMAND("version-mapping", "Tell the feature levels that go with a release.",
            version_mapping_options, version_mapping),
    COMMAND("feature-dependencies", "Tell what a feature level needs.", feature_options,
            feature_dependencies),
    COMMAND("random-uuid", "Print a random id.", random_uuid_options, print_random_uuid),
};

static const char usage[] = "usage: kafka-storage [-h] "
                            "{info,format,version-mapping,feature-dependencies,random-uuid} ...\n";

static int check_exclusive(const struct command *command, const struct cli_options *options,
                           struct err_note *note)
{
    static const char *const voters[] = { "standalone", "no-initial-controllers",
                                          "initial-controllers" };
    if (command->run != format)
        return 0;
    return cli_check_exclusive(options, voters, ARRAY_LEN(voters), note);
}

static int run_command(const struct cli_context *context, const struct command *command, int argc,
                       char **argv)
{
    struct cli_options options;
    struct err_note note = { 0 };
    int r = cli_options_parse(&command->spec, argc, argv, &options, &note);
    if (r == 0)
        r = check_exclusive(command, &options, &note);
    int exit_code;
    char program[64];
    (void)snprintf(program, sizeof(program), "kafka-storage %s", command->spec.name);
    if (cli_has(&options, "help")) {
        cli_synopsis(context, false, program, &command->spec);
        cli_out(context, "\n%s\n\n", command->spec.words);
        cli_help(context, false, &command->spec);
        exit_code = 0;
    } else if (r < 0 || options.rest.count > 0) {
        cli_synopsis(context, true, program, &command->spec);
        if (r < 0)
            cli_err(context, "kafka-storage: error: %s\n", note.text);
        else
            cli_err(context, "kafka-storage: error: unrecognized arguments: '%s'\n",
                    options.rest.items[0]);
        exit_code = 1;
    } else {
        exit_code = command->run(context, &options);
    }
    cli_options_deinit(&options);
    return exit_code;
}

static int run(const struct cli_context *context, int argc, char **argv)
{
    if (argc < 2) {
        cli_err(context, "%s", usage);
        cli_err(context, "kafka-storage: error: too few arguments\n");
        return 1;
    }
    if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0) {
        cli_out(context, "%s", usage);
        for (size_t i = 0; i < ARRAY_LEN(commands); i++)
            cli_out(context, "  %-22s %s\n", commands[i].spec.name, commands[i].spec.words);
        cli_out(context, "  %-22s %s\n", "-h, --help",
                "Show this help; of a command: what it takes.");
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(argv[1], commands[i].spec.name) == 0)
            return run_command(context, &commands[i], argc - 1, argv + 1);
    }
    cli_err(context, "%s", usage);
    cli_err(context,
            "kafka-storage: error: invalid choice: '%s' (choose from 'info', 'format', "
            "'version-mapping', 'feature-dependencies', 'random-uuid')\n",
            argv[1]);
    return 1;
}

const struct cli_tool storage_tool = {
    .name = "kafka-storage",
    .words = "formats a node's log directories",
    .run = run,
};
