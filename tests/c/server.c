/* A server in the host's process: routes, accounts, data, the log, and its end. */
#include "client.h"
#include <pthread.h>
#include <time.h>

static sealgate_server *server;
static int dropped;

static void on_drop(void *user)
{
    CHECK(user == &dropped);
    __atomic_add_fetch(&dropped, 1, __ATOMIC_SEQ_CST);
}

/* What the request says, on one line. */
static int32_t show(const sealgate_request *request, sealgate_response *response, void *user)
{
    char line[512];
    const char *method, *path, *query, *id, *header, *peer, *subject = "-", *none = "x";
    const void *body;
    const sealgate_claims *claims;
    size_t method_size, path_size, query_size, id_size, header_size, peer_size, body_size, subject_size = 1, none_size = 1;
    CHECK(user == &dropped);
    OK(sealgate_request_method(request, &method, &method_size));
    OK(sealgate_request_path(request, &path, &path_size));
    OK(sealgate_request_query(request, &query, &query_size));
    OK(sealgate_request_parameter(request, "id", 2, &id, &id_size));
    OK(sealgate_request_header(request, "hOST", 4, &header, &header_size));
    OK(sealgate_request_header(request, "X-None", 6, &none, &none_size));
    CHECK(none == NULL && none_size == 0);
    OK(sealgate_request_peer(request, &peer, &peer_size));
    OK(sealgate_request_client(request, &none, &none_size));
    CHECK(none_size == peer_size && memcmp(none, peer, peer_size) == 0);
    OK(sealgate_request_id(request, &none, &none_size));
    CHECK(none_size > 0);
    OK(sealgate_request_trace_id(request, &none, &none_size));
    CHECK(none == NULL && none_size == 0);
    OK(sealgate_request_span_id(request, &none, &none_size));
    CHECK(none == NULL && none_size == 0);
    OK(sealgate_request_body(request, &body, &body_size));
    OK(sealgate_request_claims(request, &claims));
    if (claims != NULL) {
        OK(sealgate_claims_subject(claims, &subject, &subject_size));
    }
    snprintf(line, sizeof line, "%.*s %.*s ?%.*s id=%.*s host=%.*s peer=%.*s body=%.*s user=%.*s\n", (int)method_size,
             method, (int)path_size, path, (int)query_size, query == NULL ? "" : query, (int)id_size, id,
             (int)header_size, header, (int)peer_size, peer, (int)body_size, (const char *)body, (int)subject_size,
             subject);
    IS(INVALID_ARGUMENT, sealgate_response_set_status(response, 99));
    IS(INVALID_ARGUMENT, sealgate_response_set_header(response, "Content-Length", 14, "3", 1));
    IS(INVALID_ARGUMENT, sealgate_response_set_header(response, "X-A", 3, "a\r\nX-B: b", 9));
    OK(sealgate_response_set_status(response, 201));
    OK(sealgate_response_set_header(response, "Content-Type", 12, "text/plain", 10));
    OK(sealgate_response_set_body(response, line, strlen(line)));
    return 0;
}

static int32_t fail(const sealgate_request *request, sealgate_response *response, void *user)
{
    (void)request, (void)user;
    OK(sealgate_response_set_body(response, "secret", 6));
    return -1;
}

static int32_t stop_from_inside(const sealgate_request *request, sealgate_response *response, void *user)
{
    (void)request, (void)response, (void)user;
    IS(WOULD_DEADLOCK, sealgate_server_stop(server, 1000));
    CHECK(sealgate_server_free(server) == SEALGATE_STATUS_WOULD_DEADLOCK);
    return 0;
}

static int entered, may_end;

static int32_t linger(const sealgate_request *request, sealgate_response *response, void *user)
{
    (void)request, (void)response, (void)user;
    __atomic_store_n(&entered, 1, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&may_end, __ATOMIC_SEQ_CST)) {
        usleep(1000);
    }
    return 0;
}

static int32_t authenticate(sealgate_login *login, void *user)
{
    const char *name, *password, *client;
    size_t name_size, password_size, client_size;
    (void)user;
    OK(sealgate_login_username(login, &name, &name_size));
    OK(sealgate_login_password(login, &password, &password_size));
    OK(sealgate_login_client(login, &client, &client_size));
    CHECK(client_size == 9 && memcmp(client, "127.0.0.1", 9) == 0);
    OK(sealgate_login_request_id(login, &client, &client_size));
    CHECK(client_size > 0);
    IS(INVALID_ARGUMENT, sealgate_login_allow(login, "a  b", 4));
    if (name_size == 5 && memcmp(name, "alice", 5) == 0 && password_size == 10 && memcmp(password, "wonderland", 10) == 0) {
        OK(sealgate_login_allow(login, "secure-data billing", 19));
    }
    if (name_size == 5 && memcmp(name, "fails", 5) == 0) {
        OK(sealgate_login_allow(login, "secure-data", 11));
        return 1; /* allowed, but failed: denied */
    }
    return 0;
}

