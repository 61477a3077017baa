/* Custom claims from C: in new tokens, read back by their types, and those of accounts; audiences and times of tokens. */
#include "check.h"

#define PASSWORD "a quiet harbour", 15

/* A token of alice, or the status. */
static sealgate_status issue(const sealgate_gate *gate, const char *claims, const char *audience, uint64_t not_before,
                             sealgate_buffer *token)
{
    sealgate_status status = sealgate_issue_token_with(gate, "alice", 5, "orders", 6, 600, claims, strlen(claims), audience,
                                                       strlen(audience), not_before, token);
    CHECK((token->data == NULL) == (status != SEALGATE_STATUS_OK));
    return status;
}

static sealgate_claims *verified(const sealgate_gate *gate, sealgate_buffer *token)
{
    sealgate_claims *claims = NULL;
    OK(sealgate_verify_token(gate, token->data, token->size, &claims));
    sealgate_buffer_free(token);
    return claims;
}

static void string_is(const sealgate_claims *claims, const char *name, const char *wanted, size_t size)
{
    sealgate_buffer text = {0};
    OK(sealgate_claims_get_string(claims, name, strlen(name), &text));
    CHECK(text.size == size && memcmp(text.data, wanted, size) == 0 && text.data[size] == 0);
    sealgate_buffer_free(&text);
}

static void json_is(const sealgate_claims *claims, const char *name, const char *wanted)
{
    const char *json = NULL;
    size_t size = 0;
    OK(sealgate_claims_get_json(claims, name, strlen(name), &json, &size));
    CHECK(size == strlen(wanted) && memcmp(json, wanted, size) == 0);
}

static void integer_is(const sealgate_claims *claims, const char *name, int64_t wanted)
{
    int64_t number = 7;
    OK(sealgate_claims_get_integer(claims, name, strlen(name), &number));
    CHECK(number == wanted);
}

static void boolean_is(const sealgate_claims *claims, const char *name, int32_t wanted)
{
    int32_t boolean = 7;
    OK(sealgate_claims_get_boolean(claims, name, strlen(name), &boolean));
    CHECK(boolean == wanted);
}

/* No getter gives a claim another type. */
static void is_neither(const sealgate_claims *claims, const char *name, int string, int integer, int boolean)
{
    sealgate_buffer text = {0};
    int64_t number = 7;
    int32_t truth = 7;
    if (!string) {
        IS(INVALID_ARGUMENT, sealgate_claims_get_string(claims, name, strlen(name), &text));
        CHECK(text.data == NULL && text.size == 0);
    }
    if (!integer) {
        IS(INVALID_ARGUMENT, sealgate_claims_get_integer(claims, name, strlen(name), &number));
        CHECK(number == 0);
    }
    if (!boolean) {
        IS(INVALID_ARGUMENT, sealgate_claims_get_boolean(claims, name, strlen(name), &truth));
        CHECK(truth == 0);
    }
}

