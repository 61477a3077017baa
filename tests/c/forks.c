/* Forks beside threads that use every kind of call: no child finds a lock that nobody will open, and each can use every kind of
 * call, in a child of its own too. `forks NUMBER`. */

#include "client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

static sealgate_gate *gate, *stored;
static sealgate_server *server;
static sealgate_config *config, *ring;
static uint16_t port;
static atomic_int over, lines, in_callbacks;
static char folder[512];

static void on_line(int32_t level, const char *target, size_t target_size, const char *line, size_t line_size, void *user)
{
    (void)level, (void)target, (void)target_size, (void)line, (void)line_size, (void)user;
    lines++;
}

/* Every kind of call, once. Checks what can be known beside other threads. */
static void use_everything(unsigned number)
{
    static const char *const password = "a long enough secret";
    sealgate_buffer token = {0}, again = {0}, text = {0}, back = {0}, masked = {0}, other = {0};
    sealgate_claims *claims = NULL;
    sealgate_stream *stream = NULL;
    sealgate_gate *fresh = NULL;
    unsigned char sealed[256], opened[256];
    char user[40];
    size_t size = 0;
    int32_t allowed = 0;
    uint32_t remaining = 0;
    uint64_t wait = 0;
    snprintf(user, sizeof user, "user-%u", number);
    OK(sealgate_issue_token(gate, user, strlen(user), "decrypt encrypt", 15, 60, &token));
    OK(sealgate_verify_token(gate, token.data, token.size, &claims));
    OK(sealgate_encrypt_data(gate, user, strlen(user), "c", 1, &text));
    OK(sealgate_decrypt_data(gate, text.data, text.size, "c", 1, &back));
    CHECK(strcmp(back.data, user) == 0);
    OK(sealgate_seal_bytes(stored, user, strlen(user), NULL, 0, sealed, sizeof sealed, &size));
    OK(sealgate_open_bytes(stored, sealed, size, NULL, 0, opened, sizeof opened, &size));
    OK(sealgate_stream_seal(stored, NULL, 0, &stream));
    OK(sealgate_mask_data(user, strlen(user), 1, &masked));
    for (int at = 0; at < 20; at++) {
        OK(sealgate_enforce_rate_limit(gate, user, strlen(user), &allowed, &remaining, &wait));
    }
    OK(sealgate_new(ring, &fresh)); /* reads the key ring */
    sealgate_claims_free(claims);
    claims = NULL;
    sealgate_buffer_free(&token);
    if (number % 3 == 0) {
        OK(sealgate_add_user(stored, user, strlen(user), password, strlen(password), "encrypt", 7));
        OK(sealgate_log_in(stored, user, strlen(user), password, strlen(password), "", 0, "", 0, &token, &again, &wait));
        OK(sealgate_verify_token(stored, token.data, token.size, &claims));
        IS(LOGIN_FAILED, sealgate_check_password(stored, user, strlen(user), "wrong one", 9, "here", 4, &other, &wait));
        sealgate_buffer_free(&token);
        OK(sealgate_refresh(stored, again.data, again.size, "", 0, &token, &other));
        OK(sealgate_revoke_user(stored, user, strlen(user)));
        IS(TOKEN_REVOKED, sealgate_verify_token(stored, token.data, token.size, &claims));
        OK(sealgate_remove_user(stored, user, strlen(user)));
    }
    sealgate_stream_free(stream);
    sealgate_free(fresh);
    sealgate_claims_free(claims);
    sealgate_buffer_free(&token);
    sealgate_buffer_free(&again);
    sealgate_buffer_free(&other);
    sealgate_buffer_free(&text);
    sealgate_buffer_free(&back);
    sealgate_buffer_free(&masked);
}

static atomic_uint numbers = 1000;

