/* Inside the replica room. */
#pragma once

#include "base/vec.h"
#include "config/config.h"
#include "log/dirs/log_dirs.h"
#include "metadata/image.h"
#include "replica/log_settings.h"
#include "replica/replicas.h"

struct replicas_wait {
    void (*done)(void *context);
    void *context;
};

/* What this room knows of a log directory. */
struct replicas_dir {
    bool is_unclean; /* a log did not close well */
    bool is_short; /* appends failed for want of space or descriptors, and the operator was told */
    bool is_open_short; /* a log could not be opened for such a want, and the operator was told */
    bool is_retrying;   /* one of them is being tried again */
    int64_t retry_wait_ns;  /* after the last of these that was in vain; 0: it was not */
    int64_t retry_after_ns; /* when it ends */
    bool was_written;       /* since the last tick */
    bool was_refused;       /* for want of space, since the last tick */
    bool is_measuring;
    bool is_full; /* less is free than ottla.disk.min.free.bytes: clients' appends are refused */
    bool is_nearly_out;       /* less than a quarter of it: everybody's are */
    int64_t free_bytes;       /* as last measured */
    int64_t reserve_bytes;    /* that were kept back then */
    int64_t mark_bytes;       /* what was asked to be left free then */
    int64_t unmeasured_bytes; /* appended since */
    int64_t measure_bytes;    /* so many may be, until it is measured again */
    bool has_failed;          /* heard of, and not yet acted upon: that is done at the turn's end */
    int error;
    struct err_note note;
    struct map departed;     /* names of logs that have gone: departed.c */
    bool has_gone;           /* among them such as no checkpoint has left out yet */
    uint32_t renewing_count; /* checkpoint files that are being written */
    int renewal_error;       /* of one of them */
};

struct replicas {
    struct io *io;
    const struct diag *diag;
    int32_t node_id;
    struct log_dirs *dirs;
    struct log_files *files;
    struct config *config;
    uint64_t hash_seed;
    struct replicas_owner owner;
    struct metadata_image *image; /* the newest applied; counted */

    struct list partitions; /* in order of creation */
    struct map by_id;       /* topic id and index → struct partition */
    uint32_t count;
    struct list dirty;
    uint32_t opening_count;   /* logs that jobs are opening for the first time */
    uint32_t retrying_count;  /* logs that were tried before: nobody but the end waits for them */
    uint32_t closing_count;   /* logs that jobs are closing or deleting */
    uint32_t finishing_count; /* the last checkpoints that are being written */
    bool is_loading;          /* log_dirs_load is at work */
    bool is_loaded;           /* it has ended: what the directories hold is known */
    bool is_closing;
    bool is_abandoned;
    int64_t broker_epoch; /* for the clean-shutdown marker */
    VEC(struct replicas_wait)
    waits; /* for opening_count to reach 0; at the end, retrying_count too */
    void (*on_closed)(void *context);
    void *on_closed_context;
    struct offset_checkpoint *at_close; /* per directory and kind, gathered while logs close */
    struct replicas_dir *dir_states;    /* one for each directory */
    uint32_t metadata_dir_index;
    bool is_reserving;      /* log_dirs_reserve is at work */
    int64_t reserved_bytes; /* as it was asked for last, and is; -1: not yet */
    struct list undeleted;  /* struct delete_job: there was no space to rename a log */
    bool has_dir_failures;

    struct list *
        retain_next; /* link of the partition that retention goes on with; the list itself: none is under way */
    int64_t retain_now_ms;
    bool is_retention_due; /* a directory has become full since it last began */
    struct io_timer retain_timer;

    struct io_timer clean_timer; /* cleaner.c */
    uint32_t cleaning_count;     /* logs that are being compacted */
    int64_t clean_paid_ns; /* when what they have read and written so far will have been allowed */
};

/* What is not ours in the recovery-point checkpoint of a directory. */
static inline void add_foreign_recovery_points(const struct replicas *r, uint32_t dir,
                                               struct offset_checkpoint *out)
{
    if (r->owner.add_recovery_points != NULL)
        r->owner.add_recovery_points(r->owner.context, dir, out);
}

