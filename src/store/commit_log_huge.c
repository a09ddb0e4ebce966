/* commit_log_huge.c - room in huge pages while the head is fast.
 *
 * A page that is faulted in costs the same, be it of 4 KiB or of 2 MiB; so do finding it, taking
 * the right to store away for its write-back, and giving it up. In 2 MiB at once all of it is a
 * tenth of the processor time per byte. The price: of a huge page each flush writes all, however
 * little was stored into it. So only a fast head gets them, who fills several between two flushes,
 * and never one whose producers wait for each sync.
 *
 *     small                  huge         head   huge                small
 *   |#####|##############|##############|####^.........|.............|......
 *
 * When the head is slow again, those that are not full yet are exchanged for small ones, while
 * it may go on: what is stored is written back, then the kernel is asked to drop what is clean and
 * mapped by nobody. What is not dropped, because somebody stored meanwhile, is asked for again.
 */
#include "store/commit_log_internal.h"

#include <assert.h>

enum { LEAVE_TRIES = 240 };

static int64_t huge_floor(int64_t pos)
{
    return pos / HUGE_BYTES * HUGE_BYTES;
}

static int64_t huge_ceiling(int64_t pos)
{
    return huge_floor(pos + HUGE_BYTES - 1);
}

bool log_huge_fits(const struct commit_log *log, const struct log_file *file)
{
    return !log->room.writes_ahead && log->room.window >= HUGE_FROM &&
           (uintptr_t)file->base % HUGE_BYTES == 0;
}

bool log_huge_populate(struct commit_log *log, struct log_file *file, int64_t from, int64_t upto)
{
    upto = min64(huge_ceiling(upto), huge_floor(log->file_bytes));
    int64_t edge = file->populated;
    /* Outrun: where the head is by now it faults for itself, in small pages, a few us each. */
    if (edge < from)
        edge = huge_ceiling(from + HUGE_BYTES);
    from = huge_ceiling(edge);
    if (upto <= from || !disk_expect_huge(file->base + from, upto - from))
        return false;
    file->huge_tries = LEAVE_TRIES;
    while (edge < upto && disk_populate(file->base + edge, huge_floor(edge) + HUGE_BYTES - edge)) {
        edge = huge_floor(edge) + HUGE_BYTES;
        file->populated = file->huge_upto = edge;
        if (commit_log_max(log) - file->start > edge)
            break; /* the next round goes farther ahead */
    }
    return true;
}

bool log_huge_leave(struct log_file *file, int64_t pos, int64_t file_bytes)
{
    int64_t from = huge_floor(pos);
    int64_t len = file->huge_upto - from;
    if (len > 0 && file->huge_tries > 0) {
        file->huge_tries--;
        disk_expect_small(file->base + from, file_bytes - from);
        log_file_let_go(file, from, file->huge_upto);
        disk_drop_clean(file->fd, from, len);
        len = disk_resident_end(file->base + from, len);
        file->huge_upto = from + len;
        file->populated = min64(file->populated, max64(from, file->huge_upto));
    }
    if (len > 0 && file->huge_tries > 0)
        return false;
    file->huge_upto = 0;
    /* What was stored of it is read again, by whoever is near the end of the log. */
    disk_will_read(file->fd, from, pos - from);
    return true;
}
