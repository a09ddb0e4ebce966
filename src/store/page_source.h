/* page_source.h - where a page of the log comes from that is not there yet: zeros are written, or
 * it faults. Decided by what each costs of late.
 *
 *            zeros are dear, nobody knows what faults cost          faults are cheaper
 *     ZEROS ────────────────────────────────────────> LOOK ──────────────────────> FAULTS
 *       │ <──────────────────────────faults are dearer──┘                             │
 *       └ <─────────────────────────────────────────────────────PAGE_SOURCE_STAYS────┘
 *
 * Neither price is a constant. A run of zeros is dear where memory is in pieces and the kernel has
 * to make room for it, which faults need not; both are where the machine beneath a virtual one has
 * to give each page first, and then a run is still the cheaper of the two.
 *
 * Units      phy_offset: bytes of the log; processor time in ns.
 * Threads    one at a time per struct. Pure.
 */
#ifndef STORE_PAGE_SOURCE_H
#define STORE_PAGE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PAGE_SOURCE_STAYS = 256 << 20, /* bytes of the log: how long it is believed what was seen */
    PAGE_SOURCE_CHEAP_NS = 4000,   /* no fault is cheaper */
    PAGE_SOURCE_ZEROS_LOOK = 2048, /* pages; one run in many meets a reclaim of memory */
    PAGE_SOURCE_FAULTS_LOOK = 512,
};

enum page_source_state { PAGE_SOURCE_ZEROS, PAGE_SOURCE_LOOK, PAGE_SOURCE_FAULTS };

/* Zeroed: zeros, and nothing is known. */
struct page_source {
    enum page_source_state state;
    int64_t pages, cpu_ns;       /* in this state, not judged yet */
    int64_t zeros_ns, faults_ns; /* what a page cost when they were looked at last */
    int64_t until;               /* phy_offset: what is known of faults holds below */
};

/* Are zeros to be written where the log ends now? */
bool page_source_is_zeros(struct page_source *source, int64_t phy_offset);
/* So many pages came to be, by zeros or by faults, and took so long. */
void page_source_note(struct page_source *source, bool by_zeros, int64_t pages, int64_t cpu_ns,
                      int64_t phy_offset);

#endif
