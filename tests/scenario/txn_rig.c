/* See rig.h: a transaction coordinator with a log, a clock, clients, partitions that take markers, and producer ids. */
#include "base/map.h"
#include "base/mem.h"
#include "coord/rig_log_test.h"
#include "coord/txn/txn_coordinator.h"
#include "rig.h"
#include "rig_answers.h"
#include "wire/api.h"
#include "wire/messages/add_partitions_to_txn_request.h"
#include "wire/messages/describe_transactions_request.h"
#include "wire/messages/end_txn_request.h"
#include "wire/messages/init_producer_id_request.h"
#include "wire/messages/list_transactions_request.h"
#include "words.h"

#include <stdlib.h>
#include <string.h>

#define WALL_MS_AT_START  INT64_C(1700000000000)
#define FIRST_PRODUCER_ID INT64_C(1000)
#define COORDINATOR_EPOCH 12

struct rig_marker {
    uint64_t ending;
    char *topic; /* owned */
    int32_t partition;
};

struct rig {
    struct txn_coordinator *coordinator;
    struct txn_settings settings;
    struct txn_effects effects;
    struct arena arena;       /* of a command */
    struct txn_filter filter; /* the same */
    struct buf *out;
    int64_t now_ms;
    int64_t wall_skew_ms; /* by which the wall clock was put forward */
    uint64_t next_token;
    int64_t next_producer_id;
    struct map_i64 asked; /* token → struct rig_asked */
    struct rig_log log;
    VEC(struct rig_marker) markers; /* the same */
    VEC(uint64_t) wants;            /* the same */
    bool holds_writes;
    bool holds_markers;
    bool holds_ids;
};

/* ---- what is printed ------------------------------------------------------------------------------------- */

static void print_answer(struct rig *rig, const struct coord_answer *answer)
{
    struct rig_asked *asked = rig_asked_take(&rig->asked, answer->token);
    const struct api *api = api_get(answer->api_key);
    struct buf json;
    buf_init(&json, 1 << 24);
    /* The batched form alone is the coordinator's: who asked in another gives the answer its shape. */
    const bool is_batched = answer->api_key == API_ADD_PARTITIONS_TO_TXN;
    const int16_t version = is_batched && asked->version < 4 ? 4 : asked->version;
    wire_print(api->response, version, answer->message, &json);
    buf_printf(rig->out, "  %s< ", asked->label);
    rig_put_readable(rig->out, buf_view(&json), NULL);
    buf_put_text(rig->out, "\n");
    buf_deinit(&json);
    rig_asked_free(asked);
}

static void print_marker(struct rig *rig, const struct txn_marker *marker)
{
    buf_printf(rig->out, "  marker %s for %.*s-%d producer %" PRId64 " epoch %d version %d\n",
               marker->is_commit ? "COMMIT" : "ABORT", BYTES_PRINTF(marker->topic),
               marker->partition, marker->producer_id, marker->producer_epoch,
               marker->transaction_version);
}

/* ---- the log ----------------------------------------------------------------------------------------------- */

static void step(struct rig *rig, struct txn_event event);

static void take_append(struct rig *rig, const struct coord_append *append)
{
    (void)rig_log_append(&rig->log, append);
    for (uint32_t i = 0; i < append->record_count; i++)
        rig_put_record(rig->out, &rig->arena, WIRE_KIND_TRANSACTION_KEY, append->write_id,
                       append->records[i].key, append->records[i].value, NULL);
}

static void end_write(struct rig *rig, enum kafka_error error)
{
    const uint64_t write_id = rig_log_end_write(&rig->log, error == KAFKA_NONE);
    step(rig, (struct txn_event){ .type = TXN_ON_APPENDED,
                                  .appended = { .write_id = write_id, .error = error } });
}

/* ---- partitions and producer ids ------------------------------------------------------------------------------ */

static void end_marker(struct rig *rig, size_t index, enum kafka_error error, bool is_gone)
{
    const struct rig_marker marker = rig->markers.items[index];
    VEC_REMOVE_AT(&rig->markers, index);
    const struct txn_marker_result result = { .ending = marker.ending,
                                              .topic = bytes_from_text(marker.topic),
                                              .partition = marker.partition,
                                              .error = error,
                                              .is_gone = is_gone,
                                              .coordinator_epoch = COORDINATOR_EPOCH };
    step(rig,
         (struct txn_event){ .type = TXN_ON_MARKERS, .markers = { .items = &result, .count = 1 } });
    mem_free(marker.topic);
}

