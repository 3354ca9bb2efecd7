#include "udp-healthcheck.h"

#include <string.h>

static bool refuse(struct text *fault, const char *culprit, const char *reason) {
    text_add_foreign(fault, slice_of(culprit));
    text_add(fault, reason);
    return false;
}

static bool parse_port(const char *word, struct arguments *arguments, struct text *fault) {
    struct options options;

    text_add(fault, "--port ");
    refuse(fault, word, ": ");
    if (!options_parse(slice_of(word), &options, fault))
        return false;
    for (unsigned i = 0; i < arguments->port_count; i++)
        if (arguments->ports[i].options.tcp_port == options.tcp_port)
            return refuse(fault, "", "this port is given twice");
    if (arguments->port_count == MAX_PORTS)
        return refuse(fault, "", "this is one port more than the 64 that fit");
    arguments->ports[arguments->port_count++].options = options;
    fault->length = 0;
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
    arguments->action = alone->action;
    if (alone->action == ACTION_GRAMMAR && !slice_number(slice_of(word_count > 2 ? words[2] : ""), &arguments->grammar))
        return refuse(fault, alone->word, ": a version number must follow");
    if (word_count == 1 + alone->words)
        return true;
    return refuse(fault, alone->word, ": must stand alone on the command line");
}

static const struct alone *find_alone(const char *word) {
    for (unsigned i = 0; i < ALONES; i++)
        if (strcmp(word, alones[i].word) == 0)
            return &alones[i];
    return NULL;
}

/* On false, fault holds the option and the reason. */
bool arguments_parse(int word_count, char *const words[], struct arguments *arguments, struct text *fault) {
    arguments->action = ACTION_WATCH;
    arguments->port_count = 0;
    fault->length = 0;
    for (int i = 1; i < word_count; i++) {
        const struct alone *alone = find_alone(words[i]);
        if (alone && i == 1)
            return parse_alone(alone, word_count, words, arguments, fault);
        if (alone)
            return refuse(fault, words[i], ": must stand alone on the command line");
        if (strcmp(words[i], "--once") == 0) {
            if (arguments->action == ACTION_ONCE)
                return refuse(fault, words[i], ": given twice");
            arguments->action = ACTION_ONCE;
        } else if (strcmp(words[i], "--port") != 0) {
            return refuse(fault, words[i], ": unknown option; see --help");
        } else if (++i == word_count) {
            return refuse(fault, "--port", ": NUMBER[,key=value...] must follow");
        } else if (!parse_port(words[i], arguments, fault)) {
            return false;
        }
    }
    return arguments->port_count > 0 || refuse(fault, "--port", ": give at least one; see --help");
}
