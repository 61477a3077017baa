/* Accounts from C, tokens that are taken back, and forks of a process that has the store open. */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PASSWORD "a quiet harbour", 15
#define FROM "192.0.2.1", 9

static sealgate_gate *gate_in(const char *folder)
{
    sealgate_config *config = NULL;
    sealgate_gate *gate = NULL;
    OK(sealgate_config_new(&config));
    set(config, "data_dir", folder);
    set(config, "password_memory", "1024");
    set(config, "password_passes", "1");
    set(config, "lockout_after", "3");
    OK(sealgate_new(config, &gate));
    sealgate_config_free(config);
    return gate;
}

static sealgate_status verify(const sealgate_gate *gate, const sealgate_buffer *token)
{
    sealgate_claims *claims = NULL;
    sealgate_status status = sealgate_verify_token(gate, token->data, token->size, &claims);
    CHECK((claims == NULL) == (status != SEALGATE_STATUS_OK));
    sealgate_claims_free(claims);
    return status;
}

static void within_a_second(const sealgate_gate *gate, const sealgate_buffer *token)
{
    const struct timespec pause = {0, 20 * 1000 * 1000};
    for (int tries = 0; verify(gate, token) != SEALGATE_STATUS_TOKEN_REVOKED; tries++) {
        CHECK(tries < 500); /* ten, on a machine that is busy */
        nanosleep(&pause, NULL);
    }
}

static sealgate_status knock(const sealgate_gate *gate, const char *name, const char *password)
{
    sealgate_buffer scope = {0};
    uint64_t wait = 7;
    sealgate_status status =
        sealgate_check_password(gate, name, strlen(name), password, strlen(password), FROM, &scope, &wait);
    CHECK((scope.data == NULL) == (status != SEALGATE_STATUS_OK));
    CHECK((wait > 0) == (status == SEALGATE_STATUS_RATE_LIMITED) && wait <= 900 * 1000);
    sealgate_buffer_free(&scope);
    return status;
}

static void log_in(const sealgate_gate *gate, sealgate_buffer *token, sealgate_buffer *refresh)
{
    uint64_t wait = 7;
    OK(sealgate_log_in(gate, "alice", 5, PASSWORD, FROM, NULL, 0, token, refresh, &wait));
    CHECK(wait == 0 && token->size > 0 && refresh->size > 0);
}

static void default_scope_is(const sealgate_gate *gate, const char *name, const char *wanted)
{
    sealgate_buffer scope = {0};
    OK(sealgate_default_scope(gate, name, strlen(name), &scope));
    CHECK(scope.size == strlen(wanted) && memcmp(scope.data, wanted, scope.size) == 0);
    sealgate_buffer_free(&scope);
}

