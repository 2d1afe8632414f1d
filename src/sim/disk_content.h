/* The bytes of one file: what reads see, and what a power loss would leave. See sim_disk.h for the model.
 *
 *     page    [ cache  : what reads see                    ]   allocated on first write; NULL is zeros
 *             [ stable : what the platter holds            ]   only while some sector differs from cache
 *     sector   d d . l . . . .      d: dirty, a sync will write it   l: lost, a failed sync let it go
 *
 * A cut (a shrinking truncate) is ordered before what is written after it, as journalling file systems have it:
 * until the cut itself is stable, a power loss takes it back together with everything after.
 */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "base/rng.h"

#define SIM_SECTOR_BYTES  ((int64_t)512)
#define SIM_PAGE_BYTES    ((int64_t)4096)
#define SIM_FILE_SIZE_MAX (INT64_C(1) << 44)

struct sim_content {
    struct map_i64 pages; /* index -> struct sim_page, owned */
    struct list dirty;    /* pages with dirty sectors, in the order they became so */
    int64_t page_count;   /* that occupy space */
    int64_t size;
    int64_t stable_size;
    int64_t size_low; /* of all sizes since stable_size was true */
    int64_t size_high;
    int64_t cut; /* pending: not yet stable; INT64_MAX: none */
};

void sim__content_init(struct sim_content *content);
void sim__content_deinit(struct sim_content *content);

/* Bytes from `position` that can be written with so many new pages, at most size_bytes. */
int64_t sim__content_room(const struct sim_content *content, int64_t position, int64_t size_bytes,
                          int64_t new_pages_max);
void sim__content_write(struct sim_content *content, int64_t position, const void *bytes,
                        int64_t size_bytes, struct rng *rng);
void sim__content_reserve(struct sim_content *content, int64_t position, int64_t size_bytes);
void sim__content_truncate(struct sim_content *content, int64_t size_bytes, struct rng *rng);
void sim__content_sync(struct sim_content *content);
void sim__content_sync_failed(struct sim_content *content, struct rng *rng);

/* The range must lie within the size. */
void sim__content_read(const struct sim_content *content, int64_t position, void *out,
                       int64_t size_bytes);
/* What a power loss would leave at least: as many bytes, and each as it is here or newer. */
int64_t sim__content_stable_size(const struct sim_content *content);
void sim__content_read_stable(const struct sim_content *content, void *out);
bool sim__content_is_cold(const struct sim_content *content, int64_t position, int64_t size_bytes);
/* Makes it resident; each page that was not has a bit flipped with that chance. */
void sim__content_warm(struct sim_content *content, int64_t position, int64_t size_bytes,
                       struct rng *rng, uint32_t rot_in_a_million);
void sim__content_cool(struct sim_content *content, struct rng *rng, uint32_t in_a_million);
void sim__content_flip_bit(struct sim_content *content, int64_t position, unsigned bit);

/* What a power loss leaves becomes both contents. */
void sim__content_power_loss(struct sim_content *content, struct rng *rng);
uint64_t sim__content_digest(const struct sim_content *content);
