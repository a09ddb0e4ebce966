#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/floor.h"
#include "bench/load.h"
#include "wire/codes.h"

/* Goal: the floor carries the generator's load: every message comes back, from every connection.
 * Method: several connections, windows and both headers. */
static void every_message_comes_back(void **state)
{
    struct floor *floor;
    struct load_result *result = malloc(sizeof *result);
    assert_int_equal(floor_start(*(enum floor_kind *)*state, ".", &floor), 0);
    for (int type = SERIALIZE_JSON; type <= SERIALIZE_BINARY; type++) {
        const struct send_frame_options options = {
            .type = (enum serialize_type)type, .topic = "t", .queue_count = 8, .body_bytes = 1024
        };
        struct send_frame frame;
        assert_int_equal(send_frame_init(&frame, &options), 0);
        const struct load_plan plan = {
            .address = floor_address(floor),
            .frame = &frame,
            .accept_code = REQ_SEND_MESSAGE_V2,
            .connections = 5,
            .outstanding = 32,
            .duration_ns = INT64_C(60000000000),
            .message_count = 5000,
            .timeout_ns = INT64_C(60000000000),
            .now_ns = clock_monotonic_ns,
        };
        assert_int_equal(load_run(&plan, result), 0);
        assert_int_equal(result->accepted, 5000);
        assert_int_equal(result->lost + result->refused, 0);
        send_frame_fini(&frame);
    }
    assert_true(floor_cpu_ns(floor) > 0);
    floor_stop(floor);
    free(result);
}

/* Goal: frames are told apart wherever the bytes of the stream are cut. Method: three frames, one
 * of them nothing but its length, a byte at a time. */
static void frames_are_answered_however_they_come(void **state)
{
    static const uint8_t frames[] = { 0, 0, 0, 2, 'a', 'b', 0, 0, 0, 0, 0, 0, 0, 1, 'c' };
    struct floor *floor;
    assert_int_equal(floor_start(*(enum floor_kind *)*state, ".", &floor), 0);
    struct sockaddr_in address = floor_address(floor);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    uint8_t back[sizeof frames];
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    for (size_t i = 0; i < sizeof frames; i++)
        assert_int_equal(send(client, frames + i, 1, 0), 1);
    assert_int_equal(recv(client, back, sizeof back, MSG_WAITALL), sizeof back);
    assert_memory_equal(back, frames, sizeof back);
    close(client);
    floor_stop(floor);
}

/* Goal: a client that does not read stops the echo, not the server, and gets everything in the end.
 * Method: send a frame without end until nothing more is taken, while a second client is served;
 * then read it all. */
static void a_slow_reader_is_waited_for(void **state)
{
    static const uint8_t block[65536] = { 0x7f, 0xff, 0xff, 0xff };
    static uint8_t echoed[sizeof block];
    uint8_t ping[] = { 0, 0, 0, 1, 'p' };
    struct floor *floor;
    assert_int_equal(floor_start(*(enum floor_kind *)*state, ".", &floor), 0);
    struct sockaddr_in address = floor_address(floor);
    int slow = socket(AF_INET, SOCK_STREAM, 0), other = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(slow, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(connect(other, (struct sockaddr *)&address, sizeof address), 0);
    size_t sent = 0, back = 0;
    ssize_t got;
    for (int round = 0; round < 200; round++) {
        while ((got = send(slow, block, sizeof block, MSG_DONTWAIT)) > 0)
            sent += (size_t)got;
        assert_int_equal(send(other, ping, sizeof ping, 0), sizeof ping);
        assert_int_equal(recv(other, ping, sizeof ping, MSG_WAITALL), sizeof ping);
    }
    while (back < sent && (got = recv(slow, echoed, sizeof echoed, 0)) > 0)
        back += (size_t)got;
    assert_int_equal(back, sent);
    close(slow);
    close(other);
    floor_stop(floor);
}

/* Goal: where there is no disk to write to, it says so. */
static void a_missing_directory_is_told(void **state)
{
    struct floor *floor;
    assert_int_equal(floor_start(*(enum floor_kind *)*state, "no/such/directory", &floor),
                     ERR_NOT_FOUND);
}

static enum floor_kind echo = FLOOR_ECHO, keep = FLOOR_KEEP, sync_kind = FLOOR_SYNC;
#define EACH_KIND(test)                                                                            \
    cmocka_unit_test_prestate(test, &echo), cmocka_unit_test_prestate(test, &keep),                \
        cmocka_unit_test_prestate(test, &sync_kind)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH_KIND(every_message_comes_back),
        EACH_KIND(frames_are_answered_however_they_come),
        EACH_KIND(a_slow_reader_is_waited_for),
        cmocka_unit_test_prestate(a_missing_directory_is_told, &keep),
        cmocka_unit_test_prestate(a_missing_directory_is_told, &sync_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
