#include "udp-healthcheck.h"

#include <sys/socket.h>

#define SOURCES 64u /* source ports that are tried to tell the members of a group apart */
#define MORE 8      /* and for each that is known: so one of 64 is missed once in 10,000 times at one address */
#define ROTATING 2  /* look-ups a sample that meet members not seen so far */

static bool by_lookup;
static milliseconds next_chores;
static uint64_t own[MAX_PORTS]; /* the cookies of our listeners */

void sockets_start(void) {
    addresses_refresh();
    by_lookup = sock_diag_works();
    next_chores = now() + AWHILE;
}

/* The pod's addresses can change; sock_diag can come back. */
void sockets_tick(milliseconds moment) {
    if (by_lookup && !addresses_refresh())
        by_lookup = false;
    if (by_lookup || moment < next_chores)
        return;
    next_chores = moment + AWHILE;
    by_lookup = sock_diag_works() && addresses_refresh();
}

static enum lookup look(struct group *group, uint16_t port, unsigned place, unsigned source, milliseconds moment) {
    struct member found = {.first_seen = (uint32_t)moment, .source = (uint16_t)source, .place = (uint8_t)place};
    enum lookup result = sock_diag_udp(address_at(place), port, found.source, &found);
    if (result == LOOKUP_HIT)
        group_see(group, &found);
    return result;
}

/* Asks for each member by the source port that found it; false where an answer is another than before. */
static bool members_answer(struct group *group, uint16_t port) {
    bool same = true;
    for (unsigned i = 0; i < group->count; i++) {
        struct member *member = group_at(group, i);
        struct member found = {.place = member->place, .source = member->source};
        enum lookup result = sock_diag_udp(address_at(member->place), port, member->source, &found);
        if (result == LOOKUP_HIT && found.identity == member->identity)
            group_see(group, &found);
        else
            same = false;
    }
    return same;
}

/* A member of a group answers only some source ports, so an early end could miss the one that is left. */
static bool walk(struct group *group, uint16_t port, milliseconds moment) {
    for (unsigned place = 0; place < address_count(); place++)
        for (unsigned source = 1; source <= SOURCES + MORE * group->count; source++) {
            enum lookup result = look(group, port, place, source, moment);
            if (result == LOOKUP_FAILED)
                return false;
            if (result == LOOKUP_MISS) /* whatever the source port: there is none */
                break;
        }
    return true;
}

static bool rotate(struct group *group, uint16_t port, milliseconds moment) {
    for (int i = 0; i < ROTATING; i++) {
        unsigned turn = group->rotation++, places = address_count();
        if (look(group, port, turn % places, 1 + turn / places, moment) == LOOKUP_FAILED)
            return false;
    }
    return true;
}

static bool sample_by_lookup(struct group *group, uint16_t port, milliseconds moment) {
    bool moved = group->generation != addresses_generation(); /* places mean other addresses now */
    group->generation = addresses_generation();
    bool same = !moved && group->count > 0 && members_answer(group, port);
    return same ? rotate(group, port, moment) : walk(group, port, moment);
}

static bool loopback_is_bound(uint16_t port) {
    struct member ignored = {0};
    return sock_diag_udp(&address_loopback[0], port, 1, &ignored) == LOOKUP_HIT ||
           sock_diag_udp(&address_loopback[1], port, 1, &ignored) == LOOKUP_HIT;
}

/* The group's members are those that serve the pod; loopback-only and connected sockets are none of them. */
enum sight sockets_sample_udp(uint16_t port, struct group *group, milliseconds moment, unsigned settle) {
    bool loopback = false;
    group_begin(group);
    if (by_lookup && !sample_by_lookup(group, port, moment))
        by_lookup = false;
    bool sighted = by_lookup || proc_net_scan(port, group, (uint32_t)moment, &loopback);
    group_end(group, (uint32_t)moment, settle);
    if (!sighted)
        return SIGHT_BLIND;
    if (group->count > 0)
        return SIGHT_FOUND;
    loopback = loopback || (by_lookup && loopback_is_bound(port));
    return loopback ? SIGHT_LOOPBACK : SIGHT_NOTHING;
}

/* The application's, not ours. */
static enum lookup find_listener(const struct address *local, uint16_t port, struct member *found) {
    enum lookup result = sock_diag_tcp_listener(local, port, found);
    for (unsigned i = 0; i < MAX_PORTS && result == LOOKUP_HIT; i++)
        if (found->identity == own[i])
            return LOOKUP_MISS;
    return result;
}

static bool loopback_listens(uint16_t port) {
    struct member ignored = {0};
    return find_listener(&address_loopback[0], port, &ignored) == LOOKUP_HIT ||
           find_listener(&address_loopback[1], port, &ignored) == LOOKUP_HIT;
}

/* Only sock_diag tells: /proc/net/tcp takes too long to read. */
enum sight sockets_sample_tcp(uint16_t port, struct group *group, milliseconds moment, unsigned settle) {
    group_begin(group);
    for (unsigned place = 0; place < address_count() && by_lookup; place++) {
        struct member found = {.first_seen = (uint32_t)moment, .place = (uint8_t)place};
        enum lookup result = find_listener(address_at(place), port, &found);
        if (result == LOOKUP_HIT)
            group_see(group, &found);
        by_lookup = result != LOOKUP_FAILED;
    }
    group_end(group, (uint32_t)moment, settle);
    if (!by_lookup)
        return SIGHT_BLIND;
    if (group->count > 0)
        return SIGHT_FOUND;
    return loopback_listens(port) ? SIGHT_LOOPBACK : SIGHT_NOTHING;
}

/* Without sock_diag only bind() tells. */
bool sockets_tcp_is_owned(uint16_t port) {
    struct member ignored = {0};
    if (!by_lookup)
        return false;
    for (unsigned place = 0; place < address_count(); place++)
        if (find_listener(address_at(place), port, &ignored) == LOOKUP_HIT)
            return true;
    return loopback_listens(port);
}

/* A port's own listener, or -1. */
void sockets_own(unsigned index, int listener) {
    socklen_t size = sizeof own[index];
    if (listener < 0 || getsockopt(listener, SOL_SOCKET, SO_COOKIE, &own[index], &size) != 0)
        own[index] = 0;
}
