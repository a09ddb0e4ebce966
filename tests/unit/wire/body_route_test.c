#include "wire/bodies.h"
#include "wire/body_route.h"

static const char bare[] =
    "{\"brokerDatas\":[{\"brokerAddrs\":{0:\"10.1.1.7:10911\",1:\"10.1.1.8:10911\"},"
    "\"brokerName\":\"bk-a\",\"cluster\":\"c1\",\"enableActingMaster\":false}],"
    "\"filterServerTable\":{},\"orderTopicConf\":\"bk-a:4\",\"queueDatas\":[{\"brokerName\":"
    "\"bk-a\",\"perm\":6,\"readQueueNums\":4,\"topicSysFlag\":0,\"writeQueueNums\":4}]}";

/* Goal: a route comes back byte for byte; strict clients get quoted keys. */
static void a_route_comes_back(void **state)
{
    struct route_data route;
    struct buf out = BUF_INIT;
    assert_int_equal(route_data_decode(slice_str(bare), *state, &route), 0);
    assert_int_equal(route.broker_count, 1);
    assert_int_equal(route.brokers[0].addrs[1].broker_id, 1);
    assert_int_equal(route.queues[0].perm, 6);
    route_data_encode(&route, JSON_DIALECT, &out);
    assert_buf(&out, bare);
    route_data_encode(&route, JSON_STANDARD, &out);
    assert_non_null(memmem(out.data, out.len, "{\"0\":\"10.1.1.7:10911\",\"1\":", 26));
    assert_int_equal(route_data_decode(buf_slice(&out), *state, &route), 0);
    assert_int_equal(route.brokers[0].addr_count, 2);
    buf_fini(&out);
}

/* Goal: the cluster and a broker group come back byte for byte, their integer keys bare. */
static void cluster_and_members_come_back(void **state)
{
    static const char cluster[] =
        "{\"brokerAddrTable\":{\"bk-a\":{\"brokerAddrs\":{0:\"ip:1\"},\"brokerName\":\"bk-a\","
        "\"cluster\":\"c1\",\"enableActingMaster\":true}},\"clusterAddrTable\":{\"c1\":[\"bk-a\"]}"
        "}";
    static const char members[] = "{\"brokerMemberGroup\":{\"brokerAddrs\":{0:\"ip:port\"},"
                                  "\"brokerName\":\"bk-a\",\"cluster\":\"c1\"}}";
    struct cluster_info info;
    const struct broker_addr addr = { 0, SLICE("ip:port") };
    const struct member_group group = {
        .cluster = SLICE("c1"), .broker_name = SLICE("bk-a"), .addrs = &addr, .addr_count = 1
    };
    struct buf out = BUF_INIT;
    assert_int_equal(cluster_info_decode(slice_str(cluster), *state, &info), 0);
    assert_text(info.clusters[0].broker_names[0], "bk-a");
    cluster_info_encode(&info, &out);
    assert_buf(&out, cluster);
    member_group_encode(&group, &out);
    assert_buf(&out, members);
}

static void every_prefix_is_refused(void **state)
{
    struct route_data route;
    ASSERT_PREFIXES_REFUSED(bare, *state, route_data_decode, &route);
}

int main(void)
{
    const struct CMUnitTest tests[] = { BODY_TEST(a_route_comes_back),
                                        BODY_TEST(cluster_and_members_come_back),
                                        BODY_TEST(every_prefix_is_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
