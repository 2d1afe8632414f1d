/* Brokers and controllers: registered, heard from, fenced, let go (KIP-500, KIP-631, KIP-841, KIP-858, KIP-919). */
#include "controller/controller_int.h"

#include "base/mem.h"
#include "wire/messages/broker_heartbeat_request.h"
#include "wire/messages/broker_heartbeat_response.h"
#include "wire/messages/broker_registration_change_record.h"
#include "wire/messages/broker_registration_request.h"
#include "wire/messages/broker_registration_response.h"
#include "wire/messages/controller_registration_request.h"
#include "wire/messages/controller_registration_response.h"
#include "wire/messages/register_broker_record.h"
#include "wire/messages/register_controller_record.h"
#include "wire/messages/unregister_broker_record.h"
#include "wire/messages/unregister_broker_request.h"
#include "wire/messages/unregister_broker_response.h"

enum { CHANGE_NONE = 0, CHANGE_SET = 1, CHANGE_UNSET = -1 };

static int16_t change_version(const struct broker_registration_change_record *record)
{
    return record->in_controlled_shutdown != CHANGE_NONE ? 1 : 0;
}

static void touch(struct controller *c, int32_t broker_id, int64_t now_ms)
{
    struct broker_session *session = map_i64_get(&c->sessions, broker_id);
    if (session == NULL) {
        session = MEM_NEW(struct broker_session);
        session->id = broker_id;
        map_i64_put(&c->sessions, broker_id, session);
    }
    session->contact_ms = now_ms;
}

static bool has_session(const struct controller *c, int32_t broker_id, int64_t now_ms)
{
    const struct broker_session *session = map_i64_get(&c->sessions, broker_id);
    return session != NULL && now_ms < session->contact_ms + c->settings.broker_session_timeout_ms;
}

static struct broker_registration_change_record *new_change(struct draft *draft,
                                                            const struct metadata_broker *broker)
{
    struct broker_registration_change_record *record =
        DRAFT_NEW(draft, struct broker_registration_change_record);
    *record = broker_registration_change_record_default;
    record->broker_id = broker->id;
    record->broker_epoch = broker->epoch;
    return record;
}

void brokers__fence(struct controller *c, struct draft *draft, int32_t broker_id)
{
    (void)c;
    const struct metadata_broker *broker = metadata_broker_get(draft->image, broker_id);
    const struct broker_change change = { .id = broker_id, .becomes_active = false };
    partition_changes(draft, &change);
    struct broker_registration_change_record *record = new_change(draft, broker);
    record->fenced = CHANGE_SET;
    draft_add(draft, &broker_registration_change_record_message, change_version(record), record);
}

/* ---- registration ---------------------------------------------------------------------------- */

static enum kafka_error check_features(const struct draft *draft,
                                       const struct broker_registration_request *request)
{
    struct metadata_walk walk;
    const struct metadata_feature *finalized;
    for (metadata_walk_features(&walk, draft->image);
         (finalized = metadata_next_feature(&walk)) != NULL;) {
        bool is_supported = finalized->level == 0;
        for (int32_t i = 0; i < request->features_count && !is_supported; i++) {
            const struct broker_registration_request_feature *feature = &request->features[i];
            is_supported = bytes_equal(feature->name, finalized->name) &&
                           feature->min_supported_version <= finalized->level &&
                           finalized->level <= feature->max_supported_version;
        }
        if (!is_supported)
            return KAFKA_UNSUPPORTED_VERSION;
    }
    return KAFKA_NONE;
}

static enum kafka_error check_registration(const struct controller *c, const struct draft *draft,
                                           const struct broker_registration_request *request)
{
    if (!bytes_equal(request->cluster_id, c->settings.cluster_id))
        return KAFKA_INCONSISTENT_CLUSTER_ID;
    if (request->listeners_count == 0 || request->broker_id < 0)
        return KAFKA_INVALID_REGISTRATION;
    for (int32_t i = 0; i < request->log_dirs_count; i++) {
        for (int32_t k = 0; k < i; k++) {
            if (uuid_equal(request->log_dirs[i], request->log_dirs[k]))
                return KAFKA_INVALID_REGISTRATION;
        }
    }
    const struct metadata_broker *known = metadata_broker_get(draft->image, request->broker_id);
    /* An incarnation of this very node cannot be alive beside us: it shares our process and its directory lock. */
    const bool is_this_node = request->broker_id == c->settings.node_id;
    if (known != NULL && !is_this_node &&
        !uuid_equal(known->incarnation_id, request->incarnation_id) &&
        !known->is_in_controlled_shutdown &&
        has_session(c, request->broker_id, draft->call->now_ms))
        return KAFKA_DUPLICATE_BROKER_REGISTRATION;
    return check_features(draft, request);
}

