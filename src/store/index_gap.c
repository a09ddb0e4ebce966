/* index_gap.c - does an index file go on where the one before it ended? */
#include "store/index_gap.h"

#include "store/index_keys.h"
#include "store/log_reader.h"

static bool has_keys(const struct record *record)
{
    struct index_keys keys = index_keys_of(record);
    struct slice key;
    return index_keys_next(&keys, &key);
}

bool index_gap_between(struct commit_log *log, int64_t end, int64_t begin)
{
    int64_t file_bytes = commit_log_file_bytes(log);
    int64_t min = commit_log_min(log);
    if (begin <= end || begin < min) /* the same record; or what lay between has expired */
        return false;
    int64_t at = end < min ? min : end;
    bool is_gap = false;
    int err = 0;
    struct log_reader reader;
    log_reader_init_jumping(&reader, log);
    while (!is_gap && at < begin && err == 0) {
        struct record record;
        err = log_reader_record(&reader, at, RECORD_CHECK_LENGTHS, &record);
        if (err == 0) {
            is_gap = at != end && has_keys(&record);
            at += record.total_bytes;
        } else if (err == ERR_NOT_FOUND) { /* the end mark */
            at = (at / file_bytes + 1) * file_bytes;
            err = 0;
        }
    }
    log_reader_fini(&reader);
    return is_gap || at > begin || (err != 0 && err != ERR_IO);
}
