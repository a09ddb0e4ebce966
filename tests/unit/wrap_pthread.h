/* wrap_pthread.h - pthread_create() of a test that is linked with --wrap=pthread_create: __wrap_ is
 * called in the place of the C library's, which is __real_.
 */
#ifndef TESTS_UNIT_WRAP_PTHREAD_H
#define TESTS_UNIT_WRAP_PTHREAD_H

#include <pthread.h>

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *arg);

#endif
