/* The controller as a value: leading, replaying, time. */
#include "controller/controller_int.h"

#include "base/mem.h"
#include "wire/messages/abort_transaction_record.h"
#include "wire/messages/begin_transaction_record.h"
#include "wire/messages/config_record.h"
#include "wire/messages/end_transaction_record.h"
#include "wire/messages/feature_level_record.h"
#include "wire/messages/no_op_record.h"

/* ---- drafts ---------------------------------------------------------------------------------- */

void draft_init(struct draft *draft, const struct controller *controller,
                const struct controller_call *call)
{
    *draft = (struct draft){ .call = call, .image = controller_working(controller) };
    draft->level = metadata_level(draft->image);
}

void draft_add(struct draft *draft, const struct wire_message *message, int16_t version,
               const void *value)
{
    if (draft->count == draft->capacity) {
        const uint32_t capacity = draft->capacity == 0 ? 16 : 2 * draft->capacity;
        struct metadata_record *records =
            ARENA_NEW_ARRAY(draft->call->arena, struct metadata_record, capacity);
        for (uint32_t i = 0; i < draft->count; i++)
            records[i] = draft->records[i];
        draft->records = records;
        draft->capacity = capacity;
    }
    draft->records[draft->count++] =
        (struct metadata_record){ .message = message, .version = version, .value = value };
}

void draft_truncate(struct draft *draft, uint32_t count)
{
    ASSERT(count <= draft->count);
    draft->count = count;
}

enum kafka_error draft_check_broker(const struct draft *draft, int32_t broker_id,
                                    int64_t broker_epoch)
{
    const struct metadata_broker *broker = metadata_broker_get(draft->image, broker_id);
    if (broker == NULL)
        return KAFKA_BROKER_ID_NOT_REGISTERED;
    return broker->epoch == broker_epoch ? KAFKA_NONE : KAFKA_STALE_BROKER_EPOCH;
}

void draft_finish(struct draft *draft, bool is_atomic, const struct wire_message *message,
                  void *response, struct controller_result *out)
{
    *out = (struct controller_result){
        .records = draft->records,
        .record_count = draft->count,
        .is_atomic = is_atomic,
        .response_message = message,
        .response = response,
    };
}

struct bytes controller__words(const struct controller_call *call, const struct err_note *note)
{
    if (note->text[0] == '\0')
        return BYTES_NULL;
    return bytes_from_text(arena_printf(call->arena, "%s", note->text));
}

bool controller__is_allowed(const struct controller_call *call, enum controller_action action,
                            struct bytes topic)
{
    return call->is_allowed == NULL || call->is_allowed(call->allowed_context, action, topic);
}

/* ---- birth and leadership -------------------------------------------------------------------- */

struct controller *controller_new(const struct controller_settings *settings)
{
    struct controller *c = MEM_NEW(struct controller);
    c->settings = *settings;
    c->cluster_id = bytes_to_text(settings->cluster_id);
    c->settings.cluster_id = bytes_from_text(c->cluster_id);
    c->epoch = -1;
    map_i64_init(&c->sessions, 0);
    return c;
}

static void drop_sessions(struct controller *c)
{
    struct map_i64_walk walk = { 0 };
    while (map_i64_next(&c->sessions, &walk))
        mem_free(walk.value);
    map_i64_clear(&c->sessions);
}

void controller_deactivate(struct controller *c)
{
    metadata_loader_free(TAKE(c->loader));
    drop_sessions(c);
    c->epoch = -1;
}

void controller_free(struct controller *c)
{
    if (c == NULL)
        return;
    controller_deactivate(c);
    map_i64_deinit(&c->sessions);
    mem_free(c->cluster_id);
    mem_free(c);
}

bool controller_is_active(const struct controller *c)
{
    return c->loader != NULL;
}

int32_t controller_epoch(const struct controller *c)
{
    return c->epoch;
}

const struct metadata_image *controller_working(const struct controller *c)
{
    return metadata_loader_working(c->loader);
}

/* Brokers known from the log are given a whole session to be heard from. */
static void begin_sessions(struct controller *c, int64_t now_ms)
{
    struct metadata_walk walk;
    const struct metadata_broker *broker;
    for (metadata_walk_brokers(&walk, controller_working(c));
         (broker = metadata_next_broker(&walk)) != NULL;) {
        struct broker_session *session = MEM_NEW(struct broker_session);
        *session = (struct broker_session){ .id = broker->id, .contact_ms = now_ms };
        map_i64_put(&c->sessions, broker->id, session);
    }
}

/* With ELR, min.insync.replicas must be known to the whole cluster: the default of all brokers says it. */
static void add_min_insync(const struct controller *c, struct draft *draft)
{
    struct config_record *record = DRAFT_NEW(draft, struct config_record);
    *record = config_record_default;
    record->resource_type = METADATA_CONFIG_BROKER;
    record->resource_name = BYTES_LITERAL("");
    record->name = BYTES_LITERAL("min.insync.replicas");
    record->value =
        bytes_from_text(arena_printf(draft->call->arena, "%d", c->settings.min_insync_replicas));
    draft_add(draft, &config_record_message, 0, record);
}

