/* What a gate does: bytes into the caller's buffer, limits, claims, versions. */
#include "check.h"

static void bytes_go_into_the_callers_buffer(sealgate_gate *gate)
{
    char data[] = "meet me at noon", sealed[128], opened[128];
    size_t data_size = sizeof data, size = 77, needed = sealgate_sealed_size(sizeof data);
    CHECK(sealgate_opened_size(needed) == data_size);
    CHECK(sealgate_opened_size(3) == 0);
    CHECK(sealgate_sealed_size((size_t)-1) == (size_t)-1);

    IS(BUFFER_TOO_SMALL, sealgate_seal_bytes(gate, data, data_size, "c", 1, NULL, 0, &size));
    CHECK(size == needed);
    IS(BUFFER_TOO_SMALL, sealgate_seal_bytes(gate, data, data_size, "c", 1, sealed, needed - 1, &size));
    OK(sealgate_seal_bytes(gate, data, data_size, "c", 1, sealed, sizeof sealed, &size));
    CHECK(size == needed);

    IS(BUFFER_TOO_SMALL, sealgate_open_bytes(gate, sealed, size, "c", 1, opened, data_size - 1, &size));
    CHECK(size == data_size);
    OK(sealgate_open_bytes(gate, sealed, needed, "c", 1, opened, sizeof opened, &size));
    CHECK(size == data_size && memcmp(opened, data, data_size) == 0);

    /* Of another context it does not open, and what was there is wiped. */
    IS(DECRYPT_FAILED, sealgate_open_bytes(gate, sealed, needed, "d", 1, opened, sizeof opened, &size));
    CHECK(size == 0 && memcmp(opened, data, data_size) != 0);
    IS(DECRYPT_FAILED, sealgate_open_bytes(gate, sealed, 3, NULL, 0, opened, sizeof opened, &size));

    /* Nothing is something too. */
    OK(sealgate_seal_bytes(gate, NULL, 0, NULL, 0, sealed, sizeof sealed, &size));
    OK(sealgate_open_bytes(gate, sealed, size, NULL, 0, NULL, 0, &size));
    CHECK(size == 0);

    /* An overlap is refused, a neighbour is none. */
    memcpy(sealed, data, data_size);
    IS(INVALID_ARGUMENT, sealgate_seal_bytes(gate, sealed, data_size, NULL, 0, sealed, sizeof sealed, &size));
    IS(INVALID_ARGUMENT,
       sealgate_seal_bytes(gate, data, data_size, sealed + 70, 1, sealed, sizeof sealed, &size));
    CHECK(size == 0);
    OK(sealgate_seal_bytes(gate, sealed, data_size, NULL, 0, sealed + data_size, sizeof sealed - data_size, &size));
    OK(sealgate_open_bytes(gate, sealed + data_size, size, NULL, 0, sealed, data_size, &size));
    CHECK(memcmp(sealed, data, data_size) == 0);
}

static void sizes_that_are_none_are_refused(sealgate_gate *gate)
{
    char sealed[8] = {0};
    size_t size = 77;
    IS(INVALID_ARGUMENT, sealgate_seal_bytes(gate, sealed, (size_t)-1, NULL, 0, NULL, 0, &size));
    CHECK(size == 0);
    IS(INVALID_ARGUMENT, sealgate_seal_bytes(gate, "x", 1, NULL, 0, sealed, (size_t)-1, &size));
    IS(NULL_POINTER, sealgate_seal_bytes(gate, NULL, 1, NULL, 0, sealed, sizeof sealed, &size));
    IS(NULL_POINTER, sealgate_seal_bytes(gate, "x", 1, NULL, 0, NULL, 99, &size));
}

static void data_is_sealed_anew_without_being_shown(sealgate_gate *gate)
{
    sealgate_buffer old = {0}, fresh = {0}, opened = {0};
    OK(sealgate_encrypt_data(gate, "noon", 4, "c", 1, &old));
    OK(sealgate_rewrap_data(gate, old.data, old.size, "c", 1, &fresh));
    CHECK(fresh.size == old.size && memcmp(fresh.data, old.data, old.size) != 0);
    OK(sealgate_decrypt_data(gate, fresh.data, fresh.size, "c", 1, &opened));
    CHECK(opened.size == 4 && memcmp(opened.data, "noon", 4) == 0);
    sealgate_buffer_free(&fresh);
    IS(DECRYPT_FAILED, sealgate_rewrap_data(gate, old.data, old.size, "d", 1, &fresh));
    CHECK(fresh.data == NULL && fresh.size == 0);
    IS(DECRYPT_FAILED, sealgate_rewrap_data(gate, "\xff", 1, NULL, 0, &fresh));
    sealgate_buffer_free(&old);
    sealgate_buffer_free(&opened);
}

