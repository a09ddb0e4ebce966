#include "meta/table_dir.h"

#include <dirent.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fault.h"
#include "meta/meta.h"

int table_dir_make(void **state)
{
    char directory[] = "/tmp/ramjet-unit-XXXXXX";
    char *path = NULL;
    if (mkdtemp(directory) == NULL || asprintf(&path, "%s/table.json", directory) < 0)
        return -1;
    *state = path;
    return 0;
}

int table_dir_remove(void **state)
{
    char *path = *state;
    fault_disarm_all();
    *strrchr(path, '/') = '\0';
    DIR *directory = opendir(path);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    int err = rmdir(path);
    free(path);
    return err;
}

const char *table_dir_path(void *state, const char *suffix)
{
    static char path[256];
    snprintf(path, sizeof path, "%s%s", (const char *)state, suffix);
    return path;
}

void table_dir_put(void *state, const char *suffix, const char *text)
{
    FILE *file = fopen(table_dir_path(state, suffix), "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    fclose(file);
}

const char *table_dir_get(void *state, const char *suffix)
{
    static char text[1 << 16];
    FILE *file = fopen(table_dir_path(state, suffix), "r");
    if (file == NULL)
        return NULL;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

void table_dir_save(void *state, struct buf *text)
{
    assert_int_equal(table_file_write(state, buf_slice(text)), 0);
    buf_fini(text);
}
