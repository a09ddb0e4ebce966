/* page.h - reports as one self-contained page of HTML with plots (page.html).
 *
 * Threads    the main thread.
 */
#ifndef BENCH_PAGE_H
#define BENCH_PAGE_H

#include "base/bytes.h"

/* `json` is a report, or an object {"rows":[...],"reports":[...]} of several. */
void page_of_report(struct slice json, struct buf *out);
/* The page as it stands in the program, with PAGE_PLACE where the data goes. */
struct slice page_template(void);
#define PAGE_PLACE "/*REPORT*/null"

#endif
