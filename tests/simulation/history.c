/* See history.h.
 *
 *   1  faults    clients create topics, produce, also in transactions, read, join groups, commit, delete and alter, while the
 *                weather does what it may (weather.h); what they are told is held against model.h, commits.h and txns.h, and
 *                each end of an incarnation against the disk (disk_check.h)
 *   2  calm      the faults end: everything must come to work again by itself, without a restart
 *   3  rest      clients pause, the broker is killed, stopped or loses its power, and must be the node it was (portrait.h);
 *                then they go on, and must get on
 */
#include "history.h"

#include "admin.h"
#include "auditor.h"
#include "base/mem.h"
#include "client.h"
#include "commits.h"
#include "disk_check.h"
#include "generations.h"
#include "member.h"
#include "model.h"
#include "ownership.h"
#include "painter.h"
#include "portrait.h"
#include "producer.h"
#include "rot.h"
#include "seat.h"
#include "sim_broker.h"
#include "subscriber.h"
#include "transactor.h"
#include "txns.h"
#include "weather.h"
#include "wire/compress.h"

#include <stdio.h>
#include <string.h>

#define PRODUCERS_MAX  3
#define MEMBERS_MAX    4 /* of a group */
#define FAULTS_MIN_NS  (2 * NS_PER_SECOND)
#define FAULTS_MAX_NS  (16 * NS_PER_SECOND)
#define PATIENCE_NS    (120 * NS_PER_SECOND)
#define STEP_NS        (100 * NS_PER_MS)
#define HONESTY_NS     (10 * NS_PER_SECOND)
#define PROGRESS       20 /* records and commits that must be acknowledged */
#define SETTINGS_BYTES 2000

struct history {
    struct scene scene;
    struct rng rng;
    struct producer *producers[PRODUCERS_MAX];
    uint32_t producer_count;
    struct seat seats[COMMITS_GROUPS_MAX * MEMBERS_MAX];
    uint32_t seat_count;
    struct member *members[COMMITS_GROUPS_MAX * MEMBERS_MAX];
    uint32_t member_count;
    struct subscriber *subscribers[COMMITS_GROUPS_MAX * MEMBERS_MAX];
    uint32_t subscriber_count;
    struct transactor *transactors[TXNS_IDS_MAX * TRANSACTORS_OF_AN_ID];
    uint32_t transactor_count;
    struct auditor *auditor;
    struct admin *admin;
    struct painter *painter;
    struct weather *weather;
    bool is_power_lost; /* which is how this incarnation ended */
};

/* ---- the broker -------------------------------------------------------------------------------- */

static void on_end(void *context, enum sim_broker_end how)
{
    struct history *h = context;
    h->scene.life++;
    /* A stop on a full disk does not get to write everything down. */
    model_life_ended(h->scene.model, how == SIM_BROKER_CRASHED || scene_may_be_full(&h->scene));
    generations_life_ended(h->scene.generations, h->is_power_lost);
    if (!h->is_power_lost)
        disk_check_claims(&h->scene);
    h->is_power_lost = false;
}

static void on_losing(void *context)
{
    struct history *h = context;
    h->scene.power_losses++;
    h->is_power_lost = true;
    disk_check_losing(&h->scene);
}

static void on_error(void *context, const char *text)
{
    struct history *h = context;
    if (!rot_explains(h->scene.rot, text) && !scene_may_be_full(&h->scene))
        model_fail("the broker says: %s", text);
}

static void on_failed(void *context, const char *text, bool is_starting)
{
    (void)context;
    (void)is_starting; /* a full disk is no reason either: no start needs space */
    model_fail("the broker gave up: %s", text);
}

/* Lines of server.properties. */
struct settings {
    char text[SETTINGS_BYTES];
    size_t size;
};

static void add_setting(struct settings *settings, const char *name, int64_t value)
{
    const size_t room = sizeof(settings->text) - settings->size;
    const int n = snprintf(settings->text + settings->size, room, "%s=%" PRId64 "\n", name, value);
    ASSERT(n > 0 && (size_t)n < room);
    settings->size += (size_t)n;
}

static void add_space(struct settings *out, struct rng *rng)
{
    static const int marks[] = { -1, 0, 16 << 10, 64 << 10 };
    static const int reserves[] = { 0, 32 << 10, 256 << 10 };
    add_setting(out, "ottla.disk.min.free.bytes", marks[rng_below(rng, ARRAY_LEN(marks))]);
    add_setting(out, "ottla.disk.reserve.bytes", reserves[rng_below(rng, ARRAY_LEN(reserves))]);
}

