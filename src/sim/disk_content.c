/* The two contents of a file, sector by sector. */
#include "sim/disk_content.h"

#include "base/mem.h"

#include <string.h>

#define SECTORS_A_PAGE    (SIM_PAGE_BYTES / SIM_SECTOR_BYTES)
#define A_MILLION         1000000
#define CUT_KEEPS_PENDING 500000 /* in a million: the others are stable at once */
#define CUT_SETTLES       100000 /* in a million, at each later write */

struct sim_page {
    struct list dirty_link;
    int64_t index;
    uint8_t *cache;    /* owned; NULL: zeros */
    uint8_t *stable;   /* owned; NULL exactly when differs == 0 */
    uint8_t differs;   /* a bit a sector */
    uint8_t dirty;     /* among those that differ */
    bool is_allocated; /* occupies space: not one that is kept for what lies beyond a pending cut */
    bool is_resident;
};

static int64_t pages_of(int64_t size_bytes)
{
    return (size_bytes + SIM_PAGE_BYTES - 1) / SIM_PAGE_BYTES;
}

static struct sim_page *page_get(const struct sim_content *content, int64_t index)
{
    return map_i64_get(&content->pages, index);
}

static struct sim_page *page_occupy(struct sim_content *content, int64_t index)
{
    struct sim_page *page = page_get(content, index);
    if (page == NULL) {
        page = MEM_NEW(struct sim_page);
        page->index = index;
        page->is_resident = true;
        void *old = map_i64_put(&content->pages, index, page);
        ASSERT(old == NULL);
    }
    content->page_count += !page->is_allocated;
    page->is_allocated = true;
    return page;
}

static void page_release(struct sim_content *content, struct sim_page *page)
{
    content->page_count -= page->is_allocated;
    page->is_allocated = false;
}

static void page_free(struct sim_content *content, struct sim_page *page)
{
    page_release(content, page);
    list_remove(&page->dirty_link);
    mem_free(page->cache);
    mem_free(page->stable);
    mem_free(page);
}

static void page_remove(struct sim_content *content, struct sim_page *page)
{
    void *removed = map_i64_remove(&content->pages, page->index);
    ASSERT(removed == page);
    page_free(content, page);
}

/* To be called after bits were taken from differs or dirty. */
static void page_tidy(struct sim_page *page)
{
    ASSERT((page->dirty & ~page->differs) == 0);
    if (page->dirty == 0)
        list_remove(&page->dirty_link);
    if (page->differs == 0) {
        mem_free(page->stable);
        page->stable = NULL;
    }
}

/* Before sectors of the cache change: keeps what is stable apart from it. */
static void page_set_apart(struct sim_page *page)
{
    if (page->cache == NULL)
        page->cache = mem_zalloc((size_t)SIM_PAGE_BYTES);
    if (page->stable == NULL)
        page->stable = mem_dup(page->cache, (size_t)SIM_PAGE_BYTES);
}

static size_t sector_at(int sector)
{
    return (size_t)sector * (size_t)SIM_SECTOR_BYTES;
}

/* The cache's sector becomes stable. */
static void sector_settle(struct sim_page *page, int sector)
{
    memcpy(page->stable + sector_at(sector), page->cache + sector_at(sector),
           (size_t)SIM_SECTOR_BYTES);
    page->differs &= (uint8_t) ~(1U << sector);
    page->dirty &= (uint8_t) ~(1U << sector);
}

void sim__content_init(struct sim_content *content)
{
    *content = (struct sim_content){ .cut = INT64_MAX };
    map_i64_init(&content->pages, 0);
    list_init(&content->dirty);
}

void sim__content_deinit(struct sim_content *content)
{
    for (struct map_i64_walk w = { 0 }; map_i64_next(&content->pages, &w);)
        page_free(content, w.walk.value);
    map_i64_deinit(&content->pages);
}

/* ---- cuts ------------------------------------------------------------------------------------ */

static int64_t any_size(const struct sim_content *content, struct rng *rng)
{
    switch (rng_below(rng, 4)) {
    case 0:
        return content->size_low;
    case 1:
        return content->size_high;
    default:
        return rng_between(rng, content->size_low, content->size_high);
    }
}

