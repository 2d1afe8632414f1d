/* The simulated world without its network: time, timers, messages, jobs, crashes, and that a seed replays. */
#include "sim/sim_world.h"

#include "base/mem.h"
#include "base/test.h"
#include "io/loop_contract.h"

#include <errno.h>
#include <string.h>

#define SEED_COUNT 200

static const int64_t second_ns = NS_PER_SECOND;

static void step(void *world)
{
    EXPECT(sim_world_step(world));
}

TEST(sim_world, keeps_the_contract_of_loops)
{
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct sim_world *world = sim_world_new(seed);
        struct io *io = sim_node_io(sim_node_new(world, "node"));
        const struct loop_contract driver = { .io = io, .turn = step, .context = world };
        loop_contract_check(&driver);
        sim_world_free(world);
    }
}

/* ---- time ------------------------------------------------------------------------------------ */

struct alarm_clock {
    struct io_timer timer;
    struct io *io;
    int64_t fired_ns;
    int count;
};

static void ring(struct io_timer *timer)
{
    struct alarm_clock *a = CONTAINER_OF(timer, struct alarm_clock, timer);
    a->fired_ns = io_monotonic_ns(a->io);
    a->count++;
}

TEST(sim_world, fires_timers_in_virtual_time)
{
    struct sim_world *world = sim_world_new(context->seed);
    struct io *io = sim_node_io(sim_node_new(world, "node"));
    struct alarm_clock clocks[3];
    const int64_t start_ns = io_monotonic_ns(io);
    for (int i = 0; i < 3; i++) {
        clocks[i] = (struct alarm_clock){ .timer.fire = ring, .io = io };
        io_timer_arm_after(io, &clocks[i].timer, (3 - i) * 3600 * MS_PER_SECOND);
    }
    struct alarm_clock never = { .timer.fire = ring, .io = io };
    io_timer_arm(io, &never.timer, INT64_MAX);
    io_timer_cancel(io, &clocks[1].timer);
    sim_world_run_for(world, 2 * 3600 * second_ns);
    EXPECT_EQ(sim_world_now_ns(world), start_ns + 2 * 3600 * second_ns);
    EXPECT_EQ(clocks[2].count, 1);
    EXPECT_EQ(clocks[1].count, 0);
    EXPECT_EQ(clocks[0].count, 0);
    EXPECT(clocks[2].fired_ns >= start_ns + 3600 * second_ns);
    EXPECT(clocks[2].fired_ns < start_ns + 3601 * second_ns);
    while (sim_world_step(world))
        continue;
    EXPECT_EQ(clocks[0].count, 1);
    EXPECT_EQ(never.count, 0);
    sim_world_free(world);
}

static void rearm(struct io_timer *timer)
{
    struct alarm_clock *a = CONTAINER_OF(timer, struct alarm_clock, timer);
    a->count++;
    io_timer_arm(a->io, timer, 0);
}

/* Code that never rests takes time too, so that a run ends. */
TEST(sim_world, moves_on_though_a_loop_never_rests)
{
    struct sim_world *world = sim_world_new(context->seed);
    struct io *io = sim_node_io(sim_node_new(world, "node"));
    struct alarm_clock a = { .timer.fire = rearm, .io = io };
    io_timer_arm(io, &a.timer, 0);
    sim_world_run_for(world, second_ns / 100);
    EXPECT(a.count > 10 && a.count < 10001);
    sim_world_free(world);
}

TEST(sim_world, has_wall_clocks_that_differ)
{
    struct sim_world *world = sim_world_new(context->seed);
    struct sim_node *one = sim_node_new(world, "one");
    struct sim_node *two = sim_node_new(world, "two");
    const int64_t start_ms = io_now_ms(sim_node_io(one));
    EXPECT_EQ(io_now_ms(sim_node_io(two)), start_ms);
    sim_world_run_for(world, 5 * second_ns);
    sim_node_set_clock_offset_ms(two, -60000);
    EXPECT_EQ(io_now_ms(sim_node_io(one)), start_ms + 5000);
    EXPECT_EQ(io_now_ms(sim_node_io(two)), start_ms + 5000 - 60000);
    struct io_file *file;
    struct io_stat st;
    EXPECT_OK(
        io_file_open(io_get_fs(sim_node_io(two)), "f", IO_OPEN_WRITE | IO_OPEN_CREATE, &file));
    EXPECT_OK(io_fs_stat(io_get_fs(sim_node_io(two)), "f", &st));
    EXPECT_EQ(st.modified_ms, start_ms + 5000 - 60000);
    io_file_unref(file);
    sim_world_free(world);
}