static void add_transactions(struct settings *out, struct rng *rng)
{
    add_setting(out, "transaction.state.log.num.partitions", rng_between(rng, 1, 3));
    add_setting(out, "transaction.state.log.segment.bytes", 1048576);
    add_setting(out, "transaction.abort.timed.out.transaction.cleanup.interval.ms",
                rng_between(rng, 100, 1000));
}

static void add_compaction(struct settings *out, struct rng *rng)
{
    add_setting(out, "log.cleaner.backoff.ms", rng_between(rng, 50, 1000));
    add_setting(out, "log.cleaner.threads", rng_between(rng, 1, 2));
    add_setting(out, "log.cleaner.dedupe.buffer.size", 4194304);
    if (rng_chance(rng, 700000))
        return;
    /* Those of the coordinators too. */
    add_setting(out, "log.roll.ms", rng_between(rng, 300, 3000));
    add_setting(out, "log.cleaner.delete.retention.ms", rng_between(rng, 500, 5000));
}

static void add_intervals(struct settings *out, struct rng *rng)
{
    add_setting(out, "log.retention.check.interval.ms", rng_between(rng, 300, 3000));
    add_setting(out, "log.initial.task.delay.ms", rng_between(rng, 100, 2000));
    add_setting(out, "log.segment.delete.delay.ms", 1000);
    add_setting(out, "replica.high.watermark.checkpoint.interval.ms", rng_between(rng, 300, 5000));
    add_setting(out, "log.flush.offset.checkpoint.interval.ms", rng_between(rng, 300, 10000));
    add_setting(out, "group.initial.rebalance.delay.ms", rng_between(rng, 0, 500));
    add_setting(out, "group.min.session.timeout.ms", 1000);
    add_setting(out, "group.consumer.min.session.timeout.ms", 1000);
    add_setting(out, "group.consumer.session.timeout.ms", SUBSCRIBER_SESSION_MS);
    add_setting(out, "group.consumer.assignment.interval.ms", rng_between(rng, 0, 1500));
    add_setting(out, "offsets.topic.num.partitions", rng_between(rng, 1, 3));
    add_setting(out, "offsets.topic.segment.bytes", 1048576);
    add_setting(out, "metadata.log.max.record.bytes.between.snapshots",
                rng_chance(rng, 500000) ? rng_between(rng, 1000, 5000) : 20971520);
    add_setting(out, "num.recovery.threads.per.data.dir", rng_between(rng, 1, 3));
}

static void begin_broker(struct history *h, bool is_verbose)
{
    struct settings settings = { .size = 0 };
    struct rng space = scene_rng(&h->scene, "space");
    add_intervals(&settings, &h->rng);
    add_space(&settings, &space);
    add_transactions(&settings, &h->rng);
    add_compaction(&settings, &h->rng);
    if (h->scene.is_flushed)
        add_setting(&settings, "log.flush.interval.messages", 1);
    const struct sim_broker_owner owner = {
        .on_end = on_end, .on_error = on_error, .on_failed = on_failed, .context = h
    };
    h->scene.broker = sim_broker_new(h->scene.world, settings.text, h->scene.transaction_version,
                                     &owner, is_verbose);
    sim_broker_set_restart_delay_ns(h->scene.broker, 100 * NS_PER_MS);
    sim_node_set_on_losing(sim_broker_node(h->scene.broker), on_losing, h);
    sim_broker_start(h->scene.broker);
}

/* ---- the clients ------------------------------------------------------------------------------- */

static void begin_transactors(struct history *h)
{
    for (uint32_t id = 0; id < txns_id_count(h->scene.txns); id++) {
        for (uint32_t i = 0; i < TRANSACTORS_OF_AN_ID; i++)
            h->transactors[h->transactor_count++] = transactor_new(&h->scene, id, i);
        transactor_pair(h->transactors[h->transactor_count - 2],
                        h->transactors[h->transactor_count - 1]);
    }
}

static void begin_seat(struct history *h, uint32_t group, uint32_t index)
{
    struct seat *seat = &h->seats[h->seat_count++];
    seat_init(seat, &h->scene, group, index);
    if (commits_has_subscribers(h->scene.commits, group))
        h->subscribers[h->subscriber_count++] = subscriber_new(&h->scene, group, index, seat);
    if (commits_has_classics(h->scene.commits, group))
        h->members[h->member_count++] = member_new(&h->scene, group, index, seat);
}

