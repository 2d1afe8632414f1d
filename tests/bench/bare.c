/* The floor: the system calls that a broker cannot do without, and nothing else.
 *
 *     bench_bare PORT FILE write [crc]          what comes in one turn of the loop goes to the file by one pwritev,
 *                                               then every request gets an answer; crc: of each request's bytes
 *     bench_bare PORT FILE send ANSWER_BYTES    every request is answered by the next so many bytes of the file, by
 *                                               sendfile; the file was written in pieces, as a log is, and goes round
 *
 * It understands no more of a request than its size and correlation id. Ends when its standard input does.
 */
#include "base/be.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "wire/crc32c.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define EVENTS_A_TURN     256
#define WINDOW_BYTES      (4u << 20) /* more than the largest request */
#define RECEIVE_BYTES_MIN (64u << 10)
#define ANSWER_BYTES      60   /* about as many as a Produce answer has */
#define ANSWERS_MAX       1024 /* of one connection in one turn */
#define WRITE_PARTS_MAX   EVENTS_A_TURN
#define FILE_BYTES        (1 << 30)
#define PIECE_BYTES       100997 /* a batch of 100 records of 1 KB */

struct link {
    int fd;
    uint8_t *window;
    size_t size; /* bytes in the window */
    size_t done; /* of them: of whole requests, answered at the turn's end */
    uint8_t answers[ANSWERS_MAX * ANSWER_BYTES];
    size_t answer_bytes;
    size_t region_left; /* send: bytes of the file still to go */
    bool is_blocked;    /* of them, the socket takes no more now */
};

struct bare {
    int epoll;
    int listener;
    int file;
    int64_t file_position;
    bool has_crc;
    size_t region_bytes; /* 0: the writing kind */
    uint32_t crcs;       /* so that they are not computed for nothing */
    struct link **busy;  /* of this turn */
    int busy_count;
};

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "bench_bare: %s: %s\n", what, err_sentence(-errno));
        exit(1);
    }
}

static int64_t number(const char *text, int64_t max)
{
    int64_t n = 0;
    must(bytes_to_i64(bytes_from_text(text), &n) == 0 && n > 0 && n <= max, text);
    return n;
}

static void watch(const struct bare *bare, int fd, void *what, int how, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = what };
    must(epoll_ctl(bare->epoll, how, fd, &event) == 0, "epoll_ctl");
}

