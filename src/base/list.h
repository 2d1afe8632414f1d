/* An intrusive, circular, doubly linked list. The head is a link too. Nothing is owned. */
#pragma once

#include "base/base.h"

struct list {
    struct list *next;
    struct list *prev;
};

static inline void list_init(struct list *head)
{
    head->next = head;
    head->prev = head;
}
static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}
/* A link that was never added, or was removed, points at itself or is zero. */
static inline bool list_is_linked(const struct list *link)
{
    return link->next != NULL && link->next != link;
}
static inline void list_add_between_(struct list *link, struct list *prev, struct list *next)
{
    link->prev = prev;
    link->next = next;
    prev->next = link;
    next->prev = link;
}
static inline void list_push_back(struct list *head, struct list *link)
{
    list_add_between_(link, head->prev, head);
}
static inline void list_push_front(struct list *head, struct list *link)
{
    list_add_between_(link, head, head->next);
}
static inline void list_remove(struct list *link)
{
    if (link->next == NULL)
        return;
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}
static inline struct list *list_pop_front(struct list *head)
{
    if (list_is_empty(head))
        return NULL;
    struct list *link = head->next;
    list_remove(link);
    return link;
}

#define LIST_ENTRY(link, type, member) CONTAINER_OF((link), type, member)

/* The current entry may be removed inside the loop; others may not. */
#define LIST_FOR_EACH(head, link)                                                                  \
    for (struct list *link = (head)->next, *link##_next_ = link->next; link != (head);             \
         link = link##_next_, link##_next_ = link->next)
