#include "udp-healthcheck.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024

void port_describe(const struct port *port, struct text *line) {
    state_describe(port->state, &port->options, line);
}

static void turn(struct port *port, enum state state) {
    struct text line = {0};
    if (state == port->state || state == STATE_UNKNOWN)
        return;
    port->state = state;
    port_describe(port, &line);
    text_log(&line);
}

void port_start(struct port *port, unsigned index, milliseconds moment) {
    port->group.column = index;
    port->listener = -1;
    port->next_sample = moment;
    port->wake = NEVER;
    port->tcp_free_since = NEVER;
    port->payload.descriptor = -1;
    if (port->options.probe == PROBE_PAYLOAD)
        payload_start(&port->payload);
}

void port_shut(struct port *port, enum state state) {
    if (port->listener >= 0) {
        close(port->listener);
        port->listener = -1;
        sockets_own(port->group.column, -1);
    }
    turn(port, state);
}

static int listen_on(int family, const struct sockaddr *address, socklen_t size) {
    const int on = 1, off = 0;
    int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (listener < 0)
        return -1;
    /* Not SO_REUSEPORT: an application that sets it would share its connections with us. */
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (family == AF_INET6)
        setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(listener, address, size) == 0 && listen(listener, BACKLOG) == 0)
        return listener;
    int cause = errno;
    close(listener);
    errno = cause;
    return -1;
}

/* One socket for both families; IPv4 alone where there is no IPv6. */
static int listen_tcp(uint16_t port) {
    const struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    const struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    int listener = listen_on(AF_INET6, (const struct sockaddr *)&v6, sizeof v6);
    if (listener < 0 && errno != EADDRINUSE && errno != EACCES && errno != EMFILE && errno != ENFILE)
        listener = listen_on(AF_INET, (const struct sockaddr *)&v4, sizeof v4);
    return listener;
}

static enum state failure(int cause) {
    switch (cause) {
    case EADDRINUSE:
        return STATE_OWNED;
    case EACCES:
    case EPERM:
        return STATE_DENIED;
    case EMFILE:
    case ENFILE:
        return STATE_NO_DESCRIPTOR;
    default:
        return STATE_NOT_OPENED;
    }
}

/* The TCP port, too, must have been free for the settle time: the application may be about to open it. */
static bool tcp_is_free(struct port *port, milliseconds moment) {
    if (sockets_tcp_is_owned(port->options.tcp_port)) {
        port->tcp_free_since = NEVER;
        if (port->health.green)
            turn(port, STATE_OWNED);
        return false;
    }
    if (port->tcp_free_since == NEVER)
        port->tcp_free_since = moment;
    milliseconds settled = port->tcp_free_since + port->options.settle;
    if (moment < settled && settled < port->wake)
        port->wake = settled;
    return moment >= settled;
}

static void open(struct port *port, enum state state) {
    port->listener = listen_tcp(port->options.tcp_port);
    if (port->listener >= 0) {
        sockets_own(port->group.column, port->listener);
        turn(port, state);
        return;
    }
    if (errno == EADDRINUSE)
        port->tcp_free_since = NEVER;
    turn(port, failure(errno));
}

/* A warning needs one member that nobody reads, a failure all of them. */
static enum state hear(struct port *port, bool counted) {
    const unsigned policy = port->options.queue;
    if (counted)
        group_step_queues(&port->group);
    unsigned deaf = group_deaf(&port->group);
    if (policy == QUEUE_OFF || deaf == 0)
        return STATE_BOUND;
    return policy == QUEUE_FAIL && deaf == port->group.count ? STATE_DEAF : STATE_UNREAD;
}

/* The application's socket, whatever it answers. */
static enum state see(struct port *port, milliseconds moment, bool counted) {
    const struct options *options = &port->options;
    if (options->probe == PROBE_NONE)
        return STATE_FREE;
    enum sight sight = options->tcp_gate
                           ? sockets_sample_tcp(options->tcp_gate, &port->group, moment, options->settle)
                           : sockets_sample_udp(options->udp_port, &port->group, moment, options->settle);
    switch (sight) {
    case SIGHT_FOUND:
        return options->tcp_gate ? STATE_BOUND : hear(port, counted);
    case SIGHT_LOOPBACK:
        return STATE_LOOPBACK;
    case SIGHT_NOTHING:
        return STATE_NO_SOCKET;
    default:
        return options->tcp_gate ? STATE_BLIND_TO_TCP : STATE_BLIND;
    }
}

static bool is_settled(struct port *port, milliseconds moment) {
    if (port->options.probe == PROBE_NONE || group_is_settled(&port->group))
        return true;
    port->wake = group_settles_at(&port->group, moment, port->options.settle);
    return false;
}

/* What the application answers, too, where it is asked; counted becomes true when a question is over. */
static enum state judge(struct port *port, milliseconds moment, enum state seen, bool *counted) {
    if (port->options.probe != PROBE_PAYLOAD)
        return seen;
    if (!state_is_green(seen)) {
        payload_forget(&port->payload);
        return seen;
    }
    *counted = payload_step(&port->payload, &port->options, &port->group, moment, *counted);
    if (port->payload.verdict != STATE_ANSWERS)
        return port->payload.verdict;
    return seen == STATE_BOUND ? STATE_ANSWERS : seen;
}

/* Samples, then opens or shuts. */
void port_tick(struct port *port, milliseconds moment) {
    bool counted = moment >= port->next_sample;
    if (counted)
        port->next_sample = moment + port->options.interval;
    port->wake = NEVER;

    enum state seen = see(port, moment, counted);
    if ((seen == STATE_BLIND || seen == STATE_BLIND_TO_TCP) && port->next_sample > moment + AWHILE)
        port->next_sample = moment + AWHILE;
    bool there = state_is_green(seen) || seen == STATE_DEAF;
    struct sample sample = {.gone = port->options.probe == PROBE_PAYLOAD && counted && !state_is_green(seen)};
    enum state state = judge(port, moment, seen, &counted);
    sample.counted = counted;
    sample.found = state_is_green(state);
    sample.settled = sample.found && is_settled(port, moment);
    health_step(&port->health, &port->options, sample);

    /* TCP is watched while the socket is there, so that a reply that was lost starts nothing anew. */
    if (!there)
        port->tcp_free_since = NEVER;
    bool is_free = there && port->listener < 0 && tcp_is_free(port, moment);
    if (sample.found && port->listener >= 0)
        turn(port, state);
    else if (sample.found && port->health.green && is_free)
        open(port, state);
    else if (!sample.found && !port->health.green)
        port_shut(port, state);
}

milliseconds port_due(const struct port *port) {
    milliseconds due = port->wake < port->next_sample ? port->wake : port->next_sample;
    return port->payload.waiting && port->payload.deadline < due ? port->payload.deadline : due;
}

/* One look and one question, whatever rise, settle and the TCP port say. */
bool port_once(struct port *port, struct text *line) {
    bool counted = true;
    enum state seen = see(port, now(), true), state = judge(port, now(), seen, &counted);

    while (port->payload.waiting) {
        struct pollfd reply = {.fd = port->payload.descriptor, .events = POLLIN};
        milliseconds left = port->payload.deadline - now();
        poll(&reply, 1, left > 0 ? (int)left : 0);
        counted = false;
        state = judge(port, now(), seen, &counted);
    }
    state_describe(state, &port->options, line);
    return state_is_green(state);
}
