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

struct moment {
    int64_t ns;
    uint64_t ticks;
};

/* The same moment by both. A thread may be put aside between the two readings: of several tries the
 * one that took the fewest ticks counts. */
static struct moment read_both(void)
{
    enum { TRIES = 8 };
    struct moment best = { 0 };
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < TRIES; i++) {
        uint64_t before = __builtin_ia32_rdtsc();
        int64_t ns = clock_monotonic_ns();
        uint64_t took = __builtin_ia32_rdtsc() - before;
        if (took < least) {
            least = took;
            best = (struct moment){ ns, before + took / 2 };
        }
    }
    return best;
}

void ticks_init(void)
{
    if (ticks_are_counted || !is_invariant())
        return;
    struct moment start = read_both(), now;
    do
        now = read_both();
    while (now.ns - start.ns < CALIBRATION_NS);
    if (now.ticks <= start.ticks)
        return;
    ns_per_tick = (double)(now.ns - start.ns) / (double)(now.ticks - start.ticks);
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
