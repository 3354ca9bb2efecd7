/* Tables over the pure functions: what goes in, what must come out. */
#include "udp-healthcheck.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static unsigned failures;

#define CHECK(truth, ...)                                                                                              \
    do {                                                                                                               \
        if (!(truth)) {                                                                                                \
            failures++;                                                                                                \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #truth);                                                \
            fprintf(stderr, __VA_ARGS__);                                                                              \
            fputc('\n', stderr);                                                                                       \
        }                                                                                                              \
    } while (0)

static bool parse(const char *line, struct arguments *arguments, struct text *fault) {
    static char copy[8192];
    char *words[256] = {"udp-healthcheck"};
    int count = 1;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        words[count++] = word;
    bool good = arguments_parse(count, words, arguments, fault);
    fault->bytes[fault->length] = '\0';
    return good;
}

/* What one --port becomes, in the order of the keys; hexadecimal as it was given. */
static void describe(const struct options *options, char *words, size_t size) {
    static const char *const probes[] = {"bound", "payload", "none"}, *const queues[] = {"warn", "off", "fail"};
    static const char *const destinations[] = {"pod", "loopback", "address"};
    snprintf(words, size, "%u %s %s udp %u tcp %u %.*s/%.*s/%.*s%s to %s every %u for %u settle %u rise %u fall %u",
             options->tcp_port, probes[options->probe], queues[options->queue], options->udp_port, options->tcp_gate,
             (int)options->send.size * 2, options->send.digits ? options->send.digits : "",
             (int)options->expect.size * 2, options->expect.digits ? options->expect.digits : "",
             (int)options->mask.size * 2, options->mask.digits ? options->mask.digits : "",
             options->from_any ? " from any" : "", destinations[options->to], options->interval, options->timeout,
             options->settle, options->rise, options->fall);
}

static void good_options_are_read(void) {
    static const struct {
        const char *line, *words;
    } table[] = {
        {"53", "53 bound warn udp 53 tcp 0 // to pod every 1000 for 500 settle 500 rise 1 fall 1"},
        {"65535", "65535 bound warn udp 65535 tcp 0 // to pod every 1000 for 500 settle 500 rise 1 fall 1"},
        {"53,probe=bound,udp=5353", "53 bound warn udp 5353 tcp 0 // to pod every 1000 for 500 settle 500 rise 1 fall 1"},
        {"53,probe=none", "53 none warn udp 53 tcp 0 // to pod every 1000 for 500 settle 500 rise 1 fall 1"},
        {"53,tcp=80", "53 bound warn udp 53 tcp 80 // to pod every 1000 for 500 settle 500 rise 1 fall 1"},
        {"53,interval=50ms,settle=300s", "53 bound warn udp 53 tcp 0 // to pod every 50 for 50 settle 300000 rise 1 fall 1"},
        {"53,interval=300000ms,settle=2s",
         "53 bound warn udp 53 tcp 0 // to pod every 300000 for 500 settle 2000 rise 1 fall 1"},
        {"53,queue=warn", "53 bound warn udp 53 tcp 0 // to pod every 1000 for 500 settle 500 rise 1 fall 1"},
        {"53,queue=off", "53 bound off udp 53 tcp 0 // to pod every 1000 for 500 settle 500 rise 1 fall 1"},
        {"53,queue=fail", "53 bound fail udp 53 tcp 0 // to pod every 1000 for 500 settle 500 rise 1 fall 1"},
        {"53,rise=100,fall=3", "53 bound warn udp 53 tcp 0 // to pod every 1000 for 500 settle 500 rise 100 fall 3"},
        {"53,probe=payload,send=0aF0",
         "53 payload warn udp 53 tcp 0 0aF0// to pod every 1000 for 500 settle 500 rise 1 fall 3"},
        {"53,mask=ff0f,expect=0102,send=00,probe=payload,fall=1,from=any",
         "53 payload warn udp 53 tcp 0 00/0102/ff0f from any to pod every 1000 for 500 settle 500 rise 1 fall 1"},
        {"53,probe=payload,send=00,to=loopback,interval=250ms",
         "53 payload warn udp 53 tcp 0 00// to loopback every 250 for 250 settle 500 rise 1 fall 3"},
        {"53,probe=payload,send=00,to=10.0.0.1,timeout=2s,interval=2s",
         "53 payload warn udp 53 tcp 0 00// to address every 2000 for 2000 settle 500 rise 1 fall 3"},
        {"53,probe=payload,send=00,to=fd00::1,udp=54,queue=fail",
         "53 payload fail udp 54 tcp 0 00// to address every 1000 for 500 settle 500 rise 1 fall 3"},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct options options;
        struct text fault = {0};
        char words[200];
        CHECK(options_parse(slice_of(table[i].line), &options, &fault), "%s: %.80s", table[i].line, fault.bytes);
        describe(&options, words, sizeof words);
        CHECK(strcmp(words, table[i].words) == 0, "%s: %s", table[i].line, words);
    }
}

