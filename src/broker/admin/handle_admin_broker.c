/* handle_admin_broker.c - the broker's settings, for tools: changed (25) and listed (26).
 *
 * A change is tried on a copy of the settings, all or nothing; then it is written into the file the
 * broker was started with, by a worker, and only then it counts:
 *
 *     try ── refused, by name
 *      └── file: read, edit, write (the old one stays as .bak) ── in force, answered
 *
 * A file that cannot be written (a read-only mount) does not keep an operator from closing a broker
 * for writes: the change is in force then, and the remark and the log say that it will not last.
 */
#include <errno.h>
#include <sys/stat.h>

#include "base/conf_edit.h"
#include "base/conf_parse.h"
#include "base/log.h"
#include "broker/internal.h"
#include "broker/offload.h"
#include "broker/register.h"
#include "broker/requests.h"
#include "broker/saver.h"
#include "wire/req_admin.h"

/* ERR_INVALID: the key is one of those separated by ';'. */
static int refuse_listed(void *ctx, int line, struct slice key, struct slice value)
{
    (void)line, (void)value;
    return slice_lists(slice_str(ctx), ';', key) ? ERR_INVALID : 0;
}

static bool is_black_listed(const struct broker *broker, struct slice changes)
{
    /* where settings come from cannot be a setting that a request changes */
    char always[] = "configBlackList;brokerConfigPath;rocketmqHome";
    return conf_parse(changes, refuse_listed, always) != 0 ||
           conf_parse(changes, refuse_listed, broker->conf.config_black_list) != 0;
}

struct conf_change {
    struct offload offload;
    const char *path;
    int err;
};

static bool take_any(void *ctx, struct slice text)
{
    buf_append_slice(ctx, text);
    return true;
}

static void write_conf(struct offload *o)
{
    struct conf_change *change = (struct conf_change *)o;
    struct buf old = BUF_INIT;
    struct stat before;
    bool was_there = stat(change->path, &before) == 0;
    change->err = table_file_read(change->path, take_any, &old);
    if (change->err == ERR_NOT_FOUND)
        change->err = 0; /* empty, or removed since the start */
    if (change->err == 0) {
        conf_edit(buf_slice(&old), o->req->body, &o->body);
        change->err = table_file_write(change->path, buf_slice(&o->body));
    }
    if (change->err == 0 && was_there && chmod(change->path, before.st_mode & 0777) != 0)
        change->err = err_from_errno(errno);
    buf_fini(&old);
}

/* What some settings are for happens when they change. */
static void put_in_force(struct broker *broker, struct request *req)
{
    int permission = broker->conf.broker_permission;
    struct buf complaints = BUF_INIT;
    if (conf_update(&broker_conf_table, &broker->conf, req->body, &complaints) != 0)
        log_error("settings_not_changed reason=\"%.*s\"", SLICE_FMT(buf_slice(&complaints)));
    buf_fini(&complaints);
    data_version_next(&broker->conf_version, loop_now_ms(broker->loop));
    if (broker->conf.broker_permission != permission) {
        topics_touch(broker->topics, loop_now_ms(broker->loop));
        saver_changed(broker->saver, TABLE_TOPICS);
        registrar_tell_all(broker->registrar);
    }
    log_info("settings_changed by=%s", peer_address(req->peer)->text);
}

static void conf_written(struct offload *o)
{
    const struct conf_change *change = (const struct conf_change *)o;
    o->broker->is_writing_conf = false;
    put_in_force(o->broker, o->req);
    if (change->err == 0) {
        reply_code(o->req, RESP_SUCCESS, NULL);
        return;
    }
    log_error("settings_not_kept path=%s error=%s: in force until the next start", change->path,
              err_name(change->err));
    reply_code(o->req, RESP_SUCCESS, "until the next start: %s cannot be written: %s", change->path,
               err_name(change->err));
}

/* False: refused, and *complaints says which keys and why. */
static bool is_allowed(const struct broker *broker, struct slice changes, struct buf *complaints)
{
    struct broker_conf tried;
    conf_copy(&broker_conf_table, &tried, &broker->conf, sizeof tried);
    int err = conf_update(&broker_conf_table, &tried, changes, complaints);
    conf_fini(&broker_conf_table, &tried);
    return err == 0;
}

static void change_conf(struct broker *broker, struct request *req)
{
    if (broker->conf.broker_config_path[0] == '\0') {
        put_in_force(broker, req);
        reply_code(req, RESP_SUCCESS,
                   "until the next start: this broker was started without a file of settings");
        return;
    }
    if (broker->is_writing_conf) {
        reply_code(req, RESP_SYSTEM_BUSY, "another change of settings is being written");
        return;
    }
    request_detach(req);
    struct conf_change *change = arena_zalloc(&req->arena, sizeof *change);
    change->path = broker->conf.broker_config_path; /* does not change */
    broker->is_writing_conf =
        offload_start(&change->offload, broker, req, write_conf, conf_written);
}

void handle_put_conf(struct broker *broker, struct request *req)
{
    struct buf complaints = BUF_INIT;
    if (is_black_listed(broker, req->body))
        reply_code(req, RESP_NO_PERMISSION, "Can not update config in black list.");
    else if (!is_allowed(broker, req->body, &complaints))
        reply_code(req, RESP_INVALID_PARAMETER, "nothing was changed: %.*s",
                   SLICE_FMT(buf_slice(&complaints)));
    else if (req->body.len == 0)
        reply_code(req, RESP_SUCCESS, NULL);
    else
        change_conf(broker, req);
    buf_fini(&complaints);
}

void handle_get_conf(struct broker *broker, struct request *req)
{
    struct buf text = BUF_INIT;
    struct buf version = BUF_INIT;
    conf_print(&broker_conf_table, &broker->conf, &text);
    data_version_encode(&broker->conf_version, &version);
    struct get_config_response response = { .version = buf_slice(&version) };
    reply_fields(req, RESP_SUCCESS, slice_of(NULL, 0), &get_config_response_fields, &response,
                 buf_slice(&text));
    buf_fini(&text);
    buf_fini(&version);
}
