/* Incremental fetch sessions (KIP-227): every state, and what a client may say in it. */
#include "server/fetch_session.h"

#include "base/test.h"

#include <string.h>

#define NOW_MS INT64_C(1700000000000)

/* A request of a few partitions of one topic, as a struct. */
struct ask {
    int32_t session_id;
    int32_t epoch;
    const char *topic; /* by name; NULL: by id */
    struct uuid id;
    int32_t first; /* partitions first … first + count - 1 */
    int32_t count;
    int32_t forgotten; /* one partition of the same topic; -1: none */
    int64_t offset;
    bool is_follower;
};

struct scene {
    struct fetch_sessions sessions;
    struct arena arena;
    struct fetch_context context;
    int64_t now_ms;
    uint32_t random;
};

static void scene_begin(struct scene *scene, uint32_t count_max)
{
    *scene = (struct scene){ .now_ms = NOW_MS, .random = 1000 };
    fetch_sessions_init(&scene->sessions, count_max, 7);
    arena_init(&scene->arena, 256u << 20);
}

static void scene_end(struct scene *scene)
{
    fetch_sessions_deinit(&scene->sessions);
    EXPECT_EQ(scene->sessions.partition_count, 0);
    arena_deinit(&scene->arena);
}

/* How many partitions the answer is about. */
static uint32_t row_count(const struct scene *scene)
{
    uint32_t count = 0;
    LIST_FOR_EACH(scene->context.partitions, link)
    count++;
    return count;
}

static void fetch(struct scene *scene, const struct ask *ask)
{
    struct fetch_request request = fetch_request_default;
    struct fetch_request_topic topic = { .topic = bytes_from_text(ask->topic),
                                         .topic_id = ask->id };
    topic.partitions = fetch_request_partition_array(&scene->arena, (size_t)MAX(ask->count, 1));
    topic.partitions_count = ask->count;
    for (int32_t i = 0; i < ask->count; i++) {
        topic.partitions[i].partition = ask->first + i;
        topic.partitions[i].fetch_offset = ask->offset;
    }
    int32_t forgotten_index = ask->forgotten;
    struct fetch_request_forgotten_topic forgotten = { .topic = bytes_from_text(ask->topic),
                                                       .topic_id = ask->id,
                                                       .partitions = &forgotten_index,
                                                       .partitions_count = 1 };
    request.session_id = ask->session_id;
    request.session_epoch = ask->epoch;
    request.replica_id = ask->is_follower ? 5 : -1;
    request.topics = &topic;
    request.topics_count = ask->count > 0 ? 1 : 0;
    request.forgotten_topics_data = &forgotten;
    request.forgotten_topics_data_count = ask->forgotten >= 0 ? 1 : 0;
    fetch_context_init(&scene->context, &scene->sessions, &request, ask->topic == NULL ? 13 : 12,
                       scene->now_ms, scene->random++, &scene->arena);
}

/* A session of `count` partitions, idle; its id. */
static int32_t open_session(struct scene *scene, int32_t count)
{
    fetch(scene, &(struct ask){ .topic = "t", .count = count, .forgotten = -1 });
    EXPECT_EQ(scene->context.error, KAFKA_NONE);
    return fetch_context_finish(&scene->context);
}

static struct fetch_partition *row_at(const struct scene *scene, uint32_t index)
{
    struct list *link = scene->context.partitions->next;
    while (index-- > 0)
        link = link->next;
    return LIST_ENTRY(link, struct fetch_partition, link);
}

/* A whole fetch with epoch 0 opens a session; with epoch -1 it does not. */
TEST(fetch_context, opens_a_session_when_asked_to)
{
    struct scene scene;
    scene_begin(&scene, 10);
    fetch(&scene, &(struct ask){ .epoch = -1, .topic = "t", .count = 3, .forgotten = -1 });
    EXPECT(scene.context.session == NULL && !scene.context.is_incremental);
    EXPECT_EQ(row_count(&scene), 3);
    EXPECT_EQ(fetch_context_finish(&scene.context), 0);
    const int32_t id = open_session(&scene, 3);
    EXPECT_EQ(id, 1001);
    EXPECT(!scene.context.is_incremental);
    EXPECT_EQ(scene.sessions.partition_count, 3);
    fetch(&scene,
          &(struct ask){ .topic = "t", .forgotten = -1 }); /* of nothing: as in Kafka, too */
    EXPECT_EQ(fetch_context_finish(&scene.context), 1002);
    EXPECT_EQ(map_i64_count(&scene.sessions.by_id), 2);
    scene_end(&scene);
}

