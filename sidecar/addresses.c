#include "udp-healthcheck.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const struct address address_loopback[2] = {
    {.family = AF_INET, .bytes = {127, 0, 0, 1}},
    {.family = AF_INET6, .bytes = {[15] = 1}},
};

static const struct address wildcards[WILDCARDS] = {{.family = AF_INET}, {.family = AF_INET6}};
static struct addresses known;
static uint32_t generation;
static int route = -1;

static void add_address(struct addresses *list, const struct nlmsghdr *message) {
    const struct ifaddrmsg *head = NLMSG_DATA(message);
    int left = (int)(message->nlmsg_len - NLMSG_LENGTH(sizeof *head)); /* signed: RTA_NEXT may go below 0 */
    bool found = false;

    if (message->nlmsg_len < NLMSG_LENGTH(sizeof *head))
        return;
    struct address address = {.family = head->ifa_family, .interface = head->ifa_index};
    size_t size = head->ifa_family == AF_INET ? 4 : 16;

    /* Loopback and link-local addresses are out of every load balancer's reach. */
    if (head->ifa_scope >= RT_SCOPE_LINK || list->count == WILDCARDS + MAX_ADDRESSES)
        return;
    for (const struct rtattr *item = IFA_RTA(head); RTA_OK(item, left); item = RTA_NEXT(item, left)) {
        /* On a point-to-point link IFA_ADDRESS is the peer's and IFA_LOCAL ours. */
        bool ours = item->rta_type == IFA_LOCAL || (item->rta_type == IFA_ADDRESS && !found);
        if (ours && RTA_PAYLOAD(item) == size) {
            memcpy(address.bytes, RTA_DATA(item), size);
            found = true;
        }
    }
    if (found)
        list->at[list->count++] = address;
}

static bool ask(void) {
    struct {
        struct nlmsghdr header;
        struct ifaddrmsg body;
    } request = {
        .header = {.nlmsg_len = sizeof request, .nlmsg_type = RTM_GETADDR, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
    };
    if (route < 0)
        route = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    while (recv(route, scratch, sizeof scratch, 0) >= 0)
        ; /* an answer that was given up */
    return send(route, &request, sizeof request, 0) == (ssize_t)sizeof request;
}

/* True at the end of the answer, and then whether it is whole. */
bool addresses_read(const void *answer, size_t length, struct addresses *list, bool *told) {
    for (const struct nlmsghdr *message = answer; length >= sizeof *message && NLMSG_OK(message, length);) {
        *told = message->nlmsg_type == NLMSG_DONE;
        if (*told || message->nlmsg_type == NLMSG_ERROR)
            return true;
        if (message->nlmsg_type == RTM_NEWADDR)
            add_address(list, message);
        size_t size = NLMSG_ALIGN(message->nlmsg_len);
        if (size >= length)
            break;
        length -= size;
        message = (const void *)((const char *)message + size);
    }
    return false;
}

static bool read_answer(struct addresses *list) {
    bool told = false, over = false;
    while (!over) {
        ssize_t length = recv(route, scratch, sizeof scratch, 0);
        over = length < 0 || addresses_read(scratch, (size_t)length, list, &told);
    }
    return told;
}

/* False where the kernel does not tell; the wildcards are known even then. */
bool addresses_refresh(void) {
    struct addresses found = {.count = WILDCARDS, .at = {wildcards[0], wildcards[1]}};
    bool told = ask() && read_answer(&found);
    if (!told && known.count)
        return false;
    if (memcmp(&found, &known, sizeof known) != 0) {
        known = found;
        generation++;
    }
    return told;
}

unsigned address_count(void) {
    return known.count;
}

const struct address *address_at(unsigned place) {
    return &known.at[place];
}

/* Wildcards are in the list, too: their places come first. */
bool address_find(const struct address *address, unsigned *place) {
    for (*place = 0; *place < known.count; ++*place)
        if (known.at[*place].family == address->family &&
            memcmp(known.at[*place].bytes, address->bytes, sizeof address->bytes) == 0)
            return true;
    return false;
}

bool address_is_loopback(const struct address *address) {
    if (address->family == AF_INET)
        return address->bytes[0] == 127;
    return memcmp(address->bytes, address_loopback[1].bytes, sizeof address->bytes) == 0;
}

uint32_t addresses_generation(void) {
    return generation;
}
