/* The seam: all clock, chance, files, sockets and threads that the house below `app` may use.
 *
 * Two families of drivers stand behind it: the real one (epoll and worker threads: io/epoll.h) and the
 * simulator's (virtual clock, network and disks: sim/). Code above the seam cannot tell them apart.
 *
 * A `struct io` is one shard's event loop. All calls on it, and all callbacks from it, are on that
 * shard's thread, except io_post (any thread) and a job's `run` (a worker). A `struct io_fs` is a view of the
 * file system and may be called from shards and from workers at once; one file is written by one at a time.
 *
 * Results: 0 or a count, else negative errno as the kernel gave it (the simulator gives the same codes).
 * EINTR never reaches a caller; short reads and writes of files do only where said.
 */
#pragma once

#include "base/bytes.h"
#include "base/err.h"
#include "base/uuid.h"

#include <sys/uio.h>

struct io;
struct io_fs;
struct io_file;
struct io_socket;
struct io_listener;

/* ---- clock and chance ------------------------------------------------------------------------ */

int64_t io_now_ms(struct io *io);       /* wall clock, Unix epoch; may step backwards */
int64_t io_monotonic_ns(struct io *io); /* never backwards; for intervals and timers */
void io_random(struct io *io, void *out, size_t size_bytes); /* fit for secrets on a real node */
struct uuid io_random_uuid(struct io *io);                   /* see uuid_draw */

/* ---- timers ---------------------------------------------------------------------------------- */

/* Lives inside its owner's struct; zeroed means not armed. Fires once, at or after its deadline. */
struct io_timer {
    int64_t deadline_ns; /* monotonic */
    uint32_t heap_slot;  /* 1-based; 0: not armed */
    void (*fire)(struct io_timer *timer);
};
void io_timer_arm(struct io *io, struct io_timer *timer,
                  int64_t deadline_ns); /* re-arming moves it; past: next turn */
void io_timer_arm_after(struct io *io, struct io_timer *timer, int64_t delay_ms);
void io_timer_cancel(struct io *io, struct io_timer *timer); /* not armed: fine */
bool io_timer_is_armed(const struct io_timer *timer);

/* ---- the loop's turns ------------------------------------------------------------------------ */

/* Called at the end of each turn: after a batch of callbacks and before the loop waits. Here a shard
 * writes what was planned in the turn and forms the answers that follow from it. One hook a loop. */
void io_on_turn_end(struct io *io, void (*turn_end)(void *context), void *context);

/* Messages between shards: `deliver` runs on the loop of `to`, in order of posting from one sender. The
 * message belongs to the receiver from then on. From any thread.
 *
 * A loop that ends first (epoll_io_end, a crash in the simulator) calls `drop` instead, when it is not NULL. It may
 * do no more than free the message and what the message owns. A message posted later is dropped at once. */
struct io_message {
    struct io_message *next_;
    void (*deliver)(struct io_message *message);
    void (*drop)(struct io_message *message);
};
void io_post(struct io *to, struct io_message *message);

/* ---- jobs: what may sleep or compute long ------------------------------------------------------ */

/* `run` happens on a worker (in the simulator: at some later point, interleaved with others at every file
 * call); it touches only what the job owns, and io_fs. `done` happens on the loop that submitted it. The
 * job's memory is the caller's and stays until done. Jobs of one queue run in order of submission, one at a
 * time, and are done in that order; queue NULL: no order. A loop that ends first waits for jobs that are
 * running and forgets the others; no `done` follows, and the memory is the caller's again.
 *
 * A long job is one that somebody far away asks for and that reads or computes as long as he wishes: a few workers
 * are never given to those, so that syncs and opened files do not wait for them. */
struct io_job_queue; /* an ordered lane; io_job_queue_new/free, loop thread only */
struct io_job {
    struct io_message message_;
    struct io *io_;
    struct io_job_queue *queue_;
    void (*run)(struct io_job *job);
    void (*done)(struct io_job *job);
    bool is_long;
};
void io_submit(struct io *io, struct io_job_queue *queue, struct io_job *job);
struct io_job_queue *io_job_queue_new(struct io *io);
void io_job_queue_free(struct io *io,
                       struct io_job_queue *queue); /* empty, or a bug; NULL is fine */

/* ---- sockets --------------------------------------------------------------------------------- */

