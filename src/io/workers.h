/* Threads that run jobs for the loops of a process. See io.h for what a job is. */
#pragma once

#include "base/list.h"
#include "io/io.h"

struct epoll_workers;

struct job_line {
    struct io_job *first; /* linked by message_.next_ */
    struct io_job *last;
};

/* An ordered lane. Its loop owns it; the fields are guarded by the workers' lock. */
struct io_job_queue {
    struct list link;        /* the loop's */
    struct job_line waiting; /* for the one that runs or is about to */
    bool is_active;          /* a job of it runs, or stands in line for a thread */
};

/* From the loop's thread; job->io_ and job->message_.deliver are set. Once it has run, its message is posted to
 * job->io_. */
void workers_submit(struct epoll_workers *workers, struct io_job_queue *queue, struct io_job *job);

/* Forgets the jobs of a loop that have not begun, and waits for those that have: afterwards no thread knows it. */
void workers_forget(struct epoll_workers *workers, const struct io *io);

bool workers_lane_is_idle(struct epoll_workers *workers, const struct io_job_queue *queue);
