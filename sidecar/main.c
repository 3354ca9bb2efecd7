#include "udp-healthcheck.h"

#include <sysexits.h>
#include <unistd.h>

static const char help[] =
    "usage: " PROGRAM " [--once] --port NUMBER[,key=value...]...\n"
    "\n"
    "Listens on TCP port NUMBER exactly while the UDP port of that number is served.\n"
    "\n"
    "  probe=bound     green while a UDP socket is bound on the wildcard or a pod address (default)\n"
    "  probe=none      always green\n"
    "  queue=warn      off, warn or fail: what follows when the application does not read its socket\n"
    "  udp=NUMBER      the UDP port that decides, if it is another\n"
    "  interval=1s     time between two samples, 50ms to 300s\n"
    "  settle=500ms    how long a socket must be there before TCP opens, 50ms to 300s\n"
    "  rise=1 fall=1   samples until green and until red, 1 to 100\n"
    "\n"
    "  --once          one line a port: number, green or red, reason; exit 0 if all are green\n"
    "  --drain         turn the sidecar of this container red for good; exit 0 once all ports refuse\n"
    "  --grammar N     exit 0 if version N of these arguments is known, else 1\n"
    "  --version --help\n";

static int say(const char *words, size_t length) {
    return write(STDOUT_FILENO, words, length) == (ssize_t)length ? EX_OK : EX_IOERR;
}

static int once(const struct arguments *arguments) {
    static struct port port;
    bool all_green = true;

    sockets_start();
    for (unsigned i = 0; i < arguments->port_count; i++) {
        struct text line = {0};
        port = (struct port){0};
        port_start(&port, &arguments->ports[i], i, now());
        all_green = port_once(&port, now(), &line) && all_green;
        if (!text_write(&line, STDOUT_FILENO))
            return EX_IOERR;
    }
    return all_green ? 0 : 1;
}

int main(int count, char *words[]) {
    static struct arguments arguments;
    struct text fault = {0};

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
