#include "udp-healthcheck.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE 5000 /* ms that --drain waits for an answer */

/* An abstract name needs no file system; device and inode of / keep two containers of one network namespace apart. */
static socklen_t name_of(struct sockaddr_un *address) {
    struct stat root = {0};
    struct text name = {0};
    stat("/", &root);
    text_add(&name, PROGRAM "/");
    text_add_number(&name, root.st_dev);
    text_add(&name, "/");
    text_add_number(&name, root.st_ino);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path + 1, name.bytes, name.length);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + name.length);
}

static bool is_same_user(int peer) {
    struct ucred who;
    socklen_t size = sizeof who;
    return getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 || who.uid == getuid();
}

/* -1 where the name is taken or nothing is to be had: the caller tries again. */
int drain_listen(void) {
    struct sockaddr_un address;
    socklen_t size = name_of(&address);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (listener < 0)
        return -1;
    if (bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 8) == 0)
        return listener;
    close(listener);
    return -1;
}

/* The peer that may drain us, or -1. */
int drain_accept(int listener) {
    int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (peer >= 0 && !is_same_user(peer)) {
        close(peer);
        return -1;
    }
    return peer;
}

void drain_answer(int peer) {
    send(peer, "", 1, MSG_NOSIGNAL);
    close(peer);
}

static const char *ask(int peer) {
    struct sockaddr_un address;
    socklen_t size = name_of(&address);
    struct pollfd answered = {.fd = peer, .events = POLLIN};
    char byte;

    if (peer < 0 || connect(peer, (struct sockaddr *)&address, size) != 0)
        return "no sidecar runs in this container";
    if (!is_same_user(peer))
        return "the sidecar runs as another user";
    if (poll(&answered, 1, PATIENCE) != 1)
        return "the sidecar does not answer";
    if (recv(peer, &byte, 1, 0) != 1)
        return "the sidecar refused: is this the same user?";
    return NULL;
}

/* Returns once every port refuses. */
int drain_ask(void) {
    struct text line = {0};
    const char *fault = ask(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fault)
        return 0;
    text_add(&line, PROGRAM ": --drain: ");
    text_add(&line, fault);
    text_write(&line, STDERR_FILENO);
    return 1;
}
