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

static struct line_sink_part *find(struct line_sink *sink, const char *part)
{
    for (size_t i = 0; i < LINE_SINK_PARTS; i++) {
        struct line_sink_part *p = &sink->parts[i];
        if (p->part == NULL)
            p->part = part;
        if (strcmp(p->part, part) == 0)
            return p;
    }
    return &sink->parts[LINE_SINK_PARTS - 1];
}

static void line(void *context, enum diag_level level, const char *part, const char *text)
{
    struct line_sink_part *p = find(context, part);
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail with this clock */
    if (p->second != now.tv_sec) {
        if (p->held > 0) {
            char held[96];
            (void)snprintf(held, sizeof(held), "%u more lines of this part were held back",
                           p->held);
            print(&now, DIAG_WARN, part, held);
        }
        p->second = now.tv_sec;
        p->printed = 0;
        p->held = 0;
    }
    if (p->printed >= LINE_SINK_BURST && level < DIAG_ERROR) {
        p->held++;
        return;
    }
    p->printed++;
    print(&now, level, part, text);
}

void line_sink_init(struct line_sink *sink)
{
    *sink = (struct line_sink){ 0 };
    sink->diag = (struct diag){ .line = line, .context = sink, .level_min = DIAG_INFO };
}