static void accept_one(const struct bare *bare)
{
    struct link *link = MEM_NEW(struct link);
    link->fd = accept4(bare->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    must(link->fd >= 0, "accept");
    link->window = mem_alloc(WINDOW_BYTES);
    watch(bare, link->fd, link, EPOLL_CTL_ADD, EPOLLIN);
}

static void close_link(struct link *link)
{
    (void)close(link->fd); /* a socket has nothing to tell at its close */
    mem_free(link->window);
    mem_free(link);
}

/* ---- what a turn brings ---------------------------------------------------------------------- */

static void add_answer(struct link *link, const uint8_t *request, size_t size_bytes)
{
    must(link->answer_bytes + ANSWER_BYTES <= sizeof(link->answers), "too many requests at once");
    uint8_t *answer = link->answers + link->answer_bytes;
    memset(answer, 0, ANSWER_BYTES);
    be_store_u32(answer, (uint32_t)(size_bytes - 4));
    memcpy(answer + 4, request + 8, 4); /* the correlation id */
}

/* Not past the end of a large request, so that none has to be moved. */
static size_t receive_bytes(const struct link *link)
{
    size_t missing = 0;
    if (link->size >= 4)
        missing = 4 + (size_t)be_load_u32(link->window) - link->size;
    return MIN(MAX(missing, (size_t)RECEIVE_BYTES_MIN), WINDOW_BYTES - link->size);
}

/* Receives once; whole requests are counted into `done`, and their answers prepared. False: the link is gone. */
static bool receive(struct bare *bare, struct link *link)
{
    const ssize_t n = recv(link->fd, link->window + link->size, receive_bytes(link), 0);
    if (n < 0 && errno == EAGAIN)
        return true;
    if (n <= 0) {
        close_link(link);
        return false;
    }
    link->size += (size_t)n;
    while (link->size - link->done >= 4) {
        const uint8_t *request = link->window + link->done;
        const size_t size = 4 + (size_t)be_load_u32(request);
        must(size <= WINDOW_BYTES, "a request that is too large");
        if (link->size - link->done < size)
            break;
        if (bare->has_crc)
            bare->crcs ^= crc32c(0, request, size);
        if (bare->region_bytes > 0) {
            add_answer(link, request, 8 + bare->region_bytes);
            link->answer_bytes += 8;
            link->region_left += bare->region_bytes;
        } else {
            add_answer(link, request, ANSWER_BYTES);
            link->answer_bytes += ANSWER_BYTES;
        }
        link->done += size;
    }
    return true;
}

/* ---- the turn's end -------------------------------------------------------------------------- */

static void write_all(struct bare *bare)
{
    struct iovec parts[WRITE_PARTS_MAX];
    int count = 0;
    size_t bytes = 0;
    for (int i = 0; i < bare->busy_count; i++) {
        if (bare->busy[i]->done == 0)
            continue;
        parts[count++] =
            (struct iovec){ .iov_base = bare->busy[i]->window, .iov_len = bare->busy[i]->done };
        bytes += bare->busy[i]->done;
    }
    if (count == 0)
        return;
    must(pwritev(bare->file, parts, count, bare->file_position) == (ssize_t)bytes, "pwritev");
    bare->file_position += (int64_t)bytes;
}

/* False: the link is gone. */
static bool send_answers(struct bare *bare, struct link *link)
{
    const int more = link->region_left > 0 ? MSG_MORE : 0;
    if (link->answer_bytes > 0)
        must(send(link->fd, link->answers, link->answer_bytes, MSG_NOSIGNAL | more) ==
                 (ssize_t)link->answer_bytes,
             "send");
    link->answer_bytes = 0;
    while (link->region_left > 0) {
        off_t from = bare->file_position;
        const ssize_t n = sendfile(link->fd, bare->file, &from, link->region_left);
        if (n < 0 && errno == EAGAIN) {
            if (!link->is_blocked)
                watch(bare, link->fd, link, EPOLL_CTL_MOD, EPOLLOUT);
            link->is_blocked = true;
            return true;
        }
        if (n <= 0) {
            close_link(link); /* the peer has had enough */
            return false;
        }
        link->region_left -= (size_t)n;
        bare->file_position += n;
        if (bare->file_position + (int64_t)bare->region_bytes > FILE_BYTES)
            bare->file_position = 0;
    }
    if (link->is_blocked)
        watch(bare, link->fd, link, EPOLL_CTL_MOD, EPOLLIN);
    link->is_blocked = false;
    return true;
}

static void end_turn(struct bare *bare)
{
    if (bare->region_bytes == 0)
        write_all(bare);
    for (int i = 0; i < bare->busy_count; i++) {
        struct link *link = bare->busy[i];
        if (!send_answers(bare, link))
            continue;
        link->size -= link->done;
        memmove(link->window, link->window + link->done, link->size);
        link->done = 0;
    }
    bare->busy_count = 0;
}

static void turn(struct bare *bare)
{
    struct epoll_event events[EVENTS_A_TURN];
    const int n = epoll_wait(bare->epoll, events, EVENTS_A_TURN, -1);
    must(n >= 0 || errno == EINTR, "epoll_wait");
    for (int i = 0; i < n; i++) {
        struct link *link = events[i].data.ptr;
        if (link == NULL)
            exit(0); /* the end of the standard input */
        if ((void *)link == (void *)bare)
            accept_one(bare);
        else if ((events[i].events & EPOLLOUT) != 0 || receive(bare, link))
            bare->busy[bare->busy_count++] = link;
    }
    end_turn(bare);
}

/* ---- the beginning --------------------------------------------------------------------------- */

static void listen_on(struct bare *bare, uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
    const int on = 1;
    bare->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(bare->listener >= 0, "socket");
    must(setsockopt(bare->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
             setsockopt(bare->listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0,
         "setsockopt");
    must(bind(bare->listener, (struct sockaddr *)&address, sizeof(address)) == 0, "bind");
    must(listen(bare->listener, SOMAXCONN) == 0, "listen");
    watch(bare, bare->listener, bare, EPOLL_CTL_ADD, EPOLLIN);
}

static void fill_file(const struct bare *bare)
{
    uint8_t *piece = mem_zalloc(PIECE_BYTES);
    for (int64_t position = 0; position < FILE_BYTES; position += PIECE_BYTES)
        must(write(bare->file, piece, PIECE_BYTES) == PIECE_BYTES, "write");
    mem_free(piece);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: bench_bare PORT FILE write [crc] | send ANSWER_BYTES\n");
        return 2;
    }
    struct bare bare = { .has_crc = argc > 4 && strcmp(argv[4], "crc") == 0 };
    bare.busy = MEM_NEW_ARRAY(struct link *, EVENTS_A_TURN);
    bare.epoll = epoll_create1(EPOLL_CLOEXEC);
    must(bare.epoll >= 0, "epoll_create1");
    bare.file = open(argv[2], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(bare.file >= 0, argv[2]);
    if (strcmp(argv[3], "send") == 0) {
        bare.region_bytes = (size_t)number(argc > 4 ? argv[4] : "", FILE_BYTES);
        fill_file(&bare);
    }
    signal(SIGPIPE, SIG_IGN);
    listen_on(&bare, (uint16_t)number(argv[1], UINT16_MAX));
    watch(&bare, STDIN_FILENO, NULL, EPOLL_CTL_ADD, EPOLLIN);
    for (;;)
        turn(&bare);
}
