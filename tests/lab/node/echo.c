/*
 * A UDP server for tests: udp-echo PORT... answers every datagram with its own bytes, from the address that was
 * asked. "shut N" closes that port's socket for N seconds, as an application that lost its work. "bye" ends it with
 * exit code 0. SIGTERM ends it at once.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_PORTS = 8 };

static struct pollfd sockets[MOST_PORTS];
static int ports[MOST_PORTS];
static time_t opens_at[MOST_PORTS];

static time_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

static void open_socket(int i)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(ports[i])};
	struct sockaddr_in only_v4 = {.sin_family = AF_INET, .sin_port = htons(ports[i])};
	int s = socket(AF_INET6, SOCK_DGRAM, 0);

	if (s >= 0 && bind(s, (struct sockaddr *)&address, sizeof address) == 0) {
		sockets[i].fd = s;
		return;
	}
	s = socket(AF_INET, SOCK_DGRAM, 0);
	if (bind(s, (struct sockaddr *)&only_v4, sizeof only_v4) != 0) {
		perror("bind");
		exit(1);
	}
	sockets[i].fd = s;
}

static void answer(int i)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof peer;
	char text[2048];
	ssize_t size = recvfrom(sockets[i].fd, text, sizeof text - 1, 0, (struct sockaddr *)&peer, &length);

	if (size < 0)
		return;
	text[size] = 0;
	sendto(sockets[i].fd, text, size, 0, (struct sockaddr *)&peer, length);
	if (strncmp(text, "bye", 3) == 0)
		exit(0);
	if (strncmp(text, "shut ", 5) == 0) {
		close(sockets[i].fd);
		sockets[i].fd = -1;
		opens_at[i] = now() + atoi(text + 5);
	}
}

static void end(int signal)
{
	(void)signal;
	_exit(0);
}

int main(int count, char **words)
{
	signal(SIGTERM, end);
	for (int i = 0; i < count - 1 && i < MOST_PORTS; i++) {
		ports[i] = atoi(words[i + 1]);
		sockets[i].events = POLLIN;
		open_socket(i);
	}
	for (;;) {
		poll(sockets, count - 1, 200);
		for (int i = 0; i < count - 1; i++) {
			if (sockets[i].fd < 0 && now() >= opens_at[i])
				open_socket(i);
			else if (sockets[i].fd >= 0 && (sockets[i].revents & POLLIN))
				answer(i);
		}
	}
}
