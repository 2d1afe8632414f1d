/* Directories and their pending changes. */
#include "sim/disk_tree.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

#define PENDING_MAX                                                                                \
    256 /* beyond it the oldest change becomes stable, as a journal does in its time */
#define A_MILLION 1000000

/* One name is set to an inode, or to none. */
struct setting {
    struct sim_inode *directory; /* referenced */
    char *name;                  /* owned */
    struct sim_inode *inode;     /* referenced; NULL: the name goes */
};

struct change {
    struct list link;
    struct setting settings[2];
    int setting_count;
    struct sim_inode *gone; /* referenced: the directory that is removed or replaced; NULL: none */
    bool needs_all; /* earlier ones: a directory moves, and must not come to lie inside itself */
    bool is_marked;
};

/* ---- inodes ---------------------------------------------------------------------------------- */

static struct sim_inode *inode_new(bool is_directory, int64_t now_ms)
{
    struct sim_inode *inode = MEM_NEW(struct sim_inode);
    inode->reference_count = 1;
    inode->is_directory = is_directory;
    inode->modified_ms = now_ms;
    sim__content_init(&inode->content);
    map_init(&inode->names, 0);
    map_init(&inode->stable_names, 0);
    return inode;
}

struct sim_inode *sim__inode_ref(struct sim_inode *inode)
{
    inode->reference_count++;
    return inode;
}

static void names_clear(struct map *names)
{
    for (struct map_walk w = { 0 }; map_next(names, &w);)
        sim__inode_unref(w.value);
    map_clear(names);
}

void sim__inode_unref(struct sim_inode *inode)
{
    if (inode == NULL || --inode->reference_count > 0)
        return;
    names_clear(&inode->names);
    names_clear(&inode->stable_names);
    map_deinit(&inode->names);
    map_deinit(&inode->stable_names);
    sim__content_deinit(&inode->content);
    mem_free(inode);
}

void sim__inode_add_live(struct sim_tree *tree, struct sim_inode *inode, int change)
{
    ASSERT(change == 1 || (change == -1 && inode->live_count > 0));
    inode->live_count += (uint32_t)change;
    if (change == 1 && inode->live_count == 1)
        tree->used_pages += inode->content.page_count;
    else if (inode->live_count == 0)
        tree->used_pages -= inode->content.page_count;
}

/* Sets a name in one of the maps; NULL removes it. */
static void name_set(struct map *names, const char *name, struct sim_inode *inode)
{
    struct sim_inode *old = inode == NULL
                                ? map_remove(names, bytes_from_text(name))
                                : map_put(names, bytes_from_text(name), sim__inode_ref(inode));
    sim__inode_unref(old);
}

/* ---- paths ----------------------------------------------------------------------------------- */

static struct sim_inode *child_of(const struct sim_inode *directory, struct bytes name)
{
    return map_get(&directory->names, name);
}

/* Takes the next part off a path; false at its end. Slashes in a row count as one. */
static bool next_part(const char **path, struct bytes *out)
{
    const char *start = *path + strspn(*path, "/");
    const size_t size = strcspn(start, "/");
    *out = bytes_from(start, size);
    *path = start + size;
    return size > 0;
}

int sim__tree_find(const struct sim_tree *tree, const char *path, const struct sim_inode *avoid,
                   struct sim_place *out)
{
    struct sim_inode *way[SIM_PATH_DEPTH_MAX]; /* the directories above, for ".." */
    int depth = 0;
    struct sim_place place = { .directory = tree->root, .inode = tree->root };
    if (*path == '\0')
        return -ENOENT;
    for (struct bytes part; next_part(&path, &part);) {
        if (place.inode == NULL)
            return -ENOENT;
        if (!place.inode->is_directory)
            return -ENOTDIR;
        if (place.inode == avoid)
            return -EINVAL;
        if (part.size > SIM_NAME_BYTES_MAX || depth == SIM_PATH_DEPTH_MAX)
            return -ENAMETOOLONG;
        if (bytes_equal_text(part, "."))
            continue;
        if (bytes_equal_text(part, "..")) {
            place.inode = depth > 0 ? way[--depth] : tree->root;
            place.directory = depth > 0 ? way[depth - 1] : tree->root;
            place.name[0] =
                '\0'; /* such a path names a directory that is there, never a new name */
            continue;
        }
        place.directory = way[depth++] = place.inode;
        place.inode = child_of(place.directory, part);
        memcpy(place.name, part.data, part.size);
        place.name[part.size] = '\0';
    }
    *out = place;
    return 0;
}

