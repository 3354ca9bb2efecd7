#include "udp-healthcheck.h"

#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

static const char help[] =
    "NAME\n"
    "  " PROGRAM " - a TCP port that is open exactly while a UDP port is served\n"
    "\n"
    "SYNOPSIS\n"
    "  " PROGRAM " [--once] --port NUMBER[,key=value...]...\n"
    "  " PROGRAM " --drain | --grammar N | --version | --help\n"
    "\n"
    "OPTIONS\n"
    "  --port       a port, up to 64 of them; it refuses while it is red\n"
    "  --once       one line a port: number, green or red, reason; exit 0 if all are green, else 1\n"
    "  --drain      turn the sidecar of this container red for good; exit 0 once all its ports refuse\n"
    "  --grammar N  exit 0 if version N of these arguments is known, else 1\n"
    "\n"
    "KEYS OF A PORT\n"
    "  probe=bound    green while a UDP socket is bound on the wildcard or a pod address (default)\n"
    "  probe=payload  and replies to a datagram; needs send=\n"
    "  probe=none     always green\n"
    "  udp=NUMBER     the UDP port that decides, if it is another\n"
    "  tcp=NUMBER     a TCP listener of the application decides instead\n"
    "  queue=warn     off, warn or fail: what follows when the application does not read its UDP socket\n"
    "  interval=1s    time between two samples, 50ms to 300s; 250ms or more with payload\n"
    "  settle=500ms   how long a socket must be there before TCP opens, 50ms to 300s\n"
    "  rise=1         good samples until green, 1 to 100\n"
    "  fall=1         bad samples until red, 1 to 100; with payload lost replies, and 3\n"
    "\n"
    "  With probe=payload:\n"
    "  send=HEX       the datagram, up to 1232 bytes\n"
    "  expect=HEX     how the reply must begin; without it any reply will do\n"
    "  mask=HEX       the bits of expect that count\n"
    "  from=any       a reply from another port of the pod counts\n"
    "  to=pod         or loopback, or an address of this pod\n"
    "  timeout=500ms  not longer than interval\n"
    "\n"
    "EXIT STATUS\n"
    "  64 for a malformed command line, and one line that says what is wrong. Signals end it: SIGTERM, SIGINT.\n"
    "\n"
    "EXAMPLES\n"
    "  " PROGRAM " --port 5555 --port 514,queue=fail\n"
    "  " PROGRAM " --port 53,probe=payload,send=0000000000010000000000000000020001,expect=000080,mask=ffff80\n";

static int say(const char *words, size_t length) {
    return write(STDOUT_FILENO, words, length) == (ssize_t)length ? EX_OK : EX_IOERR;
}

static int once(struct arguments *arguments) {
    bool all_green = true;

    sockets_start();
    payloads_start(arguments);
    for (unsigned i = 0; i < arguments->port_count; i++) {
        struct text line = {0};
        port_start(&arguments->ports[i], i, now());
        all_green = port_once(&arguments->ports[i], &line) && all_green;
        if (!text_write(&line, STDOUT_FILENO))
            return EX_IOERR;
    }
    return all_green ? 0 : 1;
}

/* Where stdio is closed, a socket of ours would have its number, and log lines would go out by it. */
static void fill_stdio(void) {
    int filler;
    do
        filler = socket(AF_UNIX, SOCK_DGRAM, 0);
    while (filler >= 0 && filler <= STDERR_FILENO);
    close(filler);
}

int main(int count, char *words[]) {
    static struct arguments arguments;
    struct text fault = {0};

    fill_stdio();
    if (!arguments_parse(count, words, &arguments, &fault)) {
        struct text line = {0};
        text_add(&line, PROGRAM ": ");
        text_add_bytes(&line, fault.bytes, fault.length);
        text_write(&line, STDERR_FILENO);
        return EX_USAGE;
    }
    switch (arguments.action) {
    case ACTION_HELP:
        return say(help, sizeof help - 1);
    case ACTION_VERSION:
        return say(PROGRAM " " VERSION "\n", sizeof PROGRAM " " VERSION);
    case ACTION_GRAMMAR:
        return arguments.grammar == GRAMMAR ? 0 : 1;
    case ACTION_DRAIN:
        return drain_ask();
    case ACTION_ONCE:
        return once(&arguments);
    case ACTION_WATCH:
        break;
    }
    return watch(&arguments);
}
