#include "store/index_keys.h"

#include <assert.h>

#include "wire/properties.h"

enum { KEYS_MAX = 1024 };

struct index_keys index_keys_in(int32_t sys_flag, struct slice uniq_key, struct slice words)
{
    /* as in the reference: what is in no queue is looked for by nobody */
    if ((sys_flag & SYS_FLAG_TRANSACTION_MASK) == SYS_FLAG_TRANSACTION_ROLLBACK)
        return (struct index_keys){ .left = 0 };
    return (struct index_keys){ .uniq_key = uniq_key, .words = words, .left = KEYS_MAX };
}

struct index_keys index_keys_of(const struct record *record)
{
    static const struct slice names[] = { SLICE(PROPERTY_UNIQ_KEY), SLICE(PROPERTY_KEYS) };
    struct slice values[2];
    properties_find(record->properties, names, 2, values);
    return index_keys_in(record->sys_flag, values[0], values[1]);
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
