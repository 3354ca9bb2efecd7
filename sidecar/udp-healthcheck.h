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
#define MAX_ADDRESSES 24
#define MAX_CONNECTIONS 768
#define MAX_PAYLOAD 1232 /* bytes of a datagram that passes every IPv6 link whole */

/* clock.c: milliseconds of CLOCK_MONOTONIC. */
typedef int64_t milliseconds;
#define NEVER INT64_MAX
#define AWHILE 5000 /* until what did not work is tried again */

milliseconds now(void);

/* slice.c: a piece of the command line, read where it stands. */
struct slice {
    const char *at;
    size_t length;
};

struct slice slice_of(const char *word);
bool slice_is(struct slice slice, const char *word);
bool slice_cut(struct slice whole, char separator, struct slice *first, struct slice *rest);
bool slice_number(struct slice slice, uint64_t *value);

/* hex.c: bytes that stay hexadecimal on the command line. */
struct hex {
    const char *digits;
    size_t size; /* bytes; 0 where none were given */
};

int hex_digit(char letter);
bool hex_read(struct slice slice, size_t most, struct hex *hex);
uint8_t hex_byte(struct hex hex, size_t index);
bool hex_matches(struct hex expect, struct hex mask, const uint8_t *reply, size_t length);

/* text.c: one line in a fixed buffer; what does not fit is cut. Larger ones would cost a page of stack. */
struct text {
    size_t length;
    char bytes[320];
};

void text_add(struct text *text, const char *words);
void text_add_bytes(struct text *text, const char *bytes, size_t length);
void text_add_number(struct text *text, uint64_t number);
void text_add_foreign(struct text *text, struct slice foreign);
bool text_write(struct text *text, int descriptor);
void text_log(struct text *text);

/* scratch.c: for the length of one exchange with the kernel; separate buffers would be separate pages in every pod. */
extern _Alignas(8) uint8_t scratch[8192];

/* addresses.c: where a UDP socket can serve the pod: the two wildcards, then the pod's own addresses. */
struct address {
    uint32_t family; /* wide, so that there is no padding: lists are compared by memcmp */
    uint32_t interface; /* 0 on a wildcard */
    uint8_t bytes[16];
};

#define WILDCARDS 2

struct addresses {
    unsigned count;
    struct address at[WILDCARDS + MAX_ADDRESSES];
};

bool addresses_refresh(void);
bool addresses_read(const void *answer, size_t length, struct addresses *list, bool *told);
unsigned address_count(void);
const struct address *address_at(unsigned place);
bool address_find(const struct address *address, unsigned *place);
bool address_is_loopback(const struct address *address);
uint32_t addresses_generation(void);
extern const struct address address_loopback[2];

/* options.c: one port's part of the command line. */
enum probe { PROBE_BOUND, PROBE_PAYLOAD, PROBE_NONE };
enum queue_policy { QUEUE_WARN, QUEUE_OFF, QUEUE_FAIL };
enum destination { TO_POD, TO_LOOPBACK, TO_ADDRESS };

struct options {
    uint16_t tcp_port;
    uint16_t udp_port;
    uint16_t tcp_gate; /* the application's TCP port that decides instead, or 0 */
    uint8_t probe;     /* enum probe */
    uint8_t queue;     /* enum queue_policy */
    uint8_t to;        /* enum destination */
    uint8_t rise;
    uint8_t fall;
    bool from_any;
    uint32_t interval; /* ms */
    uint32_t settle;   /* ms */
    uint32_t timeout;  /* ms */
    struct hex send;
    struct hex expect;
    struct hex mask;
    struct address address; /* of TO_ADDRESS */
};

bool options_parse(struct slice whole, struct options *options, struct text *fault);

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
    unsigned column;     /* where its other members are, below MAX_PORTS */
    struct member first;
};

struct member *group_at(struct group *group, unsigned index);
void group_begin(struct group *group);
void group_see(struct group *group, const struct member *found);
void group_end(struct group *group, uint32_t moment, unsigned settle);
void group_step_queues(struct group *group);
unsigned group_deaf(struct group *group);
bool group_is_settled(struct group *group);
milliseconds group_settles_at(struct group *group, milliseconds moment, unsigned settle);

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
    bool gone;    /* so badly that it is red at once, whatever fall= says */
};

void health_step(struct health *health, const struct options *options, struct sample sample);

/* sock_diag.c: exact look-ups in the kernel's socket tables. */
enum lookup { LOOKUP_STALE, LOOKUP_FAILED, LOOKUP_MISS, LOOKUP_HIT };

