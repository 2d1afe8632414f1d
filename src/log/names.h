/* Names of files and directories, as Apache Kafka gives them.
 *
 *   00000000000000000042.log            20 decimal digits and a suffix; then perhaps .deleted
 * .cleaned .swap
 *   orders-0                            a partition's directory
 *   orders-0.<32 hex digits>-delete     to be removed; the topic part is cut so that the name has
 * 255 bytes
 *   orders-0.<32 hex digits>-stray      no longer assigned here
 *   orders-0.<32 hex digits>-future     to replace orders-0 when it has caught up
 *
 * Inside this folder only.
 */
#pragma once

#include "base/bytes.h"
#include "base/topic_name.h"
#include "base/uuid.h"
#include "log/log.h"

enum log_name_kind {
    LOG_NAME_LOG,
    LOG_NAME_OFFSET_INDEX,
    LOG_NAME_TIME_INDEX,
    LOG_NAME_TXN_INDEX,
    LOG_NAME_SNAPSHOT,
    LOG_NAME_KINDS, /* how many; also: none of them */
};

enum log_name_stage { LOG_NAME_LIVE, LOG_NAME_DELETED, LOG_NAME_CLEANED, LOG_NAME_SWAP };

struct log_name {
    enum log_name_kind kind;
    enum log_name_stage stage;
    int64_t base_offset; /* -1 when the kind is none */
};

/* What a name in a partition's directory stands for. Names of no kind still have a stage. */
struct log_name log_name_parse(const char *name);

/* "<directory>/<base offset><suffix of kind><suffix of stage>"; heap. */
char *log_name_path(const char *directory, struct log_name name);

#define LOG_DIRECTORY_NAME_MAX 255
#define LOG_DELETE_SUFFIX      "-delete"
#define LOG_STRAY_SUFFIX       "-stray"
#define LOG_FUTURE_SUFFIX      "-future"

enum log_directory_kind {
    LOG_DIRECTORY_LIVE,
    LOG_DIRECTORY_DELETE,
    LOG_DIRECTORY_STRAY,
    LOG_DIRECTORY_FUTURE,
    LOG_DIRECTORY_OTHER, /* not in the form of a partition's directory */
};

struct log_directory_name {
    enum log_directory_kind kind;
    char topic[TOPIC_NAME_BYTES_MAX + 1];
    int32_t partition;
    const char *suffix; /* from the dot on; points into the name; "" when live */
};
void log_directory_name_parse(const char *name, struct log_directory_name *out);

/* "<topic>-<partition>.<hex of unique><suffix>", cut as told above. Heap. */
char *log_directory_name(const char *topic, int32_t partition, struct uuid unique,
                         const char *suffix);