static void begin_clients(struct history *h)
{
    h->producer_count = 1 + (uint32_t)rng_below(&h->rng, PRODUCERS_MAX);
    for (uint32_t i = 0; i < h->producer_count; i++)
        h->producers[i] = producer_new(&h->scene, i);
    for (uint32_t g = 0; g < commits_group_count(h->scene.commits); g++) {
        const uint32_t count = 1 + (uint32_t)rng_below(&h->rng, MEMBERS_MAX);
        for (uint32_t i = 0; i < count; i++)
            begin_seat(h, g, i);
    }
    begin_transactors(h);
    h->auditor = auditor_new(&h->scene);
    h->admin = admin_new(&h->scene);
    h->painter = painter_new(&h->scene);
    h->weather = weather_new(&h->scene);
    for (uint32_t i = 0; i < h->producer_count; i++)
        weather_add_client(h->weather, producer_client(h->producers[i]));
    for (uint32_t i = 0; i < h->member_count; i++)
        weather_add_client(h->weather, member_client(h->members[i]));
    for (uint32_t i = 0; i < h->subscriber_count; i++)
        weather_add_client(h->weather, subscriber_client(h->subscribers[i]));
    for (uint32_t i = 0; i < h->transactor_count; i++)
        weather_add_client(h->weather, transactor_client(h->transactors[i]));
    weather_add_client(h->weather, auditor_client(h->auditor));
    weather_add_client(h->weather, admin_client(h->admin));
}

static void end_clients(struct history *h)
{
    for (uint32_t i = 0; i < h->producer_count; i++)
        producer_free(h->producers[i]);
    for (uint32_t i = 0; i < h->member_count; i++)
        member_free(h->members[i]);
    for (uint32_t i = 0; i < h->subscriber_count; i++)
        subscriber_free(h->subscribers[i]);
    for (uint32_t i = 0; i < h->transactor_count; i++)
        transactor_free(h->transactors[i]);
    auditor_free(h->auditor);
    admin_free(h->admin);
    painter_free(h->painter);
    weather_free(h->weather);
}

/* ---- what must come about ------------------------------------------------------------------------ */

static void run_for(struct history *h, int64_t duration_ns)
{
    sim_world_run_for(h->scene.world, duration_ns);
}

/* What the members of a group have come to, of both protocols. */
struct standing {
    int32_t epoch; /* or generation; 0: of nobody yet */
    uint32_t wanted;
    uint32_t owned;
};

/* False: this member is not in the epoch of the others, or has what it does not want, or what another one has. */
static bool join_standing(struct standing *standing, int32_t epoch, uint32_t wanted, uint32_t owned)
{
    if (standing->epoch == 0)
        standing->epoch = epoch;
    const bool fits =
        epoch == standing->epoch && (owned & ~wanted) == 0 && (owned & standing->owned) == 0;
    standing->wanted |= wanted;
    standing->owned |= owned;
    return fits;
}

/* Of each group all members are in one epoch, and each partition that one subscribes to has an owner who does. Answers what is said
 * of a member of one that is not settled; NULL: all are. */
static const char *find_unsettled(const struct history *h)
{
    struct standing standings[COMMITS_GROUPS_MAX] = { 0 };
    for (uint32_t i = 0; i < h->member_count; i++) {
        const struct member *m = h->members[i];
        if (!member_is_away(m) && (!member_is_settled(m) ||
                                   !join_standing(&standings[member_group(m)], member_generation(m),
                                                  member_wants(m), member_keys(m))))
            return member_words(m);
    }
    for (uint32_t i = 0; i < h->subscriber_count; i++) {
        const struct subscriber *s = h->subscribers[i];
        if (!subscriber_is_away(s) &&
            (!subscriber_is_settled(s) ||
             !join_standing(&standings[subscriber_group(s)], subscriber_epoch(s),
                            subscriber_wants(s), subscriber_owned(s))))
            return subscriber_words(s);
    }
    for (uint32_t i = 0; i < COMMITS_GROUPS_MAX; i++) {
        if (standings[i].owned != standings[i].wanted)
            return "a partition has no owner";
    }
    return NULL;
}

/* Of each transactional id a transaction was committed. After a power loss one may be open for good where what its coordinator
 * knew was not flushed. Answers the id that has none; -1: all have. */
static int find_stuck(const struct history *h, const uint64_t *committed)
{
    for (uint32_t i = 0; i < txns_id_count(h->scene.txns) && txns_are_whole(h->scene.txns); i++) {
        if (txns_committed_count(h->scene.txns, i) == committed[i])
            return (int)i;
    }
    return -1;
}