static void claims_are_read_by_their_types(const sealgate_gate *gate)
{
    static const char given[] = "{\"department\": \"ops\", \"text\": \"\\u00e4\\u0000\\\"\", \"level\": 3, \"low\": -9223372036854775808,"
                                " \"high\": 18446744073709551615, \"half\": 0.5, \"whole\": 1.0, \"yes\": true, \"no\": false,"
                                " \"nothing\": null, \"list\": [1, {\"a\": []}], \"digits\": \"12\", \"word\": \"true\"}";
    sealgate_buffer token = {0}, text = {0};
    const char *json = "";
    size_t size = 7;
    int64_t number = 7;
    int32_t truth = 7;
    OK(issue(gate, given, "", 0, &token));
    sealgate_claims *claims = verified(gate, &token);
    string_is(claims, "department", "ops", 3);
    string_is(claims, "text", "\xc3\xa4\0\"", 4);
    string_is(claims, "sub", "alice", 5);
    json_is(claims, "department", "\"ops\"");
    json_is(claims, "list", "[1,{\"a\":[]}]");
    json_is(claims, "nothing", "null");
    json_is(claims, "half", "0.5");
    json_is(claims, "high", "18446744073709551615");
    integer_is(claims, "level", 3);
    integer_is(claims, "low", INT64_MIN);
    boolean_is(claims, "yes", 1);
    boolean_is(claims, "no", 0);
    is_neither(claims, "department", 1, 0, 0);
    is_neither(claims, "level", 0, 1, 0);
    is_neither(claims, "high", 0, 0, 0);
    is_neither(claims, "half", 0, 0, 0);
    is_neither(claims, "whole", 0, 0, 0);
    is_neither(claims, "yes", 0, 0, 1);
    is_neither(claims, "nothing", 0, 0, 0);
    is_neither(claims, "list", 0, 0, 0);
    is_neither(claims, "digits", 1, 0, 0);
    is_neither(claims, "word", 1, 0, 0);
    /* What the token does not have, has in another spelling, or only inside another claim. */
    static const char *const missing[] = {"", "Department", "department ", "a", "nbf", "no\"", "\\u0073ub"};
    for (size_t at = 0; at < sizeof missing / sizeof *missing; at++) {
        size_t length = strlen(missing[at]);
        IS(NOT_FOUND, sealgate_claims_get_string(claims, missing[at], length, &text));
        IS(NOT_FOUND, sealgate_claims_get_integer(claims, missing[at], length, &number));
        IS(NOT_FOUND, sealgate_claims_get_boolean(claims, missing[at], length, &truth));
        IS(NOT_FOUND, sealgate_claims_get_json(claims, missing[at], length, &json, &size));
        CHECK(text.data == NULL && number == 0 && truth == 0 && json == NULL && size == 0);
    }
    IS(INVALID_UTF8, sealgate_claims_get_string(claims, "\xff", 1, &text));
    IS(INVALID_UTF8, sealgate_claims_get_json(claims, "\xff", 1, &json, &size));
    sealgate_claims_free(claims);
}

/* One claim, of this many bytes in all. */
static void sized(char *claims, size_t size)
{
    memset(claims, 'x', size);
    memcpy(claims, "{\"a\":\"", 6);
    memcpy(claims + size - 2, "\"}", 3);
}

static void claims_that_no_token_can_have_are_refused(const sealgate_gate *gate)
{
    static const char *const wrong[] = {
        "[]", "null", "{", "{\"a\": 1, \"a\": 2}", "{\"sub\": \"root\"}", "{\"SCOPE\": \"admin\"}", "{\"\\u0061ud\": \"x\"}",
        "{\"client-id\": 1}", "{\"\\u017fub\": 1}", "{\"sub\\u0000\": 1}", "{\"n\": 123456789012345678901234567890}",
    };
    char large[4200];
    sealgate_buffer token = {0};
    for (size_t at = 0; at < sizeof wrong / sizeof *wrong; at++) {
        IS(INVALID_ARGUMENT, issue(gate, wrong[at], "", 0, &token));
    }
    sized(large, 4096);
    OK(issue(gate, large, "", 0, &token));
    sealgate_buffer_free(&token);
    sized(large, 4097);
    IS(INVALID_ARGUMENT, issue(gate, large, "", 0, &token));
    IS(INVALID_ARGUMENT, issue(gate, "{}", "a\nb", 0, &token));
    IS(INVALID_ARGUMENT, issue(gate, "{}", "", UINT64_MAX, &token));
    IS(INVALID_UTF8, issue(gate, "{\"a\": \"\xff\"}", "", 0, &token));
    IS(INVALID_UTF8, issue(gate, "{}", "\xff", 0, &token));
    /* A NUL ends nothing: all of the size counts. */
    IS(INVALID_ARGUMENT, sealgate_issue_token_with(gate, "alice", 5, NULL, 0, 0, "{}\0", 3, NULL, 0, 0, &token));
    OK(sealgate_issue_token_with(gate, "alice", 5, NULL, 0, 0, NULL, 0, NULL, 0, 0, &token));
    sealgate_claims_free(verified(gate, &token));
}

