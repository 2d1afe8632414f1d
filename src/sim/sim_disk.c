/* The disk's life: its views, its faults and its crashes. Calls on files are in disk_fs.c. */
#include "sim/sim_disk.h"

#include "base/mem.h"
#include "sim/disk_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CAPACITY_BYTES_DEFAULT (INT64_C(1) << 40)
#define NOW_MS_DEFAULT         INT64_C(1704067200000) /* 2024-01-01 */

struct sim_disk *sim_disk_new(uint64_t seed)
{
    struct sim_disk *disk = MEM_NEW(struct sim_disk);
    disk->rng = rng_from_seed(seed);
    list_init(&disk->open_files);
    sim__tree_init(&disk->tree);
    sim_disk_set_capacity(disk, 0);
    return disk;
}

void sim_disk_free(struct sim_disk *disk)
{
    if (disk == NULL)
        return;
    ASSERT(disk->open_count == 0);
    sim__tree_deinit(&disk->tree);
    for (size_t i = 0; i < disk->views.count; i++)
        mem_free(disk->views.items[i]);
    VEC_DEINIT(&disk->views);
    VEC_DEINIT(&disk->faults);
    mem_free(disk);
}

struct io_fs *sim_disk_fs(struct sim_disk *disk)
{
    if (disk->fs == NULL) {
        disk->fs = MEM_NEW(struct sim_fs);
        disk->fs->base.ops = &sim__fs_ops;
        disk->fs->disk = disk;
        VEC_ADD(&disk->views, disk->fs);
    }
    return &disk->fs->base;
}

uint32_t sim_disk_open_count(const struct sim_disk *disk)
{
    return disk->open_count;
}

/* ---- crashes --------------------------------------------------------------------------------- */

void sim_disk_restart(struct sim_disk *disk)
{
    if (disk->fs != NULL)
        disk->fs->is_dead = true;
    disk->fs = NULL;
    sim__disk_detach_files(disk);
}

void sim_disk_crash(struct sim_disk *disk, enum sim_crash kind)
{
    sim_disk_restart(disk);
    disk->crash_at_change = 0;
    disk->crash_count++;
    if (kind != SIM_POWER_LOST)
        return;
    if (disk->hooks.on_losing != NULL)
        disk->hooks.on_losing(disk->hooks.context);
    sim__tree_power_loss(&disk->tree, &disk->rng);
}

void sim__disk_crash_planned(struct sim_disk *disk)
{
    const enum sim_crash kind = disk->crash_kind;
    sim_disk_crash(disk, kind);
    if (disk->hooks.on_crash != NULL)
        disk->hooks.on_crash(disk->hooks.context, kind);
}

void sim_disk_crash_at(struct sim_disk *disk, uint64_t nth_change, enum sim_crash kind)
{
    disk->crash_at_change = nth_change == 0 ? 0 : disk->change_count + nth_change;
    disk->crash_kind = kind;
}

uint64_t sim_disk_change_count(const struct sim_disk *disk)
{
    return disk->change_count;
}

uint32_t sim_disk_crash_count(const struct sim_disk *disk)
{
    return disk->crash_count;
}

/* ---- faults ---------------------------------------------------------------------------------- */

void sim_disk_add_fault(struct sim_disk *disk, const struct sim_fault *fault)
{
    ASSERT(fault->error < 0);
    VEC_ADD(&disk->faults, (struct sim_fault_state){ .fault = *fault });
}

void sim_disk_clear_faults(struct sim_disk *disk)
{
    disk->faults.count = 0;
}

static bool fault_strikes(struct sim_fault_state *state, enum sim_call call, const char *path,
                          struct rng *rng)
{
    const struct sim_fault *fault = &state->fault;
    if ((fault->calls & (unsigned)call) == 0)
        return false;
    if (fault->path_part != NULL && strstr(path, fault->path_part) == NULL)
        return false;
    const uint64_t nth = state->seen_count++;
    if (nth < fault->skip || (fault->count != 0 && nth - fault->skip >= fault->count))
        return false;
    return fault->in_a_million == 0 || rng_chance(rng, fault->in_a_million);
}

/* 0, or the error of the first fault that strikes. */
static int faults_check(struct sim_disk *disk, enum sim_call call, const char *path)
{
    for (size_t i = 0; i < disk->faults.count; i++) {
        if (fault_strikes(&disk->faults.items[i], call, path, &disk->rng))
            return disk->faults.items[i].fault.error;
    }
    return 0;
}

enum sim_verdict sim__call_begin(struct sim_fs *fs, enum sim_call call, const char *path,
                                 uint64_t size_bytes, int *out_error)
{
    struct sim_disk *disk = fs->disk;
    *out_error = -EIO;
    if (fs->is_dead)
        return SIM_REFUSE;
    int error = 0;
    if (disk->hooks.on_call != NULL)
        error = disk->hooks.on_call(disk->hooks.context, call, path, size_bytes);
    if (fs->is_dead) /* while time passed */
        return SIM_REFUSE;
    if (error == 0)
        error = faults_check(disk, call, path);
    if (error < 0) {
        *out_error = error;
        return SIM_REFUSE;
    }
    if ((call & SIM_CHANGES) == 0)
        return SIM_PROCEED;
    disk->change_count++;
    return disk->change_count == disk->crash_at_change ? SIM_CRASH_NOW : SIM_PROCEED;
}

