/*
 * Feeds one parser with mutated input and keeps what reaches new code.
 * usage: fuzz TARGET SECONDS [SEED]; prints one line; aborts with the input in hexadecimal.
 */
#include "fuzz.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LONGEST = 2048, CORPUS = 4096, EDGES = 1 << 16 };

struct input {
    size_t length;
    uint8_t bytes[LONGEST];
};

void __sanitizer_cov_trace_pc(void);
void __sanitizer_set_death_callback(void (*callback)(void));

static struct input corpus[CORPUS], current;
static size_t corpus_size, covered;
static bool edges[EDGES], running, discovered;
static uintptr_t previous;
static uint64_t state = 1;

/* The compiler calls it on every edge. */
__attribute__((no_sanitize_coverage, no_sanitize("address", "undefined"))) void __sanitizer_cov_trace_pc(void) {
    uintptr_t here = (uintptr_t)__builtin_return_address(0);
    bool *edge = &edges[(here ^ previous << 1) % EDGES];
    if (!running)
        return;
    previous = here;
    covered += !*edge;
    discovered = discovered || !*edge;
    *edge = true;
}

static void tell_input(void) {
    fputs("the input: ", stderr);
    for (size_t i = 0; i < current.length; i++)
        fprintf(stderr, "%02x", current.bytes[i]);
    fputc('\n', stderr);
}

static size_t below(size_t limit) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return limit ? (size_t)(state % limit) : 0;
}

static void insert(size_t at, const void *bytes, size_t length) {
    if (current.length + length > LONGEST)
        return;
    memmove(current.bytes + at + length, current.bytes + at, current.length - at);
    memcpy(current.bytes + at, bytes, length);
    current.length += length;
}

static void mutate(const struct target *target, size_t word_count) {
    static const uint8_t edgy[] = {0, 1, 0x7f, 0x80, 0xff, ' ', '\n', '\r', ',', '=', ':', '0', '9', 'F'};
    size_t at = below(current.length + 1), left = current.length - at;
    const struct input *other = &corpus[below(corpus_size)];
    size_t from = below(other->length), length = below(other->length - from + 1);

    switch (below(6)) {
    case 0:
        if (left)
            current.bytes[at] ^= (uint8_t)(1u << below(8));
        break;
    case 1:
        if (left)
            current.bytes[at] = edgy[below(sizeof edgy)];
        break;
    case 2:
        length = below(left < 32 ? left + 1 : 32);
        memmove(current.bytes + at, current.bytes + at + length, left - length);
        current.length -= length;
        break;
    case 3:
        insert(at, &edgy[below(sizeof edgy)], 1);
        break;
    case 4:
        insert(at, other->bytes + from, length);
        break;
    default:
        if (word_count) {
            const struct word *word = &target->words[below(word_count)];
            insert(at, word->bytes, word->length);
        }
    }
}

static void run(const struct target *target) {
    discovered = false;
    previous = 0;
    running = true;
    target->run(current.bytes, current.length);
    running = false;
    if (discovered && corpus_size < CORPUS)
        corpus[corpus_size++] = current;
}

int main(int count, char *words[]) {
    const struct target *target = targets;
    uint64_t executions = 0;
    size_t word_count = 0;

    while (count >= 3 && target->name && strcmp(target->name, words[1]) != 0)
        target++;
    if (count < 3 || !target->name) {
        fputs("usage: fuzz TARGET SECONDS [SEED], where TARGET is one of:\n", stderr);
        for (target = targets; target->name; target++)
            fprintf(stderr, "%s\n", target->name);
        return 64;
    }
    state = count > 3 ? strtoull(words[3], NULL, 10) | 1 : (uint64_t)time(NULL) | 1;
    fprintf(stderr, "%s: seed %llu\n", target->name, (unsigned long long)state);
    __sanitizer_set_death_callback(tell_input);
    for (; target->words && target->words[word_count].length; word_count++)
        ;
    corpus_size = 1; /* the empty input */
    for (time_t end = time(NULL) + atoi(words[2]); executions % 1024 || time(NULL) < end; executions++) {
        current = corpus[below(corpus_size)];
        for (size_t i = 1 + below(8); i > 0; i--)
            mutate(target, word_count);
        run(target);
    }
    printf("%s: %llu executions, %zu inputs kept, %zu edges reached, no finding\n", target->name,
           (unsigned long long)executions, corpus_size, covered);
    return 0;
}
