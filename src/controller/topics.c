/* Topics: created, enlarged, deleted (KIP-4, KIP-195, KIP-464, KIP-516, KIP-525). */
#include "base/topic_name.h"
#include "controller/collisions.h"
#include "controller/controller_int.h"
#include "controller/naming.h"

#include "wire/messages/create_partitions_request.h"
#include "wire/messages/create_partitions_response.h"
#include "wire/messages/create_topics_request.h"
#include "wire/messages/create_topics_response.h"
#include "wire/messages/delete_topics_request.h"
#include "wire/messages/delete_topics_response.h"
#include "wire/messages/remove_topic_record.h"
#include "wire/messages/topic_record.h"

#include <string.h>

#define EXCESSIVE "Excessively large number of partitions per request: at most %d are added by one."

/* ---- names ----------------------------------------------------------------------------------- */

static enum kafka_error check_name(const struct draft *draft, const struct collisions *collisions,
                                   struct bytes name, struct err_note *note)
{
    if (!topic_name_is_legal(name, note))
        return KAFKA_INVALID_TOPIC_EXCEPTION;
    if (metadata_topic_by_name(draft->image, name) != NULL) {
        (void)err_note(note, 0, "Topic '%.*s' already exists.", BYTES_PRINTF(name));
        return KAFKA_TOPIC_ALREADY_EXISTS;
    }
    const struct metadata_topic *other = collisions_of(collisions, name);
    if (other == NULL)
        return KAFKA_NONE;
    (void)err_note(note, 0, "Topic '%.*s' collides with existing topic: %.*s", BYTES_PRINTF(name),
                   BYTES_PRINTF(other->name));
    return KAFKA_INVALID_TOPIC_EXCEPTION;
}

/* ---- replicas chosen by the client ------------------------------------------------------------- */

/* One partition's row: registered brokers, each once. */
static enum kafka_error check_row(const struct draft *draft, const int32_t *ids, int32_t count,
                                  uint16_t wanted, struct err_note *note)
{
    if (count == 0) {
        (void)err_note(note, 0, "The manual partition assignment includes an empty replica list.");
        return KAFKA_INVALID_REPLICA_ASSIGNMENT;
    }
    for (int32_t i = 0; i < count; i++) {
        if (metadata_broker_get(draft->image, ids[i]) == NULL) {
            (void)err_note(note, 0,
                           "The manual partition assignment includes broker %d, but no such broker "
                           "is registered.",
                           ids[i]);
            return KAFKA_INVALID_REPLICA_ASSIGNMENT;
        }
        for (int32_t k = 0; k < i; k++) {
            if (ids[i] == ids[k]) {
                (void)err_note(
                    note, 0,
                    "The manual partition assignment includes the broker %d more than once.",
                    ids[i]);
                return KAFKA_INVALID_REPLICA_ASSIGNMENT;
            }
        }
    }
    if (wanted > 0 && count != wanted) {
        (void)err_note(note, 0,
                       "The manual partition assignment includes a partition with %d replica(s), "
                       "but this is not consistent "
                       "with previous partitions, which have %u replica(s).",
                       count, wanted);
        return KAFKA_INVALID_REPLICA_ASSIGNMENT;
    }
    return KAFKA_NONE;
}

/* The rows by their partitions, each once and good by itself, all of the first one's length. */
static enum kafka_error check_rows(const struct draft *draft,
                                   const struct create_topics_request_creatable_topic *topic,
                                   struct map_i64 *out, struct err_note *note)
{
    enum kafka_error error = KAFKA_NONE;
    for (int32_t i = 0; i < topic->assignments_count && error == KAFKA_NONE; i++) {
        struct create_topics_request_creatable_replica_assignment *row = &topic->assignments[i];
        const uint16_t wanted = i == 0 ? 0 : (uint16_t)topic->assignments[0].broker_ids_count;
        if (map_i64_put(out, row->partition_index, row) != NULL) {
            (void)err_note(note, 0, "Found multiple manual partition assignments for partition %d",
                           row->partition_index);
            error = KAFKA_INVALID_REPLICA_ASSIGNMENT;
        } else {
            error = check_row(draft, row->broker_ids, row->broker_ids_count, wanted, note);
        }
    }
    return error;
}

