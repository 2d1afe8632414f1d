/* See rig.h: a group coordinator with a log, a clock and clients. */
#include "coord_rig_parts.h"

#include "coord/assignor/assignor.h"
#include "wire/api.h"
#include "wire/messages/config_record.h"
#include "wire/messages/consumer_group_heartbeat_response.h"
#include "wire/messages/join_group_response.h"
#include "wire/messages/partition_record.h"
#include "wire/messages/register_broker_record.h"
#include "wire/messages/remove_topic_record.h"
#include "wire/messages/topic_record.h"
#include "wire/messages/write_txn_markers_response.h"

#include <string.h>

#define WALL_MS_AT_START INT64_C(1700000000000)

/* ---- names ---------------------------------------------------------------------------------------------- */

struct bytes rig_member_id(struct rig *rig, const char *word)
{
    if (strcmp(word, "-") == 0)
        return BYTES_LITERAL("");
    const char *known = map_get(&rig->members, bytes_from_text(word));
    return bytes_from_text(known != NULL ? known : word);
}

struct uuid rig_topic_id(const char *topic)
{
    struct uuid id = { { 0 } };
    memcpy(id.bytes, topic, MIN(strlen(topic), sizeof(id.bytes)));
    return id;
}

/* ---- what is printed ------------------------------------------------------------------------------------- */

/* The id that a join brought. */
static struct bytes id_brought(const struct coord_answer *answer)
{
    if (answer->api_key == API_JOIN_GROUP)
        return ((const struct join_group_response *)answer->message)->member_id;
    if (answer->api_key == API_CONSUMER_GROUP_HEARTBEAT)
        return ((const struct consumer_group_heartbeat_response *)answer->message)->member_id;
    return BYTES_NULL;
}

/* From now on the label stands for it. */
static void learn_member(struct rig *rig, const struct coord_answer *answer)
{
    const struct rig_asked *asked = map_i64_get(&rig->asked, (int64_t)answer->token);
    const struct bytes id = id_brought(answer);
    if (answer->api_key == API_CONSUMER_GROUP_HEARTBEAT && asked->version > 0)
        return; /* it had chosen it itself */
    if (id.size > 0 && *asked->label != '\0')
        mem_free(map_put(&rig->members, bytes_from_text(asked->label), bytes_to_text(id)));
}

static void print_answer(struct rig *rig, const struct coord_answer *answer)
{
    struct rig_asked *asked = rig_asked_take(&rig->asked, answer->token);
    if (answer->api_key == API_WRITE_TXN_MARKERS) {
        const struct write_txn_markers_response_writable_txn_marker_partition_result *told =
            answer->message;
        buf_printf(rig->out, "  %s< %s\n", asked->label, kafka_error_name(told->error_code));
        rig_asked_free(asked);
        return;
    }
    const struct api *api = api_get(answer->api_key);
    struct err_note note = { "" };
    const int64_t size = wire_size(api->response, asked->version, answer->message, &note);
    struct buf json;
    buf_init(&json, 1 << 24);
    if (size >= 0)
        wire_print(api->response, asked->version, answer->message, &json);
    else
        buf_printf(&json, "cannot be encoded: %s", note.text);
    buf_printf(rig->out, "  %s< ", asked->label);
    rig_put_readable(rig->out, buf_view(&json), &rig->members);
    buf_put_text(rig->out, "\n");
    buf_deinit(&json);
    rig_asked_free(asked);
}

/* ---- the log ----------------------------------------------------------------------------------------------- */

static void print_transaction(struct rig *rig, const struct coord_append *append)
{
    const struct coord_transaction *transaction = append->transaction;
    buf_printf(rig->out, "  write %" PRIu64 " in transaction of producer %" PRId64 " epoch %d",
               append->write_id, transaction->producer_id, transaction->producer_epoch);
    if (transaction->is_end)
        buf_printf(rig->out, ": %s by coordinator epoch %d, version %d",
                   transaction->is_commit ? "COMMIT" : "ABORT", transaction->coordinator_epoch,
                   transaction->transaction_version);
    buf_put_text(rig->out, "\n");
}

