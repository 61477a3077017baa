/*
 * Sealgate 0.1.0: tokens, encryption, masking.
 *
 * Generated from src/ffi by `make header`: do not edit. Every call that can fail returns a status, writes its
 * outputs only on success, and keeps a sentence for sealgate_last_error.
 *
 * Unless a comment adds to it: handles are NULL or live, inputs are NULL or valid for their sizes, outputs are NULL or
 * writable, and what a callback received is not used after it returns.
 */

#ifndef SEALGATE_H
#define SEALGATE_H

#include <stddef.h>
#include <stdint.h>

/* The version of this header; sealgate_version_string returns that of the running library. */
#define SEALGATE_VERSION_STRING "0.1.0"
#define SEALGATE_VERSION_MAJOR 0
#define SEALGATE_VERSION_MINOR 1
#define SEALGATE_VERSION_PATCH 0
#define SEALGATE_VERSION_NUMBER 0x000100
#define SEALGATE_ABI_VERSION 1

/* Names for sealgate_has_feature. */
#define SEALGATE_FEATURE_SERVER "server"
#define SEALGATE_FEATURE_STORE "store"
#define SEALGATE_FEATURE_TLS "tls"
#define SEALGATE_FEATURE_UNIX_SOCKETS "unix-sockets"
#define SEALGATE_FEATURE_CAPI "capi"
#define SEALGATE_FEATURE_POSTGRES "postgres"
#define SEALGATE_FEATURE_VENDORED_OPENSSL "vendored-openssl"

/* The scope of tokens from open login, and the default scope of accounts that the command or the Python package creates. */
#define SEALGATE_OPEN_LOGIN_SCOPE "secure-data encrypt decrypt"

/* A string literal as the address and the length that functions take:
 * sealgate_mask_data(SEALGATE_LITERAL("my_password"), 3, &masked). Only a literal compiles. */
#define SEALGATE_LITERAL(text) ("" text ""), (sizeof("" text "") - 1)

/* A status must be checked. */
#if defined(__GNUC__) || defined(__clang__)
#define SEALGATE_MUST_USE __attribute__((warn_unused_result))
#else
#define SEALGATE_MUST_USE
#endif

/**
 * For `sealgate_generate_keys` and `sealgate_rotate_keys`: a key that signs tokens.
 */
#define SEALGATE_KEYS_TOKEN 1

/**
 * For `sealgate_generate_keys` and `sealgate_rotate_keys`: a key that encrypts data.
 */
#define SEALGATE_KEYS_DATA 2

/**
 * For `sealgate_generate_keys` and `sealgate_rotate_keys`: the token key signs at once, even if it would be published first.
 */
#define SEALGATE_KEYS_NOW 4

/**
 * For `sealgate_rotate_keys`: tokens of the replaced key are accepted until the last one has expired, its data indefinitely.
 */
#define SEALGATE_GRACE_DEFAULT 4294967295

/**
 * For `sealgate_set_log`: errors.
 */
#define SEALGATE_LOG_ERROR 1

/**
 * For `sealgate_set_log`: warnings.
 */
#define SEALGATE_LOG_WARN 2

/**
 * For `sealgate_set_log`: one line per request, and starts and stops.
 */
#define SEALGATE_LOG_INFO 3

/**
 * For `sealgate_set_log`: details for debugging.
 */
#define SEALGATE_LOG_DEBUG 4

/**
 * For `sealgate_server_route`: requests need a token; the callback gets its verified claims.
 */
#define SEALGATE_ROUTE_TOKEN 1

/**
 * For `sealgate_server_route`: the gate's rate limit applies, shared with the user's other requests. Needs
 * SEALGATE_ROUTE_TOKEN.
 */
#define SEALGATE_ROUTE_LIMITED 2

/**
 * For `sealgate_server_route`: the callback may block (on a database, another server). It then runs on a thread where it
 * delays no other connection.
 */
#define SEALGATE_ROUTE_BLOCKING 4

/**
 * The result of a call. 0 is success; numbers are never changed or reused, only added.
 *
 * Programs decide by the number; `sealgate_last_error` has a sentence for people.
 */
enum sealgate_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * The call succeeded.
   */
  SEALGATE_STATUS_OK = 0,
  /**
   * A required pointer is NULL.
   */
  SEALGATE_STATUS_NULL_POINTER = 1,
  /**
   * An argument is invalid.
   */
  SEALGATE_STATUS_INVALID_ARGUMENT = 2,
  /**
   * A text is not UTF-8.
   */
  SEALGATE_STATUS_INVALID_UTF8 = 3,
  /**
   * A setting is unknown, missing or invalid.
   */
  SEALGATE_STATUS_SETTING = 4,
  /**
   * The key ring cannot be read, trusted or written.
   */
  SEALGATE_STATUS_KEY_RING = 5,
  /**
   * The store of accounts and revocations cannot be read, trusted or written.
   */
  SEALGATE_STATUS_STORE = 7,
  /**
   * The audit trail cannot be written, and audit_fail is "closed": nothing was changed.
   */
  SEALGATE_STATUS_AUDIT_FAILED = 8,
  /**
   * The buffer is too small; the call has returned the size that it needs.
   */
  SEALGATE_STATUS_BUFFER_TOO_SMALL = 6,
  /**
   * No token was given.
   */
  SEALGATE_STATUS_TOKEN_MISSING = 10,
  /**
   * It does not have the form of a Sealgate token.
   */
  SEALGATE_STATUS_TOKEN_MALFORMED = 11,
  /**
   * The signature is not from these keys, or the token is meant for another recipient.
   */
  SEALGATE_STATUS_TOKEN_INVALID = 12,
  /**
   * It has expired.
   */
  SEALGATE_STATUS_TOKEN_EXPIRED = 13,
  /**
   * It is not valid yet.
   */
  SEALGATE_STATUS_TOKEN_NOT_YET_VALID = 14,
  /**
   * It names one of our keys that is no longer accepted.
   */
  SEALGATE_STATUS_TOKEN_KEY_RETIRED = 15,
  /**
   * It has been revoked, or its user's account has been removed or disabled.
   */
  SEALGATE_STATUS_TOKEN_REVOKED = 16,
  /**
   * Whether it has been revoked is unknown, because the store cannot be read.
   */
  SEALGATE_STATUS_TOKEN_UNCHECKED = 17,
  /**
   * The data cannot be decrypted: wrong key, wrong context, damaged, or not encrypted data. One status for every cause.
   */
  SEALGATE_STATUS_DECRYPT_FAILED = 20,
  /**
   * The data was sealed under one of our keys that is no longer accepted.
   */
  SEALGATE_STATUS_KEY_RETIRED = 21,
  /**
   * The data is authentic, but older than the call permits, dated in the future, or without a time.
   */
  SEALGATE_STATUS_NOT_FRESH = 22,
  /**
   * The signature is not valid: wrong key, wrong context, damaged, or not signed data. One status for every cause.
   */
  SEALGATE_STATUS_SIGNATURE_INVALID = 23,
  /**
   * The user or client has used up its requests.
   */
  SEALGATE_STATUS_RATE_LIMITED = 30,
  /**
   * Unknown account, wrong password or disabled account. One status for every cause.
   */
  SEALGATE_STATUS_LOGIN_FAILED = 31,
  /**
   * There is no account or claim with this name, or nothing else of what the call is about: its comment says what.
   */
  SEALGATE_STATUS_NOT_FOUND = 32,
  /**
   * There is already an account with this name.
   */
  SEALGATE_STATUS_USER_EXISTS = 33,
  /**
   * A new password is too short, too long or too common.
   */
  SEALGATE_STATUS_WEAK_PASSWORD = 34,
  /**
   * The name is not valid for an account.
   */
  SEALGATE_STATUS_INVALID_NAME = 35,
  /**
   * The call was made from a callback or a thread that it would have to wait for.
   */
  SEALGATE_STATUS_WOULD_DEADLOCK = 40,
  /**
   * The server's handle is used in a process forked after the server was created.
   */
  SEALGATE_STATUS_FORKED = 41,
  /**
   * The handle is in the wrong state for this call: a running server accepts no more routes and starts only once; a
   * finished stream accepts no more data.
   */
  SEALGATE_STATUS_WRONG_STATE = 42,
  /**
   * The time was up before everything had finished.
   */
  SEALGATE_STATUS_TIMED_OUT = 43,
  /**
   * The operating system reported an error.
   */
  SEALGATE_STATUS_IO = 50,
  /**
   * OpenSSL or the system's random generator failed.
   */
  SEALGATE_STATUS_CRYPTO = 51,
  /**
   * An internal fault of the library. The handle of the call refuses further use.
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
 * The verified claims of a token.
 *
 * Thread safety: may be shared and read by any number of threads.
 */
typedef struct sealgate_claims sealgate_claims;

/**
 * Settings, by their names in the settings table.
 *
 * Thread safety: one thread at a time.
 */
typedef struct sealgate_config sealgate_config;

/**
 * Issues and verifies tokens, encrypts and decrypts data.
 *
 * Thread safety: may be shared; any number of threads may call the functions that take it as const at the same time.
 */
typedef struct sealgate_gate sealgate_gate;

/**
 * A login attempt that a callback decides.
 *
 * Thread safety: one thread at a time, during the callback only. It belongs to the library: do not free it.
 */
typedef struct sealgate_login sealgate_login;

/**
 * A request, valid during a route's callback.
 *
 * Thread safety: may be read by any number of threads, during the callback only. It belongs to the library: do not free it.
 */
typedef struct sealgate_request sealgate_request;

/**
 * The response that a route's callback fills in. It starts as 200 without a body.
 *
 * Thread safety: one thread at a time, during the callback only. It belongs to the library: do not free it.
 */
typedef struct sealgate_response sealgate_response;

/**
 * Receives the data of /secure-data.
 *
 * Thread safety: one thread at a time, during the callback only. It belongs to the library: do not free it.
 */
typedef struct sealgate_secure_data sealgate_secure_data;

/**
 * Serves the HTTP API and the host's routes on its own threads.
 *
 * The order of calls is: `sealgate_server_new`, routes and callbacks, `sealgate_server_start`, `sealgate_server_stop`,
 * `sealgate_server_free`. Its threads block all signals except those caused by a fault, and never deliver SIGPIPE to the
 * host. In a forked child its functions return FORKED; gates work there.
 *
 * Thread safety: may be shared; all functions except `sealgate_server_free` may be called from any thread.
 */
typedef struct sealgate_server sealgate_server;

/**
 * Data of any size being sealed or opened in chunks of 64 KiB, in constant memory.
 *
 * The order of calls is: `sealgate_stream_seal` or `sealgate_stream_open`, `sealgate_stream_push` for each piece of data,
 * `sealgate_stream_finish`, `sealgate_stream_free`. When opening, each chunk is authenticated before it is returned, but
 * only a successful `sealgate_stream_finish` proves that nothing is missing at the end. Until then write the data where it
 * can be discarded (a temporary file that is renamed afterwards). After any failure except BUFFER_TOO_SMALL, every further
 * call fails in the same way.
 *
 * Thread safety: one thread at a time.
 */
typedef struct sealgate_stream sealgate_stream;

/**
 * Bytes that belong to the library: release them with `sealgate_buffer_free`, never with `free`.
 *
 * A NUL follows the last byte, so that text can be printed; it does not count in `size`. Initialise a buffer with `{0}` or
 * let a call fill it; a call overwrites the contents without freeing them. Thread safety: like any plain memory.
 */
