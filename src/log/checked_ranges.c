/* See checked_ranges.h. */
#include "log/checked_ranges.h"

#include "base/mem.h"

#include <string.h>

void checked_ranges_deinit(struct checked_ranges *ranges)
{
    mem_free(ranges->items);
    *ranges = (struct checked_ranges){ 0 };
}

static void remove_at(struct checked_ranges *ranges, uint32_t index)
{
    ranges->count--;
    memmove(&ranges->items[index], &ranges->items[index + 1],
            (ranges->count - index) * sizeof(ranges->items[0]));
}

static void insert_at(struct checked_ranges *ranges, uint32_t index, struct checked_range range)
{
    memmove(&ranges->items[index + 1], &ranges->items[index],
            (ranges->count - index) * sizeof(ranges->items[0]));
    ranges->items[index] = range;
    ranges->count++;
}

/* Of the ranges that touch or overlap it and itself. */
static struct checked_range join(struct checked_ranges *ranges, struct checked_range range)
{
    for (uint32_t i = ranges->count; i > 0; i--) {
        const struct checked_range *other = &ranges->items[i - 1];
        if (other->end < range.begin || other->begin > range.end)
            continue;
        range.begin = MIN(range.begin, other->begin);
        if (other->end > range.end ||
            (other->end == range.end && other->next_offset > range.next_offset)) {
            range.end = other->end;
            range.next_offset = other->next_offset;
        }
        remove_at(ranges, i - 1);
    }
    return range;
}

static uint32_t size_of(const struct checked_range *range)
{
    return range->end - range->begin;
}

static uint32_t find_smallest(const struct checked_ranges *ranges)
{
    uint32_t smallest = 0;
    for (uint32_t i = 1; i < ranges->count; i++) {
        if (size_of(&ranges->items[i]) < size_of(&ranges->items[smallest]))
            smallest = i;
    }
    return smallest;
}

void checked_ranges_add(struct checked_ranges *ranges, struct checked_range range)
{
    ASSERT(range.begin <= range.end);
    if (range.begin == range.end)
        return;
    if (ranges->items == NULL)
        ranges->items = MEM_NEW_ARRAY(struct checked_range, CHECKED_RANGES_MAX);
    range = join(ranges, range);
    /* The newest stays, however small: whoever asked for it is about to read there. */
    if (ranges->count == CHECKED_RANGES_MAX)
        remove_at(ranges, find_smallest(ranges));
    uint32_t index = 0;
    while (index < ranges->count && ranges->items[index].begin < range.begin)
        index++;
    insert_at(ranges, index, range);
}

void checked_ranges_forget(struct checked_ranges *ranges, uint32_t begin, uint32_t end)
{
    for (uint32_t i = ranges->count; i > 0; i--) {
        struct checked_range *range = &ranges->items[i - 1];
        if (range->end <= begin || range->begin >= end)
            continue;
        if (range->begin >= begin) {
            remove_at(ranges, i - 1);
        } else {
            range->end = begin;
            range->next_offset = -1;
        }
    }
}

void checked_ranges_drop(struct checked_ranges *ranges, uint32_t begin, uint32_t end)
{
    for (uint32_t i = ranges->count; i > 0; i--) {
        if (ranges->items[i - 1].end > begin && ranges->items[i - 1].begin < end)
            remove_at(ranges, i - 1);
    }
}

const struct checked_range *checked_ranges_find(const struct checked_ranges *ranges,
                                                uint32_t position)
{
    for (uint32_t i = 0; i < ranges->count; i++) {
        if (ranges->items[i].begin <= position && position < ranges->items[i].end)
            return &ranges->items[i];
    }
    return NULL;
}

const struct checked_range *checked_ranges_next(const struct checked_ranges *ranges,
                                                uint32_t position)
{
    uint32_t index = 0;
    while (index < ranges->count && ranges->items[index].begin <= position)
        index++;
    return index < ranges->count ? &ranges->items[index] : NULL;
}

const struct checked_range *checked_ranges_before(const struct checked_ranges *ranges,
                                                  uint32_t position)
{
    for (uint32_t i = 0; i < ranges->count; i++) {
        if (ranges->items[i].end == position)
            return &ranges->items[i];
    }
    return NULL;
}