static void datagrams_of_1232_bytes_fit_and_no_more(void) {
    char line[4096] = "53,probe=payload,send=";
    struct options options;
    struct text fault = {0};
    size_t head = strlen(line);
    memset(line + head, 'a', 2 * MAX_PAYLOAD);
    CHECK(options_parse(slice_of(line), &options, &fault), "%.80s", fault.bytes);
    CHECK(options.send.size == MAX_PAYLOAD && hex_byte(options.send, MAX_PAYLOAD - 1) == 0xaa, "%zu", options.send.size);
    strcat(line, "00");
    CHECK(!options_parse(slice_of(line), &options, &fault), "%zu", strlen(line));
}

static void a_reply_must_begin_with_what_is_expected(void) {
    static const struct {
        const char *expect, *mask, *reply;
        bool matches;
    } table[] = {
        {"", "", "", true}, /* any reply, an empty one too */
        {"", "", "00", true},
        {"00", "", "", false},
        {"0102", "", "01", false},
        {"0102", "", "0102", true},
        {"0102", "", "010203", true},
        {"0102", "", "0103", false},
        {"aB", "", "Ab", true},
        {"41", "f7", "49", true},
        {"41", "f7", "41", true},
        {"41", "f7", "40", false},
        {"0101", "ff0f", "01f1", true},
        {"0101", "ff0f", "00f1", false},
        {"8000", "8000", "ff77", true},
        {"8000", "8000", "ff", false}, /* bytes that the mask blanks must still be there */
        {"01", "00", "ff", true},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct hex expect = {0}, mask = {0}, reply = {0};
        uint8_t bytes[8];
        hex_read(slice_of(table[i].expect), 8, &expect);
        hex_read(slice_of(table[i].mask), 8, &mask);
        hex_read(slice_of(table[i].reply), 8, &reply);
        for (size_t at = 0; at < reply.size; at++)
            bytes[at] = hex_byte(reply, at);
        CHECK(hex_matches(expect, mask, bytes, reply.size) == table[i].matches, "%s/%s %s", table[i].expect,
              table[i].mask, table[i].reply);
    }
}

static void actions_are_told_apart(void) {
    static const struct {
        const char *line;
        enum action action;
        uint64_t grammar;
    } table[] = {
        {"--port 1", ACTION_WATCH, 0},
        {"--once --port 1", ACTION_ONCE, 0},
        {"--port 1 --once --port 2", ACTION_ONCE, 0},
        {"--drain", ACTION_DRAIN, 0},
        {"--version", ACTION_VERSION, 0},
        {"--help", ACTION_HELP, 0},
        {"--grammar 1", ACTION_GRAMMAR, 1},
        {"--grammar 01", ACTION_GRAMMAR, 1},
        {"--grammar 0", ACTION_GRAMMAR, 0},
        {"--grammar 99999999999999999999999", ACTION_GRAMMAR, UINT64_MAX},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct arguments arguments;
        struct text fault;
        CHECK(parse(table[i].line, &arguments, &fault), "%s: %s", table[i].line, fault.bytes);
        CHECK(arguments.action == table[i].action, "%s", table[i].line);
        CHECK(arguments.grammar == table[i].grammar, "%s", table[i].line);
    }
}

