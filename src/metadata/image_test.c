/* The image: against a naive model, old versions beside new ones, and its size. */
#include "metadata/image.h"

#include "base/mem.h"
#include "metadata/diff.h"
#include "metadata/feature.h"
#include "metadata/sample_test.h"
#include "wire/messages/partition_change_record.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

/* ---- random changes against plain arrays ---------------------------------------------------------- */

enum { TOPICS = 6, PARTITIONS = 5, CONFIGS = 3, VERSIONS = 6 };

struct model {
    struct {
        bool exists;
        uint8_t id;
        int32_t leader[PARTITIONS]; /* 0: no such partition */
        int32_t leader_epoch[PARTITIONS];
        int32_t partition_epoch[PARTITIONS];
        int32_t config[CONFIGS]; /* 0: not set */
    } topics[TOPICS];
};

static void topic_name(char out[16], int topic)
{
    snprintf(out, 16, "topic-%d", topic);
}

static void expect_topic(const struct metadata_image *image, const struct model *m, int t)
{
    char name[16];
    topic_name(name, t);
    const struct metadata_topic *topic = metadata_topic_by_name(image, bytes_from_text(name));
    EXPECT_EQ(topic != NULL, m->topics[t].exists);
    for (int c = 0; c < CONFIGS; c++) {
        char key[16];
        char value[16];
        snprintf(key, sizeof(key), "key-%d", c);
        snprintf(value, sizeof(value), "%d", m->topics[t].config[c]);
        const struct bytes got = metadata_config_value(image, METADATA_CONFIG_TOPIC,
                                                       bytes_from_text(name), bytes_from_text(key));
        EXPECT_EQ(!bytes_is_null(got), m->topics[t].config[c] != 0);
        EXPECT(bytes_is_null(got) || bytes_equal_text(got, value));
    }
    if (topic == NULL)
        return;
    EXPECT(topic == metadata_topic_by_id(image, sample_id(m->topics[t].id)));
    uint32_t count = 0;
    for (int32_t p = 0; p < PARTITIONS; p++) {
        const struct metadata_partition *partition = metadata_topic_partition(topic, p);
        EXPECT_EQ(partition != NULL, m->topics[t].leader[p] != 0);
        if (partition == NULL)
            continue;
        count++;
        EXPECT_EQ(partition->leader, m->topics[t].leader[p]);
        EXPECT_EQ(partition->leader_epoch, m->topics[t].leader_epoch[p]);
        EXPECT_EQ(partition->partition_epoch, m->topics[t].partition_epoch[p]);
        EXPECT_EQ(metadata_partition_replicas(partition)[1], 2);
        EXPECT(uuid_equal(metadata_partition_directories(partition)[1], sample_id(202)));
    }
    EXPECT_EQ(metadata_topic_partition_count(topic), count);
}

static void expect_model(const struct metadata_image *image, const struct model *m)
{
    uint64_t partitions = 0;
    int32_t topics = 0;
    for (int t = 0; t < TOPICS; t++) {
        expect_topic(image, m, t);
        topics += m->topics[t].exists;
        for (int p = 0; p < PARTITIONS; p++)
            partitions += m->topics[t].leader[p] != 0;
    }
    EXPECT_EQ(image->partition_count, partitions);
    struct metadata_walk walk;
    metadata_walk_topics(&walk, image);
    const struct metadata_topic *topic;
    struct bytes last = BYTES_NULL;
    while ((topic = metadata_next_topic(&walk)) != NULL) {
        EXPECT(bytes_compare(last, topic->name) < 0);
        last = topic->name;
        topics--;
    }
    EXPECT_EQ(topics, 0);
}

static void change_leader(struct metadata_loader *loader, uint8_t topic_id, int32_t partition,
                          int32_t leader)
{
    struct partition_change_record record;
    partition_change_record_init(&record);
    record.topic_id = sample_id(topic_id);
    record.partition_id = partition;
    record.leader = leader;
    sample_put(loader, &partition_change_record_message, 2, &record);
}

