/* See line_sink.h. */
#include "app/line_sink.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static void print(const struct timespec *now, enum diag_level level, const char *part,
                  const char *text)
{
    struct tm local;
    char date[32] = "";
    if (localtime_r(&now->tv_sec, &local) != NULL)
        (void)strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &local);
    (void)printf("[%s,%03ld] %s %s (%s)\n", date, now->tv_nsec / 1000000, diag_level_name(level),
                 text, part);
    (void)fflush(stdout);
}

/* Parts beyond the last place share it. */
static struct line_sink_part *find(struct line_sink *sink, const char *part)
{
    for (size_t i = 0; i < LINE_SINK_PARTS; i++) {
        struct line_sink_part *p = &sink->parts[i];
        if (p->part == NULL)
            *p = (struct line_sink_part){ .part = part, .left = LINE_SINK_BURST };
        if (strcmp(p->part, part) == 0)
            return p;
    }
    return &sink->parts[LINE_SINK_PARTS - 1];
}

static void refill(struct line_sink_part *p)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail with this clock */
    const int64_t passed_s = p->filled_s == 0 ? 0 : now.tv_sec - p->filled_s;
    p->left = MIN(p->left + passed_s * LINE_SINK_LINES_PER_S, (int64_t)LINE_SINK_BURST);
    p->filled_s = now.tv_sec;
}

static void line(void *context, enum diag_level level, const char *part, const char *text)
{
    struct line_sink_part *p = find(context, part);
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail with this clock */
    refill(p);
    if (p->left <= (level < DIAG_ERROR ? LINE_SINK_FOR_ERRORS : 0)) {
        p->held++;
        return;
    }
    if (p->held > 0) {
        char held[96];
        (void)snprintf(held, sizeof(held), "%u more lines of this part were held back", p->held);
        print(&now, DIAG_WARN, part, held);
        p->held = 0;
    }
    p->left--;
    print(&now, level, part, text);
}

void line_sink_init(struct line_sink *sink)
{
    *sink = (struct line_sink){ 0 };
    sink->diag = (struct diag){ .line = line, .context = sink, .level_min = DIAG_INFO };
}
