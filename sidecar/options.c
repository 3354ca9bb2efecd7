#include "udp-healthcheck.h"

#include <arpa/inet.h>
#include <string.h>

static bool number_within(struct slice slice, uint64_t least, uint64_t most, unsigned *value) {
    uint64_t found;
    if (!slice_number(slice, &found) || found < least || found > most)
        return false;
    *value = (unsigned)found;
    return true;
}

static bool port_number(struct slice slice, uint16_t *port) {
    unsigned value;
    if (!number_within(slice, 1, UINT16_MAX, &value))
        return false;
    *port = (uint16_t)value;
    return true;
}

static bool duration(struct slice slice, unsigned *value) {
    unsigned scale = 1000, suffix = 1;
    if (slice.length > 2 && memcmp(slice.at + slice.length - 2, "ms", 2) == 0)
        scale = 1, suffix = 2;
    else if (slice.length < 2 || slice.at[slice.length - 1] != 's')
        return false;
    if (!number_within((struct slice){slice.at, slice.length - suffix}, 0, 300000 / scale, value))
        return false;
    *value *= scale;
    return *value >= 50;
}

static bool count(struct slice slice, uint8_t *value) {
    unsigned found;
    if (!number_within(slice, 1, 100, &found))
        return false;
    *value = (uint8_t)found;
    return true;
}

/* The word's place in a list that ends with NULL. */
static bool word_of(struct slice slice, const char *const words[], uint8_t *place) {
    for (*place = 0; words[*place]; ++*place)
        if (slice_is(slice, words[*place]))
            return true;
    return false;
}

static bool set_probe(struct options *options, struct slice value) {
    return word_of(value, (const char *const[]){"bound", "payload", "none", NULL}, &options->probe);
}

static bool set_queue(struct options *options, struct slice value) {
    return word_of(value, (const char *const[]){"warn", "off", "fail", NULL}, &options->queue);
}

static bool set_udp(struct options *options, struct slice value) {
    return port_number(value, &options->udp_port);
}

static bool set_tcp(struct options *options, struct slice value) {
    return port_number(value, &options->tcp_gate);
}

static bool set_send(struct options *options, struct slice value) {
    return hex_read(value, MAX_PAYLOAD, &options->send);
}

static bool set_expect(struct options *options, struct slice value) {
    return hex_read(value, MAX_PAYLOAD, &options->expect);
}

static bool set_mask(struct options *options, struct slice value) {
    return hex_read(value, MAX_PAYLOAD, &options->mask);
}

static bool set_from(struct options *options, struct slice value) {
    options->from_any = true;
    return slice_is(value, "any");
}

static bool set_to(struct options *options, struct slice value) {
    char literal[INET6_ADDRSTRLEN] = "";
    struct address *address = &options->address;

    if (word_of(value, (const char *const[]){"pod", "loopback", NULL}, &options->to))
        return true;
    options->to = TO_ADDRESS;
    if (value.length >= sizeof literal)
        return false;
    memcpy(literal, value.at, value.length);
    address->family = memchr(literal, ':', value.length) ? AF_INET6 : AF_INET;
    return inet_pton((int)address->family, literal, address->bytes) == 1;
}

static bool set_interval(struct options *options, struct slice value) {
    return duration(value, &options->interval);
}

static bool set_timeout(struct options *options, struct slice value) {
    return duration(value, &options->timeout);
}

static bool set_settle(struct options *options, struct slice value) {
    return duration(value, &options->settle);
}

static bool set_rise(struct options *options, struct slice value) {
    return count(value, &options->rise);
}

static bool set_fall(struct options *options, struct slice value) {
    return count(value, &options->fall);
}

#define A_DURATION "a duration such as 250ms or 2s, from 50ms to 300s"
#define A_PORT "a port number from 1 to 65535"
#define A_COUNT "a count from 1 to 100"
#define SOME_HEX "1 to 1232 bytes, each two hexadecimal digits"

