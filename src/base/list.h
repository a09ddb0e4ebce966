/* list.h - intrusive doubly linked list; the link sits inside the element, which owns itself.
 * A link that is in no list points at itself, so list_remove() may be called on it.
 *
 * Threads    one at a time per list.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct list {
    struct list *prev;
    struct list *next;
};

/* The element that holds `link` as its member `member`. */
#define list_entry(link, type, member) ((type *)(void *)((uintptr_t)(link)-offsetof(type, member)))
/* `link` walks the list; the element at hand may be removed. */
#define list_each(link, head)                                                                      \
    for (struct list *link = (head)->next, *link##_next = link->next; link != (head);              \
         link = link##_next, link##_next = link->next)

static inline void list_init(struct list *l)
{
    l->prev = l;
    l->next = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_append(struct list *l, struct list *link)
{
    link->prev = l->prev;
    link->next = l;
    l->prev->next = link;
    l->prev = link;
}

static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

#endif
