// A load generator beside wrk: each connection has one request at a time, and its time runs from the moment it was sent.
// wrk adds requests that it would have sent while it waited, so that whatever takes a core from either program for a
// millisecond decides its p99 where few clients connect.
// usage: sent PORT PATH CONNECTIONS SECONDS, with the environment of load.lua; prints its line RESULT.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_CONNECTIONS = 1024, LONGEST = 1 << 16, TIMES = 1 << 20, TIMEOUT_MS = 2000 };

struct connection {
    int fd;
    double sent;
    size_t size; // of what has been received of the response
    char response[LONGEST];
};

static struct connection connections[MOST_CONNECTIONS];
static unsigned long times[TIMES]; // requests by microseconds, the last for all that took longer
static char request[LONGEST];
static size_t request_size;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static void fail(const char *what) {
    fprintf(stderr, "sent: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void append(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    request_size += vsnprintf(request + request_size, sizeof request - request_size, format, arguments);
    va_end(arguments);
    if (request_size >= sizeof request) {
        errno = EMSGSIZE;
        fail("request");
    }
}

static void send_request(struct connection *connection) {
    connection->size = 0;
    connection->sent = now();
    if (write(connection->fd, request, request_size) != (ssize_t)request_size)
        fail("write");
}

// The response's status once all of it is here, or 0.
static int finished(struct connection *connection) {
    connection->response[connection->size] = 0;
    char *end = strstr(connection->response, "\r\n\r\n");
    if (!end)
        return 0;
    char *length = strcasestr(connection->response, "\r\ncontent-length:");
    if (!length || length > end) {
        errno = EPROTO;
        fail("a response without Content-Length");
    }
    size_t body = strtoul(length + strlen("\r\ncontent-length:"), NULL, 10);
    return connection->size < end + 4 - connection->response + body ? 0 : atoi(connection->response + strlen("HTTP/1.1 "));
}

static unsigned long percentile(unsigned long count, double share) {
    unsigned long seen = 0;
    for (unsigned long time = 0; time < TIMES; time++)
        if ((seen += times[time]) >= share * count)
            return time;
    return TIMES;
}

int main(int argument_count, char **arguments) {
    if (argument_count != 5 || atoi(arguments[3]) < 1 || atoi(arguments[3]) > MOST_CONNECTIONS) {
        fprintf(stderr, "usage: sent PORT PATH CONNECTIONS SECONDS\n");
        return 2;
    }
    int count = atoi(arguments[3]);
    char *token = getenv("LOAD_TOKEN"), *body = getenv("LOAD_BODY");
    append("%s %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n", getenv("LOAD_METHOD"), arguments[2], arguments[1]);
    if (token)
        append("Authorization: Bearer %s\r\n", token);
    if (body)
        append("Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(body));
    append("\r\n%s", body ? body : "");

    int polled = epoll_create1(EPOLL_CLOEXEC), on = 1;
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[1]))};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < count; i++) {
        int fd = connections[i].fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[i]};
        if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof server) ||
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) || epoll_ctl(polled, EPOLL_CTL_ADD, fd, &event))
            fail("connect");
    }
    double begun = now(), end = begun + atof(arguments[4]) * 1e6;
    unsigned long done = 0, refused = 0;
    for (int i = 0; i < count; i++)
        send_request(&connections[i]);
    while (now() < end) {
        struct epoll_event events[64];
        int ready = epoll_wait(polled, events, 64, TIMEOUT_MS);
        if (ready <= 0) {
            errno = ready ? errno : ETIMEDOUT;
            fail("no response");
        }
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            size_t room = LONGEST - 1 - connection->size;
            ssize_t got = read(connection->fd, connection->response + connection->size, room);
            if (got <= 0)
                fail("read");
            connection->size += got;
            int status = finished(connection);
            if (!status)
                continue;
            unsigned long took = now() - connection->sent;
            times[took < TIMES ? took : TIMES - 1]++;
            done++;
            refused += status >= 400;
            send_request(connection);
        }
    }
    printf("RESULT %.0f %lu %lu %lu %lu 0\n", now() - begun, done, percentile(done, 0.5), percentile(done, 0.99), refused);
    return 0;
}
