#include "namesrv/running.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

int running_make(void **state)
{
    struct running *r = calloc(1, sizeof *r);
    if (r == NULL)
        return -1;
    snprintf(r->directory, sizeof r->directory, "/tmp/ramjet-unit-XXXXXX");
    if (mkdtemp(r->directory) == NULL)
        return -1;
    namesrv_conf_init(&r->conf);
    free(r->conf.bind_address);
    free(r->conf.kv_config_path);
    free(r->conf.config_store_path);
    r->conf.bind_address = strdup("127.0.0.1");
    r->conf.listen_port = 0;
    r->conf.scan_not_active_broker_interval_ms = 1;
    if (asprintf(&r->conf.kv_config_path, "%s/kv.json", r->directory) < 0 ||
        asprintf(&r->conf.config_store_path, "%s/namesrv.conf", r->directory) < 0)
        return -1;
    arena_init(&r->arena);
    *state = r;
    return 0;
}

int running_remove(void **state)
{
    struct running *r = *state;
    if (r->namesrv != NULL)
        running_stop(r);
    namesrv_conf_fini(&r->conf);
    arena_fini(&r->arena);
    DIR *directory = opendir(r->directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    int err = rmdir(r->directory);
    free(r);
    return err;
}

static void *run(void *loop)
{
    loop_run(loop);
    return NULL;
}

void running_start(struct running *r)
{
    assert_int_equal(workers_new("unit", 1, 100, &r->workers), 0);
    struct namesrv_options options = { .conf = &r->conf, .workers = r->workers };
    assert_int_equal(loop_new("unit", &r->loop), 0);
    assert_int_equal(namesrv_start(r->loop, &options, &r->namesrv), 0);
    assert_int_equal(pthread_create(&r->thread, NULL, run, r->loop), 0);
}

/* Asks again in each pass until the server is drained. */
struct ending {
    struct loop_task task;
    struct running *running;
};

static void end_when_drained(struct loop_task *task)
{
    struct ending *ending = (struct ending *)((char *)task - offsetof(struct ending, task));
    struct running *r = ending->running;
    namesrv_stop_accepting(r->namesrv);
    if (!namesrv_is_drained(r->namesrv)) {
        loop_post(r->loop, task);
        return;
    }
    namesrv_free(r->namesrv);
    loop_stop(r->loop);
}

void running_stop(struct running *r)
{
    struct ending ending = { .task = { .run = end_when_drained }, .running = r };
    loop_post(r->loop, &ending.task);
    pthread_join(r->thread, NULL);
    workers_free(r->workers); /* first: one may still be waking the loop */
    loop_free(r->loop);
    r->namesrv = NULL;
}

/* ---- speaking ---------------------------------------------------------------------------- */

int running_connect(struct running *r)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)namesrv_port(r->namesrv)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval patience = { .tv_sec = 60 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static int parse_ext(const char *text, struct ext_field *ext)
{
    int count = 0;
    while (*text != '\0') {
        size_t key = strcspn(text, "=");
        size_t value = strcspn(text + key + 1, "\n");
        ext[count++] = (struct ext_field){ slice_of(text, key), slice_of(text + key + 1, value) };
        text += key + 1 + value;
        text += *text == '\n' ? 1 : 0;
    }
    return count;
}

static void send_all(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t n = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        assert_true(n > 0);
        bytes = slice_from(bytes, (size_t)n);
    }
}

void running_send(struct running *r, int fd, int32_t code, int32_t version, int32_t flag,
                  const char *ext, struct slice body)
{
    struct ext_field fields[16];
    struct header header = { .code = code,
                             .version = version == 0 ? WIRE_VERSION : version,
                             .opaque = 7,
                             .flag = flag,
                             .language = LANGUAGE_OTHER,
                             .ext = fields,
                             .ext_count = parse_ext(ext, fields),
                             .has_ext = true };
    send_all(fd, header_encode(SERIALIZE_JSON, &header, body.len, &r->arena));
    send_all(fd, body);
}

bool running_receive(struct running *r, int fd, struct answer *answer)
{
    enum { ANSWER_BYTES_MAX = 1 << 16 };
    uint8_t *bytes = arena_alloc(&r->arena, ANSWER_BYTES_MAX);
    size_t len = 0;
    size_t need = 4;
    struct frame frame;
    while (frame_parse(slice_of(bytes, len), &frame, &need) == ERR_INCOMPLETE) {
        assert_true(need <= ANSWER_BYTES_MAX);
        ssize_t n = recv(fd, bytes + len, need - len, 0);
        if (n == 0)
            return false;
        assert_true(n > 0);
        len += (size_t)n;
    }
    assert_int_equal(header_decode(frame.type, frame.header, &r->arena, &answer->header), 0);
    answer->body = frame.body;
    return true;
}

struct answer running_call(struct running *r, int fd, int32_t code, const char *ext,
                           struct slice body)
{
    struct answer answer;
    running_send(r, fd, code, 0, 0, ext, body);
    assert_true(running_receive(r, fd, &answer));
    return answer;
}

const char *answer_ext(struct running *r, const struct answer *answer, const char *key)
{
    return (const char *)arena_copy(&r->arena, header_ext(&answer->header, slice_str(key))).data;
}

const char *answer_body(struct running *r, const struct answer *answer)
{
    return (const char *)arena_copy(&r->arena, answer->body).data;
}

const char *running_file(struct running *r, const char *name)
{
    static char text[1 << 16];
    char path[128];
    snprintf(path, sizeof path, "%s/%s", r->directory, name);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return NULL;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}
