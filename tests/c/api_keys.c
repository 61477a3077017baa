/* API keys from C. */
#define _GNU_SOURCE
#include "check.h"

#include <time.h>

#define OWNER "nightly", 7
#define SCOPE "encrypt decrypt", 15

static sealgate_status verify(const sealgate_gate *gate, const sealgate_buffer *key)
{
    sealgate_claims *claims = NULL;
    sealgate_status status = sealgate_verify_token(gate, key->data, key->size, &claims);
    CHECK((claims == NULL) == (status != SEALGATE_STATUS_OK));
    sealgate_claims_free(claims);
    return status;
}

static void add(const sealgate_gate *gate, uint32_t limit, sealgate_buffer *key, sealgate_buffer *id)
{
    OK(sealgate_add_api_key(gate, OWNER, SCOPE, 0, limit, limit > 0 ? 3600 : 0, key, id));
    CHECK(key->size == 64 && memcmp(key->data, "sg_", 3) == 0);
    CHECK(id->size == 12 && memcmp(id->data, key->data + 3, 12) == 0);
}

static void a_key_is_verified_like_a_token(const sealgate_gate *gate)
{
    sealgate_buffer key = {0}, id = {0}, token = {0}, user = {0};
    sealgate_claims *claims = NULL;
    const char *text;
    size_t size;
    uint64_t time_;
    int32_t has;
    add(gate, 0, &key, &id);
    OK(sealgate_verify_token(gate, key.data, key.size, &claims));
    OK(sealgate_claims_subject(claims, &text, &size));
    CHECK(size == 7 && memcmp(text, "nightly", 7) == 0);
    OK(sealgate_claims_api_key(claims, &text, &size));
    CHECK(size == 12 && memcmp(text, id.data, 12) == 0);
    OK(sealgate_claims_id(claims, &text, &size));
    CHECK(size == 12 && memcmp(text, id.data, 12) == 0);
    OK(sealgate_claims_has_scope(claims, "decrypt", 7, &has));
    CHECK(has == 1);
    OK(sealgate_claims_expires_at(claims, &time_));
    CHECK(time_ == 253402300799u);
    OK(sealgate_claims_json(claims, &text, &size));
    CHECK(memmem(text, size, "\"username\":\"nightly\"", 20) != NULL && memmem(text, size, "\"exp\"", 5) == NULL);
    sealgate_claims_free(claims);
    /* Of a token there is none. */
    OK(sealgate_issue_token(gate, OWNER, SCOPE, 0, &token));
    OK(sealgate_verify_token(gate, token.data, token.size, &claims));
    OK(sealgate_claims_api_key(claims, &text, &size));
    CHECK(text == NULL && size == 0);
    sealgate_claims_free(claims);
    sealgate_buffer_free(&token);
    /* Nor is a key a token that can be revoked or exchanged as one. */
    IS(INVALID_ARGUMENT, sealgate_revoke_token(gate, key.data, key.size, &user));
    IS(TOKEN_MALFORMED, sealgate_refresh(gate, key.data, key.size, NULL, 0, &user, &token));
    key.data[63] = key.data[63] == 'A' ? 'B' : 'A';
    IS(TOKEN_MALFORMED, verify(gate, &key));
    sealgate_buffer_free(&key);
    sealgate_buffer_free(&id);
}

static void what_makes_no_sense_is_refused(const sealgate_gate *gate)
{
    sealgate_buffer key = {0}, id = {0};
    const uint64_t past = (uint64_t)time(NULL) - 60;
    IS(INVALID_ARGUMENT, sealgate_add_api_key(gate, NULL, 0, SCOPE, 0, 0, 0, &key, &id));
    IS(INVALID_ARGUMENT, sealgate_add_api_key(gate, OWNER, "a  b", 4, 0, 0, 0, &key, &id));
    IS(INVALID_ARGUMENT, sealgate_add_api_key(gate, OWNER, SCOPE, past, 0, 0, &key, &id));
    IS(INVALID_ARGUMENT, sealgate_add_api_key(gate, OWNER, SCOPE, UINT64_MAX, 0, 0, &key, &id));
    IS(INVALID_ARGUMENT, sealgate_add_api_key(gate, OWNER, SCOPE, 0, 5, 0, &key, &id));
    IS(INVALID_ARGUMENT, sealgate_add_api_key(gate, OWNER, SCOPE, 0, 0, 60, &key, &id));
    IS(INVALID_UTF8, sealgate_add_api_key(gate, "\xff", 1, SCOPE, 0, 0, 0, &key, &id));
    IS(NULL_POINTER, sealgate_add_api_key(gate, OWNER, SCOPE, 0, 0, 0, &key, NULL));
    IS(NULL_POINTER, sealgate_add_api_key(gate, OWNER, SCOPE, 0, 0, 0, NULL, &id));
    CHECK(key.data == NULL && id.data == NULL);
}

