/*
 * First steps from C: a token, and encrypted data.
 *
 *     make lib
 *     cc -Iinclude examples/c/first_steps.c -o first_steps -Ltarget/release -lsealgate -Wl,-rpath,target/release
 *     ./first_steps
 *
 * Keys come from the environment or from the key ring of `sealgate serve`; the server accepts what this program creates.
 */
#include <sealgate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Exits with the library's error sentence. */
static void check(sealgate_status status, const char *what)
{
    char sentence[256];
    if (status == SEALGATE_STATUS_OK) {
        return;
    }
    sealgate_last_error(sentence, sizeof sentence);
    fprintf(stderr, "%s: %s (%s)\n", what, sentence, sealgate_status_name(status));
    exit(1);
}

int main(void)
{
    sealgate_gate *gate = NULL;
    sealgate_buffer token = {0}, sealed = {0}, opened = {0}, masked = {0};
    sealgate_claims *claims = NULL;
    const char *subject = NULL;
    size_t subject_size = 0;
    const char *secret = "meet me at noon", *context = "notes/1";

    printf("sealgate %s\n", sealgate_version_string());
    check(sealgate_new(NULL, &gate), "creating a gate");

    check(sealgate_issue_token(gate, SEALGATE_LITERAL("alice"), SEALGATE_LITERAL("decrypt"), 0, &token), "issuing a token");
    check(sealgate_verify_token(gate, token.data, token.size, &claims), "verifying it");
    check(sealgate_claims_subject(claims, &subject, &subject_size), "reading its user");
    printf("the token is %.*s's\n", (int)subject_size, subject);

    check(sealgate_encrypt_data(gate, secret, strlen(secret), context, strlen(context), &sealed), "encrypting");
    check(sealgate_decrypt_data(gate, sealed.data, sealed.size, context, strlen(context), &opened), "decrypting");
    printf("opened: %.*s\n", (int)opened.size, opened.data);

    /* With another context it cannot be decrypted, and the error does not show why. */
    sealgate_buffer_free(&opened);
    if (sealgate_decrypt_data(gate, sealed.data, sealed.size, SEALGATE_LITERAL("notes/2"), &opened) == SEALGATE_STATUS_DECRYPT_FAILED) {
        printf("another context: does not open\n");
    }

    check(sealgate_mask_data(SEALGATE_LITERAL("my_password"), 3, &masked), "masking");
    printf("masked: %s\n", masked.data);

    sealgate_buffer_free(&masked);
    sealgate_buffer_free(&opened);
    sealgate_buffer_free(&sealed);
    sealgate_buffer_free(&token);
    sealgate_claims_free(claims);
    sealgate_free(gate);
    return 0;
}
