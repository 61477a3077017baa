/*
 * Sealgate 0.1.0: tokens, encryption, masking.
 *
 * Generated from src/ffi by `make header`: do not edit. Every call that can fail returns a status, writes its
 * outputs only on success, and keeps a sentence for sealgate_last_error.
 */

#ifndef SEALGATE_H
#define SEALGATE_H

#include <stddef.h>
#include <stdint.h>

/* The version of this header; sealgate_version_string tells the running library's. */
#define SEALGATE_VERSION_STRING "0.1.0"
#define SEALGATE_VERSION_MAJOR 0
#define SEALGATE_VERSION_MINOR 1
#define SEALGATE_VERSION_PATCH 0
#define SEALGATE_VERSION_NUMBER 0x000100
#define SEALGATE_ABI_VERSION 1

/* Names for sealgate_has_feature. */
#define SEALGATE_FEATURE_SERVER "server"
#define SEALGATE_FEATURE_TLS "tls"
#define SEALGATE_FEATURE_UNIX_SOCKETS "unix-sockets"
#define SEALGATE_FEATURE_CAPI "capi"
#define SEALGATE_FEATURE_VENDORED_OPENSSL "vendored-openssl"

/* What tokens from open login permit, and accounts that the command or the Python package makes without other scopes. */
#define SEALGATE_OPEN_LOGIN_SCOPE "secure-data encrypt decrypt"

/* A string literal as the address and the length that functions take:
 * sealgate_mask_data(SEALGATE_LITERAL("my_password"), 3, &masked). Nothing but a literal compiles. */
#define SEALGATE_LITERAL(text) ("" text ""), (sizeof("" text "") - 1)

/* A status must be looked at. */
#if defined(__GNUC__) || defined(__clang__)
#define SEALGATE_MUST_USE __attribute__((warn_unused_result))
#else
#define SEALGATE_MUST_USE
#endif

/**
 * For `sealgate_set_log`: something failed.
 */
#define SEALGATE_LOG_ERROR 1

/**
 * For `sealgate_set_log`: something is not as it should be.
 */
#define SEALGATE_LOG_WARN 2

/**
 * For `sealgate_set_log`: a line for each request, and what begins and ends.
 */
#define SEALGATE_LOG_INFO 3

/**
 * For `sealgate_set_log`: for whoever looks for a fault.
 */
#define SEALGATE_LOG_DEBUG 4

/**
 * For `sealgate_server_route`: only for holders of a token; the callback gets its checked claims.
 */
#define SEALGATE_ROUTE_TOKEN 1

/**
 * For `sealgate_server_route`: only as often as the gate's limit admits, counted with the user's other requests. Needs
 * SEALGATE_ROUTE_TOKEN.
 */
#define SEALGATE_ROUTE_LIMITED 2

/**
 * For `sealgate_server_route`: the callback may wait for something (a database, another server). It then runs where nobody
 * else waits with it.
 */
#define SEALGATE_ROUTE_BLOCKING 4

/**
 * What a call came to. 0 is success; numbers are never changed or reused, new ones are added.
 *
 * The number is the contract; `sealgate_last_error` has a sentence for people.
 */
enum sealgate_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * The call did what it is for.
   */
  SEALGATE_STATUS_OK = 0,
  /**
   * A pointer that must not be NULL is.
   */
  SEALGATE_STATUS_NULL_POINTER = 1,
  /**
   * An argument is not acceptable.
   */
  SEALGATE_STATUS_INVALID_ARGUMENT = 2,
  /**
   * A text is not UTF-8.
   */
  SEALGATE_STATUS_INVALID_UTF8 = 3,
  /**
   * A setting is unknown, missing or wrong.
   */
  SEALGATE_STATUS_SETTING = 4,
  /**
   * The key ring cannot be read, trusted or written.
   */
  SEALGATE_STATUS_KEY_RING = 5,
  /**
   * The store of accounts and of what was taken back cannot be read, trusted or written.
   */
  SEALGATE_STATUS_STORE = 7,
  /**
   * The buffer is too small; the call has told the size that it needs.
   */
  SEALGATE_STATUS_BUFFER_TOO_SMALL = 6,
  /**
   * No token was given.
   */
  SEALGATE_STATUS_TOKEN_MISSING = 10,
  /**
   * Not a token of ours by its form.
   */
  SEALGATE_STATUS_TOKEN_MALFORMED = 11,
  /**
   * Signed by somebody else, or for somebody else.
   */
  SEALGATE_STATUS_TOKEN_INVALID = 12,
  /**
   * Its time is over.
   */
  SEALGATE_STATUS_TOKEN_EXPIRED = 13,
  /**
   * Its time has not begun.
   */
  SEALGATE_STATUS_TOKEN_NOT_YET_VALID = 14,
  /**
   * It names a key of ours that is not accepted any more.
   */
  SEALGATE_STATUS_TOKEN_KEY_RETIRED = 15,
  /**
   * It was taken back, or its user's account is gone or switched off.
   */
  SEALGATE_STATUS_TOKEN_REVOKED = 16,
  /**
   * It cannot be known whether it was taken back, because the store cannot be read.
   */
  SEALGATE_STATUS_TOKEN_UNCHECKED = 17,
  /**
   * The data does not open: wrong key, wrong context, damaged, or not encrypted data. One status for every cause.
   */
  SEALGATE_STATUS_DECRYPT_FAILED = 20,
  /**
   * The data was sealed under a key of ours that is not accepted any more.
   */
  SEALGATE_STATUS_KEY_RETIRED = 21,
  /**
   * The caller has used up its requests.
   */
  SEALGATE_STATUS_RATE_LIMITED = 30,
  /**
   * No such account, another password, or an account that is switched off. One status for every cause.
   */
  SEALGATE_STATUS_LOGIN_FAILED = 31,
  /**
   * There is no account of this name.
   */
  SEALGATE_STATUS_NOT_FOUND = 32,
  /**
   * There is an account of this name already.
   */
  SEALGATE_STATUS_USER_EXISTS = 33,
  /**
   * A new password is too short, too long or too well known.
   */
  SEALGATE_STATUS_WEAK_PASSWORD = 34,
  /**
   * An account cannot have this name.
   */
  SEALGATE_STATUS_INVALID_NAME = 35,
  /**
   * From a callback, or a thread, that the call would have to wait for.
   */
  SEALGATE_STATUS_WOULD_DEADLOCK = 40,
  /**
   * A server's handle in a process that was forked off after the server was made.
   */
  SEALGATE_STATUS_FORKED = 41,
  /**
   * The handle is not in the state for this call: a server that runs takes no more routes, and starts only once; a
   * finished stream takes no more data.
   */
  SEALGATE_STATUS_WRONG_STATE = 42,
  /**
   * The time was over before everything had ended.
   */
  SEALGATE_STATUS_TIMED_OUT = 43,
  /**
   * The operating system refused something.
   */
  SEALGATE_STATUS_IO = 50,
  /**
   * OpenSSL or the system's random generator failed.
   */
  SEALGATE_STATUS_CRYPTO = 51,
  /**
   * A fault inside the library. The handle of the call refuses further use.
   */
  SEALGATE_STATUS_PANIC = 60,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sealgate_status sealgate_status;
#else
typedef int32_t sealgate_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The checked claims of a token.
 *
 * Thread safety: may be shared and read by any number of threads.
 */
typedef struct sealgate_claims sealgate_claims;

/**
 * Settings, each by its name in the settings table.
 *
 * Thread safety: one thread at a time.
 */
typedef struct sealgate_config sealgate_config;

/**
 * Issues and checks tokens, encrypts and decrypts data.
 *
 * Thread safety: may be shared; all functions that take it as const may run at the same time in any number of threads.
 */
typedef struct sealgate_gate sealgate_gate;

/**
 * A login that a callback decides about.
 *
 * Thread safety: one thread at a time, during the callback only. It is the library's: nobody frees it.
 */
typedef struct sealgate_login sealgate_login;

/**
 * A request, lent to a route's callback.
 *
 * Thread safety: may be read by any number of threads, during the callback only. It is the library's: nobody frees it.
 */
