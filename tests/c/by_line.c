/* Makes the calls that the lines of standard input ask for, and answers each with one line: the status, and what came out.
 * tests/common/by_line.rs asks. */
#include "lines.h"

static sealgate_gate *gate;

static void say_bytes(sealgate_status status, void *bytes, size_t size)
{
    printf("%s", sealgate_status_name(status));
    CHECK(status == SEALGATE_STATUS_OK || size == 0);
    if (status == SEALGATE_STATUS_OK) {
        say_hex(bytes, size);
    }
    free(bytes);
}

/* Names and values of settings; none of them: as the environment says. */
static void make_gate(const struct word *words, int count)
{
    sealgate_config *config = NULL;
    sealgate_status status = SEALGATE_STATUS_OK;
    sealgate_free(gate);
    if (count > 0) {
        OK(sealgate_config_new(&config));
    }
    for (int at = 0; at + 1 < count && status == SEALGATE_STATUS_OK; at += 2) {
        status = sealgate_config_set(config, (const char *)words[at].bytes, words[at].size, words[at + 1].bytes,
                                     words[at + 1].size);
    }
    gate = NULL;
    if (status == SEALGATE_STATUS_OK) {
        status = sealgate_new(config, &gate);
    }
    sealgate_config_free(config);
    printf("%s", sealgate_status_name(status));
}

static void verify(const struct word *token)
{
    sealgate_claims *claims = NULL;
    const char *text;
    size_t size;
    uint64_t expires;
    sealgate_status status = sealgate_verify_token(gate, (const char *)token->bytes, token->size, &claims);
    printf("%s", sealgate_status_name(status));
    CHECK((status == SEALGATE_STATUS_OK) == (claims != NULL));
    if (claims != NULL) {
        OK(sealgate_claims_subject(claims, &text, &size));
        say_hex(text, size);
        OK(sealgate_claims_scope(claims, &text, &size));
        say_hex(text, size);
        OK(sealgate_claims_expires_at(claims, &expires));
        CHECK(expires > 0);
    }
    sealgate_claims_free(claims);
}

static void seal(const struct word *data, const struct word *context)
{
    size_t size = sealgate_sealed_size(data->size);
    unsigned char *out = malloc(size);
    say_bytes(sealgate_seal_bytes(gate, data->bytes, data->size, context->bytes, context->size, out, size, &size), out, size);
}

static void open_sealed(const struct word *sealed, const struct word *context)
{
    size_t size = 0;
    /* The original program's data has other sizes: the call tells. */
    sealgate_status status =
        sealgate_open_bytes(gate, sealed->bytes, sealed->size, context->bytes, context->size, NULL, 0, &size);
    unsigned char *out = malloc(size == 0 ? 1 : size);
    if (status == SEALGATE_STATUS_BUFFER_TOO_SMALL) {
        status = sealgate_open_bytes(gate, sealed->bytes, sealed->size, context->bytes, context->size, out, size, &size);
    }
    say_bytes(status, out, size);
}

/* All of a stream in one piece. */
static void open_stream(const struct word *sealed, const struct word *context)
{
    sealgate_stream *stream = NULL;
    /* What is opened is shorter. */
    size_t size = 0, end = 0, room = sealed->size + 1;
    unsigned char *out = malloc(room);
    OK(sealgate_stream_open(gate, context->bytes, context->size, &stream));
    sealgate_status status = sealgate_stream_push(stream, sealed->bytes, sealed->size, out, room, &size);
    if (status == SEALGATE_STATUS_OK) {
        status = sealgate_stream_finish(stream, out + size, room - size, &end);
    }
    sealgate_stream_free(stream);
    say_bytes(status, out, status == SEALGATE_STATUS_OK ? size + end : 0);
}

/* In decimal digits; none: any age. */
static uint64_t age_of(const struct word *word)
{
    uint64_t age = 0;
    for (size_t at = 0; at < word->size; at++) {
        CHECK(word->bytes[at] >= '0' && word->bytes[at] <= '9');
        age = 10 * age + (uint64_t)(word->bytes[at] - '0');
    }
    return word->size == 0 ? UINT64_MAX : age;
}

/* The payload, and the time in decimal digits. */
static void unsign(const struct word *text, const struct word *context, uint64_t age)
{
    sealgate_buffer out = {0};
    uint64_t time = 7;
    char digits[24];
    sealgate_status status = sealgate_unsign(gate, (const char *)text->bytes, text->size, context->bytes, context->size, age,
                                             &out, &time);
    CHECK(status == SEALGATE_STATUS_OK || time == 0);
    say_buffer(status, &out);
    if (status == SEALGATE_STATUS_OK) {
        say_hex(digits, (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)time));
    }
}

static void answer(const char *what, const struct word *words, int count)
{
    sealgate_buffer out = {0};
    const char *first = (const char *)words[0].bytes, *second = (const char *)words[1].bytes;
    size_t first_size = words[0].size, second_size = words[1].size;
    if (strcmp(what, "gate") == 0) {
        make_gate(words, count);
    } else if (strcmp(what, "issue") == 0) {
        say_buffer(sealgate_issue_token(gate, first, first_size, second, second_size, 0, &out), &out);
    } else if (strcmp(what, "verify") == 0) {
        verify(&words[0]);
    } else if (strcmp(what, "encrypt") == 0) {
        say_buffer(sealgate_encrypt_data(gate, first, first_size, second, second_size, &out), &out);
    } else if (strcmp(what, "decrypt") == 0) {
        say_buffer(sealgate_decrypt_data(gate, first, first_size, second, second_size, &out), &out);
    } else if (strcmp(what, "seal") == 0) {
        seal(&words[0], &words[1]);
    } else if (strcmp(what, "open") == 0) {
        open_sealed(&words[0], &words[1]);
    } else if (strcmp(what, "encrypt_url_safe") == 0) {
        say_buffer(sealgate_encrypt_url_safe(gate, first, first_size, second, second_size, &out), &out);
    } else if (strcmp(what, "decrypt_fresh") == 0) {
        say_buffer(sealgate_decrypt_fresh(gate, first, first_size, second, second_size, age_of(&words[2]), &out), &out);
    } else if (strcmp(what, "sign") == 0) {
        say_buffer(sealgate_sign(gate, first, first_size, second, second_size, &out), &out);
    } else if (strcmp(what, "unsign") == 0) {
        unsign(&words[0], &words[1], age_of(&words[2]));
    } else if (strcmp(what, "rewrap") == 0) {
        say_buffer(sealgate_rewrap_data(gate, first, first_size, second, second_size, &out), &out);
    } else if (strcmp(what, "open_stream") == 0) {
        open_stream(&words[0], &words[1]);
    } else if (strcmp(what, "mask") == 0) {
        /* How many stay visible: as many as the second word is long. */
        say_buffer(sealgate_mask_data(first, first_size, second_size, &out), &out);
    } else {
        CHECK(!"a line that is known");
    }
    printf("\n");
}

int main(void)
{
    answer_lines(answer);
    sealgate_free(gate);
    return 0;
}
