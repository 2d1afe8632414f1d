/* The simulated disk: that it is a file system, and that it loses what may be lost and nothing else. */
#include "sim/sim_disk.h"

#include "base/mem.h"
#include "base/test.h"
#include "io/fs_contract.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SEED_COUNT 400

static struct io_file *file_open(struct sim_disk *disk, const char *path)
{
    struct io_file *file = NULL;
    EXPECT_OK(io_file_open(sim_disk_fs(disk), path, IO_OPEN_WRITE | IO_OPEN_CREATE, &file));
    return file;
}

static bool exists(struct sim_disk *disk, const char *path)
{
    struct io_stat st;
    const int r = io_fs_stat(sim_disk_fs(disk), path, &st);
    EXPECT(r == 0 || r == -ENOENT || r == -ENOTDIR);
    return r == 0;
}

/* Of a file of that one byte: how many of its first `size` bytes are there. */
static int64_t count_bytes(struct sim_disk *disk, const char *path, uint8_t byte, size_t size)
{
    AUTO(mem_freep) uint8_t *data = mem_zalloc(size);
    struct io_file *file = file_open(disk, path);
    EXPECT(io_file_read(file, 0, data, size) >= 0);
    io_file_unref(file);
    int64_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += data[i] == byte;
    return count;
}

static void put_synced(struct sim_disk *disk, const char *path, uint8_t byte, size_t size)
{
    AUTO(mem_freep) uint8_t *data = mem_alloc(size);
    memset(data, byte, size);
    struct io_file *file = file_open(disk, path);
    EXPECT_OK(io_file_write(file, 0, data, size));
    EXPECT_OK(io_file_sync(file));
    io_file_unref(file);
    EXPECT_OK(io_fs_sync_directory(sim_disk_fs(disk), "/"));
}

TEST(sim_disk, keeps_the_contract_of_files)
{
    struct sim_disk *disk = sim_disk_new(context->seed);
    EXPECT_OK(io_fs_make_directory(sim_disk_fs(disk), "place"));
    fs_contract_check(sim_disk_fs(disk), "place");
    fs_contract_check(sim_disk_fs(disk), ".");
    EXPECT_EQ(sim_disk_open_count(disk), 0);
    sim_disk_free(disk);
}

/* ---- bytes under power loss ------------------------------------------------------------------ */

#define MODEL_BYTES 6000 /* more than a page */

/* For each byte, every value it has had since it was last synced. */
struct model {
    uint8_t bytes[MODEL_BYTES];
    int64_t size;
    int64_t size_low; /* since the last sync */
    int64_t size_high;
    uint64_t may_be[MODEL_BYTES][4];
};

static void model_allow(struct model *m, int64_t position, uint8_t value)
{
    m->may_be[position][value / 64] |= UINT64_C(1) << (value % 64);
}

static bool model_allows(const struct model *m, int64_t position, uint8_t value)
{
    return (m->may_be[position][value / 64] >> (value % 64)) & 1;
}

static void model_sync(struct model *m)
{
    memset(m->may_be, 0, sizeof(m->may_be));
    for (int64_t i = 0; i < MODEL_BYTES; i++)
        model_allow(m, i, m->bytes[i]);
    m->size_low = m->size_high = m->size;
}

static void model_write(struct model *m, int64_t position, uint8_t value, int64_t size)
{
    for (int64_t i = position; i < position + size; i++) {
        m->bytes[i] = value;
        model_allow(m, i, value);
    }
    m->size = MAX(m->size, position + size);
    m->size_high = MAX(m->size_high, m->size);
}

static void model_truncate(struct model *m, int64_t size)
{
    for (int64_t i = size; i < MODEL_BYTES; i++) {
        m->bytes[i] = 0;
        model_allow(m, i, 0);
    }
    m->size = size;
    m->size_low = MIN(m->size_low, size);
    m->size_high = MAX(m->size_high, size);
}

static void model_check_exact(const struct model *m, struct io_file *file)
{
    AUTO(mem_freep) uint8_t *data = mem_zalloc(MODEL_BYTES);
    EXPECT_EQ(io_file_read(file, 0, data, MODEL_BYTES), m->size);
    EXPECT(memcmp(data, m->bytes, MODEL_BYTES) == 0);
}