typedef struct sealgate_buffer {
  /**
   * The bytes; NULL in an empty or freed buffer.
   */
  char *data;
  /**
   * The number of bytes, without the NUL.
   */
  size_t size;
  /**
   * Internal: whether the bytes are wiped before they are freed.
   */
  int32_t secret;
} sealgate_buffer;

/**
 * The decision of a limit: whether a request is admitted, and what is left.
 *
 * A call fills it in; it owns nothing. Thread safety: like any plain memory.
 */
typedef struct sealgate_admission {
  /**
   * 1 if the request is admitted, 0 if not.
   */
  int32_t allowed;
  /**
   * What requests may cost together in any window; 0 if the limit is disabled.
   */
  uint32_t limit;
  /**
   * What is left of it; UINT32_MAX if the limit is disabled.
   */
  uint32_t remaining;
  /**
   * Reserved; 0.
   */
  uint32_t reserved;
  /**
   * The window's length in milliseconds; 0 if the limit is disabled.
   */
  uint64_t window_ms;
  /**
   * Milliseconds until the oldest counted request leaves the window; if the request is not admitted, the time to wait.
   */
  uint64_t reset_ms;
} sealgate_admission;

/**
 * Receives a log line: a level (SEALGATE_LOG_...), a target such as "sealgate::access", and the message with its fields as
 * name=value. The texts are UTF-8, have neither a NUL nor a line break at the end, and are valid only during the call.
 *
 * User names in it are masked, control characters are escaped, and it contains no secrets. The callback runs on whichever
 * thread logs, including the host's threads during a call, and on several threads at a time. It must be fast: requests
 * wait for it. It may call the library, but log lines that this causes are dropped. `sealgate_server_stop` and
 * `sealgate_server_free` return WOULD_DEADLOCK in it. It must return: no longjmp out of it, no C++ exception.
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
 * Called once with `user` when the library will not use it again, on any thread. NULL: nothing is called. It must return,
 * and must not call functions of the handle that it was passed to.
 */
typedef void (*sealgate_drop)(void *user);

/**
 * Answers a request: fills in `response` and returns 0. Any other return value is a failure; it is logged and the client
 * gets 500.
 *
 * It runs on the server's threads, several at a time. `request`, `response` and everything read from them are valid only
 * during the call. It may call everything except `sealgate_server_stop` and `sealgate_server_free` of its own server,
 * which return WOULD_DEADLOCK. It must return: no longjmp out of it, no C++ exception. A child process that it forks may
 * use gates; if the child returns from the callback, it ends as with _exit(0).
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
 * Decides a login: reads name and password from `login`, calls `sealgate_login_allow` if they are right, and returns 0.
 * Without that call, or with any other return value, the login is denied.
 *
 * It runs on the server's threads for blocking work, several at a time. `login` and everything read from it are valid only
 * during the call. The rules for what it may call and how it must return are those of `sealgate_route_callback`.
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
 *     return 0; // not allowed: denied
 * }
 * ```
 */
typedef int32_t (*sealgate_authenticate_callback)(struct sealgate_login *login, void *user);

/**
 * Supplies the data of /secure-data with `sealgate_secure_data_set`, and returns 0. With any other return value, or
 * without data, the client gets 500.
 *
 * It runs on the server's threads for blocking work, several at a time. `data` is valid only during the call. The rules
 * for what it may call and how it must return are those of `sealgate_route_callback`.
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
 * Lists accounts as a JSON array, in the order of their names (bytewise).
 *
 * The list starts after the name `after` (empty: at the beginning) and has at most `most` accounts, so a program can read any
 * number of them page by page: an empty array follows the last one. Each account is an object: `name`, `scope` (names
 * separated by single spaces), `claims` (the custom claims of its logins), `disabled` (true or false) and `created` (in seconds since 1970-01-01 UTC); a later version
 * may add members. `*out` receives the JSON; free it with `sealgate_buffer_free`. On failure it is empty.
 * Statuses: NULL_POINTER, INVALID_UTF8, STORE. Thread safety: any thread. Since 0.1.
 *
 * ```c
 * sealgate_buffer users = {0};
 * if (sealgate_list_users(gate, NULL, 0, 100, &users) == SEALGATE_STATUS_OK) {
 *     puts(users.data); // [{"name":"alice","scope":"decrypt","claims":{},"disabled":false,"created":1795491237}]
 * }
 * sealgate_buffer_free(&users);
 * ```
 */
SEALGATE_MUST_USE
sealgate_status sealgate_list_users(const struct sealgate_gate *gate,
                                    const char *after,
                                    size_t after_size,
                                    uint32_t most,
                                    struct sealgate_buffer *out);

/**
 * Returns an account as a JSON object, as in `sealgate_list_users`.
 *
 * `*out` receives the JSON; free it with `sealgate_buffer_free`. On failure it is empty.
 * Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (no such account), STORE. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_find_user(const struct sealgate_gate *gate,
                                   const char *name,
                                   size_t name_size,
                                   struct sealgate_buffer *out);

/**
 * Forgets the wrong passwords for an account, so that they no longer delay its logins, in any process that uses the same data
 * directory.
 *
 * Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (no such account), STORE, AUDIT_FAILED.
 * Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_unlock_user(const struct sealgate_gate *gate,
                                     const char *name,
                                     size_t name_size);

/**
 * Changes an account's password for its user, who knows the current one. All tokens of the account are revoked, and every
 * login ends. `sealgate_set_user_password` is for administrators, who do not know it.
 *
 * The current password is checked as `sealgate_check_password` does, and a wrong one counts in the same way; `from` is the
 * client's address. `*retry_after_ms` is 0 or, with RATE_LIMITED, the milliseconds to wait. The call takes as long as two
 * password hashes.
 * Statuses: NULL_POINTER, INVALID_UTF8, WEAK_PASSWORD (the new one), LOGIN_FAILED, RATE_LIMITED, STORE, AUDIT_FAILED, CRYPTO.
 * Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_change_password(const struct sealgate_gate *gate,
                                         const char *name,
                                         size_t name_size,
                                         const void *current,
                                         size_t current_size,
                                         const void *password,
                                         size_t password_size,
                                         const char *from,
                                         size_t from_size,
                                         uint64_t *retry_after_ms);

/**
 * Adds an API key: a credential for machines, which `sealgate_verify_token` and every server with the same data directory
 * accept like an access token.
 *
 * `owner` is the user that it stands for: 1 to 256 characters of UTF-8 without control characters. `scope` is scope names
 * separated by single spaces and may be empty; if the owner has an account, they must be scopes of the account, and the key
 * never permits more than the account does at the time of its use. `sealgate_default_scope` returns the scope of the account.
 * `expires_at`, in seconds since 1970-01-01 UTC, is when it expires; 0: it does not. `max_requests` and `window_seconds` are
 * a limit of its own; with 0 for both, its requests count as those of its owner.
 * `*key` receives the key, which is stored nowhere and cannot be read again; `*id` receives its id, by which it is listed and
 * revoked. Free both with `sealgate_buffer_free`. On failure they are empty.
 * Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (any of the arguments, or the owner has 1000 keys), SETTING (no data
 * directory, and keys that are not ephemeral), STORE, AUDIT_FAILED, CRYPTO. Thread safety: any thread. Since 0.1.
 *
 * ```c
 * sealgate_buffer key = {0}, id = {0};
 * if (sealgate_add_api_key(gate, SEALGATE_LITERAL("nightly-backup"), SEALGATE_LITERAL("encrypt"), 0, 0, 0, &key, &id) == SEALGATE_STATUS_OK) {
 *     printf("Authorization: Bearer %s\n", key.data);
 * }
 * sealgate_buffer_free(&key);
 * sealgate_buffer_free(&id);
 * ```
 */
SEALGATE_MUST_USE
sealgate_status sealgate_add_api_key(const struct sealgate_gate *gate,
                                     const char *owner,
                                     size_t owner_size,
                                     const char *scope,
                                     size_t scope_size,
                                     uint64_t expires_at,
                                     uint32_t max_requests,
                                     uint32_t window_seconds,
                                     struct sealgate_buffer *key,
                                     struct sealgate_buffer *id);

/**
 * Lists API keys, without their secrets, ordered by id.
 *
 * `owner` is the user whose keys are listed; with length 0, those of everybody. At most `most` keys are listed, starting after
 * the id `after` (with length 0, at the first). `*out` receives a JSON array, without a line feed; free it with
 * `sealgate_buffer_free`. On failure it is empty. Its objects have the members id, owner, scope, created, expires_at,
 * max_requests, window, last_used (the first second of the hour) and revoked_at; what a key does not have is null, and times
 * are seconds since 1970-01-01 UTC. Revoked keys are listed for some time.
 * Statuses: NULL_POINTER, INVALID_UTF8, STORE. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_list_api_keys(const struct sealgate_gate *gate,
                                       const char *owner,
                                       size_t owner_size,
                                       const char *after,
                                       size_t after_size,
                                       uint32_t most,
                                       struct sealgate_buffer *out);

/**
 * Revokes an API key by its id, for good. This gate refuses it from now on, and every gate and server with the same data
 * directory within a second. Revoking a key again succeeds.
 *
 * Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (no such key), STORE, AUDIT_FAILED. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_revoke_api_key(const struct sealgate_gate *gate,
                                        const char *id,
                                        size_t id_size);

/**
 * Revokes all API keys of a user, for good, as `sealgate_revoke_api_key` does.
 *
 * `*revoked` receives how many there were. On failure it is 0.
 * Statuses: NULL_POINTER, INVALID_UTF8, STORE, AUDIT_FAILED. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_revoke_api_keys_of(const struct sealgate_gate *gate,
                                            const char *owner,
                                            size_t owner_size,
                                            uint64_t *revoked);

/**
 * Counts a request with an API key, by its id (`sealgate_claims_api_key`), and reports whether it is admitted: against the
 * key's own limit or, if it has none, as a request of its owner.
 *
 * `*out` is as after `sealgate_enforce_limit`. On failure it is all zero.
 * Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (no such key, or it is not accepted any more).
 * Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_admit_api_key(const struct sealgate_gate *gate,
                                       const char *id,
                                       size_t id_size,
                                       struct sealgate_admission *out);

/**
 * The id of the API key that these are the claims of, as UTF-8 text, not NUL-terminated.
 *
 * `*out` points into the claims and is valid until they are freed; `*out_size` is its length. For the claims of a token they
 * are NULL and 0, as on failure. Of an API key that does not expire, `sealgate_claims_expires_at` is 253402300799, the last
 * second of the year 9999.
 * Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_claims_api_key(const struct sealgate_claims *claims,
                                        const char **out,
                                        size_t *out_size);

/**
 * Writes the key ring, the accounts with their sessions and revocations, and the counts of messages to a new file, while gates
 * and servers use them.
 *
 * `config` names the data directory; with NULL the environment does. `path_cstr` is NUL-terminated; the file appears once it
 * is complete, readable by its owner only, and an existing file is not replaced. With a `passphrase` of 12 to 1024 characters
 * the backup is sealed under it; without one (length 0) it contains the keys as the ring's file does. `*out` receives a JSON
 * object: `created`, `accounts`, `sessions`, `ring` (whether there is a key ring), `ring_sealed`, `token_keys` and
 * `data_keys` (numbers, or null if not known). Free it with `sealgate_buffer_free`. On failure it is empty, and there is no
 * file.
 * Statuses: NULL_POINTER, INVALID_ARGUMENT (the file exists, or the passphrase), NOT_FOUND (neither a key ring nor accounts),
 * SETTING, KEY_RING, STORE, AUDIT_FAILED, IO (it cannot be written), CRYPTO. Thread safety: any thread, if none changes
 * `config` or, with NULL, the environment. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_back_up(const struct sealgate_config *config,
                                 const char *path_cstr,
                                 const void *passphrase,
                                 size_t passphrase_size,
                                 struct sealgate_buffer *out);

/**
 * Replaces the state of the data directory by that of a backup, completely or not at all. No gate and no server may use the
 * directory.
 *
 * `config` names the data directory and the secret of its key ring; with NULL the environment does. `path_cstr` is
 * NUL-terminated, `passphrase` opens a sealed backup. Unless `force` is not 0, there must be neither keys nor accounts yet.
 * `*out` receives a JSON object: `data_dir`, `contents` as `sealgate_back_up` returns them, `kept` (the directory with the
 * previous state, else null) and `losses` (null if the previous keys are unknown) with the `kind` and `id` of the keys that are
 * `missing` now and of those that are `accepted_again`. Free it with `sealgate_buffer_free`. On failure it is empty, and
 * nothing has changed unless the error sentence says otherwise.
 * Statuses: NULL_POINTER, INVALID_ARGUMENT (the backup is damaged, of a newer version, sealed under another passphrase, or there
 * are keys or accounts), SETTING, STORE (a gate or a server uses the directory), AUDIT_FAILED, IO, CRYPTO. Thread safety: as
 * `sealgate_back_up`. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_restore(const struct sealgate_config *config,
                                 const char *path_cstr,
                                 const void *passphrase,
                                 size_t passphrase_size,
                                 int32_t force,
                                 struct sealgate_buffer *out);

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
 * The size of `data_size` bytes after sealing with `sealgate_seal_bytes`; SIZE_MAX if it would overflow.
 *
 * Thread safety: any thread, any time. Since 0.1.
 */