/* Partitions from 0 on. */
static enum kafka_error lay_out_rows(const struct draft *draft, const struct map_i64 *rows,
                                     uint16_t replication_factor, struct placement *out,
                                     struct err_note *note)
{
    out->partition_count = map_i64_count(rows);
    out->replication_factor = replication_factor;
    out->replicas = ARENA_NEW_ARRAY(draft->call->arena, int32_t,
                                    (size_t)out->partition_count * replication_factor);
    for (uint32_t p = 0; p < out->partition_count; p++) {
        const struct create_topics_request_creatable_replica_assignment *row = map_i64_get(rows, p);
        if (row == NULL) {
            (void)err_note(note, 0, "partitions should be a consecutive 0-based integer sequence");
            return KAFKA_INVALID_REPLICA_ASSIGNMENT;
        }
        for (uint16_t i = 0; i < replication_factor; i++)
            out->replicas[(size_t)p * replication_factor + i] = row->broker_ids[i];
    }
    return KAFKA_NONE;
}

static enum kafka_error plan_manual(const struct draft *draft,
                                    const struct create_topics_request_creatable_topic *topic,
                                    struct placement *out, struct err_note *note)
{
    if (topic->replication_factor != -1 || topic->num_partitions != -1) {
        (void)err_note(note, 0,
                       "A manual partition assignment was specified, but %s was not set to -1.",
                       topic->replication_factor != -1 ? "replication factor" : "numPartitions");
        return KAFKA_INVALID_REQUEST;
    }
    struct map_i64 rows;
    map_i64_init(&rows, rng_u64(draft->call->rng));
    enum kafka_error error = check_rows(draft, topic, &rows, note);
    if (error == KAFKA_NONE)
        error =
            lay_out_rows(draft, &rows, (uint16_t)topic->assignments[0].broker_ids_count, out, note);
    map_i64_deinit(&rows);
    return error;
}

/* ---- creating -------------------------------------------------------------------------------- */

static enum kafka_error plan(const struct controller *c, const struct draft *draft,
                             const struct create_topics_request_creatable_topic *topic,
                             struct placement *out, struct err_note *note)
{
    if (topic->assignments_count > 0)
        return plan_manual(draft, topic, out, note);
    if (topic->replication_factor < -1 || topic->replication_factor == 0) {
        (void)err_note(note, 0,
                       "Replication factor must be larger than 0, or -1 to use the default value.");
        return KAFKA_INVALID_REPLICATION_FACTOR;
    }
    if (topic->num_partitions < -1 || topic->num_partitions == 0) {
        (void)err_note(note, 0, "Number of partitions was set to an invalid non-positive value.");
        return KAFKA_INVALID_PARTITIONS;
    }
    const int32_t count =
        topic->num_partitions == -1 ? c->settings.num_partitions : topic->num_partitions;
    const int16_t factor = topic->replication_factor == -1 ? c->settings.default_replication_factor
                                                           : topic->replication_factor;
    return placement_plan(draft, (uint32_t)count, (uint16_t)factor, out, note);
}

static struct uuid new_topic_id(const struct draft *draft)
{
    struct uuid id;
    do {
        id = uuid_draw_from_rng(draft->call->rng);
    } while (metadata_topic_by_id(draft->image, id) != NULL);
    return id;
}

/* The settings of a topic to be, each once: of a name that occurs twice the last value counts, as in Kafka; only
 * alterations refuse that. A null value is refused. */
