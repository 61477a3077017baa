/* Loaded into a server: its clocks are SHIFT seconds off, and run a thousandth too fast or too slow in turn, two seconds each.
 * PHASE, in milliseconds, is where in these four seconds it begins. No clock ever goes back. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

#define SECOND 1000000000LL

static int (*real)(clockid_t, struct timespec *);
static long long shift, phase, start;

static long long now(clockid_t clock) {
    struct timespec time;
    real(clock, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

/* How far it is ahead, in nanoseconds: between 0 and 2 ms. */
static long long ahead(long long passed) {
    long long in = passed % (4 * SECOND);
    return (in < 2 * SECOND ? in : 4 * SECOND - in) / 1000;
}

__attribute__((constructor)) static void begin(void) {
    const char *seconds = getenv("SHIFT"), *milliseconds = getenv("PHASE");
    real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    shift = (seconds ? atoll(seconds) : 0) * SECOND;
    phase = (milliseconds ? atoll(milliseconds) : 0) * 1000000;
    start = now(CLOCK_MONOTONIC);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (!real)
        begin();
    int result = real(clock, time);
    if (result != 0 || clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID)
        return result;
    long long all = time->tv_sec * SECOND + time->tv_nsec;
    all += ahead(now(CLOCK_MONOTONIC) - start + phase);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
        all += shift;
    time->tv_sec = all / SECOND;
    time->tv_nsec = all % SECOND;
    return 0;
}
