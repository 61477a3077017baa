/*
 * A whole server inside a C program: Sealgate's HTTP API and two routes of its own.
 *
 *     make lib
 *     cc -Iinclude examples/c/embed.c -o embed -Ltarget/release -lsealgate -Wl,-rpath,target/release
 *     ./embed 127.0.0.1:8080        (it serves until its standard input ends: Ctrl-D)
 *
 *     curl http://127.0.0.1:8080/hello
 *     curl -X POST http://127.0.0.1:8080/login -H 'Content-Type: application/json' -d '{"username": "alice"}'
 *     curl http://127.0.0.1:8080/orders/17 -H 'Authorization: Bearer TOKEN'
 */
#include <sealgate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(sealgate_status status, const char *what)
{
    char sentence[256];
    if (status != SEALGATE_STATUS_OK) {
        sealgate_last_error(sentence, sizeof sentence);
        fprintf(stderr, "%s: %s\n", what, sentence);
        exit(1);
    }
}

/* Any return value but 0 reports that the callback failed, and the client gets 500. */
static int32_t answer(sealgate_response *response, const char *text)
{
    return sealgate_response_set_header(response, SEALGATE_LITERAL("Content-Type"),
                                        SEALGATE_LITERAL("text/plain; charset=utf-8")) != SEALGATE_STATUS_OK
        || sealgate_response_set_body(response, text, strlen(text)) != SEALGATE_STATUS_OK;
}

static int32_t hello(const sealgate_request *request, sealgate_response *response, void *user)
{
    (void)request;
    return answer(response, (const char *)user);
}

/* The server has verified the client's token before it calls this. */
static int32_t order(const sealgate_request *request, sealgate_response *response, void *user)
{
    const sealgate_claims *claims;
    const char *name, *id;
    size_t name_size, id_size;
    char text[1024];
    (void)user;
    if (sealgate_request_claims(request, &claims) != SEALGATE_STATUS_OK
        || sealgate_claims_subject(claims, &name, &name_size) != SEALGATE_STATUS_OK
        || sealgate_request_parameter(request, SEALGATE_LITERAL("id"), &id, &id_size) != SEALGATE_STATUS_OK) {
        return 1;
    }
    snprintf(text, sizeof text, "order %.*s of %.*s\n", (int)id_size, id, (int)name_size, name);
    return answer(response, text);
}

int main(int count, char **arguments)
{
    const char *listen = count > 1 ? arguments[1] : "127.0.0.1:8080";
    sealgate_config *config = NULL;
    sealgate_gate *gate = NULL;
    sealgate_server *server = NULL;
    sealgate_buffer address = {0};

    check(sealgate_config_new(&config), "creating a configuration");
    check(sealgate_config_load_env(config), "reading the environment");
    check(sealgate_config_set(config, SEALGATE_LITERAL("listen"), listen, strlen(listen)), "setting the address");
    check(sealgate_new(config, &gate), "creating a gate");
    check(sealgate_server_new(gate, config, &server), "creating a server");
    check(sealgate_server_route(server, SEALGATE_LITERAL("GET"), SEALGATE_LITERAL("/hello"), 0, NULL, 0, hello, "hello\n",
                                NULL), "GET /hello");
    check(sealgate_server_route(server, SEALGATE_LITERAL("GET"), SEALGATE_LITERAL("/orders/{id}"),
                                SEALGATE_ROUTE_TOKEN | SEALGATE_ROUTE_LIMITED, NULL, 0, order, NULL, NULL), "GET /orders/{id}");
    check(sealgate_server_start(server), "starting");
    check(sealgate_server_address(server, 0, &address), "getting the address");
    printf("listening on %s\n", address.data);
    fflush(stdout);
    sealgate_buffer_free(&address);

    while (getchar() != EOF) {
    }
    check(sealgate_server_stop(server, 5000), "stopping");
    printf("stopped\n");
    sealgate_server_free(server);
    sealgate_free(gate);
    sealgate_config_free(config);
    return 0;
}
