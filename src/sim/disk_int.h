/* The disk as its files see it. Only for src/sim. */
#pragma once

#include "base/vec.h"
#include "io/driver.h"
#include "sim/disk_tree.h"
#include "sim/sim_disk.h"

/* One incarnation's way to the disk. */
struct sim_fs {
    struct io_fs base;
    struct sim_disk *disk; /* borrowed */
    bool is_dead;
};

struct sim_fault_state {
    struct sim_fault fault;
    uint64_t seen_count; /* calls it could have hit */
};

struct sim_disk {
    struct sim_tree tree;
    struct rng rng;
    struct sim_disk_hooks hooks;
    struct sim_fs *fs; /* the living view; NULL until asked for. Among the views */
    VEC(struct sim_fs *) views;
    VEC(struct sim_fault_state) faults;
    struct list open_files;
    uint32_t open_count;
    int64_t capacity_pages;
    uint32_t bit_rot_in_a_million;
    uint64_t change_count;
    uint64_t crash_at_change; /* 0: never */
    enum sim_crash crash_kind;
    uint32_t crash_count;
};

/* The view's table, in disk_fs.c. */
extern const struct io_fs_ops sim__fs_ops;
/* Lets go of the inodes of all open files, which are of a view that has just died. */
void sim__disk_detach_files(struct sim_disk *disk);

/* How a call begins: time passes, the disk may crash, a fault may strike. */
enum sim_verdict {
    SIM_PROCEED,
    SIM_REFUSE, /* fails with *out_error */
    SIM_CRASH_NOW, /* planned for this change: do it, or a part, or nothing; then sim__disk_crash_planned */
};
enum sim_verdict sim__call_begin(struct sim_fs *fs, enum sim_call call, const char *path,
                                 uint64_t size_bytes, int *out_error);
void sim__disk_crash_planned(struct sim_disk *disk);
int64_t sim__disk_now_ms(const struct sim_disk *disk);