size_t sealgate_sealed_size(size_t data_size);

/**
 * The size of `sealed_size` sealed bytes after opening with `sealgate_open_bytes`; 0 if they are too few to be sealed
 * data.
 *
 * If the settings let the gate open the original program's AES-CBC, that data may be longer than this after opening, but
 * is always shorter than the input; `sealgate_open_bytes` then reports the size it needs.
 * Thread safety: any thread, any time. Since 0.1.
 */
size_t sealgate_opened_size(size_t sealed_size);

/**
 * Seals bytes into the caller's buffer, always in the sealed format: `sealgate_open_bytes` opens them, and
 * `sealgate_decrypt_data` opens their base64 text.
 *
 * `context` is authenticated but not stored: opening needs the same one. It may be empty. `out` has room for `out_room`
 * bytes and must not overlap the inputs. `*out_size` receives the number of bytes written or, with BUFFER_TOO_SMALL, the
 * number needed, which `sealgate_sealed_size` also returns. On any other failure it is 0. `out` may be NULL if `out_room`
 * is 0.
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
 * `context` is the one they were sealed with. `out` has room for `out_room` bytes and must not overlap the inputs.
 * `*out_size` receives the number of bytes written or, with BUFFER_TOO_SMALL, the number needed, which
 * `sealgate_opened_size` also returns. On any other failure it is 0, and no plaintext is left in `out`. `out` may be NULL
 * if `out_room` is 0. The buffer belongs to the caller: wipe it once its secret is no longer needed.
 * Statuses: NULL_POINTER, INVALID_ARGUMENT (an overlap), BUFFER_TOO_SMALL (which does not mean that the data would open),
 * DECRYPT_FAILED (the same for every cause). Thread safety: any thread. Since 0.1.
 *
 * ```c
 * char opened[128];
 * size_t opened_size;
 * if (sealgate_open_bytes(gate, sealed, sealed_size, NULL, 0, opened, sizeof opened, &opened_size) == SEALGATE_STATUS_OK) {
 *     fwrite(opened, 1, opened_size, stdout);
 * }
 * ```
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
 * The user that the token is for, as UTF-8 text, not NUL-terminated.
 *
 * `*out` points into the claims and is valid until they are freed; `*out_size` is its length. On failure they are NULL
 * and 0. Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_claims_subject(const struct sealgate_claims *claims,
                                        const char **out,
                                        size_t *out_size);

/**
 * The token's id, as UTF-8 text, not NUL-terminated.
 *
 * `*out` points into the claims and is valid until they are freed; `*out_size` is its length. The original program's
 * tokens have no id: they are then NULL and 0, as on failure.
 * Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_claims_id(const struct sealgate_claims *claims,
                                   const char **out,
                                   size_t *out_size);

/**
 * The scope names of the token, separated by single spaces, as UTF-8 text, not NUL-terminated; empty if it has none.
 *
 * `*out` points into the claims and is valid until they are freed; `*out_size` is its length. On failure they are NULL
 * and 0. Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_claims_scope(const struct sealgate_claims *claims,
                                      const char **out,
                                      size_t *out_size);

/**
 * Whether the token has a scope name: `*out` is 1 or 0.
 *
 * On failure `*out` is 0. Statuses: NULL_POINTER, INVALID_UTF8. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_claims_has_scope(const struct sealgate_claims *claims,
                                          const char *name,
                                          size_t name_size,
                                          int32_t *out);

/**
 * All claims of the token as a JSON object, as UTF-8 text, not NUL-terminated.
 *
 * `*out` points into the claims and is valid until they are freed; `*out_size` is its length. On failure they are NULL
 * and 0. Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_claims_json(const struct sealgate_claims *claims,
                                     const char **out,
                                     size_t *out_size);

/**
 * When the token expires, in seconds since 1970-01-01 UTC.
 *
 * On failure `*out` is 0. Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_claims_expires_at(const struct sealgate_claims *claims, uint64_t *out);

/**
 * When the token was issued, in seconds since 1970-01-01 UTC; 0 if the token does not record it, as with the original
 * program's tokens.
 *
 * On failure `*out` is 0. Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_claims_issued_at(const struct sealgate_claims *claims,
                                          uint64_t *out);

/**
 * Frees claims. NULL does nothing. Since 0.1.
 */
void sealgate_claims_free(struct sealgate_claims *claims);

/**
 * Creates a client, an account of a program, in the gate's data directory or, with ephemeral keys, one that is lost with the
 * gate. Returns the secret that is generated for it.
 *
 * `id` is 1 to 256 printable ASCII characters; users and clients share one set of names. `scope` is all that the client's
 * tokens may be used for, as names separated by single spaces; it may be empty. (The command and the Python package default
 * to SEALGATE_OPEN_LOGIN_SCOPE.) Once a client or a user has been created, tokens of users without an account are rejected,
 * and the server's /login requires passwords. `*out` receives the secret, 43 characters; free it with
 * `sealgate_buffer_free`. Only its hash is stored. On failure it is empty.
 * Statuses: NULL_POINTER, INVALID_UTF8, USER_EXISTS, INVALID_NAME, INVALID_ARGUMENT (the scope), SETTING (no data
 * directory), STORE, AUDIT_FAILED, CRYPTO. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_add_client(const struct sealgate_gate *gate,
                                    const char *id,
                                    size_t id_size,
                                    const char *scope,
                                    size_t scope_size,
                                    struct sealgate_buffer *out);

/**
 * Replaces a client's secret, revokes all its tokens, and returns the new secret.
 *
 * `*out` receives it; free it with `sealgate_buffer_free`. On failure it is empty.
 * Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (no such client), STORE, AUDIT_FAILED, CRYPTO.
 * Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_renew_client_secret(const struct sealgate_gate *gate,
                                             const char *id,
                                             size_t id_size,
                                             struct sealgate_buffer *out);

/**
 * Lists clients, ordered by id (bytewise): at most `most` of them, starting after the id `after`, which may be empty.
 *
 * `*out` receives a JSON array of objects with the members id, scope, disabled and created (seconds since 1970-01-01 UTC);
 * free it with `sealgate_buffer_free`. On failure it is empty.
 * Statuses: NULL_POINTER, INVALID_UTF8, STORE. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_list_clients(const struct sealgate_gate *gate,
                                      const char *after,
                                      size_t after_size,
                                      uint32_t most,
                                      struct sealgate_buffer *out);

/**
 * Changes a client's scope: names separated by single spaces, or none. Removing a name revokes all the client's tokens.
 *
 * Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (the scope is malformed), NOT_FOUND (no such client), STORE,
 * AUDIT_FAILED. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_set_client_scope(const struct sealgate_gate *gate,
                                          const char *id,
                                          size_t id_size,
                                          const char *scope,
                                          size_t scope_size);

/**
 * Disables a client (`disabled` is not 0), which revokes all its tokens permanently, or enables it again (0).
 *
 * Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (no such client), STORE, AUDIT_FAILED.
 * Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_set_client_disabled(const struct sealgate_gate *gate,
                                             const char *id,
                                             size_t id_size,
                                             int32_t disabled);

/**
 * Removes a client and revokes all its tokens.
 *
 * Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (no such client), STORE, AUDIT_FAILED.
 * Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_remove_client(const struct sealgate_gate *gate,
                                       const char *id,
                                       size_t id_size);

/**
 * Issues an access token to a client, as POST /token does with the grant client_credentials. The token's claim client_id is
 * the client.
 *
 * `scope` restricts what the token may be used for; if it is empty, it gets the whole scope of the client. `*out` receives
 * the token; free it with `sealgate_buffer_free`. On failure it is empty.
 * An unknown id, a wrong secret and a disabled client have the same status and take the same time. Guesses are not delayed:
 * a secret has 256 random bits.
 * Statuses: NULL_POINTER, INVALID_UTF8, LOGIN_FAILED, INVALID_ARGUMENT (more scope than the client has), STORE,
 * AUDIT_FAILED, CRYPTO. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_client_token(const struct sealgate_gate *gate,
                                      const char *id,
                                      size_t id_size,
                                      const void *secret,
                                      size_t secret_size,
                                      const char *scope,
                                      size_t scope_size,
                                      struct sealgate_buffer *out);

/**
 * Creates a configuration in which every setting has its default.
 *
 * `out` receives it; free it with `sealgate_config_free`. On failure `*out` is NULL.
 * Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_config_new(struct sealgate_config **out);

/**
 * Sets one setting, by its name in the settings file ("token_ttl") or in the environment ("SEALGATE_TOKEN_TTL"). It takes
 * precedence over the environment and a file. The value is checked when a gate is created.
 *
 * The name is UTF-8; the value is text or, for keys, bytes. Both are copied.
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
 */
SEALGATE_MUST_USE
sealgate_status sealgate_config_set(struct sealgate_config *config,
                                    const char *name,
                                    size_t name_size,
                                    const void *value,
                                    size_t value_size);

/**
 * Loads the settings in the process environment (JWT_SECRET_KEY, AES_KEY, SEALGATE_..., the file that SEALGATE_CONFIG
 * names). If no data directory is set, it uses the command's default, so programs on one machine share keys with `sealgate
 * serve`.
 *
 * Statuses: NULL_POINTER, SETTING. Thread safety: no thread may change the environment during the call. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_config_load_env(struct sealgate_config *config);

/**
 * Loads the settings of a TOML file. The environment, if loaded, and values set by `sealgate_config_set` take precedence.
 *
 * `path_cstr` is NUL-terminated. Statuses: NULL_POINTER, SETTING. Thread safety: one thread at a time. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_config_load_file(struct sealgate_config *config,
                                          const char *path_cstr);

/**
 * Frees a configuration and wipes its secrets. NULL does nothing. Gates created from it remain valid. Since 0.1.
 */
void sealgate_config_free(struct sealgate_config *config);