#define IO_ADDRESS_TEXT_MAX 64
struct io_address {
    char host[IO_ADDRESS_TEXT_MAX]; /* numeric, "127.0.0.1" or "::1" */
    uint16_t port;
};

enum io_interest {
    IO_READABLE = 1,
    IO_WRITABLE = 2,
    IO_ENDED = 4, /* the peer sends no more, whatever is still unread */
};

/* A stream socket's owner. `on_ready`: some of `ready` (bits of enum io_interest) may be done without waiting,
 * or the socket has failed (the next call tells). It may close the socket. */
struct io_socket_owner {
    void (*on_ready)(void *context, unsigned ready);
    void *context;
};

/* `on_accept`: the socket is the receiver's, its owner and interest still unset. */
struct io_listener_owner {
    void (*on_accept)(void *context, struct io_socket *socket, const struct io_address *peer);
    void *context;
};

/* host NULL or "": all addresses. port 0: any free one (see io_listener_address). Notes name host and port.
 * Running out of descriptors pauses accepting and resumes by itself; `on_accept` is not told. */
MUST_CHECK int io_listen(struct io *io, const char *host, uint16_t port, int backlog,
                         const struct io_listener_owner *owner, struct io_listener **out,
                         struct err_note *note);
void io_listener_address(const struct io_listener *listener, struct io_address *out);
void io_listener_pause(struct io_listener *listener, bool paused);
void io_listener_close(struct io_listener *listener); /* NULL is fine; accepted sockets stay */

/* Begins to connect; names are resolved by a worker. The owner hears IO_WRITABLE when connected or failed;
 * io_socket_status tells which. */
MUST_CHECK int io_connect(struct io *io, const char *host, uint16_t port,
                          const struct io_socket_owner *owner, struct io_socket **out,
                          struct err_note *note);
int io_socket_status(struct io_socket *socket); /* 0 connected, -EINPROGRESS, or why it failed */

void io_socket_set_owner(struct io_socket *socket, const struct io_socket_owner *owner);
void io_socket_set_interest(struct io_socket *socket,
                            unsigned interest); /* level-triggered; 0 hears only failures */

/* Never wait. A count (> 0), 0 for end of stream (recv), -EAGAIN, or why it failed. */
MUST_CHECK int64_t io_socket_recv(struct io_socket *socket, void *out, size_t size_bytes);
MUST_CHECK int64_t io_socket_recvv(struct io_socket *socket, const struct iovec *out, int count);
MUST_CHECK int64_t io_socket_sendv(struct io_socket *socket, const struct iovec *parts, int count,
                                   bool more_follows);
/* From a file without copying, where the filter over the socket allows. 0: the file is shorter than `position`. */
MUST_CHECK int64_t io_socket_send_file(struct io_socket *socket, struct io_file *file,
                                       int64_t position, size_t size_bytes);
void io_socket_peer(const struct io_socket *socket, struct io_address *out);
void io_socket_local(const struct io_socket *socket, struct io_address *out);
void io_socket_set_buffers(struct io_socket *socket, int send_bytes,
                           int receive_bytes); /* -1: the system's */
/* Nothing more will be sent: the peer reads all that was, then the end of the stream. Reading goes on. */
void io_socket_finish(struct io_socket *socket);
/* Bytes received and not read make this a reset that may overtake the last answer; to say a last word, finish,
 * then read to the end (or a deadline), then close. */
void io_socket_close(struct io_socket *socket); /* no callback follows; NULL is fine */

/* ---- files ----------------------------------------------------------------------------------- */

enum io_open_flags {
    IO_OPEN_READ = 1,
    IO_OPEN_WRITE = 2,     /* implies reading too */
    IO_OPEN_CREATE = 4,    /* make it if absent */
    IO_OPEN_EXCLUSIVE = 8, /* with CREATE: -EEXIST if present */
    IO_OPEN_TRUNCATE = 16,
};

struct io_stat {
    int64_t size_bytes;
    int64_t allocated_bytes;
    int64_t modified_ms;
    bool is_directory;
};

/* Files are counted: a region being sent holds a reference, so that close and unlink never wait for it.
 * io_file_open answers count 1; io_file_unref closes at 0. The count is atomic. */
MUST_CHECK int io_file_open(struct io_fs *fs, const char *path, unsigned flags,
                            struct io_file **out);