static void take_append(struct rig *rig, const struct coord_append *append)
{
    (void)rig_log_append(&rig->log, append);
    if (append->transaction != NULL)
        print_transaction(rig, append);
    for (uint32_t i = 0; i < append->record_count; i++)
        rig_put_record(rig->out, &rig->arena, WIRE_KIND_GROUP_KEY, append->write_id,
                       append->records[i].key, append->records[i].value, &rig->members);
}

static void step(struct rig *rig, struct group_event event);

static int64_t wall_ms(const struct rig *rig)
{
    return WALL_MS_AT_START + rig->wall_skew_ms + rig->now_ms;
}

static void end_write(struct rig *rig, enum kafka_error error)
{
    const uint64_t write_id = rig_log_end_write(&rig->log, error == KAFKA_NONE);
    step(rig, (struct group_event){ .type = GROUP_ON_APPENDED,
                                    .appended = { .write_id = write_id, .error = error } });
}

/* Without delay: an expression is resolved when its turn comes. */
static void resolve(struct rig *rig)
{
    struct group_resolution *resolution = VEC_POP(&rig->resolutions);
    while (!group_resolution_work(resolution))
        continue;
    step(rig, (struct group_event){ .type = GROUP_ON_RESOLVED, .resolution = resolution });
    group_resolution_free(resolution);
}

/* ---- steps --------------------------------------------------------------------------------------------------- */

static void step(struct rig *rig, struct group_event event)
{
    event.now_ms = rig->now_ms;
    event.wall_ms = wall_ms(rig);
    event.random[15] = rig->next_random++;
    group_coordinator_step(rig->coordinator, &event, &rig->effects);
    for (size_t i = 0; i < rig->effects.appends.count; i++)
        take_append(rig, &rig->effects.appends.items[i]);
    for (size_t i = 0; i < rig->effects.answers.count; i++)
        learn_member(rig, &rig->effects.answers.items[i]);
    rig_put_lines(rig->out, &rig->effects.lines, &rig->members);
    for (size_t i = 0; i < rig->effects.answers.count; i++)
        print_answer(rig, &rig->effects.answers.items[i]);
    for (size_t i = 0; i < rig->effects.resolutions.count; i++)
        VEC_ADD(&rig->resolutions, rig->effects.resolutions.items[i]);
    group_effects_clear(&rig->effects);
    while (rig->resolutions.count > 0)
        resolve(rig);
    while (!rig->holds_writes && rig->log.writes.count > 0)
        end_write(rig, KAFKA_NONE);
}

static int ask(struct rig *rig, struct command *command, struct err_note *note)
{
    struct group_event event = { .type = GROUP_ON_REQUEST };
    struct group_request *request = &event.request;
    request->message = rig_request(rig, command, &request->api_key, &request->version);
    if (request->message == NULL)
        return err_note(note, -ERR_INVALID_ARGUMENT, "no word \"%s\"", command->words[0]);
    request->token = rig->next_token++;
    request->client_id = bytes_from_text(command_option(command, "client", "c"));
    request->client_host = BYTES_LITERAL("/127.0.0.1");
    const int r = command_check(command, note); /* the words are the request's from here on */
    if (r < 0)
        return r;
    struct err_note fault = { "" };
    if (request->api_key == API_CONSUMER_GROUP_HEARTBEAT &&
        !group_check_regex(request->message, &fault))
        request->regex_fault = fault.text;
    rig_asked_put(&rig->asked, request->token, command->label, request->version, &rig->arena);
    step(rig, event);
    return 0;
}

/* Time passes from one deadline to the next. */
static void wait(struct rig *rig, int64_t ms)
{
    const int64_t end_ms = rig->now_ms + ms;
    while (rig->effects.deadline_ms <= end_ms) {
        rig->now_ms = MAX(rig->now_ms, rig->effects.deadline_ms);
        const size_t before = rig->out->size;
        step(rig, (struct group_event){ .type = GROUP_ON_TIMER });
        if (rig->out->size > before)
            buf_printf(rig->out, "  (at %" PRId64 " ms)\n", rig->now_ms);
    }
    rig->now_ms = end_ms;
}