static void bad_command_lines_are_refused_by_name(void) {
    static const char duration[] = " must be a duration such as 250ms or 2s, from 50ms to 300s, not ";
    static const struct {
        const char *line, *option, *reason;
    } table[] = {
        {"", "--port", "give at least one"},
        {"--once", "--port", "give at least one"},
        {"--port", "--port", "NUMBER[,key=value...] must follow"},
        {"--port 0", "--port 0", "the value must begin with a port number from 1 to 65535"},
        {"--port 65536", "--port 65536", "the value must begin with a port number"},
        {"--port 18446744073709551669", "--port 1844", "the value must begin with a port number"},
        {"--port -53", "--port -53", "the value must begin with a port number"},
        {"--port +53", "--port +53", "the value must begin with a port number"},
        {"--port 53x", "--port 53x", "the value must begin with a port number"},
        {"--port ,udp=1", "--port ,udp=1", "the value must begin with a port number"},
        {"--port udp=1", "--port udp=1", "the value must begin with a port number"},
        {"--port 53 --port 53", "--port 53", "this port is given twice"},
        {"--port 53 --port 053,udp=1", "--port 053,udp=1", "this port is given twice"},
        {"--port 53,", "--port 53,", "unknown key ''"},
        {"--port 53,,udp=1", "--port 53,,udp=1", "unknown key ''"},
        {"--port 53,colour=red", "--port 53,colour=red", "unknown key 'colour'"},
        {"--port 53,UDP=1", "--port 53,UDP=1", "unknown key 'UDP'"},
        {"--port 53,udp=1,udp=1", "--port 53,udp=1,udp=1", "udp is given twice"},
        {"--port 53,udp", "--port 53,udp", "udp must be a port number from 1 to 65535, not ''"},
        {"--port 53,udp=", "--port 53,udp=", "udp must be a port number"},
        {"--port 53,udp=1=2", "--port 53,udp=1=2", "udp must be a port number"},
        {"--port 53,probe=", "--port 53,probe=", "probe must be bound, payload or none"},
        {"--port 53,probe=boundless", "--port 53", "probe must be bound, payload or none, not 'boundless'"},
        {"--port 53,probe=payload", "--port 53", "probe=payload needs send=HEX"},
        {"--port 53,probe=payload,expect=00", "--port 53", "probe=payload needs send=HEX"},
        {"--port 53,probe=payload,send=", "--port 53", "send must be 1 to 1232 bytes, each two hexadecimal digits"},
        {"--port 53,probe=payload,send=0", "--port 53", "send must be 1 to 1232 bytes"},
        {"--port 53,probe=payload,send=0x00", "--port 53", "send must be 1 to 1232 bytes"},
        {"--port 53,probe=payload,send=0g", "--port 53", "send must be 1 to 1232 bytes"},
        {"--port 53,probe=payload,send=@@", "--port 53", "send must be 1 to 1232 bytes"},
        {"--port 53,probe=payload,send=``", "--port 53", "send must be 1 to 1232 bytes"},
        {"--port 53,probe=payload,send=00,expect=", "--port 53", "expect must be 1 to 1232 bytes"},
        {"--port 53,probe=payload,send=00,mask=ff", "--port 53", "mask needs expect=HEX"},
        {"--port 53,probe=payload,send=00,expect=00,mask=ffff", "--port 53", "mask must be as long as expect"},
        {"--port 53,probe=payload,send=00,expect=0000,mask=ff", "--port 53", "mask must be as long as expect"},
        {"--port 53,send=00", "--port 53", "send needs probe=payload"},
        {"--port 53,expect=00", "--port 53", "expect needs probe=payload"},
        {"--port 53,expect=00,mask=ff", "--port 53", "needs probe=payload"},
        {"--port 53,from=any", "--port 53", "from needs probe=payload"},
        {"--port 53,to=pod", "--port 53", "to needs probe=payload"},
        {"--port 53,probe=none,send=00", "--port 53", "send needs probe=payload"},
        {"--port 53,probe=payload,send=00,from=all", "--port 53", "from must be any, not 'all'"},
        {"--port 53,probe=payload,send=00,to=", "--port 53", "to must be pod, loopback or an IPv4 or IPv6 address"},
        {"--port 53,probe=payload,send=00,to=localhost", "--port 53", "to must be pod, loopback or an IPv4"},
        {"--port 53,probe=payload,send=00,to=10.0.0", "--port 53", "to must be pod, loopback or an IPv4"},
        {"--port 53,probe=payload,send=00,to=10.0.0.1.", "--port 53", "to must be pod, loopback or an IPv4"},
        {"--port 53,probe=payload,send=00,to=fe80::1%eth0", "--port 53", "to must be pod, loopback or an IPv4"},
        {"--port 53,probe=payload,send=00,to=[::1]", "--port 53", "to must be pod, loopback or an IPv4"},
        {"--port 53,probe=payload,send=00,to=1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb", "--port 53",
         "to must be pod, loopback or an IPv4"},
        {"--port 53,probe=payload,send=00,interval=249ms", "--port 53", "interval must be at least 250ms"},
        {"--port 53,timeout=1001ms", "--port 53", "timeout must not be longer than interval"},
        {"--port 53,timeout=2s,interval=1s", "--port 53", "timeout must not be longer than interval"},
        {"--port 53,timeout=0s", "--port 53", "timeout must be a duration"},
        {"--port 53,tcp=0", "--port 53", "tcp must be a port number from 1 to 65535"},
        {"--port 53,tcp=53", "--port 53", "tcp must be another port"},
        {"--port 53,tcp=80,udp=53", "--port 53", "udp and tcp exclude each other"},
        {"--port 53,tcp=80,probe=payload,send=00", "--port 53", "tcp does not go with probe=payload"},
        {"--port 53,send=00,send=01", "--port 53", "send is given twice"},
        {"--port 53,to=pod,to=pod", "--port 53", "to is given twice"},
        {"--port 53,queue=", "--port 53", "queue must be off, warn or fail, not ''"},
        {"--port 53,queue=failing", "--port 53", "queue must be off, warn or fail, not 'failing'"},
        {"--port 53,interval=49ms", "--port 53", duration},
        {"--port 53,interval=301s", "--port 53", duration},
        {"--port 53,interval=300001ms", "--port 53", duration},
        {"--port 53,interval=1", "--port 53", duration},
        {"--port 53,interval=ms", "--port 53", duration},
        {"--port 53,interval=s", "--port 53", duration},
        {"--port 53,settle=0s", "--port 53", duration},
        {"--port 53,settle=1m", "--port 53", duration},
        {"--port 53,settle=1.5s", "--port 53", duration},
        {"--port 53,settle=-1s", "--port 53", duration},
        {"--port 53,rise=0", "--port 53", "rise must be a count from 1 to 100, not '0'"},
        {"--port 53,fall=101", "--port 53", "fall must be a count from 1 to 100, not '101'"},
        {"--port=53", "--port=53", "unknown option"},
        {"-p 53", "-p", "unknown option"},
        {"53", "53", "unknown option"},
        {"--once --once --port 1", "--once", "given twice"},
        {"--port 1 --version", "--version", "must stand alone"},
        {"--version --port 1", "--version", "must stand alone"},
        {"--help me", "--help", "must stand alone"},
        {"--drain --port 1", "--drain", "must stand alone"},
        {"--grammar", "--grammar", "a version number must follow"},
        {"--grammar one", "--grammar", "a version number must follow"},
        {"--grammar -1", "--grammar", "a version number must follow"},
        {"--grammar 1x", "--grammar", "a version number must follow"},
        {"--grammar 1 --port 53", "--grammar", "must stand alone"},
        {"--port 53 --grammar 1", "--grammar", "must stand alone"},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct arguments arguments;
        struct text fault;
        CHECK(!parse(table[i].line, &arguments, &fault), "%s", table[i].line);
        CHECK(strncmp(fault.bytes, table[i].option, strlen(table[i].option)) == 0, "%s: %s", table[i].line, fault.bytes);
        CHECK(strstr(fault.bytes, table[i].reason), "%s: %s", table[i].line, fault.bytes);
    }
}

