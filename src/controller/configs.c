/* Settings of resources: incremental changes and whole replacements (KIP-133, KIP-226, KIP-339). */
#include "controller/controller_int.h"
#include "controller/naming.h"

#include "base/topic_name.h"
#include "base/vec.h"
#include "wire/messages/alter_configs_request.h"
#include "wire/messages/alter_configs_response.h"
#include "wire/messages/config_record.h"
#include "wire/messages/incremental_alter_configs_request.h"
#include "wire/messages/incremental_alter_configs_response.h"

enum { OPERATION_SET = 0, OPERATION_DELETE = 1, OPERATION_APPEND = 2, OPERATION_SUBTRACT = 3 };

/* A resource's whole set while it is being changed; a null value is gone. */
struct entries {
    VEC(struct controller_config_entry) list;
    struct map by_name; /* name → its place in the list + 1, as a pointer */
};

static void entries_init(struct entries *entries, uint64_t seed)
{
    *entries = (struct entries){ 0 };
    map_init(&entries->by_name, seed);
}

static void entries_deinit(struct entries *entries)
{
    VEC_DEINIT(&entries->list);
    map_deinit(&entries->by_name);
}

static struct controller_config_entry *entries_find(struct entries *entries, struct bytes name)
{
    const uintptr_t place = (uintptr_t)map_get(&entries->by_name, name);
    return place == 0 ? NULL : &entries->list.items[place - 1];
}

static struct controller_config_entry *entries_add(struct entries *entries, struct bytes name)
{
    struct controller_config_entry *entry = VEC_PUSH(&entries->list);
    *entry = (struct controller_config_entry){ .name = name };
    (void)map_put(&entries->by_name, name, (void *)(uintptr_t)entries->list.count);
    return entry;
}

static void entries_load(struct entries *entries, const struct metadata_image *image,
                         enum metadata_config_type type, struct bytes resource)
{
    const struct metadata_config *stored = metadata_config_get(image, type, resource);
    if (stored == NULL)
        return;
    struct metadata_walk walk;
    const struct metadata_config_entry *entry;
    for (metadata_walk_config_entries(&walk, stored);
         (entry = metadata_next_config_entry(&walk)) != NULL;)
        entries_add(entries, entry->name)->value = entry->value;
}

/* ---- lists ----------------------------------------------------------------------------------- */

static struct bytes next_item(struct bytes *list)
{
    size_t size = 0;
    while (size < list->size && list->data[size] != ',')
        size++;
    const struct bytes item = bytes_trim(bytes_slice(*list, 0, size));
    *list = bytes_slice(*list, MIN(size + 1, list->size), list->size);
    return item;
}

/* The items of `list`, with those of `change` added, or without them. */
static struct bytes list_change(struct arena *arena, uint64_t seed, struct bytes list,
                                struct bytes change, bool is_append)
{
    uint8_t *out = arena_alloc(arena, list.size + change.size + 2);
    ASSERT(out != NULL); /* the arena allows for what a request can hold */
    size_t size = 0;
    struct map others; /* what is not added again, or goes */
    map_init(&others, seed);
    for (struct bytes rest = is_append ? list : change; rest.size > 0;)
        (void)map_put(&others, next_item(&rest), &others); /* an item may be there twice */
    struct bytes parts[2] = { list, is_append ? change : BYTES_NULL };
    for (int i = 0; i < 2; i++) {
        const bool is_kept = is_append && i == 0;
        while (parts[i].size > 0) {
            const struct bytes item = next_item(&parts[i]);
            if (item.size == 0 || (!is_kept && map_get(&others, item) != NULL))
                continue;
            if (size > 0)
                out[size++] = ',';
            for (size_t k = 0; k < item.size; k++)
                out[size++] = item.data[k];
        }
    }
    map_deinit(&others);
    return bytes_from(out, size);
}

/* ---- one resource ---------------------------------------------------------------------------- */

