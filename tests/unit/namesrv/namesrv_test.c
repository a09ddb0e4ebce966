#include <arpa/inet.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/crc.h"
#include "namesrv/running.h"
#include "wire/body_register.h"

#define BROKER_A                                                                                   \
    "brokerName=a\nbrokerAddr=10.1.1.7:10911\nclusterName=c1\nhaServerAddr=10.1.1.7:10912\n"       \
    "brokerId=0"

static const struct slice none = { NULL, 0 };

/* Two topics, t and u, with four queues each. */
static struct slice register_body(struct running *r, bool compressed)
{
    struct topic_config topics[] = { topic_config_default(SLICE("t")),
                                     topic_config_default(SLICE("u")) };
    struct register_body body = { .topics = {
                                      .version = { 0, 5, 1 }, .topics = topics, .count = 2 } };
    struct buf text = BUF_INIT;
    for (int i = 0; i < 2; i++)
        topics[i].read_queue_count = topics[i].write_queue_count = 4;
    register_body_encode(&body, compressed, &text);
    struct slice copy = arena_copy(&r->arena, buf_slice(&text));
    buf_fini(&text);
    return copy;
}

static void register_a(struct running *r, int fd)
{
    struct answer answer =
        running_call(r, fd, REQ_REGISTER_BROKER, BROKER_A, register_body(r, false));
    assert_int_equal(answer.header.code, RESP_SUCCESS);
}

static int32_t route_code(struct running *r, int fd, const char *topic)
{
    char ext[64];
    snprintf(ext, sizeof ext, "topic=%s", topic);
    return running_call(r, fd, REQ_GET_ROUTEINFO_BY_TOPIC, ext, none).header.code;
}

/* Goal: old peers get integer keys bare, peers since 4.9.4 or that ask for it standard JSON. */
static void route_comes_in_the_dialect_of_the_peer(void **state)
{
    struct running *r = *state;
    struct answer answer;
    running_start(r);
    int fd = running_connect(r);
    register_a(r, fd);
    running_send(r, fd, REQ_GET_ROUTEINFO_BY_TOPIC, 317, 0, "topic=t", none);
    assert_true(running_receive(r, fd, &answer));
    assert_string_equal(
        answer_body(r, &answer),
        "{\"brokerDatas\":[{\"brokerAddrs\":{0:\"10.1.1.7:10911\"},\"brokerName\":\"a\","
        "\"cluster\":\"c1\",\"enableActingMaster\":false}],\"filterServerTable\":{},"
        "\"queueDatas\":[{\"brokerName\":\"a\",\"perm\":6,\"readQueueNums\":4,"
        "\"topicSysFlag\":0,\"writeQueueNums\":4}]}");
    running_send(r, fd, REQ_GET_ROUTEINFO_BY_TOPIC, 317, 0, "topic=t\nacceptStandardJsonOnly=true",
                 none);
    assert_true(running_receive(r, fd, &answer));
    assert_non_null(strstr(answer_body(r, &answer), "{\"0\":\"10.1.1.7:10911\"}"));
    running_send(r, fd, REQ_GET_ROUTEINFO_BY_TOPIC, 401, 0, "topic=t", none);
    assert_true(running_receive(r, fd, &answer));
    assert_non_null(strstr(answer_body(r, &answer), "{\"0\":\"10.1.1.7:10911\"}"));
    assert_int_equal(route_code(r, fd, "nowhere"), RESP_TOPIC_NOT_EXIST);
    answer = running_call(r, fd, REQ_GET_ROUTEINFO_BY_TOPIC, "", none);
    assert_int_equal(answer.header.code, RESP_TOPIC_NOT_EXIST);
    close(fd);
}

/* Goal: a registration is taken in every form of its body, and refused when its checksum differs.
 */