static void forget_markers(struct rig *rig)
{
    for (size_t i = 0; i < rig->markers.count; i++)
        mem_free(rig->markers.items[i].topic);
    rig->markers.count = 0;
}

/* marked t-0 [ERROR|gone] */
static int mark(struct rig *rig, struct command *command, struct err_note *note)
{
    const char *where = command_word(command, 1);
    const char *fate = command_word_or(command, 2, "NONE");
    const bool is_gone = strcmp(fate, "gone") == 0;
    for (size_t i = 0; i < rig->markers.count; i++) {
        const struct rig_marker *marker = &rig->markers.items[i];
        if (strcmp(arena_printf(&rig->arena, "%s-%d", marker->topic, marker->partition), where) !=
            0)
            continue;
        end_marker(rig, i, is_gone ? KAFKA_NONE : command_error(command, fate), is_gone);
        return 0;
    }
    return err_note(note, -ERR_INVALID_ARGUMENT, "no marker is on its way to %s", where);
}

static void give_id(struct rig *rig, enum kafka_error error)
{
    const uint64_t want_id = rig->wants.items[0];
    VEC_REMOVE_AT(&rig->wants, 0);
    const int64_t id = error == KAFKA_NONE ? rig->next_producer_id++ : -1;
    step(rig, (struct txn_event){
                  .type = TXN_ON_PRODUCER_ID,
                  .producer_id = { .want_id = want_id, .error = error, .producer_id = id } });
}

/* ---- steps --------------------------------------------------------------------------------------------------- */

static void take_effects(struct rig *rig)
{
    for (size_t i = 0; i < rig->effects.appends.count; i++)
        take_append(rig, &rig->effects.appends.items[i]);
    rig_put_lines(rig->out, &rig->effects.lines, NULL);
    for (size_t i = 0; i < rig->effects.answers.count; i++)
        print_answer(rig, &rig->effects.answers.items[i]);
    for (size_t i = 0; i < rig->effects.markers.count; i++) {
        const struct txn_marker *marker = &rig->effects.markers.items[i];
        print_marker(rig, marker);
        VEC_ADD(&rig->markers, ((struct rig_marker){ .ending = marker->ending,
                                                     .topic = bytes_to_text(marker->topic),
                                                     .partition = marker->partition }));
    }
    for (size_t i = 0; i < rig->effects.id_wants.count; i++)
        VEC_ADD(&rig->wants, rig->effects.id_wants.items[i]);
    txn_effects_clear(&rig->effects);
}

static void step(struct rig *rig, struct txn_event event)
{
    event.now_ms = rig->now_ms;
    event.wall_ms = WALL_MS_AT_START + rig->wall_skew_ms + rig->now_ms;
    txn_coordinator_step(rig->coordinator, &event, &rig->effects);
    take_effects(rig);
    while (!rig->holds_ids && rig->wants.count > 0)
        give_id(rig, KAFKA_NONE);
    while (!rig->holds_writes && rig->log.writes.count > 0)
        end_write(rig, KAFKA_NONE);
    while (!rig->holds_markers && rig->markers.count > 0)
        end_marker(rig, 0, KAFKA_NONE, false);
}

/* Time passes from one deadline to the next. */
static void wait(struct rig *rig, int64_t ms)
{
    const int64_t end_ms = rig->now_ms + ms;
    while (rig->effects.deadline_ms <= end_ms) {
        rig->now_ms = MAX(rig->now_ms, rig->effects.deadline_ms);
        const size_t before = rig->out->size;
        step(rig, (struct txn_event){ .type = TXN_ON_TIMER });
        if (rig->out->size > before)
            buf_printf(rig->out, "  (at %" PRId64 " ms)\n", rig->now_ms);
    }
    rig->now_ms = end_ms;
}

/* ---- requests -------------------------------------------------------------------------------------------------- */

static struct bytes id_word(struct command *command)
{
    const char *word = command_word_or(command, 1, "-");
    return bytes_from_text(strcmp(word, "-") == 0 ? "" : word);
}

