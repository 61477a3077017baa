/* Limits with a name and a cost: what they admit, peeking, resetting, and routes that name them. */
#include "check.h"

static sealgate_gate *limited(void)
{
    sealgate_config *config = new_config("3");
    sealgate_gate *gate = NULL;
    set(config, "limits", "exports: 10 per 3600; near: 4 per 60, per address");
    OK(sealgate_new(config, &gate));
    sealgate_config_free(config);
    return gate;
}

#define EXPORTS "exports", 7

static void a_cost_is_admitted_as_a_whole_or_not_at_all(sealgate_gate *gate)
{
    sealgate_admission found;
    OK(sealgate_enforce_limit(gate, "alice", 5, EXPORTS, 4, &found));
    CHECK(found.allowed == 1 && found.limit == 10 && found.remaining == 6 && found.reserved == 0);
    CHECK(found.window_ms == 3600000 && found.reset_ms > 0 && found.reset_ms <= 3600000);
    OK(sealgate_enforce_limit(gate, "alice", 5, EXPORTS, 7, &found));
    CHECK(found.allowed == 0 && found.remaining == 6 && found.reset_ms > 0);
    OK(sealgate_peek_limit(gate, "alice", 5, EXPORTS, 6, &found));
    CHECK(found.allowed == 1 && found.remaining == 6);
    OK(sealgate_enforce_limit(gate, "alice", 5, EXPORTS, 0, &found));
    CHECK(found.allowed == 1 && found.remaining == 6);
    OK(sealgate_enforce_limit(gate, "alice", 5, EXPORTS, 6, &found));
    CHECK(found.allowed == 1 && found.remaining == 0);
    OK(sealgate_peek_limit(gate, "alice", 5, EXPORTS, 1, &found));
    CHECK(found.allowed == 0 && found.remaining == 0);
    OK(sealgate_enforce_limit(gate, "bob", 3, EXPORTS, 10, &found));
    CHECK(found.allowed == 1);
}

static void a_reset_leaves_the_whole_limit(sealgate_gate *gate)
{
    sealgate_admission found;
    int32_t counted = 7;
    OK(sealgate_reset_limit(gate, "alice", 5, EXPORTS, &counted));
    CHECK(counted == 1);
    OK(sealgate_reset_limit(gate, "alice", 5, EXPORTS, &counted));
    CHECK(counted == 0);
    OK(sealgate_peek_limit(gate, "alice", 5, EXPORTS, 10, &found));
    CHECK(found.allowed == 1 && found.remaining == 10);
    OK(sealgate_peek_limit(gate, "bob", 3, EXPORTS, 1, &found));
    CHECK(found.allowed == 0);
}

static void default_is_the_limit_of_users(sealgate_gate *gate)
{
    sealgate_gate *unlimited = new_gate("0");
    sealgate_admission found;
    int32_t allowed;
    uint32_t remaining;
    uint64_t wait;
    OK(sealgate_enforce_rate_limit(gate, "carol", 5, &allowed, &remaining, &wait));
    OK(sealgate_enforce_limit(gate, "carol", 5, "default", 7, 2, &found));
    CHECK(allowed == 1 && found.allowed == 1 && found.limit == 3 && found.remaining == 0);
    OK(sealgate_enforce_limit(unlimited, "carol", 5, "default", 7, UINT32_MAX, &found));
    CHECK(found.allowed == 1 && found.limit == 0 && found.remaining == UINT32_MAX);
    CHECK(found.window_ms == 0 && found.reset_ms == 0);
    sealgate_free(unlimited);
}

