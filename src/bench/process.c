#include "bench/process.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Adds the number behind `key` to *value when the line starts with it. */
static void take_number(const char *line, const char *key, int64_t *value)
{
    size_t len = strlen(key);
    if (strncmp(line, key, len) == 0)
        *value += strtoll(line + len, NULL, 10);
}

/* Reads a status file of the process or of one of its threads; absent means it has ended. */
static int read_status(const char *path, struct process_usage *usage, int64_t *switches)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return ERR_NOT_FOUND;
    char line[256];
    while (fgets(line, sizeof line, file) != NULL) {
        take_number(line, "VmRSS:", &usage->resident_kib);
        take_number(line, "RssAnon:", &usage->resident_anon_kib);
        take_number(line, "Threads:", &usage->threads);
        take_number(line, "voluntary_ctxt_switches:", switches);
        take_number(line, "nonvoluntary_ctxt_switches:", switches);
    }
    fclose(file);
    return 0;
}

static int sum_switches(pid_t pid, int64_t *switches)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL)
        return ERR_NOT_FOUND;
    for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
        struct process_usage ignored = { 0 };
        char status[sizeof path + sizeof task->d_name + sizeof "/status"];
        if (task->d_name[0] == '.')
            continue;
        snprintf(status, sizeof status, "%s/%s/status", path, task->d_name);
        /* a thread that ended since it was listed counts no more */
        (void)!read_status(status, &ignored, switches);
    }
    closedir(tasks);
    return 0;
}

int process_usage(pid_t pid, struct process_usage *usage)
{
    char path[64];
    clockid_t clock;
    struct timespec used;
    int64_t main_switches = 0;
    *usage = (struct process_usage){ 0 };
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        return ERR_NOT_FOUND;
    usage->cpu_ns = (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    int err = read_status(path, usage, &main_switches);
    return err != 0 ? err : sum_switches(pid, &usage->context_switches);
}
