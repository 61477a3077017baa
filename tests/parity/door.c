/* Makes the calls that the lines of standard input ask for, and answers each with one line: the status, and what came out.
 * tests/common/by_line.rs has the form of the lines; c.rs has the words of each operation. */
#include "lines.h"

#include <unistd.h>

static sealgate_config *config;
static sealgate_gate *gate;
static const struct word *words;

/* A word as the address and the length that calls take. */
#define TEXT(number) (const char *)words[number].bytes, words[number].size
#define BYTES(number) words[number].bytes, words[number].size

static void say(sealgate_status status)
{
    printf("%s", sealgate_status_name(status));
}

static void say_pair(sealgate_status status, sealgate_buffer *token, sealgate_buffer *refresh_token)
{
    say(status);
    if (status == SEALGATE_STATUS_OK) {
        say_hex(token->data, token->size);
        say_hex(refresh_token->data, refresh_token->size);
    }
    sealgate_buffer_free(token);
    sealgate_buffer_free(refresh_token);
}

/* A number in decimal digits. */
static uint32_t number(int word)
{
    char digits[16] = {0};
    CHECK(words[word].size < sizeof digits);
    memcpy(digits, words[word].bytes, words[word].size);
    return (uint32_t)strtoul(digits, NULL, 10);
}

/* Names and values of settings. */
static void open_gate(int count)
{
    OK(sealgate_config_new(&config));
    for (int at = 0; at + 1 < count; at += 2) {
        OK(sealgate_config_set(config, TEXT(at), BYTES(at + 1)));
    }
    OK(sealgate_new(config, &gate));
    say(SEALGATE_STATUS_OK);
}

static void say_user_and_scope(sealgate_status status, sealgate_claims *claims)
{
    const char *text;
    size_t size;
    say(status);
    CHECK((status == SEALGATE_STATUS_OK) == (claims != NULL));
    if (claims != NULL) {
        OK(sealgate_claims_subject(claims, &text, &size));
        say_hex(text, size);
        OK(sealgate_claims_scope(claims, &text, &size));
        say_hex(text, size);
    }
    sealgate_claims_free(claims);
}

/* The JSON of a claim. The calls for one type have to agree with it. */
static void claims_get(void)
{
    sealgate_claims *claims = NULL;
    sealgate_buffer string = {0};
    const char *json = NULL;
    size_t size = 0;
    int64_t integer;
    int32_t boolean;
    sealgate_status status = sealgate_verify_token(gate, TEXT(0), &claims);
    if (status == SEALGATE_STATUS_OK) {
        status = sealgate_claims_get_json(claims, TEXT(1), &json, &size);
    }
    say(status);
    if (status == SEALGATE_STATUS_OK) {
        say_hex(json, size);
        int is_string = sealgate_claims_get_string(claims, TEXT(1), &string) == SEALGATE_STATUS_OK;
        CHECK(is_string == (json[0] == '"'));
        int is_boolean = sealgate_claims_get_boolean(claims, TEXT(1), &boolean) == SEALGATE_STATUS_OK;
        CHECK(is_boolean == (json[0] == 't' || json[0] == 'f'));
        int is_integer = sealgate_claims_get_integer(claims, TEXT(1), &integer) == SEALGATE_STATUS_OK;
        CHECK(!is_integer || json[0] == '-' || (json[0] >= '0' && json[0] <= '9'));
    }
    sealgate_buffer_free(&string);
    sealgate_claims_free(claims);
}

static void issue_token(sealgate_buffer *out)
{
    /* The short call wherever it will do. */
    if (words[3].size + words[4].size + words[5].size == 0) {
        say_buffer(sealgate_issue_token(gate, TEXT(0), TEXT(1), number(2), out), out);
    } else {
        say_buffer(sealgate_issue_token_with(gate, TEXT(0), TEXT(1), number(2), TEXT(3), TEXT(4), number(5), out), out);
    }
}

static void add_user(void)
{
    if (words[3].size == 0) {
        say(sealgate_add_user(gate, TEXT(0), BYTES(1), TEXT(2)));
    } else {
        say(sealgate_add_user_with_claims(gate, TEXT(0), BYTES(1), TEXT(2), TEXT(3)));
    }
}

static void say_number(uint64_t value)
{
    char digits[24];
    say_hex(digits, (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)value));
}

