/* Images from records, with metadata transactions. */
#include "metadata/loader.h"

#include "base/arena.h"
#include "base/mem.h"
#include "metadata/item_int.h"
#include "metadata/replay_int.h"
#include "wire/record_frame.h"

/* A record is bounded by its batch; decoded arrays take a small multiple of its bytes. */
#define LOADER_ARENA_BYTES_MAX (256u << 20)

struct metadata_loader {
    struct metadata_image *working;            /* owned, seen by nobody else */
    struct metadata_image *before_transaction; /* owned; NULL: none is open */
    int64_t transaction_offset;                /* -1: none is open */
    struct metadata_image *published;          /* a reference; NULL: none yet */
    bool is_changed;                           /* since the last publication */
    struct arena scratch;
};

struct metadata_loader *metadata_loader_new(struct metadata_image *base)
{
    struct metadata_loader *loader = MEM_NEW(struct metadata_loader);
    loader->working = base == NULL ? metadata_image_new() : metadata__image_share(base);
    loader->published = base == NULL ? NULL : metadata_image_ref(base);
    loader->transaction_offset = -1;
    loader->is_changed = base == NULL;
    arena_init(&loader->scratch, LOADER_ARENA_BYTES_MAX);
    return loader;
}

void metadata_loader_free(struct metadata_loader *loader)
{
    if (loader == NULL)
        return;
    metadata_image_unref(loader->working);
    metadata_image_unref(loader->before_transaction);
    metadata_image_unref(loader->published);
    arena_deinit(&loader->scratch);
    mem_free(loader);
}

static int transaction_begin(struct metadata_loader *loader, int64_t offset, struct err_note *note)
{
    if (loader->before_transaction != NULL) {
        return err_note(note, -ERR_MALFORMED,
                        "a metadata transaction begins inside the one of offset %" PRId64,
                        loader->transaction_offset);
    }
    loader->before_transaction = metadata__image_share(loader->working);
    loader->transaction_offset = offset;
    return 0;
}

static int transaction_end(struct metadata_loader *loader, bool is_aborted, struct err_note *note)
{
    if (loader->before_transaction == NULL)
        return err_note(note, -ERR_MALFORMED, "a metadata transaction ends that never began");
    if (is_aborted) {
        metadata_image_unref(loader->working);
        loader->working = TAKE(loader->before_transaction);
    }
    metadata_image_unrefp(&loader->before_transaction);
    loader->transaction_offset = -1;
    return 0;
}

static int replay(struct metadata_loader *loader, int64_t offset,
                  const struct metadata_record *record, struct err_note *note)
{
    if (record->version < record->message->version_min ||
        record->version > record->message->version_max) {
        return err_note(note, -ERR_VERSION, "version %d is not known to this build (%d to %d are)",
                        record->version, record->message->version_min,
                        record->message->version_max);
    }
    switch (record->message->id) {
    case METADATA_BEGIN_TRANSACTION:
        return transaction_begin(loader, offset, note);
    case METADATA_END_TRANSACTION:
        return transaction_end(loader, false, note);
    case METADATA_ABORT_TRANSACTION:
        return transaction_end(loader, true, note);
    case METADATA_NO_OP:
        return 0;
    default:
        return metadata__replay(loader->working, record, note);
    }
}

int metadata_loader_replay(struct metadata_loader *loader, struct metadata_provenance where,
                           const struct metadata_record *record, struct err_note *note)
{
    ASSERT(record->message->kind == WIRE_KIND_METADATA_RECORD);
    const int r = replay(loader, where.offset, record, note);
    if (r < 0)
        return err_note_prefix(note, r, "offset %" PRId64 ", %s", where.offset,
                               record->message->name);
    metadata_loader_skip(loader, where);
    return 0;
}

int metadata_loader_replay_bytes(struct metadata_loader *loader, struct metadata_provenance where,
                                 struct bytes value, struct err_note *note)
{
    struct framed_record framed;
    arena_reset(&loader->scratch);
    const int r =
        record_frame_decode(WIRE_KIND_METADATA_RECORD, value, &loader->scratch, &framed, note);
    if (r < 0)
        return err_note_prefix(note, r, "offset %" PRId64, where.offset);
    const struct metadata_record record = { .message = framed.message,
                                            .version = framed.version,
                                            .value = framed.value };
    return metadata_loader_replay(loader, where, &record, note);
}

void metadata_loader_skip(struct metadata_loader *loader, struct metadata_provenance where)
{
    loader->working->provenance = where;
    loader->is_changed = true;
}

struct metadata_image *metadata_loader_publish(struct metadata_loader *loader)
{
    if (loader->is_changed) {
        const struct metadata_image *visible =
            loader->before_transaction != NULL ? loader->before_transaction : loader->working;
        struct metadata_image *image = metadata__image_share(visible);
        image->version = loader->published == NULL ? 1 : loader->published->version + 1;
        metadata_image_unref(loader->published);
        loader->published = image;
        loader->is_changed = false;
    }
    return metadata_image_ref(loader->published);
}

const struct metadata_image *metadata_loader_working(const struct metadata_loader *loader)
{
    return loader->working;
}

int64_t metadata_loader_transaction_offset(const struct metadata_loader *loader)
{
    return loader->transaction_offset;
}