static void *init_producer_id(struct rig *rig, struct command *command)
{
    struct init_producer_id_request *m = ARENA_NEW(&rig->arena, struct init_producer_id_request);
    init_producer_id_request_init(m);
    m->transactional_id = id_word(command);
    m->transaction_timeout_ms = (int32_t)command_number(command, "timeout", 60000);
    m->producer_id = command_number(command, "pid", -1);
    m->producer_epoch = (int16_t)command_number(command, "epoch", -1);
    m->enable2_pc = command_has(command, "2pc");
    m->keep_prepared_txn = command_has(command, "keep");
    return m;
}

static void put_partition(struct rig *rig, struct command *command, char *text,
                          struct add_partitions_to_txn_request_topic *out)
{
    const int64_t partition = number(command, cut_at(command, text, '-'));
    out->name = bytes_from_text(text);
    out->partitions = ARENA_NEW(&rig->arena, int32_t);
    out->partitions[0] = (int32_t)partition;
    out->partitions_count = 1;
}

static void *add_partitions(struct rig *rig, struct command *command)
{
    struct add_partitions_to_txn_request *m =
        ARENA_NEW(&rig->arena, struct add_partitions_to_txn_request);
    add_partitions_to_txn_request_init(m);
    m->transactions = add_partitions_to_txn_request_transaction_array(&rig->arena, 1);
    m->transactions_count = 1;
    struct add_partitions_to_txn_request_transaction *t = &m->transactions[0];
    t->transactional_id = id_word(command);
    t->producer_id = command_number(command, "pid", FIRST_PRODUCER_ID);
    t->producer_epoch = (int16_t)command_number(command, "epoch", 0);
    t->verify_only = command_has(command, "verify");
    char **items =
        split(&rig->arena, command_option(command, "parts", "t-0"), ',', &t->topics_count);
    t->topics = add_partitions_to_txn_request_topic_array(&rig->arena, (size_t)t->topics_count);
    for (int32_t i = 0; i < t->topics_count; i++)
        put_partition(rig, command, items[i], &t->topics[i]);
    return m;
}

static void *end_txn(struct rig *rig, struct command *command)
{
    struct end_txn_request *m = ARENA_NEW(&rig->arena, struct end_txn_request);
    end_txn_request_init(m);
    m->transactional_id = id_word(command);
    m->producer_id = command_number(command, "pid", FIRST_PRODUCER_ID);
    m->producer_epoch = (int16_t)command_number(command, "epoch", 0);
    m->committed = strcmp(command->words[0], "commit") == 0;
    return m;
}

static void *describe(struct rig *rig, struct command *command)
{
    struct describe_transactions_request *m =
        ARENA_NEW(&rig->arena, struct describe_transactions_request);
    describe_transactions_request_init(m);
    m->transactional_ids = ARENA_NEW_ARRAY(&rig->arena, struct bytes, (size_t)command->count);
    for (int i = 1; i < command->count; i++) {
        const char *id = command_word(command, i);
        m->transactional_ids[m->transactional_ids_count++] =
            bytes_from_text(strcmp(id, "-") == 0 ? "" : id);
    }
    return m;
}

static void *list(struct rig *rig, struct command *command)
{
    struct list_transactions_request *m = ARENA_NEW(&rig->arena, struct list_transactions_request);
    list_transactions_request_init(m);
    char **states =
        split(&rig->arena, command_option(command, "states", NULL), ',', &m->state_filters_count);
    m->state_filters = ARENA_NEW_ARRAY(&rig->arena, struct bytes, (size_t)m->state_filters_count);
    for (int32_t i = 0; i < m->state_filters_count; i++)
        m->state_filters[i] = bytes_from_text(states[i]);
    char **ids = split(&rig->arena, command_option(command, "pids", NULL), ',',
                       &m->producer_id_filters_count);
    m->producer_id_filters =
        ARENA_NEW_ARRAY(&rig->arena, int64_t, (size_t)m->producer_id_filters_count);
    for (int32_t i = 0; i < m->producer_id_filters_count; i++)
        m->producer_id_filters[i] = number(command, ids[i]);
    m->duration_filter = command_number(command, "duration", -1);
    txn_filter_init(&rig->filter, m);
    return m;
}

