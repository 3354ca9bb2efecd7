#include "udp-healthcheck.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

void text_add_bytes(struct text *text, const char *bytes, size_t length) {
    size_t room = sizeof text->bytes - 1 - text->length; /* the newline always fits */
    if (length > room)
        length = room;
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

void text_add(struct text *text, const char *words) {
    text_add_bytes(text, words, strlen(words));
}

void text_add_number(struct text *text, uint64_t number) {
    char digits[20];
    size_t first = sizeof digits;
    do
        digits[--first] = (char)('0' + number % 10);
    while (number /= 10);
    text_add_bytes(text, digits + first, sizeof digits - first);
}

/* Somebody else's bytes: kept on one line and short. */
void text_add_foreign(struct text *text, struct slice foreign) {
    const size_t longest = 80;
    for (size_t i = 0; i < foreign.length && i < longest; i++)
        text_add_bytes(text, foreign.at[i] >= ' ' && foreign.at[i] <= '~' ? &foreign.at[i] : "?", 1);
    if (foreign.length > longest)
        text_add(text, "...");
}

bool text_write(struct text *text, int descriptor) {
    text->bytes[text->length] = '\n';
    return write(descriptor, text->bytes, text->length + 1) == (ssize_t)text->length + 1;
}

/* A log line that cannot be written now is dropped. O_NONBLOCK would leak to whoever shares stderr. */
void text_log(struct text *text) {
    struct pollfd log = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&log, 1, 0) == 1 && log.revents & POLLOUT)
        text_write(text, STDERR_FILENO);
}
