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

struct list {
    unsigned count;
    struct address at[WILDCARDS + MAX_ADDRESSES];
};

static const struct address wildcards[WILDCARDS] = {{.family = AF_INET}, {.family = AF_INET6}};
static struct list known;
static uint32_t generation;
static int route = -1;
_Alignas(8) uint8_t scratch[8192]; /* the most that netlink puts into one message */

static void add_address(struct list *list, const struct nlmsghdr *message) {
    const struct ifaddrmsg *head = NLMSG_DATA(message);
    struct address address = {.family = head->ifa_family, .interface = head->ifa_index};
    size_t size = head->ifa_family == AF_INET ? 4 : 16;
    int left = (int)(message->nlmsg_len - NLMSG_LENGTH(sizeof *head)); /* signed: RTA_NEXT may go below 0 */
    bool found = false;

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

static bool read_answer(struct list *list) {
    for (;;) {
        ssize_t length = recv(route, scratch, sizeof scratch, 0);
        if (length < 0)
            return false;
        for (const struct nlmsghdr *message = (void *)scratch; length > 0 && NLMSG_OK(message, (size_t)length);
             message = NLMSG_NEXT(message, length)) {
            if (message->nlmsg_type == NLMSG_DONE)
                return true;
            if (message->nlmsg_type == NLMSG_ERROR)
                return false;
            if (message->nlmsg_type == RTM_NEWADDR)
                add_address(list, message);
        }
    }
}

/* False where the kernel does not tell; the wildcards are known even then. */
bool addresses_refresh(void) {
    struct list found = {.count = WILDCARDS, .at = {wildcards[0], wildcards[1]}};
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
