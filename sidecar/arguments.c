#include "udp-healthcheck.h"

#include <string.h>

struct slice {
    const char *at;
    size_t length;
};

static bool is(struct slice slice, const char *word) {
    return slice.length == strlen(word) && memcmp(slice.at, word, slice.length) == 0;
}

/* Cuts the slice at the first separator; rest is empty where there is none. */
static bool cut(struct slice whole, char separator, struct slice *first, struct slice *rest) {
    const char *at = memchr(whole.at, separator, whole.length);
    *first = (struct slice){whole.at, at ? (size_t)(at - whole.at) : whole.length};
    *rest = (struct slice){whole.at + first->length + (at != NULL), whole.length - first->length - (at != NULL)};
    return at != NULL;
}

/* Digits alone; what exceeds 64 bits is the largest number. */
static bool number(struct slice slice, uint64_t *value) {
    *value = 0;
    for (size_t i = 0; i < slice.length; i++) {
        if (slice.at[i] < '0' || slice.at[i] > '9')
            return false;
        unsigned digit = (unsigned)(slice.at[i] - '0');
        *value = *value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *value * 10 + digit;
    }
    return slice.length > 0;
}

static bool number_within(struct slice slice, uint64_t least, uint64_t most, unsigned *value) {
    uint64_t found;
    if (!number(slice, &found) || found < least || found > most)
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

static bool set_probe(struct options *options, struct slice value) {
    options->probe = is(value, "none") ? PROBE_NONE : PROBE_BOUND;
    return is(value, "none") || is(value, "bound");
}

static bool set_queue(struct options *options, struct slice value) {
    options->queue = is(value, "fail") ? QUEUE_FAIL : is(value, "off") ? QUEUE_OFF : QUEUE_WARN;
    return options->queue != QUEUE_WARN || is(value, "warn");
}

static bool set_udp(struct options *options, struct slice value) {
    return port_number(value, &options->udp_port);
}

static bool set_interval(struct options *options, struct slice value) {
    return duration(value, &options->interval);
}

static bool set_settle(struct options *options, struct slice value) {
    return duration(value, &options->settle);
}

static bool count(struct slice slice, uint8_t *value) {
    unsigned found;
    if (!number_within(slice, 1, 100, &found))
        return false;
    *value = (uint8_t)found;
    return true;
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

static const struct key {
    const char *name;
    bool (*set)(struct options *, struct slice);
    const char *wanted;
} keys[] = {
    {"probe", set_probe, "bound or none"},
    {"queue", set_queue, "off, warn or fail"},
    {"udp", set_udp, A_PORT},
    {"interval", set_interval, A_DURATION},
    {"settle", set_settle, A_DURATION},
    {"rise", set_rise, A_COUNT},
    {"fall", set_fall, A_COUNT},
};
#define KEYS (sizeof keys / sizeof keys[0])

static bool refuse(struct text *fault, struct slice culprit, const char *reason) {
    text_add_foreign(fault, culprit.at, culprit.length);
    text_add(fault, reason);
    return false;
}

static bool parse_key(struct slice pair, unsigned *given, struct options *options, struct text *fault) {
    struct slice name, value;
    bool has_value = cut(pair, '=', &name, &value);
    for (unsigned i = 0; i < KEYS; i++) {
        if (!is(name, keys[i].name))
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

static bool parse_port(struct slice whole, struct arguments *arguments, struct text *fault) {
    struct options options = {.probe = PROBE_BOUND, .interval = 1000, .settle = 500, .rise = 1, .fall = 1};
    struct slice pair, rest;
    bool more = cut(whole, ',', &pair, &rest);

    if (!port_number(pair, &options.tcp_port))
        return refuse(fault, (struct slice){"", 0}, "the value must begin with " A_PORT);
    options.udp_port = options.tcp_port;
    for (unsigned given = 0; more;) {
        more = cut(rest, ',', &pair, &rest);
        if (!parse_key(pair, &given, &options, fault))
            return false;
    }
    for (unsigned i = 0; i < arguments->port_count; i++)
        if (arguments->ports[i].tcp_port == options.tcp_port)
            return refuse(fault, (struct slice){"", 0}, "this port is given twice");
    if (arguments->port_count == MAX_PORTS)
        return refuse(fault, (struct slice){"", 0}, "this is one port more than the 64 that fit");
    arguments->ports[arguments->port_count++] = options;
    return true;
}

/* The words that stand alone on the line. */
static const struct alone {
    const char *word;
    enum action action;
    int words;
} alones[] = {
    {"--drain", ACTION_DRAIN, 1},
    {"--grammar", ACTION_GRAMMAR, 2},
    {"--version", ACTION_VERSION, 1},
    {"--help", ACTION_HELP, 1},
};
#define ALONES (sizeof alones / sizeof alones[0])

static bool parse_alone(const struct alone *alone, int word_count, char *const words[], struct arguments *arguments,
                        struct text *fault) {
    text_add(fault, alone->word);
    arguments->action = alone->action;
    if (alone->action == ACTION_GRAMMAR) {
        struct slice value = {"", 0};
        if (word_count > 2)
            value = (struct slice){words[2], strlen(words[2])};
        if (!number(value, &arguments->grammar)) {
            text_add(fault, ": a version number must follow");
            return false;
        }
    }
    if (word_count == 1 + alone->words)
        return true;
    text_add(fault, ": must stand alone on the command line");
    return false;
}

static const struct alone *find_alone(const char *word) {
    for (unsigned i = 0; i < ALONES; i++)
        if (strcmp(word, alones[i].word) == 0)
            return &alones[i];
    return NULL;
}

/* On false, fault holds the option and the reason. */
bool arguments_parse(int word_count, char *const words[], struct arguments *arguments, struct text *fault) {
    *arguments = (struct arguments){.action = ACTION_WATCH};
    fault->length = 0;
    for (int i = 1; i < word_count; i++) {
        const struct alone *alone = find_alone(words[i]);
        if (alone && i == 1)
            return parse_alone(alone, word_count, words, arguments, fault);
        if (alone)
            return refuse(fault, (struct slice){words[i], strlen(words[i])}, ": must stand alone on the command line");
        if (strcmp(words[i], "--once") == 0) {
            if (arguments->action == ACTION_ONCE)
                return refuse(fault, (struct slice){"--once", 6}, ": given twice");
            arguments->action = ACTION_ONCE;
        } else if (strcmp(words[i], "--port") != 0) {
            return refuse(fault, (struct slice){words[i], strlen(words[i])}, ": unknown option; see --help");
        } else if (++i == word_count) {
            return refuse(fault, (struct slice){"--port", 6}, ": NUMBER[,key=value...] must follow");
        } else {
            text_add(fault, "--port ");
            refuse(fault, (struct slice){words[i], strlen(words[i])}, ": ");
            if (!parse_port((struct slice){words[i], strlen(words[i])}, arguments, fault))
                return false;
            fault->length = 0;
        }
    }
    if (arguments->port_count == 0)
        return refuse(fault, (struct slice){"--port", 6}, ": give at least one; see --help");
    return true;
}
