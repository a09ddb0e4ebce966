/* address.h - the address a broker tells others.
 *
 * Threads    any; may block (names are resolved), so only at start.
 */
#ifndef BROKER_ADDRESS_H
#define BROKER_ADDRESS_H

#include "net/conn.h"
#include "wire/record.h"

/* The first IPv4 address that is not loopback, as text; "127.0.0.1" when there is none. */
void address_of_machine(char *text, size_t text_bytes);

/* `text`, numeric or a name, as a host without a port. ERR_INVALID: it has no address; logged. */
MUST_CHECK int address_resolve(const char *text, struct host *host);

/* The address of a connection's end as it stands in records. */
void address_host(const struct conn_address *address, struct host *host);

#endif