struct slow_turn {
    struct io_timer timer;
    struct io *io;
    struct io_file *file;
    int64_t before_ns;
    int64_t after_ns;
};

static void sync_in_turn(struct io_timer *timer)
{
    struct slow_turn *s = CONTAINER_OF(timer, struct slow_turn, timer);
    s->before_ns = io_monotonic_ns(s->io);
    EXPECT_OK(io_file_sync(s->file));
    s->after_ns = io_monotonic_ns(s->io);
}

/* A sync on the shard takes the shard's time and nobody else's. */
TEST(sim_world, lets_file_calls_take_the_time_of_their_loop)
{
    struct sim_world *world = sim_world_new(context->seed);
    struct sim_node *slow_node = sim_node_new(world, "slow");
    struct sim_node *other_node = sim_node_new(world, "other");
    struct sim_pace pace = sim_pace_default();
    pace.sync = (struct sim_range){ .min_ns = second_ns, .max_ns = 2 * second_ns };
    sim_node_set_pace(slow_node, &pace);
    struct io *io = sim_node_io(slow_node);
    struct slow_turn slow = { .timer.fire = sync_in_turn, .io = io };
    EXPECT_OK(io_file_open(io_get_fs(io), "f", IO_OPEN_WRITE | IO_OPEN_CREATE, &slow.file));
    struct alarm_clock mine = { .timer.fire = ring, .io = io };
    struct alarm_clock theirs = { .timer.fire = ring, .io = sim_node_io(other_node) };
    io_timer_arm_after(io, &slow.timer, 100);
    io_timer_arm_after(io, &mine.timer, 300);
    io_timer_arm_after(theirs.io, &theirs.timer, 300);
    sim_world_run_for(world, 10 * second_ns);
    EXPECT(slow.after_ns - slow.before_ns >= second_ns);
    EXPECT(mine.fired_ns >= slow.after_ns);
    EXPECT(theirs.fired_ns < slow.after_ns);
    io_file_unref(slow.file);
    sim_world_free(world);
}

static void note_time(void *context)
{
    struct alarm_clock *a = context;
    a->fired_ns = sim_world_now_ns((struct sim_world *)(void *)a->io);
    a->count++;
}

TEST(sim_world, does_what_is_arranged_from_outside)
{
    struct sim_world *world = sim_world_new(context->seed);
    const int64_t now_ns = sim_world_now_ns(world);
    struct alarm_clock a = { .io = (struct io *)(void *)world };
    sim_world_at(world, now_ns + second_ns, note_time, &a);
    sim_world_at(world, now_ns + 5 * second_ns, note_time, &a);
    sim_world_at(world, now_ns - 5, note_time, &a);
    sim_world_run_for(world, 0);
    EXPECT_EQ(a.count, 1);
    sim_world_run_for(world, 2 * second_ns);
    EXPECT_EQ(a.count, 2);
    EXPECT_EQ(a.fired_ns, now_ns + second_ns);
    sim_world_free(world); /* what is still arranged goes with it */
    sim_world_free(NULL);
}

/* ---- messages -------------------------------------------------------------------------------- */

#define LETTERS 100

struct post_office {
    struct io *loops[3];
    int64_t expected[3]; /* next number from each sender */
    int delivered;
    int dropped;
    struct io_timer start; /* on loop 1 and 2: posts to loop 0 */
};

struct letter {
    struct io_message message;
    struct post_office *office;
    int sender;
    int64_t number;
};

static void letter_deliver(struct io_message *message)
{
    struct letter *letter = CONTAINER_OF(message, struct letter, message);
    EXPECT_EQ(letter->number, letter->office->expected[letter->sender]++);
    letter->office->delivered++;
    mem_free(letter);
}

static void letter_drop(struct io_message *message)
{
    struct letter *letter = CONTAINER_OF(message, struct letter, message);
    letter->office->dropped++;
    mem_free(letter);
}

static void letter_post(struct post_office *office, int sender, int64_t number)
{
    struct letter *letter = MEM_NEW(struct letter);
    *letter = (struct letter){ .message = { .deliver = letter_deliver, .drop = letter_drop },
                               .office = office,
                               .sender = sender,
                               .number = number };
    io_post(office->loops[0], &letter->message);
}

struct writer {
    struct io_timer timer;
    struct post_office *office;
    int sender;
    int64_t next;
};

