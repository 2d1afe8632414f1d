/* A simulated loop: its present, its timers, its mail, and the order of a turn.
 *
 *     something is there ->  turn event, a little later  ->  sockets, listeners, timers, messages in any order
 *                                                            -> the turn's end
 *
 * The real loop has one order of these; code must not depend on it, so here it is drawn for each turn.
 */
#include "base/mem.h"
#include "sim/net_int.h"
#include "sim/world_int.h"

#include <errno.h>

/* A message under way. */
struct mail {
    struct list link;
    int64_t arrival_ns;
    struct io_message *message;
};

static struct sim_world *world_of(const struct sim_loop *loop)
{
    return loop->node->world;
}

/* ---- time and chance ------------------------------------------------------------------------- */

int64_t sim__loop_now_ns(const struct sim_loop *loop)
{
    return MAX(loop->present_ns, world_of(loop)->now_ns);
}

static int64_t loop_monotonic_ns(struct io *io)
{
    return sim__loop_now_ns(sim__loop_of(io));
}

static int64_t loop_now_ms(struct io *io)
{
    return sim__node_now_ms(sim__loop_of(io)->node);
}

static void loop_random(struct io *io, void *out, size_t size_bytes)
{
    rng_fill(&sim__loop_of(io)->node->rng, out, size_bytes);
}

void sim__loop_want_turn(struct sim_loop *loop, int64_t time_ns)
{
    /* At the end of a turn all that is wanted is looked at. The end of time never comes. */
    if (loop->is_dead || loop->in_turn || time_ns == INT64_MAX)
        return;
    struct sim_world *world = world_of(loop);
    time_ns = MAX(time_ns, sim__loop_now_ns(loop));
    if (io_timer_is_armed(&loop->turn) && loop->turn.deadline_ns <= time_ns)
        return;
    const int64_t late_ns = sim__draw(world, loop->node->pace.wake);
    const int64_t turn_ns = time_ns > INT64_MAX - late_ns ? INT64_MAX : time_ns + late_ns;
    if (!io_timer_is_armed(&loop->turn) || turn_ns < loop->turn.deadline_ns)
        sim__schedule(world, &loop->turn, turn_ns);
}

static void loop_timer_arm(struct io *io, struct io_timer *timer, int64_t deadline_ns)
{
    struct sim_loop *loop = sim__loop_of(io);
    if (loop->is_dead)
        return;
    timer_heap_arm(&loop->timers, timer, deadline_ns);
    sim__loop_want_turn(loop, deadline_ns);
}

static void loop_timer_cancel(struct io *io, struct io_timer *timer)
{
    timer_heap_cancel(&sim__loop_of(io)->timers, timer);
}

static void loop_on_turn_end(struct io *io, void (*turn_end)(void *context), void *context)
{
    sim__loop_of(io)->turn_end = turn_end;
    sim__loop_of(io)->turn_end_context = context;
}

/* ---- mail ------------------------------------------------------------------------------------ */

static void mail_insert(struct sim_loop *loop, struct mail *mail)
{
    struct list *before = loop->mail.prev;
    while (before != &loop->mail &&
           LIST_ENTRY(before, struct mail, link)->arrival_ns > mail->arrival_ns)
        before = before->prev;
    list_push_front(before, &mail->link); /* right behind it */
}

static void mail_send(struct sim_loop *loop, struct io_message *message, int64_t arrival_ns)
{
    struct mail *mail = MEM_NEW(struct mail);
    mail->message = message;
    mail->arrival_ns = arrival_ns;
    mail_insert(loop, mail);
    sim__loop_want_turn(loop, arrival_ns);
}

static void loop_post(struct io *to, struct io_message *message)
{
    struct sim_loop *loop = sim__loop_of(to);
    struct sim_world *world = world_of(loop);
    const struct sim_loop *sender = world->running;
    if (loop->is_dead) {
        if (message->drop != NULL)
            message->drop(message);
        return;
    }
    ASSERT(sender == NULL || sender->node == loop->node); /* nodes share nothing but the network */
    const size_t from = sender == NULL ? SIM_LOOPS_MAX : sender->index;
    const int64_t late_ns = sim__draw(world, loop->node->pace.wake);
    int64_t *last_ns = &loop->last_arrival_ns[from];
    *last_ns = MAX(*last_ns, sim__present_ns(world) + late_ns); /* in order from one sender */
    mail_send(loop, message, *last_ns);
}

void sim__loop_mail(struct sim_loop *loop, struct io_message *message)
{
    /* The ends of jobs come in their order too: as from a sender of their own. */
    int64_t *last_ns = &loop->last_arrival_ns[SIM_LOOPS_MAX];
    *last_ns =
        MAX(*last_ns, world_of(loop)->now_ns + sim__draw(world_of(loop), loop->node->pace.wake));
    mail_send(loop, message, *last_ns);
}

/* Ends of jobs have no drop: their memory is the submitter's. */
void sim__loop_drop_mail(struct sim_loop *loop)
{
    for (struct list *link; (link = list_pop_front(&loop->mail)) != NULL;) {
        struct mail *mail = LIST_ENTRY(link, struct mail, link);
        if (!sim__job_keep_end(loop->node, mail->message) && mail->message->drop != NULL)
            mail->message->drop(mail->message);
        mem_free(mail);
    }
}

