/* The server value: what its parts share, and the two halves of a turn's end. */
#include "server/server_int.h"

#include "base/mem.h"

#define POOL_KEPT_BYTES_MAX (16u << 20)

static void on_deadlines(struct io_timer *timer)
{
    connection_check_deadlines(CONTAINER_OF(timer, struct server, deadlines));
}

/* The turn that this makes is all that is wanted. */
static void on_again(struct io_timer *timer)
{
    (void)timer;
}

static void on_step(struct io_timer *timer)
{
    steps_take_turn(CONTAINER_OF(timer, struct server, step));
}

int server_new(struct shard *shard, const struct server_limits *limits, struct server **out)
{
    struct server *server = MEM_NEW(struct server);
    server->shard = shard;
    server->limits = *limits;
    server->deadlines.fire = on_deadlines;
    server->again.fire = on_again;
    server->step.fire = on_step;
    list_init(&server->listeners);
    list_init(&server->connections);
    list_init(&server->resume);
    list_init(&server->sending);
    list_init(&server->frames);
    list_init(&server->starved);
    for (int purse = 0; purse < PURSE_COUNT; purse++)
        list_init(&server->crowded[purse]);
    for (int purse = 0; purse < PURSE_COUNT; purse++)
        list_init(&server->stepping[purse]);
    list_init(&server->ending);
    list_init(&server->free_requests);
    map_init(&server->connections_by_host, shard->hash_seed);
    shared_pool_init(&server->pool, POOL_KEPT_BYTES_MAX);
    *out = server;
    return 0;
}

void server_stop_accepting(struct server *server)
{
    LIST_FOR_EACH(&server->listeners, link)
    listener_stop(LIST_ENTRY(link, struct server_listener, link));
}

bool server_is_idle(const struct server *server)
{
    return server->request_count == 0 && list_is_empty(&server->sending);
}

void server_close(struct server *server)
{
    if (server == NULL)
        return;
    io_timer_cancel(server->shard->io, &server->deadlines);
    io_timer_cancel(server->shard->io, &server->again);
    while (!list_is_empty(&server->connections))
        connection_close(LIST_ENTRY(server->connections.next, struct connection, link));
    steps_end_all(server);
    while (!list_is_empty(&server->listeners))
        listener_free(LIST_ENTRY(server->listeners.next, struct server_listener, link));
}

void server_free(struct server *server)
{
    if (server == NULL)
        return;
    server_close(server);
    pipeline_deinit(server);
    map_deinit(&server->connections_by_host);
    shared_unref(server->landing.shared);
    shared_pool_deinit(&server->pool);
    mem_free(server);
}

void server_set_limits(struct server *server, const struct server_limits *limits)
{
    server->limits = *limits;
    listener_on_limits(server);
}

bool server_resume(struct server *server)
{
    bool has_started = false;
    struct list *link;
    while ((link = list_pop_front(&server->resume)) != NULL)
        has_started |= connection_resume(LIST_ENTRY(link, struct connection, resume_link));
    return has_started;
}

bool server_send(struct server *server)
{
    /* A connection that cannot take more leaves the list and comes back when it is writable. */
    struct list *link;
    while ((link = list_pop_front(&server->sending)) != NULL)
        connection_send(LIST_ENTRY(link, struct connection, send_link));
    connection_unstarve(server);
    connection_uncrowd(server);
    steps_make_turn(server);
    if (list_is_empty(&server->resume))
        return false;
    io_timer_arm_after(server->shard->io, &server->again, 0);
    return true;
}

const struct server_counters *server_counters(const struct server *server)
{
    return &server->counters;
}

uint32_t server_connection_count(const struct server *server)
{
    return server->connection_count;
}

static uint32_t length(const struct list *list)
{
    uint32_t count = 0;
    LIST_FOR_EACH(list, link)
    count++;
    return count;
}

void server_tell(const struct server *server)
{
    const struct server_counters *counters = &server->counters;
    const struct diag *diag = server->shard->diag;
    DIAG_INFO(diag, "server",
              "%u connections (%" PRIu64 " since the start, %" PRIu64
              " closed for what came on them), %u requests in flight (%" PRIu64 " since the start)",
              server->connection_count, counters->connections_accepted, counters->requests_refused,
              server->request_count, counters->requests);
    DIAG_INFO(
        diag, "server",
        "%zu bytes of requests in memory (limit %zu), %u incomplete, %u connections wait to be "
        "read; %zu bytes of answers are not read, %u requests wait for that",
        server->pool.lent_bytes, server->limits.memory_bytes_max, length(&server->frames),
        length(&server->starved), server->out_bytes,
        length(&server->crowded[PURSE_SMALL]) + length(&server->crowded[PURSE_LARGE]));
}
