/* disk_internal.h - the model of the disk (disk.c), for the calls that stand on it (disk_calls.c).
 *
 * Ownership  inodes belong to the model and are freed by inodes_collect() when nothing leads to
 * them.
 * Threads    one; a function here is no event of the machine.
 * Errors     as the calls of the C library: -1 or NULL, and errno.
 */
#ifndef TESTS_CRASH_SIM_DISK_INTERNAL_H
#define TESTS_CRASH_SIM_DISK_INTERNAL_H

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
    bool is_of_queue; /* a file of a consume queue */
    bool is_of_log;
    bool is_of_timer; /* of timer log or wheel */
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

extern struct inode *disk_fds[FDS_MAX]; /* NULL: not open */

/* ---- names ----------------------------------------------------------------------------------- */

/* Its index, -1: none. */
int names_find(const struct names *names, const char *text);
/* Finds the directory of a path and its last part. */
struct inode *directory_of_path(const char *path, char last[120]);
struct inode *inode_of_path(const char *path);
/* Does it in the page cache, and in the journal. */
void directory_change(struct inode *dir, enum op_kind kind, const char *text, const char *to,
                      struct inode *inode);
/* The first `count` changes of the journal are durable, the others never were. */
void directory_commit(struct inode *dir, int count);

/* ---- inodes ---------------------------------------------------------------------------------- */

struct inode *inode_make(bool is_dir);
/* The file whose mapping holds the address. */
struct inode *inode_of_address(const void *address);
/* Frees what no name, no descriptor and no possible past leads to. */
void inodes_collect(void);
int inode_page_count(const struct inode *inode);
void inode_set_size(struct inode *inode, int64_t bytes);
/* Makes a file shorter, or leaves it. */
void inode_shrink(struct inode *inode, int64_t bytes);
/* A sync of pages [from, upto). */
int inode_sync(struct inode *inode, int from, int upto);
/* The kernel writes a page back when it likes. */
void disk_write_back(void);

#endif