enum lookup sock_diag_read(const void *reply, size_t length, uint32_t sequence, struct member *found);
bool sock_diag_works(void);
enum lookup sock_diag_udp(const struct address *local, uint16_t port, uint16_t source, struct member *found);
enum lookup sock_diag_tcp_listener(const struct address *local, uint16_t port, struct member *found);

/* proc_net.c: the same from /proc/net/udp and udp6, where sock_diag is not to be had. */
enum reach { REACH_NONE, REACH_LOOPBACK, REACH_POD };

struct row {
    struct address local;
    enum reach reach;
    uint16_t port;
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
enum sight sockets_sample_udp(uint16_t port, struct group *group, milliseconds moment, unsigned settle);
enum sight sockets_sample_tcp(uint16_t port, struct group *group, milliseconds moment, unsigned settle);
bool sockets_tcp_is_owned(uint16_t port);
void sockets_own(unsigned index, int listener);

/* state.c: what a port can be, in words. */
enum state {
    STATE_UNKNOWN,
    STATE_BOUND,
    STATE_ANSWERS,
    STATE_FREE,
    STATE_UNREAD,
    STATE_NO_SOCKET,
    STATE_LOOPBACK,
    STATE_DEAF,
    STATE_SILENT,
    STATE_WRONG,
    STATE_REFUSED,
    STATE_FOREIGN,
    STATE_UNASKED,
    STATE_BLIND,
    STATE_BLIND_TO_TCP,
    STATE_OWNED,
    STATE_DENIED,
    STATE_NO_DESCRIPTOR,
    STATE_NOT_OPENED,
    STATE_DRAINING,
    STATE_STOPPING,
};

bool state_is_green(enum state state);
void state_describe(enum state state, const struct options *options, struct text *line);

/* payload.c: a question to the application, and its reply. */
struct payload {
    int descriptor; /* kept while the sidecar lives: a port must not turn red for want of one */
    uint8_t family; /* of the descriptor */
    uint8_t verdict; /* enum state: what came of the last question; STATE_UNKNOWN where none is over */
    bool waiting;
    bool wrong; /* a reply came, but not the one that is expected */
    milliseconds deadline;
    struct address target; /* where the next question goes from the same source port; family 0 for nowhere */
};

struct arguments;

void payloads_start(const struct arguments *arguments);
void payload_start(struct payload *payload);
bool payload_step(struct payload *payload, const struct options *options, struct group *group,
                  milliseconds moment, bool ask);
void payload_forget(struct payload *payload);

/* port.c: one TCP port and the UDP port that gates it. */
struct port {
    struct options options;
    int listener; /* -1 while red */
    enum state state;
    struct health health;
    milliseconds next_sample;
    milliseconds wake; /* an extra look before it */
    milliseconds tcp_free_since;
    struct group group;
    struct payload payload;
};

void port_start(struct port *port, unsigned index, milliseconds moment);
void port_tick(struct port *port, milliseconds moment);
milliseconds port_due(const struct port *port);
void port_shut(struct port *port, enum state state);
bool port_once(struct port *port, struct text *line);
void port_describe(const struct port *port, struct text *line);

/* arguments.c: the command line. */
enum action { ACTION_WATCH, ACTION_ONCE, ACTION_DRAIN, ACTION_GRAMMAR, ACTION_VERSION, ACTION_HELP };

struct arguments {
    enum action action;
    uint64_t grammar;
    unsigned port_count;
    struct port ports[MAX_PORTS]; /* their options are filled in */
};

bool arguments_parse(int word_count, char *const words[], struct arguments *arguments, struct text *fault);

/* http.c: as much of a request as must be read, and the answer to all. */
struct request {
    uint8_t matched;    /* letters of "HEAD " so far */
    bool line_is_empty; /* the bytes since the last newline are at most a carriage return */
    bool any;           /* a byte came */
};

bool request_ends(struct request *request, const char *bytes, size_t length);
void request_answer(const struct request *request, const struct text *body, struct text *reply);

/* connections.c: what was accepted, from the first byte to the close. */
struct pollfd;

void connections_start(unsigned descriptors);
unsigned connections_poll(struct pollfd *polled);
void connections_serve(const struct pollfd *polled, unsigned count, milliseconds moment);
bool connections_accept(const struct port *port, milliseconds moment);
bool connections_drop_oldest(void);
milliseconds connections_expire(milliseconds moment);

/* drain.c: --drain and the socket that hears it. */
int drain_listen(void);
bool drain_accept(int listener, int *peer);
void drain_answer(int peer);
int drain_ask(void);

/* watch.c: the loop. */
int watch(struct arguments *arguments);

#endif
