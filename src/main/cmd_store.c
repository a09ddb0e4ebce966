/* cmd_store.c - ramjet store: check, dump and repair of a store directory, ours or the reference's.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "main/cli.h"
#include "main/cmd.h"
#include "store/store.h"

static const char help[] =
    "usage: ramjet store check DIR    read everything, say what is damaged, change nothing\n"
    "       ramjet store dump DIR     list the records of the log\n"
    "       ramjet store repair DIR   set damaged stretches aside, so that a broker starts\n"
    "\n"
    "DIR is storePathRootDir, of Ramjet or of the Java broker; no broker may have it open.\n"
    "Repair deletes nothing: what it takes out lies in DIR/set-aside. The next start builds the\n"
    "queues and the index again from the log.\n"
    "\n"
    "  --commit-log DIR    storePathCommitLog (default: DIR/commitlog)\n"
    "  --file-bytes N      mappedFileSizeCommitLog (default: what most files have)\n"
    "  --from N, --count N dump: from this phy_offset on, so many records\n"
    "\n"
    "Exit code: 0 nothing is wrong (or all was set aside), 1 something is, 2 it could not be "
    "looked "
    "at.\n";

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

static int fail(const char *what, const char *dir, int err)
{
    const char *why = err == ERR_LOCKED      ? "a broker has it open: stop it first"
                      : err == ERR_NOT_FOUND ? "there is no commit log"
                      : err == ERR_CORRUPT   ? "how long its files should be cannot be told: give "
                                               "--file-bytes"
                                             : err_name(err);
    fprintf(stderr, "ramjet store %s: %s: %s\n", what, dir, why);
    return 2;
}

static int run_check(const struct store_offline_options *options)
{
    struct store_check_result found;
    int err = store_check(options, &found);
    if (err != 0)
        return fail("check", options->root_dir, err);
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
        return fail("repair", options->root_dir, err);
    printf("%lld stretches set aside, %lld bytes\n", (long long)done.mended,
           (long long)done.bytes_set_aside);
    return 0;
}

int cmd_store(int argc, char **argv)
{
    static const struct option long_options[] = { { "commit-log", required_argument, NULL, 'l' },
                                                  { "file-bytes", required_argument, NULL, 'b' },
                                                  { "from", required_argument, NULL, 'f' },
                                                  { "count", required_argument, NULL, 'c' },
                                                  { "help", no_argument, NULL, 'h' },
                                                  { 0 } };
    struct store_offline_options options = { .say = say, .progress = tell_progress };
    int64_t from = 0;
    int64_t count = INT64_MAX;
    int option;
    while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        bool is_good = option != '?';
        if (option == 'h') {
            fputs(help, stdout);
            return 0;
        }
        if (option == 'l')
            options.commit_log_dir = optarg;
        if (option == 'b')
            is_good = option_number("store", "--file-bytes", optarg, 4096, INT64_MAX / 4,
                                    &options.commit_log_file_bytes);
        if (option == 'f')
            is_good = option_number("store", "--from", optarg, 0, INT64_MAX / 4, &from);
        if (option == 'c')
            is_good = option_number("store", "--count", optarg, 1, INT64_MAX, &count);
        if (!is_good)
            return 2;
    }
    if (argc - optind != 2) {
        fputs(help, stderr);
        return 2;
    }
    const char *what = argv[optind];
    options.root_dir = argv[optind + 1];
    if (strcmp(what, "check") == 0)
        return run_check(&options);
    if (strcmp(what, "repair") == 0)
        return run_repair(&options);
    if (strcmp(what, "dump") != 0) {
        fputs(help, stderr);
        return 2;
    }
    int err = store_dump(&options, from, count);
    return err == 0 ? 0 : fail("dump", options.root_dir, err);
}
