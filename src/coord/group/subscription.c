/* See subscription.h. */
#include "coord/group/subscription.h"

#include "wire/messages/consumer_protocol_assignment.h"
#include "wire/messages/consumer_protocol_subscription.h"
#include "wire/reader.h"
#include "wire/writer.h"

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

/* -ERR_MALFORMED, -ERR_OVERRUN: none. Those after the newest are read as it. */
static int read_version(struct reader *r, const struct wire_message *message, int16_t *out)
{
    const int16_t version = read_i16(r);
    if (!reader_is_ok(r))
        return r->error;
    if (version < 0)
        return -ERR_MALFORMED;
    *out = version < message->version_max ? version : message->version_max;
    return 0;
}

static int read_message(struct bytes bytes, const struct wire_message *message, struct arena *arena,
                        void *out)
{
    struct reader r = reader_from(bytes);
    int16_t version = 0;
    const int error = read_version(&r, message, &version);
    return error < 0 ? error : wire_decode(message, version, &r, arena, out, NULL);
}

int subscription_read(struct bytes metadata, struct arena *arena,
                      struct consumer_protocol_subscription *out)
{
    return read_message(metadata, &consumer_protocol_subscription_message, arena, out);
}

int protocol_assignment_read(struct bytes assignment, struct arena *arena,
                             struct consumer_protocol_assignment *out)
{
    return read_message(assignment, &consumer_protocol_assignment_message, arena, out);
}

int protocol_assignment_write(struct bytes subscription,
                              const struct consumer_protocol_assignment *in, struct buf *out)
{
    struct reader r = reader_from(subscription);
    int16_t version = 0;
    const int error = read_version(&r, &consumer_protocol_assignment_message, &version);
    if (error < 0)
        return error;
    struct writer w = writer_to(out);
    buf_put_i16(out, version);
    return wire_encode(&consumer_protocol_assignment_message, version, in, &w, NULL);
}
