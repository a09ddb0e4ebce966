/* cluster.h - a route table in a test's hands: brokers that register in one line, and what was told
 * of smallest ids. */
#ifndef UNIT_NAMESRV_CLUSTER_H
#define UNIT_NAMESRV_CLUSTER_H

#include "namesrv/route_table.h"

struct cluster {
    struct namesrv_conf conf;
    struct route_table table;
    struct arena arena;
    int64_t now_ms;
    char told[512]; /* "name:min@addr offline=... ha=... -> addr,addr;" per change */
};

/* cmocka set-up and tear-down. */
int cluster_make(void **state);
int cluster_remove(void **state);

/* What a broker says; topics as "t1,t2". */
struct broker_words {
    const char *name;
    int64_t id;
    const char *addr;
    const char *topics;
    int64_t version; /* counter of the data version */
    int64_t state_version;
    const char *acting; /* enableActingMaster; NULL: a 4.x broker */
    int64_t timeout_ms;
    const char *zone;
    const char *in_cluster; /* NULL: "c1" */
    const void *conn;
};
/* NULL, or the refusal. */
const char *cluster_register(struct cluster *c, struct broker_words words,
                             struct register_broker_response *answer);
/* Registers and expects success. */
void cluster_add(struct cluster *c, struct broker_words words);

/* The route as "bk-a[0=addr,1=addr]:perm;...", "none" when there is none. Static text. */
const char *cluster_route(struct cluster *c, const char *topic);
const char *cluster_route_in_zone(struct cluster *c, const char *topic, const char *zone);

#endif
