/* What each parser promises, whatever comes. Inputs are copied to blocks of their exact size, so that no byte more
 * can be read unseen. */
#include "../proc_net.c" /* for its window over a file */
#include "fuzz.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

static void must(bool truth, const char *promise) {
    if (truth)
        return;
    fprintf(stderr, "broken: %s\n", promise);
    abort();
}

static void *copy(const uint8_t *bytes, size_t length) {
    void *exact = malloc(length + !length);
    memcpy(exact, bytes, length);
    return exact;
}

/* Words are separated by newlines. */
static void arguments_target(const uint8_t *bytes, size_t length) {
    static struct arguments arguments;
    char *line = malloc(length + 1), *words[160] = {"udp-healthcheck"};
    struct text fault = {0};
    int count = 1;

    memcpy(line, bytes, length);
    line[length] = '\0';
    for (char *at = line; at && count < 160;) {
        words[count++] = at;
        at = strchr(at, '\n');
        if (at)
            *at++ = '\0';
    }
    bool good = arguments_parse(count, words, &arguments, &fault);
    must(good == (fault.length == 0), "a fault has words, and no other line has");
    for (size_t i = 0; i < fault.length; i++)
        must(fault.bytes[i] >= ' ' && fault.bytes[i] <= '~', "a fault is one printable line");
    must(!good || arguments.port_count <= MAX_PORTS, "no more ports than fit");
    for (unsigned i = 0; good && arguments.action <= ACTION_ONCE && i < arguments.port_count; i++) {
        const struct options *options = &arguments.ports[i].options;
        must(options->tcp_port && options->udp_port, "ports have numbers");
        must(options->interval >= 50 && options->timeout <= options->interval, "times agree");
        must(options->rise && options->fall, "rise and fall count");
        must((options->send.size > 0) == (options->probe == PROBE_PAYLOAD), "who asks has something to send");
        must(!options->mask.size || options->mask.size == options->expect.size, "a mask covers what is expected");
        for (size_t at = 0; at < options->send.size; at++)
            hex_byte(options->send, at);
    }
    free(line);
}