/* What is left is possible; it becomes what the model goes on with. */
static void model_check_after_loss(struct model *m, struct io_file *file)
{
    AUTO(mem_freep) uint8_t *data = mem_zalloc(MODEL_BYTES);
    const int64_t size = io_file_read(file, 0, data, MODEL_BYTES);
    EXPECT(size >= m->size_low && size <= m->size_high);
    for (int64_t i = 0; i < size; i++)
        EXPECT(model_allows(m, i, data[i]));
    memcpy(m->bytes, data, MODEL_BYTES);
    m->size = size;
    model_sync(m);
}

static void random_step(struct model *m, struct io_file *file, struct rng *rng)
{
    const int64_t position = rng_between(rng, 0, MODEL_BYTES - 1);
    const int64_t size = rng_between(rng, 1, MIN(MODEL_BYTES - position, INT64_C(2000)));
    const uint8_t value = (uint8_t)rng_u64(rng);
    uint8_t data[2000];
    memset(data, value, sizeof(data));
    switch (rng_below(rng, 6)) {
    case 0:
        EXPECT_OK(io_file_truncate(file, position));
        model_truncate(m, position);
        break;
    case 1:
        EXPECT_OK(io_file_sync(file));
        model_sync(m);
        break;
    default:
        EXPECT_OK(io_file_write(file, position, data, (size_t)size));
        model_write(m, position, value, size);
        break;
    }
    model_check_exact(m, file);
}

/* Random writes, cuts and syncs, then a power loss, again and again on one file: what was synced and not touched
 * since is there, and every other byte is one it has been. */
TEST(sim_disk, keeps_synced_bytes_through_power_losses)
{
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct rng rng = rng_from_seed(seed + context->seed);
        struct sim_disk *disk = sim_disk_new(seed);
        AUTO(mem_freep) struct model *m = MEM_NEW(struct model);
        model_sync(m);
        put_synced(disk, "file", 0, 0);
        for (int crashes = 0; crashes < 5; crashes++) {
            struct io_file *file = file_open(disk, "file");
            for (uint64_t steps = rng_below(&rng, 12); steps > 0; steps--)
                random_step(m, file, &rng);
            sim_disk_crash(disk, SIM_POWER_LOST);
            io_file_unref(file);
            file = file_open(disk, "file");
            model_check_after_loss(m, file);
            io_file_unref(file);
        }
        sim_disk_free(disk);
    }
}

/* The same with kills: nothing is lost at all. */
TEST(sim_disk, keeps_all_bytes_when_the_process_is_killed)
{
    struct rng rng = rng_from_seed(context->seed);
    struct sim_disk *disk = sim_disk_new(context->seed);
    AUTO(mem_freep) struct model *m = MEM_NEW(struct model);
    model_sync(m);
    for (int crashes = 0; crashes < 50; crashes++) {
        struct io_file *file = file_open(disk, "file");
        for (uint64_t steps = rng_below(&rng, 12); steps > 0; steps--)
            random_step(m, file, &rng);
        sim_disk_crash(disk, SIM_PROCESS_KILLED);
        io_file_unref(file);
        file = file_open(disk, "file");
        model_check_exact(m, file);
        io_file_unref(file);
    }
    sim_disk_free(disk);
}

/* An append after a sync, then the power goes. All fates must occur. */
TEST(sim_disk, loses_unsynced_bytes_in_every_way)
{
    enum { OLD = 1000, NEW = 5000 };
    int all = 0, none = 0, prefix = 0, zero_tail = 0, torn = 0;
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct sim_disk *disk = sim_disk_new(seed);
        put_synced(disk, "file", 'o', OLD);
        uint8_t data[NEW];
        memset(data, 'n', sizeof(data));
        struct io_file *file = file_open(disk, "file");
        EXPECT_OK(io_file_write(file, OLD, data, NEW));
        sim_disk_crash(disk, SIM_POWER_LOST);
        io_file_unref(file);

        EXPECT_EQ(count_bytes(disk, "file", 'o', OLD), OLD);
        const int64_t kept = count_bytes(disk, "file", 'n', OLD + NEW);
        const int64_t lost = count_bytes(disk, "file", 'o', OLD + NEW) - OLD;
        EXPECT_EQ(lost, 0);
        struct io_stat st;
        EXPECT_OK(io_fs_stat(sim_disk_fs(disk), "file", &st));
        all += kept == NEW;
        none += st.size_bytes == OLD;
        prefix += kept > 0 && kept == st.size_bytes - OLD && kept < NEW;
        zero_tail += kept == 0 && st.size_bytes > OLD;
        torn += kept > 0 && kept < st.size_bytes - OLD && kept % 512 != 0;
        sim_disk_free(disk);
    }
    EXPECT(all > SEED_COUNT / 20 && none > SEED_COUNT / 20 && prefix > SEED_COUNT / 20);
    EXPECT(zero_tail > SEED_COUNT / 20 && torn > SEED_COUNT / 40);
}

