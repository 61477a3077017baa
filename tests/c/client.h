/* A small HTTP client: one request on a connection of its own. */
#ifndef CLIENT_H
#define CLIENT_H

#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static inline int dial(uint16_t port)
{
    struct sockaddr_in address;
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(client >= 0 && connect(client, (struct sockaddr *)&address, sizeof address) == 0);
    return client;
}

static inline void send_text(int client, const char *text)
{
    CHECK(send(client, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

/* Sends a request and reads the answer to its end; the status. `answer` takes what fits. */
static inline int ask(uint16_t port, const char *method, const char *path, const char *token, const char *body,
                      char *answer, size_t room)
{
    char request[4096], authorization[2048] = "";
    size_t size = 0;
    ssize_t got;
    int client = dial(port), status = 0;
    if (token != NULL) {
        snprintf(authorization, sizeof authorization, "Authorization: Bearer %s\r\n", token);
    }
    snprintf(request, sizeof request,
             "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n%s"
             "Content-Length: %zu\r\n\r\n%s",
             method, path, authorization, strlen(body), body);
    send_text(client, request);
    while (size + 1 < room && (got = recv(client, answer + size, room - 1 - size, 0)) > 0) {
        size += (size_t)got;
    }
    answer[size] = 0;
    close(client);
    CHECK(sscanf(answer, "HTTP/1.1 %d", &status) == 1);
    return status;
}

static inline int get(uint16_t port, const char *path, const char *token, char *answer, size_t room)
{
    return ask(port, "GET", path, token, "", answer, room);
}

/* The text of a JSON member in an answer. */
static inline void member(const char *answer, const char *name, char *out, size_t room)
{
    char key[64];
    const char *at;
    size_t size;
    snprintf(key, sizeof key, "\"%s\":\"", name);
    at = strstr(answer, key);
    CHECK(at != NULL);
    at += strlen(key);
    size = strcspn(at, "\"");
    CHECK(size < room);
    memcpy(out, at, size);
    out[size] = 0;
}

#endif