static void registration_is_taken_in_all_forms(void **state)
{
    struct running *r = *state;
    char ext[256];
    running_start(r);
    int fd = running_connect(r);
    struct slice body = register_body(r, true);
    snprintf(ext, sizeof ext, BROKER_A "\ncompressed=true\nbodyCrc32=%u", crc31(body));
    struct answer answer = running_call(r, fd, REQ_REGISTER_BROKER, ext, body);
    assert_int_equal(answer.header.code, RESP_SUCCESS);
    assert_int_equal(route_code(r, fd, "u"), RESP_SUCCESS);
    snprintf(ext, sizeof ext, BROKER_A "\ncompressed=true\nbodyCrc32=%u", crc31(body) ^ 1);
    answer = running_call(r, fd, REQ_REGISTER_BROKER, ext, body);
    assert_int_equal(answer.header.code, RESP_SYSTEM_ERROR);
    assert_true(slice_eq(answer.header.remark, SLICE("crc32 not match")));
    answer = running_call(r, fd, REQ_REGISTER_BROKER, BROKER_A "\ncompressed=false", body);
    assert_int_equal(answer.header.code, RESP_SUCCESS);
    answer = running_call(r, fd, REQ_REGISTER_BROKER, BROKER_A, SLICE("{\"half"));
    assert_int_equal(answer.header.code, RESP_SYSTEM_ERROR);
    answer = running_call(r, fd, REQ_REGISTER_BROKER, BROKER_A, none);
    assert_int_equal(answer.header.code, RESP_SUCCESS);
    answer = running_call(r, fd, REQ_REGISTER_BROKER, "brokerName=a", none);
    assert_int_equal(answer.header.code, RESP_SYSTEM_ERROR);
    close(fd);
}

/* Goal: the version question tells what the name server knows. */
static void data_version_is_compared(void **state)
{
    struct running *r = *state;
    static const char same[] = "{\"counter\":1,\"stateVersion\":0,\"timestamp\":5}";
    running_start(r);
    int fd = running_connect(r);
    struct answer answer = running_call(r, fd, REQ_QUERY_DATA_VERSION, BROKER_A, SLICE("{}"));
    assert_string_equal(answer_ext(r, &answer, "changed"), "true");
    assert_int_equal(answer.body.len, 0);
    register_a(r, fd);
    answer = running_call(r, fd, REQ_QUERY_DATA_VERSION, BROKER_A, slice_str(same));
    assert_string_equal(answer_ext(r, &answer, "changed"), "false");
    assert_string_equal(answer_body(r, &answer), same);
    close(fd);
}

/* Goal: a broker whose connection closes is offline.
 * Method: it registers, its connection closes; ask until the route is gone. */
static void closed_connection_takes_the_broker_offline(void **state)
{
    struct running *r = *state;
    running_start(r);
    int broker = running_connect(r);
    int client = running_connect(r);
    register_a(r, broker);
    assert_int_equal(route_code(r, client, "t"), RESP_SUCCESS);
    close(broker);
    while (route_code(r, client, "t") != RESP_TOPIC_NOT_EXIST)
        arena_reset(&r->arena);
    close(client);
}

/* Goal: a broker that falls silent is offline after the timeout it named, and is cut off. */
static void silent_broker_is_cut_off(void **state)
{
    struct running *r = *state;
    struct answer answer;
    running_start(r);
    int broker = running_connect(r);
    answer = running_call(r, broker, REQ_REGISTER_BROKER, BROKER_A "\nheartbeatTimeoutMillis=200",
                          register_body(r, false));
    assert_int_equal(answer.header.code, RESP_SUCCESS);
    assert_false(running_receive(r, broker, &answer));
    int client = running_connect(r);
    assert_int_equal(route_code(r, client, "t"), RESP_TOPIC_NOT_EXIST);
    close(broker);
    close(client);
}

/* Goal: the KV configuration is on disk before the answer, survives a restart, and tells brokers
 * and clients the order of topics. */
