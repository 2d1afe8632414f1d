/* kafka-storage info: what the log directories of a node hold. */
#include "base/mem.h"
#include "cli/storage.h"
#include "log/dirs/meta_properties.h"

#include <string.h>

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

int storage_info(const struct cli_context *context, const struct cli_options *options)
{
    struct config *config = storage_load_config(context, cli_text(options, "config", ""));
    if (config == NULL)
        return 1;
    struct storage_directories directories;
    storage_directories_init(&directories, config);
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
