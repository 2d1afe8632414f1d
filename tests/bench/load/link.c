/* See link.h. */
#include "link.h"

#include "base/be.h"
#include "base/err.h"
#include "base/mem.h"
#include "wire/api.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define EVENTS_A_WAIT     512
#define SPARE_DESCRIPTORS 64
#define LATE_AFTER_NS     (8 * NS_PER_SECOND) /* the first of them, and the last so much later */
#define LATE_SPREAD_NS    (4 * NS_PER_SECOND)
#define LOOK_EVERY_NS     (100 * NS_PER_MS)

/* ApiVersions, version 0, without a client id; as good a greeting as any. */
static uint8_t hello_bytes[] = { 0, 0, 0, 10, 0, API_API_VERSIONS, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
static const struct link_frame hello = { .bytes = hello_bytes, .size = sizeof(hello_bytes) };

static void watch(struct link *link, int32_t index, int how, bool wants_output)
{
    struct epoll_event event = { .events = EPOLLIN | (wants_output ? EPOLLOUT : 0) };
    event.data.u32 = (uint32_t)index;
    if (epoll_ctl(link->epoll, how, link->fd, &event) < 0)
        load_fail("epoll_ctl: %s", err_sentence(-errno));
    link->wants_output = wants_output;
}

static void start_connecting(struct link *link, int32_t index, const struct load_options *options)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(options->port) };
    if (inet_pton(AF_INET, options->host, &address.sin_addr) != 1)
        load_fail("%s is no IPv4 address", options->host);
    link->late_ns = load_now_ns() + LATE_AFTER_NS + LATE_SPREAD_NS * index / options->connections;
    link->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    if (link->fd < 0 || setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
        load_fail("socket: %s", err_sentence(-errno));
    if (connect(link->fd, (struct sockaddr *)&address, sizeof(address)) < 0 && errno != EINPROGRESS)
        load_fail("connect: %s", err_sentence(-errno));
    watch(link, index, EPOLL_CTL_ADD, true);
}

static void raise_descriptor_limit(int32_t count)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* looked at below */
    }
    if (limit.rlim_cur < (rlim_t)count + SPARE_DESCRIPTORS)
        load_fail("%d connections need more descriptors than the limit of %ju", count,
                  (uintmax_t)limit.rlim_cur);
}

struct greeting {
    const struct load_options *options;
    struct links *links;
    int32_t greeted_count;
};

/* 0, also when there is nothing; or why nothing more will come. */
static int receive(struct link *link)
{
    ASSERT(link->answer_size < link->answer_size_max);
    const ssize_t n = recv(link->fd, link->answer + link->answer_size,
                           link->answer_size_max - link->answer_size, 0);
    if (n > 0)
        link->answer_size += (size_t)n;
    return n > 0 || (n < 0 && errno == EAGAIN) ? 0 : n < 0 ? -errno : -ECONNRESET;
}

/* Behind a full backlog the kernel takes connections that the broker never sees, and forgets them later: a client
 * would connect again, so this does. */
static void connect_again(struct greeting *greeting, int32_t index)
{
    struct link *link = &greeting->links->items[index];
    (void)close(link->fd); /* a socket has nothing to tell at its close */
    link->frame = NULL;
    link->sent_bytes = 0;
    link->answer_size = 0;
    greeting->greeted_count -= link->is_greeted;
    link->is_greeted = false;
    greeting->links->again_count++;
    start_connecting(link, index, greeting->options);
}

static void connect_late_ones_again(struct greeting *greeting)
{
    const int64_t now_ns = load_now_ns();
    for (int32_t i = 0; i < greeting->links->count; i++) {
        const struct link *link = &greeting->links->items[i];
        if (!link->is_greeted && link->late_ns <= now_ns)
            connect_again(greeting, i);
    }
}

static void on_greeting_event(void *context, int32_t index, bool can_read, bool can_write)
{
    struct greeting *greeting = context;
    struct link *link = &greeting->links->items[index];
    if (can_read && receive(link) == -ECONNRESET) {
        connect_again(greeting, index);
        return;
    }
    if (can_write && link->wants_output) {
        (void)link_send(link, link->sent_bytes == 0 ? &hello : NULL, -1);
        watch(link, index, EPOLL_CTL_MOD, link->frame != NULL);
    }
    size_t at = 0;
    struct bytes answer;
    if (!link_next_answer(link, &at, &answer))
        return;
    link_consume(link, at);
    link->is_greeted = true;
    link->sent_bytes = 0;
    greeting->greeted_count++;
}

