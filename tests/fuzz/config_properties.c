/* Properties text, and what a configuration makes of it.
 *
 * Input: u8 what to do, then text
 *   0…3  a broker's, producer's, consumer's or admin client's file
 *   4    "name=value" lines as a topic's overrides; 5 a group's; 6 a client-metrics subscription's; 7 a broker's dynamic ones
 * Properties: what was read, written with every character escaped, is read the same; a file that loads is described; a
 * set of overrides that is valid resolves without skipping any.
 */
#include "fuzz.h"

#include "base/buf.h"
#include "config/describe.h"
#include "config/properties.h"

#include <string.h>

#define DESCRIBE_SIZE_MAX ((size_t)64 << 20)

static const char single_node[] = "process.roles=broker,controller\n"
                                  "node.id=1\n"
                                  "controller.listener.names=CONTROLLER\n"
                                  "listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n"
                                  "controller.quorum.bootstrap.servers=localhost:9093\n";

/* Writes UTF-8 (which properties_parse has made) as UTF-16 escapes. */
static void put_escaped(struct buf *out, const char *text)
{
    const uint8_t *c = (const uint8_t *)text;
    while (*c != 0) {
        const int size = bytes_utf8_step(bytes_from(c, strlen((const char *)c)));
        ASSERT(size > 0);
        uint32_t point = size == 1 ? *c : *c & (0x7Fu >> size);
        for (int i = 1; i < size; i++)
            point = point << 6 | (c[i] & 0x3Fu);
        if (point >= 0x10000)
            buf_printf(out, "\\u%04X\\u%04X", 0xD800 + ((point - 0x10000) >> 10),
                       0xDC00 + ((point - 0x10000) & 0x3FF));
        else
            buf_printf(out, "\\u%04X", point);
        c += size;
    }
}

static void check_round_trip(const struct properties *properties)
{
    struct buf text;
    struct properties again;
    buf_init(&text, PROPERTIES_TEXT_SIZE_MAX);
    properties_init(&again);
    for (size_t i = 0; i < properties->list.count; i++) {
        put_escaped(&text, properties->list.items[i].name);
        buf_put_u8(&text, '=');
        put_escaped(&text, properties->list.items[i].value);
        buf_put_u8(&text, '\n');
    }
    if (buf_is_ok(&text)) {
        const int r = properties_parse(&again, buf_view(&text), NULL);
        ASSERT(r == 0);
        ASSERT(again.list.count == properties->list.count);
        for (size_t i = 0; i < again.list.count; i++) {
            ASSERT(strcmp(again.list.items[i].name, properties->list.items[i].name) == 0);
            ASSERT(strcmp(again.list.items[i].value, properties->list.items[i].value) == 0);
        }
    }
    properties_deinit(&again);
    buf_deinit(&text);
}

static void check_described(const struct config *broker, const struct config *config)
{
    struct arena arena;
    const struct config_description *list = NULL;
    size_t count = 0;
    arena_init(&arena, DESCRIBE_SIZE_MAX);
    const int r = config_describe(broker, config, false, &arena, &list, &count);
    ASSERT(r == 0 && count > 0);
    for (size_t i = 0; i < count; i++)
        ASSERT(!list[i].is_sensitive || list[i].value == NULL);
    arena_deinit(&arena);
}

static struct config *load(enum setting_kind kind, struct bytes text)
{
    struct config *config = NULL;
    struct config_problems problems = { .error_count = 0 };
    const int r = config_load(kind, text, "input", CONFIG_OVERRIDES_NONE, &config, &problems);
    ASSERT((r == 0) == (config != NULL) && (r == 0) == (problems.error_count == 0));
    config_problems_deinit(&problems);
    return config;
}

static void check_file(enum setting_kind kind, struct bytes text)
{
    struct config *config = load(kind, text);
    if (config != NULL && kind == SETTING_KIND_BROKER)
        check_described(config, NULL);
    config_unref(config);
}

static void check_broker(const struct config *broker, struct config_overrides overrides)
{
    struct config_problems problems = { .error_count = 0 };
    const int r = config_validate_broker(broker, overrides, false, NULL);
    struct config *config =
        config_with_dynamic(broker, CONFIG_OVERRIDES_NONE, overrides, &problems);
    ASSERT(r < 0 || problems.error_count == 0);
    check_described(config, NULL);
    config_unref(config);
    config_problems_deinit(&problems);
}

static void check_overrides(unsigned what, struct config_overrides overrides)
{
    struct config *broker = load(SETTING_KIND_BROKER, bytes_from_text(single_node));
    struct config *config = NULL;
    size_t skipped = 0;
    int r = 0;
    ASSERT(broker != NULL);
    switch (what) {
    case 4:
        r = config_validate_topic(broker, overrides, NULL);
        config = config_for_topic(broker, overrides, &skipped, NULL);
        break;
    case 5:
        r = config_validate_group(broker, overrides, NULL);
        config = config_for_group(broker, overrides, &skipped, NULL);
        break;
    case 6:
        r = config_validate_client_metrics(overrides, NULL);
        config = config_for_client_metrics(overrides, &skipped, NULL);
        break;
    default:
        check_broker(broker, overrides);
        break;
    }
    ASSERT(r < 0 || skipped == 0);
    if (config != NULL)
        check_described(broker, config);
    config_unref(config);
    config_unref(broker);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum setting_kind kinds[] = { SETTING_KIND_BROKER, SETTING_KIND_PRODUCER,
                                               SETTING_KIND_CONSUMER, SETTING_KIND_ADMIN };
    if (size < 1)
        return 0;
    const unsigned what = data[0] % 8;
    const struct bytes text = bytes_from(data + 1, size - 1);
    struct properties properties;
    properties_init(&properties);
    if (properties_parse(&properties, text, NULL) == 0) {
        check_round_trip(&properties);
        struct config_override *items =
            MEM_NEW_ARRAY(struct config_override, properties.list.count);
        for (size_t i = 0; i < properties.list.count; i++)
            items[i] = (struct config_override){ bytes_from_text(properties.list.items[i].name),
                                                 bytes_from_text(properties.list.items[i].value) };
        if (what < ARRAY_LEN(kinds))
            check_file(kinds[what], text);
        else
            check_overrides(what, (struct config_overrides){ items, properties.list.count });
        mem_free(items);
    }
    properties_deinit(&properties);
    return 0;
}
