/* See rig_eater_test.h. */
#include "client/rig_eater_test.h"

#include "wire/kafka_error.h"

#include <string.h>

static void on_assigned(void *context, size_t partition_count)
{
    struct eater *e = context;
    e->assigned++;
    e->share = partition_count;
}

static void on_revoked(void *context)
{
    struct eater *e = context;
    e->revoked++;
    e->share = 0;
}

void eater_open(struct client_rig *rig, struct eater *e)
{
    *e = (struct eater){ .rig = rig };
    const struct consumer_owner owner = { .on_assigned = on_assigned,
                                          .on_revoked = on_revoked,
                                          .context = e };
    EXPECT_OK(consumer_new(&rig->loop, rig->config, &rig->diag, &owner, &e->consumer, &e->note));
}

void scene_begin(struct scene *s, uint64_t seed, const char *settings)
{
    AUTO(mem_freep)
    char *all = mem_printf("request.timeout.ms=2000\nfetch.max.wait.ms=500\n"
                           "auto.offset.reset=earliest\nallow.auto.create.topics=false\n%s",
                           settings);
    client_rig_begin(&s->rig, seed, SETTING_KIND_CONSUMER, all);
    s->topic = client_rig_topic(&s->rig, "t", PARTITIONS);
    eater_open(&s->rig, &s->eater);
}

void scene_end(struct scene *s)
{
    consumer_free(s->eater.consumer);
    client_rig_end(&s->rig);
}

void scene_fill(struct scene *s, int32_t count)
{
    for (int32_t i = 0; i < PARTITIONS; i++) {
        struct rig_partition *p = &s->topic->partitions[i];
        rig_append_numbers(p, (int32_t)p->end_offset, count);
    }
}

static void eater_take(struct eater *e, const struct consumer_record *record)
{
    int64_t number;
    EXPECT(bytes_equal_text(record->topic, "t"));
    EXPECT_OK(bytes_to_i64(record->record.value, &number));
    EXPECT_EQ(number, record->record.offset);
    EXPECT_EQ(number, e->next[record->partition]);
    e->next[record->partition]++;
    e->count[record->partition]++;
}

int64_t eater_total(const struct eater *e)
{
    int64_t count = 0;
    for (int32_t i = 0; i < PARTITIONS; i++)
        count += e->count[i];
    return count;
}

void eater_eat(struct eater *e, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        struct consumer_record record;
        const int r = consumer_poll(e->consumer, 60000, &record, &e->note);
        if (r != 1)
            test_fail(__FILE__, __LINE__, "record %" PRId64 " of %" PRId64 ": %s", i, count,
                      r == 0 ? "none came" : e->note.text);
        eater_take(e, &record);
    }
}

void eater_expect_nothing(struct eater *e, int64_t ms)
{
    struct consumer_record record;
    EXPECT_EQ(consumer_poll(e->consumer, ms, &record, &e->note), 0);
}

void eater_expect_failure(struct eater *e, int code, const char *words)
{
    struct consumer_record record;
    EXPECT_EQ(consumer_poll(e->consumer, 60000, &record, &e->note), -code);
    if (strstr(e->note.text, words) == NULL)
        test_fail(__FILE__, __LINE__, "\"%s\" says nothing of \"%s\"", e->note.text, words);
    EXPECT_EQ(consumer_poll(e->consumer, 60000, &record, &e->note), -code); /* and it stays so */
}

void scene_assign(struct scene *s, int32_t partition, int64_t offset)
{
    consumer_assign(s->eater.consumer, BYTES_LITERAL("t"), partition, offset);
}