static void accounts_let_in_and_shut_out(sealgate_gate *gate)
{
    sealgate_buffer scope = {0};
    sealgate_status status;
    uint64_t wait;
    int failures = 0;
    default_scope_is(gate, "alice", SEALGATE_OPEN_LOGIN_SCOPE);
    OK(sealgate_add_user(gate, "alice", 5, PASSWORD, "encrypt decrypt", 15));
    OK(sealgate_add_user(gate, "carol", 5, PASSWORD, NULL, 0));
    default_scope_is(gate, "alice", "encrypt decrypt");
    default_scope_is(gate, "carol", "");
    default_scope_is(gate, "nobody", SEALGATE_OPEN_LOGIN_SCOPE);
    IS(USER_EXISTS, sealgate_add_user(gate, "alice", 5, PASSWORD, NULL, 0));
    IS(WEAK_PASSWORD, sealgate_add_user(gate, "dave", 4, "password1", 9, NULL, 0));
    IS(WEAK_PASSWORD, sealgate_add_user(gate, "dave", 4, NULL, 0, NULL, 0));
    IS(WEAK_PASSWORD, sealgate_set_user_password(gate, "alice", 5, "password1", 9));
    IS(INVALID_ARGUMENT, sealgate_add_user(gate, "dave", 4, PASSWORD, "a  b", 4));
    IS(INVALID_NAME, sealgate_add_user(gate, NULL, 0, PASSWORD, NULL, 0));
    IS(INVALID_NAME, sealgate_add_user(gate, "a\nb", 3, PASSWORD, NULL, 0));
    IS(INVALID_UTF8, sealgate_add_user(gate, "\xff", 1, PASSWORD, NULL, 0));

    OK(sealgate_check_password(gate, "alice", 5, PASSWORD, NULL, 0, &scope, &wait));
    CHECK(scope.size == 15 && memcmp(scope.data, "encrypt decrypt", 15) == 0);
    sealgate_buffer_free(&scope);
    OK(sealgate_check_password(gate, "carol", 5, PASSWORD, NULL, 0, &scope, &wait));
    CHECK(scope.size == 0);
    sealgate_buffer_free(&scope);
    OK(sealgate_set_user_disabled(gate, "carol", 5, 1));
    IS(LOGIN_FAILED, knock(gate, "carol", "a quiet harbour"));
    OK(sealgate_set_user_disabled(gate, "carol", 5, 0));
    OK(knock(gate, "carol", "a quiet harbour"));
    OK(sealgate_set_user_password(gate, "carol", 5, "a stormy harbour", 16));
    IS(LOGIN_FAILED, knock(gate, "carol", "a quiet harbour"));
    OK(knock(gate, "carol", "a stormy harbour"));
    /* Put off for a second at first, then for longer and longer: on a slow machine some later try is. */
    for (int tries = 0; (status = knock(gate, "nobody", "guess")) != SEALGATE_STATUS_RATE_LIMITED; tries++) {
        CHECK(status == SEALGATE_STATUS_LOGIN_FAILED && tries < 8);
        failures++;
    }
    CHECK(failures >= 3);
    OK(sealgate_remove_user(gate, "carol", 5));
    IS(NOT_FOUND, sealgate_remove_user(gate, "carol", 5));
    IS(NOT_FOUND, sealgate_set_user_scope(gate, "carol", 5, NULL, 0));
    IS(NOT_FOUND, sealgate_set_user_disabled(gate, "carol", 5, 1));
    IS(NOT_FOUND, sealgate_set_user_password(gate, "carol", 5, PASSWORD));
}

static void scopes_narrow(sealgate_gate *gate)
{
    sealgate_buffer token = {0}, refresh = {0};
    sealgate_claims *claims = NULL;
    const char *scope;
    size_t size;
    uint64_t wait;
    OK(sealgate_log_in(gate, "alice", 5, PASSWORD, FROM, "decrypt", 7, &token, &refresh, &wait));
    OK(sealgate_verify_token(gate, token.data, token.size, &claims));
    OK(sealgate_claims_scope(claims, &scope, &size));
    CHECK(size == 7 && memcmp(scope, "decrypt", 7) == 0);
    sealgate_claims_free(claims);
    sealgate_buffer_free(&token);
    sealgate_buffer_free(&refresh);
    IS(INVALID_ARGUMENT, sealgate_log_in(gate, "alice", 5, PASSWORD, FROM, "admin", 5, &token, &refresh, &wait));
    CHECK(token.data == NULL && refresh.data == NULL);
}

static void what_is_taken_back_is_refused_by_other_gates_too(sealgate_gate *gate, sealgate_gate *other)
{
    sealgate_buffer token = {0}, refresh = {0}, next = {0}, next_refresh = {0}, user = {0};
    sealgate_claims *claims = NULL;
    const char *id;
    size_t size;

    log_in(gate, &token, &refresh);
    OK(sealgate_refresh(other, refresh.data, refresh.size, NULL, 0, &next, &next_refresh));
    OK(verify(other, &next));
    IS(TOKEN_MALFORMED, verify(gate, &next_refresh));
    /* A second use: somebody has a copy. */
    sealgate_buffer_free(&user);
    IS(TOKEN_REVOKED, sealgate_refresh(gate, refresh.data, refresh.size, NULL, 0, &user, &user));
    IS(TOKEN_REVOKED, verify(gate, &token));
    within_a_second(other, &next);
    IS(TOKEN_REVOKED, sealgate_refresh(other, next_refresh.data, next_refresh.size, NULL, 0, &user, &user));
    sealgate_buffer_free(&token);
    sealgate_buffer_free(&refresh);
    sealgate_buffer_free(&next);
    sealgate_buffer_free(&next_refresh);

    log_in(gate, &token, &refresh);
    OK(verify(other, &token));
    OK(sealgate_revoke_token(gate, token.data, token.size, &user));
    CHECK(user.size == 5 && memcmp(user.data, "alice", 5) == 0);
    IS(TOKEN_REVOKED, verify(gate, &token));
    within_a_second(other, &token);
    sealgate_buffer_free(&user);
    OK(sealgate_revoke_token(other, token.data, token.size, &user));
    sealgate_buffer_free(&user);
    IS(TOKEN_MALFORMED, sealgate_revoke_token(gate, "a.b.c", 5, &user));
    IS(TOKEN_MISSING, sealgate_revoke_token(gate, NULL, 0, &user));
    CHECK(user.data == NULL);
    sealgate_buffer_free(&token);
    sealgate_buffer_free(&refresh);

    log_in(gate, &token, &refresh);
    OK(sealgate_verify_token(gate, token.data, token.size, &claims));
    OK(sealgate_claims_id(claims, &id, &size));
    OK(sealgate_revoke_token_id(other, id, size, 0));
    sealgate_claims_free(claims);
    within_a_second(gate, &token);
    IS(INVALID_ARGUMENT, sealgate_revoke_token_id(gate, NULL, 0, 0));
    sealgate_buffer_free(&token);
    sealgate_buffer_free(&refresh);

    log_in(gate, &token, &refresh);
    OK(sealgate_revoke_user(other, "alice", 5));
    within_a_second(gate, &token);
    IS(INVALID_ARGUMENT, sealgate_revoke_user(gate, NULL, 0));
    sealgate_buffer_free(&token);
    sealgate_buffer_free(&refresh);
    log_in(gate, &token, &refresh);
    OK(verify(gate, &token));
    sealgate_buffer_free(&token);
    sealgate_buffer_free(&refresh);
}

