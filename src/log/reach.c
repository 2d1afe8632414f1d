/* How far a log had been flushed, by the names in its directory. See log.h. */
#include "log/log.h"
#include "log/names.h"

#include "base/mem.h"

#include <errno.h>

#define DIRECTORY_NAMES_MAX (1u << 24)

static int look_at_segment(struct io_fs *fs, const char *directory, const char *name,
                           struct log_reach *out, struct err_note *note)
{
    AUTO(mem_freep) char *path = mem_printf("%s/%s", directory, name);
    struct io_stat st;
    const int r = io_fs_stat(fs, path, &st);
    if (r < 0)
        return err_note(note, r, "look at %s: %s", path, err_sentence(r));
    out->has_bytes |= st.size_bytes > 0;
    return 0;
}

int log_find_reach(struct io_fs *fs, const char *directory, struct log_reach *out,
                   struct err_note *note)
{
    *out = (struct log_reach){ .flushed_offset = 0 };
    struct io_names names;
    int r = io_fs_list(fs, directory, DIRECTORY_NAMES_MAX, &names);
    if (r < 0)
        return r == -ENOENT ? 0 : err_note(note, r, "list %s: %s", directory, err_sentence(r));
    for (uint32_t i = 0; i < names.count && r == 0; i++) {
        const struct log_name name = log_name_parse(names.items[i]);
        if (name.kind == LOG_NAME_SNAPSHOT && name.stage == LOG_NAME_LIVE)
            out->flushed_offset = MAX(out->flushed_offset, name.base_offset);
        else if (name.kind == LOG_NAME_LOG && name.stage == LOG_NAME_LIVE)
            r = look_at_segment(fs, directory, names.items[i], out, note);
    }
    io_names_deinit(&names);
    return r;
}
