/* Calls per second of the C library, beside libjwt (HS256) and OpenSSL's EVP (AES-256-GCM, one context reused). Run it by
 * `make bench-c`. The two of a pair take turns, many times; what is printed are medians. */
#include <jwt.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sealgate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECRET "a secret for tokens, longer than 32 bytes"
#define SCOPE "secure-data encrypt decrypt"
#define LARGEST (1u << 20)

enum { SEALED_MORE = 45, NONCE = 12, TAG = 16 };

static sealgate_gate *gate;
static EVP_CIPHER_CTX *sealer, *opener;
static size_t size;
static unsigned char data[LARGEST], ours[LARGEST + SEALED_MORE], theirs[LARGEST + NONCE + TAG], out[LARGEST + 64];
static char *token;

static void must(int condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "bench: %s failed\n", what);
        exit(1);
    }
}

static void issue_ours(void)
{
    sealgate_buffer issued = {0};
    must(sealgate_issue_token(gate, "test_user", 9, SCOPE, sizeof SCOPE - 1, 0, &issued) == SEALGATE_STATUS_OK, "issue");
    sealgate_buffer_free(&issued);
}

/* The same claims as ours. */
static char *issue_with_libjwt(void)
{
    jwt_t *jwt = NULL;
    unsigned char random[16];
    char id[33], *text;
    time_t now = time(NULL);
    must(RAND_bytes(random, sizeof random) == 1, "RAND_bytes");
    for (size_t at = 0; at < sizeof random; at++) {
        id[2 * at] = "0123456789abcdef"[random[at] >> 4];
        id[2 * at + 1] = "0123456789abcdef"[random[at] & 15];
    }
    id[32] = 0;
    must(jwt_new(&jwt) == 0 && jwt_set_alg(jwt, JWT_ALG_HS256, (const unsigned char *)SECRET, sizeof SECRET - 1) == 0 &&
             jwt_add_grant(jwt, "iss", "sealgate") == 0 && jwt_add_grant(jwt, "sub", "test_user") == 0 &&
             jwt_add_grant(jwt, "username", "test_user") == 0 && jwt_add_grant(jwt, "scope", SCOPE) == 0 &&
             jwt_add_grant_int(jwt, "iat", now) == 0 && jwt_add_grant_int(jwt, "exp", now + 1800) == 0 &&
             jwt_add_grant(jwt, "jti", id) == 0,
         "jwt_add_grant");
    text = jwt_encode_str(jwt);
    must(text != NULL, "jwt_encode_str");
    jwt_free(jwt);
    return text;
}

static void issue_theirs(void)
{
    free(issue_with_libjwt());
}

static void verify_ours(void)
{
    sealgate_claims *claims = NULL;
    must(sealgate_verify_token(gate, token, strlen(token), &claims) == SEALGATE_STATUS_OK, "verify");
    sealgate_claims_free(claims);
}

static void verify_theirs(void)
{
    jwt_t *jwt = NULL;
    must(jwt_decode(&jwt, token, (const unsigned char *)SECRET, sizeof SECRET - 1) == 0, "jwt_decode");
    must(jwt_get_alg(jwt) == JWT_ALG_HS256 && jwt_get_grant_int(jwt, "exp") > time(NULL) &&
             jwt_get_grant(jwt, "sub") != NULL,
         "claims");
    jwt_free(jwt);
}

static void seal_ours(void)
{
    size_t sealed;
    must(sealgate_seal_bytes(gate, data, size, NULL, 0, ours, sizeof ours, &sealed) == SEALGATE_STATUS_OK, "seal");
}

static void seal_theirs(void)
{
    int length, rest;
    must(RAND_bytes(theirs, NONCE) == 1 && EVP_EncryptInit_ex(sealer, NULL, NULL, NULL, theirs) == 1 &&
             EVP_EncryptUpdate(sealer, theirs + NONCE, &length, data, (int)size) == 1 &&
             EVP_EncryptFinal_ex(sealer, theirs + NONCE + length, &rest) == 1 &&
             EVP_CIPHER_CTX_ctrl(sealer, EVP_CTRL_GCM_GET_TAG, TAG, theirs + NONCE + size) == 1,
         "EVP_Encrypt");
}

static void open_ours(void)
{
    size_t opened;
    must(sealgate_open_bytes(gate, ours, size + SEALED_MORE, NULL, 0, out, sizeof out, &opened) == SEALGATE_STATUS_OK, "open");
}