/* Ids are drawn, and never 0, and never one that is taken. */
TEST(fetch_context, gives_each_session_an_id_of_its_own)
{
    struct scene scene;
    scene_begin(&scene, 10);
    static const uint32_t draws[] = { 5, 5, 0, 0x80000000u, 0x7fffffffu, 0xffffffffu };
    static const int32_t ids[] = { 5, 6, 1, 2, INT32_MAX, 3 };
    for (size_t i = 0; i < ARRAY_LEN(draws); i++) {
        scene.random = draws[i];
        EXPECT_EQ(open_session(&scene, 1), ids[i]);
    }
    scene_end(&scene);
}

/* Then only changes travel: positions move, partitions come and go, and the rest is remembered. */
TEST(fetch_context, keeps_what_it_is_not_told_again)
{
    struct scene scene;
    scene_begin(&scene, 10);
    const int32_t id = open_session(&scene, 3);
    fetch(&scene, &(struct ask){ .session_id = id, .epoch = 1, .topic = "t", .forgotten = -1 });
    EXPECT(scene.context.is_incremental);
    EXPECT_EQ(row_count(&scene), 3);
    EXPECT_EQ(fetch_context_finish(&scene.context), id);
    fetch(&scene, &(struct ask){ .session_id = id,
                                 .epoch = 2,
                                 .topic = "t",
                                 .first = 2,
                                 .count = 2,
                                 .offset = 77,
                                 .forgotten = 0 });
    EXPECT_EQ(row_count(&scene), 3); /* 1, 2, 3 */
    EXPECT_EQ(row_at(&scene, 0)->index, 1);
    EXPECT_EQ(row_at(&scene, 1)->fetch_offset, 77);
    EXPECT_EQ(row_at(&scene, 2)->index, 3);
    EXPECT(row_at(&scene, 2)->is_new);
    EXPECT_EQ(fetch_context_finish(&scene.context), id);
    EXPECT_EQ(scene.sessions.partition_count, 3);
    scene_end(&scene);
}