typedef struct sealgate_request sealgate_request;

/**
 * The answer that a route's callback fills. It begins as 200 without a body.
 *
 * Thread safety: one thread at a time, during the callback only. It is the library's: nobody frees it.
 */
typedef struct sealgate_response sealgate_response;

/**
 * The place for the data of /secure-data.
 *
 * Thread safety: one thread at a time, during the callback only. It is the library's: nobody frees it.
 */
typedef struct sealgate_secure_data sealgate_secure_data;

/**
 * Serves the HTTP API, and routes of the host beside it, on threads of its own.
 *
 * The order of calls is: `sealgate_server_new`, routes and callbacks, `sealgate_server_start`, `sealgate_server_stop`,
 * `sealgate_server_free`. Its threads block all signals but those that a fault causes, and no SIGPIPE of theirs reaches
 * the host. In a process that was forked off after it was made, its functions answer FORKED; gates work there.
 *
 * Thread safety: may be shared; all functions but `sealgate_server_free` may be called from any thread.
 */
typedef struct sealgate_server sealgate_server;

/**
 * Data of any size being sealed or opened in chunks of 64 KiB, in constant memory.
 *
 * The order of calls is: `sealgate_stream_seal` or `sealgate_stream_open`, `sealgate_stream_push` as often as there is
 * data, `sealgate_stream_finish`, `sealgate_stream_free`. What opening gives has been authenticated chunk by chunk; but only
 * when `sealgate_stream_finish` has succeeded it is known that nothing is missing at the end. Until then keep it where it
 * can be thrown away (a temporary file that is renamed afterwards). After a failure, but for BUFFER_TOO_SMALL, every
 * further call fails in the same way.
 *
 * Thread safety: one thread at a time.
 */
typedef struct sealgate_stream sealgate_stream;

/**
 * Bytes that belong to the library: give them back with `sealgate_buffer_free`, never with `free`.
 *
 * A NUL follows the last byte, so that a text can be printed; it does not count in `size`. Initialise a buffer with `{0}`
 * or let a call fill it; a call overwrites what is there without freeing it. Thread safety: like any plain memory.
 */
typedef struct sealgate_buffer {
  /**
   * The bytes; NULL in an empty or freed buffer.
   */
  char *data;
  /**
   * How many there are, without the NUL.
   */
  size_t size;
  /**
   * For the library: whether the bytes are wiped before they are freed.
   */
  int32_t secret;
} sealgate_buffer;

/**
 * Takes a log line: a level (SEALGATE_LOG_...), a target such as "sealgate::access", and the message with its fields as
 * name=value. The texts are UTF-8, have no NUL and no line break at their end, and are lent for the call only.
 *
 * Names in it are masked, control characters escaped, and no secret is in it. It runs on whichever thread has something
 * to say, several at a time, those of the host included while they are in a call. What it does must be short: requests
 * wait for it. It may call the library; lines that come of that are lost. `sealgate_server_stop` and
 * `sealgate_server_free` answer WOULD_DEADLOCK in it. It must return: no longjmp out of it, no C++ exception.
 *
 * ```c
 * static void on_line(int32_t level, const char *target, size_t target_size, const char *line, size_t line_size, void *user)
 * {
 *     FILE *file = user;
 *     fprintf(file, "%d %.*s: %.*s\n", (int)level, (int)target_size, target, (int)line_size, line);
 * }
 * ```
 */
typedef void (*sealgate_log_callback)(int32_t level,
                                      const char *target,
                                      size_t target_size,
                                      const char *line,
                                      size_t line_size,
                                      void *user);

/**
 * Called once with `user` when the library will not use it again, on whichever thread that is. NULL: nothing is called.
 * It must not call functions of the handle that it was given to, and it must return.
 */
typedef void (*sealgate_drop)(void *user);

/**
 * Answers a request: fills `response` and returns 0. Any other return value is a failure, which is logged and answered
 * with 500.
 *
 * It runs on the server's threads, several at a time. `request`, `response` and all that is read from them are lent for
 * the call only. It may call everything but `sealgate_server_stop` and `sealgate_server_free` of its own server, which
 * answer WOULD_DEADLOCK. It must return: no longjmp out of it, no C++ exception. A child process that it forks may use gates;
 * if it returns from the callback, it ends as with _exit(0).
 *
 * ```c
 * static int32_t show_order(const sealgate_request *request, sealgate_response *response, void *user)
 * {
 *     const char *id;
 *     size_t id_size;
 *     (void)user;
 *     if (sealgate_request_parameter(request, SEALGATE_LITERAL("id"), &id, &id_size) != SEALGATE_STATUS_OK ||
 *         sealgate_response_set_header(response, SEALGATE_LITERAL("Content-Type"), SEALGATE_LITERAL("text/plain")) != SEALGATE_STATUS_OK ||
 *         sealgate_response_set_body(response, id, id_size) != SEALGATE_STATUS_OK) {
 *         return -1; // answers 500
 *     }
 *     return 0;
 * }
 * ```
 */
typedef int32_t (*sealgate_route_callback)(const struct sealgate_request *request,
                                           struct sealgate_response *response,
                                           void *user);

/**
 * Decides about a login: reads name and password from `login`, calls `sealgate_login_allow` where they are right, and
 * returns 0. Whoever was not allowed is denied, and so is everybody where it returns anything else.
 *
 * It runs on the server's threads for what takes long, several at a time. `login` and all that is read from it are lent
 * for the call only. What it may call, and how it must return, is as with `sealgate_route_callback`.
 *
 * ```c
 * static int32_t authenticate(sealgate_login *login, void *user)
 * {
 *     const char *name, *password;
 *     size_t name_size, password_size;
 *     if (sealgate_login_username(login, &name, &name_size) != SEALGATE_STATUS_OK ||
 *         sealgate_login_password(login, &password, &password_size) != SEALGATE_STATUS_OK) {
 *         return -1;
 *     }
 *     if (is_right(user, name, name_size, password, password_size)) {
 *         return sealgate_login_allow(login, SEALGATE_LITERAL("secure-data")) == SEALGATE_STATUS_OK ? 0 : -1;
 *     }
 *     return 0; // nobody was allowed: denied
 * }
 * ```
 */
typedef int32_t (*sealgate_authenticate_callback)(struct sealgate_login *login, void *user);

/**
 * Supplies the data of /secure-data with `sealgate_secure_data_set`, and returns 0. Anything else, or no data, is answered
 * with 500.
 *
 * It runs on the server's threads for what takes long, several at a time. `data` is lent for the call only. What it may
 * call, and how it must return, is as with `sealgate_route_callback`.
 *
 * ```c
 * static int32_t supply(sealgate_secure_data *data, void *user)
 * {
 *     const char *text = user;
 *     return sealgate_secure_data_set(data, text, strlen(text)) == SEALGATE_STATUS_OK ? 0 : -1;
 * }
 * ```
 */
typedef int32_t (*sealgate_secure_data_callback)(struct sealgate_secure_data *data, void *user);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Frees the bytes of a buffer, wiping plaintexts and tokens first, and sets it to empty.
 *
 * NULL and an empty buffer are permitted and do nothing. Thread safety: no other thread may use the buffer. Since 0.1.
 *
 * # Safety
 * `buffer` is NULL or points to a buffer that is empty or was filled by this library and not changed.
 */
void sealgate_buffer_free(struct sealgate_buffer *buffer);

/**
 * How many bytes `sealgate_seal_bytes` makes of `data_size` bytes; SIZE_MAX where the sum does not fit.
 *
 * Thread safety: any thread, any time. Since 0.1.
 */
size_t sealgate_sealed_size(size_t data_size);

/**
 * How many bytes `sealgate_open_bytes` makes of `sealed_size` sealed bytes; 0 where these are too few to be sealed data.
 *
 * Data in the original program's AES-CBC, which a gate opens where its settings permit it, may be longer than this, but
 * never as long as what is opened; the call then tells.
 * Thread safety: any thread, any time. Since 0.1.
 */
