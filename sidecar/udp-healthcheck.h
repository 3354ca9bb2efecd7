/* udp-healthcheck: one TCP port a UDP port, listening exactly while the UDP side is healthy. */
#ifndef UDP_HEALTHCHECK_H
#define UDP_HEALTHCHECK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRAM "udp-healthcheck"
#define GRAMMAR 1 /* the version of these arguments; the webhook asks for it by --grammar */

#define MAX_PORTS 64
#define MAX_MEMBERS 64 /* sockets of one SO_REUSEPORT group that are told apart */
#define MAX_ADDRESSES 32
#define MAX_CONNECTIONS 768

/* Milliseconds of CLOCK_MONOTONIC. */
typedef int64_t milliseconds;
#define NEVER INT64_MAX

milliseconds now(void);

/* text.c: one line in a fixed buffer; what does not fit is cut. */
struct text {
    size_t length;
    char bytes[512];
};

void text_add(struct text *text, const char *words);
void text_add_bytes(struct text *text, const char *bytes, size_t length);
void text_add_number(struct text *text, uint64_t number);
void text_add_foreign(struct text *text, const char *bytes, size_t length);
bool text_write(struct text *text, int descriptor);
void text_log(struct text *text);

/* arguments.c: the command line. */
enum action { ACTION_WATCH, ACTION_ONCE, ACTION_DRAIN, ACTION_GRAMMAR, ACTION_VERSION, ACTION_HELP };
enum probe { PROBE_BOUND, PROBE_NONE };
enum queue_policy { QUEUE_WARN, QUEUE_OFF, QUEUE_FAIL };

struct options {
    uint16_t tcp_port;
    uint16_t udp_port;
    uint8_t probe;      /* enum probe */
    uint8_t queue;      /* enum queue_policy */
    uint8_t rise;
    uint8_t fall;
    uint32_t interval; /* ms */
    uint32_t settle;   /* ms */
};

struct arguments {
    enum action action;
    uint64_t grammar;
    unsigned port_count;
    struct options ports[MAX_PORTS];
};

bool arguments_parse(int word_count, char *const words[], struct arguments *arguments, struct text *fault);

/* queue.c: does the application read its socket? */
struct queue {
    uint32_t waiting; /* bytes at the last sample */
    uint32_t drops;
    uint32_t drained; /* the highest level from which it was seen to fall */
    uint32_t stuck;   /* samples in a row without a sign of a reader */
};

void queue_step(struct queue *queue, uint32_t waiting, uint32_t drops);
bool queue_is_deaf(const struct queue *queue);

/* group.c: the sockets found on one UDP port, and how long each has been there. */
struct member {
    uint64_t identity;   /* the kernel's cookie, or the inode where only /proc is there */
    uint32_t waiting;    /* bytes in its receive queue */
    uint32_t drops;
    struct queue queue;
    uint32_t first_seen; /* ms, low bits: read only while the socket is young */
    uint16_t source;     /* a remote port whose look-up answers with this socket */
    uint8_t place;       /* the local address it was found on: an index for address_at() */
    bool seen : 1;       /* in this sample */
    bool settled : 1;
};

struct group {
    uint16_t count;
    uint16_t rotation;
    uint32_t generation; /* of the address list at the last sample */
    unsigned column;     /* where its members are, below MAX_PORTS */
};

struct member *group_at(const struct group *group, unsigned index);
void group_begin(struct group *group);
void group_see(struct group *group, const struct member *found);
void group_end(struct group *group, uint32_t moment, unsigned settle);
void group_step_queues(struct group *group);
unsigned group_deaf(const struct group *group);
bool group_is_settled(const struct group *group);
milliseconds group_settles_at(const struct group *group, milliseconds moment, unsigned settle);

/* health.c: rise and fall. */
struct health {
    bool green;
    unsigned good;
    unsigned bad;
};

struct sample {
    bool found;
    bool settled;
    bool counted; /* false for the extra look when a socket settles between two samples */
};

void health_step(struct health *health, const struct options *options, struct sample sample);

/* addresses.c: where a UDP socket can serve the pod: the two wildcards, then the pod's own addresses. */
struct address {
    uint32_t family; /* wide, so that there is no padding: lists are compared by memcmp */
    uint32_t interface; /* 0 on a wildcard */
    uint8_t bytes[16];
};

#define WILDCARDS 2

bool addresses_refresh(void);
unsigned address_count(void);
const struct address *address_at(unsigned place);
uint32_t addresses_generation(void);
extern const struct address address_loopback[2];

/* sock_diag.c: exact look-ups in the kernel's socket tables. */
enum lookup { LOOKUP_FAILED, LOOKUP_MISS, LOOKUP_HIT };

bool sock_diag_works(void);
enum lookup sock_diag_udp(const struct address *local, uint16_t port, uint16_t source, struct member *found);
enum lookup sock_diag_tcp_listener(const struct address *local, uint16_t port);

/* proc_net.c: the same from /proc/net/udp and udp6, where sock_diag is not to be had. */
enum reach { REACH_NONE, REACH_LOOPBACK, REACH_POD };

struct row {
    uint16_t port;
    enum reach reach;
    uint64_t inode;
    uint32_t waiting;
    uint32_t drops;
};

bool proc_net_row(const char *line, size_t length, struct row *row);
bool proc_net_scan(uint16_t port, struct group *group, uint32_t moment, bool *loopback);

/* sockets.c: is the UDP port served, and does the application hold the TCP port? */
enum sight { SIGHT_BLIND, SIGHT_NOTHING, SIGHT_LOOPBACK, SIGHT_FOUND };

void sockets_start(void);
void sockets_tick(milliseconds moment);
enum sight sockets_sample(uint16_t port, struct group *group, milliseconds moment, unsigned settle);
bool sockets_tcp_is_owned(uint16_t port);

/* port.c: one TCP port and the UDP port that gates it. */
enum state {
    STATE_UNKNOWN,
    STATE_GREEN,
    STATE_FREE,
    STATE_UNREAD,
    STATE_NO_SOCKET,
    STATE_LOOPBACK,
    STATE_DEAF,
    STATE_BLIND,
    STATE_OWNED,
    STATE_DENIED,
    STATE_NO_DESCRIPTOR,
    STATE_NOT_OPENED,
    STATE_DRAINING,
    STATE_STOPPING,
};

struct port {
    const struct options *options;
    int listener; /* -1 while red */
    enum state state;
    struct health health;
    milliseconds next_sample;
    milliseconds wake; /* an extra look before it */
    milliseconds tcp_free_since;
    struct group group;
};

void port_start(struct port *port, const struct options *options, unsigned index, milliseconds moment);
void port_tick(struct port *port, milliseconds moment);
milliseconds port_due(const struct port *port);
void port_shut(struct port *port, enum state state);
bool port_once(struct port *port, milliseconds moment, struct text *line);
void port_describe(const struct port *port, struct text *line);

/* connections.c: what was accepted, from the first byte to the close. */
struct pollfd;

void connections_start(unsigned descriptors);
unsigned connections_poll(struct pollfd *polled);
void connections_serve(const struct pollfd *polled, unsigned count, milliseconds moment);
bool connections_accept(const struct port *port, milliseconds moment);
bool connections_drop_oldest(void);
void connections_drop(const struct port *port);
milliseconds connections_due(void);
void connections_expire(milliseconds moment);

/* drain.c: --drain and the socket that hears it. */
int drain_listen(void);
int drain_accept(int listener);
void drain_answer(int peer);
int drain_ask(void);

/* watch.c: the loop. */
int watch(const struct arguments *arguments);

#endif
