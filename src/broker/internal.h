/* internal.h - the state of a broker, which its files share.
 *
 * Most of it are parts: a struct of its own each, whose header is named beside it. Who uses a part
 * includes that header; who only hands the broker on needs this one alone. Handlers find all parts
 * there, but for those that say NULL.
 *
 * Ownership  parts are made and freed by parts.c.
 * Threads    the broker's loop.
 */
#ifndef BROKER_INTERNAL_H
#define BROKER_INTERNAL_H

#include "broker/broker.h"
#include "broker/figures/traffic.h"
#include "meta/meta.h"
#include "remoting/remoting.h"
#include "store/store.h"
#include "wire/body_data_version.h"
#include "wire/msg_id.h"

struct broker {
    struct loop *loop; /* this and the workers are the caller's */
    struct workers *workers;

    /* settings */
    struct broker_conf conf;
    struct data_version conf_version; /* moves with each change at run time */
    bool is_writing_conf;             /* a change is on its way to the file */
    bool takes_light;                 /* enableLmq and enableMultiDispatch */

    /* who it is */
    struct host self; /* advertised address, in records and message ids */
    char address[64]; /* the same as text, "10.1.1.7:10911" */
    struct uniq_key_source uniq_keys;

    /* tables that outlive a restart: meta/meta.h */
    struct topics *topics;
    struct groups *groups;
    struct offsets *offsets;
    struct filters *filters;
    struct request_modes *request_modes;
    struct saver *saver; /* saver.h: writes them, by a worker */

    /* messages */
    struct store *store;
    int64_t start_phy_offset;  /* the log's end when it was opened */
    struct acks *acks;         /* send/acks.h: sends parked until their bytes are on disk */
    struct hold *hold;         /* pull/hold.h: parked pulls */
    struct pops *pops;         /* pop/pops.h: popping, and what it leaves in the log */
    struct pop_hold *pop_hold; /* pop/pop_hold.h: parked pops */
    struct delays *delays;     /* later/delays.h: delay levels */
    struct timers *timers; /* later/timers.h: a time of their own. NULL: timerWheelEnable is off */
    struct txns *txns;     /* later/txns.h: transactions */

    /* clients */
    struct server *server;
    struct server *fast_server; /* at listenPort - 2, where old clients send; NULL: none */
    struct tls_server *tls;
    struct clients *clients;         /* groups/clients.h: live producers and consumers */
    struct queue_locks *queue_locks; /* groups/queue_locks.h: who consumes which queue in order */
    struct progress *progress;       /* groups/progress.h: where consumer groups are */

    /* name servers */
    struct client *client;         /* calls to them */
    struct tls_client *client_tls; /* NULL: the client speaks plain */
    struct routes *routes;         /* client/client.h: where topics are. NULL: no name servers */
    struct registrar *registrar;   /* register.h: heartbeats */

    /* protection and figures */
    struct guard *guard;         /* guard/guard.h: what is refused and left off under pressure */
    struct evidence *evidence;   /* figures/evidence.h: where the time of requests goes */
    struct stats *stats;         /* figures/stats.h: what came and went, by name */
    struct put_times *put_times; /* figures/put_times.h: how long puts took */
    struct traffic traffic;
    int64_t started_ms;
    int64_t get_took_max_ms;   /* the longest read for a pull */
    int64_t unreadable_queues; /* left out of tables, each time one was asked for */

    /* from one request to the next */
    struct buf pull_body; /* what a pull served on the loop found; its memory is used again */
    int offloads_out;     /* offload.c: requests that workers have */
    uint32_t next_queue;  /* for sends that leave the choice to the broker */
    uint32_t next_pop;    /* where pops begin */

    /* the end */
    bool is_leaving; /* clients are sent away, those that know how to go */
    bool is_stopping;
    struct loop_timer stop_poll;
    int64_t stop_deadline_ns;
    void (*stopped)(void *ctx, int err);
    void *stopped_ctx;
};

/* Where a table is kept: config/`file` below the store directory. */
void broker_config_path(const struct broker *broker, const char *file, char *path,
                        size_t path_bytes);

/* ---- settings.c ------------------------------------------------------------------------------ */

/* Checks what a row alone cannot tell. ERR_INVALID: the reason is in the log. */
MUST_CHECK int broker_conf_check(const struct broker_conf *conf);

#endif
