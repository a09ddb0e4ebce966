#include "base/ticks.h"

#ifdef __x86_64__
#include <cpuid.h>
#endif

/* Long enough to know a tick's length to a few parts in ten thousand. */
#define CALIBRATION_NS 200000

static double ns_per_tick = 1;

#ifdef __x86_64__
bool ticks_are_counted;

/* Counts at one rate, whatever the processor's frequency and sleep are. */
static bool is_invariant(void)
{
    enum { POWER_LEAF = 0x80000007, INVARIANT_TSC = 1 << 8 };
    unsigned eax, ebx, ecx, edx = 0;
    return __get_cpuid((unsigned)POWER_LEAF, &eax, &ebx, &ecx, &edx) != 0 &&
           (edx & INVARIANT_TSC) != 0;
}

void ticks_init(void)
{
    if (ticks_are_counted || !is_invariant())
        return;
    int64_t start_ns = clock_monotonic_ns(), now_ns;
    uint64_t start = __builtin_ia32_rdtsc(), now;
    do {
        now_ns = clock_monotonic_ns();
        now = __builtin_ia32_rdtsc();
    } while (now_ns - start_ns < CALIBRATION_NS);
    if (now <= start)
        return;
    ns_per_tick = (double)(now_ns - start_ns) / (double)(now - start);
    ticks_are_counted = true;
}
#else
void ticks_init(void)
{
}
#endif

int64_t ticks_to_ns(uint64_t later, uint64_t earlier)
{
    int64_t ticks = (int64_t)(later - earlier);
    return ticks <= 0 ? 0 : (int64_t)((double)ticks * ns_per_tick);
}