static void sixty_four_ports_fit_and_no_more(void) {
    char line[4096] = "";
    struct arguments arguments;
    struct text fault;
    for (int i = 1; i <= MAX_PORTS; i++)
        snprintf(line + strlen(line), sizeof line - strlen(line), "--port %d ", i);
    CHECK(parse(line, &arguments, &fault), "%s", fault.bytes);
    CHECK(arguments.port_count == MAX_PORTS, "%u", arguments.port_count);
    strcat(line, "--port 9999");
    CHECK(!parse(line, &arguments, &fault), "%s", line);
    CHECK(strstr(fault.bytes, "--port 9999: this is one port more than the 64 that fit"), "%s", fault.bytes);
}

static void rows_of_proc_net_are_read(void) {
    static const struct {
        const char *line;
        bool row;
        uint16_t port;
        enum reach reach;
        uint64_t inode;
    } table[] = {
        {"   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer "
         "drops",
         false, 0, 0, 0},
        {"", false, 0, 0, 0},
        {"  123: ", false, 0, 0, 0},
        {"  123: 00000000:15B3", false, 0, 0, 0},
        {"  123: 00000000:15B3 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 ", false, 0, 0, 0},
        {"  123: 00000000:15B3 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0 0", true,
         5555, REACH_POD, 4711},
        {"  123: 00000000:15B3 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0", false, 0,
         0, 0},
        {"  123: 0100007F:15B3 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0 0", true,
         5555, REACH_LOOPBACK, 4711},
        {"  123: 0500000A:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0 0", true,
         53, REACH_POD, 4711},
        {"  123: 010000E0:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0 0", true,
         53, REACH_NONE, 4711},
        {"  123: 0500000A:0035 0600000A:0035 01 00000000:00000000 00:00000000 00000000     0        0 4711 2 0 0", true,
         53, REACH_NONE, 4711},
        {"99999: 00000000000000000000000000000000:15B3 00000000000000000000000000000000:0000 07 00000000:00000000 "
         "00:00000000 00000000     0        0 4294967295 2 0000000000000000 0",
         true, 5555, REACH_POD, 4294967295},
        {"    1: 00000000000000000000000001000000:15B3 00000000000000000000000000000000:0000 07 00000000:00000000 "
         "00:00000000 00000000     0        0 1 2 0000000000000000 0",
         true, 5555, REACH_LOOPBACK, 1},
        {"    1: 0000000000000000FFFF00000100007F:15B3 00000000000000000000000000000000:0000 07 00000000:00000000 "
         "00:00000000 00000000     0        0 1 2 0000000000000000 0",
         true, 5555, REACH_LOOPBACK, 1},
        {"    1: 000080FE00000000000000000100000A:15B3 00000000000000000000000000000000:0000 07 00000000:00000000 "
         "00:00000000 00000000     0        0 1 2 0000000000000000 0",
         true, 5555, REACH_NONE, 1},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct row row = {0};
        CHECK(proc_net_row(table[i].line, strlen(table[i].line), &row) == table[i].row, "%s", table[i].line);
        if (table[i].row) {
            CHECK(row.port == table[i].port, "%s", table[i].line);
            CHECK(row.reach == table[i].reach, "%s", table[i].line);
            CHECK(row.inode == table[i].inode, "%s", table[i].line);
        }
    }
}

