#include "udp-healthcheck.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>

#define REST 100         /* ms without accept() where descriptors ran out */
#define DESCRIPTORS 16   /* stdio, netlink, drain and what a sample opens */

static struct port *ports;
static unsigned port_count;
static int drain_listener;
static bool drained;
static milliseconds accept_after;
static volatile sig_atomic_t stopped;

static void stop(int number) {
    (void)number;
    stopped = 1;
}

/* Signals are blocked except in ppoll(), so none gets lost between the test and the wait. */
static void catch_signals(sigset_t *waiting) {
    const struct sigaction stopping = {.sa_handler = stop}, ignoring = {.sa_handler = SIG_IGN};
    sigset_t ours;
    sigaction(SIGTERM, &stopping, NULL);
    sigaction(SIGINT, &stopping, NULL);
    sigaction(SIGPIPE, &ignoring, NULL);
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigprocmask(SIG_BLOCK, &ours, waiting);
    sigdelset(waiting, SIGTERM);
    sigdelset(waiting, SIGINT);
}

static void shut_all(enum state state) {
    for (unsigned i = 0; i < port_count; i++)
        if (ports[i].listener >= 0)
            port_shut(&ports[i], state);
    connections_expire(now());
}

/* False without a descriptor for it. */
static bool hear_drain(void) {
    int peer;
    if (!drain_accept(drain_listener, &peer))
        return false;
    if (peer >= 0) {
        drained = true;
        shut_all(STATE_DRAINING);
        drain_answer(peer);
    }
    return true;
}

/* Samples what is due; returns when the next thing is. */
static milliseconds tick(milliseconds moment) {
    static milliseconds drain_after;
    milliseconds due = accept_after > moment ? accept_after : NEVER;
    bool sampling = false;

    if (drain_listener < 0 && moment >= drain_after) {
        drain_listener = drain_listen();
        drain_after = moment + AWHILE;
    }
    if (drain_listener < 0 && drain_after < due)
        due = drain_after;
    for (unsigned i = 0; i < port_count && !drained; i++) {
        if (port_due(&ports[i]) <= moment) {
            if (!sampling)
                sockets_tick(moment);
            sampling = true;
            port_tick(&ports[i], moment);
        }
        if (port_due(&ports[i]) < due)
            due = port_due(&ports[i]);
    }
    milliseconds closing = connections_expire(moment);
    return closing < due ? closing : due;
}

/* A port that waits for a reply polls its socket; an error there is told unasked and must be read. */
static bool has_payload(const struct port *port) {
    return !drained && port->payload.descriptor >= 0;
}

static unsigned poll_payloads(struct pollfd *polled) {
    unsigned count = 0;
    for (unsigned i = 0; i < port_count; i++)
        if (has_payload(&ports[i]))
            polled[count++] = (struct pollfd){.fd = ports[i].payload.descriptor,
                                              .events = ports[i].payload.waiting ? POLLIN : 0};
    return count;
}

/* The next tick reads them. */
static void wake_payloads(const struct pollfd *polled, milliseconds moment) {
    for (unsigned i = 0; i < port_count; i++)
        if (has_payload(&ports[i]) && polled++->revents)
            ports[i].wake = moment;
}

/* One poll over the drain socket, the listeners, the payloads' sockets, then the connections. */
static void wait_and_serve(milliseconds moment, milliseconds due, const sigset_t *waiting) {
    struct pollfd *const polled = (struct pollfd *)scratch; /* so nothing that is served may sample */
    _Static_assert(sizeof scratch >= (1 + 2 * MAX_PORTS + MAX_CONNECTIONS) * sizeof *polled, "all must fit");
    const bool resting = moment < accept_after;
    struct pollfd *const listeners = &polled[1], *const asked = listeners + port_count;
    const long wait = due == NEVER ? AWHILE : due > moment ? (long)(due - moment) : 0;
    const struct timespec timeout = {wait / 1000, wait % 1000 * 1000000};

    polled[0] = (struct pollfd){.fd = resting ? -1 : drain_listener, .events = POLLIN}; /* a negative one is passed over */
    for (unsigned i = 0; i < port_count; i++)
        listeners[i] = (struct pollfd){.fd = resting ? -1 : ports[i].listener, .events = POLLIN};
    struct pollfd *const accepted = asked + poll_payloads(asked);
    unsigned connections = connections_poll(accepted);

    int ready = ppoll(polled, (nfds_t)(accepted - polled) + connections, &timeout, waiting);
    if (ready < 0 && errno == EINVAL && !connections_drop_oldest()) {
        /* The limit of descriptors was lowered below the number of ports. */
        const struct timespec rest = {0, REST * 1000000};
        ppoll(NULL, 0, &rest, waiting);
    }
    if (ready <= 0)
        return;
    moment = now();
    connections_serve(accepted, connections, moment);
    bool lacking = false;
    for (unsigned i = 0; i < port_count; i++)
        if (listeners[i].revents && !connections_accept(&ports[i], moment))
            lacking = true;
    wake_payloads(asked, moment);
    if (polled[0].revents && !hear_drain())
        lacking = true;
    if (lacking) {
        accept_after = moment + REST;
        connections_drop_oldest();
    }
}

int watch(struct arguments *arguments) {
    sigset_t waiting;

    catch_signals(&waiting);
    connections_start(DESCRIPTORS + 2 * arguments->port_count);
    payloads_start(arguments);
    sockets_start();
    drain_listener = drain_listen();
    ports = arguments->ports;
    port_count = arguments->port_count;
    for (unsigned i = 0; i < port_count; i++)
        port_start(&ports[i], i, now());

    while (!stopped) {
        milliseconds moment = now();
        milliseconds due = tick(moment);
        wait_and_serve(moment, due, &waiting);
    }
    shut_all(STATE_STOPPING);
    return 0;
}
