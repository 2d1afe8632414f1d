/* The calls of io.h, passed on to the driver's tables. */
#include "io/io.h"

#include "io/driver.h"

#include <string.h>

int64_t io_now_ms(struct io *io)
{
    return io->ops->now_ms(io);
}

int64_t io_monotonic_ns(struct io *io)
{
    return io->ops->monotonic_ns(io);
}

void io_random(struct io *io, void *out, size_t size_bytes)
{
    io->ops->random(io, out, size_bytes);
}

static void fill_from_io(void *source, void *out, size_t size_bytes)
{
    io_random(source, out, size_bytes);
}

struct uuid io_random_uuid(struct io *io)
{
    return uuid_draw(fill_from_io, io);
}

void io_timer_arm(struct io *io, struct io_timer *timer, int64_t deadline_ns)
{
    io->ops->timer_arm(io, timer, deadline_ns);
}

void io_timer_arm_after(struct io *io, struct io_timer *timer, int64_t delay_ms)
{
    const int64_t now_ns = io->ops->monotonic_ns(io);
    const bool is_far = delay_ms > (INT64_MAX - now_ns) / NS_PER_MS;
    io->ops->timer_arm(io, timer, is_far ? INT64_MAX : now_ns + delay_ms * NS_PER_MS);
}

void io_timer_cancel(struct io *io, struct io_timer *timer)
{
    io->ops->timer_cancel(io, timer);
}

bool io_timer_is_armed(const struct io_timer *timer)
{
    return timer->heap_slot != 0;
}

void io_on_turn_end(struct io *io, void (*turn_end)(void *context), void *context)
{
    io->ops->on_turn_end(io, turn_end, context);
}

void io_post(struct io *to, struct io_message *message)
{
    to->ops->post(to, message);
}

void io_submit(struct io *io, struct io_job_queue *queue, struct io_job *job)
{
    io->ops->submit(io, queue, job);
}

struct io_job_queue *io_job_queue_new(struct io *io)
{
    return io->ops->job_queue_new(io);
}

void io_job_queue_free(struct io *io, struct io_job_queue *queue)
{
    if (queue != NULL)
        io->ops->job_queue_free(io, queue);
}

struct io_fs *io_get_fs(struct io *io)
{
    return io->fs;
}

/* ---- sockets --------------------------------------------------------------------------------- */

int io_listen(struct io *io, const char *host, uint16_t port, int backlog,
              const struct io_listener_owner *owner, struct io_listener **out,
              struct err_note *note)
{
    return io->ops->listen(io, host, port, backlog, owner, out, note);
}

void io_listener_address(const struct io_listener *listener, struct io_address *out)
{
    listener->ops->address(listener, out);
}

void io_listener_pause(struct io_listener *listener, bool paused)
{
    listener->ops->pause(listener, paused);
}

void io_listener_close(struct io_listener *listener)
{
    if (listener != NULL)
        listener->ops->close(listener);
}

int io_connect(struct io *io, const char *host, uint16_t port, const struct io_socket_owner *owner,
               struct io_socket **out, struct err_note *note)
{
    return io->ops->connect(io, host, port, owner, out, note);
}

int io_socket_status(struct io_socket *socket)
{
    return socket->ops->status(socket);
}

void io_socket_set_owner(struct io_socket *socket, const struct io_socket_owner *owner)
{
    socket->ops->set_owner(socket, owner);
}

void io_socket_set_interest(struct io_socket *socket, unsigned interest)
{
    socket->ops->set_interest(socket, interest);
}

int64_t io_socket_recv(struct io_socket *socket, void *out, size_t size_bytes)
{
    const struct iovec part = { .iov_base = out, .iov_len = size_bytes };
    return socket->ops->recvv(socket, &part, 1);
}

int64_t io_socket_recvv(struct io_socket *socket, const struct iovec *out, int count)
{
    return socket->ops->recvv(socket, out, count);
}

int64_t io_socket_sendv(struct io_socket *socket, const struct iovec *parts, int count,
                        bool more_follows)
{
    return socket->ops->sendv(socket, parts, count, more_follows);
}

int64_t io_socket_send_file(struct io_socket *socket, struct io_file *file, int64_t position,
                            size_t size_bytes)
{
    return socket->ops->send_file(socket, file, position, size_bytes);
}

void io_socket_peer(const struct io_socket *socket, struct io_address *out)
{
    socket->ops->peer(socket, out);
}

void io_socket_local(const struct io_socket *socket, struct io_address *out)
{
    socket->ops->local(socket, out);
}

