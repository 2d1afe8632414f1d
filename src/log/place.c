/* Opening the files of a log by what they are: see place.h. */
#include "log/place.h"

#include "base/mem.h"

#include <errno.h>

int log_place_file(const struct log_place *place, struct log_file *slot, struct log_name name,
                   bool is_swapping, unsigned flags, struct io_file **out)
{
    if (slot->file != NULL)
        return log_file_get(place->files, slot, place->fs, NULL, 0, out);
    if (is_swapping) {
        name.stage = LOG_NAME_SWAP;
        AUTO(mem_freep) char *path = log_name_path(place->directory, name);
        const int r = log_file_get(place->files, slot, place->fs, path,
                                   flags & ~(unsigned)IO_OPEN_CREATE, out);
        if (r != -ENOENT)
            return r;
        name.stage = LOG_NAME_LIVE;
    }
    AUTO(mem_freep) char *path = log_name_path(place->directory, name);
    return log_file_get(place->files, slot, place->fs, path, flags, out);
}
