/* This project's side of the comparison of regular expressions with com.google.re2j (see run and PatternCheck.java).
 *
 *   pattern_check LIST OUT SEED COUNT   every line of LIST as a pattern, then COUNT random ones, and what we say to them
 *
 * The file, big-endian; a text is size i32 and its bytes: count i32, then per case
 *   pattern text, outcome i32 (0 taken, 1 refused, 2 over a limit), words text,
 *   subjects i32, per subject: text, whether the pattern matches i32
 */
#include "base/buf.h"
#include "base/mem.h"
#include "base/rng.h"
#include "pattern/pattern.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX     ((size_t)1 << 30)
#define TEXT_MAX     2000
#define DEPTH_MAX    4
#define RANDOM_COUNT 4 /* subjects of a pattern that are drawn alone */

/* A pattern as it is drawn, and beside it a subject that it may well match. */
struct draft {
    struct rng *rng;
    struct buf pattern;
    struct buf subject;
    uint32_t name_count;
};

static const char *pick(struct rng *rng, const char *const *items, size_t count)
{
    return items[rng_below(rng, count)];
}

static void put_both(struct draft *d, const char *pattern, const char *subject)
{
    buf_put_text(&d->pattern, pattern);
    buf_put_text(&d->subject, subject);
}

/* Pairs: what stands for one character, and such a character. */
static void draw_atom(struct draft *d)
{
    static const char *const atoms[][2] = {
        { "a", "a" },
        { "b", "b" },
        { "Z", "Z" },
        { "_", "_" },
        { "-", "-" },
        { "7", "7" },
        { "\xc3\xb6", "\xc3\xb6" },
        { "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
        { ".", "x" },
        { ".", "\xc3\xb6" },
        { "\\.", "." },
        { "[ab]", "b" },
        { "[^ab]", "c" },
        { "[a-c0-9]", "7" },
        { "[]a]", "]" },
        { "[^]a]", "b" },
        { "[a\\]]", "]" },
        { "[-a]", "-" },
        { "[[:alpha:]_]", "_" },
        { "[[:^digit:]]", "a" },
        { "[(?<a]", "<" },
        { "\\d", "7" },
        { "\\D", "a" },
        { "\\w", "_" },
        { "\\W", "-" },
        { "\\s", " " },
        { "\\S", "a" },
        { "[\\d_]", "7" },
        { "[^\\W7]", "a" },
        { "\\pL", "\xc3\xb6" },
        { "\\PL", "7" },
        { "\\p{Lu}", "Z" },
        { "\\p{Greek}", "\xce\xb1" },
        { "\\p{^Greek}", "a" },
        { "[\\p{Nd}a]", "7" },
        { "\\x41", "A" },
        { "\\x{1F600}", "\xf0\x9f\x98\x80" },
        { "\\Q.+\\E", ".+" },
        { "\\Q(?<x\\E", "(?<x" },
        { "\\n", "\n" },
        { "\\101", "A" },
        { "\\-", "-" },
        { "\\a", "\a" },
        { "\\_", "_" },
        { "\\Qab", "ab" },
        { "{", "{" },
        { "a{,2}", "a{,2}" },
    };
    const char *const *atom = atoms[rng_below(d->rng, ARRAY_LEN(atoms))];
    put_both(d, atom[0], atom[1]);
}

static void draw_edge(struct draft *d)
{
    static const char *const edges[] = { "^",    "$",    "\\A",  "\\z",   "\\b",     "\\B", "(?i)",
                                         "(?s)", "(?m)", "(?U)", "(?-i)", "(?is-m)", "" };
    put_both(d, pick(d->rng, edges, ARRAY_LEN(edges)), "");
}

static void draw_repeat(struct draft *d)
{
    static const char *const repeats[] = { "*",    "+",      "?",     "{2}",    "{0,3}",
                                           "{1,}", "{0}",    "{3,1}", "*?",     "+?",
                                           "??",   "{1,2}?", "**",    "{1001}", "{999}" };
    put_both(d, pick(d->rng, repeats, ARRAY_LEN(repeats)), "");
}

static void draw_choice(struct draft *d, uint32_t depth);

static void draw_group(struct draft *d, uint32_t depth)
{
    static const char *const heads[] = {
        "(", "(?:", "(?i:", "(?s-i:", "(?P<n", "(?<n", "(?P<same>"
    };
    const char *head = pick(d->rng, heads, ARRAY_LEN(heads));
    put_both(d, head, "");
    if (head[strlen(head) - 1] == 'n')
        buf_printf(&d->pattern, "%" PRIu32 ">", d->name_count++);
    draw_choice(d, depth + 1);
    put_both(d, ")", "");
}

static void draw_row(struct draft *d, uint32_t depth)
{
    for (uint64_t left = rng_below(d->rng, 4); left > 0; left--) {
        if (depth < DEPTH_MAX && rng_chance(d->rng, 250000))
            draw_group(d, depth);
        else if (rng_chance(d->rng, 150000))
            draw_edge(d);
        else
            draw_atom(d);
        if (rng_chance(d->rng, 250000))
            draw_repeat(d);
    }
}

static void draw_choice(struct draft *d, uint32_t depth)
{
    draw_row(d, depth);
    while (rng_chance(d->rng, 250000)) {
        buf_put_text(&d->pattern, "|");
        if (rng_chance(d->rng, 500000))
            buf_clear(&d->subject);
        draw_row(d, depth);
    }
}

/* A character is lost, doubled or put in. Patterns stay UTF-8: that is for the fuzzers. */
static void damage(struct rng *rng, struct buf *text)
{
    static const char *const inserted[] = {
        "(",   ")",    "[",  "]",   "{",   "}",  "*",   "+",   "?",      "|",
        "\\",  "^",    "$",  ".",   "<",   ":",  "-",   ",",   "P",      "\\C",
        "\\8", "\\pX", "(?", "(?=", "[[:", ":]", "\\Q", "\\E", "[a-\\d]"
    };
    struct bytes all = buf_view(text);
    size_t at = rng_below(rng, all.size + 1);
    while (at < all.size && (all.data[at] & 0xc0) == 0x80)
        at++;
    const size_t size = at < all.size ? (size_t)bytes_utf8_step(bytes_slice(all, at, 4)) : 0;
    struct buf out;
    buf_init(&out, TEXT_MAX);
    buf_put_bytes(&out, bytes_slice(all, 0, at));
    const uint64_t what = rng_below(rng, 3);
    if (what == 0)
        buf_put_text(&out, pick(rng, inserted, ARRAY_LEN(inserted)));
    for (uint64_t i = 0; i < what; i++)
        buf_put_bytes(&out, bytes_slice(all, at, size));
    if (what != 1)
        buf_put_bytes(&out, bytes_slice(all, at + (what == 0 ? 0 : size), all.size));
    buf_deinit(text);
    *text = out;
}

static void draw_subject(struct rng *rng, struct buf *out)
{
    static const char *const runs[] = { "a",
                                        "b",
                                        "c",
                                        "A",
                                        "Z",
                                        "7",
                                        "_",
                                        "-",
                                        ".",
                                        " ",
                                        "\n",
                                        "]",
                                        "<",
                                        "ab",
                                        "\xc3\xb6",
                                        "\xce\xb1",
                                        "\xf0\x9f\x98\x80" };
    for (uint64_t left = rng_below(rng, 5); left > 0; left--)
        buf_put_text(out, pick(rng, runs, ARRAY_LEN(runs)));
}

/* ---- the file ---------------------------------------------------------------------------------------------- */

static void put_text(struct buf *out, struct bytes text)
{
    buf_put_i32(out, (int32_t)text.size);
    buf_put_bytes(out, text);
}

static void put_subject(struct buf *out, const struct pattern *pattern, struct bytes subject)
{
    if (subject.data == NULL)
        subject = BYTES_LITERAL("");
    put_text(out, subject);
    buf_put_i32(out, pattern_matches(pattern, subject) ? 1 : 0);
}

static void put_subjects(struct buf *out, struct rng *rng, const struct pattern *pattern,
                         struct buf *likely)
{
    static const char *const usual[] = {
        "", "a", "ab", "orders", "Orders-1", "orders.eu.v2", "a\n"
    };
    buf_put_i32(out, 2 + RANDOM_COUNT + (int32_t)ARRAY_LEN(usual));
    for (size_t i = 0; i < ARRAY_LEN(usual); i++)
        put_subject(out, pattern, bytes_from_text(usual[i]));
    put_subject(out, pattern, buf_view(likely));
    damage(rng, likely);
    put_subject(out, pattern, buf_view(likely));
    for (int i = 0; i < RANDOM_COUNT; i++) {
        struct buf subject;
        buf_init(&subject, TEXT_MAX);
        draw_subject(rng, &subject);
        put_subject(out, pattern, buf_view(&subject));
        buf_deinit(&subject);
    }
}

static void put_case(struct buf *out, struct rng *rng, struct bytes text, struct buf *likely)
{
    if (text.data == NULL)
        text = BYTES_LITERAL("");
    struct pattern *pattern = NULL;
    struct err_note note = { .text = "" };
    const int r = pattern_compile(text, &pattern, &note);
    put_text(out, text);
    buf_put_i32(out, r == 0 ? 0 : (r == -ERR_LIMIT ? 2 : 1));
    put_text(out, bytes_from_text(note.text));
    if (r == 0)
        put_subjects(out, rng, pattern, likely);
    else
        buf_put_i32(out, 0);
    pattern_free(pattern);
}

static void put_random_case(struct buf *out, struct rng *rng)
{
    struct draft d = { .rng = rng };
    buf_init(&d.pattern, TEXT_MAX);
    buf_init(&d.subject, TEXT_MAX);
    draw_choice(&d, 0);
    while (rng_chance(rng, 300000))
        damage(rng, &d.pattern);
    put_case(out, rng, buf_view(&d.pattern), &d.subject);
    buf_deinit(&d.pattern);
    buf_deinit(&d.subject);
}

static int32_t put_listed_cases(struct buf *out, struct rng *rng, FILE *list)
{
    char line[TEXT_MAX];
    int32_t count = 0;
    while (fgets(line, sizeof(line), list) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        struct buf likely;
        buf_init(&likely, TEXT_MAX);
        draw_subject(rng, &likely);
        put_case(out, rng, bytes_from_text(line), &likely);
        buf_deinit(&likely);
        count++;
    }
    return count;
}

int main(int argc, char **argv)
{
    FILE *list = argc == 5 ? fopen(argv[1], "r") : NULL;
    if (list == NULL) {
        fprintf(stderr, "usage: pattern_check LIST OUT SEED COUNT\n");
        return 2;
    }
    struct rng rng = rng_from_seed(strtoull(argv[3], NULL, 10));
    struct buf out;
    buf_init(&out, FILE_MAX);
    int32_t count = put_listed_cases(&out, &rng, list);
    fclose(list);
    for (const int32_t all = count + (int32_t)strtol(argv[4], NULL, 10); count < all; count++)
        put_random_case(&out, &rng);
    struct buf head;
    buf_init(&head, 4);
    buf_put_i32(&head, count);
    FILE *file = fopen(argv[2], "wb");
    const bool is_written = buf_is_ok(&out) && file != NULL &&
                            fwrite(head.data, 1, head.size, file) == head.size &&
                            fwrite(out.data, 1, out.size, file) == out.size;
    if (file == NULL || fclose(file) != 0 || !is_written) {
        fprintf(stderr, "pattern_check: %s was not written\n", argv[2]);
        return 1;
    }
    buf_deinit(&head);
    buf_deinit(&out);
    return 0;
}
