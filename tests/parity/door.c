/* Makes the calls that the lines of standard input ask for, and answers each with one line: the status, and what came out.
 * tests/common/by_line.rs has the form of the lines; c.rs has the words of each operation. */
#include "check.h"

#include <unistd.h>

#define WORDS 16

struct word {
    unsigned char *bytes;
    size_t size;
};

static sealgate_config *config;
static sealgate_gate *gate;
static const struct word *words;

/* A word as the address and the length that calls take. */
#define TEXT(number) (const char *)words[number].bytes, words[number].size
#define BYTES(number) words[number].bytes, words[number].size

static struct word unhex(const char *text)
{
    size_t size = strcmp(text, "-") == 0 ? 0 : strlen(text) / 2;
    /* As long as it is, so that a sanitizer sees a read beyond it. */
    struct word word = {malloc(size == 0 ? 1 : size), size};
    for (size_t at = 0; at < size; at++) {
        unsigned byte;
        CHECK(sscanf(text + 2 * at, "%2x", &byte) == 1);
        word.bytes[at] = (unsigned char)byte;
    }
    return word;
}

static void say_hex(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    printf(size == 0 ? " -" : " ");
    for (size_t at = 0; at < size; at++) {
        printf("%02x", bytes[at]);
    }
}

static void say(sealgate_status status)
{
    printf("%s", sealgate_status_name(status));
}

/* The status, and what a call that succeeded put into a buffer. */
static void say_buffer(sealgate_status status, sealgate_buffer *buffer)
{
    say(status);
    CHECK(status == SEALGATE_STATUS_OK || (buffer->data == NULL && buffer->size == 0));
    if (status == SEALGATE_STATUS_OK) {
        CHECK(buffer->data[buffer->size] == 0);
        say_hex(buffer->data, buffer->size);
    }
    sealgate_buffer_free(buffer);
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

static void verify_token(void)
{
    sealgate_claims *claims = NULL;
    const char *text;
    size_t size;
    sealgate_status status = sealgate_verify_token(gate, TEXT(0), &claims);
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

static void answer(const char *what, int count)
{
    sealgate_buffer out = {0};
    if (IS_ASKED("gate")) {
        open_gate(count);
    } else if (IS_ASKED("issue_token")) {
        say_buffer(sealgate_issue_token(gate, TEXT(0), TEXT(1), number(2), &out), &out);
    } else if (IS_ASKED("verify_token")) {
        verify_token();
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
        say(sealgate_add_user(gate, TEXT(0), BYTES(1), TEXT(2)));
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
    } else {
        CHECK(!"a line that is known");
    }
    printf("\n");
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        struct word read[WORDS] = {{NULL, 0}};
        int count = 0;
        char *rest = line, *what = strsep(&rest, " \n"), *text;
        while ((text = strsep(&rest, " \n")) != NULL && *text != 0) {
            CHECK(count < WORDS);
            read[count++] = unhex(text);
        }
        words = read;
        answer(what, count);
        fflush(stdout);
        for (int at = 0; at < count; at++) {
            free(read[at].bytes);
        }
    }
    free(line);
    sealgate_free(gate);
    sealgate_config_free(config);
    return 0;
}
