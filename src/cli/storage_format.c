/* kafka-storage format: what is asked for, what is there, and whether they go together. What is then done: storage_write.c. */
#include "cli/storage.h"
#include "config/listeners.h"
#include "log/dirs/meta_properties.h"
#include "metadata/feature.h"

#include <string.h>

/* ---- what is asked for ----------------------------------------------------------------------- */

static int choose_levels(struct storage_plan *f, struct err_note *note)
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
        const int r = storage_feature_parse(cli_text_at(f->options, "feature", i), &feature, note);
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
        if (f->chosen_count == STORAGE_CHOSEN_COUNT_MAX)
            return err_note(note, -ERR_LIMIT, "--feature may be given %d times at most",
                            STORAGE_CHOSEN_COUNT_MAX);
        f->chosen[f->chosen_count++] = feature;
    }
    return 0;
}

static int check_voter_options(const struct storage_plan *f, struct err_note *note)
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
static int add_own_voter(struct storage_plan *f, const struct controller_listener *first,
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

static int choose_voters(struct storage_plan *f, struct err_note *note)
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
static int check_kraft_version(const struct storage_plan *f, struct err_note *note)
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

/* ---- what is there --------------------------------------------------------------------------- */

static int check_directory(struct storage_plan *f, const char *directory, struct err_note *note)
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

/* ---- the command ----------------------------------------------------------------------------- */

static int plan(struct storage_plan *f, struct err_note *note)
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

int storage_format(const struct cli_context *context, const struct cli_options *options)
{
    struct storage_plan f = { .context = context, .options = options };
    f.config = storage_load_config(context, cli_text(options, "config", ""));
    if (f.config == NULL)
        return 1;
    storage_directories_init(&f.directories, f.config);
    arena_init(&f.arena, STORAGE_BOOTSTRAP_BYTES_MAX);
    f.node_id = (int32_t)config_i64(f.config, SETTING_BROKER_NODE_ID);
    struct err_note note = { 0 };
    int r = plan(&f, &note);
    if (r == 0)
        r = storage_write(&f, &note);
    if (r < 0)
        cli_err(context, "%s\n", note.text[0] == '\0' ? err_sentence(r) : note.text);
    raft_voters_deinit(&f.voters);
    arena_deinit(&f.arena);
    VEC_DEINIT(&f.unformatted);
    VEC_DEINIT(&f.directories.list);
    config_unref(f.config);
    return r < 0 ? 1 : 0;
}
