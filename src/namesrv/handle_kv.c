/* handle_kv.c - the KV configuration: read from memory, changed only together with its file.
 *
 * A change is answered when the file that holds it is on disk. One write is under way at a time;
 * all changes that arrive meanwhile go into the next one. When a write fails, the table goes back
 * to what it was before it and those requests are refused. Reads see changes that are being
 * written.
 */
#include <assert.h>

#include "namesrv/internal.h"

enum { KV_WAITING_MAX = 4096 };

static struct namesrv *by_job(struct job *job)
{
    return (struct namesrv *)((char *)job - offsetof(struct namesrv, kv_saver.job));
}

static void start_write(struct namesrv *ns);

static void write_file(struct job *job)
{
    struct namesrv *ns =
        by_job(job); /* only the saver and the path, which do not change meanwhile */
    ns->kv_saver.err = table_file_write(ns->conf.kv_config_path, buf_slice(&ns->kv_saver.text));
}

static struct request *take_first(struct list *requests)
{
    struct request *req = list_entry(requests->next, struct request, link);
    list_remove(&req->link);
    return req;
}

/* Ends a write, or one that could not begin. */
static void end_write(struct namesrv *ns, int err)
{
    struct kv_saver *saver = &ns->kv_saver;
    if (err != 0) {
        bool is_back = kv_take_text(&ns->kv, buf_slice(&saver->before));
        assert(is_back);
    }
    while (!list_empty(&saver->writing)) {
        struct request *req = take_first(&saver->writing);
        if (err == 0)
            reply_code(req, RESP_SUCCESS, NULL);
        else
            reply_code(req, err == ERR_WOULD_BLOCK ? RESP_SYSTEM_BUSY : RESP_SYSTEM_ERROR,
                       "nothing was changed: %s cannot be written: %s", ns->conf.kv_config_path,
                       err_name(err));
    }
    buf_fini(&saver->text);
    buf_fini(&saver->before);
    saver->text = saver->before = BUF_INIT;
}

static void written(struct job *job)
{
    struct namesrv *ns = by_job(job);
    ns->kv_saver.is_writing = false;
    end_write(ns, ns->kv_saver.err);
    start_write(ns);
}

/* The fields were decodable when the request came. */
static const char *apply(struct kv *kv, const struct request *req)
{
    struct put_kv_request change;
    int err = fields_decode(&put_kv_request_fields, FIELD_LONG_NAMES, &req->header, &change, NULL);
    assert(err == 0);
    if (req->header.code == REQ_PUT_KV_CONFIG)
        return kv_put(kv, change.namespace, change.key, change.value);
    kv_remove(kv, change.namespace, change.key);
    return NULL;
}

static void start_write(struct namesrv *ns)
{
    struct kv_saver *saver = &ns->kv_saver;
    if (saver->is_writing || list_empty(&saver->waiting))
        return;
    kv_text(&ns->kv, &saver->before);
    while (!list_empty(&saver->waiting)) {
        struct request *req = take_first(&saver->waiting);
        const char *why = apply(&ns->kv, req);
        if (why != NULL)
            reply_code(req, RESP_SYSTEM_ERROR, "%s", why);
        else
            list_append(&saver->writing, &req->link);
    }
    saver->waiting_count = 0;
    if (list_empty(&saver->writing)) {
        end_write(ns, 0);
        return;
    }
    kv_text(&ns->kv, &saver->text);
    int err = workers_submit(ns->workers, ns->loop, &saver->job);
    saver->is_writing = err == 0;
    if (err != 0)
        end_write(ns, err);
}

static void change(struct namesrv *ns, struct request *req)
{
    struct kv_saver *saver = &ns->kv_saver;
    if (saver->waiting_count >= KV_WAITING_MAX) {
        reply_code(req, RESP_SYSTEM_BUSY, "too many changes wait for the disk");
        return;
    }
    request_detach(req);
    list_append(&saver->waiting, &req->link);
    saver->waiting_count++;
    start_write(ns);
}

void kv_saver_init(struct kv_saver *saver)
{
    *saver = (struct kv_saver){ .job = { .run = write_file, .done = written } };
    list_init(&saver->writing);
    list_init(&saver->waiting);
}

void kv_saver_fini(struct kv_saver *saver)
{
    assert(!saver->is_writing && list_empty(&saver->writing) && list_empty(&saver->waiting));
    buf_fini(&saver->text);
    buf_fini(&saver->before);
}

/* ---- requests ---------------------------------------------------------------------------- */

void namesrv_put_kv(struct namesrv *ns, struct request *req)
{
    struct put_kv_request asked;
    if (request_fields(req, &put_kv_request_fields, &asked) != 0)
        return;
    if (asked.namespace.data == NULL || asked.key.data == NULL)
        reply_code(req, RESP_SYSTEM_ERROR, "namespace or key is null");
    else if (asked.value.data == NULL)
        reply_code(req, RESP_SYSTEM_ERROR, "value is null");
    else
        change(ns, req);
}

void namesrv_delete_kv(struct namesrv *ns, struct request *req)
{
    struct kv_request asked;
    if (request_fields(req, &kv_request_fields, &asked) != 0)
        return;
    change(ns, req);
}

void namesrv_get_kv(struct namesrv *ns, struct request *req)
{
    struct kv_request asked;
    if (request_fields(req, &kv_request_fields, &asked) != 0)
        return;
    struct get_kv_response answer = { kv_get(&ns->kv, asked.namespace, asked.key) };
    struct slice remark = { NULL, 0 };
    if (answer.value.data == NULL)
        remark = arena_printf(&req->arena, "No config item, Namespace: %.*s Key: %.*s",
                              SLICE_FMT(asked.namespace), SLICE_FMT(asked.key));
    reply_fields(req, remark.data == NULL ? RESP_SUCCESS : RESP_QUERY_NOT_FOUND, remark,
                 &get_kv_response_fields, &answer, (struct slice){ NULL, 0 });
}

void namesrv_list_kv(struct namesrv *ns, struct request *req)
{
    struct kv_list_request asked;
    struct kv_table table;
    if (request_fields(req, &kv_list_request_fields, &asked) != 0)
        return;
    if (!kv_list(&ns->kv, asked.namespace, &req->arena, &table)) {
        reply_code(req, RESP_QUERY_NOT_FOUND, "No config item, Namespace: %.*s",
                   SLICE_FMT(asked.namespace));
        return;
    }
    struct buf body = BUF_INIT;
    kv_table_encode(&table, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}