static const struct {
    const char *word;
    int16_t api_key;
    void *(*make)(struct rig *rig, struct command *command);
} requests[] = {
    { "init", API_INIT_PRODUCER_ID, init_producer_id },
    { "add", API_ADD_PARTITIONS_TO_TXN, add_partitions },
    { "commit", API_END_TXN, end_txn },
    { "abort", API_END_TXN, end_txn },
    { "describe", API_DESCRIBE_TRANSACTIONS, describe },
    { "list", API_LIST_TRANSACTIONS, list },
};

static int ask(struct rig *rig, struct command *command, struct err_note *note)
{
    struct txn_event event = { .type = TXN_ON_REQUEST };
    struct txn_request *request = &event.request;
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        if (strcmp(requests[i].word, command->words[0]) != 0)
            continue;
        request->api_key = requests[i].api_key;
        request->message = requests[i].make(rig, command);
    }
    if (request->message == NULL)
        return err_note(note, -ERR_INVALID_ARGUMENT, "no word \"%s\"", command->words[0]);
    request->version =
        (int16_t)command_number(command, "v", api_get(request->api_key)->version_max_stable);
    request->filter = &rig->filter;
    request->token = rig->next_token++;
    const int r = command_check(command, note); /* the words are the request's from here on */
    if (r < 0)
        return r;
    rig_asked_put(&rig->asked, request->token, command->label, request->version, &rig->arena);
    step(rig, event);
    return 0;
}

/* ---- everything else that can happen ------------------------------------------------------------------------------ */

/* A new coordinator, fed with the log as it is. What was under way never happened. */
static int load(struct rig *rig, struct err_note *note)
{
    rig_log_forget_writes(&rig->log);
    forget_markers(rig);
    rig->wants.count = 0;
    rig_asked_forget(&rig->asked);
    txn_coordinator_free(rig->coordinator);
    rig->coordinator = txn_coordinator_new(&rig->settings, 1);
    rig->effects.deadline_ms = INT64_MAX;
    for (size_t i = 0; i < rig->log.records.count; i++) {
        const struct rig_record *record = &rig->log.records.items[i];
        const int r = txn_coordinator_replay(rig->coordinator, record->key, record->value, note);
        if (r < 0)
            return r;
    }
    return 0;
}

static void set(struct rig *rig, struct command *command)
{
    struct txn_settings *s = &rig->settings;
    s->timeout_ms_max = (int32_t)command_number(command, "timeout", s->timeout_ms_max);
    s->allows_two_phase_commit =
        command_number(command, "two-phase", s->allows_two_phase_commit) != 0;
    s->abort_interval_ms = command_number(command, "abort", s->abort_interval_ms);
    s->expiration_ms = command_number(command, "expiration", s->expiration_ms);
    s->expiry_interval_ms = command_number(command, "expiry", s->expiry_interval_ms);
    s->transaction_version = (int16_t)command_number(command, "version", s->transaction_version);
    s->batch_bytes_max = (uint32_t)command_number(command, "batch", s->batch_bytes_max);
    txn_coordinator_set_settings(rig->coordinator, s);
}

static void print_state(struct rig *rig)
{
    struct buf text;
    buf_init(&text, 1 << 24);
    txn_coordinator_print(rig->coordinator, &text);
    for (size_t at = 0; at < text.size;) {
        const uint8_t *end = memchr(text.data + at, '\n', text.size - at);
        const size_t size = (size_t)(end - (text.data + at)) + 1;
        buf_printf(rig->out, "  %.*s", (int)size, text.data + at);
        at += size;
    }
    buf_deinit(&text);
}

static void print_stats(struct rig *rig)
{
    struct txn_stats s;
    txn_coordinator_stats(rig->coordinator, &s);
    buf_printf(rig->out,
               "  ids %" PRIu64 " open %" PRIu64 " ending %" PRIu64 " committed %" PRIu64
               " aborted %" PRIu64 " timed out %" PRIu64 " expired %" PRIu64 "\n",
               s.id_count, s.open_count, s.ending_count, s.commit_count, s.abort_count,
               s.timeout_count, s.expired_count);
}