static void fill_broker_record(struct draft *draft,
                               const struct broker_registration_request *request,
                               struct register_broker_record *record)
{
    struct arena *arena = draft->call->arena;
    record->broker_id = request->broker_id;
    record->incarnation_id = request->incarnation_id;
    record->broker_epoch = draft->call->next_offset + draft->count;
    record->rack = request->rack;
    record->fenced = true;
    record->end_points =
        register_broker_record_broker_endpoint_array(arena, (size_t)request->listeners_count);
    record->end_points_count = request->listeners_count;
    for (int32_t i = 0; i < request->listeners_count; i++) {
        record->end_points[i].name = request->listeners[i].name;
        record->end_points[i].host = request->listeners[i].host;
        record->end_points[i].port = request->listeners[i].port;
        record->end_points[i].security_protocol = request->listeners[i].security_protocol;
    }
    record->features =
        register_broker_record_broker_feature_array(arena, (size_t)request->features_count);
    record->features_count = request->features_count;
    for (int32_t i = 0; i < request->features_count; i++) {
        record->features[i].name = request->features[i].name;
        record->features[i].min_supported_version = request->features[i].min_supported_version;
        record->features[i].max_supported_version = request->features[i].max_supported_version;
    }
    if (draft->level >= METADATA_LEVEL_DIRECTORIES) {
        record->log_dirs = request->log_dirs;
        record->log_dirs_count = request->log_dirs_count;
    }
}

int controller_register_broker(struct controller *c, const struct controller_call *call,
                               const struct broker_registration_request *request, int16_t version,
                               struct controller_result *out)
{
    (void)version;
    if (!controller_is_active(c))
        return -ERR_NOT_LEADER;
    struct draft draft;
    draft_init(&draft, c, call);
    struct broker_registration_response *response =
        DRAFT_NEW(&draft, struct broker_registration_response);
    *response = broker_registration_response_default;
    const enum kafka_error error = check_registration(c, &draft, request);
    response->error_code = (int16_t)error;
    if (error == KAFKA_NONE) {
        const struct metadata_broker *known = metadata_broker_get(draft.image, request->broker_id);
        if (known != NULL && uuid_equal(known->incarnation_id, request->incarnation_id)) {
            response->broker_epoch = known->epoch; /* asked again: the answer was lost */
        } else {
            struct register_broker_record *record =
                DRAFT_NEW(&draft, struct register_broker_record);
            *record = register_broker_record_default;
            fill_broker_record(&draft, request, record);
            draft_add(&draft, &register_broker_record_message,
                      metadata_register_broker_version(draft.level), record);
            response->broker_epoch = record->broker_epoch;
        }
        touch(c, request->broker_id, call->now_ms);
    }
    draft_finish(&draft, true, &broker_registration_response_message, response, out);
    return 0;
}

/* ---- heartbeats ------------------------------------------------------------------------------ */

static bool leads_anything(const struct metadata_image *image, int32_t broker_id)
{
    struct metadata_walk topics;
    const struct metadata_topic *topic;
    for (metadata_walk_topics(&topics, image); (topic = metadata_next_topic(&topics)) != NULL;) {
        struct metadata_walk partitions;
        const struct metadata_partition *p;
        for (metadata_walk_partitions(&partitions, topic);
             (p = metadata_next_partition(&partitions)) != NULL;) {
            if (p->leader == broker_id)
                return true;
        }
    }
    return false;
}

static void unfence(struct draft *draft, const struct metadata_broker *broker)
{
    struct broker_registration_change_record *record = new_change(draft, broker);
    record->fenced = CHANGE_UNSET;
    draft_add(draft, &broker_registration_change_record_message, change_version(record), record);
    const struct broker_change change = { .id = broker->id, .becomes_active = true };
    partition_changes(draft, &change);
}

static void begin_shutdown(struct draft *draft, const struct metadata_broker *broker)
{
    struct broker_registration_change_record *record = new_change(draft, broker);
    record->in_controlled_shutdown = CHANGE_SET;
    draft_add(draft, &broker_registration_change_record_message, change_version(record), record);
    const struct broker_change change = { .id = broker->id, .becomes_active = false };
    partition_changes(draft, &change);
}

/* What a broker wants, and what it is told. */
static void beat(struct controller *c, struct draft *draft,
                 const struct broker_heartbeat_request *request,
                 const struct metadata_broker *broker, struct broker_heartbeat_response *response)
{
    response->is_caught_up = request->current_metadata_offset >= broker->epoch;
    response->is_fenced = broker->is_fenced;
    if (request->want_shut_down) {
        if (broker->is_fenced) {
            response->should_shut_down = true;
        } else if (!broker->is_in_controlled_shutdown) {
            begin_shutdown(draft, broker);
        } else if (!leads_anything(draft->image, broker->id)) {
            brokers__fence(c, draft, broker->id);
            response->should_shut_down = true;
            response->is_fenced = true;
        }
        return;
    }
    if (request->want_fence && !broker->is_fenced) {
        brokers__fence(c, draft, broker->id);
        response->is_fenced = true;
    } else if (!request->want_fence && broker->is_fenced && response->is_caught_up) {
        unfence(draft, broker);
        response->is_fenced = false;
    }
}

