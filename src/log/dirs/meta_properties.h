/* meta.properties: to which cluster, node and directory a log directory belongs (KIP-78, KIP-631,
 * KIP-858).
 *
 *   version=1                       0 where the file is from ZooKeeper days (node id under
 * `broker.id`)
 *   cluster.id=<text>
 *   node.id=<number>
 *   directory.id=<uuid>             optional
 *
 * A Java properties file: comments begin with '#', order is free, unknown keys are left out when it
 * is rewritten, as Kafka does.
 */
#pragma once

#include "base/err.h"
#include "base/uuid.h"
#include "io/io.h"

#define META_PROPERTIES_NAME "meta.properties"
#define META_CLUSTER_ID_MAX  255 /* bytes; longer is malformed */
#define META_FILE_BYTES_MAX  65536

struct meta_properties {
    int32_t version;
    int32_t node_id;                          /* -1: none (version 0) */
    char cluster_id[META_CLUSTER_ID_MAX + 1]; /* "": none (version 0) */
    struct uuid directory_id;                 /* zero: none */
};

/* Reads <dir>/meta.properties. -ENOENT when there is none; -ERR_MALFORMED with file, key and value
 * in the note; -ERR_VERSION. */
MUST_CHECK int meta_properties_read(struct io_fs *fs, const char *dir, struct meta_properties *out,
                                    struct err_note *note);

/* Writes it atomically, as version 1. `comment_time`: the second line of Java's format, e.g. "#Sat
 * Jan 31 12:00:00 UTC 2026"; from now_ms. */
MUST_CHECK int meta_properties_write(struct io_fs *fs, const char *dir,
                                     const struct meta_properties *meta, int64_t now_ms,
                                     struct err_note *note);