static enum kafka_error gather_configs(const struct draft *draft,
                                       const struct create_topics_request_creatable_topic *topic,
                                       struct config_change **out, uint32_t *out_count,
                                       struct err_note *note)
{
    struct config_change *changes =
        ARENA_NEW_ARRAY(draft->call->arena, struct config_change, (size_t)topic->configs_count);
    enum kafka_error error = KAFKA_NONE;
    uint32_t count = 0;
    struct map known; /* name → its change */
    map_init(&known, rng_u64(draft->call->rng));
    for (int32_t i = 0; i < topic->configs_count && error == KAFKA_NONE; i++) {
        const struct config_change change = { .name = topic->configs[i].name,
                                              .value = topic->configs[i].value };
        struct config_change *place = map_get(&known, change.name);
        if (place == NULL) {
            place = &changes[count++];
            (void)map_put(&known, change.name, place); /* it was not there */
        }
        *place = change;
        if (bytes_is_null(change.value)) {
            (void)err_note(note, 0, "Null value not supported for topic configs: %.*s",
                           BYTES_PRINTF(change.name));
            error = KAFKA_INVALID_CONFIG;
        }
    }
    map_deinit(&known);
    *out = changes;
    *out_count = count;
    return error;
}

static enum kafka_error add_configs(struct controller *c, struct draft *draft,
                                    const struct create_topics_request_creatable_topic *topic,
                                    struct err_note *note)
{
    struct config_change *changes;
    uint32_t count;
    const enum kafka_error error = gather_configs(draft, topic, &changes, &count, note);
    if (error != KAFKA_NONE)
        return error;
    return configs_change(c, draft, METADATA_CONFIG_TOPIC, topic->name, changes, count, true, note);
}

static void describe(const struct controller *c, const struct controller_call *call,
                     const struct create_topics_request_creatable_topic *topic,
                     struct create_topics_response_creatable_topic_result *answer)
{
    if (!controller__is_allowed(call, CONTROLLER_DESCRIBE_CONFIGS, topic->name)) {
        answer->topic_config_error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
        return;
    }
    const struct controller_config_rules *rules = &c->settings.rules;
    struct controller_config_entry *entries =
        ARENA_NEW_ARRAY(call->arena, struct controller_config_entry, (size_t)topic->configs_count);
    for (int32_t i = 0; i < topic->configs_count; i++)
        entries[i] = (struct controller_config_entry){ .name = topic->configs[i].name,
                                                       .value = topic->configs[i].value };
    struct controller_config_description *described = NULL;
    const uint32_t count = rules->describe_topic(
        rules->context, entries, (uint32_t)topic->configs_count, call->arena, &described);
    answer->configs = create_topics_response_creatable_topic_configs_array(call->arena, count);
    answer->configs_count = (int32_t)count;
    for (uint32_t i = 0; i < count; i++) {
        answer->configs[i].name = described[i].name;
        answer->configs[i].value = described[i].value;
        answer->configs[i].read_only = described[i].is_read_only;
        answer->configs[i].is_sensitive = described[i].is_sensitive;
        answer->configs[i].config_source = described[i].source;
    }
}

static enum kafka_error create_one(struct controller *c, struct draft *draft,
                                   const struct collisions *collisions,
                                   const struct create_topics_request_creatable_topic *topic,
                                   struct create_topics_response_creatable_topic_result *answer,
                                   struct err_note *note)
{
    struct placement placement = { 0 };
    enum kafka_error error = check_name(draft, collisions, topic->name, note);
    if (error != KAFKA_NONE)
        return error;
    struct topic_record *record = DRAFT_NEW(draft, struct topic_record);
    *record = topic_record_default;
    record->name = topic->name;
    record->topic_id = new_topic_id(draft);
    draft_add(draft, &topic_record_message, 0, record);
    error = add_configs(c, draft, topic, note);
    if (error == KAFKA_NONE)
        error = plan(c, draft, topic, &placement, note);
    for (uint32_t p = 0; p < placement.partition_count && error == KAFKA_NONE; p++) {
        const int32_t *replicas = placement.replicas + (size_t)p * placement.replication_factor;
        if (!placement_add_partition(draft, record->topic_id, (int32_t)p, replicas,
                                     placement.replication_factor)) {
            (void)err_note(note, 0,
                           "All brokers specified in the manual partition assignment for partition "
                           "%u are fenced or in "
                           "controlled shutdown.",
                           p);
            error = KAFKA_INVALID_REPLICA_ASSIGNMENT;
        }
    }
    if (error != KAFKA_NONE)
        return error;
    answer->topic_id = record->topic_id;
    answer->num_partitions = (int32_t)placement.partition_count;
    answer->replication_factor = (int16_t)placement.replication_factor;
    describe(c, draft->call, topic, answer);
    return KAFKA_NONE;
}

