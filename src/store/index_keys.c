#include "store/index_keys.h"

#include <assert.h>

#include "wire/properties.h"

enum { KEYS_MAX = 1024 };

struct index_keys index_keys_of(const struct record *record)
{
    /* as in the reference: what is in no queue is looked for by nobody */
    if ((record->sys_flag & SYS_FLAG_TRANSACTION_MASK) == SYS_FLAG_TRANSACTION_ROLLBACK)
        return (struct index_keys){ .left = 0 };
    return (struct index_keys){
        .uniq_key = property_get(record->properties, SLICE(PROPERTY_UNIQ_KEY)),
        .words = property_get(record->properties, SLICE(PROPERTY_KEYS)),
        .left = KEYS_MAX,
    };
}

bool index_keys_next(struct index_keys *keys, struct slice *key)
{
    assert(keys->left >= 0);
    if (keys->left == 0)
        return false;
    *key = keys->uniq_key;
    keys->uniq_key = slice_of(NULL, 0);
    while (key->len == 0 && keys->words.len > 0)
        *key = slice_cut(&keys->words, ' ');
    keys->left = key->len > 0 ? keys->left - 1 : 0;
    return key->len > 0;
}
