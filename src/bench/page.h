/* page.h - reports as one self-contained page of HTML with plots (page.html).
 *
 * Threads    the main thread.
 */
#ifndef BENCH_PAGE_H
#define BENCH_PAGE_H

#include "base/bytes.h"

/* `json` is a report, or an object {"rows":[...],"reports":[...]} of several. */
void page_of_report(struct slice json, struct buf *out);

#endif
