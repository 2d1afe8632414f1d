/* What changed between two images. */
#include "metadata/diff.h"

#include "metadata/item_int.h"

__attribute__((noinline)) static void diff_partitions(const struct metadata_topic *topic,
                                                      const struct metadata_tree *before,
                                                      const struct metadata_tree *after,
                                                      const struct metadata_observer *observer)
{
    if (observer->on_partition == NULL)
        return;
    struct metadata_tree_diff diff;
    metadata_tree_diff_begin(&diff, before, after, metadata__order_partitions);
    struct metadata_item *a;
    struct metadata_item *b;
    while (metadata_tree_diff_next(&diff, &a, &b)) {
        observer->on_partition(observer->context, topic, (const struct metadata_partition *)a,
                               (const struct metadata_partition *)b);
    }
}

static void topic_gone(const struct metadata_topic *topic, const struct metadata_observer *observer)
{
    const struct metadata_tree none = { .root = NULL };
    diff_partitions(topic, &topic->partitions, &none, observer);
    if (observer->on_topic != NULL)
        observer->on_topic(observer->context, topic, NULL);
}

static void topic_new(const struct metadata_topic *topic, const struct metadata_observer *observer)
{
    const struct metadata_tree none = { .root = NULL };
    if (observer->on_topic != NULL)
        observer->on_topic(observer->context, NULL, topic);
    diff_partitions(topic, &none, &topic->partitions, observer);
}

static void diff_topics(const struct metadata_tree *before, const struct metadata_tree *after,
                        const struct metadata_observer *observer)
{
    struct metadata_tree_diff diff;
    metadata_tree_diff_begin(&diff, before, after, metadata__order_topics);
    struct metadata_item *item_a;
    struct metadata_item *item_b;
    while (metadata_tree_diff_next(&diff, &item_a, &item_b)) {
        const struct metadata_topic *a = (const struct metadata_topic *)item_a;
        const struct metadata_topic *b = (const struct metadata_topic *)item_b;
        if (a != NULL && b != NULL && uuid_equal(a->id, b->id)) {
            diff_partitions(b, &a->partitions, &b->partitions, observer);
            continue;
        }
        if (a != NULL)
            topic_gone(a, observer);
        if (b != NULL)
            topic_new(b, observer);
    }
}

/* One function for each kind of item: a difference is some KiB on the stack, so they must not be folded into one. */
#define DIFF_FUNCTION(name, type, order, call)                                                     \
    __attribute__((noinline)) static void diff_##name(const struct metadata_tree *before,          \
                                                      const struct metadata_tree *after,           \
                                                      const struct metadata_observer *observer)    \
    {                                                                                              \
        if (observer->call == NULL)                                                                \
            return;                                                                                \
        struct metadata_tree_diff diff;                                                            \
        metadata_tree_diff_begin(&diff, before, after, (order));                                   \
        struct metadata_item *a;                                                                   \
        struct metadata_item *b;                                                                   \
        while (metadata_tree_diff_next(&diff, &a, &b))                                             \
            observer->call(observer->context, (const struct type *)a, (const struct type *)b);     \
    }
DIFF_FUNCTION(configs, metadata_config, metadata__order_configs, on_config)
DIFF_FUNCTION(brokers, metadata_broker, metadata__order_brokers, on_broker)
DIFF_FUNCTION(controllers, metadata_controller, metadata__order_controllers, on_controller)
DIFF_FUNCTION(features, metadata_feature, metadata__order_features, on_feature)
DIFF_FUNCTION(quotas, metadata_quota, metadata__order_quotas, on_quota)
DIFF_FUNCTION(acls, metadata_acl, metadata__order_acls, on_acl)
DIFF_FUNCTION(scram, metadata_scram, metadata__order_scram, on_scram)
DIFF_FUNCTION(tokens, metadata_token, metadata__order_tokens, on_token)

void metadata_image_diff(const struct metadata_image *before, const struct metadata_image *after,
                         const struct metadata_observer *observer)
{
    const struct metadata_image empty = { .provenance = { .offset = -1 } };
    if (before == NULL)
        before = &empty;
    diff_topics(&before->topics_by_name, &after->topics_by_name, observer);
    diff_configs(&before->configs, &after->configs, observer);
    diff_brokers(&before->brokers, &after->brokers, observer);
    diff_controllers(&before->controllers, &after->controllers, observer);
    diff_features(&before->features, &after->features, observer);
    diff_quotas(&before->quotas, &after->quotas, observer);
    diff_acls(&before->acls, &after->acls, observer);
    diff_scram(&before->scram, &after->scram, observer);
    diff_tokens(&before->tokens, &after->tokens, observer);
}
