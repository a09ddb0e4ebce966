/* disk.c - files in memory, three times over.
 *
 *   cache     what the process reads and writes; its mappings are this memory
 *   believed  what the kernel takes to be on the disk: a page that differs, or was written to, is
 * dirty durable   what is on the disk
 *
 * A sync makes dirty pages durable; write-back does so for a page at any time. A sync that fails
 * leaves some pages clean and not durable, as Linux does, and may drop them from the cache. Names
 * are kept the same way: a directory has its names now, its durable names, and what was done in
 * between, of which a loss of power keeps a prefix, each directory for itself. Sectors of 512 bytes
 * are written whole.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

#include "sim.h"

enum { PAGE = 4096, SECTOR = 512, PAGES_MAX = 32, FILE_MAX = PAGE * PAGES_MAX };
enum { INODES_MAX = 512, NAMES_MAX = 192, OPS_MAX = 512, FDS_MAX = 128 };

struct name {
    char text[120];
    struct inode *inode;
};

enum op_kind { OP_ADD, OP_DELETE, OP_RENAME, OP_EXCHANGE };

struct op {
    enum op_kind kind;
    char text[120];
    char to[120];
    struct inode *inode;
};

struct names {
    struct name list[NAMES_MAX];
    int count;
};

struct directory {
    struct names now;
    struct names durable;
    struct op ops[OPS_MAX];
    int op_count;
};

struct inode {
    bool is_used;
    bool is_dir;
    struct directory *dir;
    uint8_t *cache;
    uint8_t *believed;
    uint8_t *durable;
    int64_t size;
    int64_t durable_size;
    int64_t longest;             /* it ever was: zeros stand behind it */
    bool was_written[PAGES_MAX]; /* by a call, since it was clean: dirty whatever it holds */
    bool has_blocks[PAGES_MAX];
    bool has_error; /* write-back failed, and nobody was told */
    int maps;
    int fds;
    int64_t modified_ns;
};

static struct inode inodes[INODES_MAX];
static struct inode *root;
static struct inode *fd_table[FDS_MAX];
struct disk_faults disk_faults;
bool disk_had_sync_error;
int disk_fill_percent = 10;

/* The memory of all files lies in one piece, so that a mapping is known by its address. */
static uint8_t *pool;

void *__real_malloc(size_t bytes);

/* ---- inodes ---------------------------------------------------------------------------------- */