static void open_theirs(void)
{
    int length, rest;
    must(EVP_DecryptInit_ex(opener, NULL, NULL, NULL, theirs) == 1 &&
             EVP_DecryptUpdate(opener, out, &length, theirs + NONCE, (int)size) == 1 &&
             EVP_CIPHER_CTX_ctrl(opener, EVP_CTRL_GCM_SET_TAG, TAG, theirs + NONCE + size) == 1 &&
             EVP_DecryptFinal_ex(opener, out + length, &rest) == 1,
         "EVP_Decrypt");
}

/* Of this thread's own time: what else runs on the machine does not count. */
static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* Nanoseconds a call. */
static double batch(void (*work)(void), long calls)
{
    double began = now();
    for (long call = 0; call < calls; call++) {
        work();
    }
    return (now() - began) / (double)calls;
}

static int smaller_first(const void *one, const void *other)
{
    double difference = *(const double *)one - *(const double *)other;
    return (difference > 0) - (difference < 0);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, smaller_first);
    return values[count / 2];
}

static void compare(const char *name, const char *peer, void (*our_work)(void), void (*their_work)(void), int rounds)
{
    double *us = malloc(sizeof *us * (size_t)rounds), *them = malloc(sizeof *them * (size_t)rounds), ours_ns, theirs_ns;
    long calls = 1;
    must(us != NULL && them != NULL, "malloc");
    while (batch(our_work, calls) * (double)calls < 5e6) {
        calls *= 2;
    }
    batch(their_work, calls);
    for (int round = 0; round < rounds; round++) {
        us[round] = batch(our_work, calls);
        them[round] = batch(their_work, calls);
    }
    ours_ns = median(us, rounds);
    theirs_ns = median(them, rounds);
    printf("%-18s %10.0f calls/s %10.2f us   %-8s %10.0f calls/s %10.2f us   time x %.2f, %+.2f us\n", name, 1e9 / ours_ns,
           ours_ns / 1e3, peer, 1e9 / theirs_ns, theirs_ns / 1e3, ours_ns / theirs_ns, (ours_ns - theirs_ns) / 1e3);
    fflush(stdout);
    free(us);
    free(them);
}

static void make_gate(void)
{
    const char *settings[][2] = {{"keys", "ephemeral"}, {"jwt_secret_key", SECRET}, {"token_cache", "0"}};
    sealgate_config *config = NULL;
    must(sealgate_config_new(&config) == SEALGATE_STATUS_OK, "sealgate_config_new");
    for (size_t at = 0; at < sizeof settings / sizeof *settings; at++) {
        const char *name = settings[at][0], *value = settings[at][1];
        must(sealgate_config_set(config, name, strlen(name), value, strlen(value)) == SEALGATE_STATUS_OK, name);
    }
    must(sealgate_new(config, &gate) == SEALGATE_STATUS_OK, "sealgate_new");
    sealgate_config_free(config);
}

static void make_contexts(void)
{
    unsigned char key[32];
    must(RAND_bytes(key, sizeof key) == 1, "RAND_bytes");
    sealer = EVP_CIPHER_CTX_new();
    opener = EVP_CIPHER_CTX_new();
    must(EVP_EncryptInit_ex(sealer, EVP_aes_256_gcm(), NULL, key, NULL) == 1 &&
             EVP_DecryptInit_ex(opener, EVP_aes_256_gcm(), NULL, key, NULL) == 1,
         "EVP_CIPHER_CTX_new");
}

int main(int count, char **arguments)
{
    const struct {
        size_t size;
        const char *seal, *open;
    } sizes[] = {{64, "seal 64 B", "open 64 B"},
                 {1 << 10, "seal 1 KiB", "open 1 KiB"},
                 {64 << 10, "seal 64 KiB", "open 64 KiB"},
                 {1 << 20, "seal 1 MiB", "open 1 MiB"}};
    int rounds = count > 1 ? atoi(arguments[1]) : 101;
    must(rounds > 0, "the number of rounds");
    make_gate();
    make_contexts();
    printf("Sealgate %s, %s; medians of %d rounds\n", sealgate_version_string(), OpenSSL_version(OPENSSL_VERSION), rounds);
    compare("issue HS256", "libjwt", issue_ours, issue_theirs, rounds);
    token = issue_with_libjwt();
    compare("verify HS256", "libjwt", verify_ours, verify_theirs, rounds);
    free(token);
    for (size_t at = 0; at < sizeof sizes / sizeof *sizes; at++) {
        size = sizes[at].size;
        compare(sizes[at].seal, "EVP", seal_ours, seal_theirs, rounds);
        compare(sizes[at].open, "EVP", open_ours, open_theirs, rounds);
    }
    EVP_CIPHER_CTX_free(sealer);
    EVP_CIPHER_CTX_free(opener);
    sealgate_free(gate);
    return 0;
}
