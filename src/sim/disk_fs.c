/* The calls of io.h on a simulated disk. Each begins with sim__call_begin, which may end its incarnation. */
#include "base/mem.h"
#include "io/driver.h"
#include "sim/disk_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define READ_AHEAD_PAGES_MAX 32 /* what a kernel reads by itself behind what was asked for */

struct sim_file {
    struct io_file base;
    struct list link;        /* among the disk's open files */
    struct sim_fs *fs;       /* borrowed */
    struct sim_inode *inode; /* referenced; NULL once the incarnation has ended */
    unsigned flags;
    bool has_no_read_ahead;
    char *path; /* owned; as it was opened */
};

static struct sim_file *file_of(struct io_file *file)
{
    return CONTAINER_OF(file, struct sim_file, base);
}

static struct sim_fs *fs_of(struct io_fs *fs)
{
    return CONTAINER_OF(fs, struct sim_fs, base);
}

/* Of two outcomes of the change during which the disk crashes. */
static bool happens(struct sim_disk *disk)
{
    return rng_below(&disk->rng, 2) == 0;
}

/* ---- one file -------------------------------------------------------------------------------- */

static enum sim_verdict begin(struct sim_file *file, enum sim_call call, uint64_t size_bytes,
                              int *out_error)
{
    return sim__call_begin(file->fs, call, file->path, size_bytes, out_error);
}

static int64_t sim_file_read(struct io_file *io_file, int64_t position, void *out,
                             size_t size_bytes, bool cached_only)
{
    struct sim_file *file = file_of(io_file);
    if (position < 0)
        return -EINVAL;
    const bool was_cold =
        file->inode != NULL &&
        sim__content_is_cold(&file->inode->content, position, (int64_t)size_bytes);
    int error;
    const enum sim_call call = was_cold && !cached_only ? SIM_READ_COLD : SIM_READ;
    if (begin(file, call, size_bytes, &error) != SIM_PROCEED)
        return error;
    if (file->inode->is_directory)
        return -EISDIR;
    struct sim_disk *disk = file->fs->disk;
    struct sim_content *content = &file->inode->content;
    if (position >= content->size)
        return 0;
    const int64_t n = MIN((int64_t)size_bytes, content->size - position);
    if (cached_only && sim__content_is_cold(content, position, n))
        return -EAGAIN;
    sim__content_warm(content, position, n, &disk->rng, disk->bit_rot_in_a_million);
    sim__content_read(content, position, out, n);
    if (was_cold && !file->has_no_read_ahead && happens(disk))
        sim__content_warm(content, position + n,
                          rng_between(&disk->rng, 1, READ_AHEAD_PAGES_MAX) * SIM_PAGE_BYTES,
                          &disk->rng, disk->bit_rot_in_a_million);
    return n;
}

static void sim_file_will_read(struct io_file *io_file, int64_t position, int64_t size_bytes)
{
    struct sim_file *file = file_of(io_file);
    if (file->fs->is_dead || position < 0 || position > SIM_FILE_SIZE_MAX)
        return;
    struct sim_disk *disk = file->fs->disk;
    if (size_bytes <= 0 || size_bytes > SIM_FILE_SIZE_MAX)
        size_bytes = SIM_FILE_SIZE_MAX;
    if (happens(disk)) /* a hint may be followed */
        sim__content_warm(&file->inode->content, position, size_bytes, &disk->rng,
                          disk->bit_rot_in_a_million);
}

static bool sim_file_is_cached(struct io_file *io_file, int64_t position, int64_t size_bytes)
{
    const struct sim_file *file = file_of(io_file);
    return file->inode == NULL || size_bytes <= 0 || position < 0 ||
           !sim__content_is_cold(&file->inode->content, position, size_bytes);
}

static void sim_file_no_read_ahead(struct io_file *io_file)
{
    file_of(io_file)->has_no_read_ahead = true;
}

/* Writes the first `limit` bytes of the parts, as far as there is room. Answers how many were written. */
static int64_t write_first(struct sim_file *file, int64_t position, const struct iovec *parts,
                           int count, int64_t limit)
{
    struct sim_disk *disk = file->fs->disk;
    struct sim_content *content = &file->inode->content;
    int64_t done = 0;
    for (int i = 0; i < count && done < limit; i++) {
        const int64_t want = MIN((int64_t)parts[i].iov_len, limit - done);
        const int64_t room = sim__content_room(content, position + done, want,
                                               disk->capacity_pages - disk->tree.used_pages);
        disk->tree.used_pages -= content->page_count;
        sim__content_write(content, position + done, parts[i].iov_base, room, &disk->rng);
        disk->tree.used_pages += content->page_count;
        done += room;
        if (room < want)
            break;
    }
    file->inode->modified_ms = sim__disk_now_ms(disk);
    return done;
}