/* Each wrong word is answered by its own error and changes nothing. */
TEST(fetch_context, refuses_what_does_not_fit_the_session)
{
    struct scene scene;
    scene_begin(&scene, 10);
    const int32_t id = open_session(&scene, 2);
    static const int32_t epochs[] = { 2, 3, INT32_MAX, INT32_MIN, -2 };
    for (size_t i = 0; i < ARRAY_LEN(epochs); i++) {
        fetch(&scene,
              &(struct ask){ .session_id = id, .epoch = epochs[i], .topic = "t", .forgotten = 0 });
        EXPECT_EQ(scene.context.error, KAFKA_INVALID_FETCH_SESSION_EPOCH);
        EXPECT_EQ(fetch_context_finish(&scene.context), 0);
    }
    fetch(&scene, &(struct ask){ .session_id = id + 1, .epoch = 1, .topic = "t", .forgotten = -1 });
    EXPECT_EQ(scene.context.error, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    fetch(&scene, &(struct ask){ .session_id = 0, .epoch = 1, .topic = "t", .forgotten = -1 });
    EXPECT_EQ(scene.context.error, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    fetch(&scene, &(struct ask){ .session_id = id, .epoch = 1, .id = { { 1 } }, .forgotten = -1 });
    EXPECT_EQ(scene.context.error, KAFKA_FETCH_SESSION_TOPIC_ID_ERROR);
    fetch(&scene, &(struct ask){ .session_id = id, .epoch = 1, .topic = "t", .forgotten = -1 });
    EXPECT_EQ(scene.context.error, KAFKA_NONE);
    EXPECT_EQ(row_count(&scene), 2);
    /* While it is being answered it is nobody else's. */
    struct fetch_context first = scene.context;
    fetch(&scene, &(struct ask){ .session_id = id, .epoch = 2, .topic = "t", .forgotten = -1 });
    EXPECT_EQ(scene.context.error, KAFKA_INVALID_FETCH_SESSION_EPOCH);
    EXPECT_EQ(fetch_context_finish(&first), id);
    scene_end(&scene);
}

/* Epoch -1 ends a session and epoch 0 replaces it; one that is emptied ends by itself. */
TEST(fetch_context, ends_sessions_in_three_ways)
{
    struct scene scene;
    scene_begin(&scene, 10);
    int32_t id = open_session(&scene, 2);
    fetch(&scene, &(struct ask){
                      .session_id = id, .epoch = -1, .topic = "t", .count = 1, .forgotten = -1 });
    EXPECT_EQ(fetch_context_finish(&scene.context), 0);
    EXPECT_EQ(row_count(&scene), 1);
    EXPECT_EQ(map_i64_count(&scene.sessions.by_id), 0);

    id = open_session(&scene, 2);
    fetch(&scene,
          &(struct ask){ .session_id = id, .epoch = 0, .topic = "t", .count = 1, .forgotten = -1 });
    const int32_t next = fetch_context_finish(&scene.context);
    EXPECT(next != 0 && next != id);
    EXPECT_EQ(map_i64_count(&scene.sessions.by_id), 1);
    EXPECT_EQ(scene.sessions.partition_count, 1);

    fetch(&scene, &(struct ask){ .session_id = next, .epoch = 1, .topic = "t", .forgotten = 0 });
    EXPECT_EQ(scene.context.error, KAFKA_NONE);
    EXPECT_EQ(row_count(&scene), 0);
    EXPECT_EQ(fetch_context_finish(&scene.context), 0);
    EXPECT_EQ(map_i64_count(&scene.sessions.by_id), 0);
    scene_end(&scene);
}

/* The epoch of a session that lives long goes on at 1. */
TEST(fetch_context, wraps_the_epoch_past_its_greatest)
{
    struct scene scene;
    scene_begin(&scene, 10);
    const int32_t id = open_session(&scene, 1);
    struct fetch_session *session = map_i64_get(&scene.sessions.by_id, id);
    session->epoch = INT32_MAX;
    fetch(&scene,
          &(struct ask){ .session_id = id, .epoch = INT32_MAX, .topic = "t", .forgotten = -1 });
    EXPECT_EQ(scene.context.error, KAFKA_NONE);
    EXPECT_EQ(fetch_context_finish(&scene.context), id);
    fetch(&scene, &(struct ask){ .session_id = id, .epoch = 1, .topic = "t", .forgotten = -1 });
    EXPECT_EQ(scene.context.error, KAFKA_NONE);
    EXPECT_EQ(fetch_context_finish(&scene.context), id);
    scene_end(&scene);
}

/* Told: what is new, has records, has changed, has failed, or has failed before. The rest is passed over. */
TEST(fetch_context_tells, what_has_changed_and_nothing_else)
{
    struct scene scene;
    scene_begin(&scene, 10);
    const int32_t id = open_session(&scene, 1);
    int32_t epoch = 1;
#define NEXT_FETCH()                                                                               \
    fetch(&scene,                                                                                  \
          &(struct ask){ .session_id = id, .epoch = epoch++, .topic = "t", .forgotten = -1 })
#define TELLS(error, high_watermark, log_start, has_records)                                       \
    fetch_context_tells(&scene.context, row_at(&scene, 0), error, high_watermark, log_start,       \
                        has_records, false)
    NEXT_FETCH();
    EXPECT(TELLS(KAFKA_NONE, 5, 0, false)); /* new */
    EXPECT(!TELLS(KAFKA_NONE, 5, 0, false));
    EXPECT(TELLS(KAFKA_NONE, 5, 0, true));
    EXPECT(!TELLS(KAFKA_NONE, 5, 0, false));
    EXPECT(TELLS(KAFKA_NONE, 6, 0, false));
    EXPECT(TELLS(KAFKA_NONE, 6, 2, false));
    EXPECT(!TELLS(KAFKA_NONE, 6, 2, false));
    EXPECT(TELLS(KAFKA_NOT_LEADER_OR_FOLLOWER, -1, -1, false));
    EXPECT(TELLS(KAFKA_NOT_LEADER_OR_FOLLOWER, -1, -1, false)); /* as long as it lasts */
    EXPECT(TELLS(KAFKA_NONE, 6, 2, false));
    EXPECT(!TELLS(KAFKA_NONE, 6, 2, false));
    (void)fetch_context_finish(&scene.context);
#undef TELLS
#undef NEXT_FETCH
    scene_end(&scene);
}

/* Who was given records goes to the end of the row: the others are first when the next answer is full. */
TEST(fetch_context_tells, moves_who_was_served_to_the_end)
{
    struct scene scene;
    scene_begin(&scene, 10);
    const int32_t id = open_session(&scene, 4);
    fetch(&scene, &(struct ask){ .session_id = id, .epoch = 1, .topic = "t", .forgotten = -1 });
    (void)fetch_context_tells(&scene.context, row_at(&scene, 0), KAFKA_NONE, 1, 0, true, false);
    (void)fetch_context_tells(&scene.context, row_at(&scene, 1), KAFKA_NONE, 1, 0, true, false);
    static const int32_t order[] = { 1, 3, 0, 2 };
    for (uint32_t i = 0; i < 4; i++)
        EXPECT_EQ(row_at(&scene, i)->index, order[i]);
    (void)fetch_context_finish(&scene.context);
    scene_end(&scene);
}

/* ---- places ---------------------------------------------------------------------------------- */

static bool is_open(const struct scene *scene, int32_t id)
{
    return map_i64_get(&scene->sessions.by_id, id) != NULL;
}

/* All places taken: nobody is put out who is in use, young, or larger. */
TEST(fetch_context, puts_out_only_who_may_be)
{
    struct scene scene;
    scene_begin(&scene, 2);
    const int32_t small = open_session(&scene, 1);
    const int32_t large = open_session(&scene, 5);
    EXPECT_EQ(open_session(&scene, 3), 0); /* both are young */
    EXPECT_EQ(row_count(&scene), 3);       /* and yet it is served */

    scene.now_ms += FETCH_SESSION_EVICT_AGE_MS - 1;
    fetch(&scene, &(struct ask){ .session_id = small, .epoch = 1, .topic = "t", .forgotten = -1 });
    (void)fetch_context_finish(&scene.context);
    fetch(&scene, &(struct ask){ .session_id = large, .epoch = 1, .topic = "t", .forgotten = -1 });
    (void)fetch_context_finish(&scene.context);
    EXPECT_EQ(open_session(&scene, 3), 0);

    scene.now_ms += 1; /* both have had their place for a while, and are in use */
    EXPECT_EQ(open_session(&scene, 1), 0);
    const int32_t middle = open_session(&scene, 3);
    EXPECT(middle != 0 && !is_open(&scene, small) && is_open(&scene, large));
    EXPECT_EQ(scene.sessions.evictions, 1);

    scene.now_ms +=
        FETCH_SESSION_EVICT_AGE_MS; /* `large` is unused for as long: any may take its place */
    fetch(&scene, &(struct ask){ .session_id = middle, .epoch = 1, .topic = "t", .forgotten = -1 });
    (void)fetch_context_finish(&scene.context);
    EXPECT(open_session(&scene, 1) != 0);
    EXPECT(!is_open(&scene, large) && is_open(&scene, middle));
    scene_end(&scene);
}

/* A follower's session is worth more than any consumer's. */
TEST(fetch_context, prefers_followers)
{
    struct scene scene;
    scene_begin(&scene, 1);
    const int32_t consumer = open_session(&scene, 9);
    scene.now_ms += FETCH_SESSION_EVICT_AGE_MS / 2;
    fetch(&scene,
          &(struct ask){ .session_id = consumer, .epoch = 1, .topic = "t", .forgotten = -1 });
    (void)fetch_context_finish(&scene.context);
    scene.now_ms += FETCH_SESSION_EVICT_AGE_MS / 2;
    fetch(&scene, &(struct ask){ .topic = "t", .count = 1, .forgotten = -1, .is_follower = true });
    const int32_t follower = fetch_context_finish(&scene.context);
    EXPECT(follower != 0 && !is_open(&scene, consumer));
    scene.now_ms += FETCH_SESSION_EVICT_AGE_MS - 1;
    fetch(&scene,
          &(struct ask){ .session_id = follower, .epoch = 1, .topic = "t", .forgotten = -1 });
    (void)fetch_context_finish(&scene.context);
    scene.now_ms += 1;
    EXPECT_EQ(open_session(&scene, 100), 0);
    EXPECT(is_open(&scene, follower));
    scene_end(&scene);
}

/* One that is being answered is not put out, however old. */
TEST(fetch_context, does_not_put_out_who_is_being_answered)
{
    struct scene scene;
    scene_begin(&scene, 1);
    const int32_t id = open_session(&scene, 1);
    fetch(&scene, &(struct ask){ .session_id = id, .epoch = 1, .topic = "t", .forgotten = -1 });
    struct fetch_context waiting = scene.context;
    scene.now_ms += 10 * FETCH_SESSION_EVICT_AGE_MS;
    EXPECT_EQ(open_session(&scene, 100), 0);
    EXPECT_EQ(fetch_context_finish(&waiting), id);
    scene_end(&scene);
}

/* No places at all (a setting allows it): everyone is served without a session. */
TEST(fetch_context, works_without_any_place)
{
    struct scene scene;
    scene_begin(&scene, 0);
    EXPECT_EQ(open_session(&scene, 3), 0);
    EXPECT_EQ(row_count(&scene), 3);
    scene_end(&scene);
}

/* ---- bounds ---------------------------------------------------------------------------------- */

/* So much is remembered and no more: a new session is refused, one that would grow past it ends, and both are served by
 * whole fetches. */
TEST(fetch_context, remembers_so_many_partitions_and_no_more)
{
    struct scene scene;
    scene_begin(&scene, 1000);
    const int32_t id = open_session(&scene, 10);
    scene.sessions.partition_count +=
        FETCH_SESSION_PARTITIONS_MAX - 15; /* as if others had so many */
    EXPECT_EQ(open_session(&scene, 6), 0);
    EXPECT_EQ(row_count(&scene), 6);
    EXPECT(open_session(&scene, 5) != 0);
    fetch(
        &scene,
        &(struct ask){
            .session_id = id, .epoch = 1, .topic = "t", .first = 10, .count = 1, .forgotten = -1 });
    EXPECT_EQ(scene.context.error, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    EXPECT(!is_open(&scene, id));
    scene.sessions.partition_count -= FETCH_SESSION_PARTITIONS_MAX - 15;
    scene_end(&scene);
}

/* Names that no topic can have are not remembered, and none is taken for another that begins like it. */
TEST(fetch_context, remembers_no_name_that_is_too_long)
{
    char name[300];
    memset(name, 'n', sizeof(name));
    struct scene scene;
    scene_begin(&scene, 10);
    name[250] = '\0';
    fetch(&scene, &(struct ask){ .topic = name, .count = 2, .forgotten = -1 });
    EXPECT_EQ(fetch_context_finish(&scene.context), 0);
    EXPECT_EQ(row_count(&scene), 2);
    name[249] = '\0';
    fetch(&scene, &(struct ask){ .topic = name, .count = 2, .forgotten = -1 });
    const int32_t id = fetch_context_finish(&scene.context);
    EXPECT(id != 0);
    name[249] = 'n';
    fetch(&scene, &(struct ask){
                      .session_id = id, .epoch = 1, .topic = name, .count = 1, .forgotten = -1 });
    EXPECT_EQ(scene.context.error, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    scene_end(&scene);
}

/* By id: partitions of different topics are told apart, and by number. */
TEST(fetch_context, tells_topics_apart_by_id)
{
    struct scene scene;
    scene_begin(&scene, 10);
    fetch(&scene, &(struct ask){ .id = { { 1 } }, .count = 2, .forgotten = -1 });
    const int32_t id = fetch_context_finish(&scene.context);
    fetch(&scene, &(struct ask){
                      .session_id = id, .epoch = 1, .id = { { 2 } }, .count = 2, .forgotten = -1 });
    EXPECT_EQ(row_count(&scene), 4);
    (void)fetch_context_finish(&scene.context);
    fetch(&scene, &(struct ask){ .session_id = id, .epoch = 2, .id = { { 2 } }, .forgotten = 1 });
    EXPECT_EQ(row_count(&scene), 3);
    EXPECT_EQ(row_at(&scene, 2)->topic_id.bytes[0], 2);
    EXPECT_EQ(row_at(&scene, 2)->index, 0);
    (void)fetch_context_finish(&scene.context);
    scene_end(&scene);
}
