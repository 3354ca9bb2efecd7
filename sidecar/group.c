#include "udp-healthcheck.h"

/* Most ports have one socket, and no page of this table is in use for it. */
static struct member others[MAX_MEMBERS - 1][MAX_PORTS];

struct member *group_at(struct group *group, unsigned index) {
    return index == 0 ? &group->first : &others[index - 1][group->column];
}

void group_begin(struct group *group) {
    for (unsigned i = 0; i < group->count; i++)
        group_at(group, i)->seen = false;
}

void group_see(struct group *group, const struct member *found) {
    for (unsigned i = 0; i < group->count; i++) {
        struct member *known = group_at(group, i);
        if (known->identity != found->identity)
            continue;
        if (!known->seen) {
            known->source = found->source;
            known->place = found->place;
        }
        known->seen = true;
        known->waiting = found->waiting;
        known->drops = found->drops;
        return;
    }
    if (group->count < MAX_MEMBERS) {
        struct member *added = group_at(group, group->count++);
        *added = *found;
        added->seen = true;
        added->settled = false;
        added->queue = (struct queue){.waiting = found->waiting, .drops = found->drops};
    }
}

/* Forgets the sockets that this sample did not find. */
void group_end(struct group *group, uint32_t moment, unsigned settle) {
    unsigned kept = 0;
    for (unsigned i = 0; i < group->count; i++) {
        struct member *member = group_at(group, i);
        if (!member->seen)
            continue;
        member->settled = member->settled || moment - member->first_seen >= settle;
        *group_at(group, kept++) = *member;
    }
    group->count = (uint16_t)kept;
}

void group_step_queues(struct group *group) {
    for (unsigned i = 0; i < group->count; i++) {
        struct member *member = group_at(group, i);
        queue_step(&member->queue, member->waiting, member->drops);
    }
}

unsigned group_deaf(struct group *group) {
    unsigned deaf = 0;
    for (unsigned i = 0; i < group->count; i++)
        deaf += queue_is_deaf(&group_at(group, i)->queue);
    return deaf;
}

/* One member that is old enough suffices. */
bool group_is_settled(struct group *group) {
    for (unsigned i = 0; i < group->count; i++)
        if (group_at(group, i)->settled)
            return true;
    return false;
}

/* When the oldest member will have been there long enough, as far as is known now. */
milliseconds group_settles_at(struct group *group, milliseconds moment, unsigned settle) {
    milliseconds soonest = NEVER;
    for (unsigned i = 0; i < group->count; i++) {
        milliseconds at = moment + settle - (uint32_t)((uint32_t)moment - group_at(group, i)->first_seen);
        if (at < soonest)
            soonest = at;
    }
    return soonest;
}