/* ---- loading --------------------------------------------------------------------------------------------------- */

static int feed(struct rig *rig, const struct rig_record *record, struct err_note *note)
{
    if (!bytes_is_null(record->key))
        return group_coordinator_replay(rig->coordinator, record->producer_id, record->key,
                                        record->value, note);
    group_coordinator_end_transaction(rig->coordinator, record->producer_id, record->is_commit);
    return 0;
}

/* A new coordinator, fed with the log as it is. */
static int load(struct rig *rig, struct err_note *note)
{
    rig_log_forget_writes(&rig->log);
    rig_asked_forget(&rig->asked);
    group_coordinator_free(rig->coordinator);
    rig->coordinator = group_coordinator_new(&rig->settings, 1);
    rig->effects.deadline_ms = INT64_MAX;
    for (size_t i = 0; i < rig->log.records.count; i++) {
        const int r = feed(rig, &rig->log.records.items[i], note);
        if (r < 0)
            return r;
    }
    return 0;
}

/* A record of another protocol by its first strings: "record 3 G", "record 5 G m". Value: any byte, or none. */
static int put_record(struct rig *rig, struct command *command, struct err_note *note)
{
    struct buf key;
    struct buf value;
    buf_init(&key, 1000);
    buf_init(&value, 1000);
    buf_put_i16(&key, (int16_t)number(command, command_word(command, 1)));
    for (int i = 2; i < command->count; i++) {
        const char *word = command_word_or(command, i, NULL);
        if (word == NULL) /* an option */
            continue;
        if (word[0] == '#') { /* a number */
            buf_put_i32(&key, (int32_t)number(command, word + 1));
        } else {
            buf_put_i16(&key, (int16_t)strlen(word));
            buf_put_text(&key, word);
        }
    }
    const char *offset = command_option(command, "offset", NULL);
    if (offset != NULL) { /* OffsetCommitValue 3 */
        buf_put_i16(&value, 3);
        buf_put_i64(&value, number(command, offset));
        buf_put_i32(&value, -1);
        buf_put_i16(&value, 0);
        buf_put_i64(&value, wall_ms(rig));
    } else if (command_option(command, "hex", NULL) != NULL) {
        put_hex(command, command_option(command, "hex", NULL), &value);
    } else {
        buf_put_text(&value, command_option(command, "value", ""));
    }
    const struct rig_record record =
        rig_record_new(command_number(command, "producer", -1), buf_view(&key),
                       value.size == 0 ? BYTES_NULL : buf_view(&value));
    buf_deinit(&key);
    buf_deinit(&value);
    VEC_ADD(&rig->log.records, record);
    return feed(rig, &record, note);
}

static int put_marker(struct rig *rig, struct command *command, struct err_note *note)
{
    const struct rig_record marker = { .producer_id = number(command, command_word(command, 1)),
                                       .is_commit = command_either(command, "commit", "abort") };
    VEC_ADD(&rig->log.records, marker);
    return feed(rig, &marker, note);
}

/* WriteTxnMarkers. */
static void end_transaction(struct rig *rig, struct command *command)
{
    const uint64_t token = rig->next_token++;
    struct arena nothing;
    arena_init(&nothing, 0);
    rig_asked_put(&rig->asked, token, command->label, 0, &nothing);
    step(rig, (struct group_event){
                  .type = GROUP_ON_TRANSACTION_END,
                  .transaction_end = {
                      .token = token,
                      .end = { .producer_id = number(command, command_word(command, 1)),
                               .producer_epoch = (int16_t)command_number(command, "epoch", 0),
                               .is_commit = command_either(command, "commit", "abort"),
                               .coordinator_epoch = 3,
                               .transaction_version = 2 } } });
}

