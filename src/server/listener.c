/* Named listeners: where connections come from, and how many may come. */
#include "server/server_int.h"

#include "base/mem.h"

#include <string.h>

#define FULL_TOLD_EVERY_NS (60 * NS_PER_SECOND)

const char *listener_name(const struct server_listener *listener)
{
    return listener->name;
}

enum api_listener listener_kind(const struct server_listener *listener)
{
    return listener->kind;
}

/* Where there are as many connections as may be, clients wait; the controller must be reached whatever they do. */
static void update_pause(struct server_listener *listener)
{
    const bool is_full = listener->server->is_paused && listener->kind == API_ON_BROKER;
    if (listener->io_listener != NULL)
        io_listener_pause(listener->io_listener, listener->is_held || is_full);
}

static void pause_listeners(struct server *server, bool is_paused)
{
    server->is_paused = is_paused;
    LIST_FOR_EACH(&server->listeners, link)
    update_pause(LIST_ENTRY(link, struct server_listener, link));
}

void server_accept(struct server *server, enum api_listener kind)
{
    LIST_FOR_EACH(&server->listeners, link)
    {
        struct server_listener *listener = LIST_ENTRY(link, struct server_listener, link);
        if (listener->kind == kind)
            listener->is_held = false;
        update_pause(listener);
    }
}

static uint32_t connections_max(const struct server *server)
{
    return MIN(server->limits.connection_count_max, server->limits.socket_count_max);
}

/* Not each time: connections that come and go at the maximum would fill the log. */
static void tell_full(struct server *server)
{
    const int64_t now_ns = io_monotonic_ns(server->shard->io);
    if (server->full_told_ns != 0 && now_ns - server->full_told_ns < FULL_TOLD_EVERY_NS)
        return;
    server->full_told_ns = now_ns;
    const struct server_limits *limits = &server->limits;
    if (limits->connection_count_max <= limits->socket_count_max)
        DIAG_WARN(server->shard->diag, "server",
                  "%u connections are open, max.connections=%u: new ones wait",
                  server->connection_count, limits->connection_count_max);
    else
        DIAG_WARN(
            server->shard->diag, "server",
            "%u connections are open, and the limit of open files (ulimit -n) leaves room for "
            "%u: new ones wait",
            server->connection_count, limits->socket_count_max);
}

/* As Apache Kafka: whoever comes above max.connections waits until another has gone. */
static void pause_if_full(struct server *server)
{
    if (server->is_paused || server->connection_count < connections_max(server))
        return;
    tell_full(server);
    pause_listeners(server, true);
}

static void resume_if_room(struct server *server)
{
    if (server->is_paused && server->connection_count < connections_max(server))
        pause_listeners(server, false);
}

void listener_on_closed(struct server *server, const char *host)
{
    map_tally_drop(&server->connections_by_host, bytes_from_text(host));
    resume_if_room(server);
}

void listener_on_limits(struct server *server)
{
    resume_if_room(server);
    pause_if_full(server);
}

static void on_accept(void *context, struct io_socket *socket, const struct io_address *peer)
{
    struct server_listener *listener = context;
    struct server *server = listener->server;
    const struct bytes host = bytes_from_text(peer->host);
    const uintptr_t from_host = map_tally(&server->connections_by_host, host);

    server->counters.connections_accepted++;
    if (from_host >= server->limits.connection_count_max_per_ip) {
        DIAG_WARN(
            server->shard->diag, "server",
            "connection from %s:%u refused: %zu of this host are open, max.connections.per.ip=%u",
            peer->host, peer->port, (size_t)from_host, server->limits.connection_count_max_per_ip);
        io_socket_close(socket);
        return;
    }
    map_tally_add(&server->connections_by_host, host);
    connection_open(listener, socket, peer);
    pause_if_full(server);
}

int server_listen(struct server *server, const struct listener_params *params,
                  struct err_note *note)
{
    struct server_listener *listener = MEM_NEW(struct server_listener);
    *listener = (struct server_listener){ .server = server,
                                          .name = mem_strdup(params->name),
                                          .kind = params->kind,
                                          .is_held = params->is_held };

    const struct io_listener_owner owner = { .on_accept = on_accept, .context = listener };
    const int backlog = MAX(server->limits.backlog, LISTEN_BACKLOG_MIN);
    const int r = io_listen(server->shard->io, params->host, params->port, backlog, &owner,
                            &listener->io_listener, note);
    if (r < 0) {
        mem_free(listener->name);
        mem_free(listener);
        return err_note_prefix(note, r, "listener %s", params->name);
    }
    list_push_back(&server->listeners, &listener->link);
    update_pause(listener);
    pause_if_full(server);
    return 0;
}

void listener_stop(struct server_listener *listener)
{
    io_listener_close(TAKE(listener->io_listener));
}

void listener_free(struct server_listener *listener)
{
    list_remove(&listener->link);
    listener_stop(listener);
    mem_free(listener->name);
    mem_free(listener);
}

uint16_t server_listener_port(const struct server *server, const char *name)
{
    LIST_FOR_EACH(&server->listeners, link)
    {
        const struct server_listener *listener = LIST_ENTRY(link, struct server_listener, link);
        if (listener->io_listener != NULL && strcmp(listener->name, name) == 0) {
            struct io_address address;
            io_listener_address(listener->io_listener, &address);
            return address.port;
        }
    }
    return 0;
}