void io_socket_set_buffers(struct io_socket *socket, int send_bytes, int receive_bytes)
{
    socket->ops->set_buffers(socket, send_bytes, receive_bytes);
}

void io_socket_finish(struct io_socket *socket)
{
    socket->ops->finish(socket);
}

void io_socket_close(struct io_socket *socket)
{
    if (socket != NULL)
        socket->ops->close(socket);
}

/* ---- files ----------------------------------------------------------------------------------- */

int io_file_open(struct io_fs *fs, const char *path, unsigned flags, struct io_file **out)
{
    return fs->ops->open(fs, path, flags, out);
}

struct io_file *io_file_ref(struct io_file *file)
{
    const uint32_t before = __atomic_fetch_add(&file->reference_count, 1, __ATOMIC_RELAXED);
    ASSERT(before >= 1 && before < UINT32_MAX);
    return file;
}

void io_file_unref(struct io_file *file)
{
    if (file == NULL)
        return;
    const uint32_t before = __atomic_fetch_sub(&file->reference_count, 1, __ATOMIC_ACQ_REL);
    ASSERT(before >= 1);
    if (before == 1)
        file->ops->close(file);
}

void io_file_unrefp(struct io_file **file)
{
    io_file_unref(*file);
    *file = NULL;
}

int64_t io_file_read(struct io_file *file, int64_t position, void *out, size_t size_bytes)
{
    return file->ops->read(file, position, out, size_bytes, false);
}

int64_t io_file_read_cached(struct io_file *file, int64_t position, void *out, size_t size_bytes)
{
    return file->ops->read(file, position, out, size_bytes, true);
}

int io_file_writev(struct io_file *file, int64_t position, const struct iovec *parts, int count)
{
    return file->ops->writev(file, position, parts, count);
}

int io_file_write(struct io_file *file, int64_t position, const void *bytes, size_t size_bytes)
{
    struct iovec part = { .iov_len = size_bytes };
    memcpy(&part.iov_base, &bytes,
           sizeof(bytes)); /* an iovec has no const; writers never change it */
    return file->ops->writev(file, position, &part, 1);
}

int io_file_truncate(struct io_file *file, int64_t size_bytes)
{
    return file->ops->truncate(file, size_bytes);
}

int io_file_allocate(struct io_file *file, int64_t position, int64_t size_bytes)
{
    return file->ops->allocate(file, position, size_bytes);
}

int io_file_sync(struct io_file *file)
{
    return file->ops->sync(file);
}

int64_t io_file_size(struct io_file *file)
{
    return file->ops->size(file);
}

void io_file_will_read(struct io_file *file, int64_t position, int64_t size_bytes)
{
    file->ops->will_read(file, position, size_bytes);
}

bool io_file_is_cached(struct io_file *file, int64_t position, int64_t size_bytes)
{
    return file->ops->is_cached(file, position, size_bytes);
}

void io_file_no_read_ahead(struct io_file *file)
{
    file->ops->no_read_ahead(file);
}

int io_file_lock(struct io_file *file)
{
    return file->ops->lock(file);
}

int io_fs_stat(struct io_fs *fs, const char *path, struct io_stat *out)
{
    return fs->ops->stat(fs, path, out);
}

int io_fs_rename(struct io_fs *fs, const char *from, const char *to)
{
    return fs->ops->rename(fs, from, to);
}

int io_fs_unlink(struct io_fs *fs, const char *path)
{
    return fs->ops->unlink(fs, path);
}

int io_fs_make_directory(struct io_fs *fs, const char *path)
{
    return fs->ops->make_directory(fs, path);
}

int io_fs_remove_directory(struct io_fs *fs, const char *path)
{
    return fs->ops->remove_directory(fs, path);
}

int io_fs_sync_directory(struct io_fs *fs, const char *path)
{
    return fs->ops->sync_directory(fs, path);
}

int64_t io_fs_free_bytes(struct io_fs *fs, const char *path)
{
    return fs->ops->free_bytes(fs, path);
}

int64_t io_fs_total_bytes(struct io_fs *fs, const char *path)
{
    return fs->ops->total_bytes(fs, path);
}

int io_fs_set_modified(struct io_fs *fs, const char *path, int64_t modified_ms)
{
    return fs->ops->set_modified(fs, path, modified_ms);
}

int io_fs_list(struct io_fs *fs, const char *path, uint32_t count_max, struct io_names *out)
{
    return fs->ops->list(fs, path, count_max, out);
}
