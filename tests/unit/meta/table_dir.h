/* table_dir.h - a directory of its own for each test, and the files in it. */
#ifndef UNIT_META_TABLE_DIR_H
#define UNIT_META_TABLE_DIR_H

#include "base/bytes.h"

/* cmocka set-up and tear-down: *state is the path of table.json in a new directory. */
int table_dir_make(void **state);
int table_dir_remove(void **state);

/* The file beside the table with this suffix ("" for itself). Static text. */
const char *table_dir_path(void *state, const char *suffix);
void table_dir_put(void *state, const char *suffix, const char *text);
/* The file's text, NUL-terminated, valid until the next call; NULL when there is none. */
const char *table_dir_get(void *state, const char *suffix);
/* The text made by a table's steps, as the file's content. */
void table_dir_save(void *state, struct buf *text);

#endif
