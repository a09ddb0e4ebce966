/* log_lines.c - what this process logged, kept in memory (log_write is wrapped at link time). */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "world.h"

enum { LINES_MOST = 4000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *lines[LINES_MOST];
static int line_count;

void __wrap_log_write(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void __wrap_log_write(enum log_level level, const char *format, ...)
{
    char text[4 * LOG_LINE_BYTES];
    va_list arguments;
    (void)level;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    pthread_mutex_lock(&lock);
    if (line_count < LINES_MOST)
        lines[line_count++] = strdup(text);
    pthread_mutex_unlock(&lock);
}

void log_lines_clear(void)
{
    while (line_count > 0)
        free(lines[--line_count]);
}

/* Under the lock. */
static const char *find(const char *a, const char *b, const char *c)
{
    for (int i = 0; i < line_count; i++)
        if (strstr(lines[i], a) != NULL && (b == NULL || strstr(lines[i], b) != NULL) &&
            (c == NULL || strstr(lines[i], c) != NULL))
            return lines[i];
    return NULL;
}

const char *log_lines_find(const char *a, const char *b, const char *c)
{
    pthread_mutex_lock(&lock);
    const char *found = find(a, b, c);
    pthread_mutex_unlock(&lock);
    return found;
}

int64_t log_line_number(const char *line, const char *name)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, " %s=", name);
    const char *at = strstr(line, wanted);
    return at == NULL ? -1 : strtoll(at + strlen(wanted), NULL, 10);
}

bool log_lines_await(const char *a)
{
    enum { TURNS = 60000 };
    for (int turn = 0; turn < TURNS; turn++) {
        if (log_lines_find(a, NULL, NULL) != NULL)
            return true;
        world_sleep_ms(1);
    }
    return false;
}

void log_lines_print(void)
{
    for (int i = 0; i < line_count; i++)
        printf("    %s\n", lines[i]);
}
