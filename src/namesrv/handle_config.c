/* handle_config.c - the settings: read, and changed all or nothing.
 *
 * A change is tried on a copy; the copy's file is written (the previous one stays as .bak), and
 * only then do the settings change and the request succeed.
 */
#include <assert.h>

#include "base/conf_parse.h"
#include "base/log.h"
#include "namesrv/internal.h"

static struct namesrv *by_job(struct job *job)
{
    return (struct namesrv *)((char *)job - offsetof(struct namesrv, conf_saver.job));
}

static void write_file(struct job *job)
{
    struct namesrv *ns =
        by_job(job); /* only the saver and the path, which do not change meanwhile */
    ns->conf_saver.err =
        table_file_write(ns->conf.config_store_path, buf_slice(&ns->conf_saver.text));
}

static void written(struct job *job)
{
    struct namesrv *ns = by_job(job);
    struct conf_saver *saver = &ns->conf_saver;
    struct request *req = saver->req;
    saver->req = NULL;
    buf_fini(&saver->text);
    saver->text = BUF_INIT;
    if (saver->err != 0) {
        reply_code(req, RESP_SYSTEM_ERROR, "nothing was changed: %s cannot be written: %s",
                   ns->conf.config_store_path, err_name(saver->err));
        return;
    }
    ns->conf = saver->changed;
    log_info("settings_changed peer=%s", peer_address(req->peer)->text);
    namesrv_plan_expiry(ns);
    reply_code(req, RESP_SUCCESS, NULL);
}

void conf_saver_init(struct conf_saver *saver)
{
    *saver = (struct conf_saver){ .job = { .run = write_file, .done = written } };
}

void conf_saver_fini(struct conf_saver *saver)
{
    assert(saver->req == NULL);
    buf_fini(&saver->text);
}

/* ---- requests ---------------------------------------------------------------------------- */

/* ERR_INVALID: the key is one of those separated by ';'. */
static int refuse_listed(void *ctx, int line, struct slice key, struct slice value)
{
    (void)line;
    (void)value;
    return slice_lists(slice_str(ctx), ';', key) ? ERR_INVALID : 0;
}

static bool has_forbidden_key(const struct namesrv *ns, struct slice body)
{
    char always[] = "configBlackList;configStorePath;kvConfigPath;rocketmqHome";
    return conf_parse(body, refuse_listed, always) != 0 ||
           conf_parse(body, refuse_listed, ns->conf.config_black_list) != 0;
}

/* The complaints, a line each, in the remark. */
static void refuse(struct request *req, const struct buf *complaints)
{
    struct slice remark = buf_slice(complaints);
    while (remark.len > 0 && remark.data[remark.len - 1] == '\n')
        remark.len--;
    reply_send(req, &(struct reply){ .code = RESP_SYSTEM_ERROR, .remark = remark });
}

void namesrv_update_config(struct namesrv *ns, struct request *req)
{
    struct conf_saver *saver = &ns->conf_saver;
    struct buf complaints = BUF_INIT;
    if (req->body.len == 0) {
        reply_code(req, RESP_SUCCESS, NULL);
    } else if (has_forbidden_key(ns, req->body)) {
        reply_code(req, RESP_NO_PERMISSION, "Can not update config in black list.");
    } else if (saver->req != NULL) {
        reply_code(req, RESP_SYSTEM_BUSY, "another change of settings is being written");
    } else {
        saver->changed = ns->conf;
        if (conf_update(&namesrv_conf_table, &saver->changed, req->body, &complaints) != 0) {
            refuse(req, &complaints);
        } else {
            conf_print(&namesrv_conf_table, &saver->changed, &saver->text);
            request_detach(req);
            saver->req = req;
            int err = workers_submit(ns->workers, ns->loop, &saver->job);
            if (err != 0) { /* else saver->err is the worker's to set */
                saver->err = err;
                written(&saver->job);
            }
        }
    }
    buf_fini(&complaints);
}

void namesrv_get_config(struct namesrv *ns, struct request *req)
{
    struct buf body = BUF_INIT;
    conf_print(&namesrv_conf_table, &ns->conf, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}
