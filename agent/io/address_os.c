/* Between struct address and the system's socket addresses. */
#include "agent/io/address_os.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <string.h>

socklen_t address_to_os(const struct address *address, struct sockaddr_storage *ret_os)
{
	memset(ret_os, 0, sizeof(*ret_os));
	if (address->family == 4) {
		struct sockaddr_in *os = (struct sockaddr_in *)ret_os;
		os->sin_family = AF_INET;
		os->sin_port = htons(address->port);
		memcpy(&os->sin_addr, address->ip, 4);
		return sizeof(*os);
	}
	assert(address->family == 6);
	struct sockaddr_in6 *os = (struct sockaddr_in6 *)ret_os;
	os->sin6_family = AF_INET6;
	os->sin6_port = htons(address->port);
	memcpy(&os->sin6_addr, address->ip, 16);
	return sizeof(*os);
}

bool address_from_os(const struct sockaddr_storage *os, struct address *ret_address)
{
	*ret_address = (struct address){0};
	if (os->ss_family == AF_INET) {
		const struct sockaddr_in *os4 = (const struct sockaddr_in *)os;
		ret_address->family = 4;
		ret_address->port = ntohs(os4->sin_port);
		memcpy(ret_address->ip, &os4->sin_addr, 4);
		return true;
	}
	if (os->ss_family != AF_INET6)
		return false;
	const struct sockaddr_in6 *os6 = (const struct sockaddr_in6 *)os;
	ret_address->family = 6;
	ret_address->port = ntohs(os6->sin6_port);
	memcpy(ret_address->ip, &os6->sin6_addr, 16);
	return true;
}