/* One random change to both; next_id makes topic ids unique over the run. */
static void random_change(struct metadata_loader *loader, struct model *m, struct rng *rng,
                          uint8_t *next_id)
{
    const int t = (int)rng_below(rng, TOPICS);
    const int32_t p = (int32_t)rng_below(rng, PARTITIONS);
    const int c = (int)rng_below(rng, CONFIGS);
    char name[16];
    char key[16];
    char value[16];
    topic_name(name, t);
    snprintf(key, sizeof(key), "key-%d", c);
    if (!m->topics[t].exists) {
        m->topics[t].exists = true;
        m->topics[t].id = (*next_id)++;
        sample_topic(loader, name, sample_id(m->topics[t].id));
        return;
    }
    switch (rng_below(rng, 8)) {
    case 0:
        if (*next_id > 180)
            return;
        sample_remove_topic(loader, sample_id(m->topics[t].id));
        memset(&m->topics[t], 0, sizeof(m->topics[t]));
        return;
    case 1:
    case 2: {
        const int32_t number = (int32_t)rng_below(rng, 100) + 1;
        snprintf(value, sizeof(value), "%d", number);
        sample_config(loader, METADATA_CONFIG_TOPIC, name, key, value);
        m->topics[t].config[c] = number;
        return;
    }
    case 3:
        sample_config(loader, METADATA_CONFIG_TOPIC, name, key, NULL);
        m->topics[t].config[c] = 0;
        return;
    default:
        break;
    }
    if (m->topics[t].leader[p] == 0) {
        sample_partition(loader, sample_id(m->topics[t].id), p, (const int32_t[]){ 1, 2, 3 }, 3);
        m->topics[t].leader[p] = 1;
        m->topics[t].leader_epoch[p] = m->topics[t].partition_epoch[p] = 0;
    } else {
        const int32_t leader = (int32_t)rng_below(rng, 3) + 1;
        change_leader(loader, m->topics[t].id, p, leader);
        m->topics[t].leader[p] = leader;
        m->topics[t].leader_epoch[p]++;
        m->topics[t].partition_epoch[p]++;
    }
}

/* Published images must stay as they were, in whatever order they are dropped. */
TEST(metadata_image, follows_a_naive_model_while_old_versions_stay)
{
    struct rng rng = rng_from_seed(context->seed);
    struct metadata_loader *loader = metadata_loader_new(NULL);
    struct metadata_image *images[VERSIONS] = { NULL };
    struct model models[VERSIONS];
    struct model now;
    memset(&now, 0, sizeof(now));
    uint8_t next_id = 1;
    for (int step = 0; step < 3000; step++) {
        random_change(loader, &now, &rng, &next_id);
        if (rng_chance(&rng, 200000)) {
            const size_t v = rng_below(&rng, VERSIONS);
            metadata_image_unref(images[v]);
            images[v] = metadata_loader_publish(loader);
            models[v] = now;
        }
        if (step % 20 == 0) {
            expect_model(metadata_loader_working(loader), &now);
            for (size_t v = 0; v < VERSIONS; v++) {
                if (images[v] != NULL)
                    expect_model(images[v], &models[v]);
            }
        }
    }
    metadata_loader_free(loader);
    for (size_t v = 0; v < VERSIONS; v++)
        metadata_image_unref(images[v]);
}

/* ---- differences ----------------------------------------------------------------------------------- */

static void note_topic(void *context, const struct metadata_topic *a,
                       const struct metadata_topic *b)
{
    buf_printf(context, "%c%.*s\n",
               a == NULL   ? '+'
               : b == NULL ? '-'
                           : '~',
               BYTES_PRINTF((a == NULL ? b : a)->name));
}

static void note_partition(void *context, const struct metadata_topic *topic,
                           const struct metadata_partition *a, const struct metadata_partition *b)
{
    buf_printf(context, "%c%.*s-%d\n",
               a == NULL   ? '+'
               : b == NULL ? '-'
                           : '~',
               BYTES_PRINTF(topic->name), (a == NULL ? b : a)->id);
}

static void note_config(void *context, const struct metadata_config *a,
                        const struct metadata_config *b)
{
    buf_printf(context, "%cconfig %.*s\n",
               a == NULL   ? '+'
               : b == NULL ? '-'
                           : '~',
               BYTES_PRINTF((a == NULL ? b : a)->name));
}

static void note_broker(void *context, const struct metadata_broker *a,
                        const struct metadata_broker *b)
{
    buf_printf(context, "%cbroker %d\n",
               a == NULL   ? '+'
               : b == NULL ? '-'
                           : '~',
               (a == NULL ? b : a)->id);
}

