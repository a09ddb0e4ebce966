/* kv.h - the KV configuration: namespaces of keys and values, {"configTable":{"ns":{"k":"v"}}} on
 * disk. A namespace stays when its last key goes.
 * All of them are UTF-8 without U+0000: what the file could not give back is refused.
 *
 * Ownership  what is put in is copied.
 * Threads    the name server's loop.
 * Errors     a refusal is a static text for the remark of the answer; nothing was changed then.
 */
#ifndef NAMESRV_KV_H
#define NAMESRV_KV_H

#include "base/bytes.h"
#include "base/map.h"
#include "wire/body_lists.h"

enum {
    KV_NAMESPACES_MAX = 10000,
    KV_ENTRIES_MAX = 100000, /* in all namespaces */
    KV_KEY_BYTES_MAX = 1024, /* of a namespace's name, too */
    KV_VALUE_BYTES_MAX = 1 << 20,
    KV_BYTES_MAX = 64 << 20, /* keys and values */
};

struct kv {
    struct map namespaces; /* values: struct map of struct kv_value */
    size_t entry_count;
    size_t bytes;
};

void kv_init(struct kv *kv);
void kv_fini(struct kv *kv);

/* data NULL: no such key. Borrowed until the next change. */
struct slice kv_get(const struct kv *kv, struct slice namespace, struct slice key);
const char *kv_put(struct kv *kv, struct slice namespace, struct slice key, struct slice value);
void kv_remove(struct kv *kv, struct slice namespace, struct slice key);
/* False: no such namespace. */
bool kv_list(const struct kv *kv, struct slice namespace, struct arena *arena,
             struct kv_table *table);

/* The file's text. */
void kv_text(const struct kv *kv, struct buf *out);
/* Replaces everything by what the text holds; false, and nothing changed, when it is no such file.
 */
bool kv_take_text(struct kv *kv, struct slice text);

#endif
