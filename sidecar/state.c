#include "udp-healthcheck.h"

/* %G stands for the port that decides, %T for the number of the one that is opened. */
static const char *const reasons[] = {
    [STATE_UNKNOWN] = "",
    [STATE_BOUND] = "%G is bound",
    [STATE_ANSWERS] = "%G answers",
    [STATE_FREE] = "nothing is probed",
    [STATE_UNREAD] = "%G is bound, but the application does not read it: datagrams wait or are dropped",
    [STATE_NO_SOCKET] = "%G is not bound on the wildcard or an address of the pod",
    [STATE_LOOPBACK] = "%G is bound on loopback only; let the application bind 0.0.0.0, :: or the pod's address",
    [STATE_DEAF] = "%G is bound, but the application does not read it: datagrams wait or are dropped",
    [STATE_SILENT] = "%G is bound, but does not reply in time: it hangs, or it ignores what send= asks",
    [STATE_WRONG] = "%G replies, but not with what expect= asks for",
    [STATE_REFUSED] = "%G is bound, but refuses at the address where it is asked; see to=",
    [STATE_FOREIGN] = "the address in to= is not one of this pod's: nothing is sent to it",
    [STATE_UNASKED] = "%G is bound, but cannot be asked: no socket for it, or no way to it; trying on",
    [STATE_BLIND] = "sockets cannot be seen: neither sock_diag nor /proc/net/udp answers; trying on",
    [STATE_BLIND_TO_TCP] = "%G cannot be seen: sock_diag does not answer; trying on",
    [STATE_OWNED] = "%G is bound, but another program has TCP %T: stepping aside, watching on",
    [STATE_DENIED] = "%G is bound, but TCP %T is forbidden; set sysctl net.ipv4.ip_unprivileged_port_start to %T",
    [STATE_NO_DESCRIPTOR] = "%G is bound, but there is no file descriptor left for TCP %T; raise the limit",
    [STATE_NOT_OPENED] = "%G is bound, but TCP %T cannot be opened; trying on",
    [STATE_DRAINING] = "draining",
    [STATE_STOPPING] = "stopping",
};

bool state_is_green(enum state state) {
    return state == STATE_BOUND || state == STATE_ANSWERS || state == STATE_FREE || state == STATE_UNREAD;
}

void state_describe(enum state state, const struct options *options, struct text *line) {
    text_add_number(line, options->tcp_port);
    text_add(line, state_is_green(state) ? " green " : " red ");
    for (const char *at = reasons[state]; *at; at++) {
        if (*at != '%') {
            text_add_bytes(line, at, 1);
        } else if (*++at == 'T') {
            text_add_number(line, options->tcp_port);
        } else {
            text_add(line, options->tcp_gate ? "TCP " : "UDP ");
            text_add_number(line, options->tcp_gate ? options->tcp_gate : options->udp_port);
        }
    }
}