size_t sealgate_opened_size(size_t sealed_size);

/**
 * Seals bytes into the caller's buffer. Always the sealed format: `sealgate_open_bytes` opens it, and
 * `sealgate_decrypt_data` its base64 text.
 *
 * `context` is authenticated but not stored: the same is needed to open. It may be empty. `out` has room for `out_room`
 * bytes and must not overlap the inputs. `*out_size` is how many were written; with BUFFER_TOO_SMALL it is how many are
 * needed, which `sealgate_sealed_size` says before. On any other failure it is 0. `out` may be NULL if `out_room` is 0.
 * Statuses: NULL_POINTER, INVALID_ARGUMENT (more than 1 GiB, or an overlap), BUFFER_TOO_SMALL, CRYPTO.
 * Thread safety: any thread. Since 0.1.
 *
 * ```c
 * unsigned char sealed[128];
 * size_t sealed_size;
 * if (sealgate_seal_bytes(gate, SEALGATE_LITERAL("4111 1111"), NULL, 0, sealed, sizeof sealed, &sealed_size) == SEALGATE_STATUS_OK) {
 *     printf("%u bytes to store\n", (unsigned)sealed_size);
 * }
 * ```
 *
 * # Safety
 * `gate` is NULL or live; the inputs are NULL or have their sizes; `out` is NULL or has its room; `out_size` is NULL or
 * may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_seal_bytes(const struct sealgate_gate *gate,
                                    const void *data,
                                    size_t data_size,
                                    const void *context,
                                    size_t context_size,
                                    void *out,
                                    size_t out_room,
                                    size_t *out_size);

/**
 * Opens sealed bytes into the caller's buffer.
 *
 * `context` is what they were sealed with. `out` has room for `out_room` bytes and must not overlap the inputs.
 * `*out_size` is how many were written; with BUFFER_TOO_SMALL it is how many are needed, which `sealgate_opened_size` says
 * before. On any other failure it is 0, and nothing readable is left in `out`. `out` may be NULL if `out_room` is 0. The
 * buffer is the caller's: wipe it when its secret is no longer needed.
 * Statuses: NULL_POINTER, INVALID_ARGUMENT (an overlap), BUFFER_TOO_SMALL (which says nothing about whether the data would
 * open), DECRYPT_FAILED (one for every cause). Thread safety: any thread. Since 0.1.
 *
 * ```c
 * char opened[128];
 * size_t opened_size;
 * if (sealgate_open_bytes(gate, sealed, sealed_size, NULL, 0, opened, sizeof opened, &opened_size) == SEALGATE_STATUS_OK) {
 *     fwrite(opened, 1, opened_size, stdout);
 * }
 * ```
 *
 * # Safety
 * `gate` is NULL or live; the inputs are NULL or have their sizes; `out` is NULL or has its room; `out_size` is NULL or
 * may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_open_bytes(const struct sealgate_gate *gate,
                                    const void *sealed,
                                    size_t sealed_size,
                                    const void *context,
                                    size_t context_size,
                                    void *out,
                                    size_t out_room,
                                    size_t *out_size);

/**
 * The user that the token is for, as UTF-8 text without a NUL at its end.
 *
 * `*out` points into the claims and is valid until they are freed; `*out_size` is its length. On failure they are NULL
 * and 0. Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `claims` is NULL or live; the outputs are NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_claims_subject(const struct sealgate_claims *claims,
                                        const char **out,
                                        size_t *out_size);

/**
 * The token's own id, as UTF-8 text without a NUL at its end.
 *
 * `*out` points into the claims and is valid until they are freed; `*out_size` is its length. The original program's
 * tokens have no id: then, as on failure, they are NULL and 0.
 * Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `claims` is NULL or live; the outputs are NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_claims_id(const struct sealgate_claims *claims,
                                   const char **out,
                                   size_t *out_size);

/**
 * The scope names of the token with single spaces between, as UTF-8 text without a NUL at its end; empty where it has none.
 *
 * `*out` points into the claims and is valid until they are freed; `*out_size` is its length. On failure they are NULL
 * and 0. Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `claims` is NULL or live; the outputs are NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_claims_scope(const struct sealgate_claims *claims,
                                      const char **out,
                                      size_t *out_size);

/**
 * Whether the token carries a scope name: `*out` is 1 or 0.
 *
 * On failure `*out` is 0. Statuses: NULL_POINTER, INVALID_UTF8. Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `claims` is NULL or live; `name` is NULL or has its size; `out` is NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_claims_has_scope(const struct sealgate_claims *claims,
                                          const char *name,
                                          size_t name_size,
                                          int32_t *out);

/**
 * All claims of the token as a JSON object, as UTF-8 text without a NUL at its end.
 *
 * `*out` points into the claims and is valid until they are freed; `*out_size` is its length. On failure they are NULL
 * and 0. Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `claims` is NULL or live; the outputs are NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_claims_json(const struct sealgate_claims *claims,
                                     const char **out,
                                     size_t *out_size);

/**
 * When the token expires, in seconds since 1970-01-01 UTC.
 *
 * On failure `*out` is 0. Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `claims` is NULL or live; `out` is NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_claims_expires_at(const struct sealgate_claims *claims,
                                           uint64_t *out);

/**
 * When the token was issued, in seconds since 1970-01-01 UTC; 0 where the token does not say, as the original program's do
 * not.
 *
 * On failure `*out` is 0. Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `claims` is NULL or live; `out` is NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_claims_issued_at(const struct sealgate_claims *claims,
                                          uint64_t *out);

/**
 * Frees claims. NULL does nothing. Since 0.1.
 *
 * # Safety
 * `claims` is NULL or came from `sealgate_verify_token`, and is not used again.
 */
void sealgate_claims_free(struct sealgate_claims *claims);

/**
 * Makes a configuration in which every setting has its default.
 *
 * `out` receives it; free it with `sealgate_config_free`. On failure `*out` is NULL.
 * Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `out` is NULL or may be written.
 */
SEALGATE_MUST_USE sealgate_status sealgate_config_new(struct sealgate_config **out);

/**
 * Sets one setting, by its name in the settings file ("token_ttl") or in the environment ("SEALGATE_TOKEN_TTL"). It wins
 * over the environment and a file. The value is checked when a gate is made.
 *
 * The name is UTF-8, the value text or, for keys, bytes; both are copied.
 * Statuses: NULL_POINTER, INVALID_UTF8, SETTING (no such setting). Thread safety: one thread at a time. Since 0.1.
 *
 * ```c
 * sealgate_config *config = NULL;
 * sealgate_status status = sealgate_config_new(&config);
 * if (status == SEALGATE_STATUS_OK) {
 *     status = sealgate_config_set(config, SEALGATE_LITERAL("token_ttl"), SEALGATE_LITERAL("300"));
 * }
 * if (status != SEALGATE_STATUS_OK) {
 *     fprintf(stderr, "%s\n", sealgate_status_name(status));
 * }
 * sealgate_config_free(config);
 * ```
 *
 * # Safety
 * `config` is NULL or live; `name` and `value` are NULL or have their sizes.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_config_set(struct sealgate_config *config,
                                    const char *name,
                                    size_t name_size,
                                    const void *value,
                                    size_t value_size);

/**
 * Takes the settings that the process's environment holds (JWT_SECRET_KEY, AES_KEY, SEALGATE_..., the file that
 * SEALGATE_CONFIG names), and the data directory that the command uses where none is set: programs on one machine then
 * share keys with `sealgate serve`.
 *
 * Statuses: NULL_POINTER, SETTING. Thread safety: no thread may change the environment meanwhile. Since 0.1.
 *
 * # Safety
 * `config` is NULL or live.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_config_load_env(struct sealgate_config *config);

/**
 * Takes the settings of a TOML file. The environment, if loaded, and values set by `sealgate_config_set` win over it.
 *
 * `path` ends in NUL. Statuses: NULL_POINTER, SETTING. Thread safety: one thread at a time. Since 0.1.
 *
 * # Safety
 * `config` is NULL or live; `path` is NULL or ends in NUL.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_config_load_file(struct sealgate_config *config,
                                          const char *path_cstr);

/**
 * Frees a configuration; its secrets are wiped. NULL does nothing. Gates made of it stay. Since 0.1.
 *
 * # Safety
 * `config` is NULL or came from `sealgate_config_new`, and is not used again.
 */
