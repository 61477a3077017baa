// The peer in C: libmicrohttpd (epoll, a pool of threads), libjwt, OpenSSL and jansson.
//
// No handicap: each thread keeps its cipher contexts with the key schedule in them, random bytes come straight from the
// system, and answers in which nothing needs escaping are written without a JSON tree.

#include <arpa/inet.h>
#include <jansson.h>
#include <jwt.h>
#include <microhttpd.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { WORKERS = 2, NONCE = 12, TAG = 16, KEY = 32, TOKEN_TTL = 30 * 60, LEEWAY = 5, MAX_BODY = 1 << 20 };

struct request {
    char *body;
    size_t length, room;
    struct timespec begun;
};

static const char *secret, *secure_data;
static unsigned char aes_key[KEY];
static FILE *access_log;
static __thread EVP_CIPHER_CTX *sealer, *opener;

static _Noreturn void fail(const char *what) {
    fprintf(stderr, "libmicrohttpd peer: %s\n", what);
    exit(2);
}

static const char *setting(const char *name) {
    const char *value = getenv(name);
    if (value == NULL) fail(name);
    return value;
}

static void *or_die(void *pointer) {
    if (pointer == NULL) fail("out of memory");
    return pointer;
}

// Nonce, ciphertext and tag, as base64; the caller frees it.
static char *seal(const char *plain, size_t length) {
    size_t sealed_length = NONCE + length + TAG;
    unsigned char *sealed = or_die(malloc(sealed_length));
    char *text = or_die(malloc(4 * ((sealed_length + 2) / 3) + 1));
    int written;
    if (sealer == NULL) {
        sealer = or_die(EVP_CIPHER_CTX_new());
        EVP_EncryptInit_ex(sealer, EVP_aes_256_gcm(), NULL, aes_key, NULL);
    }
    if (getrandom(sealed, NONCE, 0) != NONCE
        || EVP_EncryptInit_ex(sealer, NULL, NULL, NULL, sealed) != 1
        || EVP_EncryptUpdate(sealer, sealed + NONCE, &written, (const unsigned char *)plain, (int)length) != 1
        || EVP_EncryptFinal_ex(sealer, sealed + NONCE + length, &written) != 1
        || EVP_CIPHER_CTX_ctrl(sealer, EVP_CTRL_AEAD_GET_TAG, TAG, sealed + NONCE + length) != 1)
        fail("AES-GCM does not seal");
    EVP_EncodeBlock((unsigned char *)text, sealed, (int)sealed_length);
    free(sealed);
    return text;
}

// The text, which the caller frees, or NULL.
static char *open_sealed(const char *text, size_t length, size_t *plain_length) {
    if (length == 0 || length % 4 != 0 || length > MAX_BODY) return NULL;
    unsigned char *sealed = or_die(malloc(length / 4 * 3));
    char *plain = or_die(malloc(length / 4 * 3 + 1));
    int decoded = EVP_DecodeBlock(sealed, (const unsigned char *)text, (int)length), written;
    // It counts what the padding stands for as well.
    if (decoded > 0) decoded -= (text[length - 1] == '=') + (text[length - 2] == '=');
    if (opener == NULL) {
        opener = or_die(EVP_CIPHER_CTX_new());
        EVP_DecryptInit_ex(opener, EVP_aes_256_gcm(), NULL, aes_key, NULL);
    }
    int text_length = decoded - NONCE - TAG;
    int good = text_length >= 0
        && EVP_DecryptInit_ex(opener, NULL, NULL, NULL, sealed) == 1
        && EVP_CIPHER_CTX_ctrl(opener, EVP_CTRL_AEAD_SET_TAG, TAG, sealed + NONCE + text_length) == 1
        && EVP_DecryptUpdate(opener, (unsigned char *)plain, &written, sealed + NONCE, text_length) == 1
        && EVP_DecryptFinal_ex(opener, (unsigned char *)plain + text_length, &written) == 1;
    free(sealed);
    if (!good) {
        free(plain);
        return NULL;
    }
    plain[text_length] = 0;
    *plain_length = (size_t)text_length;
    return plain;
}

static int token_is_good(struct MHD_Connection *connection) {
    const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    jwt_t *jwt = NULL;
    if (value == NULL || strncmp(value, "Bearer ", 7) != 0) return 0;
    if (jwt_decode(&jwt, value + 7, (const unsigned char *)secret, (int)strlen(secret)) != 0) return 0;
    int good = jwt_get_alg(jwt) == JWT_ALG_HS256
        && jwt_get_grant(jwt, "username") != NULL
        && jwt_get_grant_int(jwt, "exp") + LEEWAY > time(NULL);
    jwt_free(jwt);
    return good;
}

static char *issue(const char *username) {
    jwt_t *jwt = NULL;
    if (jwt_new(&jwt) != 0
        || jwt_set_alg(jwt, JWT_ALG_HS256, (const unsigned char *)secret, (int)strlen(secret)) != 0
        || jwt_add_grant(jwt, "username", username) != 0
        || jwt_add_grant_int(jwt, "exp", time(NULL) + TOKEN_TTL) != 0)
        fail("libjwt makes no token");
    char *token = or_die(jwt_encode_str(jwt));
    jwt_free(jwt);
    return token;
}

static void log_line(struct MHD_Connection *connection, const char *method, const char *path, unsigned status,
                     const struct timespec *begun) {
    struct timespec now, wall;
    struct tm calendar;
    char line[512], address[INET_ADDRSTRLEN] = "-", date[32];
    const union MHD_ConnectionInfo *peer = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    clock_gettime(CLOCK_MONOTONIC, &now);
    clock_gettime(CLOCK_REALTIME, &wall);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", gmtime_r(&wall.tv_sec, &calendar));
    if (peer != NULL)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)peer->client_addr)->sin_addr, address, sizeof address);
    long us = (now.tv_sec - begun->tv_sec) * 1000000 + (now.tv_nsec - begun->tv_nsec) / 1000;
    int length = snprintf(line, sizeof line, "%s.%06ldZ INFO request peer=%s method=%s path=%.200s status=%u us=%ld\n",
                          date, wall.tv_nsec / 1000, address, method, path, status, us);
    fwrite(line, 1, (size_t)length, access_log);
}