static int64_t total_of(const struct iovec *parts, int count)
{
    int64_t total = 0;
    for (int i = 0; i < count; i++)
        total += (int64_t)parts[i].iov_len;
    return total;
}

static int sim_file_writev(struct io_file *io_file, int64_t position, const struct iovec *parts,
                           int count)
{
    struct sim_file *file = file_of(io_file);
    const int64_t total = total_of(parts, count);
    if (position < 0)
        return -EINVAL;
    if ((file->flags & IO_OPEN_WRITE) == 0)
        return -EBADF;
    if (position > SIM_FILE_SIZE_MAX - total)
        return -EFBIG;
    if (total == 0)
        return file->fs->is_dead ? -EIO : 0;

    struct rng *rng = &file->fs->disk->rng;
    int error;
    switch (begin(file, SIM_WRITE, (uint64_t)total, &error)) {
    case SIM_PROCEED:
        return write_first(file, position, parts, count, total) < total ? -ENOSPC : 0;
    case SIM_CRASH_NOW:
        write_first(file, position, parts, count, rng_between(rng, 0, total));
        sim__disk_crash_planned(file->fs->disk);
        return -EIO;
    case SIM_REFUSE:
    default:
        if (!file->fs->is_dead)
            write_first(file, position, parts, count, rng_between(rng, 0, total - 1));
        return error;
    }
}

static void truncate_to(struct sim_disk *disk, struct sim_inode *inode, int64_t size_bytes)
{
    disk->tree.used_pages -= inode->content.page_count;
    sim__content_truncate(&inode->content, size_bytes, &disk->rng);
    disk->tree.used_pages += inode->content.page_count;
    inode->modified_ms = sim__disk_now_ms(disk);
}

static int sim_file_truncate(struct io_file *io_file, int64_t size_bytes)
{
    struct sim_file *file = file_of(io_file);
    if (size_bytes < 0 || (file->flags & IO_OPEN_WRITE) == 0)
        return -EINVAL;
    if (size_bytes > SIM_FILE_SIZE_MAX)
        return -EFBIG;
    int error;
    const enum sim_verdict verdict = begin(file, SIM_TRUNCATE, 0, &error);
    if (verdict == SIM_REFUSE)
        return error;
    if (verdict == SIM_PROCEED || happens(file->fs->disk))
        truncate_to(file->fs->disk, file->inode, size_bytes);
    if (verdict == SIM_PROCEED)
        return 0;
    sim__disk_crash_planned(file->fs->disk);
    return -EIO;
}

static int sim_file_allocate(struct io_file *io_file, int64_t position, int64_t size_bytes)
{
    struct sim_file *file = file_of(io_file);
    if (position < 0 || size_bytes <= 0)
        return -EINVAL;
    if ((file->flags & IO_OPEN_WRITE) == 0)
        return -EBADF;
    if (position > SIM_FILE_SIZE_MAX - size_bytes)
        return -EFBIG;
    int error;
    const enum sim_verdict verdict = begin(file, SIM_ALLOCATE, 0, &error);
    if (verdict == SIM_REFUSE)
        return error;
    struct sim_disk *disk = file->fs->disk;
    struct sim_content *content = &file->inode->content;
    const int64_t free_pages = disk->capacity_pages - disk->tree.used_pages;
    const bool fits = sim__content_room(content, position, size_bytes, free_pages) == size_bytes;
    if (fits && (verdict == SIM_PROCEED || happens(disk))) {
        disk->tree.used_pages -= content->page_count;
        sim__content_reserve(content, position, size_bytes);
        disk->tree.used_pages += content->page_count;
    }
    if (verdict == SIM_PROCEED)
        return fits ? 0 : -ENOSPC;
    sim__disk_crash_planned(disk);
    return -EIO;
}

static int sim_file_sync(struct io_file *io_file)
{
    struct sim_file *file = file_of(io_file);
    struct sim_disk *disk = file->fs->disk;
    int error;
    const enum sim_verdict verdict = begin(file, SIM_SYNC, 0, &error);
    if (verdict == SIM_REFUSE) {
        if (!file->fs->is_dead)
            sim__content_sync_failed(&file->inode->content, &disk->rng);
        return error;
    }
    if (verdict == SIM_PROCEED || happens(disk))
        sim__content_sync(&file->inode->content);
    if (verdict == SIM_PROCEED)
        return 0;
    sim__disk_crash_planned(disk);
    return -EIO;
}

