/* Descriptors in the epoll set, told to the kernel as seldom as possible.
 *
 * What a source wants may change many times in a turn. It is compared with what the kernel was told once, before
 * the loop waits; and a source that merely stops reading is left as it is until input really arrives.
 */
#include "io/epoll_int.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

void epoll__source_init(struct epoll_loop *loop, struct epoll_source *source, int descriptor)
{
    source->loop = loop;
    source->descriptor = descriptor;
    list_push_back(&loop->sources, &source->link);
    list_push_back(&loop->changed, &source->changed_link);
}

static void mark_changed(struct epoll_source *source)
{
    if (!list_is_linked(&source->changed_link))
        list_push_back(&source->loop->changed, &source->changed_link);
}

void epoll__source_want(struct epoll_source *source, uint32_t events)
{
    source->wanted_events = events;
    const uint32_t missing = events & ~source->armed_events;
    const uint32_t superfluous = source->armed_events & ~events;
    if (missing != 0 || (superfluous & ~(uint32_t)EPOLLIN) != 0)
        mark_changed(source);
}

void epoll__source_unwatch(struct epoll_source *source)
{
    list_remove(&source->changed_link);
    if (source->is_registered) {
        const int r =
            epoll_ctl(source->loop->epoll_descriptor, EPOLL_CTL_DEL, source->descriptor, NULL);
        ASSERT(r == 0);
    }
    source->is_registered = false;
    source->armed_events = 0;
}

/* Closing takes the descriptor out of the epoll set by itself: nothing else holds the open file. */
void epoll__source_replace(struct epoll_source *source, int descriptor)
{
    if (source->descriptor >= 0)
        (void)close(source->descriptor); /* a socket has nothing to tell at its close */
    source->descriptor = descriptor;
    source->is_registered = false;
    source->armed_events = 0;
    list_remove(&source->changed_link);
    if (descriptor >= 0)
        mark_changed(source);
}

void epoll__source_close(struct epoll_source *source)
{
    ASSERT(!source->is_closed);
    epoll__source_replace(source, -1);
    source->is_closed = true;
    list_remove(&source->link);
    list_push_back(&source->loop->closed, &source->link);
}

static void tell_kernel(struct epoll_loop *loop, struct epoll_source *source)
{
    if (source->descriptor < 0 ||
        (source->is_registered && source->armed_events == source->wanted_events))
        return;
    struct epoll_event event = { .events = source->wanted_events, .data.ptr = source };
    const int how = source->is_registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(loop->epoll_descriptor, how, source->descriptor, &event) == 0) {
        source->is_registered = true;
        source->armed_events = source->wanted_events;
        return;
    }
    /* Out of memory or of watches. Sockets hear of it as of a failure, a listener tries again later. */
    ASSERT(errno == ENOMEM || errno == ENOSPC);
    source->on_events(source, EPOLLERR);
}

static void tell_kernel_all(struct epoll_loop *loop)
{
    for (struct list *link; (link = list_pop_front(&loop->changed)) != NULL;)
        tell_kernel(loop, LIST_ENTRY(link, struct epoll_source, changed_link));
}

static void free_closed(struct epoll_loop *loop)
{
    for (struct list *link; (link = list_pop_front(&loop->closed)) != NULL;) {
        struct epoll_source *source = LIST_ENTRY(link, struct epoll_source, link);
        source->destroy(source);
    }
}

void epoll__sources_settle(struct epoll_loop *loop)
{
    tell_kernel_all(loop);
    free_closed(loop);
}

void epoll__sources_free(struct epoll_loop *loop)
{
    while (!list_is_empty(&loop->sources))
        epoll__source_close(LIST_ENTRY(loop->sources.next, struct epoll_source, link));
    free_closed(loop);
}

void epoll__source_on_event(const struct epoll_event *event)
{
    struct epoll_source *source = event->data.ptr;
    if (source == NULL || source->is_closed) /* the waker; or closed since in this turn */
        return;
    const uint32_t failures = EPOLLERR | EPOLLHUP;
    const uint32_t heard = event->events & (source->wanted_events | failures);
    if (heard != event->events)
        mark_changed(source); /* it has stopped wanting what the kernel still reports */
    if (heard != 0)
        source->on_events(source, heard);
}
