/* The table of APIs, looked up. */
#include "wire/api.h"

extern const struct api wire__apis[API_KEY_COUNT]; /* made by tools/gen */

const struct api *api_get(int16_t key)
{
    return key >= 0 && key < API_KEY_COUNT ? &wire__apis[key] : NULL;
}

int16_t api_request_header_version(int16_t key, int16_t version)
{
    const struct api *api = api_get(key);
    if (api == NULL || api->request == NULL)
        return -1;
    return version >= api->request->flexible_min ? 2 : 1;
}

int16_t api_response_header_version(int16_t key, int16_t version)
{
    const struct api *api = api_get(key);
    if (api == NULL || api->response == NULL)
        return -1;
    /* Whoever asks for versions does not know yet which header is understood. */
    return version >= api->response->flexible_min && key != API_API_VERSIONS ? 1 : 0;
}