/* Some of what is dirty is written back on its own, as a kernel does in its time. */
static void write_some_back(struct sim_content *content, struct rng *rng)
{
    const uint32_t chance = (uint32_t)rng_below(rng, A_MILLION + 1);
    LIST_FOR_EACH(&content->dirty, link)
    {
        struct sim_page *page = LIST_ENTRY(link, struct sim_page, dirty_link);
        for (int i = 0; i < SECTORS_A_PAGE; i++) {
            if ((page->dirty & (1U << i)) && rng_chance(rng, chance))
                sector_settle(page, i);
        }
        page_tidy(page);
    }
    content->stable_size = any_size(content, rng);
}

/* Zeroes what the cache holds from `from` on; what is stable stays, set apart. */
static void cache_cut(struct sim_content *content, int64_t from)
{
    for (struct map_i64_walk w = { 0 }; map_i64_next(&content->pages, &w);) {
        struct sim_page *page = w.walk.value;
        const int64_t start = page->index * SIM_PAGE_BYTES;
        if (start + SIM_PAGE_BYTES <= from)
            continue;
        const int64_t within = MAX(from - start, INT64_C(0));
        if (page->cache != NULL) {
            page_set_apart(page);
            memset(page->cache + within, 0, (size_t)(SIM_PAGE_BYTES - within));
            for (int i = (int)(within / SIM_SECTOR_BYTES); i < SECTORS_A_PAGE; i++)
                page->differs |= (uint8_t)(1U << i);
            /* The sector that is cut through keeps its fate; the ones beyond wait for the cut alone. */
            const int64_t first_beyond = (within + SIM_SECTOR_BYTES - 1) / SIM_SECTOR_BYTES;
            page->dirty &= (uint8_t)((1U << first_beyond) - 1);
            page_tidy(page);
        }
        if (within == 0)
            page_release(content, page);
    }
}

/* The pending cut becomes stable. */
static void cut_settle(struct sim_content *content)
{
    if (content->cut == INT64_MAX)
        return;
    for (struct map_i64_walk w = { 0 }; map_i64_next(&content->pages, &w);) {
        struct sim_page *page = w.walk.value;
        const int64_t start = page->index * SIM_PAGE_BYTES;
        if (start + SIM_PAGE_BYTES <= content->cut)
            continue;
        if (page->stable != NULL) {
            const int64_t within = MAX(content->cut - start, INT64_C(0));
            memset(page->stable + within, 0, (size_t)(SIM_PAGE_BYTES - within));
            for (int i = 0; i < SECTORS_A_PAGE; i++) {
                if (memcmp(page->stable + sector_at(i), page->cache + sector_at(i),
                           (size_t)SIM_SECTOR_BYTES) == 0)
                    sector_settle(page, i);
            }
            page_tidy(page);
        }
        if (!page->is_allocated && page->differs == 0)
            page_remove(content, page);
    }
    content->stable_size = MIN(content->stable_size, content->cut);
    content->size_low = MIN(content->size_low, content->stable_size);
    content->size_high = MAX(content->size_high, content->stable_size);
    content->cut = INT64_MAX;
}

void sim__content_truncate(struct sim_content *content, int64_t size_bytes, struct rng *rng)
{
    ASSERT(size_bytes >= 0 && size_bytes <= SIM_FILE_SIZE_MAX);
    if (size_bytes >= content->size) {
        content->size = size_bytes;
        content->size_high = MAX(content->size_high, size_bytes);
        return;
    }
    if (content->cut == INT64_MAX)
        write_some_back(content, rng);
    cache_cut(content, size_bytes);
    content->size = size_bytes;
    if (content->cut == INT64_MAX)
        content->size_low = content->size_high = size_bytes;
    content->size_low = MIN(content->size_low, size_bytes);
    content->cut = MIN(content->cut, size_bytes);
    if (!rng_chance(rng, CUT_KEEPS_PENDING))
        cut_settle(content);
}

/* ---- reading and writing --------------------------------------------------------------------- */

