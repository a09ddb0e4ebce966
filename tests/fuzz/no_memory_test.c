/* Goal: a decoder that gets no memory says so, or ends the process with a line that does: it never
 * says that the bytes were wrong, and never goes on with what it has not.
 * Method: each target, with each of its seeds, has every one of its allocations fail in turn. */
#include "no_memory.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/bytes.h"

#define X(name) int fuzz_##name(const uint8_t *data, size_t size);
FUZZ_TARGETS
#undef X

static const struct target {
    const char *name;
    int (*run)(const uint8_t *data, size_t size);
} targets[] = {
#define X(name) { #name, fuzz_##name },
    FUZZ_TARGETS
#undef X
};

static const char *corpus;

struct input {
    const struct target *target;
    struct buf bytes;
};

static int run(void *ctx)
{
    struct input *input = ctx;
    return input->target->run(input->bytes.data, input->bytes.len);
}

static void read_seed(const char *dir, const char *name, struct buf *bytes)
{
    char path[768];
    size_t n;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    buf_reserve(bytes, 1);
    while ((n = fread(buf_reserve(bytes, 4096), 1, 4096, file)) > 0)
        bytes->len += n;
    fclose(file);
}

static int run_target(const struct target *target)
{
    char dir[384];
    int count = 0;
    snprintf(dir, sizeof dir, "%s/%s", corpus, target->name);
    DIR *seeds = opendir(dir);
    if (seeds == NULL)
        return 0;
    for (const struct dirent *seed; (seed = readdir(seeds)) != NULL;) {
        struct input input = { .target = target, .bytes = BUF_INIT };
        if (seed->d_name[0] == '.')
            continue;
        read_seed(dir, seed->d_name, &input.bytes);
        count += no_memory_at_each(run, &input);
        buf_fini(&input.bytes);
    }
    closedir(seeds);
    return count;
}

static void decoders_tell_want_of_memory_from_bad_bytes(void **state)
{
    (void)state;
    int all = 0;
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        int count = run_target(&targets[i]);
        print_message("%s: %d allocations\n", targets[i].name, count);
        all += count;
    }
    assert_true(all > 100);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoders_tell_want_of_memory_from_bad_bytes),
    };
    assert_int_equal(argc, 2);
    corpus = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
