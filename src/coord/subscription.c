/* See subscription.h. */
#include "coord/subscription.h"

#include "wire/reader.h"

int subscription_topics(struct bytes metadata, struct map *topics)
{
    struct reader r = reader_from(metadata);
    if (read_i16(&r) < 0)
        reader_fail(&r, -ERR_MALFORMED);
    const int32_t count = read_i32(&r);
    if (count < 0)
        reader_fail(&r, -ERR_MALFORMED);
    for (int32_t i = 0; i < count && reader_is_ok(&r); i++) {
        const int16_t size = read_i16(&r);
        if (size < 0)
            reader_fail(&r, -ERR_MALFORMED);
        const struct bytes topic = read_run(&r, size < 0 ? 0 : (size_t)size);
        if (reader_is_ok(&r))
            (void)map_put(topics, topic, topics); /* a set: any pointer says "in it" */
    }
    return r.error;
}