/* A tail is cut off and written anew: the new bytes never stand among the old ones of the same length. */
TEST(sim_disk, never_mixes_what_was_before_a_cut_with_what_came_after)
{
    enum { SIZE = 4000, CUT = 1024 };
    int before = 0, after = 0;
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct sim_disk *disk = sim_disk_new(seed);
        put_synced(disk, "file", 'o', SIZE);
        uint8_t data[SIZE];
        memset(data, 'n', sizeof(data));
        struct io_file *file = file_open(disk, "file");
        EXPECT_OK(io_file_truncate(file, CUT));
        EXPECT_OK(io_file_write(file, CUT, data, SIZE - CUT));
        sim_disk_crash(disk, SIM_POWER_LOST);
        io_file_unref(file);
        const int64_t old = count_bytes(disk, "file", 'o', SIZE) - CUT;
        const int64_t new = count_bytes(disk, "file", 'n', SIZE);
        EXPECT(old == 0 || (old == SIZE - CUT && new == 0));
        before += old > 0;
        after += new > 0;
        sim_disk_free(disk);
    }
    EXPECT(before > SEED_COUNT / 20 && after > SEED_COUNT / 20);
}

/* ---- names under power loss ------------------------------------------------------------------ */

TEST(sim_disk, loses_unsynced_names_in_some_histories_only)
{
    int made = 0, removed = 0, moved = 0, uneven = 0;
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct sim_disk *disk = sim_disk_new(seed);
        struct io_fs *fs = sim_disk_fs(disk);
        put_synced(disk, "kept", 'k', 10);
        put_synced(disk, "gone", 'g', 10);
        put_synced(disk, "from", 'f', 10);
        put_synced(disk, "to", 't', 10);
        io_file_unref(file_open(disk, "new"));
        EXPECT_OK(io_fs_unlink(fs, "gone"));
        EXPECT_OK(io_fs_rename(fs, "from", "to"));
        sim_disk_crash(disk, SIM_POWER_LOST);

        EXPECT_EQ(count_bytes(disk, "kept", 'k', 10), 10);
        const bool is_made = exists(disk, "new");
        const bool is_removed = !exists(disk, "gone");
        const bool is_moved = !exists(disk, "from");
        /* A rename is whole: the target is there at all times, the old or the new. */
        EXPECT_EQ(count_bytes(disk, "to", is_moved ? 'f' : 't', 10), 10);
        if (!is_removed)
            EXPECT_EQ(count_bytes(disk, "gone", 'g', 10), 10);
        made += is_made;
        removed += is_removed;
        moved += is_moved;
        uneven +=
            is_made < is_removed || is_removed < is_moved; /* not the order they were done in */
        sim_disk_free(disk);
    }
    EXPECT(made > SEED_COUNT / 10 && made < SEED_COUNT * 9 / 10);
    EXPECT(removed > SEED_COUNT / 10 && removed < SEED_COUNT * 9 / 10);
    EXPECT(moved > SEED_COUNT / 10 && moved < SEED_COUNT * 9 / 10);
    EXPECT(uneven > SEED_COUNT / 40);
}

TEST(sim_disk, keeps_synced_names)
{
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct sim_disk *disk = sim_disk_new(seed);
        struct io_fs *fs = sim_disk_fs(disk);
        EXPECT_OK(io_fs_make_directories(fs, "a/b"));
        put_synced(disk, "one", '1', 10);
        put_synced(disk, "two", '2', 10);
        EXPECT_OK(io_fs_rename(fs, "one", "a/b/one"));
        EXPECT_OK(io_fs_unlink(fs, "two"));
        io_file_unref(file_open(disk, "a/unsynced"));
        EXPECT_OK(io_fs_sync_directory(fs, "a/b")); /* the rename touches both directories */
        EXPECT_OK(io_fs_rename(fs, "a", "c"));
        EXPECT_OK(io_fs_sync_directory(fs, "."));
        sim_disk_crash(disk, SIM_POWER_LOST);
        EXPECT(!exists(disk, "one"));
        EXPECT(!exists(disk, "two"));
        EXPECT(!exists(disk, "a"));
        EXPECT_EQ(count_bytes(disk, "c/b/one", '1', 10), 10);
        sim_disk_free(disk);
    }
}