static void a_limit_says_how_it_stands(void)
{
    sealgate_gate *gate = new_gate("2"), *unlimited = new_gate("0");
    int32_t allowed = 7;
    uint32_t remaining = 7;
    uint64_t wait = 7;
    OK(sealgate_enforce_rate_limit(gate, "alice", 5, &allowed, &remaining, &wait));
    CHECK(allowed == 1 && remaining == 1 && wait == 0);
    OK(sealgate_enforce_rate_limit(gate, "alice", 5, &allowed, &remaining, &wait));
    OK(sealgate_enforce_rate_limit(gate, "alice", 5, &allowed, &remaining, &wait));
    CHECK(allowed == 0 && remaining == 0 && wait > 0 && wait <= 60000);
    OK(sealgate_enforce_rate_limit(gate, "bob", 3, &allowed, &remaining, &wait));
    CHECK(allowed == 1 && wait == 0);
    IS(INVALID_UTF8, sealgate_enforce_rate_limit(gate, "\xff", 1, &allowed, &remaining, &wait));
    CHECK(allowed == 0 && remaining == 0);
    OK(sealgate_enforce_rate_limit(unlimited, "alice", 5, &allowed, &remaining, &wait));
    CHECK(allowed == 1 && remaining == UINT32_MAX && wait == 0);
    sealgate_free(gate);
    sealgate_free(unlimited);
}

static void claims_tell_what_the_token_says(sealgate_gate *gate)
{
    sealgate_buffer token = {0};
    sealgate_claims *claims = NULL;
    const char *text = NULL;
    size_t size = 0;
    uint64_t expires = 0, issued = 0;
    int32_t has = 7;
    OK(sealgate_issue_token(gate, "alice", 5, "encrypt decrypt", 15, 60, &token));
    OK(sealgate_verify_token(gate, token.data, token.size, &claims));
    sealgate_buffer_free(&token);
    OK(sealgate_claims_subject(claims, &text, &size));
    CHECK(size == 5 && memcmp(text, "alice", 5) == 0);
    OK(sealgate_claims_scope(claims, &text, &size));
    CHECK(size == 15 && memcmp(text, "encrypt decrypt", 15) == 0);
    OK(sealgate_claims_id(claims, &text, &size));
    CHECK(size > 0 && text != NULL);
    OK(sealgate_claims_expires_at(claims, &expires));
    OK(sealgate_claims_issued_at(claims, &issued));
    CHECK(issued > 1700000000 && expires == issued + 60);
    OK(sealgate_claims_has_scope(claims, "decrypt", 7, &has));
    CHECK(has == 1);
    OK(sealgate_claims_has_scope(claims, "encrypt decrypt", 15, &has));
    CHECK(has == 0);
    OK(sealgate_claims_has_scope(claims, NULL, 0, &has));
    CHECK(has == 0);
    sealgate_claims_free(claims);
}

/* {"username": "alice", "exp": 3786912000}, as PyJWT makes it: one of tests/vectors/tokens.json. */
static void what_the_originals_token_does_not_say_is_nothing(void)
{
    static const char token[] = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VybmFtZSI6ImFsaWNlIiwiZXhwIjozNzg2OTEyMDAwfQ."
                                "UQE1inChrDDLfOqzrGfU9MqUz5Vl4i-IXvjUHQ9J-bU";
    sealgate_config *config = new_config("0");
    sealgate_gate *gate = NULL;
    sealgate_claims *claims = NULL;
    const char *id = "";
    size_t size = 7;
    uint64_t issued = 7;
    set(config, "jwt_secret_key", "the JWT_SECRET_KEY of the vectors: long enough for HS512 as well, 64 bytes and more");
    OK(sealgate_new(config, &gate));
    OK(sealgate_verify_token(gate, token, sizeof token - 1, &claims));
    OK(sealgate_claims_issued_at(claims, &issued));
    OK(sealgate_claims_id(claims, &id, &size));
    CHECK(issued == 0 && id == NULL && size == 0);
    sealgate_claims_free(claims);
    sealgate_free(gate);
    sealgate_config_free(config);
}

static void versions_of_header_and_library_agree(void)
{
    CHECK(strcmp(sealgate_version_string(), SEALGATE_VERSION_STRING) == 0);
    CHECK(sealgate_version_number() == SEALGATE_VERSION_NUMBER);
    CHECK(sealgate_abi_version() == SEALGATE_ABI_VERSION);
    CHECK(sealgate_has_feature(SEALGATE_FEATURE_SERVER, strlen(SEALGATE_FEATURE_SERVER)) == 1);
    CHECK(sealgate_has_feature(SEALGATE_FEATURE_STORE, strlen(SEALGATE_FEATURE_STORE)) == 1);
    CHECK(sealgate_has_feature("tls", 3) == 1);
    CHECK(sealgate_has_feature("telepathy", 9) == 0);
    CHECK(sealgate_has_feature(NULL, 0) == 0 && sealgate_has_feature(NULL, 9) == 0);
    CHECK(strcmp(sealgate_status_name(SEALGATE_STATUS_BUFFER_TOO_SMALL), "buffer_too_small") == 0);
    CHECK(strcmp(sealgate_status_name(-1), "unknown") == 0);
}

int main(void)
{
    sealgate_gate *gate = new_gate("0");
    bytes_go_into_the_callers_buffer(gate);
    sizes_that_are_none_are_refused(gate);
    data_is_sealed_anew_without_being_shown(gate);
    a_limit_says_how_it_stands();
    claims_tell_what_the_token_says(gate);
    what_the_originals_token_does_not_say_is_nothing();
    versions_of_header_and_library_agree();
    sealgate_free(gate);
    return 0;
}