/**
 * Issues a signed token with custom claims, for an audience, or for later.
 *
 * `subject`, `scope` and `ttl_seconds` are as with `sealgate_issue_token`. `claims` is a JSON object of at most 4096 bytes
 * without white space, or empty for none. Names that have a meaning in tokens are refused in every spelling: iss, sub, aud,
 * exp and others, which docs/formats.md lists. `audience` says whom the token is for (aud): at most 256 bytes of UTF-8
 * without control characters, or empty for the setting audience. A token for another audience than the setting's is accepted
 * by `sealgate_verify_token_for` and by nothing else. `not_before` is the time before which the token is not valid (nbf), in
 * seconds since 1970-01-01 UTC, or 0; the lifetime still counts from now. `*out` receives the token; free it with
 * `sealgate_buffer_free`. On failure it is empty.
 * Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (also if the token would be longer than 8 KiB), STORE,
 * AUDIT_FAILED, CRYPTO. Thread safety: any thread. Since 0.1.
 *
 * ```c
 * sealgate_buffer token = {0};
 * if (sealgate_issue_token_with(gate, SEALGATE_LITERAL("alice"), SEALGATE_LITERAL("orders"), 300,
 *                               SEALGATE_LITERAL("{\"department\": \"ops\"}"), NULL, 0, 0, &token) == SEALGATE_STATUS_OK) {
 *     printf("Authorization: Bearer %s\n", token.data);
 * }
 * sealgate_buffer_free(&token);
 * ```
 */
SEALGATE_MUST_USE
sealgate_status sealgate_issue_token_with(const struct sealgate_gate *gate,
                                          const char *subject,
                                          size_t subject_size,
                                          const char *scope,
                                          size_t scope_size,
                                          uint32_t ttl_seconds,
                                          const char *claims,
                                          size_t claims_size,
                                          const char *audience,
                                          size_t audience_size,
                                          uint64_t not_before,
                                          struct sealgate_buffer *out);

/**
 * Verifies a token that must be for this audience, whatever the setting audience is.
 *
 * `sealgate_verify_token` and every route refuse a token for another audience than the setting's, so a token for one purpose,
 * such as confirming an address, is of no use for another. `audience` must not be empty. `*out` receives its claims; free
 * them with `sealgate_claims_free`. On failure it is NULL.
 * Statuses: INVALID_UTF8, INVALID_ARGUMENT (no audience), those of `sealgate_verify_token`; TOKEN_INVALID if the token is not
 * for this audience. Thread safety: any thread. Since 0.1.
 *
 * ```c
 * sealgate_claims *claims = NULL;
 * if (sealgate_verify_token_for(gate, token, strlen(token), SEALGATE_LITERAL("confirm-address"), &claims) == SEALGATE_STATUS_OK) {
 *     puts("the address is confirmed");
 * }
 * sealgate_claims_free(claims);
 * ```
 */
SEALGATE_MUST_USE
sealgate_status sealgate_verify_token_for(const struct sealgate_gate *gate,
                                          const char *token,
                                          size_t token_size,
                                          const char *audience,
                                          size_t audience_size,
                                          struct sealgate_claims **out);

/**
 * The JSON of one claim, whatever its type, as it is written in the token, as UTF-8 text, not NUL-terminated.
 *
 * `name` is compared exactly. `*out` points into the claims and is valid until they are freed; `*out_size` is its length. On
 * failure they are NULL and 0.
 * Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (the token has no such claim). Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_claims_get_json(const struct sealgate_claims *claims,
                                         const char *name,
                                         size_t name_size,
                                         const char **out,
                                         size_t *out_size);

/**
 * A claim that is a string, as UTF-8 text, which may contain any character, U+0000 too.
 *
 * `name` is compared exactly. `*out` receives the text; free it with `sealgate_buffer_free`. On failure it is empty.
 * Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (the token has no such claim), INVALID_ARGUMENT (it is no string).
 * Thread safety: any thread. Since 0.1.
 *
 * ```c
 * sealgate_claims *claims = NULL;
 * sealgate_buffer department = {0};
 * if (sealgate_verify_token(gate, token, strlen(token), &claims) == SEALGATE_STATUS_OK &&
 *     sealgate_claims_get_string(claims, SEALGATE_LITERAL("department"), &department) == SEALGATE_STATUS_OK) {
 *     puts(department.data);
 * }
 * sealgate_buffer_free(&department);
 * sealgate_claims_free(claims);
 * ```
 */
SEALGATE_MUST_USE
sealgate_status sealgate_claims_get_string(const struct sealgate_claims *claims,
                                           const char *name,
                                           size_t name_size,
                                           struct sealgate_buffer *out);

/**
 * A claim that is a whole number of 64 bits, written without a fraction and an exponent.
 *
 * `name` is compared exactly. On failure `*out` is 0.
 * Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (the token has no such claim), INVALID_ARGUMENT (it is no such number;
 * `sealgate_claims_get_json` has others). Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_claims_get_integer(const struct sealgate_claims *claims,
                                            const char *name,
                                            size_t name_size,
                                            int64_t *out);

/**
 * A claim that is true or false: `*out` is 1 or 0.
 *
 * `name` is compared exactly. On failure `*out` is 0.
 * Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (the token has no such claim), INVALID_ARGUMENT (it is neither).
 * Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_claims_get_boolean(const struct sealgate_claims *claims,
                                            const char *name,
                                            size_t name_size,
                                            int32_t *out);

/**
 * Creates an account as `sealgate_add_user` does, with custom claims that its logins get.
 *
 * `claims` is a JSON object as with `sealgate_issue_token_with`; "{}" for none.
 * Statuses: those of `sealgate_add_user`; INVALID_ARGUMENT also for claims that are not acceptable, or too large for a token
 * with the account's name and scope. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_add_user_with_claims(const struct sealgate_gate *gate,
                                              const char *name,
                                              size_t name_size,
                                              const void *password,
                                              size_t password_size,
                                              const char *scope,
                                              size_t scope_size,
                                              const char *claims,
                                              size_t claims_size);

/**
 * Changes the custom claims that an account's logins get from now on, refreshed ones included.
 *
 * `claims` is a JSON object as with `sealgate_issue_token_with`; "{}" removes them all. If a claim is removed or changed, all
 * tokens of the account are revoked.
 * Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (the claims are not acceptable, or too large for a token with the
 * account's name and scope), NOT_FOUND (no such account), STORE, AUDIT_FAILED. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_set_user_claims(const struct sealgate_gate *gate,
                                         const char *name,
                                         size_t name_size,
                                         const char *claims,
                                         size_t claims_size);

/**
 * Returns the custom claims of an account, which are for its logins; tokens that `sealgate_issue_token` issues do not get
 * them.
 *
 * `*out` receives a JSON object, "{}" if there are none; free it with `sealgate_buffer_free`. On failure it is empty.
 * Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (no such account), STORE. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_user_claims(const struct sealgate_gate *gate,
                                     const char *name,
                                     size_t name_size,
                                     struct sealgate_buffer *out);

/**
 * Copies the error sentence of this thread's last failed call into `buffer`, NUL-terminated, and returns the size that the
 * whole sentence needs, including the NUL. A sentence that does not fit is truncated.
 *
 * `buffer` may be NULL if `size` is 0, to get only the size. The sentence is for people and never contains a secret;
 * program logic should use the status. A successful call leaves it unchanged. Thread safety: each thread has its own.
 * Since 0.1.
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
 * Creates a gate.
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
 */
SEALGATE_MUST_USE
sealgate_status sealgate_new(const struct sealgate_config *config,
                             struct sealgate_gate **out);

/**
 * Frees a gate and wipes its keys. NULL does nothing. Claims and buffers that it returned remain valid. Since 0.1.
 */
void sealgate_free(struct sealgate_gate *gate);

/**
 * Issues a signed token.
 *
 * `subject` is the user: 1 to 256 characters of UTF-8 without control characters. `scope` is scope names separated by
 * single spaces and may be empty; `sealgate_default_scope` returns the scope of the user's account. `ttl_seconds` is the
 * token's lifetime, at most 315576000 (ten years); 0 uses the setting token_ttl. `*out` receives the token; free it with
 * `sealgate_buffer_free`. On failure it is empty. `sealgate_issue_token_with` adds custom claims, an audience and the time
 * from which on the token is valid.
 * Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT, AUDIT_FAILED, CRYPTO. Thread safety: any thread. Since 0.1.
 *
 * ```c
 * sealgate_buffer token = {0};
 * if (sealgate_issue_token(gate, SEALGATE_LITERAL("alice"), SEALGATE_LITERAL("encrypt decrypt"), 300, &token) == SEALGATE_STATUS_OK) {
 *     printf("Authorization: Bearer %s\n", token.data);
 * }
 * sealgate_buffer_free(&token);
 * ```
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
 * Verifies a token or an API key.
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
 */
SEALGATE_MUST_USE
sealgate_status sealgate_verify_token(const struct sealgate_gate *gate,
                                      const char *token,
                                      size_t token_size,
                                      struct sealgate_claims **out);

/**
 * Encrypts data and returns it as base64 text.
 *
 * `context` is authenticated but not stored: decrypting needs the same one. It may be empty. `*out` receives the text;
 * free it with `sealgate_buffer_free`. On failure it is empty.
 * Statuses: NULL_POINTER, INVALID_ARGUMENT (more than 1 GiB, or a context while AES-CBC is in use),
 * CRYPTO. Thread safety: any thread. Since 0.1.
 *
 * ```c
 * sealgate_buffer encrypted = {0};
 * if (sealgate_encrypt_data(gate, SEALGATE_LITERAL("4111 1111"), SEALGATE_LITERAL("orders/17/card"), &encrypted) == SEALGATE_STATUS_OK) {
 *     printf("to store: %s\n", encrypted.data);
 * }
 * sealgate_buffer_free(&encrypted);
 * ```
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
 * `encrypted_data` is base64 text; `context` is the one it was encrypted with. `*out` receives the data, which may be any
 * bytes; free it with `sealgate_buffer_free`, which wipes it. On failure it is empty.
 * Statuses: NULL_POINTER, DECRYPT_FAILED (the same for every cause). Thread safety: any thread. Since 0.1.
 *
 * ```c
 * sealgate_buffer data = {0};
 * if (sealgate_decrypt_data(gate, stored, strlen(stored), SEALGATE_LITERAL("orders/17/card"), &data) == SEALGATE_STATUS_OK) {
 *     fwrite(data.data, 1, data.size, stdout);
 * }
 * sealgate_buffer_free(&data);
 * ```
 */
SEALGATE_MUST_USE
sealgate_status sealgate_decrypt_data(const struct sealgate_gate *gate,
                                      const char *encrypted_data,
                                      size_t encrypted_data_size,
                                      const void *context,
                                      size_t context_size,
                                      struct sealgate_buffer *out);

/**
 * Seals encrypted data again, under the newest key and with the same context; the plaintext stays inside the library.
 *
 * `encrypted_data` is base64 text of data sealed under any accepted key or, with the setting cbc "open" and no context, of
 * the original program's AES-CBC. `*out` receives base64 text of sealed data; free it with `sealgate_buffer_free`. On
 * failure it is empty.
 * Statuses: NULL_POINTER, DECRYPT_FAILED (the same for every cause), KEY_RETIRED, INVALID_ARGUMENT (AES-CBC while the setting
 * cbc is "seal"), CRYPTO. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_rewrap_data(const struct sealgate_gate *gate,
                                     const char *encrypted_data,
                                     size_t encrypted_data_size,
                                     const void *context,
                                     size_t context_size,
                                     struct sealgate_buffer *out);

/**
 * Replaces all but the first `visible_chars` characters of a UTF-8 text with `*`. The original program's default is 3.
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
 */
