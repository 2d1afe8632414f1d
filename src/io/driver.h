/* What a driver implements: the tables behind io.h. For drivers only (src/io and src/sim). */
#pragma once

#include "io/io.h"

struct io_ops {
    int64_t (*now_ms)(struct io *io);
    int64_t (*monotonic_ns)(struct io *io);
    void (*random)(struct io *io, void *out, size_t size_bytes);
    void (*timer_arm)(struct io *io, struct io_timer *timer, int64_t deadline_ns);
    void (*timer_cancel)(struct io *io, struct io_timer *timer);
    void (*on_turn_end)(struct io *io, void (*turn_end)(void *context), void *context);
    void (*post)(struct io *to, struct io_message *message);
    void (*submit)(struct io *io, struct io_job_queue *queue, struct io_job *job);
    struct io_job_queue *(*job_queue_new)(struct io *io);
    void (*job_queue_free)(struct io *io, struct io_job_queue *queue);
    int (*listen)(struct io *io, const char *host, uint16_t port, int backlog,
                  const struct io_listener_owner *owner, struct io_listener **out,
                  struct err_note *note);
    int (*connect)(struct io *io, const char *host, uint16_t port,
                   const struct io_socket_owner *owner, struct io_socket **out,
                   struct err_note *note);
};

struct io {
    const struct io_ops *ops;
    struct io_fs *fs;
};

struct io_listener_ops {
    void (*address)(const struct io_listener *listener, struct io_address *out);
    void (*pause)(struct io_listener *listener, bool paused);
    void (*close)(struct io_listener *listener);
};

struct io_listener {
    const struct io_listener_ops *ops;
};

/* A socket, or a filter over one (TLS later): the same table, so that they stack. */
struct io_socket_ops {
    int (*status)(struct io_socket *socket);
    void (*set_owner)(struct io_socket *socket, const struct io_socket_owner *owner);
    void (*set_interest)(struct io_socket *socket, unsigned interest);
    int64_t (*recvv)(struct io_socket *socket, const struct iovec *out, int count);
    int64_t (*sendv)(struct io_socket *socket, const struct iovec *parts, int count,
                     bool more_follows);
    int64_t (*send_file)(struct io_socket *socket, struct io_file *file, int64_t position,
                         size_t size_bytes);
    void (*peer)(const struct io_socket *socket, struct io_address *out);
    void (*local)(const struct io_socket *socket, struct io_address *out);
    void (*set_buffers)(struct io_socket *socket, int send_bytes, int receive_bytes);
    void (*finish)(struct io_socket *socket);
    void (*close)(struct io_socket *socket);
};

struct io_socket {
    const struct io_socket_ops *ops;
};

struct io_file_ops {
    int64_t (*read)(struct io_file *file, int64_t position, void *out, size_t size_bytes,
                    bool cached_only);
    int (*writev)(struct io_file *file, int64_t position, const struct iovec *parts, int count);
    int (*truncate)(struct io_file *file, int64_t size_bytes);
    int (*allocate)(struct io_file *file, int64_t position, int64_t size_bytes);
    int (*sync)(struct io_file *file);
    int64_t (*size)(struct io_file *file);
    void (*will_read)(struct io_file *file, int64_t position, int64_t size_bytes);
    bool (*is_cached)(struct io_file *file, int64_t position, int64_t size_bytes);
    void (*no_read_ahead)(struct io_file *file);
    int (*lock)(struct io_file *file);
    void (*close)(struct io_file *file); /* the last reference is gone */
};

struct io_file {
    const struct io_file_ops *ops;
    uint32_t reference_count; /* atomic */
};

struct io_fs_ops {
    int (*open)(struct io_fs *fs, const char *path, unsigned flags, struct io_file **out);
    int (*stat)(struct io_fs *fs, const char *path, struct io_stat *out);
    int (*rename)(struct io_fs *fs, const char *from, const char *to);
    int (*unlink)(struct io_fs *fs, const char *path);
    int (*make_directory)(struct io_fs *fs, const char *path);
    int (*remove_directory)(struct io_fs *fs, const char *path);
    int (*sync_directory)(struct io_fs *fs, const char *path);
    int64_t (*free_bytes)(struct io_fs *fs, const char *path);
    int64_t (*total_bytes)(struct io_fs *fs, const char *path);
    int (*set_modified)(struct io_fs *fs, const char *path, int64_t modified_ms);
    int (*list)(struct io_fs *fs, const char *path, uint32_t count_max, struct io_names *out);
};

struct io_fs {
    const struct io_fs_ops *ops;
};

/* How a driver's list() gathers: add names in any order, then finish, which sorts them into `out` or,
 * when `result` is negative, frees them. Starts as { .count_max = … }. */
struct io_names_builder {
    struct io_names names;
    uint32_t capacity;
    uint32_t count_max;
};
MUST_CHECK int io_names_add(struct io_names_builder *builder, const char *name); /* -ERR_LIMIT */
MUST_CHECK int io_names_finish(struct io_names_builder *builder, int result, struct io_names *out);
