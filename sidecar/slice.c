#include "udp-healthcheck.h"

#include <string.h>

struct slice slice_of(const char *word) {
    return (struct slice){word, strlen(word)};
}

bool slice_is(struct slice slice, const char *word) {
    return slice.length == strlen(word) && memcmp(slice.at, word, slice.length) == 0;
}

/* Cuts at the first separator; true where there is one, else rest is empty. */
bool slice_cut(struct slice whole, char separator, struct slice *first, struct slice *rest) {
    const char *at = memchr(whole.at, separator, whole.length);
    *first = (struct slice){whole.at, at ? (size_t)(at - whole.at) : whole.length};
    *rest = (struct slice){whole.at + first->length + (at != NULL), whole.length - first->length - (at != NULL)};
    return at != NULL;
}

/* Digits alone; what exceeds 64 bits is the largest number. */
bool slice_number(struct slice slice, uint64_t *value) {
    *value = 0;
    for (size_t i = 0; i < slice.length; i++) {
        if (slice.at[i] < '0' || slice.at[i] > '9')
            return false;
        unsigned digit = (unsigned)(slice.at[i] - '0');
        *value = *value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *value * 10 + digit;
    }
    return slice.length > 0;
}
