#include "base/slice.h"

enum { SAFE_DIGITS = 18 }; /* of a 64 bit number */

bool slice_to_i64(struct slice s, int64_t *value)
{
    bool negative = s.len > 0 && s.data[0] == '-';
    size_t i = negative ? 1 : 0;
    if (i == s.len)
        return false;
    int64_t sum = 0;
    size_t safe = s.len <= SAFE_DIGITS ? s.len : SAFE_DIGITS;
    for (; i < safe; i++) { /* cannot overflow yet */
        unsigned digit = (unsigned)s.data[i] - '0';
        if (digit > 9)
            return false;
        sum = sum * 10 + (int64_t)digit;
    }
    if (negative)
        sum = -sum;
    for (; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
        int digit = s.data[i] - '0';
        if (__builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_add_overflow(sum, negative ? -digit : digit, &sum))
            return false;
    }
    *value = sum;
    return true;
}

bool slice_to_i32(struct slice s, int32_t *value)
{
    int64_t wide;
    if (!slice_to_i64(s, &wide) || wide < INT32_MIN || wide > INT32_MAX)
        return false;
    *value = (int32_t)wide;
    return true;
}

bool slice_lists(struct slice list, char mark, struct slice item)
{
    while (list.len > 0)
        if (slice_eq(slice_cut(&list, mark), item))
            return true;
    return false;
}

struct slice slice_trim(struct slice s)
{
    while (s.len > 0 && s.data[0] <= ' ')
        s = slice_from(s, 1);
    while (s.len > 0 && s.data[s.len - 1] <= ' ')
        s.len--;
    return s;
}