void sealgate_config_free(struct sealgate_config *config);

/**
 * Copies the sentence of this thread's last failed call into `buffer`, with a NUL at its end, and returns the size that
 * the whole sentence needs, NUL included. A sentence that does not fit is cut.
 *
 * `buffer` may be NULL if `size` is 0: then only the size is told. The sentence is for people and never holds a secret;
 * decide by the status. A call that succeeds leaves it as it was. Thread safety: each thread has its own. Since 0.1.
 *
 * ```c
 * char sentence[256];
 * sealgate_last_error(sentence, sizeof sentence);
 * fprintf(stderr, "%s\n", sentence);
 * ```
 *
 * # Safety
 * `buffer` must have room for `size` bytes.
 */
size_t sealgate_last_error(char *buffer,
                           size_t size);

/**
 * Makes a gate.
 *
 * `config` may be freed afterwards. With NULL the environment configures the gate, with the command's data directory, so
 * that it shares keys with `sealgate serve` on the same machine. `*out` receives the gate; free it with `sealgate_free`.
 * On failure `*out` is NULL.
 * Statuses: NULL_POINTER, SETTING, KEY_RING, CRYPTO. Thread safety: any thread. Since 0.1.
 *
 * ```c
 * sealgate_gate *gate = NULL;
 * if (sealgate_new(config, &gate) != SEALGATE_STATUS_OK) {
 *     char sentence[256];
 *     sealgate_last_error(sentence, sizeof sentence);
 *     fprintf(stderr, "%s\n", sentence);
 * }
 * sealgate_free(gate);
 * ```
 *
 * # Safety
 * `config` is NULL or live; `out` is NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_new(const struct sealgate_config *config,
                             struct sealgate_gate **out);

/**
 * Frees a gate; its keys are wiped. NULL does nothing. Claims and buffers made by it stay. Since 0.1.
 *
 * # Safety
 * `gate` is NULL or came from `sealgate_new`, and is not used again.
 */
void sealgate_free(struct sealgate_gate *gate);