/* Files and directories made, moved and removed at random: whatever is lost, a restart finds a tree whose
 * every name leads to a file or directory that can be used. */
TEST(sim_disk, leaves_a_usable_tree)
{
    static const char *const paths[] = { "a",   "b",     "c",     "a/a",   "a/b",
                                         "b/a", "b/b",   "c/c",   "a/a/a", "a/b/c",
                                         "b/c", "b/a/a", "c/c/c", "c/a",   "a/c" };
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct rng rng = rng_from_seed(seed * 7 + context->seed);
        struct sim_disk *disk = sim_disk_new(seed);
        for (int step = 0; step < 120; step++) {
            struct io_fs *fs = sim_disk_fs(disk);
            const char *one = paths[rng_below(&rng, ARRAY_LEN(paths))];
            const char *two = paths[rng_below(&rng, ARRAY_LEN(paths))];
            struct io_file *file = NULL;
            int r = 0;
            switch (rng_below(&rng, 12)) {
            case 0:
            case 1:
            case 2:
                r = io_fs_make_directory(fs, one);
                break;
            case 3:
            case 4:
                r = io_file_open(fs, one, IO_OPEN_WRITE | IO_OPEN_CREATE, &file);
                if (r == 0)
                    EXPECT_OK(io_file_write(file, 0, "x", 1));
                io_file_unref(file);
                break;
            case 5:
                r = io_fs_unlink(fs, one);
                break;
            case 6:
                r = io_fs_remove_directory(fs, one);
                break;
            case 7:
                r = io_fs_sync_directory(fs, one);
                break;
            case 8:
                sim_disk_crash(disk, rng_below(&rng, 2) ? SIM_POWER_LOST : SIM_PROCESS_KILLED);
                break;
            default:
                r = io_fs_rename(fs, one, two);
                break;
            }
            EXPECT(r != -EIO);
        }
        sim_disk_crash(disk, SIM_POWER_LOST);
        struct io_fs *fs = sim_disk_fs(disk);
        struct io_names names;
        EXPECT_OK(io_fs_list(fs, "/", 100, &names));
        for (uint32_t i = 0; i < names.count; i++)
            EXPECT_OK(io_fs_remove_tree(fs, names.items[i]));
        io_names_deinit(&names);
        EXPECT_EQ(sim_disk_used_bytes(disk), 0);
        sim_disk_free(disk);
    }
}

/* Like a journal, the disk does not hold changes back without end. */
TEST(sim_disk, makes_old_changes_of_names_stable_in_time)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct sim_disk *disk = sim_disk_new(seed);
        char name[16];
        for (int i = 0; i < 300; i++) {
            (void)snprintf(name, sizeof(name), "file-%d", i);
            io_file_unref(file_open(disk, name));
        }
        sim_disk_crash(disk, SIM_POWER_LOST);
        for (int i = 0; i < 300 - 256; i++) {
            (void)snprintf(name, sizeof(name), "file-%d", i);
            EXPECT(exists(disk, name));
        }
        sim_disk_free(disk);
    }
}

/* ---- planned crashes ------------------------------------------------------------------------- */

/* A crash at every change of an atomic replacement: the old content or the new, whole; and the new one once the
 * call has answered. */
TEST(sim_disk, crashes_at_every_change_of_a_replacement)
{
    uint64_t n = 1;
    for (bool ended = false; !ended; n++) {
        for (uint64_t seed = 0; seed < 100; seed++) {
            const enum sim_crash kind = seed % 4 == 0 ? SIM_PROCESS_KILLED : SIM_POWER_LOST;
            struct sim_disk *disk = sim_disk_new(seed);
            EXPECT_OK(io_fs_replace(sim_disk_fs(disk), "/x", BYTES_LITERAL("old content")));
            sim_disk_crash_at(disk, n, kind);
            const int r = io_fs_replace(sim_disk_fs(disk), "/x", BYTES_LITERAL("the new"));
            ended = sim_disk_crash_count(disk) == 0;
            EXPECT_EQ(r, ended ? 0 : -EIO);
            if (ended)
                sim_disk_crash(disk, SIM_POWER_LOST);

            AUTO(mem_freep) uint8_t *data = NULL;
            size_t size;
            EXPECT_OK(io_fs_read_whole(sim_disk_fs(disk), "x", 100, &data, &size));
            const bool is_new = bytes_equal_text(bytes_from(data, size), "the new");
            EXPECT(is_new || (!ended && bytes_equal_text(bytes_from(data, size), "old content")));
            sim_disk_free(disk);
        }
    }
    EXPECT_EQ(n - 1,
              6); /* create, write, sync, rename, sync of the directory; the sixth did not come */
}

