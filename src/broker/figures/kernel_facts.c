#include "broker/figures/kernel_facts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { TEXT_BYTES = 16384, KIB_PER_PAGE = 4 };

/* The start of a file of /proc as text; empty when it cannot be read. */
static const char *read_text(const char *path, char text[TEXT_BYTES])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, TEXT_BYTES - 1);
    if (fd >= 0)
        close(fd);
    text[got < 0 ? 0 : got] = '\0';
    return text;
}

/* The number behind `key`, which begins a line; 0 when there is none. */
static int64_t number_after(const char *text, const char *key)
{
    size_t len = strlen(key);
    for (const char *at = text; (at = strstr(at, key)) != NULL; at += len)
        if (at == text || at[-1] == '\n' || at[-1] == ' ')
            return strtoll(at + len, NULL, 10);
    return 0;
}

static void read_thread(struct kernel_facts *facts, int tid, char *text)
{
    char path[64];
    unsigned long long ran_ns, waited_ns = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/schedstat", tid);
    if (sscanf(read_text(path, text), "%llu %llu", &ran_ns, &waited_ns) == 2)
        facts->run_queue_us = (int64_t)(waited_ns / 1000);
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    const char *name_end = strrchr(read_text(path, text), ')');
    long long minor = 0, major = 0;
    /* state ppid pgrp session tty tpgid flags minflt cminflt majflt */
    if (name_end != NULL &&
        sscanf(name_end + 1, " %*c %*d %*d %*d %*d %*d %*u %lld %*d %lld", &minor, &major) == 2) {
        facts->minor_faults = minor;
        facts->major_faults = major;
    }
}

static int64_t stall_us(const char *resource, char *text)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/pressure/%s", resource);
    return number_after(read_text(path, text), "total="); /* of its first line, "some" */
}

void kernel_facts_read(struct kernel_facts *facts, int tid)
{
    static const char *const stalls[] = { "allocstall_dma32 ", "allocstall_normal ",
                                          "allocstall_movable " };
    char text[TEXT_BYTES];
    *facts = (struct kernel_facts){ .read_ns = clock_monotonic_ns() };
    read_thread(facts, tid, text);
    read_text("/proc/vmstat", text);
    facts->direct_reclaim_pages = number_after(text, "pgscan_direct ");
    facts->written_kib = number_after(text, "nr_written ") * KIB_PER_PAGE;
    for (size_t i = 0; i < sizeof stalls / sizeof stalls[0]; i++)
        facts->allocation_stalls += number_after(text, stalls[i]);
    facts->memory_stall_us = stall_us("memory", text);
    facts->io_stall_us = stall_us("io", text);
    facts->cpu_stall_us = stall_us("cpu", text);
}

struct kernel_facts kernel_facts_between(const struct kernel_facts *earlier,
                                         const struct kernel_facts *later)
{
    struct kernel_facts between = { .read_ns = later->read_ns - earlier->read_ns };
#define SUBTRACT(member, name) between.member = later->member - earlier->member;
    KERNEL_FACTS(SUBTRACT)
#undef SUBTRACT
    return between;
}