/**
 * Issues a signed token.
 *
 * `subject` is the user: 1 to 256 characters of UTF-8 without control characters. `scope` is names with single spaces
 * between and may be empty; `sealgate_default_scope` gives what the account of the user has. `ttl_seconds` is how long the token lives, at most 315576000 (ten years); 0 takes the setting
 * token_ttl. `*out` receives the token; free it with `sealgate_buffer_free`. On failure it is empty.
 * Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT, CRYPTO. Thread safety: any thread. Since 0.1.
 *
 * ```c
 * sealgate_buffer token = {0};
 * if (sealgate_issue_token(gate, SEALGATE_LITERAL("alice"), SEALGATE_LITERAL("encrypt decrypt"), 300, &token) == SEALGATE_STATUS_OK) {
 *     printf("Authorization: Bearer %s\n", token.data);
 * }
 * sealgate_buffer_free(&token);
 * ```
 *
 * # Safety
 * `gate` is NULL or live; the texts are NULL or have their sizes; `out` is NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_issue_token(const struct sealgate_gate *gate,
                                     const char *subject,
                                     size_t subject_size,
                                     const char *scope,
                                     size_t scope_size,
                                     uint32_t ttl_seconds,
                                     struct sealgate_buffer *out);

/**
 * Checks a token.
 *
 * `*out` receives its claims; free them with `sealgate_claims_free`. On failure it is NULL.
 * Statuses: NULL_POINTER, TOKEN_MISSING (length 0), TOKEN_MALFORMED, TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_NOT_YET_VALID,
 * TOKEN_KEY_RETIRED, TOKEN_REVOKED, TOKEN_UNCHECKED (the store cannot be read).
 * Thread safety: any thread. Since 0.1.
 *
 * ```c
 * sealgate_claims *claims = NULL;
 * const char *user = NULL;
 * size_t user_size = 0;
 * if (sealgate_verify_token(gate, token, strlen(token), &claims) == SEALGATE_STATUS_OK &&
 *     sealgate_claims_subject(claims, &user, &user_size) == SEALGATE_STATUS_OK) {
 *     printf("the token is for %.*s\n", (int)user_size, user);
 * }
 * sealgate_claims_free(claims);
 * ```
 *
 * # Safety
 * `gate` is NULL or live; `token` is NULL or has its size; `out` is NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_verify_token(const struct sealgate_gate *gate,
                                      const char *token,
                                      size_t token_size,
                                      struct sealgate_claims **out);

/**
 * Encrypts data and gives it as base64 text.
 *
 * `context` is authenticated but not stored: the same is needed to decrypt. It may be empty. `*out` receives the text;
 * free it with `sealgate_buffer_free`. On failure it is empty.
 * Statuses: NULL_POINTER, INVALID_ARGUMENT (more than 1 GiB, or a context while the original's AES-CBC is in use),
 * CRYPTO. Thread safety: any thread. Since 0.1.
 *
 * ```c
 * sealgate_buffer encrypted = {0};
 * if (sealgate_encrypt_data(gate, SEALGATE_LITERAL("4111 1111"), SEALGATE_LITERAL("orders/17/card"), &encrypted) == SEALGATE_STATUS_OK) {
 *     printf("to store: %s\n", encrypted.data);
 * }
 * sealgate_buffer_free(&encrypted);
 * ```
 *
 * # Safety
 * `gate` is NULL or live; `data` and `context` are NULL or have their sizes; `out` is NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_encrypt_data(const struct sealgate_gate *gate,
                                      const void *data,
                                      size_t data_size,
                                      const void *context,
                                      size_t context_size,
                                      struct sealgate_buffer *out);

/**
 * Decrypts what `sealgate_encrypt_data`, the server or another binding encrypted with the same keys.
 *
 * `encrypted_data` is base64 text, `context` what it was encrypted with. `*out` receives the data, which may be any
 * bytes; free it with `sealgate_buffer_free`, which wipes it. On failure it is empty.
 * Statuses: NULL_POINTER, DECRYPT_FAILED (one for every cause). Thread safety: any thread. Since 0.1.
 *
 * ```c
 * sealgate_buffer data = {0};
 * if (sealgate_decrypt_data(gate, stored, strlen(stored), SEALGATE_LITERAL("orders/17/card"), &data) == SEALGATE_STATUS_OK) {
 *     fwrite(data.data, 1, data.size, stdout);
 * }
 * sealgate_buffer_free(&data);
 * ```
 *
 * # Safety
 * `gate` is NULL or live; the inputs are NULL or have their sizes; `out` is NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_decrypt_data(const struct sealgate_gate *gate,
                                      const char *encrypted_data,
                                      size_t encrypted_data_size,
                                      const void *context,
                                      size_t context_size,
                                      struct sealgate_buffer *out);

/**
 * Seals encrypted data anew, under the newest key and with the same context; the plaintext stays inside the library.
 *
 * `encrypted_data` is base64 text of sealed data under any key that is accepted, or, with the setting cbc "open" and no
 * context, of the original's AES-CBC. `*out` receives base64 text of sealed data; free it with `sealgate_buffer_free`. On
 * failure it is empty.
 * Statuses: NULL_POINTER, DECRYPT_FAILED (one for every cause), KEY_RETIRED, INVALID_ARGUMENT (AES-CBC while the setting
 * cbc is "seal"), CRYPTO. Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `gate` is NULL or live; the inputs are NULL or have their sizes; `out` is NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_rewrap_data(const struct sealgate_gate *gate,
                                     const char *encrypted_data,
                                     size_t encrypted_data_size,
                                     const void *context,
                                     size_t context_size,
                                     struct sealgate_buffer *out);

/**
 * Replaces all but the first `visible_chars` characters of a UTF-8 text by `*`. The original program's default is 3.
 *
 * `*out` receives the text; free it with `sealgate_buffer_free`. On failure it is empty.
 * Statuses: NULL_POINTER, INVALID_UTF8. Thread safety: any thread. Since 0.1.
 *
 * ```c
 * sealgate_buffer masked = {0};
 * if (sealgate_mask_data(SEALGATE_LITERAL("my_password"), 3, &masked) == SEALGATE_STATUS_OK) {
 *     puts(masked.data); // my_********
 * }
 * sealgate_buffer_free(&masked);
 * ```
 *
 * # Safety
 * `data` is NULL or has its size; `out` is NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_mask_data(const char *data,
                                   size_t data_size,
                                   size_t visible_chars,
                                   struct sealgate_buffer *out);

/**
 * Counts a request of a user and says whether it may go on.
 *
 * `user` is any UTF-8 name. `*allowed` is 1 where the request is admitted, which counts it, and 0 where it is not: that is
 * no error, the status is OK. `*remaining` is how many requests the user has left. `*retry_after_ms` is 0, or after a
 * refusal the milliseconds to wait. Where the limit is switched off (max_requests 0) everything is admitted and
 * `*remaining` is UINT32_MAX. On failure all three are 0.
 * Statuses: NULL_POINTER, INVALID_UTF8. Thread safety: any thread. Since 0.1.
 *
 * ```c
 * int32_t allowed;
 * uint32_t remaining;
 * uint64_t wait;
 * if (sealgate_enforce_rate_limit(gate, SEALGATE_LITERAL("alice"), &allowed, &remaining, &wait) == SEALGATE_STATUS_OK && !allowed) {
 *     printf("come back in %llu ms\n", (unsigned long long)wait);
 * }
 * ```
 *
 * # Safety
 * `gate` is NULL or live; `user` is NULL or has its size; the outputs are NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_enforce_rate_limit(const struct sealgate_gate *gate,
                                            const char *user,
                                            size_t user_size,
                                            int32_t *allowed,
                                            uint32_t *remaining,
                                            uint64_t *retry_after_ms);

/**
 * Hands the library's log lines to `callback`, those up to `max_level` (SEALGATE_LOG_...; 0 is none). Without it nothing
 * is logged. NULL ends it.
 *
 * It is for the whole process, and takes the place of an earlier one. `drop`, which may be NULL, is called with `user`
 * when no thread will be in `callback` any more: after the place has been taken or the logging ended, or, where this call
 * fails, before it returns. The library logs to nothing of the host's by itself, and to no other copy of it in the
 * process. A child after fork() goes on with it.
 * Statuses: INVALID_ARGUMENT (no such level), WRONG_STATE (the host is a Rust program with a logger of its own).
 * Thread safety: any thread. Since 0.1.
 *
 * ```c
 * if (sealgate_set_log(SEALGATE_LOG_WARN, on_line, stderr, NULL) != SEALGATE_STATUS_OK) {
 *     fputs("no log\n", stderr);
 * }
 * ```
 *
 * # Safety
 * `callback` and `drop` are what their types say, from any thread.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_set_log(int32_t max_level,
                                 sealgate_log_callback callback,
                                 void *user,
                                 sealgate_drop drop);

/**
 * The name that wants to log in, as UTF-8 text without a NUL at its end: 1 to 256 characters, no control characters.
 *
 * `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
 * Statuses: NULL_POINTER. Thread safety: within the callback. Since 0.1.
 *
 * # Safety
 * `login` is NULL or what the running callback was given; the outputs are NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_login_username(const struct sealgate_login *login,
                                        const char **out,
                                        size_t *out_size);

/**
 * The password that came with it, a secret, as UTF-8 text without a NUL at its end. It may be empty and have any
 * characters.
 *
 * `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
 * Statuses: NULL_POINTER. Thread safety: within the callback. Since 0.1.
 *
 * # Safety
 * `login` is NULL or what the running callback was given; the outputs are NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_login_password(const struct sealgate_login *login,
                                        const char **out,
                                        size_t *out_size);

/**
 * Who is asking, as with `sealgate_request_client`: an IP address as text, or "unix", without a NUL at its end.
 *
 * `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
 * Statuses: NULL_POINTER. Thread safety: within the callback. Since 0.1.
 *
 * # Safety
 * `login` is NULL or what the running callback was given; the outputs are NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_login_client(const struct sealgate_login *login,
                                      const char **out,
                                      size_t *out_size);

/**
 * The request's id, as with `sealgate_request_id`, without a NUL at its end.
 *
 * `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
 * Statuses: NULL_POINTER. Thread safety: within the callback. Since 0.1.
 *
 * # Safety
 * `login` is NULL or what the running callback was given; the outputs are NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_login_request_id(const struct sealgate_login *login,
                                          const char **out,
                                          size_t *out_size);

/**
 * Lets the user in, if the callback then returns 0.
 *
 * `scope` is what the user's tokens may be used for at most, names with single spaces between, such as
 * "secure-data encrypt decrypt"; empty: for routes that want any token. It is copied.
 * Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (it is no scope). Thread safety: within the callback. Since 0.1.
 *
 * # Safety
 * `login` is NULL or what the running callback was given; `scope` is NULL or has its size.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_login_allow(struct sealgate_login *login,
                                     const char *scope,
                                     size_t scope_size);

/**
 * Sets the data that /secure-data shows this time, encrypted. It is copied, and the copy is wiped after use.
 *
 * Statuses: NULL_POINTER. Thread safety: within the callback. Since 0.1.
 *
 * # Safety
 * `secure_data` is NULL or what the running callback was given; `data` is NULL or has its size.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_secure_data_set(struct sealgate_secure_data *secure_data,
                                         const void *data,
                                         size_t data_size);

/**
 * The method, such as "GET", without a NUL at its end. A HEAD request has "HEAD", and is answered like GET: the library leaves
 * the body out.
 *
 * `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
 * Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
 *
 * # Safety
 * `request` is NULL or what the running callback was given; the outputs are NULL or may be
 * written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_request_method(const struct sealgate_request *request,
                                        const char **out,
                                        size_t *out_size);

/**
 * The path as it came, percent-encoded where the client did so, without query and without a NUL at its end.
 *
 * `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
 * Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
 *
 * # Safety
 * `request` is NULL or what the running callback was given; the outputs are NULL or may be
 * written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_request_path(const struct sealgate_request *request,
                                      const char **out,
                                      size_t *out_size);

/**
 * What follows the first question mark of the target, as it came, without a NUL at its end.
 *
 * `*out` is valid during the callback; `*out_size` is its length. Where there is no
 * question mark, as on failure, they are NULL and 0.
 * Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
 *
 * # Safety
 * `request` is NULL or what the running callback was given; the outputs are NULL or may be
 * written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_request_query(const struct sealgate_request *request,
                                       const char **out,
                                       size_t *out_size);

/**
 * The first header field of this name, in any case, as it came. The bytes need not be UTF-8.
 *
 * `*out` is valid during the callback; `*out_size` is its length. Where there is no
 * such field, as on failure, they are NULL and 0; an empty value is not NULL.
 * Statuses: NULL_POINTER, INVALID_UTF8. Thread safety: any thread, during the callback. Since 0.1.
 *
 * # Safety
 * `request` is NULL or what the running callback was given; `name` is NULL or has its size; the outputs are NULL or may be
 * written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_request_header(const struct sealgate_request *request,
                                        const char *name,
                                        size_t name_size,
                                        const char **out,
                                        size_t *out_size);

/**
 * What the path has in the place of `{name}`, as it came, percent-encoded where the client did so.
 *
 * `*out` is valid during the callback; `*out_size` is its length. Where the route has no
 * such parameter, as on failure, they are NULL and 0.
 * Statuses: NULL_POINTER, INVALID_UTF8. Thread safety: any thread, during the callback. Since 0.1.
 *
 * # Safety
 * `request` is NULL or what the running callback was given; `name` is NULL or has its size; the outputs are NULL or may be
 * written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_request_parameter(const struct sealgate_request *request,
                                           const char *name,
                                           size_t name_size,
                                           const char **out,
                                           size_t *out_size);

/**
 * The whole body, decoded from its transfer coding; any bytes.
 *
 * `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
 * Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
 *
 * # Safety
 * `request` is NULL or what the running callback was given; the outputs are NULL or may be
 * written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_request_body(const struct sealgate_request *request,
                                      const void **out,
                                      size_t *out_size);

/**
 * The other end of the connection: an IP address as text, or "unix" on a Unix socket, without a NUL at its end. Behind a
 * proxy it is the proxy.
 *
 * `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
 * Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
 *
 * # Safety
 * `request` is NULL or what the running callback was given; the outputs are NULL or may be
 * written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_request_peer(const struct sealgate_request *request,
                                      const char **out,
                                      size_t *out_size);

/**
 * Who is asking, by whom limits count: the other end of the connection or, where that is a trusted proxy (setting
 * trusted_proxies), the client that it names. An IP address as text, or "unix", without a NUL at its end.
 *
 * `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
 * Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
 *
 * # Safety
 * `request` is NULL or what the running callback was given; the outputs are NULL or may be
 * written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_request_client(const struct sealgate_request *request,
                                        const char **out,
                                        size_t *out_size);

/**
 * The request's id, without a NUL at its end: the answer's X-Request-Id and the line of the log have the same.
 *
 * `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
 * Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
 *
 * # Safety
 * `request` is NULL or what the running callback was given; the outputs are NULL or may be
 * written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_request_id(const struct sealgate_request *request,
                                    const char **out,
                                    size_t *out_size);

/**
 * The checked claims of the request's token; NULL where the route needs none.
 *
 * `*out` is borrowed from the request: valid during the callback, and not to be freed. On failure it is NULL.
 * Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
 *
 * # Safety
 * `request` is NULL or what the running callback was given; `out` is NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_request_claims(const struct sealgate_request *request,
                                        const struct sealgate_claims **out);

/**
 * Sets the status, from 200 to 599.
 *
 * Statuses: NULL_POINTER, INVALID_ARGUMENT. Thread safety: within the callback. Since 0.1.
 *
 * # Safety
 * `response` is NULL or what the running callback was given.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_response_set_status(struct sealgate_response *response,
                                             uint16_t status);

/**
 * Sets a header field, in the place of an earlier one of the same name. Both texts are copied.
 *
 * Fields that say where an answer ends and what becomes of the connection (Content-Length, Connection, Date, ...) are
 * the library's. An answer with a body should have a Content-Type.
 * Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (the name is no token, the value has control characters, or the
 * field is the library's). Thread safety: within the callback. Since 0.1.
 *
 * # Safety
 * `response` is NULL or what the running callback was given; the texts are NULL or have their sizes.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_response_set_header(struct sealgate_response *response,
                                             const char *name,
                                             size_t name_size,
                                             const char *value,
                                             size_t value_size);

/**
 * Sets the body, in the place of an earlier one. The bytes are copied.
 *
 * Statuses: NULL_POINTER. Thread safety: within the callback. Since 0.1.
 *
 * # Safety
 * `response` is NULL or what the running callback was given; `data` is NULL or has its size.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_response_set_body(struct sealgate_response *response,
                                           const void *data,
                                           size_t data_size);

/**
 * Takes a token back: an access token with the login that it comes from, or a refresh token with its login.
 *
 * Every gate and server that uses the same data directory refuses it within a second, until it would have expired.
 * `*out` receives the user that it was for; free it with `sealgate_buffer_free`. On failure it is empty.
 * Statuses: NULL_POINTER, TOKEN_MISSING, TOKEN_MALFORMED, TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_NOT_YET_VALID,
 * TOKEN_KEY_RETIRED, SETTING (no data directory, and keys that do not die with the gate), STORE. One that was taken back
 * before stays so: OK. Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `gate` is NULL or live; `token` is NULL or has its size; `out` is NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_revoke_token(const struct sealgate_gate *gate,
                                      const char *token,
                                      size_t token_size,
                                      struct sealgate_buffer *out);

/**
 * Takes a token back by its own id (`sealgate_claims_id`), or a login by its (the claim sid).
 *
 * `expires_at`, in seconds since 1970-01-01 UTC, is when it ends by itself, until when this is remembered; 0 where that is not
 * known. Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (it cannot be an id), SETTING, STORE.
 * Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `gate` is NULL or live; `id` is NULL or has its size.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_revoke_token_id(const struct sealgate_gate *gate,
                                         const char *id,
                                         size_t id_size,
                                         uint64_t expires_at);

/**
 * Takes back all tokens of a user that were issued until now, and ends all logins. The original program's tokens, which do not
 * say when they were issued, are refused from now on.
 *
 * Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (it cannot be a name), SETTING, STORE.
 * Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `gate` is NULL or live; `user` is NULL or has its size.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_revoke_user(const struct sealgate_gate *gate,
                                     const char *user,
                                     size_t user_size);

/**
 * Adds a route to a server that has not been started.
 *
 * `method` is "GET" (which answers HEAD too), "POST" or another one. `path` begins with a slash; a segment in braces,
 * as in "/orders/{id}", takes any text. `flags` is a sum of SEALGATE_ROUTE_...; `scope` is the one scope name that the
 * token needs, empty where any token will do. `callback` answers, with `user`; `drop`, which may be NULL, is called with
 * `user` when the library will not use it again. That is also so where this call fails: then before it returns.
 * Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (an unknown flag, a path that is malformed or taken, a scope or
 * a limit without a token), WRONG_STATE (it was started), FORKED. Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `server` is NULL or live; the texts are NULL or have their sizes; `callback` and `drop` are what their types say, from
 * any thread.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_server_route(const struct sealgate_server *server,
                                      const char *method,
                                      size_t method_size,
                                      const char *path,
                                      size_t path_size,
                                      uint32_t flags,
                                      const char *scope,
                                      size_t scope_size,
                                      sealgate_route_callback callback,
                                      void *user,
                                      sealgate_drop drop);

/**
 * Gives a server accounts: `POST /login` then takes {"username", "password"} and asks `callback`.
 *
 * It takes the place of an earlier one. Logging in is then offered to everybody who reaches the server, unless the
 * setting "login" is "off". `user` and `drop` are as with `sealgate_server_route`.
 * Statuses: NULL_POINTER, WRONG_STATE (it was started), FORKED. Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `server` is NULL or live; `callback` and `drop` are what their types say, from any thread.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_server_set_authenticate(const struct sealgate_server *server,
                                                 sealgate_authenticate_callback callback,
                                                 void *user,
                                                 sealgate_drop drop);

/**
 * Lets `callback` supply what /secure-data shows, in the place of the settings "secure_data" and "secure_data_file".
 *
 * It takes the place of an earlier one. `user` and `drop` are as with `sealgate_server_route`.
 * Statuses: NULL_POINTER, WRONG_STATE (it was started), FORKED. Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `server` is NULL or live; `callback` and `drop` are what their types say, from any thread.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_server_set_secure_data(const struct sealgate_server *server,
                                                sealgate_secure_data_callback callback,
                                                void *user,
                                                sealgate_drop drop);

/**
 * Makes a server that serves nothing yet.
 *
 * `gate` may be freed afterwards: the server keeps what it needs of it. Of `config` the server's settings are taken
 * ("listen", "login", ...; those of the gate are the gate's), and it may be freed too; with NULL they come from the
 * environment. `*out` receives the server; free it with `sealgate_server_free`. On failure `*out` is NULL.
 * Statuses: NULL_POINTER, SETTING, PANIC. Thread safety: any thread. Since 0.1.
 *
 * ```c
 * sealgate_server *server = NULL;
 * uint16_t port = 0;
 * if (sealgate_server_new(gate, config, &server) == SEALGATE_STATUS_OK &&
 *     sealgate_server_route(server, SEALGATE_LITERAL("GET"), SEALGATE_LITERAL("/orders/{id}"), SEALGATE_ROUTE_TOKEN, NULL, 0, show_order, NULL, NULL) ==
 *         SEALGATE_STATUS_OK &&
 *     sealgate_server_start(server) == SEALGATE_STATUS_OK && sealgate_server_port(server, &port) == SEALGATE_STATUS_OK) {
 *     printf("listening on port %d\n", port);
 *     // ... until it is enough; then requests get half a second to end.
 *     if (sealgate_server_stop(server, 500) != SEALGATE_STATUS_OK) {
 *         puts("requests were still running");
 *     }
 * }
 * sealgate_server_free(server);
 * ```
 *
 * # Safety
 * `gate` and `config` are NULL or live; `out` is NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_server_new(const struct sealgate_gate *gate,
                                    const struct sealgate_config *config,
                                    struct sealgate_server **out);

/**
 * Binds the addresses of the setting "listen" and starts to serve. Routes and callbacks cannot be added afterwards.
 *
 * It returns once clients can connect. After a failure the server can only be freed.
 * Statuses: NULL_POINTER, SETTING (an address cannot be had, a file is not fit for use), IO, WRONG_STATE (it was started
 * before), FORKED. Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `server` is NULL or live.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_server_start(const struct sealgate_server *server);

/**
 * The port of the server's first TCP address: the one that was chosen where port 0 was asked for; 0 where it serves Unix
 * sockets only.
 *
 * On failure `*out` is 0. Statuses: NULL_POINTER, WRONG_STATE (not started), FORKED. Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `server` is NULL or live; `out` is NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_server_port(const struct sealgate_server *server,
                                     uint16_t *out);

/**
 * An address that is served, as "http://127.0.0.1:5000", "https://..." or "unix:/path". Those of the setting "listen" are
 * numbered from 0; beyond the last one the text is empty.
 *
 * `*out` receives the text; free it with `sealgate_buffer_free`. On failure it is empty.
 * Statuses: NULL_POINTER, WRONG_STATE (not started), FORKED. Thread safety: any thread. Since 0.1.
 *
 * ```c
 * sealgate_buffer address = {0};
 * for (size_t number = 0; sealgate_server_address(server, number, &address) == SEALGATE_STATUS_OK && address.size > 0; number++) {
 *     puts(address.data);
 *     sealgate_buffer_free(&address);
 * }
 * sealgate_buffer_free(&address);
 * ```
 *
 * # Safety
 * `server` is NULL or live; `out` is NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_server_address(const struct sealgate_server *server,
                                        size_t number,
                                        struct sealgate_buffer *out);

/**
 * Stops the server: no new requests are taken, running ones may take `drain_ms` milliseconds. It returns when all have
 * ended or the time is over, and about a second later at most. May be called more than once, and before the start.
 *
 * After TIMED_OUT a callback may still be running; what it uses must stay until its `drop` has been called.
 * Statuses: NULL_POINTER, TIMED_OUT (requests were still running; they get no answer), WOULD_DEADLOCK (from one of the
 * server's own callbacks, or a log callback), WRONG_STATE (another thread is starting it), FORKED.
 * Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `server` is NULL or live.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_server_stop(const struct sealgate_server *server,
                                     uint32_t drain_ms);

/**
 * Frees a server. One that was not stopped is, as by `sealgate_server_stop` with 1,000 milliseconds. NULL does nothing.
 *
 * A callback that is still running then goes on, and its `drop` is called when it ends. In a forked process the handle is
 * freed, and the process's copies of the listening sockets are closed, so that it does not keep the parent's addresses
 * taken; nothing else is touched: no thread is joined, no `drop` is called. One that was forked off in a callback of the
 * server's own may do so there.
 * Statuses: WOULD_DEADLOCK (from one of the server's own callbacks, or a log callback): it is not freed then.
 * Thread safety: no other thread may use the server. Since 0.1.
 *
 * # Safety
 * `server` is NULL or came from `sealgate_server_new`, and is not used again unless the status is not OK.
 */