static int64_t count_partitions(const struct controller *c,
                                const struct create_topics_request *request)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct create_topics_request_creatable_topic *topic = &request->topics[i];
        if (topic->assignments_count > 0)
            sum += topic->assignments_count;
        else
            sum += topic->num_partitions == -1 ? c->settings.num_partitions
                                               : MAX(topic->num_partitions, 0);
    }
    return sum;
}

/* What may be said of a topic before it is looked at: NONE to go on. */
static enum kafka_error check_create(const struct controller_call *call, struct bytes name,
                                     bool is_twice, bool is_excessive, struct err_note *note)
{
    if (is_twice) {
        (void)err_note(note, 0, "Duplicate topic name.");
        return KAFKA_INVALID_REQUEST;
    }
    if (bytes_equal_text(name, METADATA_TOPIC_NAME)) {
        (void)err_note(note, 0, "Creation of internal topic %s is prohibited.",
                       METADATA_TOPIC_NAME);
        return KAFKA_INVALID_REQUEST;
    }
    if (!controller__is_allowed(call, CONTROLLER_CREATE, name)) {
        (void)err_note(note, 0, "Authorization failed.");
        return KAFKA_TOPIC_AUTHORIZATION_FAILED;
    }
    if (is_excessive) {
        (void)err_note(note, 0, EXCESSIVE, CONTROLLER_MUTATIONS_MAX);
        return KAFKA_POLICY_VIOLATION;
    }
    return KAFKA_NONE;
}

static void create_all(struct controller *c, struct draft *draft, struct naming *naming,
                       const struct collisions *collisions,
                       const struct create_topics_request *request,
                       struct create_topics_response *response)
{
    const struct controller_call *call = draft->call;
    const bool is_excessive = count_partitions(c, request) > CONTROLLER_MUTATIONS_MAX;
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct create_topics_request_creatable_topic *topic = &request->topics[i];
        if (!naming_tell(naming, topic->name))
            continue;
        struct create_topics_response_creatable_topic_result *answer =
            &response->topics[response->topics_count++];
        const uint32_t before = draft->count;
        struct err_note note = { 0 };
        enum kafka_error error = check_create(
            call, topic->name, naming_is_twice(naming, topic->name), is_excessive, &note);
        if (error == KAFKA_NONE)
            error = create_one(c, draft, collisions, topic, answer, &note);
        answer->name = topic->name;
        answer->error_code = (int16_t)error;
        answer->error_message = controller__words(call, &note);
        if (error != KAFKA_NONE)
            draft_truncate(draft, before);
    }
}

int controller_create_topics(struct controller *c, const struct controller_call *call,
                             const struct create_topics_request *request, int16_t version,
                             struct controller_result *out)
{
    (void)version;
    if (!controller_is_active(c))
        return -ERR_NOT_LEADER;
    struct draft draft;
    draft_init(&draft, c, call);
    struct create_topics_response *response = DRAFT_NEW(&draft, struct create_topics_response);
    *response = create_topics_response_default;
    response->topics = create_topics_response_creatable_topic_result_array(
        call->arena, (size_t)request->topics_count);
    struct naming naming;
    struct collisions collisions;
    naming_init(&naming, rng_u64(call->rng));
    collisions_init(&collisions, rng_u64(call->rng));
    for (int32_t i = 0; i < request->topics_count; i++) {
        naming_add(&naming, request->topics[i].name);
        collisions_add(&collisions, request->topics[i].name);
    }
    collisions_find(&collisions, draft.image);
    create_all(c, &draft, &naming, &collisions, request, response);
    collisions_deinit(&collisions);
    naming_deinit(&naming);
    if (request->validate_only)
        draft_truncate(&draft, 0);
    draft_finish(&draft, true, &create_topics_response_message, response, out);
    return 0;
}

