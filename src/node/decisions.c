/* See decisions.h. */
#include "node/decisions.h"

#include "base/mem.h"
#include "controller/controller.h"

void decisions_init(struct decisions *d,
                    void (*on_end)(void *context, const struct decision *decision), void *context)
{
    *d = (struct decisions){ .on_end = on_end, .context = context };
    list_init(&d->waiting);
}

struct decision *decision_new(decision_done *done, void *context)
{
    struct decision *decision = MEM_NEW(struct decision);
    *decision = (struct decision){ .held_broker_id = -1, .done = done, .context = context };
    arena_init(&decision->arena, CONTROLLER_ARENA_BYTES_MAX);
    return decision;
}

void decisions_finish(struct decisions *d, struct decision *decision, enum kafka_error error,
                      const void *response)
{
    d->on_end(d->context, decision);
    if (decision->done != NULL)
        decision->done(decision->context, error, response);
    arena_deinit(&decision->arena);
    mem_free(decision);
}

void decisions_wait(struct decisions *d, struct decision *decision, int64_t offset)
{
    decision->offset = offset;
    list_push_back(&d->waiting, &decision->link);
}

static struct decision *find_answerable(struct decisions *d, int64_t committed_offset)
{
    LIST_FOR_EACH(&d->waiting, link)
    {
        struct decision *decision = LIST_ENTRY(link, struct decision, link);
        if (decision->offset > committed_offset)
            return NULL;
        if (!decision->needs_shards || decision->offset <= d->applied_offset)
            return decision;
    }
    return NULL;
}

void decisions_release(struct decisions *d, int64_t committed_offset)
{
    struct decision *decision;
    while ((decision = find_answerable(d, committed_offset)) != NULL) {
        list_remove(&decision->link);
        decisions_finish(d, decision, KAFKA_NONE, decision->response);
    }
}

void decisions_fail(struct decisions *d, enum kafka_error error)
{
    struct list failed;
    list_init(&failed);
    while (!list_is_empty(&d->waiting))
        list_push_back(&failed, list_pop_front(&d->waiting));
    struct list *link;
    while ((link = list_pop_front(&failed)) != NULL)
        decisions_finish(d, LIST_ENTRY(link, struct decision, link), error, NULL);
}
