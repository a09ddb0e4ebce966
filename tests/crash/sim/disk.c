/* disk.c - files in memory, three times over.
 *
 *   cache     what the process reads and writes; its mappings are this memory
 *   believed  what the kernel takes to be on the disk: a page that differs, or was written to, is
 *             dirty
 *   durable   what is on the disk
 *
 * A sync makes dirty pages durable; write-back does so for a page at any time. A sync that fails
 * leaves some pages clean and not durable, as Linux does, and may drop them from the cache. Names
 * are kept the same way: a directory has its names now, its durable names, and what was done in
 * between, of which a loss of power keeps a prefix, each directory for itself. Sectors of 512 bytes
 * are written whole.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "disk_internal.h"

static struct inode inodes[INODES_MAX];
static struct inode *root;
struct inode *disk_fds[FDS_MAX];
struct disk_faults disk_faults;
bool disk_had_sync_error;
bool disk_was_full;
int disk_fill_percent = 10;

/* The memory of all files lies in one piece, so that a mapping is known by its address. */
static uint8_t *pool;

void *__real_malloc(size_t bytes);
void *__real_mmap(void *hint, size_t len, int protection, int flags, int fd, off_t at);

/* ---- inodes ---------------------------------------------------------------------------------- */

struct inode *inode_make(bool is_dir)
{
    if (pool == NULL)
        pool = __real_mmap(NULL, (size_t)INODES_MAX * 3 * FILE_MAX, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    for (int i = 0; i < INODES_MAX; i++) {
        struct inode *inode = &inodes[i];
        if (inode->is_used)
            continue;
        struct directory *dir = inode->dir;
        *inode = (struct inode){ .is_used = true, .is_dir = is_dir, .dir = dir };
        inode->cache = pool + (size_t)i * 3 * FILE_MAX;
        inode->believed = inode->cache + FILE_MAX;
        inode->durable = inode->believed + FILE_MAX;
        inode->modified_ns = machine_now_ns();
        if (is_dir && dir == NULL)
            inode->dir = __real_malloc(sizeof *inode->dir);
        if (is_dir) {
            inode->dir->now.count = 0;
            inode->dir->durable.count = 0;
            inode->dir->op_count = 0;
        }
        return inode;
    }
    violation("the simulated disk is out of inodes");
}

static void wipe(struct inode *inode)
{
    memset(inode->cache, 0, (size_t)inode->longest);
    memset(inode->believed, 0, (size_t)inode->longest);
    memset(inode->durable, 0, (size_t)inode->longest);
    inode->is_used = false;
}

static void reach(struct inode *inode, bool *reached)
{
    if (reached[inode - inodes])
        return;
    reached[inode - inodes] = true;
    if (!inode->is_dir)
        return;
    for (int i = 0; i < inode->dir->now.count; i++)
        reach(inode->dir->now.list[i].inode, reached);
    for (int i = 0; i < inode->dir->durable.count; i++)
        reach(inode->dir->durable.list[i].inode, reached);
    for (int i = 0; i < inode->dir->op_count; i++)
        if (inode->dir->ops[i].inode != NULL)
            reach(inode->dir->ops[i].inode, reached);
}

/* Frees what no name, no descriptor and no possible past leads to. */
void inodes_collect(void)
{
    static bool reached[INODES_MAX];
    memset(reached, 0, sizeof reached);
    reach(root, reached);
    for (int i = 0; i < INODES_MAX; i++)
        if (inodes[i].is_used && !reached[i] && inodes[i].fds == 0 && inodes[i].maps == 0)
            wipe(&inodes[i]);
}

bool sim_disk_is_mapped(const void *address)
{
    const uint8_t *at = address;
    return pool != NULL && at >= pool && at < pool + (size_t)INODES_MAX * 3 * FILE_MAX;
}

struct inode *inode_of_address(const void *address)
{
    if (!sim_disk_is_mapped(address))
        violation("an address that is not mapped");
    return &inodes[((const uint8_t *)address - pool) / (3 * (int64_t)FILE_MAX)];
}

/* ---- names ----------------------------------------------------------------------------------- */

int names_find(const struct names *names, const char *text)
{
    for (int i = 0; i < names->count; i++)
        if (strcmp(names->list[i].text, text) == 0)
            return i;
    return -1;
}

static void set_name(struct names *names, const char *text, struct inode *inode)
{
    int at = names_find(names, text);
    if (at < 0) {
        if (names->count == NAMES_MAX)
            violation("a simulated directory is full");
        at = names->count++;
    }
    snprintf(names->list[at].text, sizeof names->list[at].text, "%s", text);
    names->list[at].inode = inode;
}

static void drop_name(struct names *names, const char *text)
{
    int at = names_find(names, text);
    if (at >= 0)
        names->list[at] = names->list[--names->count];
}

static void exchange(struct names *names, const char *a, const char *b)
{
    int at_a = names_find(names, a);
    int at_b = names_find(names, b);
    if (at_a < 0 || at_b < 0)
        violation("a simulated directory exchanges %s and %s, and has not both", a, b);
    struct inode *inode = names->list[at_a].inode;
    names->list[at_a].inode = names->list[at_b].inode;
    names->list[at_b].inode = inode;
}

static void apply(struct names *names, const struct op *op)
{
    if (op->kind == OP_ADD)
        set_name(names, op->text, op->inode);
    else if (op->kind == OP_DELETE)
        drop_name(names, op->text);
    else if (op->kind == OP_EXCHANGE)
        exchange(names, op->text, op->to);
    else {
        drop_name(names, op->text);
        set_name(names, op->to, op->inode);
    }
}

void directory_commit(struct inode *dir, int count)
{
    for (int i = 0; i < count; i++)
        apply(&dir->dir->durable, &dir->dir->ops[i]);
    dir->dir->op_count = 0;
}

void directory_change(struct inode *dir, enum op_kind kind, const char *text, const char *to,
                      struct inode *inode)
{
    if (dir->dir->op_count == OPS_MAX) /* the journal commits by itself, sooner or later */
        directory_commit(dir, OPS_MAX);
    struct op *op = &dir->dir->ops[dir->dir->op_count++];
    op->kind = kind;
    snprintf(op->text, sizeof op->text, "%s", text);
    snprintf(op->to, sizeof op->to, "%s", to == NULL ? "" : to);
    op->inode = inode;
    apply(&dir->dir->now, op);
}

/* Finds the directory of a path and its last part. NULL: errno says why. */
struct inode *directory_of_path(const char *path, char last[120])
{
    struct inode *at = root;
    const char *p = path;
    last[0] = 0;
    for (;;) {
        while (*p == '/')
            p++;
        size_t len = strcspn(p, "/");
        if (len == 0 || len >= 120)
            return at;
        memcpy(last, p, len);
        last[len] = 0;
        p += len;
        while (*p == '/')
            p++;
        if (*p == 0)
            return at;
        int i = names_find(&at->dir->now, last);
        if (i < 0 || !at->dir->now.list[i].inode->is_dir) {
            errno = i < 0 ? ENOENT : ENOTDIR;
            return NULL;
        }
        at = at->dir->now.list[i].inode;
    }
}

struct inode *inode_of_path(const char *path)
{
    char last[120];
    struct inode *dir = directory_of_path(path, last);
    if (dir == NULL)
        return NULL;
    if (last[0] == 0)
        return dir;
    int i = names_find(&dir->dir->now, last);
    if (i < 0) {
        errno = ENOENT;
        return NULL;
    }
    return dir->dir->now.list[i].inode;
}

/* ---- the whole ------------------------------------------------------------------------------- */

void sim_disk_reset(void)
{
    for (int i = 0; i < INODES_MAX; i++)
        if (inodes[i].is_used)
            wipe(&inodes[i]);
    memset(disk_fds, 0, sizeof disk_fds);
    root = inode_make(true);
    directory_change(root, OP_ADD, "sim", NULL,
                     inode_make(true)); /* above the store: the operator's */
    directory_commit(root, root->dir->op_count);
    disk_had_sync_error = false;
    disk_was_full = false;
    disk_fill_percent = 10;
    disk_faults = (struct disk_faults){ 0 };
}

/* ---- pages ----------------------------------------------------------------------------------- */

static bool is_dirty(const struct inode *inode, int page)
{
    return inode->was_written[page] ||
           memcmp(inode->cache + page * PAGE, inode->believed + page * PAGE, PAGE) != 0;
}

static void clean_page(struct inode *inode, int page)
{
    memcpy(inode->believed + page * PAGE, inode->cache + page * PAGE, PAGE);
    inode->was_written[page] = false;
}

static void check_blocks(const struct inode *inode, int page)
{
    if (!inode->has_blocks[page] && !inode->was_written[page] &&
        memcmp(inode->cache + page * PAGE, inode->believed + page * PAGE, PAGE) != 0)
        violation("a store into a hole: page %d of inode %d has no blocks", page,
                  (int)(inode - inodes));
}

static void write_page(struct inode *inode, int page)
{
    check_blocks(inode, page);
    memcpy(inode->durable + page * PAGE, inode->cache + page * PAGE, PAGE);
    clean_page(inode, page);
}

static int pages_of(int64_t bytes)
{
    return (int)((bytes + PAGE - 1) / PAGE);
}

int inode_page_count(const struct inode *inode)
{
    return pages_of(inode->size);
}

void inode_set_size(struct inode *inode, int64_t bytes)
{
    inode->size = bytes;
    if (bytes > inode->longest)
        inode->longest = bytes;
}

/* Makes a file shorter. What it had behind its new end is on the disk until the names and lengths
 * of the file system are. */
void inode_shrink(struct inode *inode, int64_t bytes)
{
    if (bytes >= inode->size)
        return;
    memset(inode->cache + bytes, 0, (size_t)(inode->size - bytes));
    for (int page = (int)(bytes / PAGE); page < inode_page_count(inode); page++)
        inode->was_written[page] = true;
    for (int page = pages_of(bytes); page < inode_page_count(inode); page++)
        inode->has_blocks[page] = false;
    inode->size = bytes;
}

/* The length is durable: nothing is left of what once stood behind it. */
static void forget_behind_end(struct inode *inode)
{
    for (int page = inode_page_count(inode); page < pages_of(inode->longest); page++) {
        memset(inode->cache + page * PAGE, 0, PAGE);
        memset(inode->believed + page * PAGE, 0, PAGE);
        memset(inode->durable + page * PAGE, 0, PAGE);
        inode->was_written[page] = false;
        inode->has_blocks[page] = false;
    }
}

/* The kernel writes a page back when it likes. */
void disk_write_back(void)
{
    if (!chance_one_in(24))
        return;
    struct inode *inode = &inodes[chance_below(INODES_MAX)];
    for (int tries = 0; tries < 16 && (!inode->is_used || inode->is_dir); tries++)
        inode = &inodes[chance_below(64)];
    if (!inode->is_used || inode->is_dir || inode->size == 0)
        return;
    int page = (int)chance_below((uint32_t)inode_page_count(inode));
    if (is_dirty(inode, page))
        write_page(inode, page);
}

/* Of those that go to one kind of file alone. */
static uint32_t own_sync_error(const struct inode *inode)
{
    return inode->is_of_queue   ? disk_faults.queue_sync_error
           : inode->is_of_log   ? disk_faults.log_sync_error
           : inode->is_of_timer ? disk_faults.timer_sync_error
                                : 0;
}

/* A sync of pages [from, upto). Those of timers that fail are no news to who looks at messages;
 * what they leave clean stays in the cache, for no checksum would tell that it went. */
int inode_sync(struct inode *inode, int from, int upto)
{
    bool is_fatal = chance_one_in(own_sync_error(inode));
    bool fails = is_fatal || inode->has_error || chance_one_in(disk_faults.sync_error);
    bool drops = chance_one_in(3) && !inode->is_of_timer;
    bool takes_all = is_fatal && chance_one_in(2);
    inode->has_error = false;
    for (int page = from; page < upto; page++) {
        if (!is_dirty(inode, page))
            continue;
        if (!fails || (!takes_all && chance_one_in(3))) {
            write_page(inode, page);
        } else if (takes_all || chance_one_in(2)) { /* said to be clean, and is not on the disk */
            check_blocks(inode, page);
            if (drops)
                memcpy(inode->cache + page * PAGE, inode->durable + page * PAGE, PAGE);
            clean_page(inode, page);
        }
    }
    if (!fails) {
        forget_behind_end(inode);
        inode->durable_size = inode->size;
        return 0;
    }
    disk_had_sync_error = disk_had_sync_error || !is_fatal || !inode->is_of_timer;
    if (chance_one_in(is_fatal ? 2 : 8))
        machine_kill_soon();
    errno = EIO;
    return -1;
}

/* ---- failures of the machine ----------------------------------------------------------------- */

void sim_disk_forget_process(void)
{
    memset(disk_fds, 0, sizeof disk_fds);
    for (int i = 0; i < INODES_MAX; i++) {
        inodes[i].fds = 0;
        inodes[i].maps = 0;
    }
    inodes_collect();
}

static void lose_pages(struct inode *inode)
{
    int pages = pages_of(inode->longest);
    if (chance_one_in(2))
        inode->durable_size = inode->size;
    for (int page = 0; page < pages; page++) {
        if (!is_dirty(inode, page))
            continue;
        check_blocks(inode, page);
        uint32_t fate = chance_below(10);
        if (fate < 4)
            memcpy(inode->durable + page * PAGE, inode->cache + page * PAGE, PAGE);
        else if (fate < 7)
            for (int at = page * PAGE; at < (page + 1) * PAGE; at += SECTOR)
                if (chance_one_in(2))
                    memcpy(inode->durable + at, inode->cache + at, SECTOR);
    }
    if (inode->durable_size < inode->longest)
        memset(inode->durable + inode->durable_size, 0,
               (size_t)(pages * PAGE - inode->durable_size));
    if (inode->durable_size < inode->size)
        memset(inode->has_blocks, 0, sizeof inode->has_blocks);
    inode->size = inode->durable_size;
    memcpy(inode->cache, inode->durable, (size_t)pages * PAGE);
    memcpy(inode->believed, inode->durable, (size_t)pages * PAGE);
    memset(inode->was_written, 0, sizeof inode->was_written);
    inode->has_error = false;
}

void sim_disk_lose_power(void)
{
    for (int i = 0; i < INODES_MAX; i++) {
        struct inode *inode = &inodes[i];
        if (!inode->is_used)
            continue;
        if (!inode->is_dir) {
            lose_pages(inode);
            continue;
        }
        directory_commit(inode, (int)chance_below((uint32_t)inode->dir->op_count + 1));
        inode->dir->now = inode->dir->durable;
    }
    sim_disk_forget_process();
}

static void remove_below(struct inode *dir)
{
    dir->dir->now.count = 0;
    dir->dir->durable.count = 0;
    dir->dir->op_count = 0;
}

void sim_disk_remove_tree(const char *path)
{
    char last[120];
    struct inode *dir = directory_of_path(path, last);
    if (dir == NULL)
        return;
    directory_commit(dir, dir->dir->op_count);
    int i = names_find(&dir->dir->now, last);
    if (i >= 0 && dir->dir->now.list[i].inode->is_dir)
        remove_below(dir->dir->now.list[i].inode);
    drop_name(&dir->dir->now, last);
    drop_name(&dir->dir->durable, last);
    inodes_collect();
}

static int gather(struct inode *dir, struct inode **files, const char **names, int count, int most)
{
    for (int i = 0; i < dir->dir->now.count && count < most; i++) {
        struct inode *inode = dir->dir->now.list[i].inode;
        if (inode->is_dir)
            count = gather(inode, files, names, count, most);
        else if (inode->size > 0) {
            names[count] = dir->dir->now.list[i].text;
            files[count++] = inode;
        }
    }
    return count;
}

bool sim_disk_flip_bit(const char *path, char *where, size_t cap)
{
    struct inode *files[256];
    const char *names[256];
    struct inode *dir = inode_of_path(path);
    int count = dir == NULL || !dir->is_dir ? 0 : gather(dir, files, names, 0, 256);
    if (count == 0)
        return false;
    int chosen = (int)chance_below((uint32_t)count);
    struct inode *inode = files[chosen];
    int64_t used = inode->size;
    while (used > 0 && inode->cache[used - 1] == 0)
        used--;
    if (used == 0)
        return false;
    int64_t at = (int64_t)chance_below((uint32_t)used);
    uint8_t bit = (uint8_t)(1u << chance_below(8));
    inode->cache[at] ^= bit;
    inode->believed[at] ^= bit;
    inode->durable[at] ^= bit;
    snprintf(where, cap, "%s/%s byte %lld bit 0x%02x", path, names[chosen], (long long)at, bit);
    return true;
}