static int32_t supply(sealgate_secure_data *data, void *user)
{
    (void)user;
    OK(sealgate_secure_data_set(data, "the host's", 10));
    return 0;
}

static int lines, secrets, log_dropped;

static void on_line(int32_t level, const char *target, size_t target_size, const char *line, size_t line_size, void *user)
{
    char text[1024];
    CHECK(user == &lines && level >= SEALGATE_LOG_ERROR && level <= SEALGATE_LOG_INFO);
    CHECK(target_size >= 8 && memcmp(target, "sealgate", 8) == 0);
    snprintf(text, sizeof text, "%.*s", (int)line_size, line);
    CHECK(strchr(text, '\n') == NULL);
    if (strstr(text, "alice") != NULL || strstr(text, "wonderland") != NULL) {
        __atomic_store_n(&secrets, 1, __ATOMIC_SEQ_CST);
    }
    if (__atomic_load_n(&server, __ATOMIC_SEQ_CST) != NULL) {
        IS(WOULD_DEADLOCK, sealgate_server_stop(server, 0));
    }
    __atomic_add_fetch(&lines, 1, __ATOMIC_SEQ_CST);
}

static void on_log_drop(void *user)
{
    CHECK(user == &lines);
    log_dropped++;
}

static sealgate_status route(sealgate_server *of, const char *method, const char *path, uint32_t flags, const char *scope,
                             sealgate_route_callback callback)
{
    return sealgate_server_route(of, method, strlen(method), path, strlen(path), flags, scope, strlen(scope), callback,
                                 &dropped, on_drop);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void routes_that_cannot_be_are_refused_and_their_user_is_dropped(void)
{
    IS(INVALID_ARGUMENT, route(server, "GET", "orders", 0, "", show));
    IS(INVALID_ARGUMENT, route(server, "GET", "/login", 0, "", show));
    IS(INVALID_ARGUMENT, route(server, "GET", "/a", 8, "", show));
    IS(INVALID_ARGUMENT, route(server, "GET", "/a", 0, "billing", show));
    IS(INVALID_ARGUMENT, route(server, "GET", "/a", SEALGATE_ROUTE_LIMITED, "", show));
    IS(INVALID_ARGUMENT, route(server, "G T", "/a", 0, "", show));
    IS(INVALID_ARGUMENT, route(server, "", "/a", 0, "", show));
    IS(INVALID_ARGUMENT, route(server, "HEAD", "/a", 0, "", show));
    IS(NULL_POINTER, route(server, "GET", "/a", 0, "", NULL));
    IS(NULL_POINTER, route(NULL, "GET", "/a", 0, "", show));
    CHECK(__atomic_load_n(&dropped, __ATOMIC_SEQ_CST) == 10);
    dropped = 0;
}

static void *ask_lingering(void *port)
{
    /* Its answer never comes. */
    int client = dial(*(uint16_t *)port);
    char answer[16];
    send_text(client, "GET /linger HTTP/1.1\r\nHost: localhost\r\n\r\n");
    while (recv(client, answer, sizeof answer, 0) > 0) {
    }
    close(client);
    return NULL;
}

int main(void)
{
    sealgate_config *config = new_config("0");
    sealgate_gate *gate = new_gate("0");
    sealgate_buffer address = {0}, opened = {0};
    uint16_t port = 7;
    char answer[4096], token[2048], data[512];
    pthread_t client;
    double began;

    IS(INVALID_ARGUMENT, sealgate_set_log(9, on_line, &lines, on_log_drop));
    CHECK(log_dropped == 1);
    OK(sealgate_set_log(SEALGATE_LOG_INFO, on_line, &lines, on_log_drop));
    OK(sealgate_server_new(gate, config, &server));
    routes_that_cannot_be_are_refused_and_their_user_is_dropped();
    OK(route(server, "GET", "/orders/{id}", 0, "", show));
    OK(route(server, "POST", "/orders/{id}", SEALGATE_ROUTE_TOKEN, "billing", show));
    OK(route(server, "GET", "/fail", 0, "", fail));
    OK(route(server, "GET", "/stop", 0, "", stop_from_inside));
    OK(route(server, "GET", "/stop-blocking", SEALGATE_ROUTE_BLOCKING, "", stop_from_inside));
    OK(route(server, "GET", "/linger", SEALGATE_ROUTE_BLOCKING, "", linger));
    OK(sealgate_server_set_authenticate(server, authenticate, &dropped, on_drop));
    OK(sealgate_server_set_authenticate(server, authenticate, &dropped, on_drop));
    CHECK(dropped == 1);
    OK(sealgate_server_set_secure_data(server, supply, &dropped, on_drop));
    IS(WRONG_STATE, sealgate_server_port(server, &port));
    CHECK(port == 0);
    OK(sealgate_server_stop(server, 0));
    OK(sealgate_server_start(server));
    IS(WRONG_STATE, sealgate_server_start(server));
    IS(WRONG_STATE, route(server, "GET", "/late", 0, "", show));
    CHECK(dropped == 2);

    /* The server has what it needs of its parents. */
    sealgate_config_free(config);
    OK(sealgate_server_port(server, &port));
    OK(sealgate_server_address(server, 0, &address));
    snprintf(answer, sizeof answer, "http://127.0.0.1:%d", port);
    CHECK(strcmp(address.data, answer) == 0);
    sealgate_buffer_free(&address);
    OK(sealgate_server_address(server, 1, &address));
    CHECK(address.size == 0);
    OK(sealgate_server_metrics(server, &address));
    CHECK(strstr(address.data, "\nsealgate_connections_max ") != NULL);
    sealgate_buffer_free(&address);
    OK(sealgate_server_reload(server));
    IS(NULL_POINTER, sealgate_server_reload(NULL));
    IS(NULL_POINTER, sealgate_server_metrics(server, NULL));
    IS(NULL_POINTER, sealgate_server_metrics(NULL, &address));

    CHECK(get(port, "/orders/7?x=y", NULL, answer, sizeof answer) == 201);
    CHECK(strstr(answer, "GET /orders/7 ?x=y id=7 host=localhost peer=127.0.0.1 body= user=-\n") != NULL);
    CHECK(get(port, "/fail", NULL, answer, sizeof answer) == 500 && strstr(answer, "secret") == NULL);
    CHECK(get(port, "/stop", NULL, answer, sizeof answer) == 200);
    CHECK(get(port, "/stop-blocking", NULL, answer, sizeof answer) == 200);

    CHECK(ask(port, "POST", "/login", NULL, "{\"username\":\"alice\",\"password\":\"wrong\"}", answer, sizeof answer) == 401);
    CHECK(ask(port, "POST", "/login", NULL, "{\"username\":\"fails\",\"password\":\"\"}", answer, sizeof answer) == 401);
    CHECK(ask(port, "POST", "/login", NULL, "{\"username\":\"alice\",\"password\":\"wonderland\"}", answer, sizeof answer) == 200);
    member(answer, "token", token, sizeof token);
    CHECK(ask(port, "POST", "/orders/7", NULL, "hi", answer, sizeof answer) == 401);
    CHECK(ask(port, "POST", "/orders/7", token, "hi", answer, sizeof answer) == 201);
    CHECK(strstr(answer, "body=hi user=alice\n") != NULL);
    CHECK(get(port, "/secure-data", token, answer, sizeof answer) == 200);
    member(answer, "encrypted_data", data, sizeof data);
    OK(sealgate_decrypt_data(gate, data, strlen(data), NULL, 0, &opened));
    CHECK(strcmp(opened.data, "the host's") == 0);
    sealgate_buffer_free(&opened);
    sealgate_free(gate);
    CHECK(get(port, "/secure-data", token, answer, sizeof answer) == 200);
    CHECK(__atomic_load_n(&lines, __ATOMIC_SEQ_CST) >= 10 && !__atomic_load_n(&secrets, __ATOMIC_SEQ_CST));

    /* A stop is bounded, and can be asked for again. */
    CHECK(pthread_create(&client, NULL, ask_lingering, &port) == 0);
    while (!__atomic_load_n(&entered, __ATOMIC_SEQ_CST)) {
        usleep(1000);
    }
    began = now();
    IS(TIMED_OUT, sealgate_server_stop(server, 200));
    CHECK(now() - began < 10);
    (void)!sealgate_server_stop(server, 0);
    __atomic_store_n(&may_end, 1, __ATOMIC_SEQ_CST);
    pthread_join(client, NULL);
    CHECK(sealgate_server_free(server) == SEALGATE_STATUS_OK);
    __atomic_store_n(&server, NULL, __ATOMIC_SEQ_CST); /* what lingers still logs */
    /* Only what still runs keeps its user. */
    for (began = now(); __atomic_load_n(&dropped, __ATOMIC_SEQ_CST) < 10 && now() - began < 60;) {
        usleep(1000);
    }
    CHECK(__atomic_load_n(&dropped, __ATOMIC_SEQ_CST) == 10);
    OK(sealgate_set_log(0, NULL, NULL, NULL));
    CHECK(log_dropped == 2);
    usleep(500000); /* for the last thread of ours to end before the process does */
    return 0;
}