// Takes the body over.
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, char *body, size_t length) {
    struct MHD_Response *response = MHD_create_response_from_buffer(length, body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(body);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

// {"name":"value"}, where the value needs no escaping. Takes the value over.
static enum MHD_Result answer_plain(struct MHD_Connection *connection, const char *name, char *value) {
    size_t room = strlen(name) + strlen(value) + sizeof "{\"\":\"\"}";
    char *body = or_die(malloc(room));
    int length = snprintf(body, room, "{\"%s\":\"%s\"}", name, value);
    free(value);
    return answer(connection, MHD_HTTP_OK, body, (size_t)length);
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned *status, unsigned why, const char *sentence) {
    *status = why;
    char *body = or_die(malloc(128));
    int length = snprintf(body, 128, "{\"error\":\"%s\"}", sentence);
    return answer(connection, why, body, (size_t)length);
}

static enum MHD_Result route(struct MHD_Connection *connection, const char *path, const char *method,
                             const struct request *request, unsigned *status) {
    int get = strcmp(method, MHD_HTTP_METHOD_GET) == 0, post = strcmp(method, MHD_HTTP_METHOD_POST) == 0;
    *status = MHD_HTTP_OK;
    if (post && strcmp(path, "/login") == 0) {
        json_t *body = json_loadb(request->body, request->length, 0, NULL);
        const char *username = json_string_value(json_object_get(body, "username"));
        char *token = username != NULL ? issue(username) : NULL;
        json_decref(body);
        if (token == NULL) return refuse(connection, status, MHD_HTTP_BAD_REQUEST, "Username is required!");
        return answer_plain(connection, "token", token);
    }
    int secure = get && strcmp(path, "/secure-data") == 0, decrypt = post && strcmp(path, "/decrypt") == 0;
    if (!secure && !decrypt) return refuse(connection, status, MHD_HTTP_NOT_FOUND, "No such route!");
    if (!token_is_good(connection)) return refuse(connection, status, MHD_HTTP_UNAUTHORIZED, "Token is invalid!");
    if (secure) return answer_plain(connection, "encrypted_data", seal(secure_data, strlen(secure_data)));

    json_t *body = json_loadb(request->body, request->length, 0, NULL);
    json_t *encrypted = json_object_get(body, "encrypted_data");
    size_t length = 0;
    char *plain = json_is_string(encrypted)
        ? open_sealed(json_string_value(encrypted), json_string_length(encrypted), &length) : NULL;
    json_decref(body);
    json_t *told = plain != NULL ? json_pack("{s:s%}", "decrypted_data", plain, length) : NULL;
    free(plain);
    char *text = json_dumps(told, JSON_COMPACT);
    json_decref(told);
    if (text == NULL) return refuse(connection, status, MHD_HTTP_BAD_REQUEST, "Decryption failed!");
    return answer(connection, MHD_HTTP_OK, text, strlen(text));
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *path, const char *method,
                              const char *version, const char *data, size_t *size, void **state) {
    (void)context, (void)version;
    struct request *request = *state;
    if (request == NULL) {
        *state = request = or_die(calloc(1, sizeof *request));
        if (access_log != NULL) clock_gettime(CLOCK_MONOTONIC, &request->begun);
        return MHD_YES;
    }
    if (*size != 0) {
        if (*size > MAX_BODY - request->length) return MHD_NO;
        if (request->length + *size > request->room) {
            request->room = 2 * (request->length + *size);
            request->body = or_die(realloc(request->body, request->room));
        }
        memcpy(request->body + request->length, data, *size);
        request->length += *size;
        *size = 0;
        return MHD_YES;
    }
    unsigned status;
    enum MHD_Result result = route(connection, path, method, request, &status);
    if (access_log != NULL) log_line(connection, method, path, status, &request->begun);
    return result;
}

static void completed(void *context, struct MHD_Connection *connection, void **state,
                      enum MHD_RequestTerminationCode code) {
    (void)context, (void)connection, (void)code;
    struct request *request = *state;
    if (request == NULL) return;
    free(request->body);
    free(request);
    *state = NULL;
}

int main(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)atoi(setting("PORT")));
    secret = setting("JWT_SECRET_KEY");
    secure_data = setting("SECURE_DATA");
    if (strlen(setting("AES_KEY")) != KEY) fail("AES_KEY has to have 32 bytes");
    memcpy(aes_key, setting("AES_KEY"), KEY);
    if (getenv("ACCESS_LOG") != NULL) {
        access_log = fopen(getenv("ACCESS_LOG"), "a");
        if (access_log == NULL) fail("ACCESS_LOG cannot be opened");
        setvbuf(access_log, NULL, _IOFBF, 1 << 16);
    }

    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL); // before the threads are there, so that they inherit it

    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO, 0, NULL, NULL, handle, NULL,
        MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)WORKERS,
        MHD_OPTION_CONNECTION_LIMIT, 4096u, MHD_OPTION_CONNECTION_TIMEOUT, 60u,
        MHD_OPTION_LISTEN_BACKLOG_SIZE, 1024u, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_END);
    if (daemon == NULL) fail("the server does not start (is the port taken?)");
    int received;
    sigwait(&ends, &received);
    MHD_stop_daemon(daemon);
    if (access_log != NULL) fclose(access_log);
    return 0;
}
