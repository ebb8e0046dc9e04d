/* Between struct address and the system's socket addresses. */
#ifndef AGENT_IO_ADDRESS_OS_H
#define AGENT_IO_ADDRESS_OS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "proto/types.h"

/* Fills `ret_os` and returns its length. Requires: family 4 or 6. */
socklen_t address_to_os(const struct address *address, struct sockaddr_storage *ret_os);
/* False: neither IPv4 nor IPv6. */
bool address_from_os(const struct sockaddr_storage *os, struct address *ret_address);

#endif