int64_t sim__content_room(const struct sim_content *content, int64_t position, int64_t size_bytes,
                          int64_t new_pages_max)
{
    const int64_t end = position + size_bytes;
    for (int64_t at = position; at < end; at = (at / SIM_PAGE_BYTES + 1) * SIM_PAGE_BYTES) {
        const struct sim_page *page = page_get(content, at / SIM_PAGE_BYTES);
        if (page != NULL && page->is_allocated)
            continue;
        if (new_pages_max <= 0)
            return at - position;
        new_pages_max--;
    }
    return size_bytes;
}

static void page_write(struct sim_content *content, int64_t position, const uint8_t *bytes,
                       int64_t size_bytes)
{
    struct sim_page *page = page_occupy(content, position / SIM_PAGE_BYTES);
    const int64_t within = position % SIM_PAGE_BYTES;
    page_set_apart(page);
    memcpy(page->cache + within, bytes, (size_t)size_bytes);
    const int64_t last = (within + size_bytes - 1) / SIM_SECTOR_BYTES;
    for (int64_t i = within / SIM_SECTOR_BYTES; i <= last; i++) {
        page->differs |= (uint8_t)(1U << i);
        page->dirty |= (uint8_t)(1U << i);
    }
    if (!list_is_linked(&page->dirty_link))
        list_push_back(&content->dirty, &page->dirty_link);
    page->is_resident = true;
}

void sim__content_write(struct sim_content *content, int64_t position, const void *bytes,
                        int64_t size_bytes, struct rng *rng)
{
    if (content->cut != INT64_MAX && rng_chance(rng, CUT_SETTLES))
        cut_settle(content);
    for (int64_t done = 0; done < size_bytes;) {
        const int64_t at = position + done;
        const int64_t n = MIN(SIM_PAGE_BYTES - at % SIM_PAGE_BYTES, size_bytes - done);
        page_write(content, at, (const uint8_t *)bytes + done, n);
        done += n;
    }
    if (size_bytes > 0)
        content->size = MAX(content->size, position + size_bytes);
    content->size_high = MAX(content->size_high, content->size);
}

void sim__content_reserve(struct sim_content *content, int64_t position, int64_t size_bytes)
{
    const int64_t end = pages_of(position + size_bytes);
    for (int64_t index = position / SIM_PAGE_BYTES; index < end; index++)
        page_occupy(content, index);
}

static void sizes_settle(struct sim_content *content)
{
    content->stable_size = content->size;
    content->size_low = content->size;
    content->size_high = content->size;
}

void sim__content_sync(struct sim_content *content)
{
    cut_settle(content);
    LIST_FOR_EACH(&content->dirty, link)
    {
        struct sim_page *page = LIST_ENTRY(link, struct sim_page, dirty_link);
        for (int i = 0; i < SECTORS_A_PAGE; i++) {
            if (page->dirty & (1U << i))
                sector_settle(page, i);
        }
        page_tidy(page);
    }
    sizes_settle(content);
}

void sim__content_sync_failed(struct sim_content *content, struct rng *rng)
{
    if (content->cut != INT64_MAX) {
        if (rng_chance(rng, A_MILLION / 2))
            return;
        cut_settle(content);
    }
    write_some_back(content, rng);
    LIST_FOR_EACH(&content->dirty, link)
    {
        struct sim_page *page = LIST_ENTRY(link, struct sim_page, dirty_link);
        page->dirty = 0;
        page_tidy(page);
    }
}

void sim__content_read(const struct sim_content *content, int64_t position, void *out,
                       int64_t size_bytes)
{
    ASSERT(position >= 0 && size_bytes >= 0 && position + size_bytes <= content->size);
    for (int64_t done = 0; done < size_bytes;) {
        const int64_t at = position + done;
        const int64_t within = at % SIM_PAGE_BYTES;
        const int64_t n = MIN(SIM_PAGE_BYTES - within, size_bytes - done);
        const struct sim_page *page = page_get(content, at / SIM_PAGE_BYTES);
        if (page == NULL || page->cache == NULL)
            memset((uint8_t *)out + done, 0, (size_t)n);
        else
            memcpy((uint8_t *)out + done, page->cache + within, (size_t)n);
        done += n;
    }
}