/* ---- enlarging ------------------------------------------------------------------------------- */

static enum kafka_error check_count(const struct draft *draft, const struct metadata_topic *topic,
                                    const struct create_partitions_request_topic *asked,
                                    struct err_note *note)
{
    const int32_t old = (int32_t)metadata_topic_partition_count(topic);
    if (asked->count == old) {
        (void)err_note(note, 0, "Topic already has %d partition(s).", old);
        return KAFKA_INVALID_PARTITIONS;
    }
    if (asked->count < old) {
        (void)err_note(note, 0,
                       "The topic %.*s currently has %d partition(s); %d would not be an increase.",
                       BYTES_PRINTF(asked->name), old, asked->count);
        return KAFKA_INVALID_PARTITIONS;
    }
    if ((int64_t)asked->count - old + draft->count > CONTROLLER_MUTATIONS_MAX) {
        (void)err_note(note, 0, EXCESSIVE, CONTROLLER_MUTATIONS_MAX);
        return KAFKA_POLICY_VIOLATION;
    }
    if (asked->assignments_count >= 0 && asked->assignments_count != asked->count - old) {
        (void)err_note(note, 0,
                       "Attempted to add %d additional partition(s), but only %d assignment(s) "
                       "were specified.",
                       asked->count - old, asked->assignments_count);
        return KAFKA_INVALID_REPLICA_ASSIGNMENT;
    }
    return KAFKA_NONE;
}

static enum kafka_error enlarge(struct draft *draft,
                                const struct create_partitions_request_topic *asked,
                                struct err_note *note)
{
    const struct metadata_topic *topic = metadata_topic_by_name(draft->image, asked->name);
    if (topic == NULL)
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    enum kafka_error error = check_count(draft, topic, asked, note);
    if (error != KAFKA_NONE)
        return error;
    const int32_t old = (int32_t)metadata_topic_partition_count(topic);
    const struct metadata_partition *first = metadata_topic_partition(topic, 0);
    const uint16_t factor = first == NULL ? 1 : first->replica_count;
    struct placement placement = { 0 };
    if (asked->assignments_count < 0) /* null: the controller places them */
        error = placement_plan(draft, (uint32_t)(asked->count - old), factor, &placement, note);
    for (int32_t i = 0; i < asked->count - old && error == KAFKA_NONE; i++) {
        const int32_t *replicas;
        if (asked->assignments_count >= 0) {
            replicas = asked->assignments[i].broker_ids;
            error =
                check_row(draft, replicas, asked->assignments[i].broker_ids_count, factor, note);
        } else {
            replicas = placement.replicas + (size_t)i * factor;
        }
        if (error == KAFKA_NONE &&
            !placement_add_partition(draft, topic->id, old + i, replicas, factor)) {
            (void)err_note(note, 0,
                           "All brokers specified in the manual partition assignment for partition "
                           "%d are fenced or in "
                           "controlled shutdown.",
                           old + i);
            error = KAFKA_INVALID_REPLICA_ASSIGNMENT;
        }
    }
    return error;
}

