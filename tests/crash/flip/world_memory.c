/* world_memory.c - the cases in memory: the calls of the C library that store, tables and timers
 * make of a disk are wrapped at link time (as for tests/crash/sim, whose fibers stand in for
 * threads), and served from one list of paths. There is no disk below: nothing is ever lost here
 * but what the case takes away.
 *
 *   pool   | node 0 | node 1 | ...     NODE_BYTES each, never written but where the file is: a
 *                                      mapping of a file is its place in the pool
 *
 * Outside of fibers the calls go to the machine's own files.
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

#include "crash/sim/sim.h"
#include "world.h"

enum { PAGE = 4096, NODES_MAX = 1024, FDS_MAX = 256, NAME_BYTES = 256, NODE_BYTES = 48 << 20 };
#define ROOT "/memory/store"

struct node {
    char path[NAME_BYTES]; /* "": its name is gone */
    uint32_t hash;
    bool is_dir;
    bool is_mapped; /* stores to it are not seen: every page may be written */
    int64_t size;
    int64_t modified_ns;
    bool is_written[NODE_BYTES / PAGE]; /* the others are zeros, and not looked at: that would take
                                           memory for them */
};

static struct node nodes[NODES_MAX];
static int node_count;
static uint8_t *pool;
static struct {
    struct node *node; /* NULL: not open */
    int64_t position;
} fds[FDS_MAX];

const bool world_is_written_for_each_case = false;

/* ---- nodes ----------------------------------------------------------------------------------- */

static uint8_t *bytes_of(const struct node *node)
{
    return pool + (node - nodes) * (ptrdiff_t)NODE_BYTES;
}

static uint32_t hash_of(const char *path)
{
    uint32_t hash = 2166136261u;
    for (; *path != 0; path++)
        hash = (hash ^ (uint8_t)*path) * 16777619u;
    return hash;
}

/* NULL: none, and errno says so. */
static struct node *find(const char *path)
{
    uint32_t hash = hash_of(path);
    for (int i = 0; i < node_count; i++)
        if (nodes[i].hash == hash && strcmp(nodes[i].path, path) == 0)
            return &nodes[i];
    errno = ENOENT;
    return NULL;
}

static void set_path(struct node *node, const char *path)
{
    if (snprintf(node->path, sizeof node->path, "%s", path) >= (int)sizeof node->path)
        violation("a path too long for memory: %s", path);
    node->hash = hash_of(path);
}

static void take_name(struct node *node)
{
    node->path[0] = 0;
    node->hash = 0;
}

static struct node *make(const char *path, bool is_dir)
{
    /* a number that turned where nothing guards it is believed up to a million: that many entries
     * are filled, in files of a test's length */
    if (node_count == NODES_MAX && log_lines_find("consume_queue_gap_filled", NULL, NULL) != NULL)
        case_too_large();
    if (node_count == NODES_MAX)
        violation("more than %d files in memory", NODES_MAX);
    struct node *node = &nodes[node_count++]; /* never used before */
    node->is_dir = is_dir;
    node->modified_ns = machine_now_ns();
    set_path(node, path);
    return node;
}

static void note_written(struct node *node, int64_t from, int64_t upto)
{
    for (int64_t page = from / PAGE; page * PAGE < upto; page++)
        node->is_written[page] = true;
}

int __real_madvise(void *base, size_t len, int advice);

/* Zeros, without taking memory for them. */
static void zero(const struct node *node, int64_t from, int64_t upto)
{
    int64_t first_page = (from + PAGE - 1) / PAGE * PAGE;
    int64_t last_page = upto / PAGE * PAGE;
    if (first_page >= last_page) {
        memset(bytes_of(node) + from, 0, (size_t)(upto - from));
        return;
    }
    memset(bytes_of(node) + from, 0, (size_t)(first_page - from));
    __real_madvise(bytes_of(node) + first_page, (size_t)(last_page - first_page), MADV_DONTNEED);
    memset(bytes_of(node) + last_page, 0, (size_t)(upto - last_page));
}

