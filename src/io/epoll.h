/* The real driver: one epoll instance a loop, worker threads for jobs, the kernel's files.
 *
 * Threads: epoll_io_run is called on the thread that is to be the shard; epoll_io_stop from any thread or
 * a signal handler. Workers are started when the first jobs come, up to the given number, with small
 * stacks, and shared by the loops of one process value (struct epoll_workers).
 */
#pragma once

#include "io/io.h"

struct epoll_workers;

struct epoll_workers *epoll_workers_new(uint32_t thread_count_max);
void epoll_workers_free(struct epoll_workers *workers); /* after every loop that uses them */

MUST_CHECK int epoll_io_new(struct epoll_workers *workers, struct io **out, struct err_note *note);
/* Between the last turn and the freeing of what the loop served: waits for running jobs and forgets the others, drops
 * messages, and lets nothing new begin. Afterwards the loop knows of its owner's memory only what is closed and
 * cancelled as usual: sockets, listeners, timers, lanes. */
void epoll_io_end(struct io *io);
void epoll_io_free(
    struct io *io); /* closes what is left open and waits for its running jobs; NULL is fine */
MUST_CHECK int epoll_io_run(struct io *io); /* until stopped */
/* One turn: waits at most timeout_ms (-1: until something happens) for events. For tests and blocking clients. */
MUST_CHECK int epoll_io_turn(struct io *io, int64_t timeout_ms);
void epoll_io_stop(struct io *io);

/* The kernel's file system, for tools and workers without a loop. Stateless; freed with mem_free semantics:
 * a constant, never freed. */
struct io_fs *posix_fs(void);