/* One of each change there is; answers how many went well. */
static int change_everything(struct io_fs *fs)
{
    struct io_file *file = NULL;
    int r = io_fs_make_directory(fs, "directory");
    int count = r == 0;
    r = r < 0 ? r : io_file_open(fs, "directory/file", IO_OPEN_WRITE | IO_OPEN_CREATE, &file);
    count += r == 0;
    r = r < 0 ? r : io_file_allocate(file, 0, 5000);
    count += r == 0;
    r = r < 0 ? r : io_file_write(file, 0, "content", 7);
    count += r == 0;
    r = r < 0 ? r : io_file_truncate(file, 3);
    count += r == 0;
    r = r < 0 ? r : io_file_sync(file);
    count += r == 0;
    io_file_unref(file);
    file = NULL;
    r = r < 0 ? r : io_fs_set_modified(fs, "directory/file", 1);
    count += r == 0;
    r = r < 0 ? r : io_fs_rename(fs, "directory/file", "file");
    count += r == 0;
    r = r < 0 ? r : io_fs_sync_directory(fs, "/");
    count += r == 0;
    r = r < 0 ? r : io_file_open(fs, "file", IO_OPEN_WRITE | IO_OPEN_TRUNCATE, &file);
    count += r == 0;
    io_file_unref(file);
    r = r < 0 ? r : io_fs_unlink(fs, "file");
    count += r == 0;
    r = r < 0 ? r : io_fs_remove_directory(fs, "directory");
    count += r == 0;
    EXPECT(r == 0 || r == -EIO);
    return count;
}

TEST(sim_disk, crashes_at_every_kind_of_change)
{
    enum { CHANGES = 12 };
    for (uint64_t n = 1; n <= CHANGES + 1; n++) {
        for (uint64_t seed = 0; seed < 50; seed++) {
            struct sim_disk *disk = sim_disk_new(seed);
            sim_disk_crash_at(disk, n, seed % 2 == 0 ? SIM_PROCESS_KILLED : SIM_POWER_LOST);
            EXPECT_EQ(change_everything(sim_disk_fs(disk)), MIN(n - 1, (uint64_t)CHANGES));
            EXPECT_EQ(sim_disk_crash_count(disk), n <= CHANGES);
            EXPECT_EQ(sim_disk_change_count(disk), MIN(n, (uint64_t)CHANGES));
            EXPECT_EQ(sim_disk_open_count(disk), 0);
            sim_disk_free(disk);
        }
    }
}

TEST(sim_disk, stops_a_killed_write_at_any_byte)
{
    bool seen[11] = { false };
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct sim_disk *disk = sim_disk_new(seed);
        struct io_file *file = file_open(disk, "file");
        sim_disk_crash_at(disk, 1, SIM_PROCESS_KILLED);
        EXPECT_ERR(io_file_write(file, 0, "xxxxxxxxxx", 10), EIO);
        io_file_unref(file);
        seen[count_bytes(disk, "file", 'x', 10)] = true;
        sim_disk_free(disk);
    }
    for (size_t i = 0; i < ARRAY_LEN(seen); i++)
        EXPECT(seen[i]);
}