static void kv_is_on_disk_before_the_answer(void **state)
{
    struct running *r = *state;
    r->conf.order_message_enable = true;
    running_start(r);
    int fd = running_connect(r);
    struct answer answer = running_call(r, fd, REQ_PUT_KV_CONFIG,
                                        "namespace=ORDER_TOPIC_CONFIG\nkey=t\nvalue=a:4", none);
    assert_int_equal(answer.header.code, RESP_SUCCESS);
    assert_string_equal(running_file(r, "kv.json"),
                        "{\"configTable\":{\"ORDER_TOPIC_CONFIG\":{\"t\":\"a:4\"}}}");
    close(fd);
    running_stop(r);
    running_start(r);
    fd = running_connect(r);
    answer = running_call(r, fd, REQ_REGISTER_BROKER, BROKER_A, register_body(r, false));
    assert_string_equal(answer_body(r, &answer), "{\"table\":{\"t\":\"a:4\"}}");
    answer = running_call(r, fd, REQ_GET_ROUTEINFO_BY_TOPIC, "topic=t", none);
    assert_non_null(strstr(answer_body(r, &answer), "\"orderTopicConf\":\"a:4\""));
    answer = running_call(r, fd, REQ_GET_KV_CONFIG, "namespace=ORDER_TOPIC_CONFIG\nkey=t", none);
    assert_string_equal(answer_ext(r, &answer, "value"), "a:4");
    answer = running_call(r, fd, REQ_DELETE_KV_CONFIG, "namespace=ORDER_TOPIC_CONFIG\nkey=t", none);
    assert_int_equal(answer.header.code, RESP_SUCCESS);
    answer = running_call(r, fd, REQ_GET_KV_CONFIG, "namespace=ORDER_TOPIC_CONFIG\nkey=t", none);
    assert_int_equal(answer.header.code, RESP_QUERY_NOT_FOUND);
    answer = running_call(r, fd, REQ_GET_KVLIST_BY_NAMESPACE, "namespace=ORDER_TOPIC_CONFIG", none);
    assert_string_equal(answer_body(r, &answer), "{\"table\":{}}");
    answer = running_call(r, fd, REQ_GET_KVLIST_BY_NAMESPACE, "namespace=other", none);
    assert_int_equal(answer.header.code, RESP_QUERY_NOT_FOUND);
    answer = running_call(r, fd, REQ_PUT_KV_CONFIG, "namespace=x\nkey=y", none);
    assert_int_equal(answer.header.code, RESP_SYSTEM_ERROR);
    close(fd);
}

/* Goal: changes that are sent without waiting are all answered and all on disk. */
static void many_kv_changes_share_writes(void **state)
{
    enum { CHANGES = 200 };
    struct running *r = *state;
    struct answer answer;
    char ext[64];
    running_start(r);
    int fd = running_connect(r);
    for (int i = 0; i < CHANGES; i++) {
        snprintf(ext, sizeof ext, "namespace=n\nkey=k%d\nvalue=v%d", i, i);
        running_send(r, fd, REQ_PUT_KV_CONFIG, 0, 0, ext, none);
    }
    for (int i = 0; i < CHANGES; i++) {
        assert_true(running_receive(r, fd, &answer));
        assert_int_equal(answer.header.code, RESP_SUCCESS);
    }
    assert_non_null(strstr(running_file(r, "kv.json"), "\"k199\":\"v199\""));
    close(fd);
}

/* Goal: a change whose file cannot be written is refused and not there.
 * Method: a directory stands in the way of the new file. */
static void kv_that_cannot_be_written_is_refused(void **state)
{
    struct running *r = *state;
    char path[128];
    running_start(r);
    int fd = running_connect(r);
    snprintf(path, sizeof path, "%s/kv.json.tmp", r->directory);
    assert_int_equal(mkdir(path, 0755), 0);
    struct answer answer =
        running_call(r, fd, REQ_PUT_KV_CONFIG, "namespace=n\nkey=k\nvalue=v", none);
    assert_int_equal(answer.header.code, RESP_SYSTEM_ERROR);
    answer = running_call(r, fd, REQ_GET_KV_CONFIG, "namespace=n\nkey=k", none);
    assert_int_equal(answer.header.code, RESP_QUERY_NOT_FOUND);
    rmdir(path);
    answer = running_call(r, fd, REQ_PUT_KV_CONFIG, "namespace=n\nkey=k\nvalue=v", none);
    assert_int_equal(answer.header.code, RESP_SUCCESS);
    close(fd);
}