/* What is found in each sample ("+" found, "*" found and settled, "-" missing; small letters are extra looks:
 * "f" found, "s" settled, "m" missing) and the colour after it. */
static void rise_and_fall_count_samples(void) {
    static const struct {
        uint8_t rise, fall;
        const char *samples, *colours;
    } table[] = {
        {1, 1, "+*-*", "rgrg"},
        {1, 1, "-++*", "rrrg"},
        {1, 1, "*++-", "gggr"}, /* once green, a socket that has not settled keeps it green */
        {1, 1, "+s-m", "rgrr"},
        {3, 1, "***", "rrg"},
        {3, 1, "**-***", "rrrrrg"},
        {3, 1, "+ss*s*", "rrrrrg"}, /* extra looks do not count */
        {1, 3, "*--*---", "ggggggr"},
        {1, 2, "*-m-", "gggr"},
        {2, 2, "**-*-*--", "rggggggr"},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct options options = {.rise = table[i].rise, .fall = table[i].fall};
        struct health health = {0};
        for (const char *at = table[i].samples; *at; at++) {
            struct sample sample = {.found = !strchr("-m", *at), .settled = strchr("*s", *at), .counted = strchr("+*-", *at)};
            char want = table[i].colours[at - table[i].samples];
            health_step(&health, &options, sample);
            CHECK(health.green == (want == 'g'), "%s at %d", table[i].samples, (int)(at - table[i].samples));
        }
    }
}

