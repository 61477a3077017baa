/*
 * Limits how often a user may do something: three times in any ten seconds.
 *
 *     make lib
 *     cc -Iinclude examples/c/limits.c -o limits -Ltarget/release -lsealgate -Wl,-rpath,target/release
 *     ./limits
 */
#include <inttypes.h>
#include <sealgate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(sealgate_status status, const char *what)
{
    char sentence[256];
    if (status != SEALGATE_STATUS_OK) {
        sealgate_last_error(sentence, sizeof sentence);
        fprintf(stderr, "%s: %s\n", what, sentence);
        exit(1);
    }
}

static void set(sealgate_config *config, const char *name, const char *value)
{
    check(sealgate_config_set(config, name, strlen(name), value, strlen(value)), name);
}

static void admit(const sealgate_gate *gate, const char *user)
{
    int32_t allowed;
    uint32_t remaining;
    uint64_t retry_after_ms;
    check(sealgate_enforce_rate_limit(gate, user, strlen(user), &allowed, &remaining, &retry_after_ms), "counting");
    if (allowed) {
        printf("%s is allowed, %" PRIu32 " more\n", user, remaining);
    } else {
        printf("%s has to wait %" PRIu64 " s\n", user, (retry_after_ms + 999) / 1000);
    }
}

int main(void)
{
    sealgate_config *config = NULL;
    sealgate_gate *gate = NULL;

    check(sealgate_config_new(&config), "creating a configuration");
    set(config, "keys", "ephemeral"); /* no tokens or data to keep, so no keys to keep */
    set(config, "max_requests", "3");
    set(config, "rate_limit_window", "10");
    check(sealgate_new(config, &gate), "creating a gate");
    sealgate_config_free(config);

    for (int time = 0; time < 4; time++) {
        admit(gate, "alice");
    }
    admit(gate, "bob");
    sealgate_free(gate);
    return 0;
}