/* partition.c */
void partition__write(struct partition *p, struct err_note *note);
void partition__after_write(struct partition *p);
void partition__flushed(struct partition *p); /* more of its log is on stable storage */
void partition__fail_waits(struct partition *p, enum kafka_error error);
void partition__wake(struct partition *p);
void partition__lead(struct partition *p, const struct metadata_partition *told);
void partition__online(struct partition *p, struct log *log, uint32_t log_dir_index);

/* open.c: logs that come and go */
void replicas__open(struct replicas *r, struct partition *p);
void replicas__open_again(struct replicas *r); /* what lacked space */
void replicas__tell_open_short(struct replicas *r, const struct partition *p,
                               const struct err_note *note);
void replicas__open_held(struct replicas *r);    /* whose names are free again */
void replicas__drop_held(struct replicas *r);    /* the end has come: they stay closed */
void replicas__delete_again(struct replicas *r); /* what lacked space to be renamed */
void replicas__forget_undeleted(struct replicas *r);
void replicas__delete(struct replicas *r, struct partition *p);
void replicas__attach(struct replicas *r, struct partition *p, struct log *log,
                      uint32_t log_dir_index);
void replicas__opened(struct replicas *r); /* opening_count or is_loading has changed */
/* Lets go of a log; what was planned has failed. */
void replicas__abandon(struct replicas *r, struct partition *p);
/* To be called in the midst of anything: the directory goes offline at the turn's end. */
void replicas__directory_failed(struct replicas *r, uint32_t log_dir_index, int error,
                                const struct err_note *note);
void replicas__act_on_failures(struct replicas *r);

/* departed.c: names of logs that have gone */
void replicas__leaving(struct replicas *r, uint32_t log_dir_index, const char *topic,
                       int32_t index); /* its directory is there yet */
void replicas__gone(struct replicas *r, uint32_t log_dir_index, const char *topic, int32_t index);
bool replicas__is_departing(const struct replicas *r, const char *topic, int32_t index);
/* Writes the checkpoints of a directory anew, unless that is under way. */
void replicas__checkpoint_dir(struct replicas *r, uint32_t log_dir_index);
void replicas__forget_gone(struct replicas *r); /* at the turn's end */
void replicas__departed_deinit(struct replicas *r);

/* space.c: how full directories are */
void replicas__measure(struct replicas *r, uint32_t log_dir_index);
/* Whether an append must not take what is left: then `out` tells why, as log_append_plan would. */
bool replicas__lacks_space(const struct replicas *r, uint32_t log_dir_index,
                           const struct log_append *append, struct log_append_result *out);
/* A full directory is told of once, not with every append that it refuses; and measured at each tick. */
void replicas__tell_write(struct replicas *r, const struct partition *p,
                          const struct err_note *note);
void replicas__tell_space(struct replicas *r);
static inline void replicas__appended(struct replicas *r, uint32_t log_dir_index, uint32_t bytes)
{
    struct replicas_dir *dir = &r->dir_states[log_dir_index];
    dir->unmeasured_bytes += bytes;
    if (dir->unmeasured_bytes >= dir->measure_bytes)
        replicas__measure(r, log_dir_index);
}

/* cleaner.c: compaction */
void replicas__begin_cleaning(struct replicas *r); /* all logs are loaded */
void replicas__end_cleaning(struct replicas *r);   /* no other is begun */
void replicas__clean_soon(
    struct replicas *r); /* more is known of a log than when it was last looked at */

/* replicas.c */
void replicas__retain(struct replicas *r, struct partition *p, int64_t now_ms);
void replicas__looked(struct replicas *r, struct partition *p); /* as log_owner's on_looked */
void replicas__end_retention(struct replicas *r);
/* What the cleaner checkpoint of a directory is to say. */
void replicas__gather_cleaned(const struct replicas *r, uint32_t log_dir_index,
                              struct offset_checkpoint *out);
/* What the checkpoints of a directory are to say, by kind. */
void replicas__gather(const struct replicas *r, uint32_t log_dir_index,
                      struct offset_checkpoint kinds[LOG_CHECKPOINT_KINDS]);
void replicas__checkpointed(struct replicas *r, uint32_t log_dir_index, int error);
struct partition *replicas__add(struct replicas *r, const struct metadata_topic *topic,
                                const struct metadata_partition *told);
void replicas__remove(struct replicas *r, struct partition *p);