struct io_file *io_file_ref(struct io_file *file);
void io_file_unref(struct io_file *file); /* NULL is fine */
void io_file_unrefp(struct io_file **file);

/* Whole or as much as the file has (read: less only at its end). */
MUST_CHECK int64_t io_file_read(struct io_file *file, int64_t position, void *out,
                                size_t size_bytes);
/* As io_file_read, but -EAGAIN when the bytes are not in memory and reading them would wait. */
MUST_CHECK int64_t io_file_read_cached(struct io_file *file, int64_t position, void *out,
                                       size_t size_bytes);
/* Whether all of these bytes that the file has are in memory. Where the kernel cannot tell, it is asked at both ends and every
 * 64 KB in between. */
bool io_file_is_cached(struct io_file *file, int64_t position, int64_t size_bytes);
/* Writes all parts at `position`. On failure part of them may be there: the count that surely was written
 * is not told; the caller truncates. -ENOSPC, -EIO, -EFBIG, -EDQUOT as the kernel gives them. */
MUST_CHECK int io_file_writev(struct io_file *file, int64_t position, const struct iovec *parts,
                              int count);
MUST_CHECK int io_file_write(struct io_file *file, int64_t position, const void *bytes,
                             size_t size_bytes);
MUST_CHECK int io_file_truncate(struct io_file *file, int64_t size_bytes);
MUST_CHECK int io_file_allocate(struct io_file *file, int64_t position,
                                int64_t size_bytes); /* fallocate, keeps the size */
MUST_CHECK int
io_file_sync(struct io_file *file); /* fdatasync: bytes and size are on stable storage */
MUST_CHECK int64_t io_file_size(struct io_file *file);
void io_file_will_read(struct io_file *file, int64_t position, int64_t size_bytes); /* a hint */
/* Reads of this open file bring in what they ask for and nothing beyond it, but by io_file_will_read. Others' do not change. */
void io_file_no_read_ahead(struct io_file *file);

/* An advisory lock held until the file is closed: -EWOULDBLOCK when another process has it. */
MUST_CHECK int io_file_lock(struct io_file *file);

MUST_CHECK int io_fs_stat(struct io_fs *fs, const char *path, struct io_stat *out);
MUST_CHECK int io_fs_rename(struct io_fs *fs, const char *from, const char *to); /* replaces `to` */
MUST_CHECK int io_fs_unlink(struct io_fs *fs, const char *path);
MUST_CHECK int io_fs_make_directory(struct io_fs *fs, const char *path);
MUST_CHECK int io_fs_remove_directory(struct io_fs *fs, const char *path); /* empty ones only */
MUST_CHECK int io_fs_sync_directory(struct io_fs *fs,
                                    const char *path); /* names in it are on stable storage */
MUST_CHECK int64_t io_fs_free_bytes(struct io_fs *fs, const char *path);
MUST_CHECK int64_t io_fs_total_bytes(struct io_fs *fs, const char *path);
MUST_CHECK int io_fs_set_modified(struct io_fs *fs, const char *path, int64_t modified_ms);

/* Names in a directory without "." and "..", sorted by bytes, so that every run sees the same order.
 * At most `count_max` names, else -ERR_LIMIT. Release with io_names_deinit. */
struct io_names {
    char **items;
    uint32_t count;
};
MUST_CHECK int io_fs_list(struct io_fs *fs, const char *path, uint32_t count_max,
                          struct io_names *out);
void io_names_deinit(struct io_names *names);

/* Comforts built on the above (io/file_helpers.c), the same for every driver. */

/* The whole of a small file, heap, NUL added after it; -ERR_LIMIT above size_max. */
MUST_CHECK int io_fs_read_whole(struct io_fs *fs, const char *path, size_t size_max, uint8_t **out,
                                size_t *out_size);
/* Atomically: write `path`.tmp, sync, rename, sync the directory. */
MUST_CHECK int io_fs_replace(struct io_fs *fs, const char *path, struct bytes content);
/* Makes missing parents too. */
MUST_CHECK int io_fs_make_directories(struct io_fs *fs, const char *path);
/* Removes a directory with everything in it. */
MUST_CHECK int io_fs_remove_tree(struct io_fs *fs, const char *path);

struct io_fs *io_get_fs(struct io *io); /* the file system of this loop's node */
