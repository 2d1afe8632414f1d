/* Builds images from records: those of a snapshot, then those of the log, in order.
 *
 * Metadata transactions (KIP-868): records between BeginTransactionRecord and EndTransactionRecord become visible
 * together; AbortTransactionRecord drops them. While one is open, what is published stays the image before it.
 * The controller keeps its working state in a loader too, fed with uncommitted records: thrown away when they fail.
 * Threads: one at a time; the images it gives are free to travel.
 */
#pragma once

#include "base/err.h"
#include "metadata/image.h"
#include "metadata/record.h"

struct metadata_loader;

/* Starts from `base` (a reference is taken), or from nothing with NULL. */
struct metadata_loader *metadata_loader_new(struct metadata_image *base);
void metadata_loader_free(struct metadata_loader *loader); /* NULL is fine */

/* One record at its offset. `where` is told in errors and becomes the provenance of the next image. The record's bytes
 * are copied. Records of a snapshot have no place in the log: feed each with the snapshot's (its end offset less one,
 * its epoch and last contained timestamp). Returns 0, or with nothing changed:
 *   -ERR_UNKNOWN_RECORD  a record type that this build does not know: the load must stop
 *   -ERR_VERSION         a record version, or a metadata.version, that it does not know: likewise
 *   -ERR_MALFORMED       it contradicts what is there (a partition of a topic that does not exist …)
 *   -ERR_LIMIT           more than 65,535 replicas in a list
 * The note names offset, record type and what is wrong. */
MUST_CHECK int metadata_loader_replay(struct metadata_loader *loader,
                                      struct metadata_provenance where,
                                      const struct metadata_record *record, struct err_note *note);
/* The same from the bytes of a record's value (frame version, type, version, body). Also -ERR_OVERRUN and the rest of
 * record_frame_decode. */
MUST_CHECK int metadata_loader_replay_bytes(struct metadata_loader *loader,
                                            struct metadata_provenance where, struct bytes value,
                                            struct err_note *note);

/* Moves the provenance on: for batches without records for us (control batches). */
void metadata_loader_skip(struct metadata_loader *loader, struct metadata_provenance where);

/* A new reference to the image of everything replayed, less an open transaction. O(1); the same image again if nothing
 * was replayed since. */
struct metadata_image *metadata_loader_publish(struct metadata_loader *loader);
/* The state with an open transaction included, for deciding on. Borrowed until the next call on the loader. */
const struct metadata_image *metadata_loader_working(const struct metadata_loader *loader);
/* Offset of the BeginTransactionRecord of an open transaction, or -1. */
int64_t metadata_loader_transaction_offset(const struct metadata_loader *loader);
