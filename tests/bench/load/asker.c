/* See asker.h. */
#include "asker.h"

#include "base/mem.h"
#include "peer.h"

void askers_open(struct askers *askers, const struct load_options *options, size_t answer_bytes_max)
{
    askers->items = MEM_NEW_ARRAY(struct asker, (size_t)options->connections);
    for (int32_t i = 0; i < options->connections; i++)
        buf_init(&askers->items[i].request, INT32_MAX);
    links_open(&askers->links, options, answer_bytes_max);
}

void askers_close(struct askers *askers)
{
    for (int32_t i = 0; i < askers->links.count; i++)
        buf_deinit(&askers->items[i].request);
    mem_free(askers->items);
    links_close(&askers->links);
}

void askers_ask(struct askers *askers, int32_t index, int16_t api_key, int16_t version,
                const void *message)
{
    struct asker *asker = &askers->items[index];
    ASSERT(!asker->has_asked);
    buf_clear(&asker->request);
    load_put_request(&asker->request, api_key, version, 0, message);
    asker->frame = (struct link_frame){ .bytes = asker->request.data, .size = asker->request.size };
    asker->has_asked = true;
    (void)link_send(&askers->links.items[index], &asker->frame, asker->asked_count++);
    link_watch_output(&askers->links, index);
}

struct waiting {
    struct askers *askers;
    void (*on_answer)(void *context, int32_t index, struct bytes answer);
    void *context;
};

static void on_event(void *context, int32_t index, bool can_read, bool can_write)
{
    const struct waiting *waiting = context;
    struct links *links = &waiting->askers->links;
    struct link *link = &links->items[index];
    if (can_write && link->frame != NULL) {
        (void)link_send(link, NULL, 0); /* goes on at the next event if it must */
        link_watch_output(links, index);
    }
    if (!can_read)
        return;
    link_receive(link);
    size_t at = 0;
    struct bytes answer;
    if (!link_next_answer(link, &at, &answer))
        return;
    waiting->askers->items[index].has_asked = false;
    waiting->on_answer(waiting->context, index, answer);
    link_consume(link, at);
}

void askers_wait(struct askers *askers, int64_t wait_ns,
                 void (*on_answer)(void *context, int32_t index, struct bytes answer),
                 void *context)
{
    struct waiting waiting = { .askers = askers, .on_answer = on_answer, .context = context };
    links_wait(&askers->links, wait_ns, on_event, &waiting);
}
