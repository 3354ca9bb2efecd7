#include "udp-healthcheck.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <netinet/tcp.h>
#include <unistd.h>

#define IDLE 5000    /* ms without a byte */
#define LONGEST 30000 /* ms from accept to close, however slowly bytes come */
#define FAREWELL 200 /* ms for the client's FIN after the answer */

enum phase { READING, ANSWERED };

struct connection {
    int descriptor;
    uint8_t phase;
    struct request request;
    const struct port *port;
    milliseconds expires;
    milliseconds latest;
};

static struct connection connections[MAX_CONNECTIONS];
static unsigned count;
static unsigned capacity;

/* Leaves descriptors for the listeners and for what the samples open. */
void connections_start(unsigned descriptors) {
    struct rlimit limit;
    capacity = MAX_CONNECTIONS;
    /* prlimit(), since musl's setrlimit() is made for threads and brings 3 kB. */
    if (prlimit(0, RLIMIT_NOFILE, NULL, &limit) != 0)
        return;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        prlimit(0, RLIMIT_NOFILE, &limit, NULL);
    }
    if (limit.rlim_cur < MAX_CONNECTIONS + descriptors)
        capacity = limit.rlim_cur > descriptors ? (unsigned)limit.rlim_cur - descriptors : 1;
}

/* RST: leaves no TIME_WAIT behind that would keep the application from its port. */
static void reset(int descriptor) {
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(descriptor);
}

/* FIN, and the kernel forgets the connection once it is acknowledged: no TIME_WAIT either. */
static void finish(int descriptor) {
    const int no_wait = -1;
    const unsigned patience = 1000; /* ms for a client that is gone */
    setsockopt(descriptor, IPPROTO_TCP, TCP_LINGER2, &no_wait, sizeof no_wait);
    setsockopt(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof patience);
    close(descriptor);
}

static void forget(unsigned index) {
    connections[index] = connections[--count];
}

bool connections_drop_oldest(void) {
    unsigned oldest = 0;
    if (count == 0)
        return false;
    for (unsigned i = 1; i < count; i++)
        if (connections[i].latest < connections[oldest].latest)
            oldest = i;
    reset(connections[oldest].descriptor);
    forget(oldest);
    return true;
}

static bool answer(const struct connection *connection) {
    struct text state = {0}, reply = {0};
    port_describe(connection->port, &state);
    request_answer(&connection->request, &state, &reply);
    return send(connection->descriptor, reply.bytes, reply.length, MSG_NOSIGNAL) == (ssize_t)reply.length;
}

/* False when the connection is over and closed. */
static bool serve(struct connection *connection, milliseconds moment) {
    char bytes[256];
    ssize_t length = recv(connection->descriptor, bytes, sizeof bytes, 0);

    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (length == 0) { /* the client closed first: TIME_WAIT is on its side */
        finish(connection->descriptor);
        return false;
    }
    if (length < 0) {
        reset(connection->descriptor);
        return false;
    }
    if (connection->phase == ANSWERED)
        return true;
    connection->expires = moment + IDLE;
    if (!request_ends(&connection->request, bytes, (size_t)length))
        return true;
    if (!answer(connection)) {
        reset(connection->descriptor);
        return false;
    }
    connection->phase = ANSWERED;
    connection->expires = moment + FAREWELL;
    return true;
}

unsigned connections_poll(struct pollfd *polled) {
    for (unsigned i = 0; i < count; i++)
        polled[i] = (struct pollfd){.fd = connections[i].descriptor, .events = POLLIN};
    return count;
}

/* Backwards, so that the last connection may move into a gap. */
void connections_serve(const struct pollfd *polled, unsigned polled_count, milliseconds moment) {
    for (unsigned i = polled_count; i-- > 0;)
        if (polled[i].revents && !serve(&connections[i], moment))
            forget(i);
}

/* False without a descriptor for it: the caller lets the listener rest. */
bool connections_accept(const struct port *port, milliseconds moment) {
    enum { AT_A_TIME = 64 }; /* then the other ports have their turn */
    for (int i = 0; i < AT_A_TIME; i++) {
        int descriptor = accept4(port->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (descriptor < 0)
            return errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM;
        if (count >= capacity)
            connections_drop_oldest();
        connections[count] = (struct connection){
            .descriptor = descriptor, .port = port, .expires = moment + IDLE, .latest = moment + LONGEST};
        if (serve(&connections[count], moment))
            count++;
    }
    return true;
}

static milliseconds end_of(const struct connection *connection) {
    return connection->expires < connection->latest ? connection->expires : connection->latest;
}

/* Closes those whose time is over or whose port is red; returns when the next one's time is. */
milliseconds connections_expire(milliseconds moment) {
    milliseconds soonest = NEVER;
    for (unsigned i = count; i-- > 0;) {
        milliseconds end = end_of(&connections[i]);
        if (connections[i].port->listener < 0) {
            reset(connections[i].descriptor);
            forget(i);
        } else if (end <= moment) {
            finish(connections[i].descriptor);
            forget(i);
        } else if (end < soonest) {
            soonest = end;
        }
    }
    return soonest;
}