static void clients_get_tokens_for_themselves(sealgate_gate *gate, sealgate_gate *other)
{
    sealgate_buffer secret = {0}, next = {0}, token = {0}, listed = {0};
    sealgate_claims *claims = NULL;
    const char *json;
    size_t size;

    OK(sealgate_add_client(gate, "shop", 4, "encrypt decrypt", 15, &secret));
    CHECK(secret.size == 43 && secret.secret);
    IS(USER_EXISTS, sealgate_add_client(gate, "shop", 4, NULL, 0, &next));
    IS(USER_EXISTS, sealgate_add_client(gate, "alice", 5, NULL, 0, &next));
    IS(USER_EXISTS, sealgate_add_user(gate, "shop", 4, PASSWORD, NULL, 0));
    IS(INVALID_NAME, sealgate_add_client(gate, NULL, 0, NULL, 0, &next));
    IS(INVALID_NAME, sealgate_add_client(gate, "caf\xc3\xa9", 5, NULL, 0, &next));
    IS(INVALID_ARGUMENT, sealgate_add_client(gate, "till", 4, "a  b", 4, &next));
    CHECK(next.data == NULL);
    default_scope_is(gate, "shop", "encrypt decrypt");

    OK(sealgate_client_token(other, "shop", 4, secret.data, secret.size, "encrypt", 7, &token));
    OK(sealgate_verify_token(gate, token.data, token.size, &claims));
    OK(sealgate_claims_json(claims, &json, &size));
    CHECK(memmem(json, size, "\"client_id\":\"shop\"", 18) != NULL && memmem(json, size, "username", 8) == NULL);
    sealgate_claims_free(claims);
    IS(INVALID_ARGUMENT, sealgate_client_token(gate, "shop", 4, secret.data, secret.size, "admin", 5, &next));
    IS(LOGIN_FAILED, sealgate_client_token(gate, "shop", 4, secret.data, secret.size - 1, NULL, 0, &next));
    IS(LOGIN_FAILED, sealgate_client_token(gate, "shop", 4, NULL, 0, NULL, 0, &next));
    IS(LOGIN_FAILED, sealgate_client_token(gate, "nobody", 6, secret.data, secret.size, NULL, 0, &next));
    IS(LOGIN_FAILED, sealgate_client_token(gate, "alice", 5, PASSWORD, NULL, 0, &next));
    IS(LOGIN_FAILED, knock(gate, "shop", secret.data));

    OK(sealgate_renew_client_secret(gate, "shop", 4, &next));
    CHECK(next.size == 43 && memcmp(next.data, secret.data, 43) != 0);
    within_a_second(other, &token);
    sealgate_buffer_free(&token);
    IS(LOGIN_FAILED, sealgate_client_token(other, "shop", 4, secret.data, secret.size, NULL, 0, &token));
    OK(sealgate_client_token(other, "shop", 4, next.data, next.size, NULL, 0, &token));
    sealgate_buffer_free(&token);
    sealgate_buffer_free(&secret);
    IS(NOT_FOUND, sealgate_renew_client_secret(gate, "alice", 5, &secret));

    OK(sealgate_set_client_scope(gate, "shop", 4, "encrypt", 7));
    OK(sealgate_set_client_disabled(gate, "shop", 4, 1));
    OK(sealgate_list_clients(gate, NULL, 0, 9, &listed));
    CHECK(strstr(listed.data, "[{\"id\":\"shop\",\"scope\":\"encrypt\",\"disabled\":true,\"created\":") == listed.data);
    sealgate_buffer_free(&listed);
    OK(sealgate_list_clients(gate, "shop", 4, 9, &listed));
    CHECK(strcmp(listed.data, "[]") == 0);
    sealgate_buffer_free(&listed);
    IS(LOGIN_FAILED, sealgate_client_token(gate, "shop", 4, next.data, next.size, NULL, 0, &token));
    OK(sealgate_set_client_disabled(gate, "shop", 4, 0));
    OK(sealgate_remove_client(gate, "shop", 4));
    sealgate_buffer_free(&next);
    IS(NOT_FOUND, sealgate_remove_client(gate, "shop", 4));
    IS(NOT_FOUND, sealgate_set_client_scope(gate, "alice", 5, NULL, 0));
    IS(NOT_FOUND, sealgate_set_client_disabled(gate, "alice", 5, 1));
    IS(NOT_FOUND, sealgate_remove_client(gate, "alice", 5));
}