static enum kafka_error apply(const struct controller *c, struct arena *arena,
                              enum metadata_config_type type, const struct config_change *change,
                              struct entries *entries, struct err_note *note)
{
    const struct controller_config_rules *rules = &c->settings.rules;
    struct controller_config_entry *entry = entries_find(entries, change->name);
    struct bytes value = change->value;
    if (change->operation == OPERATION_DELETE) {
        if (entry != NULL)
            entry->value = BYTES_NULL;
        return KAFKA_NONE;
    }
    if (bytes_is_null(value)) {
        (void)err_note(note, 0, "Null value not supported for : %.*s", BYTES_PRINTF(change->name));
        return KAFKA_INVALID_REQUEST;
    }
    if (change->operation != OPERATION_SET) {
        if (!rules->is_list(rules->context, type, change->name)) {
            (void)err_note(note, 0, "Can't %s to key %.*s because its type is not LIST.",
                           change->operation == OPERATION_APPEND ? "append" : "subtract",
                           BYTES_PRINTF(change->name));
            return KAFKA_INVALID_CONFIG;
        }
        const struct bytes old = entry != NULL && !bytes_is_null(entry->value)
                                     ? entry->value
                                     : rules->default_value(rules->context, type, change->name);
        value = list_change(arena, entries->by_name.seed, old, value,
                            change->operation == OPERATION_APPEND);
    }
    if (entry == NULL)
        entry = entries_add(entries, change->name);
    entry->value = value;
    return KAFKA_NONE;
}

static enum kafka_error check_changes(const struct config_change *changes, uint32_t count,
                                      uint64_t seed, struct err_note *note)
{
    enum kafka_error error = KAFKA_NONE;
    struct map seen;
    map_init(&seen, seed);
    for (uint32_t i = 0; i < count && error == KAFKA_NONE; i++) {
        error = KAFKA_INVALID_REQUEST;
        if (changes[i].operation < OPERATION_SET || changes[i].operation > OPERATION_SUBTRACT)
            (void)err_note(note, 0, "Unknown operation type %d", changes[i].operation);
        else if (map_put(&seen, changes[i].name, &seen) != NULL)
            (void)err_note(note, 0, "Error due to duplicate config keys: %.*s",
                           BYTES_PRINTF(changes[i].name));
        else
            error = KAFKA_NONE;
    }
    map_deinit(&seen);
    return error;
}

static enum kafka_error check_resource(const struct controller *c, enum metadata_config_type type,
                                       struct bytes resource, bool is_new, struct err_note *note)
{
    const struct metadata_image *image = controller_working(c);
    int64_t id = 0;
    switch (type) {
    case METADATA_CONFIG_TOPIC:
        if (resource.size == 0) {
            (void)err_note(note, 0, "Default topic resources are not allowed.");
            return KAFKA_INVALID_REQUEST;
        }
        if (is_new || metadata_topic_by_name(image, resource) != NULL)
            return KAFKA_NONE;
        if (!topic_name_is_legal(resource, note))
            return KAFKA_INVALID_TOPIC_EXCEPTION;
        (void)err_note(note, 0, "The topic '%.*s' does not exist.", BYTES_PRINTF(resource));
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    case METADATA_CONFIG_BROKER:
        if (resource.size == 0)
            return KAFKA_NONE;
        if (bytes_to_i64(resource, &id) < 0 || id < 0 || id > INT32_MAX) {
            (void)err_note(note, 0, "Unable to parse broker name as a base 10 number.");
            return KAFKA_INVALID_REQUEST;
        }
        if (metadata_broker_get(image, (int32_t)id) != NULL)
            return KAFKA_NONE;
        (void)err_note(note, 0, "No broker with id %" PRId64 " found.", id);
        return KAFKA_BROKER_ID_NOT_REGISTERED;
    case METADATA_CONFIG_GROUP:
    case METADATA_CONFIG_CLIENT_METRICS:
        if (resource.size > 0)
            return KAFKA_NONE;
        (void)err_note(note, 0,
                       type == METADATA_CONFIG_GROUP ? "Default group resources are not allowed."
                                                     : "Subscription name can't be empty");
        return KAFKA_INVALID_REQUEST;
    case METADATA_CONFIG_BROKER_LOGGER:
        break;
    }
    (void)err_note(note, 0, "Unknown resource type %d", (int)type);
    return KAFKA_INVALID_REQUEST;
}

