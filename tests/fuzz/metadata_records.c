/* A row of metadata records as a log or snapshot may hold them, replayed to an image.
 *
 * Input: values, each after its size as u16. Properties: a refused record changes nothing and the next is taken all
 * the same; what the image writes loads to the same image; old images stay as they were.
 */
#include "fuzz.h"

#include "base/buf.h"
#include "base/mem.h"
#include "metadata/loader.h"
#include "metadata/writer.h"
#include "wire/record_frame.h"

#include <string.h>

static int print_record(void *context, const struct metadata_record *record)
{
    buf_printf(context, "%s %d ", record->message->name, record->version);
    wire_print(record->message, record->version, record->value, context);
    return 0;
}

static struct buf print_image(const struct metadata_image *image)
{
    struct buf out;
    buf_init(&out, (size_t)256 << 20);
    ASSERT(metadata_image_write(
               image, (struct metadata_sink){ .put = print_record, .context = &out }) == 0);
    return out;
}

static int reload(void *context, const struct metadata_record *record)
{
    struct buf bytes;
    buf_init(&bytes, (size_t)64 << 20);
    struct writer w = writer_to(&bytes);
    struct err_note note;
    ASSERT(record_frame_encode(record->message, record->version, record->value, &w, &note) == 0);
    ASSERT(metadata_loader_replay_bytes(context, (struct metadata_provenance){ .offset = 1 },
                                        buf_view(&bytes), &note) == 0);
    buf_deinit(&bytes);
    return 0;
}

static void expect_same(const struct metadata_image *a, const struct metadata_image *b)
{
    struct buf x = print_image(a);
    struct buf y = print_image(b);
    ASSERT(bytes_equal(buf_view(&x), buf_view(&y)));
    buf_deinit(&x);
    buf_deinit(&y);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader r = reader_from(bytes_from(data, size));
    struct metadata_loader *loader = metadata_loader_new(NULL);
    struct metadata_image *half = NULL;
    struct buf half_text = { .data = NULL };
    for (int64_t offset = 0; reader_left(&r) > 2; offset++) {
        const size_t value_size = MIN((size_t)read_u16(&r), reader_left(&r));
        const struct bytes value = read_run(&r, value_size);
        struct err_note note = { .text = "" };
        const int e = metadata_loader_replay_bytes(
            loader, (struct metadata_provenance){ .offset = offset }, value, &note);
        ASSERT(e == 0 || note.text[0] != '\0');
        if (half == NULL && reader_left(&r) < size / 2) {
            half = metadata_loader_publish(loader);
            half_text = print_image(half);
        }
    }
    struct metadata_image *image = metadata_loader_publish(loader);
    struct metadata_loader *copy = metadata_loader_new(NULL);
    ASSERT(metadata_image_write(image, (struct metadata_sink){ .put = reload, .context = copy }) ==
           0);
    expect_same(image, metadata_loader_working(copy));
    if (half != NULL) {
        struct buf now = print_image(half);
        ASSERT(bytes_equal(buf_view(&now), buf_view(&half_text)));
        buf_deinit(&now);
    }
    buf_deinit(&half_text);
    metadata_image_unref(half);
    metadata_image_unref(image);
    metadata_loader_free(copy);
    metadata_loader_free(loader);
    return 0;
}