/* ---- the cluster ------------------------------------------------------------------------------------------------- */

static void cluster_put(struct rig *rig, const struct wire_message *message, int16_t version,
                        const void *value)
{
    const struct metadata_provenance where = { .offset = ++rig->cluster_offset,
                                               .epoch = 1,
                                               .timestamp_ms = WALL_MS_AT_START };
    const struct metadata_record record = { .message = message,
                                            .version = version,
                                            .value = value };
    struct err_note note = { "" };
    const int r = metadata_loader_replay(rig->cluster, where, &record, &note);
    ASSERT(r == 0);
}

static void tell_cluster(struct rig *rig)
{
    struct metadata_image *image = metadata_loader_publish(rig->cluster);
    step(rig, (struct group_event){ .type = GROUP_ON_IMAGE, .image = image });
    rig->next_random--; /* no chance in that */
    metadata_image_unref(image);
}

static void put_topic(struct rig *rig, const char *name, int32_t partition_count)
{
    const struct metadata_topic *known =
        metadata_topic_by_name(metadata_loader_working(rig->cluster), bytes_from_text(name));
    int32_t first = known == NULL ? 0 : (int32_t)metadata_topic_partition_count(known);
    if (known == NULL) {
        struct topic_record topic = topic_record_default;
        topic.name = bytes_from_text(name);
        topic.topic_id = rig_topic_id(name);
        cluster_put(rig, &topic_record_message, 0, &topic);
    }
    for (; first < partition_count; first++) {
        int32_t replica = rig->broker_count == 0 ? 0 : first % rig->broker_count;
        struct partition_record partition = partition_record_default;
        partition.topic_id = rig_topic_id(name);
        partition.partition_id = first;
        partition.replicas = partition.isr = &replica;
        partition.replicas_count = partition.isr_count = 1;
        cluster_put(rig, &partition_record_message, 0, &partition);
    }
}

/* "topics t:3,u:1": these are there from now on, or have more partitions; "t:0" goes. */
static void set_topics(struct rig *rig, struct command *command)
{
    int32_t count;
    char **items = split(&rig->arena, command_word(command, 1), ',', &count);
    for (int32_t i = 0; i < count; i++) {
        const int64_t partitions = number(command, cut_at(command, items[i], ':'));
        if (partitions > 0) {
            put_topic(rig, items[i], (int32_t)partitions);
            continue;
        }
        if (metadata_topic_by_name(metadata_loader_working(rig->cluster),
                                   bytes_from_text(items[i])) == NULL) {
            command_wrong(command, items[i], "is no topic");
            continue;
        }
        struct remove_topic_record gone = { .topic_id = rig_topic_id(items[i]) };
        cluster_put(rig, &remove_topic_record_message, 0, &gone);
    }
    tell_cluster(rig);
}

/* "broker rack=a": one more, which partitions that are made from now on lie on in turn with the others. */
static void add_broker(struct rig *rig, struct command *command)
{
    struct register_broker_record broker = register_broker_record_default;
    broker.broker_id = rig->broker_count++;
    broker.rack = bytes_from_text(command_option(command, "rack", ""));
    cluster_put(rig, &register_broker_record_message, 0, &broker);
}

/* "group-config G name value" */
static void set_group_config(struct rig *rig, struct command *command)
{
    struct config_record config = config_record_default;
    config.resource_type = METADATA_CONFIG_GROUP;
    config.resource_name = bytes_from_text(command_word(command, 1));
    config.name = bytes_from_text(command_word(command, 2));
    config.value = bytes_from_text(command_word(command, 3));
    cluster_put(rig, &config_record_message, 0, &config);
    tell_cluster(rig);
}

/* ---- everything else that can happen ------------------------------------------------------------------------------ */