static int validate(const struct controller *c, enum metadata_config_type type,
                    struct bytes resource, const struct entries *entries, struct err_note *note)
{
    const struct controller_config_rules *rules = &c->settings.rules;
    VEC(struct controller_config_entry) set = { 0 };
    for (size_t i = 0; i < entries->list.count; i++) {
        if (!bytes_is_null(entries->list.items[i].value))
            VEC_ADD(&set, entries->list.items[i]);
    }
    const int r =
        rules->validate(rules->context, type, resource, set.items, (uint32_t)set.count, note);
    VEC_DEINIT(&set);
    return r;
}

/* What Kafka answers: brokers' settings are judged by the broker, as part of the request, and so are names and
 * limits of client metrics. */
static enum kafka_error refusal(enum metadata_config_type type, int r)
{
    if (r == 0)
        return KAFKA_NONE;
    const bool is_of_request =
        type == METADATA_CONFIG_BROKER ||
        (type == METADATA_CONFIG_CLIENT_METRICS && (r == -ERR_UNKNOWN_SETTING || r == -ERR_LIMIT));
    return is_of_request ? KAFKA_INVALID_REQUEST : KAFKA_INVALID_CONFIG;
}

/* Records for what differs between the stored set and `entries`. */
static void add_records(struct draft *draft, enum metadata_config_type type, struct bytes resource,
                        const struct entries *entries)
{
    for (size_t i = 0; i < entries->list.count; i++) {
        const struct controller_config_entry *entry = &entries->list.items[i];
        const struct bytes stored =
            metadata_config_value(draft->image, type, resource, entry->name);
        if (bytes_equal(stored, entry->value))
            continue;
        struct config_record *record = DRAFT_NEW(draft, struct config_record);
        *record = config_record_default;
        record->resource_type = (int8_t)type;
        record->resource_name = resource;
        record->name = entry->name;
        record->value = entry->value;
        draft_add(draft, &config_record_message, 0, record);
    }
}

enum kafka_error configs_change(struct controller *c, struct draft *draft,
                                enum metadata_config_type type, struct bytes resource,
                                const struct config_change *changes, uint32_t count, bool is_new,
                                struct err_note *note)
{
    const uint64_t seed = rng_u64(draft->call->rng);
    enum kafka_error error = check_changes(changes, count, seed, note);
    if (error == KAFKA_NONE)
        error = check_resource(c, type, resource, is_new, note);
    if (error != KAFKA_NONE)
        return error;
    struct entries entries;
    entries_init(&entries, seed);
    if (!is_new)
        entries_load(&entries, draft->image, type, resource);
    for (uint32_t i = 0; i < count && error == KAFKA_NONE; i++)
        error = apply(c, draft->call->arena, type, &changes[i], &entries, note);
    if (error == KAFKA_NONE)
        error = refusal(type, validate(c, type, resource, &entries, note));
    if (error == KAFKA_NONE)
        add_records(draft, type, resource, &entries);
    entries_deinit(&entries);
    return error;
}

/* ---- requests -------------------------------------------------------------------------------- */

static bool is_allowed(const struct controller_call *call, int8_t type, struct bytes resource)
{
    return type != METADATA_CONFIG_TOPIC ||
           controller__is_allowed(call, CONTROLLER_ALTER, resource);
}

/* Resources of a request by their type; of unknown types none is told from another, and all are refused. */
enum { RESOURCE_TYPES = 6 };
struct resources {
    struct naming by_type[RESOURCE_TYPES];
};

