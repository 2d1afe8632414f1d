/* How a loop waits: by polling for a moment where its patience says so, then asleep until something happens. */
#include "io/epoll_int.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Something that no event tells of. */
static bool is_called(const struct epoll_loop *loop)
{
    return epoll__has_mail(loop) || __atomic_load_n(&loop->must_stop, __ATOMIC_SEQ_CST);
}

static int64_t wait_ns_of(const struct epoll_loop *loop, int64_t timeout_ms, int64_t now_ns)
{
    if (is_called(loop) || !list_is_empty(&loop->ready))
        return 0;
    const int64_t next_ns = timer_heap_next_ns(&loop->timers);
    int64_t wait_ns =
        timeout_ms < 0 || timeout_ms > INT64_MAX / NS_PER_MS ? INT64_MAX : timeout_ms * NS_PER_MS;
    if (next_ns != INT64_MAX)
        wait_ns = MIN(wait_ns, MAX(MAX(next_ns, INT64_C(0)) - now_ns, INT64_C(0)));
    return wait_ns;
}

/* Waits to the nanosecond where the kernel can (5.11), else to the millisecond above. */
static int wait_events(struct epoll_loop *loop, struct epoll_event *events, int count_max,
                       int64_t wait_ns)
{
    const bool forever = wait_ns == INT64_MAX;
    int64_t n = -1;
    if (!loop->waits_in_ms) {
        const struct timespec wait = { .tv_sec = wait_ns / NS_PER_SECOND,
                                       .tv_nsec = wait_ns % NS_PER_SECOND };
        n = syscall(SYS_epoll_pwait2, loop->epoll_descriptor, events, count_max,
                    forever ? NULL : &wait, NULL, (size_t)0);
        /* Some containers refuse what they do not know, each in its way. */
        loop->waits_in_ms = n < 0 && (errno == ENOSYS || errno == EPERM);
    }
    if (loop->waits_in_ms) {
        const int64_t wait_ms = wait_ns / NS_PER_MS + (wait_ns % NS_PER_MS != 0);
        n = epoll_wait(loop->epoll_descriptor, events, count_max,
                       forever ? -1 : (int)MIN(wait_ms, (int64_t)INT32_MAX));
    }
    return n < 0 ? -errno : (int)n;
}

/* Those who post meanwhile need not wake it. */
static int poll_events(struct epoll_loop *loop, struct epoll_event *events, int count_max,
                       int64_t until_ns)
{
    int n;
    do
        n = wait_events(loop, events, count_max, 0);
    while (n == 0 && !is_called(loop) && epoll__monotonic_ns() < until_ns);
    return n;
}

static int sleep_until_events(struct epoll_loop *loop, struct epoll_event *events, int count_max,
                              int64_t wait_ns)
{
    __atomic_store_n(&loop->is_asleep, true, __ATOMIC_SEQ_CST);
    const int n = wait_events(loop, events, count_max, is_called(loop) ? 0 : wait_ns);
    __atomic_store_n(&loop->is_asleep, false, __ATOMIC_SEQ_CST);
    return n;
}

int epoll__wait(struct epoll_loop *loop, struct epoll_event *events, int count_max,
                int64_t timeout_ms)
{
    const int64_t begun_ns = epoll__monotonic_ns();
    const int64_t wait_ns = wait_ns_of(loop, timeout_ms, begun_ns);
    const int64_t poll_ns = MIN(patience_poll_ns(&loop->patience), wait_ns);
    if (wait_ns == 0)
        return wait_events(loop, events, count_max, 0);
    int n = 0;
    if (poll_ns > 0)
        n = poll_events(loop, events, count_max, begun_ns + poll_ns);
    if (n == 0)
        n = sleep_until_events(loop, events, count_max,
                               wait_ns == INT64_MAX ? wait_ns : wait_ns - poll_ns);
    patience_on_waited(&loop->patience, epoll__monotonic_ns() - begun_ns);
    return n;
}