static void write_letters(struct io_timer *timer)
{
    struct writer *w = CONTAINER_OF(timer, struct writer, timer);
    for (int i = 0; i < 3 && w->next < LETTERS; i++)
        letter_post(w->office, w->sender, w->next++);
    if (w->next < LETTERS)
        io_timer_arm_after(w->office->loops[w->sender], timer, 1);
}

static void post_office_open(struct post_office *office, struct writer writers[3],
                             struct sim_node *node)
{
    *office = (struct post_office){ 0 };
    for (int i = 0; i < 3; i++) {
        office->loops[i] = i == 0 ? sim_node_io(node) : sim_node_add_loop(node);
        writers[i] = (struct writer){ .timer.fire = write_letters, .office = office, .sender = i };
        io_timer_arm_after(office->loops[i], &writers[i].timer, 1);
    }
}

TEST(sim_world, delivers_messages_in_order_of_each_sender)
{
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct sim_world *world = sim_world_new(seed);
        struct post_office office;
        struct writer writers[3];
        post_office_open(&office, writers, sim_node_new(world, "node"));
        sim_world_run_for(world, second_ns);
        EXPECT_EQ(office.delivered, 3 * LETTERS);
        sim_world_free(world);
    }
}

TEST(sim_world, drops_messages_of_a_node_that_has_crashed)
{
    int dropped = 0;
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct sim_world *world = sim_world_new(seed);
        struct sim_node *node = sim_node_new(world, "node");
        struct post_office office;
        struct writer writers[3];
        post_office_open(&office, writers, node);
        sim_world_run_for(world, rng_between(sim_world_rng(world), 5 * NS_PER_MS, 15 * NS_PER_MS));
        sim_node_crash(node, SIM_POWER_LOST);
        const int delivered = office.delivered;
        dropped += office.dropped;
        const int before = office.dropped;
        letter_post(&office, 0, -1);
        EXPECT_EQ(office.dropped, before + 1);
        sim_world_run_for(world, second_ns);
        EXPECT_EQ(office.delivered, delivered);
        sim_world_free(world);
    }
    EXPECT(dropped > 0); /* some were under way */
}

/* ---- jobs ------------------------------------------------------------------------------------ */

struct errand {
    struct io_job job;
    struct io_fs *fs;
    struct ledger *ledger;
    int lane; /* -1: none */
    int number;
    struct sim_node *victim; /* goes down as the errand ends; NULL: none */
};

/* What errands have done, in the order they did it. */
struct ledger {
    int running[3]; /* of each lane, and of none */
    int run_next[2];
    int done_next[2];
    int done;
    int both;  /* times at which two lanes were in the middle of something */
    int mixed; /* calls that came between two of another errand */
    const struct errand *last;
};

static void errand_step(struct errand *errand, const char *path)
{
    struct ledger *ledger = errand->ledger;
    struct io_stat st;
    const int r = io_fs_stat(errand->fs, path, &st);
    EXPECT(r == 0 || r == -ENOENT || r == -EIO);
    ledger->mixed += ledger->last != errand;
    ledger->last = errand;
}

static void errand_run(struct io_job *job)
{
    struct errand *errand = CONTAINER_OF(job, struct errand, job);
    struct ledger *ledger = errand->ledger;
    const int slot = errand->lane < 0 ? 2 : errand->lane;
    if (errand->lane >= 0) {
        EXPECT_EQ(ledger->running[slot], 0);
        EXPECT_EQ(ledger->run_next[slot]++, errand->number);
    }
    ledger->running[slot]++;
    ledger->last = errand;
    for (int i = 0; i < 5; i++) {
        ledger->both += ledger->running[0] > 0 && ledger->running[1] > 0;
        errand_step(errand, "some/file");
    }
    ledger->running[slot]--;
    if (errand->victim != NULL)
        sim_node_crash(errand->victim, SIM_POWER_LOST);
}

static void errand_done(struct io_job *job)
{
    struct errand *errand = CONTAINER_OF(job, struct errand, job);
    if (errand->lane >= 0)
        EXPECT_EQ(errand->ledger->done_next[errand->lane]++, errand->number);
    errand->ledger->done++;
}

