/* The process is the host's: its signals, its SIGPIPE, its forks, its working directory. */
#include "client.h"
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int32_t large(const sealgate_request *request, sealgate_response *response, void *user)
{
    static char body[1 << 20];
    (void)request, (void)user;
    OK(sealgate_response_set_body(response, body, sizeof body));
    return 0;
}

static void on_line(int32_t level, const char *target, size_t target_size, const char *line, size_t line_size, void *panics)
{
    (void)level, (void)target, (void)target_size;
    if (line_size > 9 && memcmp(line, "panic at ", 9) == 0) {
        __atomic_add_fetch((int *)panics, 1, __ATOMIC_RELAXED);
    }
}

static sealgate_server *start(sealgate_gate *gate, const char *engine, uint16_t *port)
{
    sealgate_config *config = new_config("0");
    sealgate_server *server = NULL;
    set(config, "engine", engine);
    OK(sealgate_server_new(gate, config, &server));
    OK(sealgate_server_route(server, "GET", 3, "/large", 6, 0, NULL, 0, large, NULL, NULL));
    OK(sealgate_server_route(server, "GET", 3, "/blocking", 9, SEALGATE_ROUTE_BLOCKING, NULL, 0, large, NULL, NULL));
    OK(sealgate_server_start(server));
    OK(sealgate_server_port(server, port));
    sealgate_config_free(config);
    return server;
}

/* How many threads of the library there are; each blocks all that a host could want to handle. */
static int check_masks(void)
{
    const uint64_t synchronous = 1ull << (SIGSEGV - 1) | 1ull << (SIGBUS - 1) | 1ull << (SIGFPE - 1) |
                                 1ull << (SIGILL - 1) | 1ull << (SIGTRAP - 1);
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *task;
    int ours = 0;
    CHECK(tasks != NULL);
    while ((task = readdir(tasks)) != NULL) {
        char path[512], line[256];
        unsigned long long blocked = 0;
        FILE *status;
        if (task->d_name[0] == '.' || atoi(task->d_name) == getpid()) {
            continue;
        }
        snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
        if ((status = fopen(path, "r")) == NULL) {
            continue; /* it has ended meanwhile */
        }
        while (fgets(line, sizeof line, status) != NULL) {
            sscanf(line, "SigBlk: %llx", &blocked);
        }
        fclose(status);
        for (int number = 1; number <= 31; number++) {
            int is_blocked = (int)(blocked >> (number - 1) & 1);
            if (number == SIGKILL || number == SIGSTOP) {
                continue;
            }
            if (is_blocked != !(synchronous >> (number - 1) & 1)) {
                fprintf(stderr, "task %s, signal %d: %d\n", task->d_name, number, is_blocked);
                exit(1);
            }
        }
        ours++;
    }
    closedir(tasks);
    return ours;
}

/* A child that was forked off encrypts and verifies; the server stays the parent's. */
static void fork_with(sealgate_gate *gate, sealgate_server *server, uint16_t port)
{
    char answer[512];
    sealgate_buffer token = {0};
    int status;
    pid_t child;
    OK(sealgate_issue_token(gate, "alice", 5, NULL, 0, 0, &token));
    fflush(NULL);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        sealgate_buffer sealed = {0}, opened = {0};
        sealgate_claims *claims = NULL;
        uint16_t mine = 7;
        alarm(20);
        OK(sealgate_encrypt_data(gate, "x", 1, NULL, 0, &sealed));
        OK(sealgate_decrypt_data(gate, sealed.data, sealed.size, NULL, 0, &opened));
        OK(sealgate_verify_token(gate, token.data, token.size, &claims));
        IS(FORKED, sealgate_server_port(server, &mine));
        CHECK(mine == 0);
        IS(FORKED, sealgate_server_stop(server, 1000));
        IS(FORKED, sealgate_server_start(server));
        CHECK(sealgate_server_free(server) == SEALGATE_STATUS_OK);
        sealgate_claims_free(claims);
        sealgate_buffer_free(&sealed);
        sealgate_buffer_free(&opened);
        sealgate_buffer_free(&token);
        /* A child may serve with the same gate. */
        server = start(gate, "auto", &mine);
        CHECK(get(mine, "/healthz", NULL, answer, sizeof answer) == 200);
        OK(sealgate_server_stop(server, 5000));
        CHECK(sealgate_server_free(server) == SEALGATE_STATUS_OK);
        sealgate_free(gate);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    sealgate_buffer_free(&token);
    CHECK(get(port, "/healthz", NULL, answer, sizeof answer) == 200);
}

/* Asks for more than a socket takes, reads a little or nothing, and is gone. */
static void vanish(uint16_t port, int number)
{
    struct linger at_once = {1, 0};
    char answer[64];
    int client = dial(port);
    send_text(client, number % 2 ? "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"
                                 : "GET /blocking HTTP/1.1\r\nHost: localhost\r\n\r\n");
    if (number % 3 != 0) {
        CHECK(recv(client, answer, sizeof answer, 0) > 0);
    }
    CHECK(setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    close(client);
}

int main(int count, char **arguments)
{
    int clients = count > 1 ? atoi(arguments[1]) : 1000;
    const char *engines[] = {"pool", "tiny-http"};
    char before[4096], after[4096], answer[512];
    mode_t mask = umask(022);
    int panics = 0;
    OK(sealgate_set_log(SEALGATE_LOG_ERROR, on_line, &panics, NULL));
    CHECK(getcwd(before, sizeof before) != NULL);
    for (int engine = 0; engine < 2; engine++) {
        sealgate_gate *gate = new_gate("0");
        uint16_t port = 0;
        sealgate_server *server = start(gate, engines[engine], &port);
        sigset_t set;
        CHECK(pthread_sigmask(SIG_SETMASK, NULL, &set) == 0 && sigismember(&set, SIGTERM) == 0);
        /* In the portable engine each of them costs a panic of tiny_http's. */
        for (int number = 0; number < (engine == 0 ? clients : clients / 20); number++) {
            vanish(port, number);
        }
        CHECK(get(port, "/healthz", NULL, answer, sizeof answer) == 200);
        CHECK(check_masks() >= 2);
        for (int number = 1; number <= 31; number++) {
            struct sigaction action;
            if (number != SIGKILL && number != SIGSTOP && number != SIGSEGV && number != SIGBUS && number != SIGFPE &&
                number != SIGILL && number != SIGTRAP && number != SIGABRT) {
                CHECK(sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
            }
        }
        fork_with(gate, server, port);
        OK(sealgate_server_stop(server, 5000));
        OK(sealgate_server_stop(server, 5000));
        CHECK(sealgate_server_free(server) == SEALGATE_STATUS_OK);
        sealgate_free(gate);
    }
    OK(sealgate_set_log(0, NULL, NULL, NULL));
    printf("%d panics\n", panics);
    CHECK(umask(mask) == 022);
    CHECK(getcwd(after, sizeof after) != NULL && strcmp(before, after) == 0);
    return 0;
}
