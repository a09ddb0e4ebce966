#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/mman.h>
#include <unistd.h>

#include "broker/figures/kernel_facts.h"

/* Goal: what this thread does to memory is seen between two readings, and nothing goes back.
 * Method: touch 64 fresh pages. */
static void faults_of_a_thread_are_counted(void **state)
{
    (void)state;
    enum { PAGES = 64, PAGE_BYTES = 4096 };
    struct kernel_facts before, after;
    kernel_facts_read(&before, gettid());
    volatile uint8_t *memory =
        mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    madvise((void *)(uintptr_t)memory, PAGES * PAGE_BYTES, MADV_NOHUGEPAGE);
    for (int i = 0; i < PAGES; i++)
        memory[i * PAGE_BYTES] = 1;
    kernel_facts_read(&after, gettid());
    struct kernel_facts between = kernel_facts_between(&before, &after);
    assert_true(between.minor_faults >= PAGES);
    assert_true(between.read_ns > 0);
    assert_true(between.run_queue_us >= 0 && between.written_kib >= 0 && between.io_stall_us >= 0);
    munmap((void *)(uintptr_t)memory, PAGES * PAGE_BYTES);
}

/* Goal: a thread that is not there has no counters, and that is no failure. */
static void unreadable_counters_are_zero(void **state)
{
    (void)state;
    struct kernel_facts facts;
    kernel_facts_read(&facts, 1 << 30);
    assert_int_equal(facts.minor_faults, 0);
    assert_int_equal(facts.run_queue_us, 0);
    assert_true(facts.read_ns > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_of_a_thread_are_counted),
        cmocka_unit_test(unreadable_counters_are_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
