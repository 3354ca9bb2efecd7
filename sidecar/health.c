#include "udp-healthcheck.h"

static unsigned count_up(unsigned count, unsigned limit, bool counted) {
    return counted && count < limit ? count + 1 : count;
}

/* Settling holds back the turn to green alone: once green, any socket keeps it green. */
void health_step(struct health *health, const struct options *options, struct sample sample) {
    if (sample.found) {
        health->bad = 0;
        health->good = count_up(health->good, options->rise, sample.counted);
        if (health->good == options->rise && sample.settled)
            health->green = true;
    } else {
        health->good = 0;
        health->bad = count_up(health->bad, options->fall, sample.counted);
        if (health->bad == options->fall || sample.gone)
            health->green = false;
    }
}