/* After the end nothing that the old incarnation does has an effect, and all its calls fail. */
TEST(sim_disk, is_dead_to_an_incarnation_that_has_ended)
{
    struct sim_disk *disk = sim_disk_new(context->seed);
    struct io_fs *fs = sim_disk_fs(disk);
    put_synced(disk, "file", 'f', 5000);
    struct io_file *file = file_open(disk, "file");
    EXPECT_OK(io_file_lock(file));
    sim_disk_crash(disk, SIM_PROCESS_KILLED);
    const uint64_t digest = sim_disk_digest(disk);

    uint8_t byte;
    struct io_stat st;
    struct io_names names;
    struct io_file *other = NULL;
    EXPECT_ERR(io_file_read(file, 0, &byte, 1), EIO);
    EXPECT_ERR(io_file_read_cached(file, 0, &byte, 1), EIO);
    EXPECT_ERR(io_file_write(file, 0, "x", 1), EIO);
    EXPECT_ERR(io_file_truncate(file, 0), EIO);
    EXPECT_ERR(io_file_allocate(file, 0, 1), EIO);
    EXPECT_ERR(io_file_sync(file), EIO);
    EXPECT_ERR(io_file_size(file), EIO);
    EXPECT_ERR(io_file_lock(file), EIO);
    io_file_will_read(file, 0, 1);
    EXPECT_ERR(io_file_open(fs, "file", IO_OPEN_READ, &other), EIO);
    EXPECT_ERR(io_file_open(fs, "new", IO_OPEN_WRITE | IO_OPEN_CREATE, &other), EIO);
    EXPECT_ERR(io_fs_stat(fs, "file", &st), EIO);
    EXPECT_ERR(io_fs_rename(fs, "file", "other"), EIO);
    EXPECT_ERR(io_fs_unlink(fs, "file"), EIO);
    EXPECT_ERR(io_fs_make_directory(fs, "directory"), EIO);
    EXPECT_ERR(io_fs_remove_directory(fs, "directory"), EIO);
    EXPECT_ERR(io_fs_sync_directory(fs, "."), EIO);
    EXPECT_ERR(io_fs_list(fs, ".", 10, &names), EIO);
    EXPECT_ERR(io_fs_free_bytes(fs, "."), EIO);
    EXPECT_ERR(io_fs_set_modified(fs, "file", 1), EIO);
    EXPECT_EQ(sim_disk_digest(disk), digest);

    EXPECT(sim_disk_fs(disk) != fs);
    other = file_open(disk, "file");
    EXPECT_OK(io_file_lock(other)); /* the dead hold no locks */
    EXPECT_EQ(sim_disk_open_count(disk), 2);
    io_file_unref(file);
    file = file_open(disk, "file");
    EXPECT_ERR(io_file_lock(file), EWOULDBLOCK); /* nor do they give away those of the living */
    io_file_unref(file);
    io_file_unref(other);
    sim_disk_free(disk);
}

/* ---- faults ---------------------------------------------------------------------------------- */

TEST(sim_disk, fails_the_calls_it_is_told_to)
{
    struct sim_disk *disk = sim_disk_new(context->seed);
    struct io_file *file = file_open(disk, "./a.log");
    struct io_file *other = file_open(disk, "b.index");
    sim_disk_add_fault(
        disk, &(struct sim_fault){
                  .calls = SIM_WRITE, .path_part = ".log", .skip = 2, .count = 1, .error = -EIO });
    for (int i = 0; i < 6; i++) {
        EXPECT_EQ(io_file_write(file, 0, "x", 1), i == 2 ? -EIO : 0);
        EXPECT_OK(io_file_write(other, 0, "x", 1));
    }
    sim_disk_add_fault(disk, &(struct sim_fault){ .calls = SIM_CREATE | SIM_STAT,
                                                  .in_a_million = 500000,
                                                  .error = -EMFILE });
    int failed = 0;
    for (int i = 0; i < 100; i++) {
        const int64_t size = io_file_size(other);
        EXPECT(size == 1 || size == -EMFILE);
        failed += size == -EMFILE;
    }
    EXPECT(failed > 10 && failed < 90);
    sim_disk_clear_faults(disk);
    EXPECT_EQ(io_file_size(other), 1);
    io_file_unref(file);
    io_file_unref(other);
    sim_disk_free(disk);
}

/* After a failed fsync the kernel holds the pages for clean: a later one succeeds and writes nothing. */
/* A log that is appended to, synced and cut at times. What was stable right before the power went is there. */
struct onlooker {
    struct sim_disk *disk;
    uint8_t *bytes; /* owned */
    size_t size;
    int looks;
};

static void look_on(void *context)
{
    struct onlooker *o = context;
    mem_free(o->bytes);
    EXPECT_OK(sim_disk_look(o->disk, SIM_STABLE, "/log", &o->bytes, &o->size));
    o->looks++;
}