TEST(metadata_image, difference_tells_what_changed_in_order)
{
    struct metadata_loader *loader = metadata_loader_new(NULL);
    const int32_t one[] = { 1 };
    sample_broker(loader, 1, 0, true);
    sample_broker(loader, 2, 1, true);
    for (uint8_t t = 1; t <= 4; t++) {
        sample_topic(loader, (const char *[]){ "a", "b", "c", "d" }[t - 1], sample_id(t));
        sample_partition(loader, sample_id(t), 0, one, 1);
        sample_partition(loader, sample_id(t), 1, one, 1);
    }
    sample_config(loader, METADATA_CONFIG_TOPIC, "b", "k", "v");
    struct metadata_image *before = metadata_loader_publish(loader);

    change_leader(loader, 1, 1, 2);
    sample_remove_topic(loader, sample_id(2)); /* b comes back under the same name */
    sample_topic(loader, "b", sample_id(9));
    sample_partition(loader, sample_id(9), 0, one, 1);
    sample_remove_topic(loader, sample_id(3));
    sample_topic(loader, "e", sample_id(10));
    sample_partition(loader, sample_id(4), 2, one, 1);
    sample_config(loader, METADATA_CONFIG_BROKER, "", "k", "v");
    sample_broker(loader, 2, 20, false);
    struct metadata_image *after = metadata_loader_publish(loader);

    struct buf out;
    buf_init(&out, 4096);
    const struct metadata_observer observer = { .context = &out,
                                                .on_topic = note_topic,
                                                .on_partition = note_partition,
                                                .on_config = note_config,
                                                .on_broker = note_broker };
    metadata_image_diff(before, after, &observer);
    buf_put_u8(&out, 0);
    EXPECT_TEXT((char *)out.data, "~a-1\n"
                                  "-b-0\n-b-1\n-b\n+b\n+b-0\n"
                                  "-c-0\n-c-1\n-c\n"
                                  "+d-2\n"
                                  "+e\n"
                                  "-config b\n+config \n"
                                  "~broker 2\n");
    buf_clear(&out);
    metadata_image_diff(NULL, before, &observer);
    buf_put_u8(&out, 0);
    EXPECT_TEXT((char *)out.data, "+a\n+a-0\n+a-1\n+b\n+b-0\n+b-1\n+c\n+c-0\n+c-1\n+d\n+d-0\n+d-1\n"
                                  "+config b\n+broker 1\n+broker 2\n");
    buf_clear(&out);
    metadata_image_diff(after, after, &observer);
    EXPECT_EQ(out.size, 0);
    buf_deinit(&out);
    metadata_image_unref(before);
    metadata_image_unref(after);
    metadata_loader_free(loader);
}

TEST(metadata_image, walks_topics_and_partitions_from_the_middle)
{
    struct metadata_loader *loader = metadata_loader_new(NULL);
    const int32_t one[] = { 1 };
    sample_topic(loader, "b", sample_id(1));
    sample_topic(loader, "d", sample_id(2));
    for (int32_t p = 0; p < 4; p++)
        sample_partition(loader, sample_id(2), p, one, 1);
    const struct metadata_image *image = metadata_loader_working(loader);
    struct metadata_walk walk;
    metadata_walk_topics_at(&walk, image, BYTES_LITERAL("c"));
    EXPECT(bytes_equal_text(metadata_next_topic(&walk)->name, "d"));
    EXPECT(metadata_next_topic(&walk) == NULL);
    const struct metadata_topic *d = metadata_topic_by_name(image, BYTES_LITERAL("d"));
    EXPECT_TEXT((const char *)d->name.data, "d"); /* a NUL follows */
    metadata_walk_partitions_at(&walk, d, 2);
    EXPECT_EQ(metadata_next_partition(&walk)->id, 2);
    EXPECT_EQ(metadata_next_partition(&walk)->id, 3);
    EXPECT(metadata_next_partition(&walk) == NULL);
    metadata_loader_free(loader);
}

/* The budget of the house: 10,000 idle partitions in under 100 MB, all rooms together. The image takes its
 * small share, and a second version of it next to nothing. */
TEST(metadata_image, stays_small_per_partition)
{
    enum { COUNT = 10000 };
    struct metadata_loader *loader = metadata_loader_new(NULL);
    sample_topic(loader, "big", sample_id(1));
    const size_t before = mallinfo2().uordblks;
    for (int32_t p = 0; p < COUNT; p++)
        sample_partition(loader, sample_id(1), p, (const int32_t[]){ 1 }, 1);
    const size_t loaded = mallinfo2().uordblks;
    struct metadata_image *image = metadata_loader_publish(loader);
    change_leader(loader, 1, 5000, 1);
    const size_t changed = mallinfo2().uordblks;
    if (loaded > before) { /* sanitizers replace malloc and count nothing */
        EXPECT((loaded - before) / COUNT <= 160);
        EXPECT(changed - loaded <= 4096);
    }
    metadata_image_unref(image);
    metadata_loader_free(loader);
}