static struct naming *resources_of(struct resources *resources, int8_t type)
{
    static const int8_t types[] = { METADATA_CONFIG_TOPIC, METADATA_CONFIG_BROKER,
                                    METADATA_CONFIG_BROKER_LOGGER, METADATA_CONFIG_CLIENT_METRICS,
                                    METADATA_CONFIG_GROUP };
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (types[i] == type)
            return &resources->by_type[i];
    }
    return &resources->by_type[ARRAY_LEN(types)];
}

static void resources_init(struct resources *resources, struct rng *rng)
{
    for (size_t i = 0; i < RESOURCE_TYPES; i++)
        naming_init(&resources->by_type[i], rng_u64(rng));
}

static void resources_deinit(struct resources *resources)
{
    for (size_t i = 0; i < RESOURCE_TYPES; i++)
        naming_deinit(&resources->by_type[i]);
}

static enum kafka_error check_alter(const struct controller_call *call, struct resources *resources,
                                    int8_t type, struct bytes resource, struct err_note *note)
{
    if (naming_is_twice(resources_of(resources, type), resource)) {
        (void)err_note(note, 0, "Each resource must appear at most once.");
        return KAFKA_INVALID_REQUEST;
    }
    return is_allowed(call, type, resource) ? KAFKA_NONE : KAFKA_TOPIC_AUTHORIZATION_FAILED;
}

/* Some of a resource's settings, each by its operation. */
static enum kafka_error
change(struct controller *c, struct draft *draft,
       const struct incremental_alter_configs_request_alter_configs_resource *resource,
       struct err_note *note)
{
    struct config_change *changes =
        ARENA_NEW_ARRAY(draft->call->arena, struct config_change, (size_t)resource->configs_count);
    for (int32_t i = 0; i < resource->configs_count; i++)
        changes[i] = (struct config_change){ .name = resource->configs[i].name,
                                             .operation = resource->configs[i].config_operation,
                                             .value = resource->configs[i].value };
    return configs_change(c, draft, (enum metadata_config_type)resource->resource_type,
                          resource->resource_name, changes, (uint32_t)resource->configs_count,
                          false, note);
}

int controller_incremental_alter_configs(struct controller *c, const struct controller_call *call,
                                         const struct incremental_alter_configs_request *request,
                                         int16_t version, struct controller_result *out)
{
    (void)version;
    if (!controller_is_active(c))
        return -ERR_NOT_LEADER;
    struct draft draft;
    draft_init(&draft, c, call);
    struct incremental_alter_configs_response *response =
        DRAFT_NEW(&draft, struct incremental_alter_configs_response);
    *response = incremental_alter_configs_response_default;
    response->responses = incremental_alter_configs_response_alter_configs_resource_response_array(
        call->arena, (size_t)request->resources_count);
    response->responses_count = request->resources_count;
    struct resources resources;
    resources_init(&resources, call->rng);
    for (int32_t i = 0; i < request->resources_count; i++)
        naming_add(resources_of(&resources, request->resources[i].resource_type),
                   request->resources[i].resource_name);
    for (int32_t i = 0; i < request->resources_count; i++) {
        const struct incremental_alter_configs_request_alter_configs_resource *resource =
            &request->resources[i];
        struct incremental_alter_configs_response_alter_configs_resource_response *answer =
            &response->responses[i];
        struct err_note note = { 0 };
        enum kafka_error error =
            check_alter(call, &resources, resource->resource_type, resource->resource_name, &note);
        if (error == KAFKA_NONE)
            error = change(c, &draft, resource, &note);
        answer->resource_type = resource->resource_type;
        answer->resource_name = resource->resource_name;
        answer->error_code = (int16_t)error;
        answer->error_message = controller__words(call, &note);
    }
    resources_deinit(&resources);
    if (request->validate_only)
        draft_truncate(&draft, 0);
    draft_finish(&draft, false, &incremental_alter_configs_response_message, response, out);
    return 0;
}

