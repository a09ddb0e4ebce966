#include "store/page_source.h"

#include <assert.h>

static void enter(struct page_source *source, enum page_source_state state)
{
    source->state = state;
    source->pages = source->cpu_ns = 0;
}

bool page_source_is_zeros(struct page_source *source, int64_t phy_offset)
{
    if (source->state == PAGE_SOURCE_FAULTS && phy_offset >= source->until)
        enter(source, PAGE_SOURCE_ZEROS);
    return source->state == PAGE_SOURCE_ZEROS;
}

/* With what is known of both. */
static void choose(struct page_source *source)
{
    enter(source, source->zeros_ns > source->faults_ns ? PAGE_SOURCE_FAULTS : PAGE_SOURCE_ZEROS);
}

static void judge_zeros(struct page_source *source, int64_t phy_offset)
{
    /* Dear enough for a judgement before there are many. */
    bool is_dear = source->cpu_ns > PAGE_SOURCE_ZEROS_LOOK * (int64_t)PAGE_SOURCE_CHEAP_NS;
    if (source->pages < PAGE_SOURCE_ZEROS_LOOK && !is_dear)
        return;
    source->zeros_ns = source->cpu_ns / source->pages;
    if (source->zeros_ns <= PAGE_SOURCE_CHEAP_NS)
        enter(source, PAGE_SOURCE_ZEROS);
    else if (phy_offset >= source->until)
        enter(source, PAGE_SOURCE_LOOK);
    else
        choose(source);
}

static void judge_faults(struct page_source *source, int64_t phy_offset)
{
    if (source->state != PAGE_SOURCE_LOOK || source->pages < PAGE_SOURCE_FAULTS_LOOK)
        return;
    source->faults_ns = source->cpu_ns / source->pages;
    source->until = phy_offset + PAGE_SOURCE_STAYS;
    choose(source);
}

void page_source_note(struct page_source *source, bool by_zeros, int64_t pages, int64_t cpu_ns,
                      int64_t phy_offset)
{
    assert(pages >= 0);
    assert(cpu_ns >= 0);
    if (pages == 0 || by_zeros != (source->state == PAGE_SOURCE_ZEROS))
        return; /* begun before the state changed */
    source->pages += pages;
    source->cpu_ns += cpu_ns;
    if (by_zeros)
        judge_zeros(source, phy_offset);
    else
        judge_faults(source, phy_offset);
}