static void set_size(struct node *node, int64_t bytes)
{
    if (bytes > NODE_BYTES)
        violation("%s is too long for memory: %lld bytes", node->path, (long long)bytes);
    if (bytes < node->size)
        zero(node, bytes, node->size);
    node->size = bytes;
}

static bool is_below(const struct node *node, const char *dir, size_t dir_len)
{
    return strncmp(node->path, dir, dir_len) == 0 && node->path[dir_len] == '/';
}

/* ---- the world ------------------------------------------------------------------------------- */

static int64_t begins_ns; /* when the directory has just been left */
static bool has_lost_power;
void __real_disk_boot_id(uint8_t id[36]);

void world_root(const char *work, int slot, char root[PATH_BYTES])
{
    (void)work;
    (void)slot;
    snprintf(root, PATH_BYTES, ROOT);
}

static void make_dirs_above(const char *path)
{
    char above[NAME_BYTES];
    snprintf(above, sizeof above, "%s", path);
    for (char *at = above + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = 0;
        if (find(above) == NULL)
            make(above, true);
        *at = '/';
    }
}

void world_write(const struct image *image, const char *root)
{
    char path[NAME_BYTES + PATH_BYTES];
    size_t pool_bytes = (size_t)NODE_BYTES * NODES_MAX;
    if (pool != NULL)
        munmap(pool, pool_bytes);
    pool = mmap(NULL, pool_bytes, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pool == MAP_FAILED)
        image_fail("map", root);
    memset(nodes, 0, (size_t)node_count * sizeof nodes[0]);
    node_count = 0;
    make("/", true);
    make_dirs_above(ROOT "/");
    for (int i = 0; i < image->count; i++) {
        const struct image_file *file = &image->files[i];
        snprintf(path, sizeof path, "%s/%s", root, file->path);
        make_dirs_above(path);
        struct node *node = make(path, false);
        set_size(node, file->bytes);
        node->modified_ns =
            (int64_t)file->modified.tv_sec * 1000000000 + (int64_t)file->modified.tv_nsec;
        if (node->modified_ns > begins_ns)
            begins_ns = node->modified_ns;
        for (int page = 0; page < file->page_count; page++) {
            int64_t left = file->bytes - file->page_ats[page];
            memcpy(bytes_of(node) + file->page_ats[page], file->pages + (size_t)page * PAGE,
                   left < PAGE ? (size_t)left : PAGE);
            node->is_written[file->page_ats[page] / PAGE] = true;
        }
    }
}

void world_damage(const struct damage *damage, const char *root)
{
    char path[NAME_BYTES + PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", root, damage->file->path);
    struct node *node = find(path);
    if (node == NULL)
        image_fail("find", path);
    if (damage->kind == DAMAGE_REMOVE)
        take_name(node);
    else if (damage->kind == DAMAGE_CUT)
        set_size(node, damage->from);
    else {
        bytes_of(node)[damage->from] ^= (uint8_t)(1u << damage->bit);
        note_written(node, damage->from, damage->upto);
    }
}

bool world_lose_power(void)
{
    has_lost_power = true;
    return true;
}

bool world_has_lost_power(void)
{
    return has_lost_power;
}

void world_run(const struct image *image, void (*work)(void))
{
    enum { SEED = 1 };
    uint8_t id[36];
    (void)image;
    chance_seed(SEED);
    machine_reset_to(begins_ns + 1000000000);
    __real_disk_boot_id(id);
    if (!has_lost_power)
        machine_stay_booted(id);
    (void)machine_run(work, 0, MACHINE_KILLED);
}

void world_clean(const char *root)
{
    (void)root;
}

void world_sleep_ms(int64_t ms)
{
    machine_sleep_ms(ms);
}

bool sim_disk_is_mapped(const void *address)
{
    const uint8_t *at = address;
    return pool != NULL && at >= pool && at < pool + (size_t)NODE_BYTES * NODES_MAX;
}

/* ---- descriptors ----------------------------------------------------------------------------- */

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_close(int fd);
int __wrap_close(int fd);
int __real_fstat(int fd, struct stat *state);
int __wrap_fstat(int fd, struct stat *state);
int __real_stat(const char *path, struct stat *state);
int __wrap_stat(const char *path, struct stat *state);
int __wrap_access(const char *path, int mode);
int __wrap_ftruncate(int fd, off_t bytes);
int __wrap_fallocate(int fd, int mode, off_t from, off_t len);
ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t at);
ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __wrap_preadv2(int fd, const struct iovec *runs, int count, off_t at, int flags);
ssize_t __real_pread(int fd, void *into, size_t len, off_t at);
ssize_t __wrap_pread(int fd, void *into, size_t len, off_t at);
ssize_t __real_read(int fd, void *into, size_t len);
ssize_t __wrap_read(int fd, void *into, size_t len);
off_t __real_lseek(int fd, off_t at, int whence);
off_t __wrap_lseek(int fd, off_t at, int whence);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_sync_file_range(int fd, off_t from, off_t len, unsigned flags);
int __wrap_msync(void *base, size_t len, int flags);
void *__real_mmap(void *hint, size_t len, int protection, int flags, int fd, off_t at);
void *__wrap_mmap(void *hint, size_t len, int protection, int flags, int fd, off_t at);
int __real_munmap(void *base, size_t len);
int __wrap_munmap(void *base, size_t len);
int __wrap_madvise(void *base, size_t len, int advice);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_rmdir(const char *path);
int __wrap_unlink(const char *path);
int __wrap_rename(const char *from, const char *to);
int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
struct dirent *__real_readdir(DIR *dir);
struct dirent *__wrap_readdir(DIR *dir);
int __real_closedir(DIR *dir);
int __wrap_closedir(DIR *dir);
int __wrap_statvfs(const char *path, struct statvfs *disk);
int __wrap_fcntl(int fd, int command, ...);

