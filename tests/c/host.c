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

#define ENDED UINT32_MAX

/* The signals from 1 to 31 that a thread blocks. */
static uint32_t mask_of(const char *task)
{
    char path[512], line[256];
    unsigned long long blocked = 0;
    FILE *status;
    snprintf(path, sizeof path, "/proc/self/task/%s/status", task);
    if ((status = fopen(path, "r")) == NULL) {
        return ENDED;
    }
    while (fgets(line, sizeof line, status) != NULL) {
        if (sscanf(line, "SigBlk: %llx", &blocked) == 1) {
            fclose(status);
            return (uint32_t)blocked & INT32_MAX;
        }
    }
    fclose(status);
    return ENDED;
}

/* How many threads of the library there are; each blocks all that a host could want to handle, and nothing else. */
static int check_masks(void)
{
#define BIT(signal) (1u << ((signal)-1))
    const uint32_t never = BIT(SIGKILL) | BIT(SIGSTOP) | BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGILL) | BIT(SIGTRAP);
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *task;
    int ours = 0;
    CHECK(tasks != NULL);
    while ((task = readdir(tasks)) != NULL) {
        uint32_t blocked;
        if (task->d_name[0] == '.' || atoi(task->d_name) == getpid()) {
            continue;
        }
        blocked = mask_of(task->d_name);
        /* In its first moments the C library has it block everything. */
        for (int waits = 0; blocked != ENDED && blocked != (INT32_MAX & ~never); waits++) {
            CHECK(waits < 10000 && "a thread blocks other signals");
            usleep(1000);
            blocked = mask_of(task->d_name);
        }
        ours += blocked != ENDED;
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
        alarm(60);
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
        OK(sealgate_server_stop(server, 60000));
        CHECK(sealgate_server_free(server) == SEALGATE_STATUS_OK);
        sealgate_free(gate);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    sealgate_buffer_free(&token);
    CHECK(get(port, "/healthz", NULL, answer, sizeof answer) == 200);
}

/* Whether it is a socket that listens: the server's threads take turns at watching those. */
static int listens(int descriptor)
{
    int answer = 0;
    socklen_t size = sizeof answer;
    return getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &answer, &size) == 0 && answer;
}

/* How many descriptors the server's epolls watch, without those. */
static int watched(void)
{
    DIR *descriptors = opendir("/proc/self/fdinfo");
    struct dirent *entry;
    int count = 0;
    CHECK(descriptors != NULL);
    while ((entry = readdir(descriptors)) != NULL) {
        char path[300], line[256];
        FILE *info;
        snprintf(path, sizeof path, "/proc/self/fdinfo/%s", entry->d_name);
        info = fopen(path, "r");
        while (info != NULL && fgets(line, sizeof line, info) != NULL) {
            count += strncmp(line, "tfd:", 4) == 0 && !listens(atoi(line + 4));
        }
        if (info != NULL) {
            fclose(info);
        }
    }
    closedir(descriptors);
    return count;
}

/* A connection that was answered and waits. */
static int keep(uint16_t port)
{
    char answer[512] = "";
    int client = dial(port);
    send_text(client, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /* All of it, however many pieces it comes in. */
    for (size_t size = 0; strstr(answer, "\"ok\"}") == NULL;) {
        ssize_t got = recv(client, answer + size, sizeof answer - 1 - size, 0);
        CHECK(got > 0);
        size += (size_t)got;
    }
    return client;
}

/* A child has copies of all descriptors. What the server closes is closed for clients all the same, its threads forget it,
 * and where the child has freed its handle, the address is free when the parent's server ends. */
static void a_child_keeps_nothing_open(const char *engine)
{
    sealgate_gate *gate = new_gate("0");
    sealgate_config *config = new_config("0");
    uint16_t port = 0;
    sealgate_server *server = start(gate, engine, &port);
    int to_parent[2], to_child[2], status, is_pool = strcmp(engine, "pool") == 0;
    int nobody = watched(), gone = keep(port), left = keep(port);
    char answer[512], address[32], byte;
    pid_t child;
    /* The portable engine's connections are tiny_http's affair. */
    for (int waits = 0; is_pool && watched() != nobody + 2; waits++) {
        CHECK(waits < 10000);
        usleep(1000);
    }
    CHECK(pipe(to_parent) == 0 && pipe(to_child) == 0);
    fflush(NULL);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(60);
        close(gone);
        close(left);
        close(to_child[1]);
        CHECK(sealgate_server_free(server) == SEALGATE_STATUS_OK);
        CHECK(write(to_parent[1], "x", 1) == 1);
        _exit(read(to_child[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(to_child[0]);
    CHECK(read(to_parent[0], &byte, 1) == 1);
    close(gone);
    for (int waits = 0; is_pool && watched() != nobody + 1; waits++) {
        CHECK(waits < 10000);
        usleep(1000);
    }
    OK(sealgate_server_stop(server, 60000));
    CHECK(!is_pool || recv(left, answer, sizeof answer, 0) == 0);
    close(left);
    CHECK(sealgate_server_free(server) == SEALGATE_STATUS_OK);
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    set(config, "listen", address);
    set(config, "engine", engine);
    /* Another program's connection may have been given the port meanwhile, for a while; a child that kept it would for ever. */
    for (int tries = 0;; tries++) {
        OK(sealgate_server_new(gate, config, &server));
        if (sealgate_server_start(server) == SEALGATE_STATUS_OK) {
            break;
        }
        CHECK(tries < 100);
        CHECK(sealgate_server_free(server) == SEALGATE_STATUS_OK);
        usleep(100000);
    }
    CHECK(get(port, "/healthz", NULL, answer, sizeof answer) == 200);
    CHECK(sealgate_server_free(server) == SEALGATE_STATUS_OK);
    close(to_child[1]);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    close(to_parent[0]);
    close(to_parent[1]);
    sealgate_config_free(config);
    sealgate_free(gate);
}

/* Asks for more than a socket takes, reads a little or nothing, and is gone. */
static void vanish(uint16_t port, int number, int is_pool)
{
    struct linger at_once = {1, 0};
    struct timeval patience = {2, 0};
    char answer[64];
    int client = dial(port);
    send_text(client, number % 2 ? "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"
                                 : "GET /blocking HTTP/1.1\r\nHost: localhost\r\n\r\n");
    if (number % 3 != 0) {
        /* A connection of tiny_http's may wait for a thread that a panic has ended, until the next one comes. */
        CHECK(is_pool || setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
        CHECK(recv(client, answer, sizeof answer, 0) > 0 || !is_pool);
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
    /* Some may be ignored from outside, as nohup does. */
    for (int number = 1; number <= 31; number++) {
        signal(number, SIG_DFL);
    }
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
            vanish(port, number, engine == 0);
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
        OK(sealgate_server_stop(server, 60000));
        OK(sealgate_server_stop(server, 60000));
        CHECK(sealgate_server_free(server) == SEALGATE_STATUS_OK);
        sealgate_free(gate);
        a_child_keeps_nothing_open(engines[engine]);
    }
    OK(sealgate_set_log(0, NULL, NULL, NULL));
    printf("%d panics\n", panics);
    CHECK(umask(mask) == 022);
    CHECK(getcwd(after, sizeof after) != NULL && strcmp(before, after) == 0);
    return 0;
}