static void say_admission(sealgate_status status, const sealgate_admission *admission)
{
    say(status);
    if (status == SEALGATE_STATUS_OK) {
        CHECK(admission->limit > 0 || admission->remaining == UINT32_MAX);
        say_number((uint64_t)admission->allowed);
        say_number(admission->limit);
        say_number(admission->remaining);
        say_number(admission->window_ms);
    } else {
        CHECK(admission->limit == 0 && admission->remaining == 0 && admission->window_ms == 0);
    }
}

static void reset_limit(void)
{
    int32_t counted = 7;
    sealgate_status status = sealgate_reset_limit(gate, TEXT(0), TEXT(1), &counted);
    say(status);
    if (status == SEALGATE_STATUS_OK) {
        say_number((uint64_t)counted);
    }
}

static void unsign(sealgate_buffer *out)
{
    uint64_t signed_at = 7, max_age = words[2].size == 0 ? UINT64_MAX : number(2);
    sealgate_status status = sealgate_unsign(gate, TEXT(0), BYTES(1), max_age, out, &signed_at);
    CHECK((status == SEALGATE_STATUS_OK) == (signed_at > 0));
    say_buffer(status, out);
}

static void add_api_key(void)
{
    sealgate_buffer key = {0}, id = {0}, scope = {0};
    const char *names = (const char *)words[1].bytes;
    size_t size = words[1].size;
    if (words[5].size == 0) {
        OK(sealgate_default_scope(gate, TEXT(0), &scope));
        names = scope.data, size = scope.size;
    }
    say_pair(sealgate_add_api_key(gate, TEXT(0), names, size, number(2), number(3), number(4), &key, &id), &key, &id);
    sealgate_buffer_free(&scope);
}

static void revoke_api_keys_of(void)
{
    uint64_t revoked;
    say(sealgate_revoke_api_keys_of(gate, TEXT(0), &revoked));
    say_number(revoked);
}

static void admit(void)
{
    int32_t allowed;
    uint32_t remaining;
    uint64_t wait;
    char digits[16];
    OK(sealgate_enforce_rate_limit(gate, TEXT(0), &allowed, &remaining, &wait));
    CHECK(allowed == (wait == 0));
    say(SEALGATE_STATUS_OK);
    say_hex(allowed ? "1" : "0", 1);
    say_hex(digits, (size_t)snprintf(digits, sizeof digits, "%u", remaining));
}

static void log_in(void)
{
    sealgate_buffer token = {0}, refresh_token = {0};
    uint64_t wait;
    sealgate_status status = sealgate_log_in(gate, TEXT(0), BYTES(1), TEXT(2), TEXT(3), &token, &refresh_token, &wait);
    CHECK((status == SEALGATE_STATUS_RATE_LIMITED) == (wait > 0));
    say_pair(status, &token, &refresh_token);
}

static void refresh(void)
{
    sealgate_buffer token = {0}, refresh_token = {0};
    say_pair(sealgate_refresh(gate, TEXT(0), TEXT(1), &token, &refresh_token), &token, &refresh_token);
}

static void check_password(sealgate_buffer *out)
{
    uint64_t wait;
    sealgate_status status = sealgate_check_password(gate, TEXT(0), BYTES(1), TEXT(2), out, &wait);
    CHECK((status == SEALGATE_STATUS_RATE_LIMITED) == (wait > 0));
    say_buffer(status, out);
}

static void change_password(void)
{
    uint64_t wait = 7;
    sealgate_status status = sealgate_change_password(gate, TEXT(0), BYTES(1), BYTES(2), TEXT(3), &wait);
    CHECK((status == SEALGATE_STATUS_RATE_LIMITED) == (wait > 0));
    say(status);
}

static void public_keys(sealgate_buffer *out)
{
    uint64_t max_age = 0;
    sealgate_status status = sealgate_public_keys(gate, out, &max_age);
    CHECK(max_age > 0 && max_age <= 300);
    say_buffer(status, out);
}

static void back_up(sealgate_buffer *out)
{
    char path[256] = {0};
    CHECK(words[0].size < sizeof path);
    memcpy(path, words[0].bytes, words[0].size);
    say_buffer(sealgate_back_up(config, path, NULL, 0, out), out);
}

