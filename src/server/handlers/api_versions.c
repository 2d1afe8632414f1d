/* ApiVersions (KIP-35, KIP-511, KIP-584): exactly what is served on this listener, and the features. */
#include "metadata/feature.h"
#include "metadata/image.h"
#include "server/api_handler.h"
#include "server/quorum_view.h"
#include "server/server.h"
#include "wire/messages/api_versions_request.h"
#include "wire/messages/api_versions_response.h"

/* KIP-511: letters, digits, and '.', '-' inside. */
static bool client_software_is_legal(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t c = text.data[i];
        const bool is_alphanumeric =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        const bool is_inside = i > 0 && i + 1 < text.size;
        if (!is_alphanumeric && !(is_inside && (c == '.' || c == '-')))
            return false;
    }
    return text.size > 0;
}

static void add_apis(struct request *request, struct api_versions_response *response)
{
    const enum api_listener where = listener_kind(request->listener);
    response->api_keys = api_versions_response_api_version_array(&request->arena, API_KEY_COUNT);
    for (int16_t key = 0; key < API_KEY_COUNT; key++) {
        const struct api *api = api_get(key);
        if (api == NULL || api_handler_get(key, where) == NULL)
            continue;
        struct api_versions_response_api_version *entry =
            &response->api_keys[response->api_keys_count++];
        entry->api_key = key;
        /* Kafka 4.3.1 says so of Produce, and serves 3 and up (KAFKA-18659): librdkafka takes a broker whose Produce
         * begins above 2 for one that knows no compression. */
        entry->min_version = key == API_PRODUCE ? 0 : api->version_min;
        entry->max_version = api->version_max_stable;
    }
}

/* Before version 4 a client could not read a supported range that begins at 0 (KIP-1022): such features are left out. */
static void add_features(struct request *request, struct api_versions_response *response)
{
    const struct metadata_image *image = request->shard->image;
    uint32_t count;
    const struct feature *all = features(&count);
    response->supported_features =
        api_versions_response_supported_feature_key_array(&request->arena, count);
    response->finalized_features =
        api_versions_response_finalized_feature_key_array(&request->arena, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct bytes name = bytes_from_text(all[i].name);
        if (all[i].min > 0 || request->version >= 4) {
            struct api_versions_response_supported_feature_key *supported =
                &response->supported_features[response->supported_features_count++];
            supported->name = name;
            supported->min_version = all[i].min;
            supported->max_version = all[i].max;
        }
        const bool is_kraft = bytes_equal_text(
            name, FEATURE_KRAFT_VERSION); /* raft's voters decide it, not the log */
        const int16_t level = is_kraft ? quorum_kraft_version(request->shard->quorum)
                                       : metadata_feature_level(image, name);
        if (level <= 0)
            continue;
        struct api_versions_response_finalized_feature_key *finalized =
            &response->finalized_features[response->finalized_features_count++];
        finalized->name = name;
        finalized->min_version_level = level;
        finalized->max_version_level = level;
    }
    response->finalized_features_epoch = image->provenance.offset;
}

static void handle(struct request *request)
{
    struct api_versions_response response = api_versions_response_default;
    const struct api_versions_request *asked = request->message;
    if (request->version >= 3 && (!client_software_is_legal(asked->client_software_name) ||
                                  !client_software_is_legal(asked->client_software_version))) {
        response.error_code = KAFKA_INVALID_REQUEST;
        request_reply(request, &response);
        return;
    }
    add_apis(request, &response);
    add_features(request, &response);
    request_reply(request, &response);
}

const struct api_handler api_versions_handler = {
    .api_key = API_API_VERSIONS,
    .listeners = API_ON_BROKER | API_ON_CONTROLLER,
    .handle = handle,
    .answers_little = true,
};
