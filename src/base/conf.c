#include "base/conf.h"
#include "base/memory.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/conf_parse.h"

enum { FILE_BYTES_MAX = 1 << 20, KEY_BYTES_MAX = 128, TEXT_BYTES_MAX = 4096 };

/* ---- values --------------------------------------------------------------------------------- */

static void *value_at(const struct conf_row *row, const void *values)
{
    return (uint8_t *)(uintptr_t)values + row->at;
}

static const struct conf_row *find_row(const struct conf_table *table, struct slice key)
{
    for (size_t i = 0; i < table->count; i++)
        if (slice_eq(slice_str(table->rows[i].key), key))
            return &table->rows[i];
    return NULL;
}

/* A key of the reference that stands for nothing of ours. */
static bool has_no_value(const struct conf_row *row)
{
    return row->when == CONF_KNOWN_ONLY || row->when == CONF_DEFAULT_ONLY;
}

static bool is_text(const struct conf_row *row)
{
    return row->type == CONF_STRING_T || row->type == CONF_NUMBERS_T;
}

/* The next name=number of *rest; false at the end. Without '=' the number is empty. */
static bool next_number(struct slice *rest, struct slice *name, struct slice *number)
{
    if (rest->len == 0)
        return false;
    const uint8_t *end = memchr(rest->data, ';', rest->len);
    struct slice one = slice_of(rest->data, end == NULL ? rest->len : (size_t)(end - rest->data));
    *rest = slice_from(*rest, one.len + 1);
    const uint8_t *equals = memchr(one.data, '=', one.len);
    *name = slice_of(one.data, equals == NULL ? one.len : (size_t)(equals - one.data));
    *number = slice_from(one, name->len + 1);
    return true;
}

int64_t conf_number_of(const char *numbers, struct slice wanted, int64_t otherwise)
{
    struct slice rest = slice_str(numbers), name, number;
    while (next_number(&rest, &name, &number))
        if (slice_eq(name, wanted) && slice_to_i64(number, &otherwise))
            break;
    return otherwise;
}

static bool number_is_allowed(const struct conf_row *row, struct slice text)
{
    int64_t number;
    return slice_to_i64(text, &number) && number >= row->least && number <= row->most;
}

static bool numbers_are_allowed(const struct conf_row *row, struct slice text)
{
    struct slice name, number;
    if (text.len > TEXT_BYTES_MAX)
        return false;
    while (next_number(&text, &name, &number))
        if (name.len == 0 || !number_is_allowed(row, number))
            return false;
    return true;
}

static bool parse_bool(struct slice text, bool *value)
{
    *value = slice_eq(text, SLICE("true"));
    return *value || slice_eq(text, SLICE("false"));
}

/* What the row allows, for people. */
static void append_allowed(const struct conf_row *row, struct buf *out)
{
    switch (row->type) {
    case CONF_BOOL_T:
        buf_printf(out, "true or false");
        break;
    case CONF_INT_T:
    case CONF_I64_T:
        buf_printf(out, "a whole number from %lld to %lld", (long long)row->least,
                   (long long)row->most);
        break;
    case CONF_STRING_T:
        buf_printf(out, "at most %lld bytes", (long long)row->most);
        break;
    case CONF_NUMBERS_T:
        buf_printf(out, "name=number;name=number with whole numbers from %lld to %lld, %d bytes",
                   (long long)row->least, (long long)row->most, TEXT_BYTES_MAX);
        break;
    }
}

static bool value_is_allowed(const struct conf_row *row, struct slice text)
{
    bool flag;
    switch (row->type) {
    case CONF_BOOL_T:
        return parse_bool(text, &flag);
    case CONF_INT_T:
    case CONF_I64_T:
        return number_is_allowed(row, text);
    case CONF_STRING_T:
        return has_no_value(row) || text.len <= (size_t)row->most;
    case CONF_NUMBERS_T:
        return numbers_are_allowed(row, text);
    }
    return false;
}

/* `text` is allowed. */
static void store_value(const struct conf_row *row, void *values, struct slice text)
{
    void *at = value_at(row, values);
    int64_t number = 0;
    switch (row->type) {
    case CONF_BOOL_T:
        parse_bool(text, at);
        break;
    case CONF_INT_T:
        slice_to_i64(text, &number);
        *(int *)at = (int)number;
        break;
    case CONF_I64_T:
        slice_to_i64(text, at);
        break;
    case CONF_STRING_T:
    case CONF_NUMBERS_T: {
        char *copy = memory_text(text);
        free(*(char **)at);
        *(char **)at = copy;
        break;
    }
    }
}