void links_open(struct links *links, const struct load_options *options, size_t answer_bytes_max)
{
    if (options->host == NULL)
        load_fail("--broker HOST:PORT is needed");
    raise_descriptor_limit(options->connections);
    *links = (struct links){ .count = options->connections };
    links->items = MEM_NEW_ARRAY(struct link, (size_t)options->connections);
    links->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (links->epoll < 0)
        load_fail("epoll_create1: %s", err_sentence(-errno));
    const int64_t start_ns = load_now_ns();
    for (int32_t i = 0; i < links->count; i++) {
        struct link *link = &links->items[i];
        link->epoll = links->epoll;
        link->answer_size_max = answer_bytes_max;
        link->answer = mem_alloc(answer_bytes_max);
        start_connecting(link, i, options);
    }
    struct greeting greeting = { .options = options, .links = links };
    while (greeting.greeted_count < links->count) {
        links_wait(links, LOOK_EVERY_NS, on_greeting_event, &greeting);
        connect_late_ones_again(&greeting);
    }
    links->connect_seconds = (double)(load_now_ns() - start_ns) / NS_PER_SECOND;
}

void links_close(struct links *links)
{
    for (int32_t i = 0; i < links->count; i++) {
        (void)close(links->items[i].fd); /* a socket has nothing to tell at its close */
        mem_free(links->items[i].answer);
    }
    (void)close(links->epoll); /* nor an epoll set */
    mem_free(links->items);
}

void links_wait(struct links *links, int64_t wait_ns,
                void (*on_event)(void *context, int32_t index, bool can_read, bool can_write),
                void *context)
{
    struct epoll_event events[EVENTS_A_WAIT];
    const struct timespec wait = { .tv_sec = wait_ns / NS_PER_SECOND,
                                   .tv_nsec = wait_ns % NS_PER_SECOND };
    const int n =
        epoll_pwait2(links->epoll, events, EVENTS_A_WAIT, wait_ns < 0 ? NULL : &wait, NULL);
    if (n < 0 && errno != EINTR)
        load_fail("epoll_pwait2: %s", err_sentence(-errno));
    for (int i = 0; i < n; i++)
        on_event(context, (int32_t)events[i].data.u32,
                 (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0,
                 (events[i].events & EPOLLOUT) != 0);
}

bool link_send(struct link *link, const struct link_frame *frame, int32_t correlation_id)
{
    if (frame != NULL) {
        ASSERT(link->frame == NULL);
        link->frame = frame;
        link->sent_bytes = 0;
        memcpy(link->head, frame->bytes, LINK_HEAD_BYTES);
        be_store_u32(link->head + LINK_HEAD_BYTES - 4, (uint32_t)correlation_id);
    }
    while (link->frame != NULL) {
        const size_t head = MIN(link->sent_bytes, (size_t)LINK_HEAD_BYTES);
        const size_t body = MAX(link->sent_bytes, (size_t)LINK_HEAD_BYTES);
        struct iovec parts[] = {
            { .iov_base = link->head + head, .iov_len = LINK_HEAD_BYTES - head },
            { .iov_base = link->frame->bytes + body, .iov_len = link->frame->size - body },
        };
        struct msghdr message = { .msg_iov = parts, .msg_iovlen = ARRAY_LEN(parts) };
        const ssize_t n = sendmsg(link->fd, &message, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n < 0)
            load_fail("send: %s", err_sentence(-errno));
        link->sent_bytes += (size_t)n;
        if (link->sent_bytes == link->frame->size)
            link->frame = NULL;
    }
    return true;
}

void link_watch_output(struct links *links, int32_t index)
{
    struct link *link = &links->items[index];
    if (link->wants_output != (link->frame != NULL))
        watch(link, index, EPOLL_CTL_MOD, link->frame != NULL);
}

void link_receive(struct link *link)
{
    const int r = receive(link);
    if (r < 0)
        load_fail("recv: %s", err_sentence(r));
}

bool link_next_answer(const struct link *link, size_t *at, struct bytes *out)
{
    const size_t have = link->answer_size - *at;
    if (have < 4)
        return false;
    const size_t size = be_load_u32(link->answer + *at);
    if (size < 4 || size > link->answer_size_max - 4)
        load_fail("an answer of %zu bytes", size);
    if (have - 4 < size)
        return false;
    *out = bytes_from(link->answer + *at + 4, size);
    *at += 4 + size;
    return true;
}

void link_consume(struct link *link, size_t at)
{
    link->answer_size -= at;
    memmove(link->answer, link->answer + at, link->answer_size);
}
