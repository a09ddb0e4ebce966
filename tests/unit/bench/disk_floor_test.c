#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bench/device.h"
#include "bench/disk_floor.h"

/* Goal: a sample has every sync and a bandwidth for each way; samples add up. */
static void samples_have_all_figures(void **state)
{
    (void)state;
    struct disk_floor *disk;
    static struct disk_sample sample;
    assert_int_equal(disk_floor_open(".", &disk), 0);
    assert_int_equal(disk_floor_sample(disk, &sample), 0);
    assert_int_equal(disk_floor_sample(disk, &sample), 0);
    assert_int_equal(sample.fdatasync.count, 2 * DISK_SYNCS);
    assert_true(sample.write_bytes_per_s > 0);
    assert_true(sample.growing_bytes_per_s > 0);
    assert_true(sample.read_bytes_per_s > 0);
    assert_true(sample.memcpy_bytes_per_s > 0);
    disk_floor_close(disk);
}

static void a_directory_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    struct disk_floor *disk;
    assert_int_equal(disk_floor_open("no/such/directory", &disk), ERR_NOT_FOUND);
    assert_int_equal(device_written_bytes("no/such/directory"), -1);
    assert_int_equal(device_written_bytes("/proc"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_have_all_figures),
        cmocka_unit_test(a_directory_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