static struct inode *make_inode(bool is_dir)
{
    if (pool == NULL)
        pool = mmap(NULL, (size_t)INODES_MAX * 3 * FILE_MAX, PROT_READ | PROT_WRITE,
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
static void collect_inodes(void)
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

/* ---- names ----------------------------------------------------------------------------------- */

static int find_name(const struct names *names, const char *text)
{
    for (int i = 0; i < names->count; i++)
        if (strcmp(names->list[i].text, text) == 0)
            return i;
    return -1;
}

static void set_name(struct names *names, const char *text, struct inode *inode)
{
    int at = find_name(names, text);
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
    int at = find_name(names, text);
    if (at >= 0)
        names->list[at] = names->list[--names->count];
}

static void exchange(struct names *names, const char *a, const char *b)
{
    int at_a = find_name(names, a);
    int at_b = find_name(names, b);
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

static void commit_names(struct inode *dir, int count)
{
    for (int i = 0; i < count; i++)
        apply(&dir->dir->durable, &dir->dir->ops[i]);
    dir->dir->op_count = 0;
}

static void change(struct inode *dir, enum op_kind kind, const char *text, const char *to,
                   struct inode *inode)
{
    if (dir->dir->op_count == OPS_MAX) /* the journal commits by itself, sooner or later */
        commit_names(dir, OPS_MAX);
    struct op *op = &dir->dir->ops[dir->dir->op_count++];
    op->kind = kind;
    snprintf(op->text, sizeof op->text, "%s", text);
    snprintf(op->to, sizeof op->to, "%s", to == NULL ? "" : to);
    op->inode = inode;
    apply(&dir->dir->now, op);
}

/* Finds the directory of a path and its last part. NULL: errno says why. */
static struct inode *walk(const char *path, char last[120])
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
        int i = find_name(&at->dir->now, last);
        if (i < 0 || !at->dir->now.list[i].inode->is_dir) {
            errno = i < 0 ? ENOENT : ENOTDIR;
            return NULL;
        }
        at = at->dir->now.list[i].inode;
    }
}

static struct inode *look_up(const char *path)
{
    char last[120];
    struct inode *dir = walk(path, last);
    if (dir == NULL)
        return NULL;
    if (last[0] == 0)
        return dir;
    int i = find_name(&dir->dir->now, last);
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
    memset(fd_table, 0, sizeof fd_table);
    root = make_inode(true);
    change(root, OP_ADD, "sim", NULL, make_inode(true)); /* above the store: the operator's */
    commit_names(root, root->dir->op_count);
    disk_had_sync_error = false;
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

static int page_count(const struct inode *inode)
{
    return pages_of(inode->size);
}

static void set_size(struct inode *inode, int64_t bytes)
{
    inode->size = bytes;
    if (bytes > inode->longest)
        inode->longest = bytes;
}

/* Makes a file shorter. What it had behind its new end is on the disk until the names and lengths
 * of the file system are. */
static void shrink(struct inode *inode, int64_t bytes)
{
    if (bytes >= inode->size)
        return;
    memset(inode->cache + bytes, 0, (size_t)(inode->size - bytes));
    for (int page = (int)(bytes / PAGE); page < page_count(inode); page++)
        inode->was_written[page] = true;
    for (int page = pages_of(bytes); page < page_count(inode); page++)
        inode->has_blocks[page] = false;
    inode->size = bytes;
}

/* The length is durable: nothing is left of what once stood behind it. */
static void forget_behind_end(struct inode *inode)
{
    for (int page = page_count(inode); page < pages_of(inode->longest); page++) {
        memset(inode->cache + page * PAGE, 0, PAGE);
        memset(inode->believed + page * PAGE, 0, PAGE);
        memset(inode->durable + page * PAGE, 0, PAGE);
        inode->was_written[page] = false;
        inode->has_blocks[page] = false;
    }
}

/* The kernel writes a page back when it likes. */
static void write_back_something(void)
{
    if (!chance_one_in(24))
        return;
    struct inode *inode = &inodes[chance_below(INODES_MAX)];
    for (int tries = 0; tries < 16 && (!inode->is_used || inode->is_dir); tries++)
        inode = &inodes[chance_below(64)];
    if (!inode->is_used || inode->is_dir || inode->size == 0)
        return;
    int page = (int)chance_below((uint32_t)page_count(inode));
    if (is_dirty(inode, page))
        write_page(inode, page);
}

/* A sync of pages [from, upto). */
static int sync_pages(struct inode *inode, int from, int upto)
{
    bool fails = inode->has_error || chance_one_in(disk_faults.sync_error);
    bool drops = chance_one_in(3);
    inode->has_error = false;
    for (int page = from; page < upto; page++) {
        if (!is_dirty(inode, page))
            continue;
        if (!fails || chance_one_in(3)) {
            write_page(inode, page);
        } else if (chance_one_in(2)) { /* said to be clean, and is not on the disk */
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
    disk_had_sync_error = true;
    errno = EIO;
    return -1;
}

/* ---- failures of the machine ----------------------------------------------------------------- */

void sim_disk_forget_process(void)
{
    memset(fd_table, 0, sizeof fd_table);
    for (int i = 0; i < INODES_MAX; i++) {
        inodes[i].fds = 0;
        inodes[i].maps = 0;
    }
    collect_inodes();
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
        commit_names(inode, (int)chance_below((uint32_t)inode->dir->op_count + 1));
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
    struct inode *dir = walk(path, last);
    if (dir == NULL)
        return;
    commit_names(dir, dir->dir->op_count);
    int i = find_name(&dir->dir->now, last);
    if (i >= 0 && dir->dir->now.list[i].inode->is_dir)
        remove_below(dir->dir->now.list[i].inode);
    drop_name(&dir->dir->now, last);
    drop_name(&dir->dir->durable, last);
    collect_inodes();
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
    struct inode *dir = look_up(path);
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

/* ---- the calls ------------------------------------------------------------------------------- */

int __wrap_open(const char *path, int flags, ...);
int __wrap_close(int fd);
int __wrap_fstat(int fd, struct stat *state);
int __wrap_stat(const char *path, struct stat *state);
int __wrap_access(const char *path, int mode);
int __wrap_ftruncate(int fd, off_t bytes);
int __wrap_fallocate(int fd, int mode, off_t from, off_t len);
ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t at);
ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __wrap_preadv2(int fd, const struct iovec *runs, int count, off_t at, int flags);
ssize_t __wrap_pread(int fd, void *into, size_t len, off_t at);
ssize_t __wrap_read(int fd, void *into, size_t len);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_sync_file_range(int fd, off_t from, off_t len, unsigned flags);
int __wrap_msync(void *base, size_t len, int flags);
void *__wrap_mmap(void *hint, size_t len, int protection, int flags, int fd, off_t at);
int __wrap_munmap(void *base, size_t len);
int __wrap_madvise(void *base, size_t len, int advice);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_rmdir(const char *path);
int __wrap_unlink(const char *path);
int __wrap_rename(const char *from, const char *to);
int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
DIR *__wrap_opendir(const char *path);
struct dirent *__wrap_readdir(DIR *dir);
int __wrap_closedir(DIR *dir);
int __wrap_statvfs(const char *path, struct statvfs *disk);
int __wrap_fcntl(int fd, int command, ...);

static void call_begins(void)
{
    machine_event();
    write_back_something();
    if (chance_one_in(disk_faults.slow))
        machine_sleep_ms(1 + chance_below(300));
}

static int64_t position[FDS_MAX]; /* for read() and write() */

static int fail(int cause)
{
    errno = cause;
    return -1;
}

static int new_fd(struct inode *inode)
{
    for (int fd = 3; fd < FDS_MAX; fd++) {
        if (fd_table[fd] != NULL)
            continue;
        fd_table[fd] = inode;
        position[fd] = 0;
        inode->fds++;
        return fd;
    }
    violation("descriptors are used up: some are not closed");
}

int __wrap_open(const char *path, int flags, ...)
{
    call_begins();
    char last[120];
    struct inode *inode = look_up(path);
    if (inode == NULL && errno == ENOENT && (flags & O_CREAT) != 0) {
        struct inode *dir = walk(path, last);
        if (dir == NULL)
            return -1;
        if (chance_one_in(disk_faults.full))
            return fail(ENOSPC);
        inode = make_inode(false);
        change(dir, OP_ADD, last, NULL, inode);
    }
    if (inode == NULL)
        return -1;
    if ((flags & O_TRUNC) != 0 && !inode->is_dir)
        shrink(inode, 0);
    return new_fd(inode);
}

static struct inode *of_fd(int fd)
{
    if (fd < 3 || fd >= FDS_MAX || fd_table[fd] == NULL)
        violation("descriptor %d is not open", fd);
    return fd_table[fd];
}

int __wrap_close(int fd)
{
    of_fd(fd)->fds--;
    fd_table[fd] = NULL;
    return 0;
}

static void fill_stat(const struct inode *inode, struct stat *state)
{
    memset(state, 0, sizeof *state);
    state->st_size = inode->size;
    state->st_nlink = 1;
    state->st_mode = inode->is_dir ? S_IFDIR : S_IFREG;
    state->st_mtim.tv_sec = inode->modified_ns / 1000000000;
    state->st_mtim.tv_nsec = inode->modified_ns % 1000000000;
}

int __wrap_fstat(int fd, struct stat *state)
{
    fill_stat(of_fd(fd), state);
    return 0;
}

int __wrap_stat(const char *path, struct stat *state)
{
    call_begins();
    struct inode *inode = look_up(path);
    if (inode == NULL)
        return -1;
    fill_stat(inode, state);
    return 0;
}

int __wrap_access(const char *path, int mode)
{
    (void)mode;
    machine_event();
    return look_up(path) == NULL ? -1 : 0;
}

int __wrap_ftruncate(int fd, off_t bytes)
{
    call_begins();
    struct inode *inode = of_fd(fd);
    if (bytes > FILE_MAX)
        violation("a file of %lld bytes is too long for the simulated disk", (long long)bytes);
    if (bytes > inode->size && chance_one_in(disk_faults.full))
        return fail(ENOSPC);
    shrink(inode, bytes);
    set_size(inode, bytes);
    return 0;
}

int __wrap_fallocate(int fd, int mode, off_t from, off_t len)
{
    call_begins();
    struct inode *inode = of_fd(fd);
    off_t upto = from + len < inode->size ? from + len : inode->size;
    if ((mode & 2) != 0) { /* FALLOC_FL_PUNCH_HOLE */
        if (upto <= from)
            return 0;
        memset(inode->cache + from, 0, (size_t)(upto - from));
        for (off_t page = (from + PAGE - 1) / PAGE; page < upto / PAGE; page++) {
            inode->has_blocks[page] = false;
            inode->was_written[page] = true;
        }
        if (from % PAGE != 0)
            inode->was_written[from / PAGE] = true;
        return 0;
    }
    if (chance_one_in(disk_faults.full))
        return fail(ENOSPC);
    for (off_t page = from / PAGE; page * PAGE < upto; page++)
        inode->has_blocks[page] = true;
    return 0;
}

static ssize_t write_at(struct inode *inode, const void *data, size_t len, int64_t at)
{
    if (chance_one_in(disk_faults.write_error))
        return fail(EIO);
    if (chance_one_in(disk_faults.full))
        return fail(ENOSPC);
    if (len > 1 && chance_one_in(disk_faults.short_write))
        len = 1 + chance_below((uint32_t)len - 1);
    if (at + (int64_t)len > FILE_MAX)
        violation("a write behind the longest file");
    for (int64_t page = at / PAGE; page * PAGE < at + (int64_t)len; page++) {
        inode->has_blocks[page] = true;
        inode->was_written[page] = true;
    }
    set_size(inode, at + (int64_t)len > inode->size ? at + (int64_t)len : inode->size);
    inode->modified_ns = machine_now_ns();
    memcpy(inode->cache + at, data, len); /* the process may die in its middle */
    return (ssize_t)len;
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t at)
{
    call_begins();
    return write_at(of_fd(fd), data, len, at);
}

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    call_begins();
    ssize_t n = write_at(of_fd(fd), data, len, position[fd]);
    position[fd] += n > 0 ? n : 0;
    return n;
}

static ssize_t read_at(const struct inode *inode, void *into, size_t len, int64_t at)
{
    if (chance_one_in(disk_faults.read_error))
        return fail(EIO);
    if (at >= inode->size)
        return 0;
    if (at + (int64_t)len > inode->size)
        len = (size_t)(inode->size - at);
    if (len > 1 && chance_one_in(disk_faults.short_write))
        len = 1 + chance_below((uint32_t)len - 1);
    memcpy(into, inode->cache + at, len);
    return (ssize_t)len;
}

ssize_t __wrap_preadv2(int fd, const struct iovec *runs, int count, off_t at, int flags)
{
    (void)count;
    call_begins();
    if (flags != 0 && chance_one_in(8))
        return fail(EAGAIN);
    return read_at(of_fd(fd), runs[0].iov_base, runs[0].iov_len, at);
}

ssize_t __wrap_pread(int fd, void *into, size_t len, off_t at)
{
    call_begins();
    return read_at(of_fd(fd), into, len, at);
}

ssize_t __wrap_read(int fd, void *into, size_t len)
{
    call_begins();
    ssize_t n = read_at(of_fd(fd), into, len, position[fd]);
    position[fd] += n > 0 ? n : 0;
    return n;
}

int __wrap_fsync(int fd)
{
    call_begins();
    struct inode *inode = of_fd(fd);
    if (!inode->is_dir)
        return sync_pages(inode, 0, page_count(inode));
    if (chance_one_in(disk_faults.sync_error)) {
        disk_had_sync_error = true;
        return fail(EIO);
    }
    commit_names(inode, inode->dir->op_count);
    return 0;
}

int __wrap_fdatasync(int fd)
{
    return __wrap_fsync(fd);
}

int __wrap_sync_file_range(int fd, off_t from, off_t len, unsigned flags)
{
    (void)fd;
    (void)from;
    (void)len;
    (void)flags;
    return 0;
}

static struct inode *of_address(const void *address)
{
    if (!sim_disk_is_mapped(address))
        violation("an address that is not mapped");
    return &inodes[((const uint8_t *)address - pool) / (3 * (int64_t)FILE_MAX)];
}

int __wrap_msync(void *base, size_t len, int flags)
{
    (void)flags;
    call_begins();
    struct inode *inode = of_address(base);
    int from = (int)(((uint8_t *)base - inode->cache) / PAGE);
    int upto = (int)(((uint8_t *)base - inode->cache + (int64_t)len + PAGE - 1) / PAGE);
    return sync_pages(inode, from, upto < page_count(inode) ? upto : page_count(inode));
}

void *__real_mmap(void *hint, size_t len, int protection, int flags, int fd, off_t at);

void *__wrap_mmap(void *hint, size_t len, int protection, int flags, int fd, off_t at)
{
    if (fd < 0)
        return __real_mmap(hint, len, protection, flags, fd, at);
    call_begins();
    struct inode *inode = of_fd(fd);
    inode->maps++;
    return inode->cache;
}

int __wrap_munmap(void *base, size_t len)
{
    (void)len;
    of_address(base)->maps--;
    return 0;
}

int __wrap_madvise(void *base, size_t len, int advice)
{
    (void)base;
    (void)len;
    (void)advice;
    return 0;
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    (void)mode;
    char last[120];
    call_begins();
    struct inode *dir = walk(path, last);
    if (dir == NULL)
        return -1;
    if (last[0] == 0 || find_name(&dir->dir->now, last) >= 0)
        return fail(EEXIST);
    if (chance_one_in(disk_faults.full))
        return fail(ENOSPC);
    change(dir, OP_ADD, last, NULL, make_inode(true));
    return 0;
}

int __wrap_rmdir(const char *path)
{
    char last[120];
    call_begins();
    struct inode *dir = walk(path, last);
    int at = dir == NULL ? -1 : find_name(&dir->dir->now, last);
    if (at < 0)
        return fail(ENOENT);
    if (dir->dir->now.list[at].inode->dir->now.count > 0)
        return fail(ENOTEMPTY);
    change(dir, OP_DELETE, last, NULL, NULL);
    return 0;
}

int __wrap_unlink(const char *path)
{
    char last[120];
    call_begins();
    struct inode *dir = walk(path, last);
    if (dir == NULL || find_name(&dir->dir->now, last) < 0)
        return fail(ENOENT);
    change(dir, OP_DELETE, last, NULL, NULL);
    if (chance_one_in(16))
        collect_inodes();
    return 0;
}

int __wrap_rename(const char *from, const char *to)
{
    char from_last[120];
    char to_last[120];
    call_begins();
    struct inode *from_dir = walk(from, from_last);
    struct inode *to_dir = from_dir == NULL ? NULL : walk(to, to_last);
    int at = to_dir == NULL ? -1 : find_name(&from_dir->dir->now, from_last);
    if (at < 0)
        return fail(ENOENT);
    struct inode *inode = from_dir->dir->now.list[at].inode;
    if (from_dir == to_dir) {
        change(from_dir, OP_RENAME, from_last, to_last, inode);
        return 0;
    }
    /* Between two directories it is one step of the journal: both or neither; here, at once. */
    change(to_dir, OP_ADD, to_last, NULL, inode);
    change(from_dir, OP_DELETE, from_last, NULL, NULL);
    commit_names(to_dir, to_dir->dir->op_count);
    commit_names(from_dir, from_dir->dir->op_count);
    return 0;
}

/* Within a directory; one step of the journal. */
int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    char from_last[120];
    char to_last[120];
    call_begins();
    struct inode *dir = walk(from, from_last);
    if (dir == NULL || walk(to, to_last) != dir || from_fd != AT_FDCWD || to_fd != AT_FDCWD ||
        flags != RENAME_EXCHANGE)
        violation("a call of renameat2 that the simulated disk does not know");
    int at = find_name(&dir->dir->now, from_last);
    if (at < 0 || find_name(&dir->dir->now, to_last) < 0)
        return fail(ENOENT);
    change(dir, OP_EXCHANGE, from_last, to_last, dir->dir->now.list[at].inode);
    return 0;
}

struct listing {
    int count;
    int next;
    struct dirent entry;
    struct name names[NAMES_MAX];
};

DIR *__wrap_opendir(const char *path)
{
    call_begins();
    struct inode *inode = look_up(path);
    if (inode == NULL)
        return NULL;
    if (!inode->is_dir) {
        errno = ENOTDIR;
        return NULL;
    }
    struct listing *listing = malloc(sizeof *listing);
    listing->count = inode->dir->now.count;
    listing->next = 0;
    memcpy(listing->names, inode->dir->now.list, sizeof listing->names);
    return (DIR *)listing;
}

struct dirent *__wrap_readdir(DIR *dir)
{
    struct listing *listing = (struct listing *)dir;
    if (listing->next == listing->count)
        return NULL;
    const struct name *name = &listing->names[listing->next++];
    snprintf(listing->entry.d_name, sizeof listing->entry.d_name, "%s", name->text);
    listing->entry.d_type = name->inode->is_dir ? DT_DIR : DT_REG;
    return &listing->entry;
}

int __wrap_closedir(DIR *dir)
{
    free(dir);
    return 0;
}

int __wrap_statvfs(const char *path, struct statvfs *disk)
{
    (void)path;
    machine_event();
    memset(disk, 0, sizeof *disk);
    disk->f_blocks = 100;
    disk->f_bfree = (fsblkcnt_t)(100 - disk_fill_percent);
    disk->f_bavail = disk->f_bfree;
    return 0;
}

int __wrap_fcntl(int fd, int command, ...)
{
    return command == F_DUPFD_CLOEXEC ? new_fd(of_fd(fd)) : 0;
}