static int fail(int cause)
{
    errno = cause;
    return -1;
}

static struct node *of_fd(int fd)
{
    if (fd < 3 || fd >= FDS_MAX || fds[fd].node == NULL)
        violation("descriptor %d is not open", fd);
    return fds[fd].node;
}

static int new_fd(struct node *node)
{
    for (int fd = 3; fd < FDS_MAX; fd++) {
        if (fds[fd].node != NULL)
            continue;
        fds[fd].node = node;
        fds[fd].position = 0;
        return fd;
    }
    violation("descriptors are used up: some are not closed");
}

/* The directory that a new name goes to is there. */
static bool has_parent(const char *path)
{
    char above[NAME_BYTES];
    snprintf(above, sizeof above, "%s", path);
    char *last = strrchr(above, '/');
    *last = 0;
    return last == above || find(above) != NULL;
}

int __wrap_open(const char *path, int flags, ...)
{
    if (!machine_is_in_fiber())
        return __real_open(path, flags, 0644);
    machine_event();
    struct node *node = find(path);
    if (node == NULL && ((flags & O_CREAT) == 0 || !has_parent(path)))
        return -1;
    if (node == NULL)
        node = make(path, false);
    if ((flags & O_TRUNC) != 0)
        set_size(node, 0);
    return new_fd(node);
}

int __wrap_close(int fd)
{
    if (!machine_is_in_fiber())
        return __real_close(fd);
    of_fd(fd);
    fds[fd].node = NULL;
    return 0;
}

int __wrap_fcntl(int fd, int command, ...)
{
    return command == F_DUPFD_CLOEXEC ? new_fd(of_fd(fd)) : 0;
}

/* ---- what a file is -------------------------------------------------------------------------- */

static void fill_stat(const struct node *node, struct stat *state)
{
    memset(state, 0, sizeof *state);
    state->st_size = node->size;
    state->st_nlink = 1;
    state->st_mode = node->is_dir ? S_IFDIR : S_IFREG;
    state->st_mtim.tv_sec = node->modified_ns / 1000000000;
    state->st_mtim.tv_nsec = node->modified_ns % 1000000000;
}

int __wrap_fstat(int fd, struct stat *state)
{
    if (!machine_is_in_fiber())
        return __real_fstat(fd, state);
    fill_stat(of_fd(fd), state);
    return 0;
}

int __wrap_stat(const char *path, struct stat *state)
{
    if (!machine_is_in_fiber())
        return __real_stat(path, state);
    machine_event();
    const struct node *node = find(path);
    if (node == NULL)
        return -1;
    fill_stat(node, state);
    return 0;
}