SEALGATE_MUST_USE
sealgate_status sealgate_mask_data(const char *data,
                                   size_t data_size,
                                   size_t visible_chars,
                                   struct sealgate_buffer *out);

/**
 * Counts a user's request and reports whether it is admitted.
 *
 * `user` is any UTF-8 name. `*allowed` is 1 if the request is admitted, which counts it, and 0 if not; that is not an
 * error, and the status is OK. `*remaining` is the number of requests the user has left. `*retry_after_ms` is 0, or the
 * milliseconds to wait if the request is not admitted. If the limit is disabled (max_requests 0), every request is
 * admitted and `*remaining` is UINT32_MAX. On failure all three are 0.
 * Statuses: NULL_POINTER, INVALID_UTF8. Thread safety: any thread. Since 0.1.
 *
 * ```c
 * int32_t allowed;
 * uint32_t remaining;
 * uint64_t wait;
 * if (sealgate_enforce_rate_limit(gate, SEALGATE_LITERAL("alice"), &allowed, &remaining, &wait) == SEALGATE_STATUS_OK && !allowed) {
 *     printf("retry in %llu ms\n", (unsigned long long)wait);
 * }
 * ```
 */
SEALGATE_MUST_USE
sealgate_status sealgate_enforce_rate_limit(const struct sealgate_gate *gate,
                                            const char *user,
                                            size_t user_size,
                                            int32_t *allowed,
                                            uint32_t *remaining,
                                            uint64_t *retry_after_ms);

/**
 * Reports whether an access or refresh token is valid, and its claims, as POST /introspect does (RFC 7662).
 *
 * `*out` receives a JSON object: for a valid token `active` (true), `token_type`, `username`, `sub`, `scope` and the token's
 * times, ids and other claims; for any other only `active` (false). Free it with `sealgate_buffer_free`. On failure it is
 * empty.
 * Statuses: NULL_POINTER, STORE, TOKEN_UNCHECKED (the store cannot be read). Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_introspect(const struct sealgate_gate *gate,
                                    const char *token,
                                    size_t token_size,
                                    struct sealgate_buffer *out);

/**
 * Returns the public keys that verify tokens, for other programs: a JSON Web Key Set (RFC 7517), as /.well-known/jwks.json
 * serves it. It has no keys with HS256, whose keys are secret.
 *
 * `*out` receives the JSON; free it with `sealgate_buffer_free`. `*max_age` receives how long others may keep a copy, in
 * seconds. On failure they are empty and 0.
 * Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_public_keys(const struct sealgate_gate *gate,
                                     struct sealgate_buffer *out,
                                     uint64_t *max_age);

/**
 * Checks all of the store of accounts, sessions and revocations for damage. This takes longer the larger it is.
 *
 * Statuses: NULL_POINTER, NOT_FOUND (there is no store: no account was ever created, and no token revoked), STORE (it is
 * damaged or cannot be read; the error sentence explains how to restore it). Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_check_store(const struct sealgate_gate *gate);

/**
 * Lists the keys that the gate uses, oldest first and without their secrets, as a JSON object.
 *
 * `ring` is the path of the key ring's file (null without one), `complete` whether there are keys for tokens and for data,
 * `trouble` why the numbers of messages are too low (null if they are not), and `keys` an array of objects:
 * `kind` ("token", "data" or "AES-CBC"), `id` (null for AES-CBC), `algorithm` (of a token key, else null), `created` (null if
 * unknown), `newest` (whether it is used for new tokens or data), `signs_from` (when a token key that was published in advance
 * starts to sign, else null), `accepted` (true or false), `accepted_until` (null: no limit is set), `from` (where it comes
 * from) and `messages` (how many it has sealed; null for keys that are not counted). Times are in seconds since 1970-01-01
 * UTC. A later version may add members. Changes by other processes show within half a second. `*out` receives the JSON;
 * free it with `sealgate_buffer_free`. On failure it is empty.
 * Statuses: NULL_POINTER, KEY_RING. Thread safety: any thread. Since 0.1.
 *
 * ```c
 * sealgate_buffer keys = {0};
 * if (sealgate_list_keys(gate, &keys) == SEALGATE_STATUS_OK) {
 *     puts(keys.data);
 * }
 * sealgate_buffer_free(&keys);
 * ```
 */
SEALGATE_MUST_USE
sealgate_status sealgate_list_keys(const struct sealgate_gate *gate,
                                   struct sealgate_buffer *out);

/**
 * Adds random keys to the key ring as the newest. Existing keys stay, and are accepted indefinitely.
 *
 * `flags` is a sum of SEALGATE_KEYS_TOKEN and SEALGATE_KEYS_DATA, of which there must be one, and SEALGATE_KEYS_NOW. The gate
 * uses the keys at once, other processes within half a second; a token key with a public key signs only after the setting
 * token_key_lead. `*out` receives a JSON object: `ring` and `backup` are the paths of the ring's file and of the previous one,
 * `added` describes the new keys as `sealgate_list_keys` does. Free it with `sealgate_buffer_free`. On failure it is empty and
 * the ring is unchanged.
 * Statuses: NULL_POINTER, INVALID_ARGUMENT (the flags), SETTING (there is no key ring, or a key from the settings is always the
 * newest), KEY_RING, AUDIT_FAILED, CRYPTO. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_generate_keys(const struct sealgate_gate *gate,
                                       uint32_t flags,
                                       struct sealgate_buffer *out);

/**
 * Adds random keys to the key ring that replace those in use.
 *
 * `flags` is as for `sealgate_generate_keys`, and so is when the new keys are used. `grace_seconds` is how long the replaced
 * keys are still accepted: SEALGATE_GRACE_DEFAULT, or a number of seconds. With 0 they and all older token keys are retired at
 * once, which logs everybody out. `*out` is as with `sealgate_generate_keys`.
 * Statuses: those of `sealgate_generate_keys`. Thread safety: any thread. Since 0.1.
 *
 * ```c
 * sealgate_buffer added = {0};
 * sealgate_status status =
 *     sealgate_rotate_keys(gate, SEALGATE_KEYS_TOKEN | SEALGATE_KEYS_DATA, SEALGATE_GRACE_DEFAULT, &added);
 * if (status != SEALGATE_STATUS_OK) {
 *     puts(sealgate_status_name(status)); // "setting" for a gate without a key ring
 * }
 * sealgate_buffer_free(&added);
 * ```
 */
SEALGATE_MUST_USE
sealgate_status sealgate_rotate_keys(const struct sealgate_gate *gate,
                                     uint32_t flags,
                                     uint32_t grace_seconds,
                                     struct sealgate_buffer *out);

/**
 * Replaces keys of the ring that have reached the age limit in the settings, as a server does on its own.
 *
 * `*out` receives a JSON array that describes the new keys as `sealgate_list_keys` does; usually it is empty. Free it with
 * `sealgate_buffer_free`. On failure it is empty and the ring is unchanged.
 * Statuses: NULL_POINTER, KEY_RING, AUDIT_FAILED, CRYPTO. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_rotate_old_keys(const struct sealgate_gate *gate,
                                         struct sealgate_buffer *out);

/**
 * Stops accepting tokens and data that were made with these keys. The keys stay in the ring: `sealgate_accept_keys` undoes
 * this. A token key that has not signed anything yet is removed instead, and never signs.
 *
 * `ids` is one or more key ids, separated by single spaces. `*out` receives a JSON object: `ring` is the path of the ring's
 * file, `changed` an array with the `kind` and `id` of each key that was accepted before, `withdrawn` the ids of the keys that
 * were removed. Free it with `sealgate_buffer_free`. On failure it is empty and the ring is unchanged.
 * Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (no key of the ring has such an id, or the key is in use), SETTING
 * (there is no key ring), KEY_RING, AUDIT_FAILED. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_retire_keys(const struct sealgate_gate *gate,
                                     const char *ids,
                                     size_t ids_size,
                                     struct sealgate_buffer *out);

/**
 * Accepts tokens and data that were made with these keys again.
 *
 * `ids` is as for `sealgate_retire_keys`. `seconds` is how long they are accepted from now on; 0 is indefinitely. `*out` is as
 * with `sealgate_retire_keys`.
 * Statuses: those of `sealgate_retire_keys`. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_accept_keys(const struct sealgate_gate *gate,
                                     const char *ids,
                                     size_t ids_size,
                                     uint32_t seconds,
                                     struct sealgate_buffer *out);

/**
 * Rewrites the key ring's file and its backup sealed under the secret that the settings name (ring_key or ring_key_file).
 *
 * `*out` receives the path of the ring's file; free it with `sealgate_buffer_free`. On failure it is empty.
 * Statuses: NULL_POINTER, SETTING (the settings name no secret, or there is no key ring), KEY_RING, AUDIT_FAILED.
 * Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_seal_keys(const struct sealgate_gate *gate,
                                   struct sealgate_buffer *out);

/**
 * Rewrites the key ring's file and its backup in the clear, readable by their owner only.
 *
 * `*out` receives the path of the ring's file; free it with `sealgate_buffer_free`. On failure it is empty.
 * Statuses: NULL_POINTER, SETTING (there is no key ring), KEY_RING, AUDIT_FAILED. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_unseal_keys(const struct sealgate_gate *gate,
                                     struct sealgate_buffer *out);

/**
 * Returns the text of the key ring sealed under a passphrase, for storing elsewhere or for another machine. Keys from the
 * settings are not included.
 *
 * `passphrase` is 12 to 1024 characters of UTF-8. `*out` receives the text, which `sealgate_import_keys` and `sealgate keys
 * import` read; free it with `sealgate_buffer_free`. On failure it is empty.
 * Statuses: NULL_POINTER, INVALID_ARGUMENT (the passphrase), SETTING (there is no key ring), KEY_RING, AUDIT_FAILED, CRYPTO.
 * Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_export_keys(const struct sealgate_gate *gate,
                                     const void *passphrase,
                                     size_t passphrase_size,
                                     struct sealgate_buffer *out);

/**
 * Adds the keys of an exported ring to the key ring. Existing keys do not change, and the newest stay the newest.
 *
 * `exported` is what `sealgate_export_keys` or `sealgate keys export` wrote, `passphrase` the one that it was sealed under.
 * `*out` is as with `sealgate_generate_keys`.
 * Statuses: NULL_POINTER, INVALID_ARGUMENT (another passphrase, or not an exported ring), SETTING (there is no key ring),
 * KEY_RING, AUDIT_FAILED, CRYPTO. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_import_keys(const struct sealgate_gate *gate,
                                     const void *exported,
                                     size_t exported_size,
                                     const void *passphrase,
                                     size_t passphrase_size,
                                     struct sealgate_buffer *out);

/**
 * Reloads the key ring, so that changes by other processes take effect at once; otherwise they do within half a second.
 *
 * Statuses: NULL_POINTER, KEY_RING (it cannot be read or trusted: the previous keys stay in use).
 * Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_reload_keys(const struct sealgate_gate *gate);

/**
 * Returns why the current key ring file is not in use, if so: the gate then uses the previous keys.
 *
 * `*out` receives a sentence for people, which is empty if there is no trouble; free it with `sealgate_buffer_free`.
 * Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_key_trouble(const struct sealgate_gate *gate,
                                     struct sealgate_buffer *out);

/**
 * Counts a request against a policy and reports whether it is admitted: as a whole, or not at all.
 *
 * `policy` is "default", or one of the setting limits. `name` is who is counted: a user; for a policy per API key, the key's
 * id; for one per address, an IP address, or "unix" for the clients of Unix sockets. `cost` is how much the request costs, 1
 * for an ordinary one, and at most the policy's limit; 0 counts nothing. A request that is not admitted is no error: the
 * status is OK. On failure `*out` is all zero.
 * Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (no such policy, a cost above its limit, a name that is no
 * address). Thread safety: any thread. Since 0.1.
 *
 * ```c
 * sealgate_admission admission;
 * if (sealgate_enforce_limit(gate, SEALGATE_LITERAL("alice"), SEALGATE_LITERAL("default"), 1, &admission) == SEALGATE_STATUS_OK) {
 *     printf("%u of %u left\n", (unsigned)admission.remaining, (unsigned)admission.limit);
 * }
 * ```
 */