int64_t sim__content_stable_size(const struct sim_content *content)
{
    return MIN(content->size_low, content->stable_size);
}

static void page_read_stable(const struct sim_page *page, uint8_t *out, int64_t size_bytes)
{
    for (int i = 0; i * SIM_SECTOR_BYTES < size_bytes; i++) {
        const uint8_t *from = page->differs & (1U << i) ? page->stable : page->cache;
        const int64_t n = MIN(SIM_SECTOR_BYTES, size_bytes - i * SIM_SECTOR_BYTES);
        if (from != NULL)
            memcpy(out + sector_at(i), from + sector_at(i), (size_t)n);
    }
}

void sim__content_read_stable(const struct sim_content *content, void *out)
{
    const int64_t size = sim__content_stable_size(content);
    memset(out, 0, (size_t)size);
    for (int64_t at = 0; at < size; at += SIM_PAGE_BYTES) {
        const struct sim_page *page = page_get(content, at / SIM_PAGE_BYTES);
        if (page != NULL)
            page_read_stable(page, (uint8_t *)out + at, MIN(SIM_PAGE_BYTES, size - at));
    }
}

/* ---- what is in memory ----------------------------------------------------------------------- */

bool sim__content_is_cold(const struct sim_content *content, int64_t position, int64_t size_bytes)
{
    const int64_t end = pages_of(MIN(position + size_bytes, content->size));
    for (int64_t index = position / SIM_PAGE_BYTES; index < end; index++) {
        const struct sim_page *page = page_get(content, index);
        if (page != NULL && page->cache != NULL && !page->is_resident)
            return true;
    }
    return false;
}

void sim__content_warm(struct sim_content *content, int64_t position, int64_t size_bytes,
                       struct rng *rng, uint32_t rot_in_a_million)
{
    const int64_t end = pages_of(MIN(position + size_bytes, content->size));
    for (int64_t index = position / SIM_PAGE_BYTES; index < end; index++) {
        struct sim_page *page = page_get(content, index);
        if (page == NULL || page->cache == NULL || page->is_resident)
            continue;
        page->is_resident = true;
        if (rng_chance(rng, rot_in_a_million))
            page->cache[rng_below(rng, (uint64_t)SIM_PAGE_BYTES)] ^=
                (uint8_t)(1U << rng_below(rng, 8));
    }
}

void sim__content_cool(struct sim_content *content, struct rng *rng, uint32_t in_a_million)
{
    for (struct map_i64_walk w = { 0 }; map_i64_next(&content->pages, &w);) {
        struct sim_page *page = w.walk.value;
        if (page->differs == 0 && rng_chance(rng, in_a_million))
            page->is_resident = false;
    }
}

void sim__content_flip_bit(struct sim_content *content, int64_t position, unsigned bit)
{
    struct sim_page *page = page_occupy(content, position / SIM_PAGE_BYTES);
    if (page->cache == NULL)
        page->cache = mem_zalloc((size_t)SIM_PAGE_BYTES);
    const uint8_t mask = (uint8_t)(1U << (bit % 8));
    page->cache[position % SIM_PAGE_BYTES] ^= mask;
    if (page->stable != NULL)
        page->stable[position % SIM_PAGE_BYTES] ^= mask;
}

/* ---- power loss ------------------------------------------------------------------------------ */

/* How the unsynced sectors of one file fare together: the even mixture alone would hardly ever lose or keep
 * a whole write. */
struct survival {
    uint32_t in_a_million; /* of a sector below `end` */
    uint32_t torn_in_a_million;
    int64_t end; /* nothing from here on survives */
    int64_t size;
};