int __wrap_access(const char *path, int mode)
{
    (void)mode;
    machine_event();
    return find(path) == NULL ? -1 : 0;
}

int __wrap_statvfs(const char *path, struct statvfs *disk)
{
    (void)path;
    memset(disk, 0, sizeof *disk);
    disk->f_blocks = 100;
    disk->f_bfree = 90;
    disk->f_bavail = 90;
    return 0;
}

/* ---- what is in it --------------------------------------------------------------------------- */

int __wrap_ftruncate(int fd, off_t bytes)
{
    machine_event();
    set_size(of_fd(fd), bytes);
    return 0;
}

int __wrap_fallocate(int fd, int mode, off_t from, off_t len)
{
    machine_event();
    const struct node *node = of_fd(fd);
    off_t upto = from + len < node->size ? from + len : node->size;
    if ((mode & FALLOC_FL_PUNCH_HOLE) != 0 && upto > from)
        zero(node, from, upto);
    return 0;
}

static ssize_t write_at(struct node *node, const void *data, size_t len, int64_t at)
{
    int64_t end = at + (int64_t)len;
    machine_event();
    set_size(node, end > node->size ? end : node->size);
    node->modified_ns = machine_now_ns();
    memcpy(bytes_of(node) + at, data, len);
    note_written(node, at, end);
    return (ssize_t)len;
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t at)
{
    return write_at(of_fd(fd), data, len, at);
}

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    ssize_t n = write_at(of_fd(fd), data, len, fds[fd].position);
    fds[fd].position += n;
    return n;
}

static ssize_t read_at(const struct node *node, void *into, size_t len, int64_t at)
{
    machine_event();
    if (at >= node->size)
        return 0;
    if (at + (int64_t)len > node->size)
        len = (size_t)(node->size - at);
    for (size_t done = 0, run; done < len; done += run) {
        int64_t from = at + (int64_t)done;
        int64_t left = PAGE - from % PAGE;
        run = (int64_t)(len - done) < left ? len - done : (size_t)left;
        if (node->is_mapped || node->is_written[from / PAGE])
            memcpy((uint8_t *)into + done, bytes_of(node) + from, run);
        else
            memset((uint8_t *)into + done, 0, run);
    }
    return (ssize_t)len;
}

ssize_t __wrap_preadv2(int fd, const struct iovec *runs, int count, off_t at, int flags)
{
    (void)count;
    (void)flags;
    return read_at(of_fd(fd), runs[0].iov_base, runs[0].iov_len, at);
}

ssize_t __wrap_pread(int fd, void *into, size_t len, off_t at)
{
    return machine_is_in_fiber() ? read_at(of_fd(fd), into, len, at)
                                 : __real_pread(fd, into, len, at);
}

ssize_t __wrap_read(int fd, void *into, size_t len)
{
    if (!machine_is_in_fiber())
        return __real_read(fd, into, len);
    ssize_t n = read_at(of_fd(fd), into, len, fds[fd].position);
    fds[fd].position += n;
    return n;
}

off_t __wrap_lseek(int fd, off_t at, int whence)
{
    if (!machine_is_in_fiber())
        return __real_lseek(fd, at, whence);
    machine_event();
    const struct node *node = of_fd(fd);
    if (whence != SEEK_DATA)
        violation("a call of lseek that memory does not know");
    for (off_t page = at / PAGE; page * PAGE < node->size; page++)
        if (node->is_mapped || node->is_written[page])
            return page * PAGE > at ? page * PAGE : at;
    return fail(ENXIO);
}