TEST(sim_world, runs_jobs_in_lanes_and_lets_them_meet_at_file_calls)
{
    int both = 0, mixed = 0;
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct sim_world *world = sim_world_new(seed);
        struct sim_node *node = sim_node_new(world, "node");
        struct io *io = sim_node_io(node);
        sim_node_set_worker_count(node, 1 + (uint32_t)(seed % 4));
        struct ledger ledger = { 0 };
        struct io_job_queue *lanes[2] = { io_job_queue_new(io), io_job_queue_new(io) };
        struct errand errands[12];
        for (int i = 0; i < 12; i++) {
            errands[i] = (struct errand){ .job = { .run = errand_run, .done = errand_done },
                                          .fs = io_get_fs(io),
                                          .ledger = &ledger,
                                          .lane = i % 3 - 1,
                                          .number = i / 3 };
            io_submit(io, i % 3 == 0 ? NULL : lanes[i % 3 - 1], &errands[i].job);
        }
        EXPECT_EQ(ledger.run_next[0], 0); /* later, never at once */
        sim_world_run_for(world, 10 * second_ns);
        EXPECT_EQ(ledger.done, 12);
        both += ledger.both > 0;
        mixed += ledger.mixed > 0;
        if (seed % 4 == 0)
            EXPECT_EQ(ledger.mixed, 0); /* a single worker */
        io_job_queue_free(io, lanes[0]);
        io_job_queue_free(io, lanes[1]);
        sim_world_free(world);
    }
    EXPECT(both > SEED_COUNT / 4 && mixed > SEED_COUNT / 4);
}

/* The node goes down while jobs are in the middle of something: they run to their end against a dead disk before the
 * owner is told, nothing is done, and no job begins. */
struct downfall {
    struct ledger ledger;
    struct sim_node *node;
    int told;
};

static void on_downfall(void *context)
{
    struct downfall *d = context;
    EXPECT(sim_node_is_down(d->node));
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(d->ledger.running[i], 0);
    d->told++;
}

TEST(sim_world, ends_jobs_when_the_node_goes_down)
{
    int interrupted = 0;
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct sim_world *world = sim_world_new(seed);
        struct sim_node *node = sim_node_new(world, "node");
        struct io *io = sim_node_io(node);
        struct downfall d = { .node = node };
        sim_node_set_on_crash(node, on_downfall, &d);
        struct io_job_queue *lane = io_job_queue_new(io);
        struct errand errands[6];
        for (int i = 0; i < 6; i++) {
            errands[i] = (struct errand){ .job = { .run = errand_run, .done = errand_done },
                                          .fs = io_get_fs(io),
                                          .ledger = &d.ledger,
                                          .lane = i % 2 - 1,
                                          .number = i / 2 };
            io_submit(io, i % 2 == 0 ? NULL : lane, &errands[i].job);
        }
        sim_world_run_for(world, rng_between(sim_world_rng(world), 0, 60000));
        const struct ledger before = d.ledger;
        sim_node_crash(node, SIM_PROCESS_KILLED);
        sim_node_crash(node, SIM_PROCESS_KILLED); /* it is down already */
        EXPECT_EQ(d.told, 1);
        EXPECT_EQ(sim_node_crash_count(node), 1);
        interrupted += before.running[0] + before.running[2] > 0;
        io_submit(io, NULL, &errands[0].job); /* in vain */
        sim_world_run_for(world, second_ns);
        EXPECT_EQ(d.ledger.done, before.done);
        io_job_queue_free(io, lane);
        sim_node_restart(node);
        EXPECT(!sim_node_is_down(node));
        sim_world_free(world);
    }
    EXPECT(interrupted > SEED_COUNT / 4);
}

static void on_downfall_with_jobs(void *context)
{
    struct downfall *d = context;
    sim_node_end_jobs(d->node);
    d->told++;
}

/* An errand that sends the next one when it is done, twice. */
static void errand_done_and_next(struct io_job *job)
{
    struct errand *errand = CONTAINER_OF(job, struct errand, job);
    errand_done(job);
    errand->number += 3;
    if (errand->number < 9)
        io_submit(job->io_, job->queue_, job);
}