SEALGATE_MUST_USE
sealgate_status sealgate_enforce_limit(const struct sealgate_gate *gate,
                                       const char *name,
                                       size_t name_size,
                                       const char *policy,
                                       size_t policy_size,
                                       uint32_t cost,
                                       struct sealgate_admission *out);

/**
 * Reports whether `sealgate_enforce_limit` would admit a request now, and how much is left. Counts nothing.
 *
 * Arguments and statuses are those of `sealgate_enforce_limit`. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_peek_limit(const struct sealgate_gate *gate,
                                    const char *name,
                                    size_t name_size,
                                    const char *policy,
                                    size_t policy_size,
                                    uint32_t cost,
                                    struct sealgate_admission *out);

/**
 * Forgets the requests of `name` that a policy has counted, so that its whole limit is left.
 *
 * `*counted` is 1 if there were any, else 0. On failure it is 0. `name` and `policy` are as for `sealgate_enforce_limit`.
 * The audit trail gets the event limit.reset.
 * Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (no such policy, a name that is no address), AUDIT_FAILED.
 * Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_reset_limit(const struct sealgate_gate *gate,
                                     const char *name,
                                     size_t name_size,
                                     const char *policy,
                                     size_t policy_size,
                                     int32_t *counted);

/**
 * Passes the library's log lines up to `max_level` (SEALGATE_LOG_...; 0 is none) to `callback`. Without a callback nothing
 * is logged. NULL removes it.
 *
 * The callback applies to the whole process and replaces an earlier one. `drop`, which may be NULL, is called with `user`
 * once no thread is in `callback` any more: after the callback has been replaced or removed or, if this call fails, before
 * it returns. The library writes to no log of the host without this call, and other copies of the library in the process
 * are not affected. A forked child keeps the callback.
 * Statuses: INVALID_ARGUMENT (no such level), WRONG_STATE (the host is a Rust program with its own logger).
 * Thread safety: any thread. Since 0.1.
 *
 * ```c
 * if (sealgate_set_log(SEALGATE_LOG_WARN, on_line, stderr, NULL) != SEALGATE_STATUS_OK) {
 *     fputs("no log\n", stderr);
 * }
 * ```
 *
 * # Safety
 * `callback` and `drop` behave as their types document, on any thread.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_set_log(int32_t max_level,
                                 sealgate_log_callback callback,
                                 void *user,
                                 sealgate_drop drop);

/**
 * The user name, as UTF-8 text, not NUL-terminated: 1 to 256 characters, no control characters.
 *
 * `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
 * Statuses: NULL_POINTER. Thread safety: within the callback. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_login_username(const struct sealgate_login *login,
                                        const char **out,
                                        size_t *out_size);

/**
 * The password, a secret, as UTF-8 text, not NUL-terminated. It may be empty and contain any characters.
 *
 * `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
 * Statuses: NULL_POINTER. Thread safety: within the callback. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_login_password(const struct sealgate_login *login,
                                        const char **out,
                                        size_t *out_size);

/**
 * The client, as with `sealgate_request_client`: an IP address as text, or "unix", not NUL-terminated.
 *
 * `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
 * Statuses: NULL_POINTER. Thread safety: within the callback. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_login_client(const struct sealgate_login *login,
                                      const char **out,
                                      size_t *out_size);

/**
 * The request's id, as with `sealgate_request_id`, not NUL-terminated.
 *
 * `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
 * Statuses: NULL_POINTER. Thread safety: within the callback. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_login_request_id(const struct sealgate_login *login,
                                          const char **out,
                                          size_t *out_size);

/**
 * Allows the login, if the callback then returns 0.
 *
 * `scope` is the most that the user's tokens may be used for: names separated by single spaces, such as "secure-data
 * encrypt decrypt". With an empty one the tokens are accepted only by routes that require no particular scope. It is
 * copied.
 * Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (a malformed scope). Thread safety: within the callback. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_login_allow(struct sealgate_login *login,
                                     const char *scope,
                                     size_t scope_size);

/**
 * Sets the data that /secure-data returns, encrypted, for this request. It is copied, and the copy is wiped after use.
 *
 * Statuses: NULL_POINTER. Thread safety: within the callback. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_secure_data_set(struct sealgate_secure_data *secure_data,
                                         const void *data,
                                         size_t data_size);

/**
 * Reads the TLS certificate, its key and the client CA again, and reopens the files of the audit trail, as `sealgate serve` does
 * on SIGHUP.
 *
 * The server also detects changed TLS files on its own, within 5 seconds. New handshakes use the new certificate; connections
 * continue. If the files cannot be used, the previous ones stay in use. Without TLS only the files of the audit trail are
 * reopened: those of all gates in the process.
 * Statuses: NULL_POINTER, SETTING (the files cannot be used, or the certificate has expired), WRONG_STATE (not started),
 * FORKED. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_server_reload(const struct sealgate_server *server);

/**
 * The method, such as "GET", not NUL-terminated. A HEAD request has "HEAD" and is answered like GET: the library omits the
 * body.
 *
 * `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
 * Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_request_method(const struct sealgate_request *request,
                                        const char **out,
                                        size_t *out_size);

/**
 * The path as received, percent-encoded if the client encoded it, without the query, not NUL-terminated.
 *
 * `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
 * Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_request_path(const struct sealgate_request *request,
                                      const char **out,
                                      size_t *out_size);

/**
 * The part of the target after the first question mark, as received, not NUL-terminated.
 *
 * `*out` is valid during the callback; `*out_size` is its length. If there is no question mark, they are
 * NULL and 0, as on failure.
 * Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_request_query(const struct sealgate_request *request,
                                       const char **out,
                                       size_t *out_size);

/**
 * The value of the first header field of this name, in any case, as received. The bytes need not be UTF-8.
 *
 * `*out` is valid during the callback; `*out_size` is its length. If there is no such field, they are NULL
 * and 0, as on failure; an empty value is not NULL.
 * Statuses: NULL_POINTER, INVALID_UTF8. Thread safety: any thread, during the callback. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_request_header(const struct sealgate_request *request,
                                        const char *name,
                                        size_t name_size,
                                        const char **out,
                                        size_t *out_size);

/**
 * The part of the path that matches `{name}`, as received, percent-encoded if the client encoded it.
 *
 * `*out` is valid during the callback; `*out_size` is its length. If the route has no such parameter, they are NULL and 0,
 * as on failure.
 * Statuses: NULL_POINTER, INVALID_UTF8. Thread safety: any thread, during the callback. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_request_parameter(const struct sealgate_request *request,
                                           const char *name,
                                           size_t name_size,
                                           const char **out,
                                           size_t *out_size);

/**
 * The whole body, with its transfer coding removed; any bytes.
 *
 * `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
 * Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_request_body(const struct sealgate_request *request,
                                      const void **out,
                                      size_t *out_size);

/**
 * The other end of the connection: an IP address as text, or "unix" on a Unix socket, not NUL-terminated. Behind a
 * proxy it is the proxy.
 *
 * `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
 * Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_request_peer(const struct sealgate_request *request,
                                      const char **out,
                                      size_t *out_size);

/**
 * The client that limits apply to: the other end of the connection or, if that is a trusted proxy (setting
 * trusted_proxies), the client that the proxy names. An IP address as text, or "unix", not NUL-terminated.
 *
 * `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
 * Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_request_client(const struct sealgate_request *request,
                                        const char **out,
                                        size_t *out_size);

/**
 * The request's id, not NUL-terminated, as in the response's X-Request-Id and in the log line.
 *
 * `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
 * Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_request_id(const struct sealgate_request *request,
                                    const char **out,
                                    size_t *out_size);

/**
 * The id of the trace that the request belongs to, from its header traceparent (W3C Trace Context): 32 lowercase hexadecimal
 * digits, not NUL-terminated, as in the log line. NULL and 0 if there is no such header or it is not valid.
 *
 * `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
 * Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_request_trace_id(const struct sealgate_request *request,
                                          const char **out,
                                          size_t *out_size);

/**
 * The id of the caller's span in that trace: 16 lowercase hexadecimal digits; otherwise as `sealgate_request_trace_id`.
 *
 * Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_request_span_id(const struct sealgate_request *request,
                                         const char **out,
                                         size_t *out_size);

/**
 * The verified claims of the request's token; NULL if the route requires none.
 *
 * `*out` belongs to the request: it is valid during the callback and must not be freed. On failure it is NULL.
 * Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_request_claims(const struct sealgate_request *request,
                                        const struct sealgate_claims **out);

/**
 * Sets the status, from 200 to 599.
 *
 * Statuses: NULL_POINTER, INVALID_ARGUMENT. Thread safety: within the callback. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_response_set_status(struct sealgate_response *response, uint16_t status);

/**
 * Sets a header field, replacing an earlier one of the same name. Both texts are copied.
 *
 * The library sets the fields that determine the end of the response and the use of the connection (Content-Length,
 * Connection, Date, ...). A response with a body should have a Content-Type.
 * Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (the name is not a token, the value has control characters, or
 * the library sets the field). Thread safety: within the callback. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_response_set_header(struct sealgate_response *response,
                                             const char *name,
                                             size_t name_size,
                                             const char *value,
                                             size_t value_size);

/**
 * Sets the body, replacing an earlier one. The bytes are copied.
 *
 * Statuses: NULL_POINTER. Thread safety: within the callback. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_response_set_body(struct sealgate_response *response,
                                           const void *data,
                                           size_t data_size);

/**
 * Revokes a token: an access token together with the login that it belongs to, or a refresh token together with its login.
 *
 * Every gate and server with the same data directory rejects it within a second, until it would have expired. `*out`
 * receives the user that it was issued to; free it with `sealgate_buffer_free`. On failure it is empty. Revoking a token
 * again succeeds.
 * Statuses: NULL_POINTER, TOKEN_MISSING, TOKEN_MALFORMED, TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_NOT_YET_VALID,
 * TOKEN_KEY_RETIRED, INVALID_ARGUMENT (an API key: `sealgate_revoke_api_key` revokes those), SETTING (no data directory, and
 * keys that are not ephemeral), STORE, AUDIT_FAILED.
 * Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_revoke_token(const struct sealgate_gate *gate,
                                      const char *token,
                                      size_t token_size,
                                      struct sealgate_buffer *out);

/**
 * Revokes a token by its id (`sealgate_claims_id`), or a login by its id (the claim sid).
 *
 * `expires_at`, in seconds since 1970-01-01 UTC, is when it expires; the revocation is kept until then. 0 if that is not
 * known.
 * Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (not a valid id), SETTING, STORE, AUDIT_FAILED.
 * Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_revoke_token_id(const struct sealgate_gate *gate,
                                         const char *id,
                                         size_t id_size,
                                         uint64_t expires_at);

/**
 * Revokes all tokens issued to a user until now, and ends all the user's logins. The original program's tokens, which do
 * not record when they were issued, are rejected from now on.
 *
 * Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (not a valid name), SETTING, STORE, AUDIT_FAILED.
 * Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_revoke_user(const struct sealgate_gate *gate,
                                     const char *user,
                                     size_t user_size);

/**
 * Adds a route to a server that has not been started.
 *
 * `method` is "GET" (which also answers HEAD), "POST" or another one. `path` begins with a slash; a segment in braces, as
 * in "/orders/{id}", matches any text. `flags` is a sum of SEALGATE_ROUTE_...; `scope` is the one scope name that the
 * token needs, or empty if any token is accepted. `callback` is called with `user`; `drop`, which may be NULL, is called
 * with `user` when the library will not use it again or, if this call fails, before it returns.
 * Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (an unknown flag, a path that is malformed or already in use, a
 * scope or a limit without a token), WRONG_STATE (it has been started), FORKED. Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `server` is NULL or live; the texts are NULL or valid for their sizes; `callback` and `drop` behave as their types
 * document, on any thread.
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
 * Sets the login callback: `POST /login` then takes {"username", "password"} and calls `callback`.
 *
 * It replaces an earlier one. Every client that reaches the server can then log in, unless the setting "login" is "off".
 * `user` and `drop` are as with `sealgate_server_route`.
 * Statuses: NULL_POINTER, WRONG_STATE (it has been started), FORKED. Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `server` is NULL or live; `callback` and `drop` behave as their types document, on any thread.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_server_set_authenticate(const struct sealgate_server *server,
                                                 sealgate_authenticate_callback callback,
                                                 void *user,
                                                 sealgate_drop drop);

/**
 * Lets `callback` supply the data of /secure-data, instead of the settings "secure_data" and "secure_data_file".
 *
 * It replaces an earlier one. `user` and `drop` are as with `sealgate_server_route`.
 * Statuses: NULL_POINTER, WRONG_STATE (it has been started), FORKED. Thread safety: any thread. Since 0.1.
 *
 * # Safety
 * `server` is NULL or live; `callback` and `drop` behave as their types document, on any thread.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_server_set_secure_data(const struct sealgate_server *server,
                                                sealgate_secure_data_callback callback,
                                                void *user,
                                                sealgate_drop drop);

/**
 * Limits a route that was added with `sealgate_server_route` by a policy: each request costs `cost`, at least 1.
 *
 * It may be called several times for different policies; all of them have to admit a request, and the response reports all
 * of them. `method` and `path` are those of the route. The policies of the gate are known when the server starts:
 * `sealgate_server_start` then returns INVALID_ARGUMENT if there is none of this name, if its limit is below the cost, or if
 * it counts users and the route needs no token.
 * Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (no such route, a cost of 0), WRONG_STATE (it has been started),
 * FORKED. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_server_limit_route(const struct sealgate_server *server,
                                            const char *method,
                                            size_t method_size,
                                            const char *path,
                                            size_t path_size,
                                            const char *policy,
                                            size_t policy_size,
                                            uint32_t cost);

/**
 * Creates a server that does not serve yet.
 *
 * `gate` may be freed afterwards: the server keeps what it needs. From `config` it takes the server's settings ("listen",
 * "login", ...), but not the gate's; `config` may be freed too. With NULL the settings come from the environment. `*out`
 * receives the server; free it with `sealgate_server_free`. On failure `*out` is NULL.
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
 *     // ... serve for a while; then give running requests half a second to finish.
 *     if (sealgate_server_stop(server, 500) != SEALGATE_STATUS_OK) {
 *         puts("requests were still running");
 *     }
 * }
 * sealgate_server_free(server);
 * ```
 */