static int64_t sim_file_size(struct io_file *io_file)
{
    struct sim_file *file = file_of(io_file);
    int error;
    if (begin(file, SIM_STAT, 0, &error) != SIM_PROCEED)
        return error;
    return file->inode->content.size;
}

static int sim_file_lock(struct io_file *io_file)
{
    struct sim_file *file = file_of(io_file);
    if ((file->flags & IO_OPEN_WRITE) == 0)
        return -EBADF;
    int error;
    if (begin(file, SIM_STAT, 0, &error) != SIM_PROCEED)
        return error;
    if (file->inode->lock_holder != NULL && file->inode->lock_holder != file)
        return -EWOULDBLOCK;
    file->inode->lock_holder = file;
    return 0;
}

static void file_detach(struct sim_file *file)
{
    if (file->inode == NULL)
        return;
    if (file->inode->lock_holder == file)
        file->inode->lock_holder = NULL;
    sim__inode_add_live(&file->fs->disk->tree, file->inode, -1);
    sim__inode_unref(file->inode);
    file->inode = NULL;
}

void sim__disk_detach_files(struct sim_disk *disk)
{
    LIST_FOR_EACH(&disk->open_files, link)
    {
        file_detach(LIST_ENTRY(link, struct sim_file, link));
    }
}

static void sim_file_close(struct io_file *io_file)
{
    struct sim_file *file = file_of(io_file);
    file_detach(file);
    list_remove(&file->link);
    file->fs->disk->open_count--;
    mem_free(file->path);
    mem_free(file);
}

static const struct io_file_ops sim_file_ops = {
    .read = sim_file_read,
    .writev = sim_file_writev,
    .truncate = sim_file_truncate,
    .allocate = sim_file_allocate,
    .sync = sim_file_sync,
    .size = sim_file_size,
    .will_read = sim_file_will_read,
    .is_cached = sim_file_is_cached,
    .no_read_ahead = sim_file_no_read_ahead,
    .lock = sim_file_lock,
    .close = sim_file_close,
};

/* ---- names ----------------------------------------------------------------------------------- */

/* Finds something that must be there. */
static int find(struct sim_fs *fs, const char *path, struct sim_place *out)
{
    const int r = sim__tree_find(&fs->disk->tree, path, NULL, out);
    return r < 0 ? r : out->inode == NULL ? -ENOENT : 0;
}

static struct sim_file *file_new(struct sim_fs *fs, struct sim_inode *inode, const char *path,
                                 unsigned flags)
{
    struct sim_file *file = MEM_NEW(struct sim_file);
    file->base.ops = &sim_file_ops;
    file->base.reference_count = 1;
    file->fs = fs;
    file->inode = sim__inode_ref(inode);
    file->flags = flags;
    file->path = mem_strdup(path);
    list_push_back(&fs->disk->open_files, &file->link);
    fs->disk->open_count++;
    sim__inode_add_live(&fs->disk->tree, inode, 1);
    return file;
}

/* What open does with the name before there is a file. */
static int open_check(const struct sim_place *place, unsigned flags)
{
    if (place->inode == NULL)
        return (flags & IO_OPEN_CREATE) ? 0 : -ENOENT;
    if ((flags & IO_OPEN_CREATE) && (flags & IO_OPEN_EXCLUSIVE))
        return -EEXIST;
    return place->inode->is_directory && (flags & IO_OPEN_WRITE) ? -EISDIR : 0;
}

/* The kind of call that an open is going to be. */
static enum sim_call open_call(const struct sim_tree *tree, const char *path, unsigned flags)
{
    struct sim_place place;
    const int r = sim__tree_find(tree, path, NULL, &place);
    if (r == 0 && place.inode == NULL && (flags & IO_OPEN_CREATE))
        return SIM_CREATE;
    const bool cuts = r == 0 && place.inode != NULL && (flags & IO_OPEN_TRUNCATE);
    return cuts ? SIM_TRUNCATE : SIM_OPEN;
}

static void open_change(struct sim_disk *disk, struct sim_place *place, unsigned flags)
{
    if (place->inode == NULL)
        place->inode = sim__tree_create(&disk->tree, place, false, sim__disk_now_ms(disk));
    else if ((flags & IO_OPEN_TRUNCATE) && place->inode->content.size > 0)
        truncate_to(disk, place->inode, 0);
}

/* A new name needs a little room, too. */
static bool is_full(const struct sim_disk *disk)
{
    return disk->tree.used_pages >= disk->capacity_pages;
}

