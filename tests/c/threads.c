/* Eight threads share one gate and one server, and call everything that a shared handle permits. */
#include "client.h"
#include <pthread.h>

static sealgate_gate *gate;
static sealgate_server *server;
static uint16_t port;
static int rounds = 200;

static int32_t answer_claims(const sealgate_request *request, sealgate_response *response, void *user)
{
    const sealgate_claims *claims;
    const char *subject;
    size_t size;
    (void)user;
    OK(sealgate_request_claims(request, &claims));
    OK(sealgate_claims_subject(claims, &subject, &size));
    OK(sealgate_response_set_body(response, subject, size));
    return 0;
}

static void on_line(int32_t level, const char *target, size_t target_size, const char *line, size_t line_size, void *user)
{
    (void)level, (void)target, (void)target_size, (void)line, (void)line_size;
    __atomic_add_fetch((int *)user, 1, __ATOMIC_RELAXED);
}

static void *work(void *argument)
{
    const char *user = argument;
    char sealed[256], opened[256], answer[1024], sentence[128];
    for (int round = 0; round < rounds; round++) {
        sealgate_buffer token = {0}, text = {0}, back = {0}, masked = {0}, address = {0};
        sealgate_claims *claims = NULL;
        const char *part;
        size_t size;
        uint64_t expires, issued, wait;
        uint32_t remaining;
        int32_t allowed, has;
        uint16_t same;
        OK(sealgate_issue_token(gate, user, strlen(user), "encrypt", 7, 0, &token));
        OK(sealgate_verify_token(gate, token.data, token.size, &claims));
        OK(sealgate_claims_subject(claims, &part, &size));
        CHECK(size == strlen(user) && memcmp(part, user, size) == 0);
        OK(sealgate_claims_json(claims, &part, &size));
        OK(sealgate_claims_id(claims, &part, &size));
        OK(sealgate_claims_scope(claims, &part, &size));
        OK(sealgate_claims_expires_at(claims, &expires));
        OK(sealgate_claims_issued_at(claims, &issued));
        OK(sealgate_claims_has_scope(claims, "encrypt", 7, &has));
        OK(sealgate_encrypt_data(gate, user, strlen(user), "c", 1, &text));
        OK(sealgate_decrypt_data(gate, text.data, text.size, "c", 1, &back));
        CHECK(strcmp(back.data, user) == 0);
        OK(sealgate_seal_bytes(gate, user, strlen(user), NULL, 0, sealed, sizeof sealed, &size));
        OK(sealgate_open_bytes(gate, sealed, size, NULL, 0, opened, sizeof opened, &size));
        CHECK(size == strlen(user) && memcmp(opened, user, size) == 0);
        OK(sealgate_mask_data(user, strlen(user), 1, &masked));
        OK(sealgate_enforce_rate_limit(gate, user, strlen(user), &allowed, &remaining, &wait));
        CHECK(allowed == 1);
        IS(DECRYPT_FAILED, sealgate_decrypt_data(gate, "AAAA", 4, NULL, 0, &address));
        sealgate_last_error(sentence, sizeof sentence);
        OK(sealgate_server_port(server, &same));
        OK(sealgate_server_address(server, 0, &address));
        if (round % 10 == 0) {
            CHECK(get(port, "/mine", token.data, answer, sizeof answer) == 200);
            CHECK(strstr(answer, user) != NULL);
        }
        sealgate_claims_free(claims);
        sealgate_buffer_free(&token);
        sealgate_buffer_free(&text);
        sealgate_buffer_free(&back);
        sealgate_buffer_free(&masked);
        sealgate_buffer_free(&address);
    }
    return NULL;
}

int main(int count, char **arguments)
{
    static char names[8][24];
    static int lines;
    sealgate_config *config = new_config("1000000");
    pthread_t threads[8];
    rounds = count > 1 ? atoi(arguments[1]) : rounds;
    OK(sealgate_set_log(SEALGATE_LOG_INFO, on_line, &lines, NULL));
    OK(sealgate_new(config, &gate));
    OK(sealgate_server_new(gate, config, &server));
    OK(sealgate_server_route(server, "GET", 3, "/mine", 5, SEALGATE_ROUTE_TOKEN | SEALGATE_ROUTE_LIMITED, NULL, 0,
                             answer_claims, NULL, NULL));
    OK(sealgate_server_start(server));
    OK(sealgate_server_port(server, &port));
    for (int at = 0; at < 8; at++) {
        snprintf(names[at], sizeof names[at], "user-%d", at);
        CHECK(pthread_create(&threads[at], NULL, work, names[at]) == 0);
    }
    for (int at = 0; at < 8; at++) {
        pthread_join(threads[at], NULL);
    }
    CHECK(sealgate_server_stop(server, 60000) == SEALGATE_STATUS_OK);
    OK(sealgate_set_log(0, NULL, NULL, NULL));
    CHECK(lines >= 8 * (rounds / 10));
    CHECK(sealgate_server_free(server) == SEALGATE_STATUS_OK);
    sealgate_free(gate);
    sealgate_config_free(config);
    return 0;
}
