/* main.c - the cases, one child each, and what became of them. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "world.h"

static const char usage[] =
    "usage: crash_flip DIR [options]\n"
    "Damages copies of the store directory DIR, one bit, length or file at a time, and opens "
    "each.\n"
    "  --flips N        single bits, spread over the kinds of files (default 1000)\n"
    "  --cuts N         files cut short (default 200)\n"
    "  --removals N     files removed (default 0)\n"
    "  --seed N         other ones (default 1)\n"
    "  --case N         only this one, with what was logged; the copy stays\n"
    "  --kind TEXT      only kinds of files with this in their name\n"
    "  --without TEXT   no kinds with that in their name\n"
    "  --work DIR       where the copies lie, if not in memory (default /dev/shm)\n"
    "  --jobs N         so many at a time (default 1)\n"
    "  --power-lost 1   the directory is found in another boot of the machine (in memory only)\n"
    "  --violations N   stop after so many (default 20)\n"
    "  --log-file-bytes, --queue-file-bytes, --batch-file-bytes, --timer-file-bytes,\n"
    "  --index-slots, --index-entries, --compaction-log-bytes, --compaction-queue-bytes:\n"
    "                   how DIR was made\n";

static struct {
    int64_t flips, cuts, removals, seed, only_case, violations, jobs, power_lost;
    const char *kind, *without, *work, *dir;
} asked = { .flips = 1000,
            .cuts = 200,
            .seed = 1,
            .only_case = -1,
            .violations = 20,
            .jobs = 1,
            .kind = "",
            .work = "/dev/shm" };

static struct image image;
static struct original original;
static bool is_child;
static char root[PATH_BYTES];
static char what[2 * PATH_BYTES]; /* the damage of this case */

/* ---- chance ---------------------------------------------------------------------------------- */

static uint64_t chance_state;