static void append_and_sync(struct sim_disk *disk, struct rng *rng)
{
    struct io_file *file = file_open(disk, "log");
    int64_t size = io_file_size(file);
    EXPECT(size >= 0);
    for (int i = 0; i < 20; i++) {
        uint8_t bytes[3000];
        const size_t n = 1 + (size_t)rng_below(rng, sizeof(bytes));
        for (size_t k = 0; k < n; k++)
            bytes[k] = (uint8_t)(1 + (size + (int64_t)k) * 31 % 251); /* 0: never written */
        EXPECT_OK(io_file_write(file, size, bytes, n));
        if (rng_below(rng, 4) == 0)
            EXPECT_OK(io_file_truncate(file, size));
        else
            size += (int64_t)n;
        if (rng_below(rng, 4) == 0)
            EXPECT_OK(io_file_sync(file));
    }
    io_file_unref(file);
}

TEST(sim_disk, shows_what_a_power_loss_would_leave_at_least)
{
    size_t looked = 0;
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct sim_disk *disk = sim_disk_new(seed);
        struct rng rng = rng_from_seed(seed);
        struct onlooker o = { .disk = disk };
        const struct sim_disk_hooks hooks = { .context = &o, .on_losing = look_on };
        sim_disk_set_hooks(disk, &hooks);
        put_synced(disk, "log", 1, 1);
        for (int i = 0; i < 3; i++) {
            append_and_sync(disk, &rng);
            sim_disk_crash(disk, SIM_POWER_LOST);
            EXPECT_EQ(o.looks, i + 1);
            uint8_t *left = NULL;
            size_t size = 0;
            EXPECT_OK(sim_disk_look(disk, SIM_VOLATILE, "log", &left, &size));
            EXPECT(size >= o.size);
            for (size_t at = 0; at < o.size; at++)
                EXPECT(o.bytes[at] == 0 || left[at] == o.bytes[at]);
            looked += o.size;
            mem_free(left);
        }
        struct io_names names;
        EXPECT_OK(sim_disk_look_in(disk, SIM_STABLE, "/", &names));
        EXPECT_EQ(names.count, 1);
        io_names_deinit(&names);
        mem_free(o.bytes);
        sim_disk_free(disk);
    }
    EXPECT(looked > SEED_COUNT * 10000);
}

TEST(sim_disk, forgets_what_a_failed_sync_did_not_write)
{
    int lost = 0;
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct sim_disk *disk = sim_disk_new(seed);
        put_synced(disk, "file", 'o', 2000);
        sim_disk_add_fault(disk,
                           &(struct sim_fault){ .calls = SIM_SYNC, .count = 1, .error = -EIO });
        struct io_file *file = file_open(disk, "file");
        uint8_t data[2000];
        memset(data, 'n', sizeof(data));
        if (seed % 2 == 0)
            EXPECT_OK(io_file_truncate(file, 100)); /* a cut that is pending, or not */
        EXPECT_OK(io_file_write(file, 0, data, sizeof(data)));
        EXPECT_ERR(io_file_sync(file), EIO);
        EXPECT_OK(io_file_sync(file));
        EXPECT_EQ(count_bytes(disk, "file", 'n', 2000), 2000);
        sim_disk_crash(disk, SIM_POWER_LOST);
        io_file_unref(file);
        lost += count_bytes(disk, "file", 'n', 2000) < 2000;
        sim_disk_free(disk);
    }
    EXPECT(lost > SEED_COUNT / 10);
}