int controller_broker_heartbeat(struct controller *c, const struct controller_call *call,
                                const struct broker_heartbeat_request *request, int16_t version,
                                struct controller_result *out)
{
    (void)version;
    if (!controller_is_active(c))
        return -ERR_NOT_LEADER;
    struct draft draft;
    draft_init(&draft, c, call);
    struct broker_heartbeat_response *response =
        DRAFT_NEW(&draft, struct broker_heartbeat_response);
    *response = broker_heartbeat_response_default;
    const enum kafka_error error =
        draft_check_broker(&draft, request->broker_id, request->broker_epoch);
    response->error_code = (int16_t)error;
    if (error == KAFKA_NONE) {
        touch(c, request->broker_id, call->now_ms);
        beat(c, &draft, request, metadata_broker_get(draft.image, request->broker_id), response);
    }
    draft_finish(&draft, false, &broker_heartbeat_response_message, response, out);
    return 0;
}

int controller_unregister_broker(struct controller *c, const struct controller_call *call,
                                 const struct unregister_broker_request *request, int16_t version,
                                 struct controller_result *out)
{
    (void)version;
    if (!controller_is_active(c))
        return -ERR_NOT_LEADER;
    struct draft draft;
    draft_init(&draft, c, call);
    struct unregister_broker_response *response =
        DRAFT_NEW(&draft, struct unregister_broker_response);
    *response = unregister_broker_response_default;
    const struct metadata_broker *broker = metadata_broker_get(draft.image, request->broker_id);
    if (broker == NULL) {
        response->error_code = KAFKA_BROKER_ID_NOT_REGISTERED;
        response->error_message = bytes_from_text(arena_printf(
            call->arena, "Broker ID %d is not currently registered", request->broker_id));
    } else {
        const struct broker_change change = { .id = broker->id, .becomes_active = false };
        partition_changes(&draft, &change);
        struct unregister_broker_record *record =
            DRAFT_NEW(&draft, struct unregister_broker_record);
        *record = unregister_broker_record_default;
        record->broker_id = broker->id;
        record->broker_epoch = broker->epoch;
        draft_add(&draft, &unregister_broker_record_message, 0, record);
    }
    draft_finish(&draft, false, &unregister_broker_response_message, response, out);
    return 0;
}

/* ---- controllers ----------------------------------------------------------------------------- */

int controller_register_controller(struct controller *c, const struct controller_call *call,
                                   const struct controller_registration_request *request,
                                   int16_t version, struct controller_result *out)
{
    (void)version;
    if (!controller_is_active(c))
        return -ERR_NOT_LEADER;
    struct draft draft;
    draft_init(&draft, c, call);
    struct controller_registration_response *response =
        DRAFT_NEW(&draft, struct controller_registration_response);
    *response = controller_registration_response_default;
    if (draft.level < METADATA_LEVEL_CONTROLLERS) {
        response->error_code = KAFKA_UNSUPPORTED_VERSION;
        draft_finish(&draft, true, &controller_registration_response_message, response, out);
        return 0;
    }
    struct register_controller_record *record =
        DRAFT_NEW(&draft, struct register_controller_record);
    *record = register_controller_record_default;
    record->controller_id = request->controller_id;
    record->incarnation_id = request->incarnation_id;
    record->zk_migration_ready = request->zk_migration_ready;
    record->end_points = register_controller_record_controller_endpoint_array(
        call->arena, (size_t)request->listeners_count);
    record->end_points_count = request->listeners_count;
    for (int32_t i = 0; i < request->listeners_count; i++) {
        record->end_points[i].name = request->listeners[i].name;
        record->end_points[i].host = request->listeners[i].host;
        record->end_points[i].port = request->listeners[i].port;
        record->end_points[i].security_protocol = request->listeners[i].security_protocol;
    }
    record->features = register_controller_record_controller_feature_array(
        call->arena, (size_t)request->features_count);
    record->features_count = request->features_count;
    for (int32_t i = 0; i < request->features_count; i++) {
        record->features[i].name = request->features[i].name;
        record->features[i].min_supported_version = request->features[i].min_supported_version;
        record->features[i].max_supported_version = request->features[i].max_supported_version;
    }
    draft_add(&draft, &register_controller_record_message, 0, record);
    draft_finish(&draft, true, &controller_registration_response_message, response, out);
    return 0;
}
