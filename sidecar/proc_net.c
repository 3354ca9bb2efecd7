#include "udp-healthcheck.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct cursor {
    const char *at;
    const char *end;
};

static void skip_blanks(struct cursor *cursor) {
    while (cursor->at < cursor->end && *cursor->at == ' ')
        cursor->at++;
}

static void skip_word(struct cursor *cursor) {
    skip_blanks(cursor);
    while (cursor->at < cursor->end && *cursor->at != ' ')
        cursor->at++;
}

/* Digits of the base up to the first other byte; returns how many there were. */
static unsigned read_digits(struct cursor *cursor, unsigned base, unsigned most, uint64_t *value) {
    unsigned count = 0;
    for (*value = 0; cursor->at < cursor->end && count < most; cursor->at++, count++) {
        int digit = hex_digit(*cursor->at);
        if (digit < 0 || (unsigned)digit >= base)
            break;
        *value = *value * base + (unsigned)digit;
    }
    return count;
}

static bool read_letter(struct cursor *cursor, char letter) {
    return cursor->at < cursor->end && *cursor->at++ == letter;
}

/* The kernel prints an address as 32-bit words in the machine's own byte order. */
static unsigned read_address(struct cursor *cursor, uint32_t words[4]) {
    unsigned count = 0;
    uint64_t word;
    skip_blanks(cursor);
    while (count < 4 && read_digits(cursor, 16, 8, &word) == 8)
        words[count++] = (uint32_t)word;
    return read_letter(cursor, ':') ? count : 0;
}

static struct address address_of(const uint32_t *words, unsigned count) {
    struct address address = {.family = count == 1 ? AF_INET : AF_INET6};
    if (count == 4 && !words[0] && !words[1] && words[2] == htonl(0xffff))
        return address_of(&words[3], 1);
    memcpy(address.bytes, words, count * sizeof words[0]);
    return address;
}

/* Multicast and link-local addresses reach nobody's health check. */
static enum reach reach_of(const struct address *local) {
    const uint8_t *bytes = local->bytes;
    if (address_is_loopback(local))
        return REACH_LOOPBACK;
    if (local->family == AF_INET)
        return bytes[0] >> 4 == 0xe ? REACH_NONE : REACH_POD;
    return bytes[0] == 0xff || (bytes[0] == 0xfe && bytes[1] >> 6 == 2) ? REACH_NONE : REACH_POD;
}

/* One line of the table; false for the heading and for what is no row of it. */
bool proc_net_row(const char *line, size_t length, struct row *row) {
    struct cursor cursor = {line, line + length};
    uint32_t local[4], remote[4];
    uint64_t port, state, waiting, drops;

    skip_word(&cursor); /* the slot */
    unsigned words = read_address(&cursor, local);
    if ((words != 1 && words != 4) || read_digits(&cursor, 16, 4, &port) != 4)
        return false;
    if (read_address(&cursor, remote) != words)
        return false;
    skip_word(&cursor); /* the remote port */
    skip_blanks(&cursor);
    if (read_digits(&cursor, 16, 2, &state) != 2)
        return false;
    skip_blanks(&cursor);
    read_digits(&cursor, 16, 8, &waiting); /* the transmit queue's */
    if (!read_letter(&cursor, ':') || read_digits(&cursor, 16, 8, &waiting) != 8)
        return false;
    for (int i = 0; i < 4; i++) /* timer, retransmits, uid, timeout */
        skip_word(&cursor);
    skip_blanks(&cursor);
    if (read_digits(&cursor, 10, 19, &row->inode) == 0)
        return false;
    skip_word(&cursor); /* references */
    skip_word(&cursor); /* the pointer */
    skip_blanks(&cursor);
    if (read_digits(&cursor, 10, 10, &drops) == 0)
        return false;
    row->waiting = (uint32_t)waiting;
    row->drops = (uint32_t)drops;
    const unsigned connected = 1;
    row->port = (uint16_t)port;
    row->local = address_of(local, words);
    row->reach = state == connected ? REACH_NONE : reach_of(&row->local);
    return true;
}

struct search {
    uint16_t port;
    uint32_t moment;
    struct group *group;
    bool *loopback;
};

/* An address that the pod does not have is out of reach; where its addresses are not known, it may have any. */
static bool is_in_reach(const struct row *row, unsigned *place) {
    if (row->reach != REACH_POD)
        return false;
    if (address_find(&row->local, place))
        return true;
    *place = row->local.family == AF_INET ? 0 : 1;
    return address_count() == WILDCARDS;
}

static void see(const struct search *search, const char *line, size_t length) {
    struct row row;
    unsigned place;
    if (!proc_net_row(line, length, &row) || row.port != search->port)
        return;
    if (is_in_reach(&row, &place))
        group_see(search->group, &(struct member){.identity = row.inode,
                                                  .waiting = row.waiting,
                                                  .drops = row.drops,
                                                  .first_seen = search->moment,
                                                  .place = (uint8_t)place});
    else if (row.reach == REACH_LOOPBACK)
        *search->loopback = true;
}

static bool scan(const struct search *search, const char *path) {
    char *const window = (char *)scratch;
    size_t held = 0;
    ssize_t got;
    int file = open(path, O_RDONLY | O_CLOEXEC);

    if (file < 0)
        return false;
    while ((got = read(file, window + held, sizeof scratch - held)) > 0) {
        const char *line = window, *newline;
        held += (size_t)got;
        while ((newline = memchr(line, '\n', held))) {
            see(search, line, (size_t)(newline - line));
            held -= (size_t)(newline + 1 - line);
            line = newline + 1;
        }
        if (held == sizeof scratch)
            held = 0; /* no table of ours has such lines */
        memmove(window, line, held);
    }
    close(file);
    return got == 0;
}

/* True if a table could be read; without IPv6 there is only one. */
bool proc_net_scan(uint16_t port, struct group *group, uint32_t moment, bool *loopback) {
    const struct search search = {port, moment, group, loopback};
    bool v4 = scan(&search, "/proc/net/udp");
    bool v6 = scan(&search, "/proc/net/udp6");
    return v4 || v6;
}