SEALGATE_MUST_USE
sealgate_status sealgate_server_new(const struct sealgate_gate *gate,
                                    const struct sealgate_config *config,
                                    struct sealgate_server **out);

/**
 * Binds the addresses of the setting "listen" and starts serving. Routes and callbacks cannot be added afterwards.
 *
 * It returns once clients can connect. After a failure the server can only be freed.
 * Statuses: NULL_POINTER, SETTING (an address is unavailable, a file is unusable), IO, WRONG_STATE (it has already been
 * started), FORKED. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_server_start(const struct sealgate_server *server);

/**
 * The port of the server's first TCP address: the actual one if port 0 was configured; 0 if it serves only Unix sockets.
 *
 * On failure `*out` is 0. Statuses: NULL_POINTER, WRONG_STATE (not started), FORKED. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_server_port(const struct sealgate_server *server,
                                     uint16_t *out);

/**
 * An address that is served, as "http://127.0.0.1:5000", "https://..." or "unix:/path". The addresses of the setting
 * "listen" are numbered from 0; past the last one the text is empty.
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
 */
SEALGATE_MUST_USE
sealgate_status sealgate_server_address(const struct sealgate_server *server,
                                        size_t number,
                                        struct sealgate_buffer *out);

/**
 * The metrics of the server, its gate and the process in the Prometheus text format 0.0.4, as GET /metrics returns them
 * at the address of the setting "metrics_listen". This needs no such address.
 *
 * `*out` receives the text; free it with `sealgate_buffer_free`. On failure it is empty.
 * Statuses: NULL_POINTER, WRONG_STATE (not started), FORKED. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_server_metrics(const struct sealgate_server *server,
                                        struct sealgate_buffer *out);

/**
 * Stops the server: it accepts no new requests, and running ones have `drain_ms` milliseconds to finish. It returns when
 * all have finished or the time is up, at most about a second later. It may be called more than once, and before the
 * start.
 *
 * After TIMED_OUT a callback may still be running; what it uses must stay valid until its `drop` has been called.
 * Statuses: NULL_POINTER, TIMED_OUT (requests were still running; they get no response), WOULD_DEADLOCK (from one of the
 * server's own callbacks, or a log callback), WRONG_STATE (another thread is starting it), FORKED.
 * Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_server_stop(const struct sealgate_server *server,
                                     uint32_t drain_ms);

/**
 * Frees a server. If it has not been stopped, it is stopped first, with 1,000 milliseconds for running requests. NULL does
 * nothing.
 *
 * A callback that is still running afterwards continues, and its `drop` is called when it returns. In a forked child the
 * handle is freed and the child's copies of the listening sockets are closed, so that they do not keep the parent's
 * addresses in use. Nothing else is touched: no thread is joined and no `drop` is called. A child forked in one of the
 * server's own callbacks may free the server there.
 * Statuses: WOULD_DEADLOCK (from one of the server's own callbacks, or a log callback): the server is then not freed.
 * Thread safety: no other thread may use the server. Since 0.1.
 *
 * # Safety
 * `server` is NULL or came from `sealgate_server_new`, and is not used again unless the status is not OK.
 */
sealgate_status sealgate_server_free(struct sealgate_server *server);

/**
 * Lists the logins of an account that can be refreshed as a JSON array, oldest first; at most 100.
 *
 * Each login is an object: `id` (the claim `sid` of its tokens), `started`, `refreshed` (when its refresh token was last used;
 * null if it never was) and `expires` (when it ends unless it is refreshed before), in seconds since 1970-01-01 UTC;
 * `started` is null for a login from before this was recorded. A later version may add members. `*out` receives the JSON;
 * free it with `sealgate_buffer_free`. On failure it is empty.
 * Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (no such account), STORE. Thread safety: any thread. Since 0.1.
 *
 * ```c
 * sealgate_buffer sessions = {0};
 * if (sealgate_list_sessions(gate, SEALGATE_LITERAL("alice"), &sessions) == SEALGATE_STATUS_OK) {
 *     puts(sessions.data); // [{"id":"tF0wcMOhVqHJcvzDVsR2Xg","started":1795491237,"refreshed":null,"expires":1796700837}]
 * }
 * sealgate_buffer_free(&sessions);
 * ```
 */
SEALGATE_MUST_USE
sealgate_status sealgate_list_sessions(const struct sealgate_gate *gate,
                                       const char *user,
                                       size_t user_size,
                                       struct sealgate_buffer *out);

/**
 * Ends a login by its id, which `sealgate_list_sessions` returns, and revokes its tokens. `sealgate_revoke_user` ends all
 * logins of a user.
 *
 * `*out` receives the user; free it with `sealgate_buffer_free`. On failure it is empty.
 * Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (no such login), STORE, AUDIT_FAILED. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_end_session(const struct sealgate_gate *gate,
                                     const char *id,
                                     size_t id_size,
                                     struct sealgate_buffer *out);

/**
 * Encrypts data and returns it as text for a URL, a cookie or a file name: base64url without padding.
 *
 * The text records the time, which everybody can read: `sealgate_decrypt_fresh` refuses text that is too old, and
 * `sealgate_decrypt_data` decrypts it at any age. `context` is authenticated but not stored: decrypting needs the same one.
 * It may be empty. `*out` receives the text; free it with `sealgate_buffer_free`. On failure it is empty.
 * Statuses: NULL_POINTER, INVALID_ARGUMENT (more than 1 GiB), CRYPTO. Thread safety: any thread. Since 0.1.
 *
 * ```c
 * sealgate_buffer link = {0};
 * if (sealgate_encrypt_url_safe(gate, SEALGATE_LITERAL("alice"), SEALGATE_LITERAL("confirm address"), &link) == SEALGATE_STATUS_OK) {
 *     printf("https://example.org/confirm/%s\n", link.data);
 * }
 * sealgate_buffer_free(&link);
 * ```
 */
SEALGATE_MUST_USE
sealgate_status sealgate_encrypt_url_safe(const struct sealgate_gate *gate,
                                          const void *data,
                                          size_t data_size,
                                          const void *context,
                                          size_t context_size,
                                          struct sealgate_buffer *out);

/**
 * Decrypts text from `sealgate_encrypt_url_safe`, unless it is older than `max_age_seconds`.
 *
 * A time in the future is accepted up to the setting leeway, because clocks differ. `context` is the one that the data was
 * encrypted with. `*out` receives the data; free it with `sealgate_buffer_free`, which wipes it. On failure it is empty.
 * Statuses: NULL_POINTER, DECRYPT_FAILED (the same for every cause), NOT_FRESH (only for authentic data: it is older, dated in
 * the future, or without a time), KEY_RETIRED. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_decrypt_fresh(const struct sealgate_gate *gate,
                                       const char *encrypted_data,
                                       size_t encrypted_data_size,
                                       const void *context,
                                       size_t context_size,
                                       uint64_t max_age_seconds,
                                       struct sealgate_buffer *out);

/**
 * Signs a payload and returns it as text for a URL or a cookie: base64url without padding.
 *
 * The payload is not encrypted: whoever has the text can read it, and the time when it was signed. `context` says what it is
 * for; it is authenticated but not stored, and `sealgate_unsign` needs the same one. It may be empty. `*out` receives the
 * text; free it with `sealgate_buffer_free`. On failure it is empty.
 * Statuses: NULL_POINTER, INVALID_ARGUMENT (more than 1 GiB), CRYPTO. Thread safety: any thread. Since 0.1.
 *
 * ```c
 * sealgate_buffer text = {0}, payload = {0};
 * uint64_t signed_at = 0;
 * if (sealgate_sign(gate, SEALGATE_LITERAL("alice"), SEALGATE_LITERAL("unsubscribe"), &text) == SEALGATE_STATUS_OK &&
 *     sealgate_unsign(gate, text.data, text.size, SEALGATE_LITERAL("unsubscribe"), 3600, &payload, &signed_at) == SEALGATE_STATUS_OK) {
 *     printf("%s may be unsubscribed\n", payload.data);
 * }
 * sealgate_buffer_free(&text);
 * sealgate_buffer_free(&payload);
 * ```
 */