#define IS_ASKED(name) (strcmp(what, name) == 0)

/* Text for URLs, limits, API keys and clients. 0: it is none of these. */
static int answer_more(const char *what)
{
    sealgate_buffer out = {0};
    sealgate_admission admission = {0};
    if (IS_ASKED("encrypt_url_safe")) {
        say_buffer(sealgate_encrypt_url_safe(gate, BYTES(0), BYTES(1), &out), &out);
    } else if (IS_ASKED("decrypt_max_age")) {
        say_buffer(sealgate_decrypt_fresh(gate, TEXT(0), BYTES(1), number(2), &out), &out);
    } else if (IS_ASKED("sign")) {
        say_buffer(sealgate_sign(gate, BYTES(0), BYTES(1), &out), &out);
    } else if (IS_ASKED("unsign")) {
        unsign(&out);
    } else if (IS_ASKED("admit_policy")) {
        sealgate_status status = sealgate_enforce_limit(gate, TEXT(0), TEXT(1), number(2), &admission);
        say_admission(status, &admission);
    } else if (IS_ASKED("peek")) {
        sealgate_status status = sealgate_peek_limit(gate, TEXT(0), TEXT(1), number(2), &admission);
        say_admission(status, &admission);
    } else if (IS_ASKED("reset_limit")) {
        reset_limit();
    } else if (IS_ASKED("add_api_key")) {
        add_api_key();
    } else if (IS_ASKED("api_keys")) {
        say_buffer(sealgate_list_api_keys(gate, TEXT(0), NULL, 0, 100, &out), &out);
    } else if (IS_ASKED("admit_api_key")) {
        sealgate_status status = sealgate_admit_api_key(gate, TEXT(0), &admission);
        say_admission(status, &admission);
    } else if (IS_ASKED("revoke_api_key")) {
        say(sealgate_revoke_api_key(gate, TEXT(0)));
    } else if (IS_ASKED("revoke_api_keys_of")) {
        revoke_api_keys_of();
    } else if (IS_ASKED("add_client")) {
        say_buffer(sealgate_add_client(gate, TEXT(0), TEXT(1), &out), &out);
    } else if (IS_ASKED("renew_client_secret")) {
        say_buffer(sealgate_renew_client_secret(gate, TEXT(0), &out), &out);
    } else if (IS_ASKED("clients")) {
        say_buffer(sealgate_list_clients(gate, NULL, 0, 100, &out), &out);
    } else if (IS_ASKED("set_client_scope")) {
        say(sealgate_set_client_scope(gate, TEXT(0), TEXT(1)));
    } else if (IS_ASKED("disable_client") || IS_ASKED("enable_client")) {
        say(sealgate_set_client_disabled(gate, TEXT(0), IS_ASKED("disable_client")));
    } else if (IS_ASKED("remove_client")) {
        say(sealgate_remove_client(gate, TEXT(0)));
    } else if (IS_ASKED("client_token")) {
        say_buffer(sealgate_client_token(gate, TEXT(0), BYTES(1), TEXT(2), &out), &out);
    } else {
        return 0;
    }
    return 1;
}