static void enlarge_all(struct draft *draft, struct naming *naming,
                        const struct create_partitions_request *request,
                        struct create_partitions_response *response)
{
    const struct controller_call *call = draft->call;
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct create_partitions_request_topic *asked = &request->topics[i];
        if (!naming_tell(naming, asked->name))
            continue;
        struct create_partitions_response_topic_result *answer =
            &response->results[response->results_count++];
        const uint32_t before = draft->count;
        struct err_note note = { 0 };
        enum kafka_error error;
        if (naming_is_twice(naming, asked->name)) {
            error = KAFKA_INVALID_REQUEST;
            (void)err_note(&note, 0, "Duplicate topic name.");
        } else if (!controller__is_allowed(call, CONTROLLER_ALTER, asked->name)) {
            error = KAFKA_TOPIC_AUTHORIZATION_FAILED;
        } else {
            error = enlarge(draft, asked, &note);
        }
        answer->name = asked->name;
        answer->error_code = (int16_t)error;
        answer->error_message = controller__words(call, &note);
        if (error != KAFKA_NONE)
            draft_truncate(draft, before);
    }
}

int controller_create_partitions(struct controller *c, const struct controller_call *call,
                                 const struct create_partitions_request *request, int16_t version,
                                 struct controller_result *out)
{
    (void)version;
    if (!controller_is_active(c))
        return -ERR_NOT_LEADER;
    struct draft draft;
    draft_init(&draft, c, call);
    struct create_partitions_response *response =
        DRAFT_NEW(&draft, struct create_partitions_response);
    *response = create_partitions_response_default;
    response->results =
        create_partitions_response_topic_result_array(call->arena, (size_t)request->topics_count);
    struct naming naming;
    naming_init(&naming, rng_u64(call->rng));
    for (int32_t i = 0; i < request->topics_count; i++)
        naming_add(&naming, request->topics[i].name);
    enlarge_all(&draft, &naming, request, response);
    naming_deinit(&naming);
    if (request->validate_only)
        draft_truncate(&draft, 0);
    draft_finish(&draft, true, &create_partitions_response_message, response, out);
    return 0;
}

/* ---- deleting -------------------------------------------------------------------------------- */

struct deletion {
    struct bytes name;                  /* null: by id */
    struct uuid id;                     /* zero: by name */
    const struct metadata_topic *topic; /* NULL: there is none */
};

static struct deletion deletion_at(const struct draft *draft,
                                   const struct delete_topics_request *request, int32_t index)
{
    struct deletion asked = { .id = UUID_ZERO };
    if (index < request->topics_count) {
        asked.name = request->topics[index].name;
        asked.id = request->topics[index].topic_id;
    } else {
        asked.name = request->topic_names[index - request->topics_count];
    }
    asked.topic = uuid_is_zero(asked.id) ? metadata_topic_by_name(draft->image, asked.name)
                                         : metadata_topic_by_id(draft->image, asked.id);
    return asked;
}

/* An id has 17 bytes here: no name of 16 is taken for one. */
static struct bytes id_key(struct uuid id, uint8_t space[17])
{
    space[0] = 0;
    memcpy(space + 1, id.bytes, sizeof(id.bytes));
    return bytes_from(space, 17);
}

static struct bytes deletion_words(const struct deletion *asked, uint8_t space[17])
{
    return bytes_is_null(asked->name) ? id_key(asked->id, space) : asked->name;
}

/* The same for a topic, whether it is named or meant by its id. */
static struct bytes deletion_key(const struct deletion *asked, uint8_t space[17])
{
    return asked->topic == NULL ? deletion_words(asked, space) : id_key(asked->topic->id, space);
}

static bool is_by_both_or_neither(const struct deletion *asked)
{
    return bytes_is_null(asked->name) == uuid_is_zero(asked->id);
}

/* What the others of a request say of the same topic. */
enum twin { TWIN_NONE, TWIN_SAME, TWIN_OTHER_WAY /* one by name, one by id */ };

