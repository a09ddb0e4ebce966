#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory_limit.h"

/* A tree of control groups in a directory of its own. */
struct tree {
    char root[64];
    char paths[16][192]; /* what was made, to be removed in reverse order */
    int count;
};

static char *path_of(struct tree *tree, const char *name)
{
    assert_in_range(tree->count, 0, 15);
    char *path = tree->paths[tree->count++];
    size_t root = strlen(tree->root);
    assert_true(root + strlen(name) < sizeof tree->paths[0]);
    memcpy(path, tree->root, root);
    memcpy(path + root, name, strlen(name) + 1);
    return path;
}

static void make_group(struct tree *tree, const char *name)
{
    assert_int_equal(mkdir(path_of(tree, name), 0700), 0);
}

static void write_limit(struct tree *tree, const char *name, const char *text)
{
    FILE *file = fopen(path_of(tree, name), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    fclose(file);
}

static int setup(void **state)
{
    struct tree *tree = calloc(1, sizeof *tree);
    snprintf(tree->root, sizeof tree->root, "groups-XXXXXX");
    *state = tree;
    return mkdtemp(tree->root) == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    struct tree *tree = *state;
    while (tree->count > 0)
        remove(tree->paths[--tree->count]);
    int err = rmdir(tree->root);
    free(tree);
    return err;
}

/* Goal: with version 2 the least limit of the group and those above it counts; "max" is none. */
static void version_2_has_the_least_on_the_way_up(void **state)
{
    struct tree *tree = *state;
    make_group(tree, "/a");
    make_group(tree, "/a/b");
    write_limit(tree, "/a/b/memory.max", "max\n");
    assert_int_equal(memory_limit_of_groups(tree->root, "0::/a/b\n"), INT64_MAX);
    write_limit(tree, "/a/memory.max", "67108864\n");
    assert_int_equal(memory_limit_of_groups(tree->root, "0::/a/b\n"), 67108864);
    write_limit(tree, "/a/b/memory.max", "33554432\n");
    assert_int_equal(memory_limit_of_groups(tree->root, "0::/a/b\n"), 33554432);
    assert_int_equal(memory_limit_of_groups(tree->root, "0::/a\n"), 67108864);
    assert_int_equal(memory_limit_of_groups(tree->root, "0::/\n"), INT64_MAX);
    write_limit(tree, "/memory.max", "50331648\n"); /* as seen from inside a container */
    assert_int_equal(memory_limit_of_groups(tree->root, "0::/\n"), 50331648);
}

/* Goal: with version 1 the tree of the memory controller counts, whatever else is in the list. */
static void version_1_has_a_tree_of_its_own(void **state)
{
    struct tree *tree = *state;
    make_group(tree, "/memory");
    make_group(tree, "/memory/a");
    write_limit(tree, "/memory/memory.limit_in_bytes", "9223372036854771712\n");
    write_limit(tree, "/memory/a/memory.limit_in_bytes", "67108864\n");
    assert_int_equal(memory_limit_of_groups(tree->root, "9:name=systemd:/\n4:memory:/a\n0::/\n"),
                     67108864);
    assert_int_equal(memory_limit_of_groups(tree->root, "4:cpu,memory:/a\n"), 67108864);
    assert_int_equal(memory_limit_of_groups(tree->root, "4:cpu:/a\n"), INT64_MAX);
    assert_int_equal(memory_limit_of_groups(tree->root, "4:memory:/\n"), 9223372036854771712);
}

/* Goal: what is no list of groups, or has no files, limits nothing. */
static void nonsense_limits_nothing(void **state)
{
    struct tree *tree = *state;
    assert_int_equal(memory_limit_of_groups(tree->root, ""), INT64_MAX);
    assert_int_equal(memory_limit_of_groups(tree->root, "nonsense\n:\n::\n"), INT64_MAX);
    write_limit(tree, "/memory.max", "-3");
    assert_int_equal(memory_limit_of_groups(tree->root, "0::/\n"), INT64_MAX);
    assert_true(memory_limit_bytes() > 0);
}

int main(void)
{
#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TREE_TEST(version_2_has_the_least_on_the_way_up),
        TREE_TEST(version_1_has_a_tree_of_its_own),
        TREE_TEST(nonsense_limits_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
