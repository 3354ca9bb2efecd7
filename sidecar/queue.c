#include "udp-healthcheck.h"

#define DEAF 10 /* samples without a sign of a reader */

/*
 * A reader shows itself when the queue falls, or stays at a level from which it fell before: one that reads in
 * batches is healthy, and so is an idle one. The fall that ends a deaf spell raises no level, or the next spell
 * would pass unseen.
 */
void queue_step(struct queue *queue, uint32_t waiting, uint32_t drops) {
    bool fell = waiting < queue->waiting;
    if (fell && !queue_is_deaf(queue) && queue->waiting > queue->drained)
        queue->drained = queue->waiting;
    bool dropping = drops != queue->drops;
    bool unread = waiting > queue->drained && !fell;
    if (!dropping && !unread)
        queue->stuck = 0;
    else if (queue->stuck < DEAF)
        queue->stuck++;
    queue->waiting = waiting;
    queue->drops = drops;
}

bool queue_is_deaf(const struct queue *queue) {
    return queue->stuck == DEAF;
}
