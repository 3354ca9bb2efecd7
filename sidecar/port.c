#include "udp-healthcheck.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024

/* U and T stand for the two port numbers. */
static const char *const reasons[] = {
    [STATE_UNKNOWN] = "",
    [STATE_GREEN] = "UDP %U is bound",
    [STATE_FREE] = "nothing is probed",
    [STATE_UNREAD] = "UDP %U is bound, but the application does not read it: datagrams wait or are dropped",
    [STATE_NO_SOCKET] = "UDP %U is not bound on the wildcard or an address of the pod",
    [STATE_LOOPBACK] = "UDP %U is bound on loopback only; let the application bind 0.0.0.0, :: or the pod's address",
    [STATE_DEAF] = "UDP %U is bound, but the application does not read it: datagrams wait or are dropped",
    [STATE_BLIND] = "sockets cannot be seen: neither sock_diag nor /proc/net/udp answers; trying on",
    [STATE_OWNED] = "UDP %U is bound, but another program has TCP %T: stepping aside, watching on",
    [STATE_DENIED] = "UDP %U is bound, but TCP %T is forbidden; set sysctl net.ipv4.ip_unprivileged_port_start to %T",
    [STATE_NO_DESCRIPTOR] = "UDP %U is bound, but there is no file descriptor left for TCP %T; raise the limit",
    [STATE_NOT_OPENED] = "UDP %U is bound, but TCP %T cannot be opened; trying on",
    [STATE_DRAINING] = "draining",
    [STATE_STOPPING] = "stopping",
};

static bool is_green(enum state state) {
    return state == STATE_GREEN || state == STATE_FREE || state == STATE_UNREAD;
}

static void describe(const struct options *options, enum state state, struct text *line) {
    text_add_number(line, options->tcp_port);
    text_add(line, is_green(state) ? " green " : " red ");
    for (const char *at = reasons[state]; *at; at++) {
        char letter[2] = {*at};
        if (*at != '%')
            text_add(line, letter);
        else
            text_add_number(line, *++at == 'U' ? options->udp_port : options->tcp_port);
    }
}

void port_describe(const struct port *port, struct text *line) {
    describe(port->options, port->state, line);
}

static void turn(struct port *port, enum state state) {
    struct text line = {0};
    if (port->state == state)
        return;
    port->state = state;
    port_describe(port, &line);
    text_log(&line);
}

void port_start(struct port *port, const struct options *options, unsigned index, milliseconds moment) {
    port->group.column = index;
    port->options = options;
    port->listener = -1;
    port->next_sample = moment;
    port->wake = NEVER;
    port->tcp_free_since = NEVER;
}

void port_shut(struct port *port, enum state state) {
    if (port->listener >= 0) {
        close(port->listener);
        port->listener = -1;
        connections_drop(port);
    }
    port->tcp_free_since = NEVER;
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
    if (sockets_tcp_is_owned(port->options->tcp_port)) {
        port->tcp_free_since = NEVER;
        if (port->health.green)
            turn(port, STATE_OWNED);
        return false;
    }
    if (port->tcp_free_since == NEVER)
        port->tcp_free_since = moment;
    milliseconds settled = port->tcp_free_since + port->options->settle;
    if (moment < settled && settled < port->wake)
        port->wake = settled;
    return moment >= settled;
}

static void open_when_free(struct port *port, milliseconds moment, enum state state) {
    if (!tcp_is_free(port, moment) || !port->health.green)
        return;
    port->listener = listen_tcp(port->options->tcp_port);
    if (port->listener >= 0) {
        turn(port, state);
        return;
    }
    if (errno == EADDRINUSE)
        port->tcp_free_since = NEVER;
    turn(port, failure(errno));
}

/* A warning needs one member that nobody reads, a failure all of them. */
static enum state hear(struct port *port, bool counted) {
    const unsigned policy = port->options->queue;
    if (counted)
        group_step_queues(&port->group);
    unsigned deaf = group_deaf(&port->group);
    if (policy == QUEUE_OFF || deaf == 0)
        return STATE_GREEN;
    return policy == QUEUE_FAIL && deaf == port->group.count ? STATE_DEAF : STATE_UNREAD;
}

static enum state see(struct port *port, milliseconds moment, bool counted) {
    const struct options *options = port->options;
    if (options->probe == PROBE_NONE)
        return STATE_FREE;
    switch (sockets_sample(options->udp_port, &port->group, moment, options->settle)) {
    case SIGHT_FOUND:
        return hear(port, counted);
    case SIGHT_LOOPBACK:
        return STATE_LOOPBACK;
    case SIGHT_NOTHING:
        return STATE_NO_SOCKET;
    default:
        return STATE_BLIND;
    }
}

static bool is_settled(struct port *port, milliseconds moment) {
    if (port->options->probe == PROBE_NONE || group_is_settled(&port->group))
        return true;
    port->wake = group_settles_at(&port->group, moment, port->options->settle);
    return false;
}

/* Samples, then opens or shuts. */
void port_tick(struct port *port, milliseconds moment) {
    bool counted = moment >= port->next_sample;
    if (counted)
        port->next_sample = moment + port->options->interval;
    port->wake = NEVER;

    enum state state = see(port, moment, counted);
    bool found = is_green(state);
    bool settled = found && is_settled(port, moment);
    health_step(&port->health, port->options, (struct sample){found, settled, counted});
    if (found && port->listener < 0)
        open_when_free(port, moment, state);
    else if (found)
        turn(port, state);
    else if (!port->health.green)
        port_shut(port, state);
}

milliseconds port_due(const struct port *port) {
    return port->wake < port->next_sample ? port->wake : port->next_sample;
}

/* One look, whatever rise, settle and the TCP port say. */
bool port_once(struct port *port, milliseconds moment, struct text *line) {
    enum state state = see(port, moment, true);
    describe(port->options, state, line);
    return is_green(state);
}