static struct mail *next_mail(const struct sim_loop *loop)
{
    return list_is_empty(&loop->mail) ? NULL : LIST_ENTRY(loop->mail.next, struct mail, link);
}

/* ---- turns ----------------------------------------------------------------------------------- */

static void turn_mail(struct sim_loop *loop)
{
    const int64_t until_ns = loop->present_ns;
    while (!loop->is_dead) {
        struct mail *mail = next_mail(loop);
        if (mail == NULL || mail->arrival_ns > until_ns)
            return;
        struct io_message *message = mail->message;
        list_remove(&mail->link);
        mem_free(mail);
        sim__trace(world_of(loop), SIM_TRACE_MESSAGE, loop->id, 0);
        message->deliver(message);
    }
}

static void turn_timers(struct sim_loop *loop)
{
    loop->timers.floor_ns = MAX(loop->timers.floor_ns, loop->present_ns);
    const uint64_t sequence_end = loop->timers.next_sequence;
    const int64_t until_ns = loop->present_ns;
    struct io_timer *timer;
    int64_t count = 0;
    while (!loop->is_dead &&
           (timer = timer_heap_pop(&loop->timers, until_ns, sequence_end)) != NULL) {
        count++;
        timer->fire(timer);
    }
    if (count > 0)
        sim__trace(world_of(loop), SIM_TRACE_TIMERS, loop->id, count);
}

static void (*const turn_parts[])(struct sim_loop *loop) = {
    sim__turn_sockets,
    sim__turn_listeners,
    turn_timers,
    turn_mail,
};

static void want_next_turn(struct sim_loop *loop)
{
    int64_t next_ns = timer_heap_next_ns(&loop->timers);
    const struct mail *mail = next_mail(loop);
    if (mail != NULL)
        next_ns = MIN(next_ns, mail->arrival_ns);
    if (!list_is_empty(&loop->ready) || sim__listeners_are_ready(loop))
        next_ns = MIN(next_ns, loop->present_ns);
    if (next_ns != INT64_MAX)
        sim__loop_want_turn(loop, next_ns);
}

static void turn(struct sim_loop *loop)
{
    struct sim_world *world = world_of(loop);
    loop->present_ns = sim__loop_now_ns(loop) + sim__draw(world, loop->node->pace.turn);
    sim__trace(world, SIM_TRACE_TURN, loop->id, loop->present_ns);
    size_t order[ARRAY_LEN(turn_parts)];
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        const size_t k = (size_t)rng_below(&world->rng, i + 1);
        order[i] = order[k];
        order[k] = i;
    }
    for (size_t i = 0; i < ARRAY_LEN(order) && !loop->is_dead; i++)
        turn_parts[order[i]](loop);
    if (loop->turn_end != NULL && !loop->is_dead)
        loop->turn_end(loop->turn_end_context);
}

static void on_turn(struct io_timer *event)
{
    struct sim_loop *loop = CONTAINER_OF(event, struct sim_loop, turn);
    struct sim_world *world = world_of(loop);
    if (loop->present_ns > world->now_ns) { /* still busy with the last one */
        sim__schedule(world, event, loop->present_ns);
        return;
    }
    world->running = loop;
    loop->in_turn = true;
    turn(loop);
    loop->in_turn = false;
    world->running = NULL;
    sim__sockets_free_closed(loop);
    if (!loop->is_dead)
        want_next_turn(loop);
}

/* ---- beginning and end ----------------------------------------------------------------------- */

static const struct io_ops loop_ops = {
    .now_ms = loop_now_ms,
    .monotonic_ns = loop_monotonic_ns,
    .random = loop_random,
    .timer_arm = loop_timer_arm,
    .timer_cancel = loop_timer_cancel,
    .on_turn_end = loop_on_turn_end,
    .post = loop_post,
    .submit = sim__job_submit,
    .job_queue_new = sim__job_queue_new,
    .job_queue_free = sim__job_queue_free,
    .listen = sim__listen,
    .connect = sim__connect,
};

struct sim_loop *sim__loop_new(struct sim_node *node)
{
    struct sim_loop *loop = MEM_NEW(struct sim_loop);
    loop->base = (struct io){ .ops = &loop_ops, .fs = sim_disk_fs(node->disk) };
    loop->node = node;
    loop->index = node->loops.count;
    loop->id = node->id * 100 + (int64_t)loop->index;
    loop->turn.fire = on_turn;
    timer_heap_init(&loop->timers);
    struct list *const lists[] = { &loop->mail,   &loop->lanes, &loop->sockets,
                                   &loop->closed, &loop->ready, &loop->listeners };
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        list_init(lists[i]);
    return loop;
}

void sim__loop_free(struct sim_loop *loop)
{
    loop->is_dead = true;
    sim__unschedule(world_of(loop), &loop->turn);
    sim__net_free(loop);
    sim__loop_drop_mail(loop);
    sim__lanes_free(loop);
    timer_heap_deinit(&loop->timers);
    mem_free(loop);
}