static int sim_open(struct io_fs *io_fs, const char *path, unsigned flags, struct io_file **out)
{
    struct sim_fs *fs = fs_of(io_fs);
    struct sim_disk *disk = fs->disk;
    int error;
    const enum sim_call call = open_call(&disk->tree, path, flags);
    const enum sim_verdict verdict = sim__call_begin(fs, call, path, 0, &error);
    if (verdict == SIM_REFUSE)
        return error;

    struct sim_place place; /* found anew: others may have run meanwhile */
    int r = sim__tree_find(&disk->tree, path, NULL, &place);
    if (r == 0)
        r = open_check(&place, flags);
    if (r == 0 && place.inode == NULL && is_full(disk))
        r = -ENOSPC;
    if (r == 0 && (verdict == SIM_PROCEED || happens(disk)))
        open_change(disk, &place, flags);
    if (verdict == SIM_CRASH_NOW) {
        sim__disk_crash_planned(disk);
        return -EIO;
    }
    if (r == 0)
        *out = &file_new(fs, place.inode, path, flags)->base;
    return r;
}

static int sim_stat(struct io_fs *io_fs, const char *path, struct io_stat *out)
{
    struct sim_fs *fs = fs_of(io_fs);
    int error;
    if (sim__call_begin(fs, SIM_STAT, path, 0, &error) != SIM_PROCEED)
        return error;
    struct sim_place place;
    const int r = find(fs, path, &place);
    if (r < 0)
        return r;
    *out = (struct io_stat){
        .size_bytes = place.inode->content.size,
        .allocated_bytes = place.inode->content.page_count * SIM_PAGE_BYTES,
        .modified_ms = place.inode->modified_ms,
        .is_directory = place.inode->is_directory,
    };
    return 0;
}

static int rename_check(const struct sim_tree *tree, const char *from_path, const char *to_path,
                        struct sim_place *from, struct sim_place *to)
{
    int r = sim__tree_find(tree, from_path, NULL, from);
    if (r == 0 && from->inode == NULL)
        r = -ENOENT;
    if (r == 0)
        r = sim__tree_find(tree, to_path, from->inode, to);
    if (r < 0)
        return r;
    if (from->name[0] == '\0' || to->name[0] == '\0')
        return -EBUSY;
    if (to->inode == NULL || to->inode == from->inode)
        return 0;
    if (to->inode->is_directory != from->inode->is_directory)
        return to->inode->is_directory ? -EISDIR : -ENOTDIR;
    return map_count(&to->inode->names) > 0 ? -ENOTEMPTY : 0;
}

static int unlink_check(const struct sim_tree *tree, const char *path, struct sim_place *out)
{
    const int r = sim__tree_find(tree, path, NULL, out);
    if (r < 0)
        return r;
    if (out->inode == NULL)
        return -ENOENT;
    return out->inode->is_directory ? -EISDIR : 0;
}

static int remove_directory_check(const struct sim_tree *tree, const char *path,
                                  struct sim_place *out)
{
    const int r = sim__tree_find(tree, path, NULL, out);
    if (r < 0)
        return r;
    if (out->inode == NULL)
        return -ENOENT;
    if (!out->inode->is_directory)
        return -ENOTDIR;
    if (out->name[0] == '\0')
        return -EBUSY;
    return map_count(&out->inode->names) > 0 ? -ENOTEMPTY : 0;
}

static int make_directory_check(const struct sim_tree *tree, const char *path,
                                struct sim_place *out)
{
    const int r = sim__tree_find(tree, path, NULL, out);
    return r < 0 ? r : out->inode != NULL ? -EEXIST : 0;
}

/* The changes of names, after their checks. */
static void name_change(struct sim_disk *disk, enum sim_call call, const struct sim_place *place,
                        const struct sim_place *to)
{
    if (call == SIM_MAKE_DIRECTORY)
        (void)sim__tree_create(&disk->tree, place, true, sim__disk_now_ms(disk));
    else if (call != SIM_RENAME)
        sim__tree_remove(&disk->tree, place);
    else if (place->inode != to->inode)
        sim__tree_rename(&disk->tree, place, to);
}

static int names_call(struct io_fs *io_fs, enum sim_call call, const char *path,
                      const char *to_path)
{
    struct sim_fs *fs = fs_of(io_fs);
    struct sim_disk *disk = fs->disk;
    int error;
    const enum sim_verdict verdict = sim__call_begin(fs, call, path, 0, &error);
    if (verdict == SIM_REFUSE)
        return error;
    struct sim_place place;
    struct sim_place to;
    int r = call == SIM_RENAME           ? rename_check(&disk->tree, path, to_path, &place, &to)
            : call == SIM_UNLINK         ? unlink_check(&disk->tree, path, &place)
            : call == SIM_MAKE_DIRECTORY ? make_directory_check(&disk->tree, path, &place)
                                         : remove_directory_check(&disk->tree, path, &place);
    if (r == 0 && call == SIM_MAKE_DIRECTORY && is_full(disk))
        r = -ENOSPC;
    if (r == 0 && (verdict == SIM_PROCEED || happens(disk)))
        name_change(disk, call, &place, &to);
    if (verdict == SIM_PROCEED)
        return r;
    sim__disk_crash_planned(disk);
    return -EIO;
}

