/*
 * Accounts: check a password, log in to get tokens, and revoke them.
 *
 *     make lib
 *     cc -Iinclude examples/c/accounts.c -o accounts -Ltarget/release -lsealgate -Wl,-rpath,target/release
 *     ./accounts
 */
#include <inttypes.h>
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

/* Passwords are secrets: a real program reads them without echo, and wipes its copies. */
static void knock(const sealgate_gate *gate, const char *name, const char *password)
{
    sealgate_buffer scope = {0};
    uint64_t retry_after_ms = 0;
    sealgate_status status = sealgate_check_password(gate, name, strlen(name), password, strlen(password),
                                                     SEALGATE_LITERAL("192.0.2.1"), &scope, &retry_after_ms);
    switch (status) {
    case SEALGATE_STATUS_OK:
        printf("%s is allowed: %s\n", name, scope.data);
        break;
    case SEALGATE_STATUS_LOGIN_FAILED:
        printf("%s is denied\n", name);
        break;
    case SEALGATE_STATUS_RATE_LIMITED:
        printf("%s has to wait %" PRIu64 " s\n", name, (retry_after_ms + 999) / 1000);
        break;
    default:
        check(status, "checking a password");
    }
    sealgate_buffer_free(&scope);
}

static void show(const sealgate_gate *gate, const sealgate_buffer *token, const char *when)
{
    sealgate_claims *claims = NULL;
    sealgate_status status = sealgate_verify_token(gate, token->data, token->size, &claims);
    printf("%s: %s\n", when, sealgate_status_name(status));
    sealgate_claims_free(claims);
}

int main(void)
{
    static const char password[] = "a quiet harbour";
    sealgate_config *config = NULL;
    sealgate_gate *gate = NULL;
    sealgate_buffer token = {0}, refresh_token = {0}, next = {0}, next_refresh = {0}, user = {0};
    uint64_t retry_after_ms = 0;

    check(sealgate_config_new(&config), "creating a configuration");
    /* For a demonstration: accounts are lost with the gate. With data_dir they are shared with `sealgate serve`. */
    check(sealgate_config_set(config, SEALGATE_LITERAL("keys"), SEALGATE_LITERAL("ephemeral")), "keys");
    check(sealgate_config_set(config, SEALGATE_LITERAL("lockout_after"), SEALGATE_LITERAL("2")), "lockout_after");
    check(sealgate_new(config, &gate), "creating a gate");
    sealgate_config_free(config);

    check(sealgate_add_user(gate, SEALGATE_LITERAL("alice"), password, strlen(password), SEALGATE_LITERAL("encrypt decrypt")),
          "adding alice");
    knock(gate, "alice", password);
    knock(gate, "bob", "just guessing");
    knock(gate, "bob", "guessing again");
    knock(gate, "bob", "and once more");

    check(sealgate_log_in(gate, SEALGATE_LITERAL("alice"), password, strlen(password), SEALGATE_LITERAL("192.0.2.1"),
                          SEALGATE_LITERAL("decrypt"), &token, &refresh_token, &retry_after_ms),
          "logging in");
    show(gate, &token, "after the login");
    check(sealgate_refresh(gate, refresh_token.data, refresh_token.size, NULL, 0, &next, &next_refresh), "refreshing");
    show(gate, &next, "after a refresh");
    check(sealgate_revoke_token(gate, next.data, next.size, &user), "revoking a token");
    printf("revoked a token of %s\n", user.data);
    show(gate, &next, "the revoked token");
    show(gate, &token, "the token of the same login");

    check(sealgate_set_user_disabled(gate, SEALGATE_LITERAL("alice"), 1), "disabling alice");
    knock(gate, "alice", password);

    sealgate_buffer_free(&token);
    sealgate_buffer_free(&refresh_token);
    sealgate_buffer_free(&next);
    sealgate_buffer_free(&next_refresh);
    sealgate_buffer_free(&user);
    sealgate_free(gate);
    return 0;
}
