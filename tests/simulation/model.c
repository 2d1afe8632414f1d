/* See model.h. */
#include "model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void model_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fputs("promise broken: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputs("\n", stderr);
    va_end(args);
    exit(1);
}

void model_deinit(struct model_partition *partition)
{
    VEC_DEINIT(&partition->slots);
}

static void know(struct model_partition *p, int64_t offset, struct model_record record,
                 const char *how)
{
    while ((int64_t)p->slots.count <= offset)
        (void)VEC_PUSH(&p->slots);
    struct model_slot *slot = &p->slots.items[offset];
    if (slot->is_known &&
        (slot->record.client != record.client || slot->record.number != record.number))
        model_fail(
            "offset %" PRId64 " holds record %u of client %u, and now %u of client %u is %s there",
            offset, slot->record.number, slot->record.client, record.number, record.client, how);
    slot->is_known = true;
    slot->record = record;
}

void model_acknowledge(struct model_partition *p, int64_t offset, struct model_record record)
{
    know(p, offset, record, "acknowledged");
    p->acknowledged_end = MAX(p->acknowledged_end, offset + 1);
}

void model_read(struct model_partition *p, int64_t offset, struct model_record record)
{
    know(p, offset, record, "read");
}

void model_forget_from(struct model_partition *p, int64_t offset)
{
    for (size_t i = (size_t)MAX(offset, 0); i < p->slots.count; i++)
        p->slots.items[i].is_known = false;
    p->acknowledged_end = MIN(p->acknowledged_end, offset);
    p->read_end = MIN(p->read_end, offset);
}