TEST(sim_disk, is_full_at_its_capacity)
{
    struct sim_disk *disk = sim_disk_new(context->seed);
    struct io_fs *fs = sim_disk_fs(disk);
    enum { CAPACITY = 10 * 4096 };
    AUTO(mem_freep) uint8_t *data = mem_alloc(CAPACITY);
    memset(data, 'x', CAPACITY);
    sim_disk_set_capacity(disk, CAPACITY);
    EXPECT_EQ(io_fs_total_bytes(fs, "/"), CAPACITY);
    struct io_file *file = file_open(disk, "file");
    EXPECT_OK(io_file_write(file, 100, data, 4096 * 6 - 100));
    EXPECT_EQ(io_fs_free_bytes(fs, "/"), 4096 * 4);

    struct io_file *second = file_open(disk, "second");
    EXPECT_OK(io_file_allocate(second, 0, 4096 * 3));
    EXPECT_EQ(io_file_size(second), 0);
    EXPECT_EQ(io_fs_free_bytes(fs, "/"), 4096);
    EXPECT_ERR(io_file_allocate(second, 0, 4096 * 5), ENOSPC);
    EXPECT_ERR(io_file_write(second, 0, data, 4096 * 5), ENOSPC);
    EXPECT_EQ(count_bytes(disk, "second", 'x', CAPACITY), 4096 * 4); /* what fitted is there */
    EXPECT_OK(io_file_write(file, 0, data, 4096 * 6)); /* in place it is still writable */
    EXPECT_ERR(io_file_write(file, 4096 * 6, data, 1), ENOSPC);
    struct io_file *third;
    EXPECT_ERR(io_file_open(fs, "third", IO_OPEN_WRITE | IO_OPEN_CREATE, &third), ENOSPC);
    EXPECT_ERR(io_fs_make_directory(fs, "third"), ENOSPC);
    EXPECT(!exists(disk, "third"));
    EXPECT_OK(io_fs_rename(fs, "second", "other")); /* a name for another */
    EXPECT_OK(io_fs_rename(fs, "other", "second"));

    /* Space comes back with the last of name and open file, or by a cut. */
    EXPECT_OK(io_fs_unlink(fs, "second"));
    EXPECT_EQ(io_fs_free_bytes(fs, "/"), 0);
    io_file_unref(second);
    EXPECT_EQ(io_fs_free_bytes(fs, "/"), 4096 * 4);
    EXPECT_OK(io_file_truncate(file, 4096 + 1));
    EXPECT_EQ(io_fs_free_bytes(fs, "/"), 4096 * 8);
    sim_disk_set_capacity(disk, 4096);
    EXPECT_EQ(io_fs_free_bytes(fs, "/"), 0);
    io_file_unref(file);
    sim_disk_free(disk);
}

TEST(sim_disk, has_cold_pages_that_rot)
{
    struct sim_disk *disk = sim_disk_new(context->seed);
    put_synced(disk, "file", 'x', 4096 * 4);
    struct io_file *file = file_open(disk, "file");
    uint8_t data[4096];
    sim_disk_cool(disk, 1000000);
    EXPECT_ERR(io_file_read_cached(file, 4096, data, 4096), EAGAIN);
    EXPECT_EQ(io_file_read(file, 4096, data, 4096), 4096);
    EXPECT_EQ(io_file_read_cached(file, 4096, data, 4096), 4096);
    EXPECT_ERR(io_file_read_cached(file, 0, data, 4096), EAGAIN);
    EXPECT_EQ(count_bytes(disk, "file", 'x', 4096 * 4), 4096 * 4);

    sim_disk_cool(disk, 1000000);
    sim_disk_set_bit_rot(disk, 1000000);
    EXPECT_EQ(count_bytes(disk, "file", 'x', 4096 * 4), 4096 * 4 - 4); /* a bit a page */
    sim_disk_set_bit_rot(disk, 0);
    sim_disk_crash(disk, SIM_POWER_LOST);
    EXPECT_EQ(count_bytes(disk, "file", 'x', 4096 * 4), 4096 * 4 - 4); /* for good */
    EXPECT_OK(sim_disk_flip_bit(disk, "file", 0, 3));
    EXPECT_ERR(sim_disk_flip_bit(disk, "file", 4096 * 4, 3), EINVAL);
    EXPECT_ERR(sim_disk_flip_bit(disk, "none", 0, 3), ENOENT);
    EXPECT_EQ(count_bytes(disk, "file", 'x' ^ 8, 1), 1);
    io_file_unref(file);
    sim_disk_free(disk);
}

/* ---- one seed, one history ------------------------------------------------------------------- */

static uint64_t digest_of_history(uint64_t seed)
{
    struct rng rng = rng_from_seed(7);
    struct sim_disk *disk = sim_disk_new(seed);
    AUTO(mem_freep) struct model *m = MEM_NEW(struct model);
    uint64_t digest = 0;
    for (int crashes = 0; crashes < 10; crashes++) {
        struct io_file *file = file_open(disk, "file");
        m->size = io_file_read(file, 0, m->bytes, MODEL_BYTES);
        for (uint64_t steps = rng_below(&rng, 12); steps > 0; steps--)
            random_step(m, file, &rng);
        io_file_unref(file);
        sim_disk_crash(disk, SIM_POWER_LOST);
        memset(m, 0, sizeof(*m));
        digest = digest * 31 + sim_disk_digest(disk);
    }
    sim_disk_free(disk);
    return digest;
}

TEST(sim_disk, replays_a_seed)
{
    EXPECT(digest_of_history(1) == digest_of_history(1));
    EXPECT(digest_of_history(2) == digest_of_history(2));
    EXPECT(digest_of_history(1) != digest_of_history(2));
}
