/* This project's side of the cross-check with Apache Kafka's classes (see run and MessageStream.java).
 *
 *   codec_check list                 name, lowest and highest version of every message, with tabs between
 *   codec_check echo IN OUT          decodes every message of IN and writes it to OUT, encoded again
 *   codec_check gen OUT SEED COUNT   COUNT random instances of every message and version
 */
#include "base/be.h"
#include "base/mem.h"
#include "wire/message_random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES_MAX ((size_t)256 << 20)
#define ENTRY_BYTES_MAX ((size_t)64 << 20)

struct entry {
    const struct wire_message *message;
    int16_t version;
    struct bytes body; /* the encoded message */
};

NORETURN static void stop(const char *what, const char *why)
{
    fprintf(stderr, "codec_check: %s: %s\n", what, why);
    exit(1);
}

static FILE *open_file(const char *path, const char *mode)
{
    FILE *file = fopen(path, mode);
    if (file == NULL)
        stop(path, "cannot be opened");
    return file;
}

static void close_written(FILE *file, const char *path)
{
    if (fclose(file) != 0)
        stop(path, "cannot be written");
}

/* Streams' own message has no converter to JSON in Apache Kafka; nothing to compare with. */
static bool has_json(const struct wire_message *message)
{
    return strcmp(message->name, "SubscriptionInfoData") != 0;
}

static void write_sized(FILE *file, size_t prefix_bytes, struct bytes run)
{
    uint8_t prefix[4];
    be_store_u32(prefix, (uint32_t)run.size);
    fwrite(prefix + 4 - prefix_bytes, 1, prefix_bytes, file);
    fwrite(run.data, 1, run.size, file);
}

/* Encodes and prints the instance and adds it to the stream. Stops if size and encode disagree. */
static void write_entry(FILE *file, const struct wire_message *message, int16_t version,
                        const void *in)
{
    struct buf body;
    struct buf json;
    buf_init(&body, ENTRY_BYTES_MAX);
    buf_init(&json, ENTRY_BYTES_MAX);
    struct writer w = writer_to(&body);
    struct err_note note = { .text = "" };
    if (wire_encode(message, version, in, &w, &note) < 0)
        stop(message->name, note.text);
    if (wire_size(message, version, in, &note) != (int64_t)body.size)
        stop(message->name, "the size announced is not the size written");
    if (has_json(message))
        wire_print(message, version, in, &json);
    uint8_t version_bytes[2];
    be_store_u16(version_bytes, (uint16_t)version);
    write_sized(file, 2, bytes_from_text(message->name));
    fwrite(version_bytes, 1, sizeof(version_bytes), file);
    write_sized(file, 4, buf_is_ok(&body) ? buf_view(&body) : BYTES_NULL);
    write_sized(file, 4, buf_is_ok(&json) ? buf_view(&json) : BYTES_NULL);
    buf_deinit(&body);
    buf_deinit(&json);
}

static struct bytes read_sized(FILE *file, size_t prefix_bytes)
{
    uint8_t prefix[4] = { 0 };
    if (fread(prefix + 4 - prefix_bytes, 1, prefix_bytes, file) != prefix_bytes)
        return BYTES_NULL;
    const uint32_t size = be_load_u32(prefix);
    if (size > ENTRY_BYTES_MAX)
        stop("the stream", "an entry is too large");
    uint8_t *run = mem_alloc(size);
    if (fread(run, 1, size, file) != size)
        stop("the stream", "it ends within an entry");
    return bytes_from(run, size);
}

/* Whether there was one more. The body belongs to the caller. */
static bool read_entry(FILE *file, struct entry *out)
{
    AUTO(mem_freep) uint8_t *name_bytes = NULL;
    const struct bytes name = read_sized(file, 2);
    if (bytes_is_null(name))
        return false;
    memcpy(&name_bytes, &name.data, sizeof(name_bytes));
    out->message = wire_message_by_name(name);
    if (out->message == NULL) {
        fprintf(stderr, "codec_check: no message is called %.*s\n", BYTES_PRINTF(name));
        exit(1);
    }
    uint8_t version[2];
    if (fread(version, 1, sizeof(version), file) != sizeof(version))
        stop("the stream", "it ends within an entry");
    out->version = be_load_i16(version);
    out->body = read_sized(file, 4);
    const struct bytes json = read_sized(file, 4);
    if (bytes_is_null(out->body) || bytes_is_null(json))
        stop("the stream", "it ends within an entry");
    uint8_t *json_bytes;
    memcpy(&json_bytes, &json.data, sizeof(json_bytes));
    mem_free(json_bytes);
    return true;
}

static void echo(const char *in_path, const char *out_path)
{
    FILE *in = open_file(in_path, "rb");
    FILE *out = open_file(out_path, "wb");
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    struct entry entry;
    while (read_entry(in, &entry)) {
        struct reader r = reader_from(entry.body);
        struct err_note note = { .text = "" };
        void *message = arena_must_zalloc(&arena, 1, entry.message->struct_bytes);
        if (wire_decode(entry.message, entry.version, &r, &arena, message, &note) < 0)
            stop(entry.message->name, note.text);
        if (reader_left(&r) > 0)
            stop(entry.message->name, "bytes are left over");
        write_entry(out, entry.message, entry.version, message);
        arena_reset(&arena);
        uint8_t *body;
        memcpy(&body, &entry.body.data, sizeof(body));
        mem_free(body);
    }
    arena_deinit(&arena);
    fclose(in);
    close_written(out, out_path);
}

static void generate(const char *path, uint64_t seed, uint64_t count)
{
    FILE *file = open_file(path, "wb");
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    struct rng rng = rng_from_seed(seed);
    uint32_t message_count;
    const struct wire_message *const *messages = wire_messages(&message_count);
    for (uint32_t i = 0; i < message_count; i++) {
        const struct wire_message *m = messages[i];
        for (int16_t version = m->version_min; version <= m->version_max; version++) {
            for (uint64_t n = 0; n < count; n++) {
                void *instance = arena_must_zalloc(&arena, 1, m->struct_bytes);
                const enum wire_random_style style =
                    n < 2 ? (enum wire_random_style)n : WIRE_RANDOM_MIXED;
                wire_random(m, version, style, &rng, &arena, instance);
                write_entry(file, m, version, instance);
                arena_reset(&arena);
            }
        }
    }
    arena_deinit(&arena);
    close_written(file, path);
}

static void list(void)
{
    uint32_t count;
    const struct wire_message *const *messages = wire_messages(&count);
    for (uint32_t i = 0; i < count; i++)
        printf("%s\t%d\t%d\n", messages[i]->name, messages[i]->version_min,
               messages[i]->version_max);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        list();
    } else if (argc == 4 && strcmp(argv[1], "echo") == 0) {
        echo(argv[2], argv[3]);
    } else if (argc == 5 && strcmp(argv[1], "gen") == 0) {
        generate(argv[2], strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10));
    } else {
        fprintf(stderr, "usage: codec_check list | echo IN OUT | gen OUT SEED COUNT\n");
        return 2;
    }
    return 0;
}