void conf_init(const struct conf_table *table, void *values)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct conf_row *row = &table->rows[i];
        if (has_no_value(row))
            continue;
        if (is_text(row))
            *(char **)value_at(row, values) = NULL;
        assert(value_is_allowed(row, slice_str(row->fallback)));
        store_value(row, values, slice_str(row->fallback));
    }
}

void conf_fini(const struct conf_table *table, void *values)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct conf_row *row = &table->rows[i];
        if (has_no_value(row) || !is_text(row))
            continue;
        char **at = value_at(row, values);
        free(*at);
        *at = NULL;
    }
}

void conf_copy(const struct conf_table *table, void *copy, const void *values, size_t bytes)
{
    memcpy(copy, values, bytes);
    for (size_t i = 0; i < table->count; i++) {
        const struct conf_row *row = &table->rows[i];
        if (has_no_value(row) || !is_text(row))
            continue;
        char **at = value_at(row, copy);
        *at = memory_text(slice_str(*at));
    }
}

/* ---- complaints ------------------------------------------------------------------------------ */

static int least_of(int a, int b, int c)
{
    int least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein distance, letters compared without case. */
static int edit_distance(struct slice a, const char *b)
{
    int row[KEY_BYTES_MAX + 1];
    int b_len = (int)strlen(b);
    if (a.len > KEY_BYTES_MAX || b_len > KEY_BYTES_MAX)
        return KEY_BYTES_MAX;
    for (int j = 0; j <= b_len; j++)
        row[j] = j;
    for (int i = 1; i <= (int)a.len; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= b_len; j++) {
            int same = tolower(a.data[i - 1]) == tolower((unsigned char)b[j - 1]);
            int cell = least_of(row[j] + 1, row[j - 1] + 1, diagonal + (same ? 0 : 1));
            diagonal = row[j];
            row[j] = cell;
        }
    }
    return row[b_len];
}

static void complain_unknown(const struct conf_table *table, struct slice key, struct buf *out)
{
    const char *nearest = NULL;
    int least = (int)key.len / 2 + 1; /* farther than that is no help */
    for (size_t i = 0; i < table->count; i++) {
        int distance = edit_distance(key, table->rows[i].key);
        if (distance < least) {
            least = distance;
            nearest = table->rows[i].key;
        }
    }
    buf_printf(out, "unknown key \"%.*s\"", SLICE_FMT(key));
    if (nearest != NULL)
        buf_printf(out, "; did you mean \"%s\"?", nearest);
    buf_append_u8(out, '\n');
}

static void complain_value(const struct conf_row *row, struct slice value, struct buf *out)
{
    buf_printf(out, "bad value \"%.*s\" for key \"%s\": ", SLICE_FMT(value), row->key);
    append_allowed(row, out);
    buf_printf(out, " is allowed\n");
}

static int take_without_value(const struct conf_row *row, struct slice value,
                              struct buf *complaints)
{
    if (slice_eq(value, slice_str(row->fallback)))
        return 0;
    if (row->when == CONF_DEFAULT_ONLY) {
        buf_printf(complaints, "key \"%s\" is known but not supported yet, and %s\n", row->key,
                   row->text);
        return ERR_INVALID;
    }
    buf_printf(complaints, "key \"%s\" has no effect: %s\n", row->key, row->text);
    return 0;
}

int conf_set(const struct conf_table *table, void *values, struct slice key, struct slice value,
             struct buf *complaints)
{
    const struct conf_row *row = find_row(table, key);
    if (row == NULL) {
        complain_unknown(table, key, complaints);
        return ERR_NOT_FOUND;
    }
    if (has_no_value(row))
        return take_without_value(row, value, complaints);
    if (!value_is_allowed(row, value)) {
        complain_value(row, value, complaints);
        return ERR_INVALID;
    }
    store_value(row, values, value);
    return 0;
}

void conf_expand_home(char **path)
{
    const char *home = getenv("HOME");
    if (strncmp(*path, "~/", 2) != 0 || home == NULL)
        return;
    char *expanded = NULL;
    if (asprintf(&expanded, "%s/%s", home, *path + 2) < 0)
        memory_none(strlen(home) + strlen(*path));
    free(*path);
    *path = expanded;
}

/* ---- files and updates ----------------------------------------------------------------------- */

struct file_reading {
    const struct conf_table *table;
    void *values;
    const char *path;
    struct buf *complaints;
    bool refused;
};