static void a_token_is_for_its_audience_and_from_its_time(const sealgate_gate *gate)
{
    sealgate_buffer token = {0};
    sealgate_claims *claims = NULL;
    OK(issue(gate, "{}", "confirm", 1700000000, &token));
    IS(TOKEN_INVALID, sealgate_verify_token(gate, token.data, token.size, &claims));
    CHECK(claims == NULL);
    IS(TOKEN_INVALID, sealgate_verify_token_for(gate, token.data, token.size, "other", 5, &claims));
    IS(INVALID_ARGUMENT, sealgate_verify_token_for(gate, token.data, token.size, NULL, 0, &claims));
    IS(INVALID_UTF8, sealgate_verify_token_for(gate, token.data, token.size, "\xff", 1, &claims));
    IS(TOKEN_MISSING, sealgate_verify_token_for(gate, NULL, 0, "confirm", 7, &claims));
    CHECK(claims == NULL);
    OK(sealgate_verify_token_for(gate, token.data, token.size, "confirm", 7, &claims));
    string_is(claims, "aud", "confirm", 7);
    integer_is(claims, "nbf", 1700000000);
    sealgate_claims_free(claims);
    IS(TOKEN_INVALID, sealgate_verify_token(gate, token.data, token.size, &claims));
    sealgate_buffer_free(&token);
    OK(issue(gate, "{}", "", 1, &token));
    sealgate_claims_free(verified(gate, &token));
}

static void account_has(const sealgate_gate *gate, const char *name, const char *wanted)
{
    sealgate_buffer json = {0};
    OK(sealgate_user_claims(gate, name, strlen(name), &json));
    CHECK(json.size == strlen(wanted) && memcmp(json.data, wanted, json.size) == 0);
    sealgate_buffer_free(&json);
}

static void logins_get_the_claims_of_their_account(const sealgate_gate *gate)
{
    sealgate_buffer token = {0}, refresh = {0}, next = {0}, json = {0};
    sealgate_claims *claims = NULL;
    uint64_t wait = 0;
    OK(sealgate_add_user_with_claims(gate, "alice", 5, PASSWORD, "orders", 6, SEALGATE_LITERAL("{ \"level\": 3 }")));
    OK(sealgate_add_user(gate, "bob", 3, PASSWORD, NULL, 0));
    account_has(gate, "alice", "{\"level\":3}");
    account_has(gate, "bob", "{}");
    OK(sealgate_log_in(gate, "alice", 5, PASSWORD, NULL, 0, NULL, 0, &token, &refresh, &wait));
    claims = verified(gate, &token);
    integer_is(claims, "level", 3);
    sealgate_claims_free(claims);
    OK(sealgate_set_user_claims(gate, "alice", 5, SEALGATE_LITERAL("{\"level\": 3, \"on\": true}")));
    OK(sealgate_refresh(gate, refresh.data, refresh.size, NULL, 0, &token, &next));
    claims = verified(gate, &token);
    boolean_is(claims, "on", 1);
    sealgate_claims_free(claims);
    sealgate_buffer_free(&refresh);
    /* A claim is removed: the login ends. */
    OK(sealgate_set_user_claims(gate, "alice", 5, SEALGATE_LITERAL("{\"on\": true}")));
    IS(TOKEN_REVOKED, sealgate_refresh(gate, next.data, next.size, NULL, 0, &token, &refresh));
    sealgate_buffer_free(&next);
    account_has(gate, "alice", "{\"on\":true}");

    IS(INVALID_ARGUMENT, sealgate_set_user_claims(gate, "alice", 5, SEALGATE_LITERAL("{\"Sub\": 1}")));
    IS(INVALID_ARGUMENT, sealgate_set_user_claims(gate, "alice", 5, NULL, 0));
    IS(INVALID_UTF8, sealgate_set_user_claims(gate, "alice", 5, "\xff", 1));
    IS(INVALID_ARGUMENT, sealgate_add_user_with_claims(gate, "carol", 5, PASSWORD, NULL, 0, "[]", 2));
    account_has(gate, "alice", "{\"on\":true}");
    IS(NOT_FOUND, sealgate_set_user_claims(gate, "carol", 5, "{}", 2));
    IS(NOT_FOUND, sealgate_user_claims(gate, "carol", 5, &json));
    CHECK(json.data == NULL);
    OK(sealgate_set_user_claims(gate, "alice", 5, "{}", 2));
    account_has(gate, "alice", "{}");
}

int main(void)
{
    sealgate_gate *gate = new_gate("0");
    claims_are_read_by_their_types(gate);
    claims_that_no_token_can_have_are_refused(gate);
    a_token_is_for_its_audience_and_from_its_time(gate);
    logins_get_the_claims_of_their_account(gate);
    sealgate_free(gate);
    return 0;
}
