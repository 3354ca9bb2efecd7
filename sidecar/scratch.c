#include "udp-healthcheck.h"

/* The most that netlink puts into one message. */
_Alignas(8) uint8_t scratch[8192];
