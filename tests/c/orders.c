/* Handles are freed in every order, and children go on without their parents. */
#include "client.h"

enum { CONFIG, GATE, CLAIMS, SERVER, TOKEN, HANDLES };

static int dropped;

static void on_drop(void *user)
{
    (void)user;
    dropped++;
}

static int32_t answer_nothing(const sealgate_request *request, sealgate_response *response, void *user)
{
    (void)request, (void)response, (void)user;
    return 0;
}

static void free_in(const int *order, int started)
{
    sealgate_config *config = new_config("0");
    sealgate_gate *gate = NULL;
    sealgate_server *server = NULL;
    sealgate_claims *claims = NULL;
    sealgate_buffer token = {0};
    const char *subject;
    size_t size;
    char answer[512];
    uint16_t port = 0;
    int live[HANDLES] = {1, 1, 1, 1, 1};
    set(config, "workers", "1");
    OK(sealgate_new(config, &gate));
    OK(sealgate_issue_token(gate, "alice", 5, NULL, 0, 0, &token));
    OK(sealgate_verify_token(gate, token.data, token.size, &claims));
    OK(sealgate_server_new(gate, config, &server));
    dropped = 0;
    OK(sealgate_server_route(server, "GET", 3, "/mine", 5, 0, NULL, 0, answer_nothing, NULL, on_drop));
    if (started) {
        OK(sealgate_server_start(server));
        OK(sealgate_server_port(server, &port));
    }
    for (int step = 0; step < HANDLES; step++) {
        live[order[step]] = 0;
        switch (order[step]) {
        case CONFIG:
            sealgate_config_free(config);
            break;
        case GATE:
            sealgate_free(gate);
            break;
        case CLAIMS:
            sealgate_claims_free(claims);
            break;
        case SERVER:
            CHECK(sealgate_server_free(server) == SEALGATE_STATUS_OK);
            break;
        default:
            sealgate_buffer_free(&token);
            sealgate_buffer_free(&token);
        }
        if (live[CLAIMS]) {
            OK(sealgate_claims_subject(claims, &subject, &size));
            CHECK(size == 5 && memcmp(subject, "alice", 5) == 0);
        }
        if (live[SERVER] && started) {
            CHECK(get(port, "/mine", NULL, answer, sizeof answer) == 200);
        }
    }
    CHECK(dropped == 1);
}

static void each_order(int *order, int chosen, int started)
{
    if (chosen == HANDLES) {
        free_in(order, started);
        return;
    }
    for (int at = chosen; at < HANDLES; at++) {
        int swapped = order[chosen];
        order[chosen] = order[at];
        order[at] = swapped;
        each_order(order, chosen + 1, started);
        order[at] = order[chosen];
        order[chosen] = swapped;
    }
}

int main(void)
{
    int order[HANDLES] = {CONFIG, GATE, CLAIMS, SERVER, TOKEN};
    int first_last[2][HANDLES] = {{CONFIG, GATE, CLAIMS, TOKEN, SERVER}, {SERVER, TOKEN, CLAIMS, GATE, CONFIG}};
    each_order(order, 0, 0);
    free_in(first_last[0], 1);
    free_in(first_last[1], 1);
    return 0;
}