static const struct key {
    const char *name;
    bool (*set)(struct options *, struct slice);
    const char *wanted;
    bool of_payload;
} keys[] = {
    {"probe", set_probe, "bound, payload or none", false},
    {"queue", set_queue, "off, warn or fail", false},
    {"udp", set_udp, A_PORT, false},
    {"tcp", set_tcp, A_PORT, false},
    {"send", set_send, SOME_HEX, true},
    {"expect", set_expect, SOME_HEX, true},
    {"mask", set_mask, SOME_HEX, true},
    {"from", set_from, "any", true},
    {"to", set_to, "pod, loopback or an IPv4 or IPv6 address", true},
    {"interval", set_interval, A_DURATION, false},
    {"timeout", set_timeout, A_DURATION, false},
    {"settle", set_settle, A_DURATION, false},
    {"rise", set_rise, A_COUNT, false},
    {"fall", set_fall, A_COUNT, false},
};
#define KEYS (sizeof keys / sizeof keys[0])

static bool refuse(struct text *fault, struct slice culprit, const char *reason) {
    text_add_foreign(fault, culprit);
    text_add(fault, reason);
    return false;
}

static bool parse_key(struct slice pair, unsigned *given, struct options *options, struct text *fault) {
    struct slice name, value;
    bool has_value = slice_cut(pair, '=', &name, &value);
    for (unsigned i = 0; i < KEYS; i++) {
        if (!slice_is(name, keys[i].name))
            continue;
        if (*given & 1u << i)
            return refuse(fault, name, " is given twice");
        *given |= 1u << i;
        if (has_value && keys[i].set(options, value))
            return true;
        refuse(fault, name, " must be ");
        text_add(fault, keys[i].wanted);
        text_add(fault, ", not '");
        return refuse(fault, value, "'");
    }
    text_add(fault, "unknown key '");
    return refuse(fault, name, "'");
}

/* What each key allows may still contradict another. Zero marks what was not given. */
static const char *contradiction(const struct options *options) {
    const bool payload = options->probe == PROBE_PAYLOAD;
    if (payload && !options->send.size)
        return "probe=payload needs send=HEX";
    if (options->mask.size && !options->expect.size)
        return "mask needs expect=HEX";
    if (options->mask.size && options->mask.size != options->expect.size)
        return "mask must be as long as expect";
    if (options->tcp_gate && options->udp_port)
        return "udp and tcp exclude each other";
    if (options->tcp_gate && payload)
        return "tcp does not go with probe=payload";
    if (options->tcp_gate == options->tcp_port)
        return "tcp must be another port than the one that is opened";
    if (options->timeout > options->interval)
        return "timeout must not be longer than interval (1s if not given)";
    if (payload && options->interval < 250)
        return "interval must be at least 250ms with probe=payload";
    return NULL;
}

static void fill_in(struct options *options) {
    const unsigned timeout = 500;
    if (!options->udp_port)
        options->udp_port = options->tcp_port;
    if (!options->timeout)
        options->timeout = options->interval < timeout ? options->interval : timeout;
    if (!options->fall)
        options->fall = options->probe == PROBE_PAYLOAD ? 3 : 1;
}

/* NUMBER[,key=value...]; on false, fault holds the reason. */
bool options_parse(struct slice whole, struct options *options, struct text *fault) {
    struct slice pair, rest;
    bool more = slice_cut(whole, ',', &pair, &rest);
    unsigned given = 0;

    *options = (struct options){.interval = 1000, .settle = 500, .rise = 1};
    if (!port_number(pair, &options->tcp_port)) {
        text_add(fault, "the value must begin with " A_PORT);
        return false;
    }
    while (more) {
        more = slice_cut(rest, ',', &pair, &rest);
        if (!parse_key(pair, &given, options, fault))
            return false;
    }
    for (unsigned i = 0; i < KEYS; i++)
        if (keys[i].of_payload && given & 1u << i && options->probe != PROBE_PAYLOAD)
            return refuse(fault, slice_of(keys[i].name), " needs probe=payload");
    const char *why = contradiction(options);
    if (why) {
        text_add(fault, why);
        return false;
    }
    fill_in(options);
    return true;
}
