/* fuzz.h - what every target needs: the entry point, and checks that stay in every build.
 *
 * libFuzzer hands each input in a block of its exact size, so that a read past the end is seen by
 * the address sanitizer.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Reads every byte, so that a slice that reaches outside is noticed. */
static inline void touch(struct slice s)
{
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < s.len; i++)
        sum = (uint8_t)(sum + s.data[i]);
}

#endif