/* The owner asks for it: then every job is done, also one that had not begun, and those that follow from it. */
TEST(sim_world, brings_jobs_of_a_node_that_went_down_to_their_ends)
{
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct sim_world *world = sim_world_new(seed);
        struct sim_node *node = sim_node_new(world, "node");
        struct io *io = sim_node_io(node);
        struct downfall d = { .node = node };
        sim_node_set_on_crash(node, on_downfall_with_jobs, &d);
        struct io_job_queue *lane = io_job_queue_new(io);
        struct errand errands[6];
        for (int i = 0; i < 6; i++) {
            errands[i] =
                (struct errand){ .job = { .run = errand_run, .done = errand_done_and_next },
                                 .fs = io_get_fs(io),
                                 .ledger = &d.ledger,
                                 .lane = i % 2 - 1,
                                 .number = i / 2 };
            io_submit(io, i % 2 == 0 ? NULL : lane, &errands[i].job);
        }
        if (seed % 2 == 0) {
            sim_world_run_for(world, rng_between(sim_world_rng(world), 0, 60000));
            sim_node_crash(node, SIM_POWER_LOST);
        } else { /* by a job of the lane: the end of the one before it may not have been told yet */
            errands[3].victim = node;
            sim_world_run_for(world, second_ns);
        }
        EXPECT_EQ(d.told, 1);
        EXPECT_EQ(d.ledger.done, 18);
        EXPECT_EQ(d.ledger.done_next[0], 9);
        io_submit(io, NULL, &errands[0].job); /* in vain */
        sim_world_run_for(world, second_ns);
        EXPECT_EQ(d.ledger.done, 18);
        sim_world_free(world);
    }
}

/* ---- a small node, and its history ----------------------------------------------------------- */

/* It appends numbered records of 8 bytes to a file: writes in its turn, and syncs by a job. What was synced is told
 * to `acknowledged`, which stands outside. */
struct scribe {
    struct io *io;
    struct io_file *file;
    struct io_timer timer;
    struct io_job job;
    bool is_syncing;
    int64_t written; /* records */
    int64_t syncing; /* records that the running sync covers */
    int64_t *acknowledged;
};

static void scribe_sync(struct io_job *job)
{
    struct scribe *s = CONTAINER_OF(job, struct scribe, job);
    const int r = io_file_sync(s->file);
    EXPECT(r == 0 || r == -EIO);
}

static void scribe_synced(struct io_job *job)
{
    struct scribe *s = CONTAINER_OF(job, struct scribe, job);
    *s->acknowledged = s->syncing;
    s->is_syncing = false;
}

static void scribe_tick(struct io_timer *timer)
{
    struct scribe *s = CONTAINER_OF(timer, struct scribe, timer);
    const int64_t record = s->written;
    if (io_file_write(s->file, record * 8, &record, 8) < 0)
        return; /* the node has gone down, or a test has broken its disk */
    s->written++;
    if (!s->is_syncing) {
        s->is_syncing = true;
        s->syncing = s->written;
        io_submit(s->io, NULL, &s->job);
    }
    io_timer_arm_after(s->io, timer, 1);
}

/* Whole records in order, from the start of the file. */
static int64_t scribe_recover(struct io_file *file)
{
    int64_t count = 0;
    int64_t record;
    while (io_file_read(file, count * 8, &record, 8) == 8 && record == count)
        count++;
    return count;
}

static struct scribe *scribe_new(struct io *io, int64_t *acknowledged)
{
    struct scribe *s = MEM_NEW(struct scribe);
    s->io = io;
    s->acknowledged = acknowledged;
    s->timer.fire = scribe_tick;
    s->job.run = scribe_sync;
    s->job.done = scribe_synced;
    struct io_fs *fs = io_get_fs(io);
    int r = io_file_open(fs, "records", IO_OPEN_WRITE | IO_OPEN_CREATE, &s->file);
    if (r == 0)
        r = io_fs_sync_directory(fs, ".");
    if (r == 0) {
        s->written = scribe_recover(s->file);
        r = io_file_truncate(s->file, s->written * 8);
    }
    if (r == 0)
        io_timer_arm_after(io, &s->timer, 1);
    return s;
}

static void scribe_free(struct scribe *s)
{
    io_timer_cancel(s->io, &s->timer);
    io_file_unref(s->file);
    mem_free(s);
}

struct life {
    struct sim_world *world;
    struct sim_node *node;
    struct scribe *scribe;
    int64_t acknowledged;
    int lives;
};

static void life_begin(void *context)
{
    struct life *life = context;
    sim_node_restart(life->node);
    life->scribe = scribe_new(sim_node_io(life->node), &life->acknowledged);
    if (!sim_node_is_down(life->node)) /* what was acknowledged is there again */
        EXPECT(life->scribe->written >= life->acknowledged);
    life->lives++;
}

