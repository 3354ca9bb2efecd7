/* One parser under test: takes any bytes and aborts where its promise is broken. */
#include <stddef.h>
#include <stdint.h>

struct word {
    const char *bytes;
    size_t length;
};

struct target {
    const char *name;
    void (*run)(const uint8_t *bytes, size_t length);
    const struct word *words; /* what its input is made of, up to a length of 0 */
};

extern const struct target targets[]; /* up to a name of NULL */