static enum kafka_error check_deletion(const struct draft *draft, const struct deletion *asked,
                                       enum twin twin, struct err_note *note)
{
    const bool has_id = !uuid_is_zero(asked->id);
    if (is_by_both_or_neither(asked)) {
        (void)err_note(note, 0,
                       has_id ? "You may not specify both topic name and topic id."
                              : "Neither topic name nor id were specified.");
        return KAFKA_INVALID_REQUEST;
    }
    if (twin != TWIN_NONE) {
        (void)err_note(note, 0, "%s",
                       twin == TWIN_OTHER_WAY
                           ? "The provided topic name maps to an ID that was already supplied."
                       : has_id ? "Duplicate topic id."
                                : "Duplicate topic name.");
        return KAFKA_INVALID_REQUEST;
    }
    if (asked->topic == NULL) {
        (void)err_note(note, 0,
                       has_id ? "This server does not host this topic ID."
                              : "This server does not host this topic-partition.");
        return has_id ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return controller__is_allowed(draft->call, CONTROLLER_DELETE, asked->topic->name)
               ? KAFKA_NONE
               : KAFKA_TOPIC_AUTHORIZATION_FAILED;
}

static void delete_one(struct draft *draft, const struct deletion *asked, enum twin twin,
                       struct delete_topics_response_deletable_topic_result *answer)
{
    const struct metadata_topic *topic = asked->topic;
    struct err_note note = { 0 };
    const enum kafka_error error = check_deletion(draft, asked, twin, &note);
    answer->name = asked->name;
    answer->topic_id = asked->id;
    answer->error_code = (int16_t)error;
    answer->error_message = controller__words(draft->call, &note);
    if (error == KAFKA_NONE || twin == TWIN_OTHER_WAY) {
        answer->topic_id = topic->id;
        answer->name = bytes_from(arena_dup(draft->call->arena, topic->name.data, topic->name.size),
                                  topic->name.size);
    }
    if (error != KAFKA_NONE)
        return;
    struct remove_topic_record *record = DRAFT_NEW(draft, struct remove_topic_record);
    *record = remove_topic_record_default;
    record->topic_id = topic->id;
    draft_add(draft, &remove_topic_record_message, 0, record);
}

int controller_delete_topics(struct controller *c, const struct controller_call *call,
                             const struct delete_topics_request *request, int16_t version,
                             struct controller_result *out)
{
    (void)version;
    if (!controller_is_active(c))
        return -ERR_NOT_LEADER;
    struct draft draft;
    draft_init(&draft, c, call);
    const int32_t count = request->topics_count + request->topic_names_count;
    struct delete_topics_response *response = DRAFT_NEW(&draft, struct delete_topics_response);
    *response = delete_topics_response_default;
    response->responses =
        delete_topics_response_deletable_topic_result_array(call->arena, (size_t)count);
    struct deletion *asked = ARENA_NEW_ARRAY(call->arena, struct deletion, (size_t)count);
    struct naming topics; /* by whatever way they are named */
    struct naming words;  /* as they are named */
    naming_init(&topics, rng_u64(call->rng));
    naming_init(&words, rng_u64(call->rng));
    uint8_t space[17];
    for (int32_t i = 0; i < count; i++) {
        asked[i] = deletion_at(&draft, request, i);
        if (is_by_both_or_neither(&asked[i]))
            continue;
        naming_add(&topics, deletion_key(&asked[i], space));
        naming_add(&words, deletion_words(&asked[i], space));
    }
    for (int32_t i = 0; i < count; i++) {
        enum twin twin = TWIN_NONE;
        if (!is_by_both_or_neither(&asked[i])) {
            if (naming_is_twice(&words, deletion_words(&asked[i], space)))
                twin = TWIN_SAME;
            else if (naming_is_twice(&topics, deletion_key(&asked[i], space)))
                twin = TWIN_OTHER_WAY;
            if (!naming_tell(&topics, deletion_key(&asked[i], space)))
                continue;
        }
        delete_one(&draft, &asked[i], twin, &response->responses[response->responses_count++]);
    }
    naming_deinit(&words);
    naming_deinit(&topics);
    draft_finish(&draft, true, &delete_topics_response_message, response, out);
    return 0;
}
