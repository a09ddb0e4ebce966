/* cmd_store.c - ramjet store: check, dump and repair of a store directory, ours or the reference's.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "main/cmd.h"
#include "base/options.h"
#include "store/store.h"
#include "wire/body_topic_config.h"

static const char about[] =
    "usage: ramjet store check DIR    read everything, say what is damaged, change nothing\n"
    "       ramjet store dump DIR     list the records of the log\n"
    "       ramjet store repair DIR   set damaged stretches aside, so that a broker starts\n"
    "\n"
    "DIR is storePathRootDir, of Ramjet or of the Java broker (below `ramjet --data`: its "
    "store/);\n"
    "no broker may have it open.\n"
    "Repair deletes nothing: what it takes out lies in DIR/set-aside. The next start builds the\n"
    "queues and the index again from the log.\n"
    "\n";
static const char epilogue[] =
    "\n"
    "Exit code: 0 nothing is wrong (or all was set aside), 1 something is, 2 it could not be "
    "looked at.\n";

static void say(void *ctx, const char *line)
{
    (void)ctx;
    puts(line);
}

static void tell_progress(void *ctx, int64_t done, int64_t all)
{
    (void)ctx;
    fprintf(stderr, "%lld of %lld MB, %lld %%\n", (long long)(done >> 20), (long long)(all >> 20),
            (long long)(all == 0 ? 100 : done * 100 / all));
}

/* ---- why not ----------------------------------------------------------------------------------
 */

enum { WHY_BYTES = PATH_MAX + 256 };

static bool can_list(const char *dir, DIR **listed)
{
    *listed = opendir(dir);
    return *listed != NULL;
}

static bool is_log_file(const char *name)
{
    enum { DIGITS_MOST = 20 };
    size_t digits = strspn(name, "0123456789");
    return digits > 0 && digits <= DIGITS_MOST && name[digits] == 0;
}

/* The first of the log's files that cannot be opened; else, that there is none. */
static bool explain_files(DIR *listed, const char *dir, char why[WHY_BYTES])
{
    const struct dirent *entry;
    bool has_files = false;
    while ((entry = readdir(listed)) != NULL) {
        char path[PATH_MAX];
        if (!is_log_file(entry->d_name))
            continue;
        has_files = true;
        snprintf(path, sizeof path, "%.3800s/%s", dir, entry->d_name);
        if (access(path, R_OK | W_OK) != 0) {
            snprintf(why, WHY_BYTES, "%s: %s", path, strerror(errno));
            return true;
        }
    }
    if (!has_files)
        snprintf(why, WHY_BYTES,
                 "no commit log: %s has no file that is named by a number, the place it begins at",
                 dir);
    return !has_files;
}

/* DIR is what `ramjet --data` was given, and the store a part of it. */
static bool explain_data_dir(const char *root_dir, char why[WHY_BYTES])
{
    char dir[PATH_MAX];
    DIR *listed;
    snprintf(dir, sizeof dir, "%.3800s/store/commitlog", root_dir);
    if (!can_list(dir, &listed))
        return false;
    closedir(listed);
    snprintf(why, WHY_BYTES, "no commit log; the store is %.3800s/store", root_dir);
    return true;
}

/* What was looked for, and where. False: the directory and the log's files are all right. */
static bool explain(const struct store_offline_options *options, char why[WHY_BYTES])
{
    char dir[PATH_MAX];
    DIR *listed;
    if (!can_list(options->root_dir, &listed)) {
        snprintf(why, WHY_BYTES, "no store there: %s", strerror(errno));
        return true;
    }
    closedir(listed);
    if (options->commit_log_dir != NULL)
        snprintf(dir, sizeof dir, "%s", options->commit_log_dir);
    else
        snprintf(dir, sizeof dir, "%.3800s/commitlog", options->root_dir);
    if (!can_list(dir, &listed)) {
        int cause = errno;
        if (options->commit_log_dir == NULL && explain_data_dir(options->root_dir, why))
            return true;
        snprintf(why, WHY_BYTES, "no commit log: %s: %s (--commit-log names another place)", dir,
                 strerror(cause));
        return true;
    }
    bool is_explained = explain_files(listed, dir, why);
    closedir(listed);
    return is_explained;
}

static int fail(const char *what, const struct store_offline_options *options, int err)
{
    char why[WHY_BYTES];
    if (err == ERR_LOCKED)
        snprintf(why, sizeof why, "a broker has it open: stop it first");
    else if (err == ERR_CORRUPT)
        snprintf(why, sizeof why, "how long its files should be cannot be told: give --file-bytes");
    else if (!explain(options, why))
        snprintf(why, sizeof why, "%s; the line above names the file and the errno", err_name(err));
    fprintf(stderr, "ramjet store %s: %s: %s\n", what, options->root_dir, why);
    return 2;
}