SEALGATE_MUST_USE
sealgate_status sealgate_sign(const struct sealgate_gate *gate,
                              const void *payload,
                              size_t payload_size,
                              const void *context,
                              size_t context_size,
                              struct sealgate_buffer *out);

/**
 * Checks text from `sealgate_sign` and returns its payload, unless it is older than `max_age_seconds`; UINT64_MAX permits any
 * time.
 *
 * With any smaller number, a time in the future is accepted up to the setting leeway, because clocks differ. `context` is the
 * one that it was signed with. `*out` receives the payload, which may be any bytes; free it with `sealgate_buffer_free`.
 * `*signed_at` receives the time of the signature, in seconds since 1970-01-01 UTC. On failure they are empty and 0.
 * Statuses: NULL_POINTER, SIGNATURE_INVALID (the same for every cause), NOT_FRESH (only with a valid signature: it is older, or
 * dated in the future), KEY_RETIRED. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_unsign(const struct sealgate_gate *gate,
                                const char *text,
                                size_t text_size,
                                const void *context,
                                size_t context_size,
                                uint64_t max_age_seconds,
                                struct sealgate_buffer *out,
                                uint64_t *signed_at);

/**
 * The name of a status in snake case, such as "token_expired"; "unknown" for an unknown number.
 *
 * The text lives as long as the process and must not be freed. Thread safety: any thread, any time. Since 0.1.
 */
const char *sealgate_status_name(int32_t status);

/**
 * Starts sealing a stream, under the key that is newest now.
 *
 * `context` is authenticated but not stored: opening needs the same one. It may be empty, is at most 64 KiB long, and is
 * copied. `*out` receives the stream; free it with `sealgate_stream_free`. On failure it is NULL. The gate may be freed
 * before the stream.
 * Statuses: NULL_POINTER, INVALID_ARGUMENT (a longer context), CRYPTO. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_stream_seal(const struct sealgate_gate *gate,
                                     const void *context,
                                     size_t context_size,
                                     struct sealgate_stream **out);

/**
 * Starts opening a stream.
 *
 * `context` is the one it was sealed with. `*out` receives the stream; free it with `sealgate_stream_free`. On failure it
 * is NULL. The gate may be freed before the stream.
 * Statuses: NULL_POINTER, INVALID_ARGUMENT (a context of more than 64 KiB). Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_stream_open(const struct sealgate_gate *gate,
                                     const void *context,
                                     size_t context_size,
                                     struct sealgate_stream **out);

/**
 * The number of bytes that `sealgate_stream_push` would write now for `data_size` bytes: at most `data_size` plus 128 KiB.
 *
 * 0 for NULL and for a stream that is finished or has failed; SIZE_MAX if it would overflow.
 * Thread safety: one thread at a time. Since 0.1.
 */
size_t sealgate_stream_push_size(const struct sealgate_stream *stream,
                                 size_t data_size);

/**
 * The number of bytes that `sealgate_stream_finish` would write now: at most 128 KiB. 0 for NULL.
 *
 * Thread safety: one thread at a time. Since 0.1.
 */
size_t sealgate_stream_finish_size(const struct sealgate_stream *stream);

/**
 * Seals or opens the next piece of the data, of any size, and writes what is complete into the caller's buffer.
 *
 * `out` has room for `out_room` bytes and must not overlap `data`. `*out_size` receives the number of bytes written, which
 * may be 0, or, with BUFFER_TOO_SMALL, the number needed, which `sealgate_stream_push_size` also returns; the stream is
 * then unchanged. On any other failure it is 0, and `out` holds no plaintext from this call. `out` may be NULL if
 * `out_room` is 0.
 * Statuses: NULL_POINTER, INVALID_ARGUMENT (an overlap, more than 256 TiB), BUFFER_TOO_SMALL, WRONG_STATE (already finished),
 * DECRYPT_FAILED (opening; the same for every cause), KEY_RETIRED, CRYPTO. Thread safety: one thread at a time. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_stream_push(struct sealgate_stream *stream,
                                     const void *data,
                                     size_t data_size,
                                     void *out,
                                     size_t out_room,
                                     size_t *out_size);

/**
 * Ends a stream and writes its last bytes into the caller's buffer. When opening, success means that the whole stream was
 * received.
 *
 * The outputs are those of `sealgate_stream_push`; `sealgate_stream_finish_size` returns the number of bytes. The stream
 * then accepts no more data; free it with `sealgate_stream_free`.
 * Statuses: NULL_POINTER, BUFFER_TOO_SMALL, WRONG_STATE (already finished), INVALID_ARGUMENT (more than 256 TiB),
 * DECRYPT_FAILED (opening; the same for every cause), CRYPTO. Thread safety: one thread at a time. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_stream_finish(struct sealgate_stream *stream,
                                       void *out,
                                       size_t out_room,
                                       size_t *out_size);

/**
 * Frees a stream, finished or not, and wipes what it holds. NULL does nothing. Since 0.1.
 */
void sealgate_stream_free(struct sealgate_stream *stream);

/**
 * Creates an account in the gate's data directory or, with ephemeral keys, one that is lost with the gate.
 *
 * `name` is 1 to 256 characters of UTF-8 without control characters. `password` is 8 to 128 characters of UTF-8 and not a
 * common password. `scope` is all that the account's tokens may be used for, as names separated by single spaces; it may
 * be empty. (The command and the Python package default to SEALGATE_OPEN_LOGIN_SCOPE.) Once an account has been created,
 * tokens of users without an account are rejected, and the server's /login requires passwords. The call takes as long as a
 * password hash.
 * Statuses: NULL_POINTER, INVALID_UTF8, USER_EXISTS, INVALID_NAME, WEAK_PASSWORD, INVALID_ARGUMENT (the scope),
 * SETTING (no data directory), STORE, AUDIT_FAILED, CRYPTO. Thread safety: any thread. Since 0.1.
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
 * Returns the default scope of a user's tokens: the scope of the account with this name, or SEALGATE_OPEN_LOGIN_SCOPE if
 * there is none. `sealgate token issue` and Python's `issue_token` use it by default; `sealgate_issue_token` uses the
 * scope that it is passed.
 *
 * `*out` receives names separated by single spaces, or none; free it with `sealgate_buffer_free`. On failure it is empty.
 * Statuses: NULL_POINTER, INVALID_UTF8, STORE. Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_default_scope(const struct sealgate_gate *gate,
                                       const char *subject,
                                       size_t subject_size,
                                       struct sealgate_buffer *out);

/**
 * Checks a password and returns the scope of the account.
 *
 * `from` is the client's address as text, or anything else that identifies its location; it may be empty. After several
 * wrong passwords for one name from one place (setting lockout_after), further attempts from there have to wait, longer
 * each time. Guesses from other places slow a name down too, but not where it has logged in from before: docs/accounts.md,
 * "Guessing".
 * `*out` receives the scope of the account: names separated by single spaces, or none; free it with
 * `sealgate_buffer_free`. `*retry_after_ms` is 0 or, with RATE_LIMITED, the milliseconds to wait. On failure `*out` is
 * empty.
 * An unknown name, a wrong password and a disabled account have the same status and take the same time. The call takes as
 * long as a password hash, and waits while as many hashes are being computed as the setting password_hashes permits.
 * Statuses: NULL_POINTER, INVALID_UTF8, LOGIN_FAILED, RATE_LIMITED, STORE, AUDIT_FAILED, CRYPTO.
 * Thread safety: any thread. Since 0.1.
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
 * Logs an account in: checks the password as `sealgate_check_password` does, and returns tokens.
 *
 * `scope` restricts what the tokens may be used for; if it is empty, they get the whole scope of the account. `*token`
 * receives the access token, `*refresh_token` the token for `sealgate_refresh` (empty if the setting refresh_ttl is 0);
 * free both with `sealgate_buffer_free`. On failure they are empty.
 * Statuses: those of `sealgate_check_password`, INVALID_ARGUMENT (more scope than the account has), SETTING.
 * Thread safety: any thread. Since 0.1.
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
 * Exchanges a refresh token for new tokens; it can be used only once. A second use means that somebody has a copy, and
 * revokes all tokens of its login.
 *
 * `scope` restricts what the access token may be used for; it may be empty. Outputs as with `sealgate_log_in`.
 * Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (more scope than the login has), TOKEN_MISSING, TOKEN_MALFORMED,
 * TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_NOT_YET_VALID, TOKEN_KEY_RETIRED, TOKEN_REVOKED, STORE, AUDIT_FAILED,
 * CRYPTO.
 * Thread safety: any thread. Since 0.1.
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
 * Changes an account's password and revokes all its tokens.
 *
 * Statuses: NULL_POINTER, INVALID_UTF8, WEAK_PASSWORD, NOT_FOUND (no such account), STORE, AUDIT_FAILED, CRYPTO.
 * Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_set_user_password(const struct sealgate_gate *gate,
                                           const char *name,
                                           size_t name_size,
                                           const void *password,
                                           size_t password_size);

/**
 * Changes an account's scope: names separated by single spaces, or none. Removing a name revokes all the account's tokens.
 *
 * Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (the scope is malformed), NOT_FOUND (no such account), STORE,
 * AUDIT_FAILED.
 * Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_set_user_scope(const struct sealgate_gate *gate,
                                        const char *name,
                                        size_t name_size,
                                        const char *scope,
                                        size_t scope_size);

/**
 * Disables an account (`disabled` is not 0), which revokes all its tokens permanently, or enables it again (0).
 *
 * Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (no such account), STORE, AUDIT_FAILED.
 * Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_set_user_disabled(const struct sealgate_gate *gate,
                                           const char *name,
                                           size_t name_size,
                                           int32_t disabled);

/**
 * Removes an account and revokes all its tokens. Logins still require a password after the last account is removed.
 *
 * Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (no such account), STORE, AUDIT_FAILED.
 * Thread safety: any thread. Since 0.1.
 */
SEALGATE_MUST_USE
sealgate_status sealgate_remove_user(const struct sealgate_gate *gate,
                                     const char *name,
                                     size_t name_size);

/**
 * The version of the running library, such as "0.1.0".
 *
 * The text lives as long as the process and must not be freed. Compare it with SEALGATE_VERSION_STRING, the version of the
 * header that the program was compiled with. Thread safety: any thread, any time. Since 0.1.
 */
const char *sealgate_version_string(void);

/**
 * The version of the running library as a number that increases: major << 16 | minor << 8 | patch.
 *
 * SEALGATE_VERSION_NUMBER is that of the header. Thread safety: any thread, any time. Since 0.1.
 */
uint32_t sealgate_version_number(void);

/**
 * Which programs this library is compatible with: those compiled with a header of the same SEALGATE_ABI_VERSION.
 *
 * It is the minor version before 1.0, then major << 16. Thread safety: any thread, any time. Since 0.1.
 */
uint32_t sealgate_abi_version(void);

/**
 * Whether this library has a feature, by its name: 1 or 0. An unknown name returns 0.
 *
 * `name` is one of the SEALGATE_FEATURE_... texts; NULL is permitted and returns 0.
 * Thread safety: any thread, any time. Since 0.1.
 *
 * ```c
 * if (!sealgate_has_feature(SEALGATE_FEATURE_TLS, strlen(SEALGATE_FEATURE_TLS))) {
 *     puts("this library has no TLS");
 * }
 * ```
 */
int32_t sealgate_has_feature(const char *name, size_t name_size);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SEALGATE_H */
