/* What the generated calls of every export (tests/c/calls.rs) are made with, and where: outside and inside of callbacks. */
#ifndef CALLS_H
#define CALLS_H

#include "client.h"

static sealgate_config *config;
static sealgate_gate *gate;
static sealgate_server *server; /* never started */
static sealgate_claims *claims;
static sealgate_stream *stream;
static const sealgate_request *request;
static sealgate_response *response;
static sealgate_login *login;
static sealgate_secure_data *secure_data;

/* Outputs; what a call puts there is freed after it. */
static sealgate_config *new_config_;
static sealgate_gate *new_gate_;
static sealgate_server *new_server_;
static sealgate_claims *new_claims_;
static sealgate_stream *new_stream_;
static sealgate_buffer buffer;
static uint64_t scratch[16][8];

static void tidy(void)
{
    sealgate_config_free(new_config_);
    sealgate_free(new_gate_);
    CHECK(sealgate_server_free(new_server_) == SEALGATE_STATUS_OK);
    sealgate_claims_free(new_claims_);
    sealgate_stream_free(new_stream_);
    sealgate_buffer_free(&buffer);
    new_config_ = NULL;
    new_gate_ = NULL;
    new_server_ = NULL;
    new_claims_ = NULL;
    new_stream_ = NULL;
    memset(scratch, 0, sizeof scratch);
}

#define KNOWN(status) CHECK(strcmp(sealgate_status_name(status), "unknown") != 0 && (status) != SEALGATE_STATUS_PANIC)

static void every_call(void);
static int rounds;

static int32_t in_route(const sealgate_request *of, sealgate_response *to, void *user)
{
    (void)user;
    request = of;
    response = to;
    every_call();
    request = NULL;
    response = NULL;
    rounds++;
    return 0;
}

static int32_t in_authenticate(sealgate_login *of, void *user)
{
    (void)user;
    login = of;
    every_call();
    login = NULL;
    rounds++;
    return sealgate_login_allow(of, "secure-data", 11);
}

static int32_t in_secure_data(sealgate_secure_data *of, void *user)
{
    (void)user;
    secure_data = of;
    every_call();
    secure_data = NULL;
    rounds++;
    return sealgate_secure_data_set(of, "x", 1);
}

int main(void)
{
    sealgate_server *running = NULL;
    sealgate_buffer token = {0};
    char answer[4096], text[2048];
    uint16_t port;
    config = new_config("0");
    OK(sealgate_new(config, &gate));
    OK(sealgate_issue_token(gate, "alice", 5, NULL, 0, 0, &token));
    OK(sealgate_verify_token(gate, token.data, token.size, &claims));
    OK(sealgate_stream_seal(gate, NULL, 0, &stream));
    sealgate_buffer_free(&token);
    OK(sealgate_server_new(gate, config, &server));
    every_call();

    OK(sealgate_server_new(gate, config, &running));
    OK(sealgate_server_route(running, "GET", 3, "/calls", 6, 0, NULL, 0, in_route, NULL, NULL));
    OK(sealgate_server_set_authenticate(running, in_authenticate, NULL, NULL));
    OK(sealgate_server_set_secure_data(running, in_secure_data, NULL, NULL));
    OK(sealgate_server_start(running));
    OK(sealgate_server_port(running, &port));
    CHECK(get(port, "/calls", NULL, answer, sizeof answer) == 200);
    CHECK(ask(port, "POST", "/login", NULL, "{\"username\":\"a\",\"password\":\"b\"}", answer, sizeof answer) == 200);
    member(answer, "token", text, sizeof text);
    CHECK(get(port, "/secure-data", text, answer, sizeof answer) == 200);
    CHECK(rounds == 3);
    CHECK(sealgate_server_free(running) == SEALGATE_STATUS_OK);
    CHECK(sealgate_server_free(server) == SEALGATE_STATUS_OK);
    sealgate_claims_free(claims);
    sealgate_stream_free(stream);
    sealgate_free(gate);
    sealgate_config_free(config);
    return 0;
}

#endif
