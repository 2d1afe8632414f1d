/* Why a request about a consumer group is refused, in words. */
#include "coord/group/consumer_int.h"

enum kafka_error consumer_refuse(struct group_coordinator *c, struct consumer_refusal *refusal,
                                 enum kafka_error error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = arena_vprintf(&c->effects->arena, format, args);
    va_end(args);
    refusal->error = error;
    refusal->message = bytes_utf8_prefix(bytes_from_text(text), INT16_MAX);
    return error;
}