static bool has_feature(const struct metadata_record *records, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (records[i].message != &feature_level_record_message)
            continue;
        const struct feature_level_record *record = records[i].value;
        if (bytes_equal_text(record->name, name) && record->feature_level > 0)
            return true;
    }
    return false;
}

static void add_bootstrap(const struct controller *c, struct draft *draft,
                          const struct metadata_record *bootstrap, uint32_t count)
{
    struct begin_transaction_record *begin = DRAFT_NEW(draft, struct begin_transaction_record);
    *begin = begin_transaction_record_default;
    begin->name = BYTES_LITERAL("Bootstrap records");
    draft_add(draft, &begin_transaction_record_message, 0, begin);
    for (uint32_t i = 0; i < count; i++)
        draft_add(draft, bootstrap[i].message, bootstrap[i].version, bootstrap[i].value);
    if (has_feature(bootstrap, count, FEATURE_ELR_VERSION))
        add_min_insync(c, draft);
    draft_add(draft, &end_transaction_record_message, 0, &end_transaction_record_default);
}

void controller_activate(struct controller *c, const struct controller_call *call, int32_t epoch,
                         struct metadata_image *committed, int64_t transaction_offset,
                         const struct metadata_record *bootstrap, uint32_t bootstrap_count,
                         struct controller_result *out)
{
    controller_deactivate(c);
    c->epoch = epoch;
    c->loader = metadata_loader_new(committed);
    c->written_ms = call->now_ms;
    begin_sessions(c, call->now_ms);

    struct draft draft;
    draft_init(&draft, c, call);
    if (transaction_offset >= 0) {
        struct abort_transaction_record *abort = DRAFT_NEW(&draft, struct abort_transaction_record);
        *abort = abort_transaction_record_default;
        abort->reason = BYTES_LITERAL("a former controller left it open");
        draft_add(&draft, &abort_transaction_record_message, 0, abort);
    } else if (metadata_image_is_empty(committed) && bootstrap_count > 0) {
        add_bootstrap(c, &draft, bootstrap, bootstrap_count);
    }
    draft_finish(&draft, true, NULL, NULL, out);
}

void controller_replay(struct controller *c, int64_t base_offset,
                       const struct metadata_record *records, uint32_t record_count, int64_t now_ms)
{
    for (uint32_t i = 0; i < record_count; i++) {
        const struct metadata_provenance where = { .offset = base_offset + i, .epoch = c->epoch };
        struct err_note note = { 0 };
        const int r = metadata_loader_replay(c->loader, where, &records[i], &note);
        ASSERT(r == 0); /* decided on this very state */
    }
    if (record_count > 0)
        c->written_ms = now_ms;
}

/* ---- time ------------------------------------------------------------------------------------ */

static bool is_fenced(const struct controller *c, int32_t broker_id)
{
    const struct metadata_broker *broker = metadata_broker_get(controller_working(c), broker_id);
    return broker == NULL || broker->is_fenced;
}

void controller_hold_session(struct controller *c, int32_t broker_id)
{
    struct broker_session *session = map_i64_get(&c->sessions, broker_id);
    if (session != NULL)
        session->held_count++;
}

void controller_release_session(struct controller *c, int32_t broker_id, int64_t now_ms)
{
    struct broker_session *session = map_i64_get(&c->sessions, broker_id);
    if (session == NULL || session->held_count == 0)
        return;
    session->held_count--;
    session->contact_ms = now_ms;
}

/* When the broker is to be fenced unless it is heard of; INT64_MAX: it is fenced, or is waiting for us. */
static int64_t session_end_ms(const struct controller *c, const struct broker_session *session)
{
    if (session->held_count > 0 || is_fenced(c, session->id))
        return INT64_MAX;
    return session->contact_ms + c->settings.broker_session_timeout_ms;
}

int64_t controller_deadline_ms(const struct controller *c)
{
    if (!controller_is_active(c))
        return INT64_MAX;
    int64_t deadline_ms = INT64_MAX;
    if (c->settings.max_idle_interval_ms > 0)
        deadline_ms = c->written_ms + c->settings.max_idle_interval_ms;
    struct map_i64_walk walk = { 0 };
    while (map_i64_next(&c->sessions, &walk))
        deadline_ms = MIN(deadline_ms, session_end_ms(c, walk.value));
    return deadline_ms;
}

void controller_on_timer(struct controller *c, const struct controller_call *call,
                         struct controller_result *out)
{
    struct draft draft;
    *out = (struct controller_result){ 0 };
    if (!controller_is_active(c))
        return;
    draft_init(&draft, c, call);
    struct map_i64_walk walk = { 0 };
    while (map_i64_next(&c->sessions, &walk)) {
        const struct broker_session *session = walk.value;
        if (call->now_ms >= session_end_ms(c, session)) {
            brokers__fence(c, &draft, session->id);
            break; /* one at a time: the next is decided on top of this */
        }
    }
    if (draft.count == 0 && c->settings.max_idle_interval_ms > 0 &&
        call->now_ms >= c->written_ms + c->settings.max_idle_interval_ms)
        draft_add(&draft, &no_op_record_message, 0, &no_op_record_default);
    draft_finish(&draft, false, NULL, NULL, out);
}
