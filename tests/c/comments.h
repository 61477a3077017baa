/* Where the examples in the header's comments (tests/c/comments.rs) run: what they take for granted, and their callbacks. */
#ifndef COMMENTS_H
#define COMMENTS_H

#include "check.h"

/* An example that makes one of these itself has its own. */
static sealgate_config *config;
static sealgate_gate *gate;
static sealgate_server *server;
static const char *token, *stored;
static unsigned char sealed[128];
static size_t sealed_size;

static int is_right(const void *user, const char *name, size_t name_size, const char *password, size_t password_size)
{
    return user != NULL && name_size == password_size && memcmp(name, password, name_size) == 0;
}

static int32_t authenticate(sealgate_login *login, void *user);
static int32_t supply(sealgate_secure_data *data, void *user);
static void every_example(void);

int main(void)
{
    static char secret[] = "secret";
    sealgate_buffer issued = {0}, encrypted = {0};
    config = new_config("1");
    OK(sealgate_new(config, &gate));
    OK(sealgate_server_new(gate, config, &server));
    OK(sealgate_server_set_authenticate(server, authenticate, secret, NULL));
    OK(sealgate_server_set_secure_data(server, supply, secret, NULL));
    OK(sealgate_server_start(server));
    OK(sealgate_issue_token(gate, "bob", 3, NULL, 0, 0, &issued));
    OK(sealgate_encrypt_data(gate, "4111", 4, "orders/17/card", 14, &encrypted));
    OK(sealgate_seal_bytes(gate, "bytes", 5, NULL, 0, sealed, sizeof sealed, &sealed_size));
    token = issued.data;
    stored = encrypted.data;
    every_example();
    sealgate_buffer_free(&issued);
    sealgate_buffer_free(&encrypted);
    OK(sealgate_set_log(0, NULL, NULL, NULL));
    OK(sealgate_server_free(server));
    sealgate_free(gate);
    sealgate_config_free(config);
    return 0;
}

#endif