static size_t count(const sealgate_gate *gate, const char *owner, const char *after, uint32_t most)
{
    sealgate_buffer list = {0};
    size_t found = 0;
    OK(sealgate_list_api_keys(gate, owner, strlen(owner), after, strlen(after), most, &list));
    CHECK(list.size >= 2 && list.data[0] == '[' && list.data[list.size - 1] == ']');
    for (const char *at = list.data; (at = strstr(at, "{\"id\":\"")) != NULL; at++) {
        found++;
    }
    sealgate_buffer_free(&list);
    return found;
}

static void keys_are_listed_and_revoked(const sealgate_gate *gate)
{
    sealgate_buffer one = {0}, two = {0}, id = {0}, other = {0};
    uint64_t revoked = 7;
    add(gate, 0, &one, &id);
    OK(sealgate_add_api_key(gate, "other", 5, NULL, 0, 0, 0, 0, &two, &other));
    CHECK(count(gate, "", "", 100) == 3 && count(gate, "", "", 2) == 2);
    CHECK(count(gate, "nightly", "", 100) == 2 && count(gate, "nobody", "", 100) == 0);
    CHECK(count(gate, "", "zzzzzzzzzzzz", 100) == 0);
    OK(verify(gate, &one));
    OK(sealgate_revoke_api_key(gate, id.data, id.size));
    IS(TOKEN_REVOKED, verify(gate, &one));
    OK(sealgate_revoke_api_key(gate, id.data, id.size));
    IS(NOT_FOUND, sealgate_revoke_api_key(gate, "unknown", 7));
    IS(NOT_FOUND, sealgate_revoke_api_key(gate, NULL, 0));
    OK(verify(gate, &two));
    OK(sealgate_revoke_api_keys_of(gate, "other", 5, &revoked));
    CHECK(revoked == 1);
    OK(sealgate_revoke_api_keys_of(gate, "other", 5, &revoked));
    CHECK(revoked == 0);
    IS(TOKEN_REVOKED, verify(gate, &two));
    IS(NULL_POINTER, sealgate_revoke_api_keys_of(gate, "other", 5, NULL));
    sealgate_buffer_free(&one);
    sealgate_buffer_free(&two);
    sealgate_buffer_free(&id);
    sealgate_buffer_free(&other);
}

static void requests_are_counted(const sealgate_gate *gate)
{
    sealgate_buffer key = {0}, id = {0}, plain = {0};
    int32_t allowed = 7;
    uint32_t remaining = 7;
    uint64_t wait = 7;
    sealgate_admission admission;
    add(gate, 2, &key, &id);
    for (uint32_t left = 2; left-- > 0;) {
        OK(sealgate_admit_api_key(gate, id.data, id.size, &admission));
        CHECK(admission.allowed == 1 && admission.remaining == left && admission.limit == 2);
    }
    OK(sealgate_admit_api_key(gate, id.data, id.size, &admission));
    CHECK(admission.allowed == 0 && admission.remaining == 0 && admission.window_ms == 3600 * 1000);
    CHECK(admission.reset_ms > 0 && admission.reset_ms <= 3600 * 1000);
    sealgate_buffer_free(&key);
    /* Without a limit of its own it counts as its owner, who may make one request. */
    add(gate, 0, &key, &plain);
    OK(sealgate_enforce_rate_limit(gate, OWNER, &allowed, &remaining, &wait));
    CHECK(allowed == 1);
    OK(sealgate_admit_api_key(gate, plain.data, plain.size, &admission));
    CHECK(admission.allowed == 0);
    OK(sealgate_revoke_api_key(gate, id.data, id.size));
    IS(NOT_FOUND, sealgate_admit_api_key(gate, id.data, id.size, &admission));
    CHECK(admission.allowed == 0 && admission.remaining == 0 && admission.limit == 0 && admission.reset_ms == 0);
    IS(NOT_FOUND, sealgate_admit_api_key(gate, "unknown", 7, &admission));
    sealgate_buffer_free(&key);
    sealgate_buffer_free(&id);
    sealgate_buffer_free(&plain);
}

int main(void)
{
    sealgate_gate *gate = new_gate("1");
    a_key_is_verified_like_a_token(gate);
    what_makes_no_sense_is_refused(gate);
    keys_are_listed_and_revoked(gate);
    requests_are_counted(gate);
    sealgate_free(gate);
    return 0;
}
