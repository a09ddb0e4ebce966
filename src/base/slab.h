/* slab.h - pieces of memory that come and go in crowds.
 *
 *     chunk  | head | piece | piece |  free  | piece | ...          64 KiB, pieces of one size
 *
 * malloc() lays such pieces between others that stay: when the crowd has gone the holes are left,
 * and the process is as large as it ever was. Here they lie by themselves, and slab_trim() gives
 * chunks without pieces back to the system. What is larger than SLAB_PIECE_MOST comes from
 * malloc().
 *
 * Units      bytes.
 * Ownership  a piece is whoever's took it, until it is given back; all are when the slab is freed.
 * Threads    any; a lock, a leaf.
 * Errors     none: a failed allocation aborts; whoever takes bounds it.
 */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include <stddef.h>

enum { SLAB_PIECE_LEAST = 64, SLAB_PIECE_MOST = 4096 };

struct slab;

/* NULL: no memory. */
struct slab *slab_new(void);
/* NULL is fine. */
void slab_free(struct slab *slab);

/* How long the piece is that has room for so much: a power of two. */
size_t slab_piece_bytes(size_t bytes);
void *slab_take(struct slab *slab, size_t bytes);
/* `bytes` as it was asked for, or anything else that makes a piece as long. NULL is fine. */
void slab_give_back(struct slab *slab, void *piece, size_t bytes);
/* Another piece with what this one held, or its beginning; it may be the same. */
void *slab_resize(struct slab *slab, void *piece, size_t bytes, size_t wanted_bytes);

/* Gives chunks back to the system that were empty all the time since this was called last, but for
 * two. To be called now and then by a thread that may wait. */
void slab_trim(struct slab *slab);

/* Chunks there are, those kept for the next crowd too. */
size_t slab_chunks(struct slab *slab);

#endif