struct sim_inode *sim__tree_find_stable(const struct sim_tree *tree, const char *path)
{
    struct sim_inode *inode = tree->root;
    for (struct bytes part; inode != NULL && next_part(&path, &part);)
        inode = map_get(&inode->stable_names, part);
    return inode;
}

/* ---- pending changes ------------------------------------------------------------------------- */

static void change_free(struct sim_tree *tree, struct change *change)
{
    list_remove(&change->link);
    tree->pending_count--;
    for (int i = 0; i < change->setting_count; i++) {
        sim__inode_unref(change->settings[i].directory);
        sim__inode_unref(change->settings[i].inode);
        mem_free(change->settings[i].name);
    }
    sim__inode_unref(change->gone);
    mem_free(change);
}

static void change_settle(struct sim_tree *tree, struct change *change)
{
    for (int i = 0; i < change->setting_count; i++) {
        const struct setting *s = &change->settings[i];
        name_set(&s->directory->stable_names, s->name, s->inode);
    }
    change_free(tree, change);
}

static struct change *change_of(struct list *link)
{
    return LIST_ENTRY(link, struct change, link);
}

static bool change_touches(const struct change *change, const struct sim_inode *directory)
{
    for (int i = 0; i < change->setting_count; i++) {
        if (change->settings[i].directory == directory)
            return true;
    }
    return false;
}

/* Whether `later` may not be stable without `earlier`. */
static bool change_needs(const struct change *later, const struct change *earlier)
{
    if (later->needs_all || (later->gone != NULL && change_touches(earlier, later->gone)))
        return true;
    for (int i = 0; i < later->setting_count; i++) {
        for (int k = 0; k < earlier->setting_count; k++) {
            const struct setting *a = &later->settings[i];
            const struct setting *b = &earlier->settings[k];
            if (a->directory == b->directory && strcmp(a->name, b->name) == 0)
                return true;
        }
    }
    return false;
}

/* Adds the setting of a name, made in the volatile map at once. */
static void change_set(struct sim_tree *tree, struct change *change, const struct sim_place *place,
                       struct sim_inode *inode)
{
    struct sim_inode *old = child_of(place->directory, bytes_from_text(place->name));
    if (old != NULL && inode != NULL && old->is_directory) {
        ASSERT(change->gone == NULL);
        change->gone = sim__inode_ref(old);
    }
    change->settings[change->setting_count++] =
        (struct setting){ .directory = sim__inode_ref(place->directory),
                          .name = mem_strdup(place->name),
                          .inode = inode == NULL ? NULL : sim__inode_ref(inode) };
    if (inode != NULL)
        sim__inode_add_live(tree, inode, 1);
    if (old != NULL)
        sim__inode_add_live(tree, old, -1);
    name_set(&place->directory->names, place->name, inode);
}

static struct change *change_new(struct sim_tree *tree)
{
    if (tree->pending_count == PENDING_MAX)
        change_settle(tree, change_of(tree->pending.next));
    struct change *change = MEM_NEW(struct change);
    list_push_back(&tree->pending, &change->link);
    tree->pending_count++;
    return change;
}

struct sim_inode *sim__tree_create(struct sim_tree *tree, const struct sim_place *place,
                                   bool is_directory, int64_t now_ms)
{
    ASSERT(place->inode == NULL);
    struct sim_inode *inode = inode_new(is_directory, now_ms);
    change_set(tree, change_new(tree), place, inode);
    sim__inode_unref(inode); /* the tree holds it */
    return inode;
}

void sim__tree_remove(struct sim_tree *tree, const struct sim_place *place)
{
    ASSERT(place->inode != NULL);
    struct change *change = change_new(tree);
    if (place->inode->is_directory)
        change->gone = sim__inode_ref(place->inode);
    change_set(tree, change, place, NULL);
}

void sim__tree_rename(struct sim_tree *tree, const struct sim_place *from,
                      const struct sim_place *to)
{
    ASSERT(from->inode != NULL);
    struct change *change = change_new(tree);
    change->needs_all = from->inode->is_directory;
    change_set(tree, change, to, from->inode);
    change_set(tree, change, from, NULL);
}

/* Marks also what a marked change may not be stable without. */
static void mark_needed(struct sim_tree *tree)
{
    for (struct list *later = tree->pending.prev; later != &tree->pending; later = later->prev) {
        if (!change_of(later)->is_marked)
            continue;
        for (struct list *l = later->prev; l != &tree->pending; l = l->prev) {
            if (change_needs(change_of(later), change_of(l)))
                change_of(l)->is_marked = true;
        }
    }
}

