/* page.c - the page is a file of its own, included by the assembler as it stands. */
#include "bench/page.h"

#include <assert.h>

__asm__(".section .rodata\n"
        ".global page_html, page_html_end\n"
        "page_html:\n"
        ".incbin \"" BENCH_PAGE_PATH "\"\n"
        "page_html_end:\n"
        ".previous\n");
extern const uint8_t page_html[], page_html_end[];

/* Where the data goes. */
#define PLACE "/*REPORT*/null"

/* "</" would end the script that the data stands in; in JSON text "<\/" is the same. */
static void append_json(struct buf *out, struct slice json)
{
    for (size_t i = 0; i < json.len; i++) {
        buf_append_u8(out, json.data[i]);
        if (json.data[i] == '<' && i + 1 < json.len && json.data[i + 1] == '/')
            buf_append_u8(out, '\\');
    }
}

void page_of_report(struct slice json, struct buf *out)
{
    struct slice page = slice_of(page_html, (size_t)(page_html_end - page_html));
    struct slice place = SLICE(PLACE);
    const uint8_t *at = memmem(page.data, page.len, place.data, place.len);
    assert(at != NULL);
    size_t before = (size_t)(at - page.data);
    buf_append_slice(out, slice_of(page.data, before));
    append_json(out, json);
    buf_append_slice(out, slice_from(page, before + place.len));
}
