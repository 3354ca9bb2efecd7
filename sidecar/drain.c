#include "udp-healthcheck.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE 5 /* s that --drain waits to be heard, and for the answer */

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

/* The peer, or -1 where it may not drain us; false where none could be accepted. */
bool drain_accept(int listener, int *peer) {
    *peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (*peer < 0)
        return false;
    if (!is_same_user(*peer)) {
        close(*peer);
        *peer = -1;
    }
    return true;
}

void drain_answer(int peer) {
    send(peer, "", 1, MSG_NOSIGNAL);
    close(peer);
}

static const char *ask(int peer) {
    static const char silent[] = "the sidecar does not answer";
    struct sockaddr_un address;
    socklen_t size = name_of(&address);
    const struct timeval patience = {.tv_sec = PATIENCE};
    char byte;

    setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience); /* for connect() to a full backlog */
    setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(peer, (struct sockaddr *)&address, size) != 0)
        return errno == EAGAIN ? silent : "no sidecar runs in this container";
    if (!is_same_user(peer))
        return "the sidecar runs as another user";
    ssize_t length = recv(peer, &byte, 1, 0);
    if (length < 0)
        return silent;
    if (length == 0)
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