sealgate_status sealgate_server_free(struct sealgate_server *server);

/**
 * The name of a status in snake case, such as "token_expired"; "unknown" for a number that is none.
 *
 * The text lives as long as the process and must not be freed. Thread safety: any thread, any time. Since 0.1.
 */
const char *sealgate_status_name(int32_t status);

/**
 * Begins to seal a stream, under the key that is the newest now.
 *
 * `context` is authenticated but not stored: the same is needed to open. It may be empty and has at most 64 KiB; it is
 * copied. `*out` receives the stream; free it with `sealgate_stream_free`. On failure it is NULL. The gate may be freed
 * before the stream.
 * Statuses: NULL_POINTER, INVALID_ARGUMENT (a longer context), CRYPTO. Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `gate` is NULL or live; `context` is NULL or has its size; `out` is NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_stream_seal(const struct sealgate_gate *gate,
                                     const void *context,
                                     size_t context_size,
                                     struct sealgate_stream **out);

/**
 * Begins to open a stream.
 *
 * `context` is what it was sealed with. `*out` receives the stream; free it with `sealgate_stream_free`. On failure it is
 * NULL. The gate may be freed before the stream.
 * Statuses: NULL_POINTER, INVALID_ARGUMENT (a context of more than 64 KiB). Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `gate` is NULL or live; `context` is NULL or has its size; `out` is NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_stream_open(const struct sealgate_gate *gate,
                                     const void *context,
                                     size_t context_size,
                                     struct sealgate_stream **out);

/**
 * How many bytes `sealgate_stream_push` writes when it gets `data_size` bytes now: never more than `data_size` and 128 KiB.
 *
 * 0 for NULL and for a stream that is finished or has failed; SIZE_MAX where it does not fit.
 * Thread safety: one thread at a time. Since 0.1.
 *
 * # Safety
 * `stream` is NULL or live.
 */