/* Goal: settings change all or nothing, are on disk before the answer, and each refusal has a
 * reason. */
static void settings_change_all_or_nothing(void **state)
{
    struct running *r = *state;
    running_start(r);
    int fd = running_connect(r);
    struct answer answer = running_call(r, fd, REQ_UPDATE_NAMESRV_CONFIG, "",
                                        SLICE("enableTopicList=false\nnoSuchKey=1\n"));
    assert_int_equal(answer.header.code, RESP_SYSTEM_ERROR);
    assert_non_null(
        strstr((const char *)arena_copy(&r->arena, answer.header.remark).data, "noSuchKey"));
    answer = running_call(r, fd, REQ_UPDATE_NAMESRV_CONFIG, "",
                          SLICE("enableTopicList=false\nkvConfigPath=/tmp/x\n"));
    assert_int_equal(answer.header.code, RESP_NO_PERMISSION);
    answer = running_call(r, fd, REQ_GET_NAMESRV_CONFIG, "", none);
    assert_non_null(strstr(answer_body(r, &answer), "enableTopicList=true\n"));
    assert_null(running_file(r, "namesrv.conf"));
    answer = running_call(r, fd, REQ_UPDATE_NAMESRV_CONFIG, "", SLICE("enableTopicList=false\n"));
    assert_int_equal(answer.header.code, RESP_SUCCESS);
    assert_non_null(strstr(running_file(r, "namesrv.conf"), "enableTopicList=false\n"));
    answer = running_call(r, fd, REQ_GET_TOPICS_BY_CLUSTER, "cluster=c1", none);
    assert_int_equal(answer.header.code, RESP_SYSTEM_ERROR);
    answer = running_call(r, fd, REQ_UPDATE_NAMESRV_CONFIG, "", none);
    assert_int_equal(answer.header.code, RESP_SUCCESS);
    close(fd);
}

/* Goal: routes wait for brokers when the settings say so. */
static void routes_wait_for_brokers_when_told(void **state)
{
    struct running *r = *state;
    r->conf.need_wait_for_service = true;
    running_start(r);
    int fd = running_connect(r);
    register_a(r, fd);
    assert_int_equal(route_code(r, fd, "t"), RESP_SYSTEM_ERROR);
    struct answer answer =
        running_call(r, fd, REQ_UPDATE_NAMESRV_CONFIG, "", SLICE("waitSecondsForService=0\n"));
    assert_int_equal(answer.header.code, RESP_SUCCESS);
    assert_int_equal(route_code(r, fd, "t"), RESP_SUCCESS);
    close(fd);
}

