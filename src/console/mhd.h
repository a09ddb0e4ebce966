/* mhd.h - libmicrohttpd, loaded when the first browser comes.
 *
 * It brings GnuTLS, which is not used here, as Debian builds it: 2.7 MiB resident and 1.6 ms of
 * every start. Linked, that would be the price of each broker and of each `ramjet send`.
 *
 * Ownership  it stays loaded.
 * Threads    the console's loop.
 */
#ifndef CONSOLE_MHD_H
#define CONSOLE_MHD_H

#include <microhttpd.h>

#define MHD_FUNCTIONS(row)                                                                         \
    row(add_connection) row(add_response_header) row(create_response_from_buffer)                  \
        row(destroy_response) row(get_connection_info) row(get_daemon_info) row(get_timeout)       \
            row(lookup_connection_value) row(queue_response) row(resume_connection) row(run)       \
                row(start_daemon) row(stop_daemon) row(suspend_connection)

/* mhd->run is MHD_run, and so on. */
struct mhd {
#define MHD_MEMBER(name) __typeof__(MHD_##name) *name;
    MHD_FUNCTIONS(MHD_MEMBER)
#undef MHD_MEMBER
};

/* NULL: it cannot be loaded; why is in the log. */
const struct mhd *mhd_load(void);

#endif