static int over;

static void *worker(void *with)
{
    const sealgate_gate *gate = with;
    sealgate_buffer token = {0}, refresh = {0};
    log_in(gate, &token, &refresh);
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        char id[32];
        snprintf(id, sizeof id, "t%d", rand() % 100);
        OK(verify(gate, &token));
        OK(sealgate_revoke_token_id(gate, id, strlen(id), 4000000000u));
    }
    sealgate_buffer_free(&token);
    sealgate_buffer_free(&refresh);
    return NULL;
}

/* Threads read and write the store while the process forks; each child reads and writes it too, and what it takes back is. */
static void children_open_the_store_anew(sealgate_gate *gate)
{
    pthread_t threads[3];
    for (size_t at = 0; at < 3; at++) {
        CHECK(pthread_create(&threads[at], NULL, worker, gate) == 0);
    }
    for (int round = 0; round < 6; round++) {
        sealgate_buffer token = {0}, refresh = {0};
        pid_t child;
        int status;
        log_in(gate, &token, &refresh);
        OK(verify(gate, &token));
        fflush(NULL);
        child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            sealgate_buffer user = {0}, mine = {0}, my_refresh = {0};
            alarm(60);
            OK(verify(gate, &token));
            log_in(gate, &mine, &my_refresh);
            OK(verify(gate, &mine));
            OK(sealgate_revoke_token(gate, token.data, token.size, &user));
            IS(TOKEN_REVOKED, verify(gate, &token));
            sealgate_buffer_free(&user);
            sealgate_free(gate);
            _exit(0);
        }
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        within_a_second(gate, &token);
        sealgate_buffer_free(&token);
        sealgate_buffer_free(&refresh);
    }
    __atomic_store_n(&over, 1, __ATOMIC_RELAXED);
    for (size_t at = 0; at < 3; at++) {
        CHECK(pthread_join(threads[at], NULL) == 0);
    }
}

int main(void)
{
    /* In memory where that is possible: two gates write to the store, and a busy disk may take longer for one than the other
     * waits. */
    char memory[] = "/dev/shm/sealgate-users-XXXXXX", disk[] = "/tmp/sealgate-users-XXXXXX", clean[128];
    sealgate_gate *gate, *other;
    char *folder = mkdtemp(memory);
    folder = folder ? folder : mkdtemp(disk);
    CHECK(folder != NULL);
    gate = gate_in(folder);
    other = gate_in(folder);
    accounts_let_in_and_shut_out(gate);
    scopes_narrow(gate);
    what_is_taken_back_is_refused_by_other_gates_too(gate, other);
    clients_get_tokens_for_themselves(gate, other);
    children_open_the_store_anew(gate);
    sealgate_free(other);
    sealgate_free(gate);
    snprintf(clean, sizeof clean, "rm -r '%s'", folder);
    CHECK(system(clean) == 0);
    return 0;
}