static void answer(const char *what, const struct word *asked, int count)
{
    words = asked;
    sealgate_buffer out = {0};
    if (IS_ASKED("gate")) {
        open_gate(count);
    } else if (IS_ASKED("issue_token")) {
        issue_token(&out);
    } else if (IS_ASKED("verify_token")) {
        sealgate_claims *claims = NULL;
        sealgate_status status = sealgate_verify_token(gate, TEXT(0), &claims);
        say_user_and_scope(status, claims);
    } else if (IS_ASKED("verify_token_audience")) {
        sealgate_claims *claims = NULL;
        sealgate_status status = sealgate_verify_token_for(gate, TEXT(0), TEXT(1), &claims);
        say_user_and_scope(status, claims);
    } else if (IS_ASKED("claims_get")) {
        claims_get();
    } else if (IS_ASKED("introspect")) {
        say_buffer(sealgate_introspect(gate, TEXT(0), &out), &out);
    } else if (IS_ASKED("encrypt")) {
        say_buffer(sealgate_encrypt_data(gate, BYTES(0), BYTES(1), &out), &out);
    } else if (IS_ASKED("decrypt")) {
        say_buffer(sealgate_decrypt_data(gate, TEXT(0), BYTES(1), &out), &out);
    } else if (IS_ASKED("rewrap")) {
        say_buffer(sealgate_rewrap_data(gate, TEXT(0), BYTES(1), &out), &out);
    } else if (IS_ASKED("mask")) {
        say_buffer(sealgate_mask_data(TEXT(0), number(1), &out), &out);
    } else if (IS_ASKED("admit")) {
        admit();
    } else if (IS_ASKED("public_keys")) {
        public_keys(&out);
    } else if (IS_ASKED("list_keys")) {
        say_buffer(sealgate_list_keys(gate, &out), &out);
    } else if (IS_ASKED("generate_keys")) {
        say_buffer(sealgate_generate_keys(gate, number(0), &out), &out);
    } else if (IS_ASKED("rotate_keys")) {
        uint32_t grace = words[1].size == 0 ? SEALGATE_GRACE_DEFAULT : number(1);
        say_buffer(sealgate_rotate_keys(gate, number(0), grace, &out), &out);
    } else if (IS_ASKED("retire_keys")) {
        say_buffer(sealgate_retire_keys(gate, TEXT(0), &out), &out);
    } else if (IS_ASKED("accept_keys")) {
        say_buffer(sealgate_accept_keys(gate, TEXT(0), number(1), &out), &out);
    } else if (IS_ASKED("export_keys")) {
        say_buffer(sealgate_export_keys(gate, BYTES(0), &out), &out);
    } else if (IS_ASKED("import_keys")) {
        say_buffer(sealgate_import_keys(gate, BYTES(0), BYTES(1), &out), &out);
    } else if (IS_ASKED("check_store")) {
        say(sealgate_check_store(gate));
    } else if (IS_ASKED("back_up")) {
        back_up(&out);
    } else if (IS_ASKED("add_user")) {
        add_user();
    } else if (IS_ASKED("set_claims")) {
        say(sealgate_set_user_claims(gate, TEXT(0), TEXT(1)));
    } else if (IS_ASKED("user_claims")) {
        say_buffer(sealgate_user_claims(gate, TEXT(0), &out), &out);
    } else if (IS_ASKED("list_users")) {
        say_buffer(sealgate_list_users(gate, NULL, 0, 100, &out), &out);
    } else if (IS_ASKED("find_user")) {
        say_buffer(sealgate_find_user(gate, TEXT(0), &out), &out);
    } else if (IS_ASKED("set_password")) {
        say(sealgate_set_user_password(gate, TEXT(0), BYTES(1)));
    } else if (IS_ASKED("set_scope")) {
        say(sealgate_set_user_scope(gate, TEXT(0), TEXT(1)));
    } else if (IS_ASKED("disable_user") || IS_ASKED("enable_user")) {
        say(sealgate_set_user_disabled(gate, TEXT(0), IS_ASKED("disable_user")));
    } else if (IS_ASKED("unlock_user")) {
        say(sealgate_unlock_user(gate, TEXT(0)));
    } else if (IS_ASKED("remove_user")) {
        say(sealgate_remove_user(gate, TEXT(0)));
    } else if (IS_ASKED("check_password")) {
        check_password(&out);
    } else if (IS_ASKED("change_password")) {
        change_password();
    } else if (IS_ASKED("log_in")) {
        log_in();
    } else if (IS_ASKED("refresh")) {
        refresh();
    } else if (IS_ASKED("revoke_token")) {
        say_buffer(sealgate_revoke_token(gate, TEXT(0), &out), &out);
    } else if (IS_ASKED("revoke_token_id")) {
        say(sealgate_revoke_token_id(gate, TEXT(0), 0));
    } else if (IS_ASKED("revoke_user")) {
        say(sealgate_revoke_user(gate, TEXT(0)));
    } else if (IS_ASKED("list_sessions")) {
        say_buffer(sealgate_list_sessions(gate, TEXT(0), &out), &out);
    } else if (IS_ASKED("end_session")) {
        say_buffer(sealgate_end_session(gate, TEXT(0), &out), &out);
    } else if (!answer_more(what)) {
        CHECK(!"a line that is known");
    }
    printf("\n");
}

int main(void)
{
    answer_lines(answer);
    sealgate_free(gate);
    sealgate_config_free(config);
    return 0;
}
