/* bounds.h - how many of each may be in memory; what is beyond waits on the disk, or is refused.
 * And what one pass of the loop delivers.
 *
 * Constants, that broker/bounds.c may add them up; each is held by the file that counts.
 */
#ifndef DELIVERY_BOUNDS_H
#define DELIVERY_BOUNDS_H

enum {
    TIMERS_LOADED_MAX = 256 * 1024, /* above, no further tick is loaded */
    TXN_ENDS_BYTES_MAX = 1 << 20,   /* of ends that are in no op record yet */
    POP_EARLY_MAX = 200000,         /* checkpoints whose acks came before them */
    TOPIC_COUNTS_MAX = 100000,      /* in each table of counts */
    RUN_PIECE_BYTES = 8192,         /* a message counts as one of a pass, and one more for each */
};

#endif