static struct survival draw_survival(const struct sim_content *content, struct rng *rng)
{
    const int64_t size = any_size(content, rng);
    switch (rng_below(rng, 4)) {
    case 0: /* nothing was written back but, perhaps, the size */
        return (struct survival){ .size = rng_chance(rng, A_MILLION / 2) ? content->stable_size
                                                                         : size };
    case 1: /* all of it */
        return (
            struct survival){ .in_a_million = A_MILLION, .end = INT64_MAX, .size = content->size };
    case 2: /* an append that got so far */
        return (struct survival){ .in_a_million = A_MILLION, .end = size, .size = size };
    default:
        return (struct survival){ .in_a_million = (uint32_t)rng_below(rng, A_MILLION + 1),
                                  .torn_in_a_million = A_MILLION / 16,
                                  .end = INT64_MAX,
                                  .size = size };
    }
}

/* A sector of the cache becomes what is left of it: new, old, or torn at some byte. */
static void sector_lose(struct sim_page *page, int sector, const struct survival *s,
                        struct rng *rng)
{
    uint8_t *cache = page->cache + sector_at(sector);
    const uint8_t *stable = page->stable + sector_at(sector);
    const int64_t start = page->index * SIM_PAGE_BYTES + sector * SIM_SECTOR_BYTES;
    const bool is_dirty = (page->dirty & (1U << sector)) != 0;
    const bool survives = is_dirty && start < s->end && rng_chance(rng, s->in_a_million);
    const bool is_torn = is_dirty && rng_chance(rng, s->torn_in_a_million);
    const size_t cut = (size_t)rng_below(rng, (uint64_t)SIM_SECTOR_BYTES + 1);
    if (is_torn && rng_chance(rng, A_MILLION / 2))
        memcpy(cache, stable, cut); /* its head is old */
    else if (is_torn)
        memcpy(cache + cut, stable + cut, (size_t)SIM_SECTOR_BYTES - cut); /* its tail is old */
    else if (!survives)
        memcpy(cache, stable, (size_t)SIM_SECTOR_BYTES);
}

static void page_lose(struct sim_page *page, const struct survival *s, struct rng *rng)
{
    for (int i = 0; i < SECTORS_A_PAGE; i++) {
        if (page->differs & (1U << i))
            sector_lose(page, i, s, rng);
    }
    page->differs = 0;
    page->dirty = 0;
    page->is_resident = false;
    page_tidy(page);
}

void sim__content_power_loss(struct sim_content *content, struct rng *rng)
{
    struct survival s = draw_survival(content, rng);
    if (content->cut != INT64_MAX) /* the cut is taken back, and all that came after it */
        s = (struct survival){ .size = content->stable_size };
    for (struct map_i64_walk w = { 0 }; map_i64_next(&content->pages, &w);)
        page_lose(w.walk.value, &s, rng);

    content->size = s.size;
    content->cut = INT64_MAX;
    for (struct map_i64_walk w = { 0 }; map_i64_next(&content->pages, &w);) {
        struct sim_page *page = w.walk.value;
        const int64_t start = page->index * SIM_PAGE_BYTES;
        if (start >= s.size) {
            page_remove(content, page);
            continue;
        }
        page_occupy(content, page->index);
        if (page->cache != NULL && start + SIM_PAGE_BYTES > s.size)
            memset(page->cache + (s.size - start), 0, (size_t)(start + SIM_PAGE_BYTES - s.size));
    }
    sizes_settle(content);
}

static uint64_t page_digest(const struct sim_page *page)
{
    uint64_t digest = 0;
    if (page->cache != NULL)
        digest += bytes_hash(bytes_from(page->cache, (size_t)SIM_PAGE_BYTES), 1);
    if (page->stable != NULL)
        digest += bytes_hash(bytes_from(page->stable, (size_t)SIM_PAGE_BYTES), 2);
    const int64_t rest[] = { page->index, page->differs, page->dirty, page->is_allocated,
                             page->is_resident };
    return digest + bytes_hash(bytes_from(rest, sizeof(rest)), 3);
}

uint64_t sim__content_digest(const struct sim_content *content)
{
    const int64_t sizes[] = { content->size, content->stable_size, content->size_low,
                              content->size_high, content->cut };
    uint64_t digest = bytes_hash(bytes_from(sizes, sizeof(sizes)), 4);
    for (struct map_i64_walk w = { 0 }; map_i64_next(&content->pages, &w);)
        digest += page_digest(w.walk.value);
    return digest;
}
