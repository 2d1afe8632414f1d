/* See write.h. */
#include "coord/group/write.h"

#include "base/mem.h"

struct write *write_new(void)
{
    struct write *write = MEM_NEW(struct write);
    arena_init(&write->arena, SIZE_MAX);
    return write;
}

static void undo_free(struct undo *undo, struct names *names)
{
    switch (undo->kind) {
    case UNDO_CREATED:
        break;
    case UNDO_REMOVED:
        group_free(undo->group, names);
        break;
    case UNDO_OFFSET:
        offset_saved_deinit(&undo->offset, names);
        break;
    case UNDO_FOREIGN:
        bytes_free(undo->foreign.key);
        break;
    case UNDO_PENDING:
        pending_change_deinit(&undo->pending, names);
        break;
    case UNDO_CONSUMER:
        consumer_change_deinit(&undo->consumer, true);
        break;
    case UNDO_CONVERTED:
        group_past_deinit(&undo->past, names);
        break;
    }
}

void write_free(struct write *write, struct names *names)
{
    for (size_t i = 0; i < write->undos.count; i++)
        undo_free(&write->undos.items[i], names);
    VEC_DEINIT(&write->undos);
    VEC_DEINIT(&write->answers);
    arena_deinit(&write->arena);
    mem_free(write);
}