int __wrap_fsync(int fd)
{
    of_fd(fd);
    machine_event();
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

int __wrap_msync(void *base, size_t len, int flags)
{
    (void)base;
    (void)len;
    (void)flags;
    machine_event();
    return 0;
}

/* A mapping behind a file's end would be the death of a real process. */
void *__wrap_mmap(void *hint, size_t len, int protection, int flags, int fd, off_t at)
{
    if (!machine_is_in_fiber() || fd < 0)
        return __real_mmap(hint, len, protection, flags, fd, at);
    machine_event();
    struct node *node = of_fd(fd);
    node->is_mapped = true;
    if (at + (int64_t)len > (node->size + PAGE - 1) / PAGE * PAGE)
        violation("%s has %lld bytes and is mapped up to %lld", node->path, (long long)node->size,
                  (long long)at + (long long)len);
    return bytes_of(node) + at;
}

int __wrap_munmap(void *base, size_t len)
{
    return sim_disk_is_mapped(base) && machine_is_in_fiber() ? 0 : __real_munmap(base, len);
}

int __wrap_madvise(void *base, size_t len, int advice)
{
    return sim_disk_is_mapped(base) && machine_is_in_fiber() ? 0
                                                             : __real_madvise(base, len, advice);
}

/* ---- names ----------------------------------------------------------------------------------- */

int __wrap_mkdir(const char *path, mode_t mode)
{
    (void)mode;
    machine_event();
    if (find(path) != NULL)
        return fail(EEXIST);
    if (!has_parent(path))
        return -1;
    make(path, true);
    return 0;
}

int __wrap_rmdir(const char *path)
{
    machine_event();
    struct node *node = find(path);
    if (node == NULL)
        return -1;
    for (int i = 0; i < node_count; i++)
        if (is_below(&nodes[i], path, strlen(path)))
            return fail(ENOTEMPTY);
    take_name(node);
    return 0;
}

int __wrap_unlink(const char *path)
{
    machine_event();
    struct node *node = find(path);
    if (node == NULL)
        return -1;
    if (node->is_dir)
        return fail(EISDIR);
    take_name(node);
    return 0;
}

int __wrap_rename(const char *from, const char *to)
{
    machine_event();
    struct node *node = find(from);
    if (node == NULL || !has_parent(to))
        return -1;
    struct node *replaced = find(to);
    if (replaced != NULL && replaced != node)
        take_name(replaced);
    size_t from_len = strlen(from);
    for (int i = 0; node->is_dir && i < node_count; i++) {
        char path[2 * NAME_BYTES];
        if (!is_below(&nodes[i], from, from_len))
            continue;
        snprintf(path, sizeof path, "%s%s", to, nodes[i].path + from_len);
        set_path(&nodes[i], path);
    }
    set_path(node, to);
    return 0;
}

int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    (void)from_fd;
    (void)to_fd;
    machine_event();
    if (flags != RENAME_EXCHANGE)
        violation("a call of renameat2 that memory does not know");
    struct node *a = find(from);
    struct node *b = find(to);
    if (a == NULL || b == NULL)
        return fail(ENOENT);
    set_path(a, to);
    set_path(b, from);
    return 0;
}

struct listing {
    char dir[NAME_BYTES];
    int next;
    struct dirent entry;
};

DIR *__wrap_opendir(const char *path)
{
    if (!machine_is_in_fiber())
        return __real_opendir(path);
    machine_event();
    const struct node *node = find(path);
    if (node == NULL)
        return NULL;
    if (!node->is_dir) {
        errno = ENOTDIR;
        return NULL;
    }
    struct listing *listing = calloc(1, sizeof *listing);
    if (listing != NULL)
        snprintf(listing->dir, sizeof listing->dir, "%s", path);
    return (DIR *)listing;
}

struct dirent *__wrap_readdir(DIR *dir)
{
    if (!machine_is_in_fiber())
        return __real_readdir(dir);
    struct listing *listing = (struct listing *)dir;
    size_t dir_len = strlen(listing->dir);
    while (listing->next < node_count) {
        const struct node *node = &nodes[listing->next++];
        if (!is_below(node, listing->dir, dir_len) || strchr(node->path + dir_len + 1, '/') != NULL)
            continue;
        snprintf(listing->entry.d_name, sizeof listing->entry.d_name, "%s",
                 node->path + dir_len + 1);
        listing->entry.d_type = node->is_dir ? DT_DIR : DT_REG;
        return &listing->entry;
    }
    return NULL;
}

int __wrap_closedir(DIR *dir)
{
    if (!machine_is_in_fiber())
        return __real_closedir(dir);
    free(dir);
    return 0;
}
