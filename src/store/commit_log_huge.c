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
 * Where memory is in pieces, a huge page has to be made of them or is not had at all; in a virtual
 * machine those that are whole may be the ones that the machine beneath has taken back and gives
 * anew, at ten times the cost. So it is measured, and left for a while when it does not pay.
 *
 * When the head is slow again, those that are not full yet are exchanged for small ones, while
 * it may go on: what is stored is written back, then the kernel is asked to drop what is clean and
 * mapped by nobody. What is not dropped, because somebody stored meanwhile, is asked for again.
 */
#include "store/commit_log_internal.h"

#include <assert.h>

enum {
    LEAVE_TRIES = 240,
    JUDGED_COUNT = 16,
    PAUSE_BYTES = 256 << 20, /* put in small pages when huge ones cost more */
};

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
           commit_log_max(log) >= log->room.huge_again && (uintptr_t)file->base % HUGE_BYTES == 0;
}

/* After so many: were they worth it? A single one may have had to free others first. What they save
 * later, when they are written back, read and given up, is about as much as a small page costs. */
static bool is_worth_it(struct log_room *room)
{
    if (room->huge_count < JUDGED_COUNT)
        return true;
    int64_t page_ns = room->huge_ns / room->huge_count / (HUGE_BYTES / PAGE_BYTES);
    room->huge_ns = room->huge_count = 0;
    return room->small_ns == 0 || page_ns <= 2 * room->small_ns;
}

/* One huge page, or the rest of one in small pages. */
static bool populate_one(struct log_room *room, struct log_file *file, int64_t from, int64_t upto)
{
    int64_t begin_ns = disk_cpu_ns();
    if (!disk_populate(file->base + from, upto - from))
        return false;
    file->populated = upto;
    if (upto - from == HUGE_BYTES) {
        room->huge_ns += disk_cpu_ns() - begin_ns;
        room->huge_count++;
    }
    return true;
}

bool log_huge_populate(struct commit_log *log, struct log_file *file, int64_t from, int64_t upto)
{
    int64_t edge = max64(file->populated, huge_ceiling(from)); /* outrun, that one faults itself */
    upto = min64(huge_ceiling(upto), huge_floor(log->file_bytes));
    if (edge >= upto)
        return true;
    /* The next window, too: who is outrun had better fault in one huge page than 512. */
    int64_t first = huge_ceiling(edge);
    int64_t ahead = min64(2 * upto - first, huge_floor(log->file_bytes)) - first;
    if (ahead > 0 && !disk_expect_huge(file->base + first, ahead))
        return false;
    file->huge_upto = max64(file->huge_upto, first + ahead);
    file->huge_tries = LEAVE_TRIES;
    for (; edge < upto; edge = file->populated) {
        if (!populate_one(&log->room, file, edge, huge_floor(edge) + HUGE_BYTES) ||
            !is_worth_it(&log->room)) {
            log->room.huge_again = commit_log_max(log) + PAUSE_BYTES;
            disk_expect_small(file->base + file->populated, log->file_bytes - file->populated);
            return false;
        }
        if (commit_log_max(log) - file->start > file->populated)
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