/* hold writes|markers|ids, release writes|markers|ids */
static void hold(struct rig *rig, struct command *command, bool holds)
{
    const char *what = command_word(command, 1);
    if (strcmp(what, "writes") == 0)
        rig->holds_writes = holds;
    else if (strcmp(what, "markers") == 0)
        rig->holds_markers = holds;
    else if (strcmp(what, "ids") == 0)
        rig->holds_ids = holds;
    else
        command_wrong(command, what, "is nothing that can be held");
    if (!holds) /* what was held comes now */
        step(rig, (struct txn_event){ .type = TXN_ON_TIMER });
}

/* A record as another Kafka may have written it: "record 0 ID hex=…"; without hex a tombstone. One that is refused is not kept. */
static void put_record(struct rig *rig, struct command *command)
{
    struct buf key;
    struct buf value;
    buf_init(&key, 1000);
    buf_init(&value, 1000);
    const char *id = command_word(command, 2);
    buf_put_i16(&key, (int16_t)number(command, command_word(command, 1)));
    buf_put_i16(&key, (int16_t)strlen(id));
    buf_put_text(&key, id);
    put_hex(command, command_option(command, "hex", ""), &value);
    struct rig_record record =
        rig_record_new(-1, buf_view(&key), value.size == 0 ? BYTES_NULL : buf_view(&value));
    buf_deinit(&key);
    buf_deinit(&value);
    struct err_note reason = { "" };
    if (txn_coordinator_replay(rig->coordinator, record.key, record.value, &reason) == 0) {
        VEC_ADD(&rig->log.records, record);
    } else {
        buf_printf(rig->out, "  refused: %s\n", reason.text);
        rig_record_deinit(&record);
    }
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
    else if (strcmp(word, "hold") == 0 || strcmp(word, "release") == 0)
        hold(rig, command, *word == 'h');
    else if (strcmp(word, "done") == 0 || strcmp(word, "fail") == 0) {
        if (rig->log.writes.count == 0)
            return err_note(note, -ERR_INVALID_ARGUMENT, "nothing is being written");
        end_write(rig, command_error(command, command_word_or(command, 1, "NONE")));
    } else if (strcmp(word, "marked") == 0)
        return mark(rig, command, note);
    else if (strcmp(word, "id") == 0) {
        if (rig->wants.count == 0)
            return err_note(note, -ERR_INVALID_ARGUMENT, "no producer id is wanted");
        give_id(rig, command_error(command, command_word_or(command, 1, "NONE")));
    } else if (strcmp(word, "load") == 0)
        return load(rig, note);
    else if (strcmp(word, "loaded") == 0)
        step(rig, (struct txn_event){ .type = TXN_ON_LOADED });
    else if (strcmp(word, "load-failed") == 0)
        step(rig, (struct txn_event){ .type = TXN_ON_LOAD_FAILED });
    else if (strcmp(word, "unload") == 0)
        step(rig, (struct txn_event){ .type = TXN_ON_UNLOAD });
    else if (strcmp(word, "record") == 0)
        put_record(rig, command);
    else if (strcmp(word, "state") == 0)
        print_state(rig);
    else if (strcmp(word, "stats") == 0)
        print_stats(rig);
    else
        return ask(rig, command, note);
    return 0;
}

/* ---- birth and death --------------------------------------------------------------------------------------------------- */

struct rig *rig_new(void)
{
    struct rig *rig = MEM_NEW(struct rig);
    rig->settings = (struct txn_settings){ .timeout_ms_max = 900000,
                                           .abort_interval_ms = 10000,
                                           .expiration_ms = INT64_C(604800000),
                                           .expiry_interval_ms = 3600000,
                                           .transaction_version = 2,
                                           .batch_bytes_max = 1048588 };
    rig->next_token = 1;
    rig->next_producer_id = FIRST_PRODUCER_ID;
    map_i64_init(&rig->asked, 1);
    arena_init(&rig->arena, SIZE_MAX);
    txn_effects_init(&rig->effects);
    rig->coordinator = txn_coordinator_new(&rig->settings, 1);
    return rig;
}

void rig_free(struct rig *rig)
{
    forget_markers(rig);
    VEC_DEINIT(&rig->markers);
    VEC_DEINIT(&rig->wants);
    rig_asked_forget(&rig->asked);
    map_i64_deinit(&rig->asked);
    rig_log_deinit(&rig->log);
    txn_effects_deinit(&rig->effects);
    txn_coordinator_free(rig->coordinator);
    arena_deinit(&rig->arena);
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