static uint64_t mixed(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

void dice_seed(uint64_t seed)
{
    chance_state = mixed(mixed(seed + 0x9E3779B97F4A7C15u)); /* neighbours share nothing */
}

int64_t dice_below(int64_t bound)
{
    chance_state += 0x9E3779B97F4A7C15u;
    return (int64_t)(mixed(chance_state) % (uint64_t)bound);
}

/* ---- a case ---------------------------------------------------------------------------------- */

enum { EXIT_OUTCOME = 70, EXIT_VIOLATION = 90, EXIT_NOTHING = 91 }; /* 1 is a sanitizer's */

void violation(const char *format, ...)
{
    va_list arguments;
    printf("VIOLATION %s: ", what);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    if (asked.only_case >= 0 || !is_child)
        log_lines_print();
    fflush(stdout);
    if (is_child)
        _exit(EXIT_VIOLATION);
    exit(2);
}

void case_too_large(void)
{
    fflush(stdout);
    _exit(is_child ? EXIT_NOTHING : 2);
}

static enum damage_kind kind_of(int64_t number)
{
    return number < asked.flips                ? DAMAGE_FLIP
           : number < asked.flips + asked.cuts ? DAMAGE_CUT
                                               : DAMAGE_REMOVE;
}

static bool is_asked_for(const char *kind)
{
    return strstr(kind, asked.kind) != NULL &&
           (asked.without == NULL || strstr(kind, asked.without) == NULL);
}

/* The kinds of files in turn, so that each gets its share. */
static bool choose_kind(int64_t number, int *kind_index)
{
    int matching[KINDS_MAX];
    int count = 0;
    for (int i = 0; i < image.kind_count; i++)
        if (is_asked_for(image.kinds[i]))
            matching[count++] = i;
    if (count == 0)
        return false;
    *kind_index = matching[number % count];
    return true;
}

static bool has_file(const char *path)
{
    for (int i = 0; i < image.count; i++)
        if (strcmp(image.files[i].path, path) == 0)
            return true;
    return false;
}

/* After a kill: a queue's file that is gone or emptied may have been made since the checkpoint last
 * counted them (docs/durability.md). Two failures at once. Not after the reference, which leaves
 * abort.bak: there the log is compared with the queues. */
static bool is_beyond_promises(const struct damage *damage)
{
    return has_file("abort") && !has_file("abort.bak") &&
           strstr(damage->file->kind, "consumequeue") != NULL && damage->kind != DAMAGE_FLIP &&
           damage->from == 0;
}

static struct damage damage; /* of this case */

static void judge(void)
{
    enum outcome outcome = verdict(&original, &damage, root);
    if (asked.only_case >= 0)
        log_lines_print();
    fflush(stdout);
    _exit(EXIT_OUTCOME + (int)outcome);
}

static void run_case(int64_t number)
{
    int kind_index;
    dice_seed((uint64_t)asked.seed * 1000003 + (uint64_t)number);
    if (!choose_kind(number, &kind_index) ||
        !damage_choose(&damage, &image, kind_index, kind_of(number)) || is_beyond_promises(&damage))
        _exit(EXIT_NOTHING);
    damage_text(&damage, what, sizeof what);
    if (world_is_written_for_each_case)
        world_write(&image, root);
    world_damage(&damage, root);
    if (asked.only_case >= 0)
        printf("%s, in %s\n", what, root);
    world_run(&image, judge);
}

/* ---- counting -------------------------------------------------------------------------------- */

enum { RESULTS = OUTCOMES + 3 }; /* and: nothing to do, violation, died */
static const char *const result_names[RESULTS] = { "same",    "skipped", "mended", "refused",
                                                   "nothing", "wrong",   "died" };
static int64_t counts[KINDS_MAX][RESULTS];

/* One that runs. */
struct running {
    pid_t pid; /* 0: none */
    int64_t number;
    int kind_index;
};
enum { JOBS_MAX = 64 };
static struct running running[JOBS_MAX];

static void start_child(int slot, int64_t number, int kind_index)
{
    fflush(stdout);
    world_root(asked.work, slot, root);
    pid_t pid = fork();
    if (pid < 0) {
        perror("crash_flip: fork");
        exit(2);
    }
    if (pid == 0) {
        is_child = true;
        alarm(300);
        run_case(number);
        _exit(EXIT_VIOLATION);
    }
    running[slot] = (struct running){ pid, number, kind_index };
}

static int result_of(int status)
{
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (code >= EXIT_OUTCOME && code < EXIT_OUTCOME + OUTCOMES)
        return code - EXIT_OUTCOME;
    if (code == EXIT_NOTHING)
        return OUTCOMES;
    if (code != EXIT_VIOLATION)
        printf("VIOLATION died with status 0x%x\n", (unsigned)status);
    return code == EXIT_VIOLATION ? OUTCOMES + 1 : OUTCOMES + 2;
}

static void report(double took)
{
    int64_t sums[RESULTS] = { 0 };
    printf("%-32s", "kind of file");
    for (int i = 0; i < RESULTS; i++)
        printf(" %9s", result_names[i]);
    printf("\n");
    for (int kind = 0; kind < image.kind_count; kind++) {
        if (!is_asked_for(image.kinds[kind]))
            continue;
        printf("%-32s", image.kinds[kind]);
        for (int i = 0; i < RESULTS; i++) {
            printf(" %9lld", (long long)counts[kind][i]);
            sums[i] += counts[kind][i];
        }
        printf("\n");
    }
    int64_t bad = sums[OUTCOMES + 1] + sums[OUTCOMES + 2];
    int64_t cases = bad;
    for (int i = 0; i < OUTCOMES; i++)
        cases += sums[i];
    printf("cases=%lld same=%lld skipped=%lld mended=%lld refused=%lld "
           "violations=%lld messages=%d seed=%lld seconds=%.0f\n",
           (long long)cases, (long long)sums[OUTCOME_SAME], (long long)sums[OUTCOME_SKIPPED],
           (long long)sums[OUTCOME_MENDED], (long long)sums[OUTCOME_REFUSED], (long long)bad,
           original.picture.message_count, (long long)asked.seed, took);
}

/* Waits for one that runs, and counts it. True: it was a violation. */
static bool end_child(void)
{
    int status;
    int slot = 0;
    pid_t pid = waitpid(-1, &status, 0);
    while (slot < JOBS_MAX && running[slot].pid != pid)
        slot++;
    if (pid <= 0 || slot == JOBS_MAX)
        exit(2);
    struct running ended = running[slot];
    int result = result_of(status);
    running[slot].pid = 0;
    counts[ended.kind_index][result]++;
    if (result > OUTCOMES)
        printf("    replay with --flips %lld --cuts %lld --removals %lld --seed %lld "
               "--kind '%s'%s%s%s --case %lld\n",
               (long long)asked.flips, (long long)asked.cuts, (long long)asked.removals,
               (long long)asked.seed, asked.kind, asked.without != NULL ? " --without " : "",
               asked.without != NULL ? asked.without : "",
               asked.power_lost ? " --power-lost 1" : "", (long long)ended.number);
    return result > OUTCOMES;
}

static int free_slot(void)
{
    for (int slot = 0; slot < asked.jobs; slot++)
        if (running[slot].pid == 0)
            return slot;
    return -1;
}

static bool is_any_running(void)
{
    for (int slot = 0; slot < asked.jobs; slot++)
        if (running[slot].pid != 0)
            return true;
    return false;
}

static int run_all(void)
{
    int64_t violations = 0;
    int64_t all = asked.flips + asked.cuts + asked.removals;
    time_t started = time(NULL);
    for (int64_t number = 0; number < all && violations < asked.violations; number++) {
        int kind_index;
        if (asked.only_case >= 0 && number != asked.only_case)
            continue;
        if (!choose_kind(number, &kind_index))
            break;
        if (free_slot() < 0)
            violations += end_child();
        start_child(free_slot(), number, kind_index);
    }
    while (is_any_running())
        violations += end_child();
    report(difftime(time(NULL), started));
    return violations > 0 ? 1 : 0;
}

/* ---- start ----------------------------------------------------------------------------------- */

static bool take_option(const char *name, const char *value)
{
    const struct {
        const char *name;
        int64_t *to;
    } numbers[] = { { "--flips", &asked.flips },
                    { "--cuts", &asked.cuts },
                    { "--removals", &asked.removals },
                    { "--seed", &asked.seed },
                    { "--case", &asked.only_case },
                    { "--violations", &asked.violations },
                    { "--jobs", &asked.jobs },
                    { "--power-lost", &asked.power_lost },
                    { "--log-file-bytes", &geometry.log_file_bytes },
                    { "--queue-file-bytes", &geometry.queue_file_bytes },
                    { "--batch-file-bytes", &geometry.batch_file_bytes },
                    { "--timer-file-bytes", &geometry.timer_file_bytes },
                    { "--index-slots", &geometry.index_slots },
                    { "--index-entries", &geometry.index_entries },
                    { "--compaction-log-bytes", &geometry.compaction_log_bytes },
                    { "--compaction-queue-bytes", &geometry.compaction_queue_bytes } };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (strcmp(name, numbers[i].name) == 0) {
            *numbers[i].to = strtoll(value, NULL, 10);
            return true;
        }
    if (strcmp(name, "--kind") == 0)
        asked.kind = value;
    else if (strcmp(name, "--without") == 0)
        asked.without = value;
    else if (strcmp(name, "--work") == 0)
        asked.work = value;
    else
        return false;
    return true;
}

static void take_original(void)
{
    original_take(&original, root);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bool is_option = strncmp(argv[i], "--", 2) == 0;
        if (is_option ? i + 1 == argc || !take_option(argv[i], argv[i + 1]) : asked.dir != NULL) {
            fputs(usage, stderr);
            return 2;
        }
        if (is_option)
            i++;
        else
            asked.dir = argv[i];
    }
    if (asked.dir == NULL || geometry.log_file_bytes <= 0 || geometry.timer_file_bytes <= 0 ||
        asked.jobs < 1 || asked.jobs > JOBS_MAX) {
        fputs(usage, stderr);
        return 2;
    }
    setenv("TZ", "UTC", 1);
    image_read(&image, asked.dir);
    picture_note_topics(&image);
    snprintf(what, sizeof what, "nothing damaged");
    world_root(asked.work, 0, root);
    world_write(&image, root);
    world_run(&image, take_original);
    original_keep(&original);
    log_lines_clear();
    if (asked.power_lost && !world_lose_power())
        return 2;
    if (!world_is_written_for_each_case)
        world_write(&image, root);
    int result = run_all();
    for (int slot = 0; slot < asked.jobs && asked.only_case < 0; slot++) {
        world_root(asked.work, slot, root);
        world_clean(root);
    }
    return result;
}
