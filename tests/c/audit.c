/* What a program sees of audit_fail "closed", before and after a fork. argv[1]: the setting audit; argv[2]: the status that is
 * expected. */
#define _GNU_SOURCE
#include "check.h"

#include <sys/wait.h>
#include <unistd.h>

static void issue(const sealgate_gate *gate, const char *expected)
{
    sealgate_buffer token = {0};
    sealgate_status status = sealgate_issue_token(gate, SEALGATE_LITERAL("alice"), SEALGATE_LITERAL(""), 60, &token);
    CHECK(strcmp(sealgate_status_name(status), expected) == 0);
    if (status == SEALGATE_STATUS_OK) {
        /* What changes nothing is not refused. */
        sealgate_claims *claims = NULL;
        OK(sealgate_verify_token(gate, token.data, token.size, &claims));
        sealgate_claims_free(claims);
    } else {
        char sentence[512];
        CHECK(token.size == 0);
        sealgate_last_error(sentence, sizeof sentence);
        CHECK(strstr(sentence, "nothing was changed") != NULL);
    }
    sealgate_buffer_free(&token);
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    sealgate_gate *gate = NULL;
    sealgate_config *config = new_config("0");
    set(config, "audit", argv[1]);
    set(config, "audit_fail", "closed");
    OK(sealgate_new(config, &gate));
    sealgate_config_free(config);

    issue(gate, argv[2]);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        issue(gate, argv[2]);
        sealgate_free(gate);
        _exit(0); /* without a search for leaks, which would find what the parent's threads have */
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    issue(gate, argv[2]);
    sealgate_free(gate);
    return 0;
}
