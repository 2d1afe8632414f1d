/* Which APIs are served on which kind of listener. */
#include "server/api_handler.h"

static const struct api_handler *const handlers[] = {
#define API_HANDLER(name) &name##_handler,
#include "server/api_handlers.def"
#undef API_HANDLER
};

const struct api_handler *api_handler_get(int16_t api_key, enum api_listener where)
{
    for (size_t i = 0; i < ARRAY_LEN(handlers); i++) {
        if (handlers[i]->api_key == api_key)
            return (handlers[i]->listeners & where) != 0 ? handlers[i] : NULL;
    }
    return NULL;
}
