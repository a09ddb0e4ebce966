/* Goal: lists of light queues are walked within their bounds, and what is taken is walked whole. */
#include "fuzz.h"
#include "wire/multi_dispatch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = { data, size };
    struct slice topic = SLICE("orders");
    struct slice rest = text;
    struct multi_dispatch list;
    struct slice name;
    int64_t queue_offset;
    int count;
    if (multi_dispatch_fault(topic, text, &count) == NULL) {
        int walked = 0;
        while (count > 0 && multi_dispatch_next_name(&rest, &name)) {
            CHECK(name_is_light(name));
            touch(name);
            walked++;
        }
        CHECK(walked == count);
    }
    if (multi_dispatch_of(topic, text, &list))
        while (multi_dispatch_next(&list, &name, &queue_offset)) {
            CHECK(name_is_light(name) && queue_offset >= 0);
            touch(name);
            CHECK(multi_dispatch_offset(topic, text, name) >= 0);
        }
    return 0;
}
