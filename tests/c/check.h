/* What every test program in C shares: a check that says where it failed, and a gate with keys of its own. */
#ifndef CHECK_H
#define CHECK_H

#include <sealgate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition)) {                                                           \
            char sentence_[256];                                                      \
            sealgate_last_error(sentence_, sizeof sentence_);                         \
            fprintf(stderr, "%s:%d: %s (last error: %s)\n", __FILE__, __LINE__, #condition, sentence_); \
            exit(1);                                                                  \
        }                                                                             \
    } while (0)

#define OK(call) CHECK((call) == SEALGATE_STATUS_OK)
#define IS(status, call) CHECK((call) == SEALGATE_STATUS_##status)

static inline void set(sealgate_config *config, const char *name, const char *value)
{
    OK(sealgate_config_set(config, name, strlen(name), value, strlen(value)));
}

static inline sealgate_config *new_config(const char *max_requests)
{
    sealgate_config *config = NULL;
    OK(sealgate_config_new(&config));
    set(config, "keys", "ephemeral");
    set(config, "listen", "127.0.0.1:0");
    set(config, "login_max_requests", "0");
    set(config, "password_memory", "1024"); /* what is tested is not their cost */
    set(config, "password_passes", "1");
    set(config, "max_requests", max_requests);
    return config;
}

static inline sealgate_gate *new_gate(const char *max_requests)
{
    sealgate_config *config = new_config(max_requests);
    sealgate_gate *gate = NULL;
    OK(sealgate_new(config, &gate));
    sealgate_config_free(config);
    return gate;
}

#endif