static void life_end(void *context)
{
    struct life *life = context;
    scribe_free(TAKE(life->scribe));
    struct rng *rng = sim_world_rng(life->world);
    const int64_t pause_ns = rng_between(rng, 0, second_ns);
    sim_world_at(life->world, sim_world_now_ns(life->world) + pause_ns, life_begin, life);
    sim_disk_crash_at(sim_node_disk(life->node), 1 + rng_below(rng, 100),
                      rng_below(rng, 4) == 0 ? SIM_PROCESS_KILLED : SIM_POWER_LOST);
}

/* Many lives of one node, each of which ends in the middle of a file call. Answers the trace. */
static uint64_t run_lives(uint64_t seed, int *out_lives, int64_t *out_acknowledged)
{
    struct life life = { .world = sim_world_new(seed) };
    life.node = sim_node_new(life.world, "scribe");
    sim_node_set_on_crash(life.node, life_end, &life);
    sim_disk_crash_at(sim_node_disk(life.node), 1 + seed % 50, SIM_POWER_LOST);
    life_begin(&life);
    sim_world_run_for(life.world, 10 * second_ns);
    sim_node_set_on_crash(life.node, NULL, NULL);
    sim_node_crash(life.node,
                   SIM_POWER_LOST); /* its job may be running: then it cannot just be freed */
    if (life.scribe != NULL)
        scribe_free(life.scribe);
    const uint64_t trace = sim_world_trace(life.world) ^ sim_disk_digest(sim_node_disk(life.node));
    *out_lives = life.lives;
    *out_acknowledged = life.acknowledged;
    sim_world_free(life.world);
    return trace;
}

TEST(sim_world, keeps_what_was_synced_through_many_lives)
{
    int lives = 0;
    int64_t acknowledged = 0;
    for (uint64_t seed = 0; seed < SEED_COUNT / 4; seed++) {
        int its_lives;
        int64_t its_acknowledged;
        (void)run_lives(seed, &its_lives, &its_acknowledged);
        lives += its_lives;
        acknowledged += its_acknowledged;
    }
    EXPECT(lives > SEED_COUNT / 4 * 5);
    EXPECT(acknowledged > SEED_COUNT / 4 * 200);
}

/* One seed, one history: also with memory laid out otherwise. */
TEST(sim_world, replays_a_seed)
{
    for (uint64_t seed = 0; seed < 10; seed++) {
        int lives[2];
        int64_t acknowledged[2];
        const uint64_t first = run_lives(seed, &lives[0], &acknowledged[0]);
        void *blocks[50];
        for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
            blocks[i] = mem_alloc(i * 37 + 1);
        const uint64_t second = run_lives(seed, &lives[1], &acknowledged[1]);
        for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
            mem_free(blocks[i]);
        EXPECT(first == second);
        EXPECT_EQ(lives[0], lives[1]);
        EXPECT_EQ(acknowledged[0], acknowledged[1]);
        EXPECT(first != run_lives(seed + 100, &lives[1], &acknowledged[1]));
    }
}

static void count_line(void *context, int64_t now_ns, const char *text)
{
    EXPECT(now_ns > 0 && text[0] != '\0');
    ++*(int *)context;
}

TEST(sim_world, tells_its_history_in_words)
{
    struct sim_world *world = sim_world_new(context->seed);
    int lines = 0;
    sim_world_set_log(world, count_line, &lines);
    const uint64_t before = sim_world_trace(world);
    sim_world_mark(world, "begin", 1, 2);
    EXPECT_EQ(lines, 1);
    EXPECT(sim_world_trace(world) != before);
    sim_world_free(world);
}

TEST(sim_world, has_only_so_many_descriptors)
{
    struct sim_world *world = sim_world_new(context->seed);
    struct sim_node *node = sim_node_new(world, "node");
    sim_node_set_descriptor_max(node, 2);
    struct io_fs *fs = io_get_fs(sim_node_io(node));
    struct io_file *files[3] = { NULL };
    EXPECT_OK(io_file_open(fs, "a", IO_OPEN_WRITE | IO_OPEN_CREATE, &files[0]));
    EXPECT_OK(io_file_open(fs, "b", IO_OPEN_WRITE | IO_OPEN_CREATE, &files[1]));
    EXPECT_ERR(io_file_open(fs, "c", IO_OPEN_WRITE | IO_OPEN_CREATE, &files[2]), EMFILE);
    io_file_unref(files[0]);
    EXPECT_OK(io_file_open(fs, "c", IO_OPEN_WRITE | IO_OPEN_CREATE, &files[2]));
    io_file_unref(files[1]);
    io_file_unref(files[2]);
    sim_world_free(world);
}
