/* java_number.h - numbers in text, as the reference's runtime reads them.
 *
 * Pure functions; any thread. False, and *value untouched, when the runtime would throw.
 */
#ifndef FILTER_JAVA_NUMBER_H
#define FILTER_JAVA_NUMBER_H

#include "base/slice.h"

/* Integer.valueOf and Long.valueOf: a sign, then decimal digits of any script, nothing else. */
bool java_to_i32(struct slice text, int32_t *value);
bool java_to_i64(struct slice text, int64_t *value);

/* Double.valueOf: blanks around do not count; decimal or hexadecimal with optional exponent and
 * suffix f or d; NaN and Infinity. */
bool java_to_double(struct slice text, double *value);

#endif