/* From here everything comes to work again, without help. */
static void demand_progress(struct history *h)
{
    uint64_t committed[TXNS_IDS_MAX] = { 0 };
    for (uint32_t i = 0; i < txns_id_count(h->scene.txns); i++)
        committed[i] = txns_committed_count(h->scene.txns, i);
    const uint64_t acknowledged = h->scene.acknowledged;
    const int64_t end_ns = scene_now_ns(&h->scene) + PATIENCE_NS;
    const char *unsettled = NULL;
    while (scene_now_ns(&h->scene) < end_ns) {
        run_for(h, STEP_NS);
        unsettled = find_unsettled(h);
        if (unsettled == NULL && auditor_rounds(h->auditor) > 0 && admin_is_settled(h->admin) &&
            h->scene.acknowledged >= acknowledged + PROGRESS && find_stuck(h, committed) < 0)
            return;
    }
    if (!sim_broker_is_ready(h->scene.broker))
        model_fail("the faults ended two minutes ago, and the broker is not ready");
    if (!admin_is_settled(h->admin))
        model_fail("the faults ended two minutes ago, and a topic cannot be created");
    if (h->scene.acknowledged < acknowledged + PROGRESS)
        model_fail("the faults ended two minutes ago, and nothing is taken");
    if (auditor_rounds(h->auditor) == 0)
        model_fail("the faults ended two minutes ago, and the logs cannot be read through: %s",
                   auditor_words(h->auditor));
    const int stuck = find_stuck(h, committed);
    if (stuck >= 0)
        model_fail("the faults ended two minutes ago, and no transaction of %s comes to its end: "
                   "%s; %s",
                   txns_id_name(h->scene.txns, (uint32_t)stuck),
                   transactor_words(h->transactors[stuck * TRANSACTORS_OF_AN_ID]),
                   transactor_words(h->transactors[stuck * TRANSACTORS_OF_AN_ID + 1]));
    model_fail("the faults ended two minutes ago, and a group does not settle: %s", unsettled);
}

static bool is_anyone_waiting(const struct history *h)
{
    for (uint32_t i = 0; i < h->producer_count; i++) {
        if (client_is_waiting(producer_client(h->producers[i])))
            return true;
    }
    for (uint32_t i = 0; i < h->member_count; i++) {
        if (member_is_committing(h->members[i]))
            return true;
    }
    for (uint32_t i = 0; i < h->subscriber_count; i++) {
        if (subscriber_is_committing(h->subscribers[i]))
            return true;
    }
    for (uint32_t i = 0; i < h->transactor_count; i++) {
        if (transactor_is_busy(h->transactors[i]))
            return true;
    }
    return client_is_waiting(auditor_client(h->auditor)) ||
           client_is_waiting(admin_client(h->admin));
}

/* Of a transaction that keeps everybody waiting. */
static const char *find_busy_words(const struct history *h)
{
    for (uint32_t i = 0; i < h->transactor_count; i++) {
        if (transactor_is_busy(h->transactors[i]))
            return transactor_words(h->transactors[i]);
    }
    return "";
}

static struct portrait *paint(struct history *h)
{
    const int64_t end_ns = scene_now_ns(&h->scene) + PATIENCE_NS;
    while (is_anyone_waiting(h) && scene_now_ns(&h->scene) < end_ns)
        run_for(h, STEP_NS);
    painter_begin(h->painter);
    struct portrait *portrait = NULL;
    while ((portrait = painter_take(h->painter)) == NULL && scene_now_ns(&h->scene) < end_ns)
        run_for(h, STEP_NS);
    if (portrait == NULL)
        model_fail("for two minutes the broker does not answer; %s", find_busy_words(h));
    return portrait;
}

static const struct ending {
    const char *name;
    unsigned parts; /* that must be as before */
    bool is_orderly;
    bool is_power;
} endings[] = {
    { "a kill", PORTRAIT_ALL, false, false },
    { "a stop", PORTRAIT_ALL, true, false },
    { "a power loss", PORTRAIT_METADATA | PORTRAIT_SYNCED, false, true },
    { "a power loss after a stop", PORTRAIT_ALL, true, true },
};

