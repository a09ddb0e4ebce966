#include "main/fault_socket.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fault.h"
#include "base/log.h"

enum { LINE_BYTES = 256 };

/* ERR_... of its name; 0: no such. */
static int err_of_name(const char *name)
{
    for (int err = -1; err >= ERR_LAST; err--)
        if (strcmp(err_name(err), name) == 0)
            return err;
    return 0;
}

static bool obey(const char *line)
{
    char point[64], what[32];
    long long skip, times, number;
    int err;
    if (sscanf(line, "fail %63s %lld %lld %31s", point, &skip, &times, what) == 4 &&
        (err = err_of_name(what)) != 0)
        fault_arm(point, skip, times, err);
    else if (sscanf(line, "pause %63s %lld %lld %lld", point, &skip, &times, &number) == 4)
        fault_arm_pause(point, skip, times, number);
    else if (sscanf(line, "value %63s %lld", point, &number) == 2)
        fault_arm_value(point, number);
    else if (strcmp(line, "clear") == 0)
        fault_disarm_all();
    else
        return false;
    log_warn("fault_armed %s", line);
    return true;
}

static void serve(int fd)
{
    char line[LINE_BYTES];
    ssize_t got = recv(fd, line, sizeof line - 1, 0);
    if (got > 0) {
        line[got] = '\0';
        line[strcspn(line, "\n")] = '\0';
        const char *answer = obey(line) ? "ok\n" : "no\n";
        send(fd, answer, strlen(answer), MSG_NOSIGNAL);
    }
    close(fd);
}

static void *listen_main(void *arg)
{
    int listen_fd = *(int *)arg;
    free(arg);
    for (;;) {
        int fd = accept(listen_fd, NULL, NULL);
        if (fd >= 0)
            serve(fd);
    }
    return NULL;
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof address.sun_path)
        return -1;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 1) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static void obey_first(const char *line)
{
    if (line != NULL && !obey(line))
        log_error("fault_not_armed line=\"%s\"", line);
}

void fault_socket_start(void)
{
    const char *path = getenv("RAMJET_FAULTS");
    if (path == NULL)
        return;
    obey_first(getenv("RAMJET_FAULT_FIRST"));
    pthread_t thread;
    int *listen_fd = malloc(sizeof *listen_fd);
    if (listen_fd == NULL)
        return;
    *listen_fd = listen_at(path);
    if (*listen_fd < 0 || pthread_create(&thread, NULL, listen_main, listen_fd) != 0) {
        log_error("fault_socket_not_open path=%s", path);
        free(listen_fd);
        return;
    }
    pthread_detach(thread);
    log_warn("fault_socket_open path=%s", path);
}