/* What is stored and not named is deleted. */
static void add_deletions(const struct draft *draft, enum metadata_config_type type,
                          const struct alter_configs_request_resource *resource,
                          struct config_change *changes, uint32_t *count)
{
    const struct metadata_config *stored =
        metadata_config_get(draft->image, type, resource->resource_name);
    struct map named;
    map_init(&named, rng_u64(draft->call->rng));
    for (int32_t i = 0; i < resource->configs_count; i++)
        (void)map_put(&named, resource->configs[i].name, &named);
    struct metadata_walk walk;
    const struct metadata_config_entry *entry;
    for (metadata_walk_config_entries(&walk, stored);
         (entry = metadata_next_config_entry(&walk)) != NULL;) {
        if (map_get(&named, entry->name) == NULL)
            changes[(*count)++] =
                (struct config_change){ .name = entry->name, .operation = OPERATION_DELETE };
    }
    map_deinit(&named);
}

static uint32_t stored_count(const struct metadata_config *stored)
{
    uint32_t count = 0;
    struct metadata_walk walk;
    for (metadata_walk_config_entries(&walk, stored); metadata_next_config_entry(&walk) != NULL;)
        count++;
    return count;
}

/* A whole replacement. */
static enum kafka_error replace(struct controller *c, struct draft *draft,
                                const struct alter_configs_request_resource *resource,
                                struct err_note *note)
{
    const enum metadata_config_type type = (enum metadata_config_type)resource->resource_type;
    const struct metadata_config *stored =
        metadata_config_get(draft->image, type, resource->resource_name);
    uint32_t count = (uint32_t)resource->configs_count;
    struct config_change *changes =
        ARENA_NEW_ARRAY(draft->call->arena, struct config_change,
                        count + (stored == NULL ? 0 : stored_count(stored)));
    for (uint32_t i = 0; i < count; i++)
        changes[i] = (struct config_change){ .name = resource->configs[i].name,
                                             .operation = OPERATION_SET,
                                             .value = resource->configs[i].value };
    if (stored != NULL)
        add_deletions(draft, type, resource, changes, &count);
    return configs_change(c, draft, type, resource->resource_name, changes, count, false, note);
}

int controller_alter_configs(struct controller *c, const struct controller_call *call,
                             const struct alter_configs_request *request, int16_t version,
                             struct controller_result *out)
{
    (void)version;
    if (!controller_is_active(c))
        return -ERR_NOT_LEADER;
    struct draft draft;
    draft_init(&draft, c, call);
    struct alter_configs_response *response = DRAFT_NEW(&draft, struct alter_configs_response);
    *response = alter_configs_response_default;
    response->responses = alter_configs_response_resource_response_array(
        call->arena, (size_t)request->resources_count);
    response->responses_count = request->resources_count;
    struct resources resources;
    resources_init(&resources, call->rng);
    for (int32_t i = 0; i < request->resources_count; i++)
        naming_add(resources_of(&resources, request->resources[i].resource_type),
                   request->resources[i].resource_name);
    for (int32_t i = 0; i < request->resources_count; i++) {
        const struct alter_configs_request_resource *resource = &request->resources[i];
        struct alter_configs_response_resource_response *answer = &response->responses[i];
        struct err_note note = { 0 };
        enum kafka_error error =
            check_alter(call, &resources, resource->resource_type, resource->resource_name, &note);
        if (error == KAFKA_NONE)
            error = replace(c, &draft, resource, &note);
        answer->resource_type = resource->resource_type;
        answer->resource_name = resource->resource_name;
        answer->error_code = (int16_t)error;
        answer->error_message = controller__words(call, &note);
    }
    resources_deinit(&resources);
    if (request->validate_only)
        draft_truncate(&draft, 0);
    draft_finish(&draft, false, &alter_configs_response_message, response, out);
    return 0;
}
