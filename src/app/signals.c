/* See signals.h. */
#include "app/signals.h"

#include <time.h>

static void deliver(struct io_message *message)
{
    struct signals *signals = CONTAINER_OF(message, struct signals, message);
    signals->on_signal(signals->context, signals->taken);
    __atomic_store_n(&signals->is_told, true, __ATOMIC_RELEASE);
}

static void *wait_for_signals(void *context)
{
    struct signals *signals = context;
    static const struct timespec patience = { .tv_nsec = 20 * 1000 * 1000 };
    for (;;) {
        int number = 0;
        if (sigwait(&signals->set, &number) != 0 ||
            __atomic_load_n(&signals->is_ending, __ATOMIC_ACQUIRE))
            return NULL;
        while (!__atomic_load_n(&signals->is_told, __ATOMIC_ACQUIRE)) {
            if (__atomic_load_n(&signals->is_ending, __ATOMIC_ACQUIRE))
                return NULL;
            (void)nanosleep(&patience,
                            NULL); /* two signals at once: the second waits for the first */
        }
        signals->taken = number;
        __atomic_store_n(&signals->is_told, false, __ATOMIC_RELEASE);
        io_post(signals->io, &signals->message);
    }
}

void signals_block(struct signals *signals)
{
    *signals = (struct signals){ .is_told = true, .message = { .deliver = deliver } };
    (void)sigemptyset(&signals->set);
    (void)sigaddset(&signals->set, SIGINT);
    (void)sigaddset(&signals->set, SIGTERM);
    (void)sigaddset(&signals->set, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &signals->set, NULL); /* cannot fail with these arguments */
    (void)signal(SIGPIPE, SIG_IGN);
}

void signals_block_more(struct signals *signals)
{
    (void)sigaddset(&signals->set, SIGQUIT);
    (void)pthread_sigmask(SIG_BLOCK, &signals->set, NULL); /* cannot fail with these arguments */
    (void)signal(SIGUSR1, SIG_IGN);
    (void)signal(SIGUSR2, SIG_IGN);
    (void)signal(SIGALRM, SIG_IGN);
}

int signals_start(struct signals *signals, struct io *io,
                  void (*on_signal)(void *context, int signal_number), void *context)
{
    signals->io = io;
    signals->on_signal = on_signal;
    signals->context = context;
    const int r = -pthread_create(&signals->thread, NULL, wait_for_signals, signals);
    if (r < 0)
        signals->io = NULL; /* nothing to be joined */
    return r;
}

void signals_end(struct signals *signals)
{
    if (signals->io == NULL)
        return;
    __atomic_store_n(&signals->is_ending, true, __ATOMIC_RELEASE);
    (void)pthread_kill(signals->thread, SIGHUP); /* ends its sigwait */
    (void)pthread_join(signals->thread, NULL);
    signals->io = NULL;
}