/* ---- commands ---------------------------------------------------------------------------------
 */

/* The topics that there are; count 0: the table cannot be read, and every topic may be one. */
static struct topic_table topics;

static bool knows_topic(void *ctx, struct slice topic)
{
    (void)ctx;
    bool is_there = topics.count == 0;
    for (int i = 0; i < topics.count && !is_there; i++)
        is_there = slice_eq(topics.topics[i].name, topic);
    return is_there;
}

/* As meta/ reads it, but that nothing is moved aside: looking changes nothing. */
static void read_topics(const char *root_dir, struct arena *arena)
{
    enum { PIECE_BYTES = 65536 };
    char path[PATH_MAX];
    struct buf text = BUF_INIT;
    size_t got = 1;
    snprintf(path, sizeof path, "%.4000s/config/topics.json", root_dir);
    FILE *file = fopen(path, "rb");
    while (file != NULL && got > 0) {
        got = fread(buf_reserve(&text, PIECE_BYTES), 1, PIECE_BYTES, file);
        text.len += got;
    }
    if (file != NULL)
        fclose(file);
    if (topic_table_decode(arena_copy(arena, buf_slice(&text)), arena, &topics) != 0)
        topics.count = 0;
    buf_fini(&text);
}

static int run_check(struct store_offline_options *options)
{
    struct store_check_result found;
    struct arena arena;
    arena_init(&arena);
    read_topics(options->root_dir, &arena);
    options->knows_topic = knows_topic;
    int err = store_check(options, &found);
    arena_fini(&arena);
    if (err != 0)
        return fail("check", options, err);
    printf("%d files of %lld bytes, phy_offset %lld to %lld, %lld records, %lld queue entries\n",
           found.files, (long long)found.file_bytes, (long long)found.min_phy_offset,
           (long long)found.end_phy_offset, (long long)found.records,
           (long long)found.queue_entries);
    if (found.problems == 0 && found.queue_problems == 0) {
        puts("nothing is wrong");
        return 0;
    }
    printf("%lld problems of the log (%lld bytes damaged)%s, %lld of the queues%s\n",
           (long long)found.problems, (long long)found.damaged_bytes,
           found.problems > 0 ? ": `ramjet store repair` sets them aside" : "",
           (long long)found.queue_problems,
           found.queue_problems > 0 ? ": after a crash the next start puts right what lies behind "
                                      "the checkpoint, a repair has all of them built again"
                                    : "");
    return 1;
}

static int run_repair(const struct store_offline_options *options)
{
    struct store_repair_result done;
    int err = store_repair(options, &done);
    if (err != 0)
        return fail("repair", options, err);
    printf("%lld stretches set aside, %lld bytes\n", (long long)done.mended,
           (long long)done.bytes_set_aside);
    return 0;
}

int cmd_store(int argc, char **argv)
{
    struct store_offline_options store = { .say = say, .progress = tell_progress };
    int64_t from = 0;
    int64_t count = INT64_MAX;
    const struct option_row rows[] = {
        OPTION_TEXT("commit-log", "DIR", "storePathCommitLog (default: DIR/commitlog)",
                    &store.commit_log_dir),
        OPTION_NUMBER("file-bytes", "N", "mappedFileSizeCommitLog (default: what most files have)",
                      &store.commit_log_file_bytes, 4096, INT64_MAX / 4),
        OPTION_NUMBER("from", "N", "dump: from this phy_offset on", &from, 0, INT64_MAX / 4),
        OPTION_NUMBER("count", "N", "dump: so many records", &count, 1, INT64_MAX),
    };
    const struct options options = { "store",        about,
                                     rows,           sizeof rows / sizeof rows[0],
                                     epilogue,       .least_words = 2,
                                     .most_words = 2 };
    char **words;
    int word_count;
    int code = options_read(&options, argc, argv, &words, &word_count);
    if (code != OPTIONS_GO_ON)
        return code;
    store.root_dir = words[1];
    if (strcmp(words[0], "check") == 0)
        return run_check(&store);
    if (strcmp(words[0], "repair") == 0)
        return run_repair(&store);
    if (strcmp(words[0], "dump") != 0) {
        fprintf(stderr, "ramjet store: not expected: %s\n", words[0]);
        return options_refuse("store");
    }
    int err = store_dump(&store, from, count);
    return err == 0 ? 0 : fail("dump", &store, err);
}
