/* internal.h - the state of a broker and of its connections, which its files share.
 *
 * Ownership  the parts (pointers of struct broker) are made and freed by parts.c.
 * Threads    the broker's loop.
 */
#ifndef BROKER_INTERNAL_H
#define BROKER_INTERNAL_H

#include "broker/broker.h"
#include "broker/guard/ladder.h"
#include "broker/figures/traffic.h"
#include "meta/meta.h"
#include "remoting/remoting.h"
#include "store/store.h"
#include "wire/body_data_version.h"
#include "wire/msg_id.h"

struct clients;     /* clients.h: live producers and consumers */
struct hold;        /* hold.h: parked pulls */
struct queue_locks; /* queue_locks.h: who consumes which queue in order */
struct delays;      /* delays.h: delay levels */
struct txns;        /* txns.h: transactions */
struct timers;      /* timers.h: messages with a time of their own */
struct registrar;   /* register.h: heartbeats to name servers */
struct acks;        /* acks.h: sends parked until their bytes are on disk */
struct pops;        /* pops.h: popping, what it leaves in the log */
struct pop_hold;    /* pop_hold.h: parked pops */
struct routes;      /* client/client.h: where topics are */
struct evidence;    /* evidence.h: where the time of requests goes */
struct guard;       /* guard.h: what is refused and left off under pressure */
struct saver;       /* saver.h: table files, written by a worker */
struct progress;    /* progress.h: where consumer groups are */
struct stats;       /* stats.h: what came and went, by name */
struct put_times;   /* put_times.h: how long puts took */

struct broker {
    struct broker_conf conf;
    struct loop *loop;
    struct workers *workers;
    struct store *store;
    struct topics *topics;
    struct groups *groups;
    struct offsets *offsets;
    struct filters *filters;
    struct server *server;
    struct server *fast_server; /* at listenPort - 2, where old clients send; NULL: none */
    struct client *client;      /* calls to name servers */
    struct tls_server *tls;
    struct tls_client *client_tls; /* NULL: the client speaks plain */
    struct clients *clients;
    struct hold *hold;
    struct queue_locks *queue_locks;
    struct delays *delays;
    struct txns *txns;
    struct timers *timers; /* NULL: timerWheelEnable is off */
    struct registrar *registrar;
    struct acks *acks;
    struct saver *saver;
    struct pops *pops;
    struct pop_hold *pop_hold;
    struct request_modes *request_modes;
    struct routes *routes; /* NULL: no name servers */
    struct progress *progress;
    struct stats *stats;
    struct put_times *put_times;
    struct evidence *evidence;
    struct guard *guard;
    struct uniq_key_source uniq_keys;
    struct buf pull_body; /* what a pull served on the loop found; its memory is used again */
    struct host self;     /* advertised address, in records and message ids */
    char address[64];     /* the same as text, "10.1.1.7:10911" */
    int offloads_out;     /* offload.c: requests that workers have */
    uint32_t next_queue;  /* for sends that leave the choice to the broker */
    uint32_t next_pop;    /* where pops begin */
    int64_t started_ms;
    int64_t start_phy_offset; /* the log's end when it was opened */
    struct traffic traffic;
    int64_t get_took_max_ms;          /* the longest read for a pull */
    int64_t unreadable_queues;        /* left out of tables, each time one was asked for */
    struct data_version conf_version; /* moves with each change of settings at run time */
    bool is_writing_conf;             /* a change of settings is on its way to the file */
    bool takes_light;                 /* enableLmq and enableMultiDispatch */
    bool is_leaving;                  /* clients are sent away, those that know how to go */
    bool is_stopping;
    struct loop_timer stop_poll;
    int64_t stop_deadline_ns;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};

/* What the broker keeps per connection, made when first needed and gone when it closes. */
struct session {
    struct list held;        /* hold.c: its parked pulls */
    struct list held_pops;   /* pop_hold.c: its parked pops and notifications */
    struct list members;     /* clients.c: its places in groups */
    struct rate_limit sends; /* guard.c: how fast it may send */
};
struct session *session_of(struct peer *peer);
/* The connection closed: nothing of it is left. */
void session_end(struct broker *broker, struct peer *peer);

/* Where a table is kept: config/`file` below the store directory. */
void broker_config_path(const struct broker *broker, const char *file, char *path,
                        size_t path_bytes);

/* ---- settings.c ------------------------------------------------------------------------------ */

/* Checks what a row alone cannot tell. ERR_INVALID: the reason is in the log. */
MUST_CHECK int broker_conf_check(const struct broker_conf *conf);

#endif
