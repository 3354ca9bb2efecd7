#include "udp-healthcheck.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define AT_A_TIME 64 /* datagrams read in one step */
#define HELD 8192    /* bytes of replies; the kernel doubles it to room for fewer, so none is left for the next step */

union name {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static const struct arguments *given;

void payloads_start(const struct arguments *arguments) {
    given = arguments;
}

/* One socket for both families; IPv4 alone where there is no IPv6. */
void payload_start(struct payload *payload) {
    const int off = 0, held = HELD, type = SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    *payload = (struct payload){.descriptor = socket(AF_INET6, type, 0), .family = AF_INET6};
    if (payload->descriptor < 0) {
        payload->descriptor = socket(AF_INET, type, 0);
        payload->family = AF_INET;
    }
    setsockopt(payload->descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    setsockopt(payload->descriptor, SOL_SOCKET, SO_RCVBUF, &held, sizeof held);
}

/* On an IPv6 socket IPv4 addresses are written ::ffff:a.b.c.d. */
static socklen_t name_of(const struct payload *payload, const struct address *address, uint16_t port, union name *name) {
    *name = (union name){.v6 = {.sin6_family = payload->family, .sin6_port = htons(port)}};
    if (payload->family == AF_INET) {
        memcpy(&name->v4.sin_addr, address->bytes, sizeof name->v4.sin_addr);
        return sizeof name->v4;
    }
    if (address->family == AF_INET) {
        memset(name->v6.sin6_addr.s6_addr + 10, 0xff, 2);
        memcpy(name->v6.sin6_addr.s6_addr + 12, address->bytes, 4);
    } else {
        memcpy(&name->v6.sin6_addr, address->bytes, sizeof name->v6.sin6_addr);
    }
    return sizeof name->v6;
}

static struct address address_of(const union name *name) {
    struct address address = {.family = name->any.sa_family};
    if (address.family == AF_INET) {
        memcpy(address.bytes, &name->v4.sin_addr, sizeof name->v4.sin_addr);
    } else if (IN6_IS_ADDR_V4MAPPED(&name->v6.sin6_addr)) {
        address.family = AF_INET;
        memcpy(address.bytes, name->v6.sin6_addr.s6_addr + 12, 4);
    } else {
        memcpy(address.bytes, &name->v6.sin6_addr, sizeof name->v6.sin6_addr);
    }
    return address;
}

static bool is_local(const struct address *address) {
    unsigned place;
    return address_is_loopback(address) || (address_find(address, &place) && place >= WILDCARDS);
}

/* A socket on [::] mostly takes IPv4, too, but a strict reading comes first. */
static bool reaches(const struct address *asked, struct group *group, bool strictly) {
    for (unsigned i = 0; i < group->count; i++) {
        unsigned place = group_at(group, i)->place;
        const struct address *bound = address_at(place);
        if (place < WILDCARDS ? bound->family == asked->family || !strictly : memcmp(bound, asked, sizeof *bound) == 0)
            return true;
    }
    return false;
}

/* The first address that a socket of the group serves, IPv4 before IPv6. */
static const struct address *choose(const struct address *addresses, unsigned count, struct group *group) {
    static const uint32_t families[] = {AF_INET, AF_INET6};
    for (unsigned loosely = 0; loosely < 2; loosely++)
        for (unsigned family = 0; family < 2; family++)
            for (unsigned i = 0; i < count; i++)
                if (addresses[i].family == families[family] && reaches(&addresses[i], group, !loosely))
                    return &addresses[i];
    return &addresses[0];
}

/* NULL for an address that is not ours: no pod may be green on another's health, or be made to fire at one. */
static const struct address *target_of(const struct options *options, struct group *group) {
    unsigned own = address_count() - WILDCARDS;
    if (options->to == TO_ADDRESS)
        return is_local(&options->address) ? &options->address : NULL;
    if (options->to == TO_POD && own > 0)
        return choose(address_at(WILDCARDS), own, group);
    return choose(address_loopback, 2, group);
}

/* The application may want to bind what the kernel just gave us. */
static bool source_is_the_applications(int descriptor) {
    union name own = {0};
    socklen_t size = sizeof own;
    getsockname(descriptor, &own.any, &size);
    for (unsigned i = 0; i < given->port_count; i++)
        if (given->ports[i].options.udp_port == ntohs(own.v4.sin_port))
            return true;
    return false;
}

/* Takes a new source port: another member of a group answers, and late replies stay behind. */
static bool aim(struct payload *payload, const struct options *options, const struct address *target) {
    static const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    static const struct address anywhere;
    union name name;
    bool aimed = false;

    for (int attempt = 0; attempt < 3; attempt++) {
        connect(payload->descriptor, &nowhere, sizeof nowhere);
        if (options->from_any)
            aimed = bind(payload->descriptor, &name.any, name_of(payload, &anywhere, 0, &name)) == 0;
        else
            aimed = connect(payload->descriptor, &name.any, name_of(payload, target, options->udp_port, &name)) == 0;
        if (!source_is_the_applications(payload->descriptor))
            break;
    }
    return aimed;
}

static bool send_to(const struct payload *payload, const struct options *options, const struct address *target) {
    union name name;
    socklen_t size = name_of(payload, target, options->udp_port, &name);

    for (size_t i = 0; i < options->send.size; i++)
        scratch[i] = hex_byte(options->send, i);
    return sendto(payload->descriptor, scratch, options->send.size, MSG_NOSIGNAL, options->from_any ? &name.any : NULL,
                  options->from_any ? size : 0) == (ssize_t)options->send.size;
}

/* A question that was lost is followed by one from another source port. */
static bool conclude(struct payload *payload, enum state verdict) {
    payload->waiting = false;
    payload->verdict = (uint8_t)verdict;
    if (verdict != STATE_ANSWERS)
        payload->target.family = 0;
    return true;
}

/* True if it failed at once. */
static bool ask_now(struct payload *payload, const struct options *options, struct group *group,
                    milliseconds moment) {
    const struct address *target = target_of(options, group);
    if (!target)
        return conclude(payload, STATE_FOREIGN);
    if (payload->descriptor < 0)
        payload_start(payload);
    if (payload->descriptor < 0)
        return conclude(payload, STATE_UNASKED);
    if (memcmp(target, &payload->target, sizeof *target) != 0 && !aim(payload, options, target))
        return conclude(payload, STATE_UNASKED);
    if (!send_to(payload, options, target))
        return conclude(payload, STATE_UNASKED);
    payload->target = *target;
    payload->waiting = true;
    payload->wrong = false;
    payload->deadline = moment + options->timeout;
    return false;
}

/* Reads what there is; true if the question under way is over. */
static bool hear(struct payload *payload, const struct options *options, milliseconds moment) {
    for (int i = 0; i < AT_A_TIME && payload->descriptor >= 0; i++) {
        union name source;
        socklen_t size = sizeof source;
        ssize_t length = recvfrom(payload->descriptor, scratch, MAX_PAYLOAD, 0, &source.any, &size);
        if (length < 0 && errno == ECONNREFUSED && payload->waiting)
            return conclude(payload, STATE_REFUSED);
        if (length < 0 && errno != ECONNREFUSED)
            break;
        if (length < 0 || !payload->waiting)
            continue; /* an error or a reply that belongs to an earlier question */
        struct address from = address_of(&source);
        if (!is_local(&from))
            continue;
        if (hex_matches(options->expect, options->mask, scratch, (size_t)length))
            return conclude(payload, STATE_ANSWERS);
        payload->wrong = true;
    }
    if (!payload->waiting || moment < payload->deadline)
        return false;
    return conclude(payload, payload->wrong ? STATE_WRONG : STATE_SILENT);
}

/* True when a question came to its end, whose verdict then stands. */
bool payload_step(struct payload *payload, const struct options *options, struct group *group,
                  milliseconds moment, bool ask) {
    bool over = hear(payload, options, moment);
    if (ask && !payload->waiting)
        over = ask_now(payload, options, group, moment) || over;
    return over;
}

void payload_forget(struct payload *payload) {
    payload->waiting = false;
    payload->verdict = STATE_UNKNOWN;
    payload->target.family = 0;
}
