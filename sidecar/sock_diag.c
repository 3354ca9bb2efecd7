#include "udp-healthcheck.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int diag = -1;
static uint32_t sequence;

static bool ask(struct inet_diag_req_v2 *body) {
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 body;
    } request = {
        .header = {.nlmsg_len = sizeof request,
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST,
                   .nlmsg_seq = ++sequence},
        .body = *body,
    };
    if (diag < 0)
        diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
    return send(diag, &request, sizeof request, 0) == (ssize_t)sizeof request;
}

static void read_found(const struct nlmsghdr *reply, struct member *found) {
    const struct inet_diag_msg *message = NLMSG_DATA(reply);
    int left = (int)(reply->nlmsg_len - NLMSG_LENGTH(sizeof *message)); /* signed: RTA_NEXT may go below 0 */

    found->identity = (uint64_t)message->id.idiag_cookie[1] << 32 | message->id.idiag_cookie[0];
    found->waiting = message->idiag_rqueue;
    for (const struct rtattr *item = (const void *)(message + 1); RTA_OK(item, left); item = RTA_NEXT(item, left))
        if (item->rta_type == INET_DIAG_SKMEMINFO && RTA_PAYLOAD(item) >= (SK_MEMINFO_DROPS + 1) * sizeof(uint32_t))
            found->drops = ((const uint32_t *)RTA_DATA(item))[SK_MEMINFO_DROPS];
}

static bool holds(const struct nlmsghdr *reply, size_t size) {
    return reply->nlmsg_len >= NLMSG_LENGTH(size);
}

/* Stale is what answers an earlier question. */
enum lookup sock_diag_read(const void *bytes, size_t length, uint32_t wanted, struct member *found) {
    const struct nlmsghdr *reply = bytes;
    if (length < sizeof *reply || !NLMSG_OK(reply, length) || reply->nlmsg_seq != wanted)
        return LOOKUP_STALE;
    if (reply->nlmsg_type == NLMSG_ERROR) {
        const struct nlmsgerr *error = NLMSG_DATA(reply);
        bool is_miss = holds(reply, sizeof error->error) &&
                       (error->error == -ENOENT || error->error == -EINVAL /* a kernel without IPv6 */);
        return is_miss ? LOOKUP_MISS : LOOKUP_FAILED;
    }
    if (!holds(reply, sizeof(struct inet_diag_msg)))
        return LOOKUP_FAILED;
    read_found(reply, found);
    return LOOKUP_HIT;
}

/* The kernel answers within send(), so there is nothing to wait for. */
static enum lookup answer(struct member *found) {
    _Alignas(struct nlmsghdr) char reply[1024];
    enum lookup result = LOOKUP_STALE;
    while (result == LOOKUP_STALE) {
        ssize_t length = recv(diag, reply, sizeof reply, 0);
        result = length < 0 ? LOOKUP_FAILED : sock_diag_read(reply, (size_t)length, sequence, found);
    }
    return result;
}

static enum lookup find(struct inet_diag_req_v2 *request, struct member *found) {
    request->id.idiag_cookie[0] = request->id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    request->idiag_states = ~0u;
    return ask(request) ? answer(found) : LOOKUP_FAILED;
}

/* The socket that would get a datagram from this source port. UDP look-ups take the remote side as src. */
enum lookup sock_diag_udp(const struct address *local, uint16_t port, uint16_t source, struct member *found) {
    struct inet_diag_req_v2 request = {.sdiag_family = (uint8_t)local->family, .sdiag_protocol = IPPROTO_UDP};
    request.id.idiag_sport = htons(source);
    request.id.idiag_dport = htons(port);
    request.id.idiag_if = local->interface;
    memcpy(request.id.idiag_dst, local->bytes, sizeof local->bytes);
    request.idiag_ext = 1 << (INET_DIAG_SKMEMINFO - 1); /* drops are told nowhere else */
    return find(&request, found);
}

enum lookup sock_diag_tcp_listener(const struct address *local, uint16_t port, struct member *found) {
    struct inet_diag_req_v2 request = {.sdiag_family = (uint8_t)local->family, .sdiag_protocol = IPPROTO_TCP};
    request.id.idiag_sport = htons(port);
    request.id.idiag_if = local->interface;
    memcpy(request.id.idiag_src, local->bytes, sizeof local->bytes);
    return find(&request, found);
}

/* A missing handler answers like a missing socket: only a socket of our own that is found proves anything. */
static bool finds_own(const struct address *loopback, const struct sockaddr *address, socklen_t size) {
    union {
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } bound;
    socklen_t bound_size = sizeof bound;
    struct member found = {0};
    uint64_t own = 0;
    socklen_t own_size = sizeof own;
    int socket_of_own = socket((int)loopback->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    bool works = socket_of_own >= 0 && bind(socket_of_own, address, size) == 0 &&
                 getsockname(socket_of_own, (struct sockaddr *)&bound, &bound_size) == 0 &&
                 getsockopt(socket_of_own, SOL_SOCKET, SO_COOKIE, &own, &own_size) == 0 &&
                 sock_diag_udp(loopback, ntohs(bound.v4.sin_port), 1, &found) == LOOKUP_HIT && own == found.identity;
    if (socket_of_own >= 0)
        close(socket_of_own);
    return works;
}

bool sock_diag_works(void) {
    const struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    return finds_own(&address_loopback[0], (const struct sockaddr *)&v4, sizeof v4) ||
           finds_own(&address_loopback[1], (const struct sockaddr *)&v6, sizeof v6);
}