static int sim_rename(struct io_fs *fs, const char *from, const char *to)
{
    return names_call(fs, SIM_RENAME, from, to);
}

static int sim_unlink(struct io_fs *fs, const char *path)
{
    return names_call(fs, SIM_UNLINK, path, NULL);
}

static int sim_make_directory(struct io_fs *fs, const char *path)
{
    return names_call(fs, SIM_MAKE_DIRECTORY, path, NULL);
}

static int sim_remove_directory(struct io_fs *fs, const char *path)
{
    return names_call(fs, SIM_REMOVE_DIRECTORY, path, NULL);
}

static int sim_sync_directory(struct io_fs *io_fs, const char *path)
{
    struct sim_fs *fs = fs_of(io_fs);
    int error;
    const enum sim_verdict verdict = sim__call_begin(fs, SIM_SYNC_DIRECTORY, path, 0, &error);
    if (verdict == SIM_REFUSE)
        return error;
    struct sim_place place;
    int r = find(fs, path, &place);
    if (r == 0 && !place.inode->is_directory)
        r = -ENOTDIR;
    if (r == 0 && (verdict == SIM_PROCEED || happens(fs->disk)))
        sim__tree_sync(&fs->disk->tree, place.inode);
    if (verdict == SIM_PROCEED)
        return r;
    sim__disk_crash_planned(fs->disk);
    return -EIO;
}

static int64_t space_of(struct io_fs *io_fs, const char *path, bool used_too)
{
    struct sim_fs *fs = fs_of(io_fs);
    int error;
    if (sim__call_begin(fs, SIM_STAT, path, 0, &error) != SIM_PROCEED)
        return error;
    struct sim_place place;
    const int r = find(fs, path, &place);
    if (r < 0)
        return r;
    const int64_t used = used_too ? 0 : fs->disk->tree.used_pages;
    return MAX(fs->disk->capacity_pages - used, INT64_C(0)) * SIM_PAGE_BYTES;
}

static int64_t sim_free_bytes(struct io_fs *fs, const char *path)
{
    return space_of(fs, path, false);
}

static int64_t sim_total_bytes(struct io_fs *fs, const char *path)
{
    return space_of(fs, path, true);
}

static int sim_set_modified(struct io_fs *io_fs, const char *path, int64_t modified_ms)
{
    struct sim_fs *fs = fs_of(io_fs);
    int error;
    const enum sim_verdict verdict = sim__call_begin(fs, SIM_SET_MODIFIED, path, 0, &error);
    if (verdict == SIM_REFUSE)
        return error;
    struct sim_place place;
    const int r = find(fs, path, &place);
    if (r == 0)
        place.inode->modified_ms = modified_ms;
    if (verdict == SIM_PROCEED)
        return r;
    sim__disk_crash_planned(fs->disk);
    return -EIO;
}

static int sim_list(struct io_fs *io_fs, const char *path, uint32_t count_max, struct io_names *out)
{
    struct sim_fs *fs = fs_of(io_fs);
    int error;
    if (sim__call_begin(fs, SIM_LIST, path, 0, &error) != SIM_PROCEED)
        return error;
    struct sim_place place;
    int r = find(fs, path, &place);
    if (r < 0)
        return r;
    if (!place.inode->is_directory)
        return -ENOTDIR;
    struct io_names_builder builder = { .count_max = count_max };
    for (struct map_walk w = { 0 }; r == 0 && map_next(&place.inode->names, &w);) {
        char name[SIM_NAME_BYTES_MAX + 1];
        (void)snprintf(name, sizeof(name), "%.*s", BYTES_PRINTF(w.key));
        r = io_names_add(&builder, name);
    }
    return io_names_finish(&builder, r, out);
}

const struct io_fs_ops sim__fs_ops = {
    .open = sim_open,
    .stat = sim_stat,
    .rename = sim_rename,
    .unlink = sim_unlink,
    .make_directory = sim_make_directory,
    .remove_directory = sim_remove_directory,
    .sync_directory = sim_sync_directory,
    .free_bytes = sim_free_bytes,
    .total_bytes = sim_total_bytes,
    .set_modified = sim_set_modified,
    .list = sim_list,
};