/* Goal: every other request answers in its form. */
static void other_requests_answer(void **state)
{
    struct running *r = *state;
    running_start(r);
    int fd = running_connect(r);
    register_a(r, fd);
    struct answer answer = running_call(r, fd, REQ_GET_BROKER_CLUSTER_INFO, "", none);
    assert_non_null(strstr(answer_body(r, &answer), "\"brokerAddrs\":{0:\"10.1.1.7:10911\"}"));
    assert_non_null(strstr(answer_body(r, &answer), "\"clusterAddrTable\":{\"c1\":[\"a\"]}"));
    answer = running_call(r, fd, REQ_GET_BROKER_MEMBER_GROUP, "clusterName=c1\nbrokerName=a", none);
    assert_string_equal(answer_body(r, &answer),
                        "{\"brokerMemberGroup\":{\"brokerAddrs\":{0:\"10.1.1.7:10911\"},"
                        "\"brokerName\":\"a\",\"cluster\":\"c1\"}}");
    answer = running_call(r, fd, REQ_WIPE_WRITE_PERM_OF_BROKER, "brokerName=a", none);
    assert_string_equal(answer_ext(r, &answer, "wipeTopicCount"), "2");
    answer = running_call(r, fd, REQ_ADD_WRITE_PERM_OF_BROKER, "brokerName=a", none);
    assert_string_equal(answer_ext(r, &answer, "addTopicCount"), "2");
    answer = running_call(r, fd, REQ_GET_ALL_TOPIC_LIST_FROM_NAMESERVER, "", none);
    assert_string_equal(answer_body(r, &answer), "{\"topicList\":[\"t\",\"u\"]}");
    answer = running_call(r, fd, REQ_GET_TOPICS_BY_CLUSTER, "cluster=none", none);
    assert_string_equal(answer_body(r, &answer), "{\"topicList\":[]}");
    answer = running_call(r, fd, REQ_GET_SYSTEM_TOPIC_LIST_FROM_NS, "", none);
    assert_string_equal(answer_body(r, &answer),
                        "{\"brokerAddr\":\"10.1.1.7:10911\",\"topicList\":[\"c1\",\"a\"]}");
    answer = running_call(r, fd, REQ_DELETE_TOPIC_IN_NAMESRV, "topic=t", none);
    assert_int_equal(route_code(r, fd, "t"), RESP_TOPIC_NOT_EXIST);
    answer = running_call(r, fd, REQ_REGISTER_TOPIC_IN_NAMESRV, "topic=v",
                          SLICE("{\"queueDatas\":[{\"brokerName\":\"a\",\"perm\":6,"
                                "\"readQueueNums\":1,\"writeQueueNums\":1}]}"));
    assert_int_equal(answer.header.code, RESP_SUCCESS);
    assert_int_equal(route_code(r, fd, "v"), RESP_SUCCESS);
    answer = running_call(r, fd, REQ_UNREGISTER_BROKER, BROKER_A, none);
    assert_int_equal(answer.header.code, RESP_SUCCESS);
    assert_int_equal(route_code(r, fd, "u"), RESP_TOPIC_NOT_EXIST);
    close(fd);
}

/* Goal: an unknown code is answered 3 with its number; a one-way request never. */
static void unknown_code_is_answered(void **state)
{
    struct running *r = *state;
    struct answer answer;
    running_start(r);
    int fd = running_connect(r);
    running_send(r, fd, 54321, 0, HEADER_ONEWAY, "", none);
    running_send(r, fd, REQ_BROKER_HEARTBEAT, 0, HEADER_ONEWAY,
                 "clusterName=c\nbrokerAddr=h:1\nbrokerName=b", none);
    running_send(r, fd, 54322, 0, 0, "", none);
    assert_true(running_receive(r, fd, &answer));
    assert_int_equal(answer.header.code, RESP_REQUEST_CODE_NOT_SUPPORTED);
    assert_true(slice_eq(answer.header.remark, SLICE(" request type 54322 not supported")));
    close(fd);
}

/* Goal: brokers hear of a new smallest id at the address they registered.
 * Method: the test listens as the slave's address while the master registers. */
static void brokers_hear_of_the_smallest_id(void **state)
{
    struct running *r = *state;
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    struct answer told;
    char ext[256];
    int slave = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(slave, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(slave, 1), 0);
    assert_int_equal(getsockname(slave, (struct sockaddr *)&address, &len), 0);
    r->conf.notify_min_broker_id_changed = true;
    running_start(r);
    int fd = running_connect(r);
    snprintf(ext, sizeof ext,
             "brokerName=a\nbrokerAddr=127.0.0.1:%d\nclusterName=c1\nhaServerAddr=h:2\nbrokerId=1",
             ntohs(address.sin_port));
    struct answer answer = running_call(r, fd, REQ_REGISTER_BROKER, ext, register_body(r, false));
    assert_int_equal(answer.header.code, RESP_SUCCESS);
    register_a(r, fd);
    int from = accept(slave, NULL, NULL);
    assert_true(from >= 0);
    assert_true(running_receive(r, from, &told));
    assert_int_equal(told.header.code, REQ_NOTIFY_MIN_BROKER_ID_CHANGE);
    assert_true((told.header.flag & HEADER_ONEWAY) != 0);
    assert_string_equal(answer_ext(r, &told, "minBrokerId"), "0");
    assert_string_equal(answer_ext(r, &told, "brokerName"), "a");
    assert_string_equal(answer_ext(r, &told, "minBrokerAddr"), "10.1.1.7:10911");
    assert_string_equal(answer_ext(r, &told, "haBrokerAddr"), "10.1.1.7:10912");
    close(from);
    close(slave);
    close(fd);
}

