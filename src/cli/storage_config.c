/* kafka-storage: the configuration of the node, and its directories. */
#include "base/mem.h"
#include "cli/storage.h"
#include "io/io.h"

#include <string.h>

#define PROPERTIES_BYTES_MAX (1u << 20)

struct config *storage_load_config(const struct cli_context *context, const char *path)
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

static void add_directory(struct storage_directories *out, const char *path)
{
    for (size_t i = 0; i < out->list.count; i++) {
        if (strcmp(out->list.items[i], path) == 0)
            return;
    }
    VEC_ADD(&out->list, path);
}

void storage_directories_init(struct storage_directories *out, const struct config *config)
{
    *out = (struct storage_directories){ .metadata = config_metadata_log_dir(config) };
    const struct config_list dirs = config_log_dirs(config);
    for (size_t i = 0; i < dirs.count; i++)
        add_directory(out, dirs.items[i]);
    add_directory(out, out->metadata);
}
