/* property_is.h - what a test expects of a message's properties.
 *
 * Threads    any: no state.
 */
#ifndef TESTS_UNIT_DELIVERY_PROPERTY_IS_H
#define TESTS_UNIT_DELIVERY_PROPERTY_IS_H

#include "wire/properties.h"
#include "wire/record.h"

static inline bool property_is(const struct record *record, const char *name, const char *value)
{
    return slice_eq(property_get(record->properties, slice_str(name)), slice_str(value));
}

#endif