/* Goal: a damaged KV file without a backup refuses the start and is left alone. */
static void damaged_kv_file_refuses_the_start(void **state)
{
    struct running *r = *state;
    assert_int_equal(workers_new("unit", 1, 100, &r->workers), 0);
    struct namesrv_options options = { .conf = &r->conf, .workers = r->workers };
    struct namesrv *namesrv = NULL;
    FILE *file = fopen(r->conf.kv_config_path, "w");
    fputs("{\"configTable\":", file);
    fclose(file);
    assert_int_equal(loop_new("unit", &r->loop), 0);
    assert_int_equal(namesrv_start(r->loop, &options, &namesrv), ERR_CORRUPT);
    assert_null(namesrv);
    assert_string_equal(running_file(r, "kv.json"), "{\"configTable\":");
    workers_free(r->workers);
    loop_free(r->loop);
}

/* Keeps the only worker until it is opened. */
struct gate {
    struct job job;
    sem_t opened;
};

static void wait_at_gate(struct job *job)
{
    sem_wait(&((struct gate *)((char *)job - offsetof(struct gate, job)))->opened);
}

static void gate_left(struct job *job)
{
    (void)job;
}

struct question {
    struct loop_task task;
    struct running *running;
    sem_t answered;
    bool is_writing;
};

static void ask_writing(struct loop_task *task)
{
    struct question *q = (struct question *)((char *)task - offsetof(struct question, task));
    q->is_writing = namesrv_has_work_out(q->running->namesrv);
    sem_post(&q->answered);
}

static bool is_writing(struct running *r)
{
    struct question q = { .task = { .run = ask_writing }, .running = r };
    sem_init(&q.answered, 0, 0);
    loop_post(r->loop, &q.task);
    sem_wait(&q.answered);
    sem_destroy(&q.answered);
    return q.is_writing;
}

/* Goal: it is known, for the end of the process, whether a file is being written.
 * Method: a change whose worker is kept busy until the question was answered. */
static void a_write_under_way_is_known(void **state)
{
    struct running *r = *state;
    struct gate gate = { .job = { .run = wait_at_gate, .done = gate_left } };
    struct answer answer;
    sem_init(&gate.opened, 0, 0);
    running_start(r);
    int fd = running_connect(r);
    assert_int_equal(workers_submit(r->workers, r->loop, &gate.job), 0);
    assert_false(is_writing(r));
    running_send(r, fd, REQ_PUT_KV_CONFIG, 0, 0, "namespace=n\nkey=k\nvalue=v", none);
    while (!is_writing(r))
        ; /* the request is on its way */
    sem_post(&gate.opened);
    assert_true(running_receive(r, fd, &answer));
    assert_int_equal(answer.header.code, RESP_SUCCESS);
    assert_false(is_writing(r));
    close(fd);
    running_stop(r);
    sem_destroy(&gate.opened);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, running_make, running_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(route_comes_in_the_dialect_of_the_peer),
        TEST(registration_is_taken_in_all_forms),
        TEST(data_version_is_compared),
        TEST(closed_connection_takes_the_broker_offline),
        TEST(silent_broker_is_cut_off),
        TEST(kv_is_on_disk_before_the_answer),
        TEST(many_kv_changes_share_writes),
        TEST(kv_that_cannot_be_written_is_refused),
        TEST(settings_change_all_or_nothing),
        TEST(routes_wait_for_brokers_when_told),
        TEST(other_requests_answer),
        TEST(unknown_code_is_answered),
        TEST(brokers_hear_of_the_smallest_id),
        TEST(damaged_kv_file_refuses_the_start),
        TEST(a_write_under_way_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