/* "topics-deleted t,u [as=old]"; "t:old": the id of that one alone */
static void delete_topics(struct rig *rig, struct command *command)
{
    int32_t count;
    char **names = split(&rig->arena, command_word(command, 1), ',', &count);
    struct group_topic_deleted *topics =
        ARENA_NEW_ARRAY(&rig->arena, struct group_topic_deleted, (size_t)count);
    for (int32_t i = 0; i < count; i++) {
        char *own = strchr(names[i], ':');
        if (own != NULL)
            *own++ = '\0';
        topics[i].name = bytes_from_text(names[i]);
        topics[i].id = rig_topic_id(own != NULL ? own : command_option(command, "as", names[i]));
    }
    step(rig,
         (struct group_event){ .type = GROUP_ON_TOPICS_DELETED,
                               .topics_deleted = { .items = topics, .count = (uint32_t)count } });
}

static void set(struct rig *rig, struct command *command)
{
    struct group_settings *s = &rig->settings;
    s->initial_rebalance_delay_ms =
        (int32_t)command_number(command, "delay", s->initial_rebalance_delay_ms);
    s->member_count_max = (int32_t)command_number(command, "members", s->member_count_max);
    s->metadata_length_max = (int32_t)command_number(command, "metadata", s->metadata_length_max);
    s->offsets_retention_ms = command_number(command, "retention", s->offsets_retention_ms);
    s->retention_check_interval_ms =
        command_number(command, "check", s->retention_check_interval_ms);
    s->commit_timeout_ms = command_number(command, "commit", s->commit_timeout_ms);
    s->batch_bytes_max = (uint32_t)command_number(command, "batch", s->batch_bytes_max);
    s->consumer_count_max = (int32_t)command_number(command, "consumers", s->consumer_count_max);
    s->consumer_assignment_interval_ms.value =
        (int32_t)command_number(command, "interval", s->consumer_assignment_interval_ms.value);
    s->migration_policy = (uint8_t)command_number(command, "migration", s->migration_policy);
    group_coordinator_set_settings(rig->coordinator, s);
}

/* With "again": only whether it is the one that was printed last. */
static void print_state(struct rig *rig, bool is_again)
{
    struct buf text;
    buf_init(&text, 1 << 24);
    group_coordinator_print(rig->coordinator, &text);
    const bool is_same = is_again && bytes_equal(buf_view(&text), buf_view(&rig->last_state));
    buf_clear(&rig->last_state);
    buf_put_bytes(&rig->last_state, buf_view(&text));
    if (is_same) {
        buf_put_text(rig->out, "  as before\n");
        buf_deinit(&text);
        return;
    }
    for (size_t at = 0; at < text.size;) {
        const uint8_t *end = memchr(text.data + at, '\n', text.size - at);
        const size_t size = (size_t)(end - (text.data + at)) + 1;
        buf_put_text(rig->out, "  ");
        rig_put_readable(rig->out, bytes_from(text.data + at, size), &rig->members);
        at += size;
    }
    buf_deinit(&text);
}

static int run(struct rig *rig, struct command *command, struct err_note *note)
{
    const char *word = command->words[0];
    if (strcmp(word, "wait") == 0)
        wait(rig, number(command, command_word(command, 1)));
    else if (strcmp(word, "clock") == 0)
        rig->wall_skew_ms += number(command, command_word(command, 1));
    else if (strcmp(word, "set") == 0)
        set(rig, command);
    else if (strcmp(word, "hold") == 0)
        rig->holds_writes = true;
    else if (strcmp(word, "done") == 0 || strcmp(word, "fail") == 0) {
        if (rig->log.writes.count == 0)
            return err_note(note, -ERR_INVALID_ARGUMENT, "nothing is being written");
        end_write(rig, command_error(command, command_word_or(command, 1, "NONE")));
    } else if (strcmp(word, "release") == 0) {
        rig->holds_writes = false;
        while (rig->log.writes.count > 0)
            end_write(rig, KAFKA_NONE);
    } else if (strcmp(word, "load") == 0)
        return load(rig, note);
    else if (strcmp(word, "loaded") == 0) {
        tell_cluster(rig);
        step(rig, (struct group_event){ .type = GROUP_ON_LOADED });
    } else if (strcmp(word, "load-failed") == 0)
        step(rig, (struct group_event){ .type = GROUP_ON_LOAD_FAILED });
    else if (strcmp(word, "unload") == 0)
        step(rig, (struct group_event){ .type = GROUP_ON_UNLOAD });
    else if (strcmp(word, "record") == 0)
        return put_record(rig, command, note);
    else if (strcmp(word, "end") == 0)
        end_transaction(rig, command);
    else if (strcmp(word, "marker") == 0)
        return put_marker(rig, command, note);
    else if (strcmp(word, "topics") == 0)
        set_topics(rig, command);
    else if (strcmp(word, "broker") == 0)
        add_broker(rig, command);
    else if (strcmp(word, "group-config") == 0)
        set_group_config(rig, command);
    else if (strcmp(word, "topics-deleted") == 0)
        delete_topics(rig, command);
    else if (strcmp(word, "state") == 0)
        print_state(rig, command_has(command, "again"));
    else
        return ask(rig, command, note);
    return 0;
}

