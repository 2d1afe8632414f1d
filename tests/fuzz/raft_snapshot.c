/* Snapshot files and their control records, as the quorum reads them.
 *
 * Input: the file; CRCs are put right first, so that what lies under them is reached. Properties: the records that are
 * read, written to a new file, read back the same; voter sets stay within their limits.
 */
#include "fuzz.h"

#include "base/mem.h"
#include "raft/raft.h"
#include "raft/snapshot.h"

#include <string.h>

static int64_t read_bytes(void *context, int64_t position, void *out, size_t size)
{
    const struct bytes part = bytes_slice(*(const struct bytes *)context, (size_t)position, size);
    if (part.size > 0)
        memcpy(out, part.data, part.size);
    return (int64_t)part.size;
}

static int put_bytes(void *context, struct bytes bytes)
{
    buf_put_bytes(context, bytes);
    return 0;
}

static void seal_all(uint8_t *data, size_t size)
{
    struct batch_view batch;
    size_t position = 0;
    while (batch_parse(bytes_from(data + position, size - position), &batch) > 0) {
        batch_seal(data + position, batch.bytes.size);
        position += batch.bytes.size;
    }
}

static void load_control(struct bytes file)
{
    const struct raft_settings settings = { .node_id = 1 };
    struct raft *raft = raft_new(&settings);
    struct snapshot_reader reader;
    struct batch_view batch;
    struct err_note note;
    snapshot_reader_init(&reader, (struct snapshot_source){ .read = read_bytes, .context = &file });
    while (snapshot_reader_next_batch(&reader, &batch, &note) > 0) {
        if (raft_load_batch(raft, &batch, true, &note) < 0)
            break;
    }
    ASSERT(raft_voters(raft)->count <= RAFT_VOTER_COUNT_MAX);
    ASSERT(raft_kraft_version(raft) <= RAFT_KRAFT_VERSION_MAX);
    snapshot_reader_deinit(&reader);
    raft_free(raft);
}

/* Copies the records to a new file as they are read, then reads that again beside a second look at the first. */
static void copy_records(struct bytes file, struct buf *out)
{
    const struct snapshot_header header = { .id = { .end_offset = 1, .epoch = 1 } };
    struct snapshot_writer w;
    struct snapshot_reader reader;
    struct bytes value;
    ASSERT(snapshot_writer_open(&w, &header, 5,
                                (struct snapshot_sink){ .put = put_bytes, .context = out }) == 0);
    snapshot_reader_init(&reader, (struct snapshot_source){ .read = read_bytes, .context = &file });
    while (snapshot_reader_next(&reader, &value, NULL) > 0)
        ASSERT(snapshot_writer_add(&w, value) == 0);
    ASSERT(snapshot_writer_finish(&w) == 0);
    snapshot_writer_deinit(&w);
    snapshot_reader_deinit(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    uint8_t *copy = mem_dup(data, size);
    seal_all(copy, size);
    struct bytes file = bytes_from(copy, size);
    load_control(file);
    struct buf out;
    buf_init(&out, 64 << 20);
    copy_records(file, &out);
    ASSERT(buf_is_ok(&out));
    struct bytes again = buf_view(&out);
    struct snapshot_reader a;
    struct snapshot_reader b;
    struct bytes x;
    struct bytes y;
    snapshot_reader_init(&a, (struct snapshot_source){ .read = read_bytes, .context = &file });
    snapshot_reader_init(&b, (struct snapshot_source){ .read = read_bytes, .context = &again });
    while (snapshot_reader_next(&a, &x, NULL) > 0) {
        ASSERT(snapshot_reader_next(&b, &y, NULL) == 1);
        ASSERT(bytes_is_null(x) ? y.size == 0 : bytes_equal(x, y));
    }
    ASSERT(snapshot_reader_next(&b, &y, NULL) == 0);
    snapshot_reader_deinit(&a);
    snapshot_reader_deinit(&b);
    buf_deinit(&out);
    mem_free(copy);
    return 0;
}