static void proc_net_target(const uint8_t *bytes, size_t length) {
    static int file = -1;
    static char path[32];
    bool loopback;
    struct group group = {0};

    if (file < 0) {
        file = memfd_create("table", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    must(ftruncate(file, 0) == 0 && pwrite(file, bytes, length, 0) == (ssize_t)length, "the file is written");
    group_begin(&group);
    must(scan(&(struct search){5555, 1000, &group, &loopback}, path), "any file can be read");
    group_end(&group, 1000, 500);
    for (unsigned i = 0; i < group.count; i++)
        must(group_at(&group, i)->place < WILDCARDS, "places are those of known addresses");

    char *line = copy(bytes, length);
    struct row row;
    if (proc_net_row(line, length, &row))
        must(row.local.family == AF_INET || row.local.family == AF_INET6, "rows have a family");
    free(line);
}

/* One byte for the number of bytes expected, one whether there is a mask; then expect, mask and reply. */
static void reply_target(const uint8_t *bytes, size_t length) {
    static const char digits[] = "0123456789abcdefABCDEF";
    char *texts[2] = {NULL, NULL};
    struct hex hexes[2] = {{0}, {0}};
    size_t size = length >= 2 ? bytes[0] : 0, masked = length >= 2 && bytes[1] % 2;
    size_t used = 2 + size * (1 + masked);

    if (length < used)
        return;
    for (size_t i = 0; i <= masked && size; i++) {
        texts[i] = malloc(2 * size);
        for (size_t at = 0; at < size; at++) {
            texts[i][2 * at] = digits[bytes[2 + i * size + at] >> 4];
            texts[i][2 * at + 1] = digits[bytes[2 + i * size + at] & 15];
        }
        must(hex_read((struct slice){texts[i], 2 * size}, MAX_PAYLOAD, &hexes[i]), "digits are read");
    }
    uint8_t *reply = copy(bytes + used, length - used);
    bool want = length - used >= size;
    for (size_t at = 0; want && at < size; at++)
        want = ((reply[at] ^ bytes[2 + at]) & (masked ? bytes[2 + size + at] : 0xff)) == 0;
    must(hex_matches(hexes[0], hexes[1], reply, length - used) == want, "a reply matches where its bits do");
    free(reply);
    free(texts[0]);
    free(texts[1]);
}

/* One byte for the size of the fragments, then the request. */
static void http_target(const uint8_t *bytes, size_t length) {
    struct request whole = {0}, pieces = {0};
    size_t fragment = length ? 1u + bytes[0] : 1;
    bool over = false;
    struct text body = {.length = 2, .bytes = "ok"}, reply = {0};

    if (length == 0)
        return;
    char *request = copy(bytes + 1, length - 1);
    for (size_t at = 0; at < length - 1 && !over; at += fragment)
        over = request_ends(&pieces, request + at, at + fragment < length - 1 ? fragment : length - 1 - at);
    must(request_ends(&whole, request, length - 1) == over, "fragments change nothing");
    must(whole.matched == pieces.matched, "the method is the same");
    request_answer(&whole, &body, &reply);
    must(reply.length < sizeof reply.bytes && reply.bytes[reply.length - 1] == '\n', "the answer is whole");
    free(request);
}

static void sock_diag_target(const uint8_t *bytes, size_t length) {
    struct member found = {0};
    struct nlmsghdr *reply = copy(bytes, length);
    enum lookup result = sock_diag_read(reply, length, length >= sizeof *reply ? reply->nlmsg_seq : 0, &found);
    must(result == LOOKUP_HIT || !found.identity, "only a hit names a socket");
    free(reply);
}

static void addresses_target(const uint8_t *bytes, size_t length) {
    struct addresses list = {.count = WILDCARDS};
    bool told = false;
    void *answer = copy(bytes, length);
    addresses_read(answer, length, &list, &told);
    must(list.count >= WILDCARDS && list.count <= WILDCARDS + MAX_ADDRESSES, "no more addresses than fit");
    free(answer);
}

#define WORD(literal) {literal, sizeof(literal) - 1}
#define ZEROS_4 "\0\0\0\0"
#define ZEROS_12 ZEROS_4 ZEROS_4 ZEROS_4
#define ZEROS_36 ZEROS_12 ZEROS_12 ZEROS_12

static const struct word option_words[] = {
    WORD("--port\n"),    WORD("--once\n"),     WORD("--drain"),    WORD("--grammar\n1"),  WORD("--version"),
    WORD("--help"),      WORD("5555"),         WORD("65535,"),     WORD("probe=payload,"), WORD("probe="),
    WORD("bound,"),      WORD("none,"),        WORD("queue=fail,"), WORD("udp=53,"),       WORD("tcp=80,"),
    WORD("send=00,"),    WORD("send="),        WORD("expect=0102,"), WORD("mask="),        WORD("from=any,"),
    WORD("to=pod,"),     WORD("to=loopback,"), WORD("to=::1,"),    WORD("to="),            WORD("10.0.0.1"),
    WORD("fd00::"),      WORD("interval=250ms,"), WORD("timeout="), WORD("settle=50ms,"),  WORD("rise=100,"),
    WORD("fall=1,"),     WORD("300s"),         WORD("ff"),         WORD("\n"),             {NULL, 0},
};
static const struct word table_words[] = {
    WORD("   sl  local_address rem_address   st tx_queue rx_queue\n"),
    WORD("  123: 00000000:15B3 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0 0\n"),
    WORD("  124: 0100007F:15B3 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4712 2 0 9\n"),
    WORD("    1: 0000000000000000FFFF00000500000A:15B3 00000000000000000000000000000000:0000 07 00000000:00000000 "
         "00:00000000 00000000     0        0 1 2 0000000000000000 0\n"),
    WORD("00000000:15B3 "),
    WORD("FFFFFFFF"),
    WORD(" "),
    WORD("\n"),
    {NULL, 0},
};
static const struct word http_words[] = {WORD("GET / HTTP/1.1\r\n"), WORD("HEAD "), WORD("Host: pod\r\n"), WORD("\r\n"),
                                         {NULL, 0}};
/* A socket with its memory's figures, "no such socket", a bare header. */
static const struct word sock_diag_words[] = {
    WORD("\x80\0\0\0\x14\0\0\0" ZEROS_4 ZEROS_4 ZEROS_36 ZEROS_36 "\x28\0\x07\0" ZEROS_36),
    WORD("\x24\0\0\0\x02\0\0\0" ZEROS_4 ZEROS_4 "\xfe\xff\xff\xff" ZEROS_12 ZEROS_4),
    WORD("\x10\0\0\0\x14\0\0\0" ZEROS_4 ZEROS_4),
    WORD("\x28\0\x07\0"),
    {NULL, 0},
};
/* An IPv4 address, an IPv6 one, the end of the answer, an error. */
static const struct word address_words[] = {
    WORD("\x28\0\0\0\x14\0\0\0" ZEROS_4 ZEROS_4 "\x02\x18\0\0\x01\0\0\0\x08\0\x01\0\x0a\0\0\x05\x08\0\x02\0\x0a\0\0\x05"),
    WORD("\x2c\0\0\0\x14\0\0\0" ZEROS_4 ZEROS_4 "\x0a\x40\0\0\x01\0\0\0\x14\0\x01\0" ZEROS_12 "\0\0\0\x05"),
    WORD("\x10\0\0\0\x03\0\0\0" ZEROS_4 ZEROS_4),
    WORD("\x10\0\0\0\x02\0\0\0" ZEROS_4 ZEROS_4),
    {NULL, 0},
};

const struct target targets[] = {
    {"arguments", arguments_target, option_words}, {"proc_net", proc_net_target, table_words},
    {"reply", reply_target, NULL},                 {"http", http_target, http_words},
    {"sock_diag", sock_diag_target, sock_diag_words}, {"addresses", addresses_target, address_words},
    {NULL, NULL, NULL},
};