static void what_cannot_be_counted_is_an_error(sealgate_gate *gate)
{
    sealgate_admission found;
    int32_t counted = 7;
    memset(&found, 7, sizeof found);
    IS(INVALID_ARGUMENT, sealgate_enforce_limit(gate, "alice", 5, "other", 5, 1, &found));
    CHECK(found.allowed == 0 && found.limit == 0 && found.remaining == 0 && found.window_ms == 0 && found.reset_ms == 0);
    IS(INVALID_ARGUMENT, sealgate_enforce_limit(gate, "alice", 5, NULL, 0, 1, &found));
    IS(INVALID_ARGUMENT, sealgate_enforce_limit(gate, "alice", 5, EXPORTS, 11, &found));
    IS(INVALID_ARGUMENT, sealgate_peek_limit(gate, "alice", 5, "Default", 7, 1, &found));
    IS(INVALID_ARGUMENT, sealgate_enforce_limit(gate, "alice", 5, "near", 4, 1, &found));
    IS(INVALID_UTF8, sealgate_enforce_limit(gate, "\xff", 1, EXPORTS, 1, &found));
    IS(INVALID_UTF8, sealgate_enforce_limit(gate, "alice", 5, "\xff", 1, 1, &found));
    IS(NULL_POINTER, sealgate_enforce_limit(gate, "alice", 5, EXPORTS, 1, NULL));
    IS(INVALID_ARGUMENT, sealgate_reset_limit(gate, "alice", 5, "other", 5, &counted));
    CHECK(counted == 0);
    OK(sealgate_enforce_limit(gate, "::ffff:192.0.2.1", 16, "near", 4, 3, &found));
    OK(sealgate_peek_limit(gate, "192.0.2.1", 9, "near", 4, 2, &found));
    CHECK(found.allowed == 0 && found.remaining == 1);
}

static int32_t answer(const sealgate_request *request, sealgate_response *response, void *user)
{
    (void)request;
    (void)response;
    (void)user;
    return 0;
}

/* A server with one route, which names a policy. */
static sealgate_status started(sealgate_gate *gate, uint32_t flags, const char *policy, uint32_t cost)
{
    sealgate_config *config = new_config("3");
    sealgate_server *server = NULL;
    sealgate_status status;
    OK(sealgate_server_new(gate, config, &server));
    OK(sealgate_server_route(server, "GET", 3, "/export", 7, flags, NULL, 0, answer, NULL, NULL));
    IS(INVALID_ARGUMENT, sealgate_server_limit_route(server, "POST", 4, "/export", 7, EXPORTS, 1));
    IS(INVALID_ARGUMENT, sealgate_server_limit_route(server, "GET", 3, "/other", 6, EXPORTS, 1));
    IS(INVALID_ARGUMENT, sealgate_server_limit_route(server, "GET", 3, "/export", 7, EXPORTS, 0));
    OK(sealgate_server_limit_route(server, "GET", 3, "/export", 7, policy, strlen(policy), cost));
    status = sealgate_server_start(server);
    IS(WRONG_STATE, sealgate_server_limit_route(server, "GET", 3, "/export", 7, EXPORTS, 1));
    OK(sealgate_server_free(server));
    sealgate_config_free(config);
    return status;
}

static void a_route_names_policies_that_exist(sealgate_gate *gate)
{
    CHECK(started(gate, SEALGATE_ROUTE_TOKEN, "exports", 10) == SEALGATE_STATUS_OK);
    CHECK(started(gate, 0, "near", 4) == SEALGATE_STATUS_OK);
    CHECK(started(gate, SEALGATE_ROUTE_TOKEN, "exports", 11) == SEALGATE_STATUS_INVALID_ARGUMENT);
    CHECK(started(gate, SEALGATE_ROUTE_TOKEN, "other", 1) == SEALGATE_STATUS_INVALID_ARGUMENT);
    CHECK(started(gate, 0, "exports", 1) == SEALGATE_STATUS_INVALID_ARGUMENT);
    CHECK(started(gate, SEALGATE_ROUTE_TOKEN | SEALGATE_ROUTE_LIMITED, "default", 1) == SEALGATE_STATUS_INVALID_ARGUMENT);
}

int main(void)
{
    sealgate_gate *gate = limited();
    a_cost_is_admitted_as_a_whole_or_not_at_all(gate);
    a_reset_leaves_the_whole_limit(gate);
    default_is_the_limit_of_users(gate);
    what_cannot_be_counted_is_an_error(gate);
    a_route_names_policies_that_exist(gate);
    sealgate_free(gate);
    return 0;
}