static int set_from_file(void *ctx, int line, struct slice key, struct slice value)
{
    struct file_reading *reading = ctx;
    struct buf complaint = BUF_INIT;
    int err = conf_set(reading->table, reading->values, key, value, &complaint);
    if (err == ERR_INVALID)
        reading->refused = true;
    if (complaint.len > 0) {
        buf_printf(reading->complaints, "%s: %s:%d: ", err == ERR_INVALID ? "error" : "warning",
                   reading->path, line);
        buf_append_slice(reading->complaints, buf_slice(&complaint));
    }
    buf_fini(&complaint);
    return 0;
}

static int read_text(const char *path, struct buf *text)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return err_from_errno(errno);
    size_t n;
    do {
        n = fread(buf_reserve(text, 4096), 1, 4096, file);
        text->len += n;
    } while (n > 0 && text->len <= FILE_BYTES_MAX);
    int err = ferror(file) ? ERR_IO : text->len > FILE_BYTES_MAX ? ERR_TOO_BIG : 0;
    fclose(file);
    return err;
}

int conf_read_file(const struct conf_table *table, void *values, const char *path,
                   struct buf *complaints)
{
    struct buf text = BUF_INIT;
    int err = read_text(path, &text);
    if (err != 0) {
        buf_printf(complaints, "error: %s: cannot be read: %s\n", path, err_name(err));
    } else {
        struct file_reading reading = { table, values, path, complaints, false };
        err = conf_parse(buf_slice(&text), set_from_file, &reading);
        if (err == 0 && reading.refused)
            err = ERR_INVALID;
    }
    buf_fini(&text);
    return err;
}

struct update {
    const struct conf_table *table;
    void *values;
    struct buf *complaints;
    bool refused;
};

static int check_update(void *ctx, int line, struct slice key, struct slice value)
{
    (void)line;
    struct update *update = ctx;
    const struct conf_row *row = find_row(update->table, key);
    size_t before = update->complaints->len;
    if (row == NULL)
        complain_unknown(update->table, key, update->complaints);
    else if (has_no_value(row))
        buf_printf(update->complaints, "key \"%s\" has no effect: %s\n", row->key,
                   row->when == CONF_KNOWN_ONLY ? row->text : CONF_NOT_YET);
    else if (row->when == CONF_AT_START)
        buf_printf(update->complaints, "key \"%s\" cannot change while running\n", row->key);
    else if (!value_is_allowed(row, value))
        complain_value(row, value, update->complaints);
    update->refused |= update->complaints->len != before;
    return 0;
}

static int apply_update(void *ctx, int line, struct slice key, struct slice value)
{
    (void)line;
    struct update *update = ctx;
    store_value(find_row(update->table, key), update->values, value);
    return 0;
}

int conf_update(const struct conf_table *table, void *values, struct slice properties,
                struct buf *complaints)
{
    struct update update = { table, values, complaints, false };
    int err = conf_parse(properties, check_update, &update);
    if (err == 0 && update.refused)
        err = ERR_INVALID;
    return err != 0 ? err : conf_parse(properties, apply_update, &update);
}

static int compare_rows(const void *a, const void *b)
{
    const struct conf_row *const *left = a;
    const struct conf_row *const *right = b;
    return strcmp((*left)->key, (*right)->key);
}

static void print_row(const struct conf_row *row, const void *values, struct buf *out)
{
    const void *at = value_at(row, values);
    switch (row->type) {
    case CONF_BOOL_T:
        buf_printf(out, "%s=%s\n", row->key, *(const bool *)at ? "true" : "false");
        break;
    case CONF_INT_T:
        buf_printf(out, "%s=%d\n", row->key, *(const int *)at);
        break;
    case CONF_I64_T:
        buf_printf(out, "%s=%lld\n", row->key, (long long)*(const int64_t *)at);
        break;
    case CONF_STRING_T:
    case CONF_NUMBERS_T:
        buf_printf(out, "%s=%s\n", row->key, *(char *const *)at);
        break;
    }
}

void conf_print(const struct conf_table *table, const void *values, struct buf *out)
{
    const struct conf_row **sorted = memory_take((table->count + 1) * sizeof *sorted);
    size_t count = 0;
    for (size_t i = 0; i < table->count; i++)
        if (!has_no_value(&table->rows[i]))
            sorted[count++] = &table->rows[i];
    qsort(sorted, count, sizeof *sorted, compare_rows);
    for (size_t i = 0; i < count; i++)
        print_row(sorted[i], values, out);
    free(sorted);
}