void sim_disk_set_capacity(struct sim_disk *disk, int64_t capacity_bytes)
{
    if (capacity_bytes == 0)
        capacity_bytes = CAPACITY_BYTES_DEFAULT;
    disk->capacity_pages = capacity_bytes / SIM_PAGE_BYTES;
}

int64_t sim_disk_used_bytes(const struct sim_disk *disk)
{
    return disk->tree.used_pages * SIM_PAGE_BYTES;
}

/* A file's byte that is there. */
static int find_byte(struct sim_disk *disk, const char *path, int64_t position,
                     struct sim_content **out)
{
    struct sim_place place;
    const int r = sim__tree_find(&disk->tree, path, NULL, &place);
    if (r < 0)
        return r;
    if (place.inode == NULL)
        return -ENOENT;
    *out = &place.inode->content;
    const bool is_there =
        !place.inode->is_directory && position >= 0 && position < place.inode->content.size;
    return is_there ? 0 : -EINVAL;
}

int sim_disk_flip_bit(struct sim_disk *disk, const char *path, int64_t position, unsigned bit)
{
    struct sim_content *content;
    const int r = find_byte(disk, path, position, &content);
    if (r < 0)
        return r;
    disk->tree.used_pages -= content->page_count;
    sim__content_flip_bit(content, position, bit);
    disk->tree.used_pages += content->page_count;
    return 0;
}

int sim_disk_rot(struct sim_disk *disk, const char *path, int64_t position, unsigned bit)
{
    struct sim_content *content;
    const int r = find_byte(disk, path, position, &content);
    if (r < 0 || !sim__content_is_cold(content, position, 1))
        return r;
    sim__content_flip_bit(content, position, bit);
    return 1;
}

void sim_disk_set_bit_rot(struct sim_disk *disk, uint32_t in_a_million)
{
    disk->bit_rot_in_a_million = in_a_million;
}

void sim_disk_cool(struct sim_disk *disk, uint32_t in_a_million)
{
    sim__tree_cool(&disk->tree, &disk->rng, in_a_million);
}

/* ---- looking on from outside ----------------------------------------------------------------- */

static const struct sim_inode *look_for(const struct sim_disk *disk, enum sim_view view,
                                        const char *path)
{
    struct sim_place place;
    if (view == SIM_STABLE)
        return sim__tree_find_stable(&disk->tree, path);
    return sim__tree_find(&disk->tree, path, NULL, &place) < 0 ? NULL : place.inode;
}

int sim_disk_look(const struct sim_disk *disk, enum sim_view view, const char *path, uint8_t **out,
                  size_t *out_size)
{
    const struct sim_inode *inode = look_for(disk, view, path);
    if (inode == NULL)
        return -ENOENT;
    if (inode->is_directory)
        return -EISDIR;
    const struct sim_content *content = &inode->content;
    const int64_t size = view == SIM_STABLE ? sim__content_stable_size(content) : content->size;
    *out_size = (size_t)size;
    *out = mem_alloc(*out_size);
    if (view == SIM_STABLE)
        sim__content_read_stable(content, *out);
    else
        sim__content_read(content, 0, *out, size);
    return 0;
}

int sim_disk_look_in(const struct sim_disk *disk, enum sim_view view, const char *path,
                     struct io_names *out)
{
    const struct sim_inode *inode = look_for(disk, view, path);
    if (inode == NULL)
        return -ENOENT;
    if (!inode->is_directory)
        return -ENOTDIR;
    struct io_names_builder builder = { .count_max = UINT32_MAX };
    const struct map *names = view == SIM_STABLE ? &inode->stable_names : &inode->names;
    int r = 0;
    for (struct map_walk w = { 0 }; r == 0 && map_next(names, &w);) {
        char name[SIM_NAME_BYTES_MAX + 1];
        (void)snprintf(name, sizeof(name), "%.*s", BYTES_PRINTF(w.key));
        r = io_names_add(&builder, name);
    }
    return io_names_finish(&builder, r, out);
}

/* ---- the world around it --------------------------------------------------------------------- */

void sim_disk_set_hooks(struct sim_disk *disk, const struct sim_disk_hooks *hooks)
{
    disk->hooks = *hooks;
}

int64_t sim__disk_now_ms(const struct sim_disk *disk)
{
    return disk->hooks.now_ms == NULL ? NOW_MS_DEFAULT : disk->hooks.now_ms(disk->hooks.context);
}

uint64_t sim_disk_digest(const struct sim_disk *disk)
{
    return sim__tree_digest(&disk->tree);
}