/* Waits for a child; one that takes a minute hangs. */
static void ends_well(pid_t child)
{
    int status = -1;
    CHECK(child > 0);
    CHECK(waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status)) {
        fprintf(stderr, "a child ended by signal %d%s\n", WTERMSIG(status), WTERMSIG(status) == SIGALRM ? ": it hung" : "");
    }
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void in_child(int deeper)
{
    uint16_t mine = 0;
    alarm(60);
    OK(sealgate_set_log(SEALGATE_LOG_INFO, on_line, NULL, NULL));
    use_everything((unsigned)getpid() * 3 + 3000000);
    IS(FORKED, sealgate_server_port(server, &mine));
    if (deeper) {
        pid_t child = fork();
        if (child == 0) {
            in_child(0);
            _exit(0);
        }
        ends_well(child);
    }
    IS(FORKED, sealgate_server_stop(server, 0));
    OK(sealgate_server_free(server)); /* also in a callback of its own: no thread of it is here */
}

static int32_t forks_in_route(const sealgate_request *request, sealgate_response *response, void *user)
{
    const char *query = NULL;
    size_t size = 0;
    pid_t child = fork();
    (void)user;
    OK(sealgate_request_query(request, &query, &size));
    if (child == 0) {
        in_child(0);
        if (size == 6) { /* "return": comes back into the library, which ends it */
            return 0;
        }
        _exit(0);
    }
    ends_well(child);
    in_callbacks++;
    return sealgate_response_set_body(response, "forked", 6);
}

static void *use(void *user)
{
    (void)user;
    while (!over) {
        use_everything(numbers++);
    }
    return NULL;
}

static void *serve(void *user)
{
    char answer[4096];
    (void)user;
    while (!over) {
        CHECK(get(port, "/forks", NULL, answer, sizeof answer) == 200 && strstr(answer, "forked") != NULL);
        CHECK(get(port, "/forks?return", NULL, answer, sizeof answer) == 200 && strstr(answer, "forked") != NULL);
        CHECK(get(port, "/quick?return", NULL, answer, sizeof answer) == 200 && strstr(answer, "forked") != NULL);
        usleep(20000);
    }
    return NULL;
}

static void *forks_in_thread(void *user)
{
    int count = *(int *)user;
    for (int at = 0; at < count; at++) {
        pid_t child = fork();
        if (child == 0) {
            in_child(at % 10 == 0);
            _exit(0);
        }
        ends_well(child);
    }
    return NULL;
}

int main(int count, char **arguments)
{
    int forks = count > 1 ? atoi(arguments[1]) : 50, half = forks / 2;
    pthread_t threads[4], client, forker;
    config = new_config("0");
    snprintf(folder, sizeof folder, "%s/data", getenv("HOME"));
    OK(sealgate_config_new(&ring));
    set(ring, "data_dir", folder);
    set(ring, "password_memory", "1024");
    set(ring, "password_passes", "1");
    set(ring, "password_lanes", "1");
    set(ring, "lockout_after", "1000");
    set(config, "max_requests", "100");
    OK(sealgate_set_log(SEALGATE_LOG_INFO, on_line, NULL, NULL));
    OK(sealgate_new(config, &gate));
    OK(sealgate_new(ring, &stored));
    OK(sealgate_server_new(gate, config, &server));
    OK(sealgate_server_route(server, "GET", 3, "/forks", 6, SEALGATE_ROUTE_BLOCKING, NULL, 0, forks_in_route, NULL, NULL));
    OK(sealgate_server_route(server, "GET", 3, "/quick", 6, 0, NULL, 0, forks_in_route, NULL, NULL));
    OK(sealgate_server_start(server));
    OK(sealgate_server_port(server, &port));
    for (int at = 0; at < 4; at++) {
        CHECK(pthread_create(&threads[at], NULL, use, NULL) == 0);
    }
    CHECK(pthread_create(&client, NULL, serve, NULL) == 0);
    CHECK(pthread_create(&forker, NULL, forks_in_thread, &half) == 0);
    half = forks - half;
    forks_in_thread(&half);
    pthread_join(forker, NULL);
    over = 1;
    for (int at = 0; at < 4; at++) {
        pthread_join(threads[at], NULL);
    }
    pthread_join(client, NULL);
    CHECK(lines > 0 && in_callbacks > 0);
    OK(sealgate_server_stop(server, 60000));
    OK(sealgate_server_free(server));
    OK(sealgate_set_log(0, NULL, NULL, NULL));
    sealgate_free(gate);
    sealgate_free(stored);
    sealgate_config_free(config);
    sealgate_config_free(ring);
    printf("%d forks, %d in callbacks\n", forks, (int)in_callbacks);
    return 0;
}