size_t sealgate_stream_push_size(const struct sealgate_stream *stream,
                                 size_t data_size);

/**
 * How many bytes `sealgate_stream_finish` writes now: never more than 128 KiB. 0 for NULL.
 *
 * Thread safety: one thread at a time. Since 0.1.
 *
 * # Safety
 * `stream` is NULL or live.
 */
size_t sealgate_stream_finish_size(const struct sealgate_stream *stream);

/**
 * Takes a piece of the data in, of any size, and writes what is done into the caller's buffer.
 *
 * `out` has room for `out_room` bytes and must not overlap `data`. `*out_size` is how many were written, which may be 0; with
 * BUFFER_TOO_SMALL it is how many are needed, which `sealgate_stream_push_size` says before, and nothing else has
 * happened. On any other failure it is 0, and nothing readable of this call is left in `out`. `out` may be NULL if
 * `out_room` is 0.
 * Statuses: NULL_POINTER, INVALID_ARGUMENT (an overlap, more than 256 TiB), BUFFER_TOO_SMALL, WRONG_STATE (it is finished),
 * DECRYPT_FAILED (opening; one for every cause), KEY_RETIRED, CRYPTO. Thread safety: one thread at a time. Since 0.1.
 *
 * # Safety
 * `stream` is NULL or live; `data` is NULL or has its size; `out` is NULL or has its room; `out_size` is NULL or may be
 * written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_stream_push(struct sealgate_stream *stream,
                                     const void *data,
                                     size_t data_size,
                                     void *out,
                                     size_t out_room,
                                     size_t *out_size);

/**
 * Ends a stream and writes its last bytes into the caller's buffer. Opening, its success says that the whole stream was
 * there.
 *
 * The outputs are those of `sealgate_stream_push`, and `sealgate_stream_finish_size` says before how many bytes they are.
 * The stream then takes nothing more; free it with `sealgate_stream_free`.
 * Statuses: NULL_POINTER, BUFFER_TOO_SMALL, WRONG_STATE (it is finished), INVALID_ARGUMENT (more than 256 TiB),
 * DECRYPT_FAILED (opening; one for every cause), CRYPTO. Thread safety: one thread at a time. Since 0.1.
 *
 * # Safety
 * `stream` is NULL or live; `out` is NULL or has its room; `out_size` is NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_stream_finish(struct sealgate_stream *stream,
                                       void *out,
                                       size_t out_room,
                                       size_t *out_size);

/**
 * Frees a stream, finished or not; what it holds is wiped. NULL does nothing. Since 0.1.
 *
 * # Safety
 * `stream` is NULL or came from this library, and is not used again.
 */