static void settle_marked(struct sim_tree *tree)
{
    LIST_FOR_EACH(&tree->pending, link)
    {
        if (change_of(link)->is_marked)
            change_settle(tree, change_of(link));
    }
}

void sim__tree_sync(struct sim_tree *tree, const struct sim_inode *directory)
{
    LIST_FOR_EACH(&tree->pending, link)
    {
        change_of(link)->is_marked = change_touches(change_of(link), directory);
    }
    mark_needed(tree);
    settle_marked(tree);
}

/* ---- the whole tree -------------------------------------------------------------------------- */

void sim__tree_init(struct sim_tree *tree)
{
    *tree = (struct sim_tree){ .root = inode_new(true, 0) };
    tree->root->live_count = 1;
    list_init(&tree->pending);
}

/* Volatile names form a tree, stable ones another; together they could form a ring of references. */
static void forget_names(struct sim_inode *inode)
{
    for (struct map_walk w = { 0 }; map_next(&inode->names, &w);)
        forget_names(w.value);
    names_clear(&inode->names);
}

static void forget_pending(struct sim_tree *tree)
{
    LIST_FOR_EACH(&tree->pending, link)
    {
        change_free(tree, change_of(link));
    }
}

void sim__tree_deinit(struct sim_tree *tree)
{
    forget_pending(tree);
    forget_names(tree->root);
    sim__inode_unref(tree->root);
    tree->root = NULL;
}

/* Pending changes fare together in one of four ways: none, all, the first few, or any that hold together. */
static void settle_by_chance(struct sim_tree *tree, struct rng *rng)
{
    const uint64_t way = rng_below(rng, 4);
    const uint64_t first = rng_below(rng, tree->pending_count + 1);
    const uint32_t chance = (uint32_t)rng_below(rng, A_MILLION + 1);
    uint64_t i = 0;
    LIST_FOR_EACH(&tree->pending, link)
    {
        struct change *change = change_of(link);
        change->is_marked =
            way == 1 || (way == 2 && i < first) || (way == 3 && rng_chance(rng, chance));
        for (struct list *l = link->prev; l != &tree->pending && change->is_marked; l = l->prev)
            change->is_marked = change_of(l)->is_marked || !change_needs(change, change_of(l));
        i++;
    }
    settle_marked(tree);
    forget_pending(tree);
}

/* The stable names become the volatile ones, from here down. */
static void restore(struct sim_tree *tree, struct sim_inode *inode, struct rng *rng)
{
    inode->live_count = 1;
    inode->lock_holder = NULL;
    if (!inode->is_directory) {
        sim__content_power_loss(&inode->content, rng);
        tree->used_pages += inode->content.page_count;
        return;
    }
    for (struct map_walk w = { 0 }; map_next(&inode->stable_names, &w);)
        map_put(&inode->names, w.key, sim__inode_ref(w.value));
    for (struct map_walk w = { 0 }; map_next(&inode->names, &w);)
        restore(tree, w.value, rng);
}

void sim__tree_power_loss(struct sim_tree *tree, struct rng *rng)
{
    settle_by_chance(tree, rng);
    forget_names(tree->root);
    tree->used_pages = 0;
    restore(tree, tree->root, rng);
}

static void cool(struct sim_inode *inode, struct rng *rng, uint32_t in_a_million)
{
    sim__content_cool(&inode->content, rng, in_a_million);
    for (struct map_walk w = { 0 }; map_next(&inode->names, &w);)
        cool(w.value, rng, in_a_million);
}

void sim__tree_cool(struct sim_tree *tree, struct rng *rng, uint32_t in_a_million)
{
    cool(tree->root, rng, in_a_million);
}

static uint64_t inode_digest(const struct sim_inode *inode);

/* A sum, so that the order in which names were made does not count. */
static uint64_t names_digest(const struct map *names)
{
    uint64_t sum = 0;
    for (struct map_walk w = { 0 }; map_next(names, &w);)
        sum += bytes_hash(w.key, inode_digest(w.value));
    return sum;
}

static uint64_t inode_digest(const struct sim_inode *inode)
{
    const uint64_t parts[] = { inode->is_directory, (uint64_t)inode->modified_ms,
                               sim__content_digest(&inode->content), names_digest(&inode->names),
                               names_digest(&inode->stable_names) };
    return bytes_hash(bytes_from(parts, sizeof(parts)), 0);
}

uint64_t sim__tree_digest(const struct sim_tree *tree)
{
    return inode_digest(tree->root);
}
