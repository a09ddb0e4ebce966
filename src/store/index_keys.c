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

static struct slice next_word(struct slice *words)
{
    struct slice word = slice_of(NULL, 0);
    while (words->len > 0 && word.len == 0) {
        const uint8_t *blank = memchr(words->data, ' ', words->len);
        size_t len = blank == NULL ? words->len : (size_t)(blank - words->data);
        word = slice_of(words->data, len);
        *words = slice_from(*words, len + 1);
    }
    return word;
}

bool index_keys_next(struct index_keys *keys, struct slice *key)
{
    assert(keys->left >= 0);
    if (keys->left == 0)
        return false;
    *key = keys->uniq_key;
    keys->uniq_key = slice_of(NULL, 0);
    if (key->len == 0)
        *key = next_word(&keys->words);
    keys->left = key->len > 0 ? keys->left - 1 : 0;
    return key->len > 0;
}
