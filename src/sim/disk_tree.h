/* The names on a simulated disk: directories as calls see them, and as a power loss would leave them.
 *
 * Both are maps from name to inode. A change of names is made in the volatile map at once and kept in a list
 * of pending changes until a sync of its directory, or a power loss, decides over it. A change is atomic (a
 * rename sets two names); changes of one name stay in order; a directory is not removed before its content.
 */
#pragma once

#include "sim/disk_content.h"

#define SIM_NAME_BYTES_MAX 255
#define SIM_PATH_DEPTH_MAX 64

struct sim_file;

/* Counted by names of both kinds, pending changes and open files. */
struct sim_inode {
    uint32_t reference_count;
    uint32_t
        live_count; /* volatile names and open files: while there are any, its pages count as used */
    bool is_directory;
    int64_t modified_ms;
    const struct sim_file *lock_holder; /* borrowed; NULL: not locked */
    struct sim_content content;         /* of a file */
    struct map names;                   /* of a directory: name -> struct sim_inode, referenced */
    struct map stable_names;
};

struct sim_tree {
    struct sim_inode *root; /* a reference */
    struct list pending;    /* changes of names, oldest first */
    uint32_t pending_count;
    int64_t used_pages;
};

void sim__tree_init(struct sim_tree *tree);
void sim__tree_deinit(struct sim_tree *tree);

struct sim_inode *sim__inode_ref(struct sim_inode *inode);
void sim__inode_unref(struct sim_inode *inode); /* NULL is fine */
/* An open file or a volatile name comes (+1) or goes (-1). */
void sim__inode_add_live(struct sim_tree *tree, struct sim_inode *inode, int change);

/* Where a path leads. `name` is its last part; empty for the root itself. */
struct sim_place {
    struct sim_inode *directory; /* borrowed */
    struct sim_inode *inode;     /* borrowed; NULL: no such name */
    char name[SIM_NAME_BYTES_MAX + 1];
};
/* -ENOENT, -ENOTDIR, -ENAMETOOLONG; -EINVAL when the way leads through `avoid` (may be NULL). */
MUST_CHECK int sim__tree_find(const struct sim_tree *tree, const char *path,
                              const struct sim_inode *avoid, struct sim_place *out);

/* By the stable names; NULL: there surely is none. No "." and "..". */
struct sim_inode *sim__tree_find_stable(const struct sim_tree *tree, const char *path);

/* A file or directory of that name, which must be free; the answer is borrowed from the tree. */
struct sim_inode *sim__tree_create(struct sim_tree *tree, const struct sim_place *place,
                                   bool is_directory, int64_t now_ms);
void sim__tree_remove(struct sim_tree *tree, const struct sim_place *place);
/* Replaces what is at `to`. */
void sim__tree_rename(struct sim_tree *tree, const struct sim_place *from,
                      const struct sim_place *to);
void sim__tree_sync(struct sim_tree *tree, const struct sim_inode *directory);

/* What a power loss leaves of names and contents becomes the volatile tree. No file may be open. */
void sim__tree_power_loss(struct sim_tree *tree, struct rng *rng);
void sim__tree_cool(struct sim_tree *tree, struct rng *rng, uint32_t in_a_million);
uint64_t sim__tree_digest(const struct sim_tree *tree);