static void restart(struct history *h, const struct ending *ending)
{
    struct sim_broker *broker = h->scene.broker;
    const int64_t end_ns = scene_now_ns(&h->scene) + PATIENCE_NS;
    const uint64_t life = h->scene.life;
    if (ending->is_orderly) {
        sim_broker_stop(broker);
        while (h->scene.life == life && scene_now_ns(&h->scene) < end_ns)
            (void)sim_world_step(h->scene.world);
        if (h->scene.life == life)
            model_fail("for two minutes the broker does not stop");
    }
    if (!ending->is_orderly || ending->is_power)
        sim_node_crash(sim_broker_node(broker),
                       ending->is_power ? SIM_POWER_LOST : SIM_PROCESS_KILLED);
    while (!sim_broker_is_ready(broker) && scene_now_ns(&h->scene) < end_ns)
        run_for(h, STEP_NS);
    if (!sim_broker_is_ready(broker))
        model_fail("two minutes after %s the broker is not ready", ending->name);
}

static void demand_identity(struct history *h)
{
    const struct ending *ending = &endings[rng_below(&h->rng, ARRAY_LEN(endings))];
    h->scene.is_resting = true;
    run_for(h, MEMBER_MISSED_NS); /* whose group changes for want of a member does so before */
    struct portrait *before = paint(h);
    restart(h, ending);
    struct portrait *after = paint(h);
    portrait_compare(before, after, ending->parts, ending->name);
    portrait_free(before);
    portrait_free(after);
    h->scene.is_resting = false;
}

/* A bit flips in a coordinator's log, and the node is started again: it names the batch, does not serve what it cannot know, and
 * serves everything else. */
static void demand_honesty(struct history *h)
{
    struct scene *scene = &h->scene;
    sim_disk_cool(sim_node_disk(sim_broker_node(scene->broker)), 1000000);
    if (!rot_strike_coordinator(scene->rot, &h->rng))
        return;
    const uint64_t acknowledged = scene->acknowledged;
    const uint64_t read = scene->read;
    restart(h, &endings[rng_below(&h->rng, ARRAY_LEN(endings))]);
    run_for(h, HONESTY_NS);
    rot_demand_words(scene->rot);
    if (scene->acknowledged == acknowledged || scene->read == read)
        model_fail("a coordinator's log is damaged, and nothing is served any more");
}

/* ---- the whole ----------------------------------------------------------------------------------- */

static void print_line(void *context, int64_t now_ns, const char *text)
{
    (void)context;
    (void)printf("%12.6f %s\n", (double)now_ns / (double)NS_PER_SECOND, text);
}

/* Of the time of faults: most are short, and some are long. */
static int64_t draw_length_ns(struct rng *rng)
{
    return rng_between(rng, FAULTS_MIN_NS, rng_between(rng, FAULTS_MIN_NS, FAULTS_MAX_NS));
}

void history_run(const struct history_options *options, struct history_result *out)
{
    struct history *h = MEM_NEW(struct history);
    struct scene *scene = &h->scene;
    scene->seed = options->seed;
    scene->world = sim_world_new(options->seed);
    if (options->is_verbose)
        sim_world_set_log(scene->world, print_line, NULL);
    h->rng = scene_rng(scene, "history");
    struct rng rng = scene_rng(scene, "scene");
    scene->transaction_version = (int16_t)rng_between(&rng, 0, 2);
    scene->is_flushed = rng_chance(&rng, 300000);
    struct rng model_rng = scene_rng(scene, "model");
    scene->model = model_new(&model_rng, scene->is_flushed);
    scene->commits = commits_new(scene);
    scene->generations = generations_new(scene->commits);
    scene->ownership = ownership_new(scene);
    scene->txns = txns_new(scene);
    scene->rot = rot_new(scene);
    scene->codecs = codec_contexts_new();
    begin_broker(h, options->is_verbose);
    scene->machine = sim_node_new(scene->world, "clients");
    begin_clients(h);

    run_for(h, draw_length_ns(&h->rng));
    weather_end(h->weather);
    demand_progress(h);
    for (uint64_t i = 1 + rng_below(&h->rng, 2); i > 0; i--) {
        demand_identity(h);
        demand_progress(h);
    }
    demand_honesty(h);

    *out = (struct history_result){ .trace = sim_world_trace(scene->world),
                                    .lives = scene->life + 1,
                                    .power_losses = scene->power_losses,
                                    .acknowledged = scene->acknowledged,
                                    .read = scene->read,
                                    .compacted = scene->compacted,
                                    .rotten = scene->rotten };
    sim_node_crash(sim_broker_node(scene->broker), SIM_PROCESS_KILLED);
    end_clients(h);
    sim_broker_free(scene->broker);
    sim_world_free(scene->world);
    codec_contexts_free(scene->codecs);
    txns_free(scene->txns);
    rot_free(scene->rot);
    ownership_free(scene->ownership);
    generations_free(scene->generations);
    commits_free(scene->commits);
    model_free(scene->model);
    mem_free(h);
}
