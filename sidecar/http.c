#include "udp-healthcheck.h"

static const char head[] = "HEAD ";

/* Takes what came and tells whether the head is over: an empty line ends it, and nothing else of it matters but the
 * method HEAD. */
bool request_ends(struct request *request, const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (request->matched < sizeof head - 1)
            request->matched = bytes[i] == head[request->matched] ? request->matched + 1 : UINT8_MAX;
        if (bytes[i] == '\n') {
            if (request->line_is_empty && request->any)
                return true;
            request->line_is_empty = true;
        } else if (bytes[i] != '\r') {
            request->line_is_empty = false;
            request->any = true;
        }
    }
    return false;
}

/* One line of state in answer to whatever was asked. */
void request_answer(const struct request *request, const struct text *body, struct text *reply) {
    text_add(reply, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: ");
    text_add_number(reply, body->length + 1);
    text_add(reply, "\r\n\r\n");
    if (request->matched == sizeof head - 1)
        return;
    text_add_bytes(reply, body->bytes, body->length);
    text_add(reply, "\n");
}
