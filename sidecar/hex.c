#include "udp-healthcheck.h"

/* The value of a hexadecimal digit, or -1. */
int hex_digit(char letter) {
    if (letter >= '0' && letter <= '9')
        return letter - '0';
    letter |= 'a' ^ 'A';
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* Whole bytes, one at least and at most so many. */
bool hex_read(struct slice slice, size_t most, struct hex *hex) {
    if (slice.length == 0 || slice.length % 2 != 0 || slice.length / 2 > most)
        return false;
    for (size_t i = 0; i < slice.length; i++)
        if (hex_digit(slice.at[i]) < 0)
            return false;
    *hex = (struct hex){slice.at, slice.length / 2};
    return true;
}

uint8_t hex_byte(struct hex hex, size_t index) {
    return (uint8_t)(hex_digit(hex.digits[2 * index]) << 4 | hex_digit(hex.digits[2 * index + 1]));
}

/* Does the reply begin with what is expected, in the bits of the mask? Without a mask all bits count. */
bool hex_matches(struct hex expect, struct hex mask, const uint8_t *reply, size_t length) {
    if (length < expect.size)
        return false;
    for (size_t i = 0; i < expect.size; i++)
        if ((reply[i] ^ hex_byte(expect, i)) & (mask.size ? hex_byte(mask, i) : 0xff))
            return false;
    return true;
}