/* Levels of the queue, one a sample; a capital letter adds a dropped datagram. */
static void a_socket_is_deaf_when_nobody_reads_it(void) {
    static const struct {
        const char *levels;
        bool deaf;
    } table[] = {
        {"aaaaaaaaaaaaaaaaaaaa", false},   /* idle */
        {"abbbbbbbbb", false},             /* nine samples may be a pause */
        {"abbbbbbbbbb", true},
        {"abcdefghijk", true},
        {"abcdeabcdeabcdeabcdeabcde", false},         /* in batches */
        {"abcdefaeeeeeeeeeeeeeeee", false},           /* below a level from which it fell */
        {"abcdefaggggggggggg", true},
        {"abbbbbbbbbbbba", false},                    /* the reader came back */
        {"abbbbbbbbbbbbabbbbbbbbbb", true},           /* the end of a deaf spell raises no level */
        {"zyxwvutsrqponmlkj", false},                 /* falling all the time */
        {"AAAAAAAAAA", true},                         /* drops alone */
        {"AAAAAAAAAAa", false},
        {"AAAAaAAAAaAAAA", false},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct queue queue = {0};
        uint32_t drops = 0;
        for (const char *at = table[i].levels; *at; at++) {
            bool drop = *at < 'a';
            drops += drop;
            uint32_t level = (uint32_t)(*at - (drop ? 'A' : 'a')) * 768;
            if (at == table[i].levels)
                queue.waiting = level;
            queue_step(&queue, level, drops);
        }
        CHECK(queue_is_deaf(&queue) == table[i].deaf, "%s", table[i].levels);
    }
}

static void look(struct group *group, const char *sockets, uint32_t moment, unsigned settle) {
    group_begin(group);
    for (; *sockets; sockets++)
        group_see(group, &(struct member){.identity = (uint64_t)*sockets, .first_seen = moment});
    group_end(group, moment, settle);
}

static void a_group_settles_with_its_oldest_member(void) {
    struct group group = {.column = 3};
    look(&group, "a", 1000, 500);
    CHECK(group.count == 1 && !group_is_settled(&group), "%u", group.count);
    CHECK(group_settles_at(&group, 1000, 500) == 1500, "%d", (int)group_settles_at(&group, 1000, 500));
    look(&group, "ab", 1300, 500);
    CHECK(group.count == 2 && !group_is_settled(&group), "%u", group.count);
    CHECK(group_settles_at(&group, 1300, 500) == 1500, "%d", (int)group_settles_at(&group, 1300, 500));
    look(&group, "ba", 1500, 500);
    CHECK(group.count == 2 && group_is_settled(&group), "%u", group.count);
}

static void a_socket_that_was_replaced_starts_anew(void) {
    struct group group = {.column = 4};
    look(&group, "a", 1000, 500);
    look(&group, "b", 1400, 500);
    look(&group, "b", 1500, 500);
    CHECK(group.count == 1 && !group_is_settled(&group), "%u", group.count);
    look(&group, "", 1600, 500);
    CHECK(group.count == 0 && !group_is_settled(&group), "%u", group.count);
    CHECK(group_settles_at(&group, 1600, 500) == NEVER, "%d", group.count);
    look(&group, "b", 2000, 500);
    CHECK(!group_is_settled(&group), "%u", group.count);
}

static void a_settled_socket_stays_settled_when_the_clock_wraps(void) {
    struct group group = {.column = 5};
    look(&group, "a", UINT32_MAX - 100, 500);
    CHECK(!group_is_settled(&group), "%u", group.count);
    look(&group, "a", 399, 500);
    CHECK(group_is_settled(&group), "%u", group.count);
    look(&group, "a", UINT32_MAX - 100, 500);
    CHECK(group_is_settled(&group), "%u", group.count);
}

static void foreign_bytes_stay_on_one_short_line(void) {
    struct text text = {0};
    char foreign[300];
    memset(foreign, '\n', sizeof foreign);
    text_add_foreign(&text, (struct slice){foreign, sizeof foreign});
    CHECK(text.length == 83 && !memchr(text.bytes, '\n', text.length), "%zu", text.length);
    for (int i = 0; i < 20; i++)
        text_add_foreign(&text, (struct slice){foreign, sizeof foreign});
    CHECK(text.length == sizeof text.bytes - 1, "%zu", text.length);
}

int main(void) {
    good_options_are_read();
    datagrams_of_1232_bytes_fit_and_no_more();
    a_reply_must_begin_with_what_is_expected();
    actions_are_told_apart();
    bad_command_lines_are_refused_by_name();
    sixty_four_ports_fit_and_no_more();
    rows_of_proc_net_are_read();
    rise_and_fall_count_samples();
    a_socket_is_deaf_when_nobody_reads_it();
    a_group_settles_with_its_oldest_member();
    a_socket_that_was_replaced_starts_anew();
    a_settled_socket_stays_settled_when_the_clock_wraps();
    foreign_bytes_stay_on_one_short_line();
    if (failures)
        fprintf(stderr, "%u failed\n", failures);
    return failures != 0;
}