/* ---- birth and death --------------------------------------------------------------------------------------------------- */

struct rig *rig_new(void)
{
    struct rig *rig = MEM_NEW(struct rig);
    rig->settings = (struct group_settings){
        .session_timeout_ms_min = 6000,
        .session_timeout_ms_max = 1800000,
        .initial_rebalance_delay_ms = 3000,
        .member_count_max = INT32_MAX,
        .metadata_length_max = 4096,
        .offsets_retention_ms = INT64_C(604800000),
        .retention_check_interval_ms = 600000,
        .commit_timeout_ms = 5000,
        .batch_bytes_max = 1048588,
        .consumer_session_timeout_ms = { SETTING_GROUP_CONSUMER_SESSION_TIMEOUT_MS, 45000, 45000,
                                         60000 },
        .consumer_heartbeat_interval_ms = { SETTING_GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS, 5000,
                                            5000, 15000 },
        .consumer_assignment_interval_ms = { SETTING_GROUP_CONSUMER_ASSIGNMENT_INTERVAL_MS, 1000, 0,
                                             15000 },
        .consumer_count_max = INT32_MAX,
        .regex_refresh_interval_ms = 600000,
        .migration_policy = MIGRATION_BIDIRECTIONAL,
        .assignors = { ASSIGNOR_UNIFORM, ASSIGNOR_RANGE },
        .assignor_count = 2
    };
    rig->next_token = 1;
    map_init(&rig->members, 1);
    map_i64_init(&rig->asked, 1);
    arena_init(&rig->arena, SIZE_MAX);
    buf_init(&rig->last_state, 1 << 24);
    group_effects_init(&rig->effects);
    rig->cluster = metadata_loader_new(NULL);
    rig->cluster_offset = -1;
    rig->coordinator = group_coordinator_new(&rig->settings, 1);
    return rig;
}

void rig_free(struct rig *rig)
{
    rig_asked_forget(&rig->asked);
    map_i64_deinit(&rig->asked);
    rig_log_deinit(&rig->log);
    for (struct map_walk w = { 0 }; map_next(&rig->members, &w);)
        mem_free(w.value);
    map_deinit(&rig->members);
    group_effects_deinit(&rig->effects);
    group_coordinator_free(rig->coordinator);
    metadata_loader_free(rig->cluster);
    arena_deinit(&rig->arena);
    buf_deinit(&rig->last_state);
    VEC_DEINIT(&rig->resolutions);
    mem_free(rig);
}

int rig_run(struct rig *rig, struct bytes line, struct buf *out, struct err_note *note)
{
    struct command command;
    arena_reset(&rig->arena);
    command_parse(&rig->arena, line, &command);
    if (command.count == 0)
        return err_note(note, -ERR_INVALID_ARGUMENT, "no word");
    rig->out = out;
    const int r = run(rig, &command, note);
    return r < 0 ? r : command_check(&command, note);
}