void sealgate_stream_free(struct sealgate_stream *stream);

/**
 * Makes an account in the gate's data directory; with keys that die with the gate, one that does too.
 *
 * `name` is 1 to 256 characters of UTF-8 without control characters. `password` is 8 to 128 characters of UTF-8, none of
 * those that everybody tries first. `scope` is all that tokens of the account may have, names with single spaces between; it
 * may be empty. (The command and the Python package take SEALGATE_OPEN_LOGIN_SCOPE where they are given none.) As soon as there
 * has been an account, tokens of users without one are refused, and the server's /login wants passwords. It takes as long as a password hash.
 * Statuses: NULL_POINTER, INVALID_UTF8, USER_EXISTS, INVALID_NAME, WEAK_PASSWORD, INVALID_ARGUMENT (the scope),
 * SETTING (no data directory), STORE, CRYPTO. Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `gate` is NULL or live; the inputs are NULL or have their sizes.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_add_user(const struct sealgate_gate *gate,
                                  const char *name,
                                  size_t name_size,
                                  const void *password,
                                  size_t password_size,
                                  const char *scope,
                                  size_t scope_size);

/**
 * Gives what a token for a user permits if nobody asks for other scopes: what the account of this name has, or
 * SEALGATE_OPEN_LOGIN_SCOPE if there is none. `sealgate token issue` and Python's `issue_token` take it by default;
 * `sealgate_issue_token` takes what it is given.
 *
 * `*out` receives names with single spaces between, maybe none; free it with `sealgate_buffer_free`. On failure it is empty.
 * Statuses: NULL_POINTER, INVALID_UTF8, STORE. Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `gate` is NULL or live; `subject` is NULL or has its size; `out` is NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_default_scope(const struct sealgate_gate *gate,
                                       const char *subject,
                                       size_t subject_size,
                                       struct sealgate_buffer *out);

/**
 * Checks a password and tells what the account may do.
 *
 * `from` is the client's address as text, or anything else that stands for where it is; it may be empty. After some wrong
 * passwords for one name from one place (setting lockout_after) further tries from there have to wait, longer and longer.
 * Guesses from other places slow a name down too, but not where it has logged in from before: docs/accounts.md, "Guessing".
 * `*out` receives the scope of the account:
 * names with single spaces between, maybe none; free it with `sealgate_buffer_free`. `*retry_after_ms` is 0, or with
 * RATE_LIMITED the milliseconds to wait. On failure `*out` is empty.
 * An unknown name, a wrong password and an account that is switched off have one status and take as long. It takes as long as
 * a password hash, and waits while as many are being made as the setting password_hashes permits.
 * Statuses: NULL_POINTER, INVALID_UTF8, LOGIN_FAILED, RATE_LIMITED, STORE, CRYPTO. Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `gate` is NULL or live; the inputs are NULL or have their sizes; the outputs are NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_check_password(const struct sealgate_gate *gate,
                                        const char *name,
                                        size_t name_size,
                                        const void *password,
                                        size_t password_size,
                                        const char *from,
                                        size_t from_size,
                                        struct sealgate_buffer *out,
                                        uint64_t *retry_after_ms);

/**
 * Logs an account in: checks the password as `sealgate_check_password` does, and gives tokens.
 *
 * `scope` narrows what the tokens may do; with an empty one they get all that the account has. `*token` receives the access
 * token, `*refresh_token` what `sealgate_refresh` takes (empty where the setting refresh_ttl is 0); free both with
 * `sealgate_buffer_free`. On failure they are empty.
 * Statuses: those of `sealgate_check_password`, INVALID_ARGUMENT (more scope than the account has), SETTING.
 * Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `gate` is NULL or live; the inputs are NULL or have their sizes; the outputs are NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_log_in(const struct sealgate_gate *gate,
                                const char *name,
                                size_t name_size,
                                const void *password,
                                size_t password_size,
                                const char *from,
                                size_t from_size,
                                const char *scope,
                                size_t scope_size,
                                struct sealgate_buffer *token,
                                struct sealgate_buffer *refresh_token,
                                uint64_t *retry_after_ms);

/**
 * Gives new tokens for a refresh token, which is used up by that. A second use of one takes all tokens of its login back:
 * somebody has a copy.
 *
 * `scope` narrows what the access token may do; it may be empty. Outputs as with `sealgate_log_in`.
 * Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (more scope than the login has), TOKEN_MISSING, TOKEN_MALFORMED,
 * TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_NOT_YET_VALID, TOKEN_KEY_RETIRED, TOKEN_REVOKED, STORE, CRYPTO.
 * Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `gate` is NULL or live; the inputs are NULL or have their sizes; the outputs are NULL or may be written.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_refresh(const struct sealgate_gate *gate,
                                 const char *used,
                                 size_t used_size,
                                 const char *scope,
                                 size_t scope_size,
                                 struct sealgate_buffer *token,
                                 struct sealgate_buffer *refresh_token);

/**
 * Gives an account another password, and takes all its tokens back.
 *
 * Statuses: NULL_POINTER, INVALID_UTF8, WEAK_PASSWORD, NOT_FOUND (no such account), STORE, CRYPTO.
 * Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `gate` is NULL or live; the inputs are NULL or have their sizes.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_set_user_password(const struct sealgate_gate *gate,
                                           const char *name,
                                           size_t name_size,
                                           const void *password,
                                           size_t password_size);

/**
 * Gives an account other scopes: names with single spaces between, maybe none. Where one is taken away, so are all tokens.
 *
 * Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (the scope is malformed), NOT_FOUND (no such account), STORE.
 * Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `gate` is NULL or live; the inputs are NULL or have their sizes.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_set_user_scope(const struct sealgate_gate *gate,
                                        const char *name,
                                        size_t name_size,
                                        const char *scope,
                                        size_t scope_size);

/**
 * Switches an account off (`disabled` is not 0), which takes all its tokens back for good, or on again (0).
 *
 * Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (no such account), STORE. Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `gate` is NULL or live; `name` is NULL or has its size.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_set_user_disabled(const struct sealgate_gate *gate,
                                           const char *name,
                                           size_t name_size,
                                           int32_t disabled);

/**
 * Removes an account, and takes all its tokens back. Passwords are wanted all the same when none is left.
 *
 * Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (no such account), STORE. Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `gate` is NULL or live; `name` is NULL or has its size.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_remove_user(const struct sealgate_gate *gate,
                                     const char *name,
                                     size_t name_size);

/**
 * The version of the library that is running, such as "0.1.0".
 *
 * The text lives as long as the process and must not be freed. Compare it with SEALGATE_VERSION_STRING, the version of
 * the header that a program was compiled with. Thread safety: any thread, any time. Since 0.1.
 */
const char *sealgate_version_string(void);

/**
 * The version of the library that is running, as a number that grows: major << 16 | minor << 8 | patch.
 *
 * SEALGATE_VERSION_NUMBER is that of the header. Thread safety: any thread, any time. Since 0.1.
 */
uint32_t sealgate_version_number(void);

/**
 * Which programs this library fits: those compiled with a header whose SEALGATE_ABI_VERSION is the same number.
 *
 * It is minor before version 1.0, then major << 16. Thread safety: any thread, any time. Since 0.1.
 */
uint32_t sealgate_abi_version(void);

/**
 * Whether this library has a feature, by its name: 1 or 0. A name that it does not know is one that it does not have.
 *
 * `name` is one of the SEALGATE_FEATURE_... texts; NULL is permitted and no feature.
 * Thread safety: any thread, any time. Since 0.1.
 *
 * ```c
 * if (!sealgate_has_feature(SEALGATE_FEATURE_TLS, strlen(SEALGATE_FEATURE_TLS))) {
 *     puts("this library serves no TLS");
 * }
 * ```
 *
 * # Safety
 * `name` is NULL or has its size.
 */
int32_t sealgate_has_feature(const char *name,
                             size_t name_size);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SEALGATE_H */
