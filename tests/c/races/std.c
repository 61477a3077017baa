/* What ThreadSanitizer has to be told of Rust's standard library, which comes compiled and without its instruments.
 *
 * What std inlines into its callers is instrumented with them: locks that nobody holds, unlocking, channels, Arc. What it
 * does behind a call is not: a lock that somebody holds, the wait of a condition variable, the first call of a Once. The linker
 * sends those calls through here (--wrap; scripts/races finds their mangled names), and each says which address was taken or
 * given up, as the function's documentation promises it. Arguments and results are words, which Rust passes as C does; would
 * it not, these programs could not run.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

/* Mutex: unlocking is inlined and a release of the same address, its first word. */
void __real_mutex_lock_contended(void *mutex);
void __wrap_mutex_lock_contended(void *mutex)
{
    __real_mutex_lock_contended(mutex);
    __tsan_acquire(mutex);
}

/* RwLock: the same, and its state is the first word too. */
void __real_rwlock_read_contended(void *lock);
void __wrap_rwlock_read_contended(void *lock)
{
    __real_rwlock_read_contended(lock);
    __tsan_acquire(lock);
}

void __real_rwlock_write_contended(void *lock);
void __wrap_rwlock_write_contended(void *lock)
{
    __real_rwlock_write_contended(lock);
    __tsan_acquire(lock);
}

/* Condvar: the mutex is given up and taken again inside. */
void __real_condvar_wait(void *condvar, void *mutex);
void __wrap_condvar_wait(void *condvar, void *mutex)
{
    __tsan_release(mutex);
    __real_condvar_wait(condvar, mutex);
    __tsan_acquire(mutex);
}

bool __real_condvar_wait_timeout(void *condvar, void *mutex, uint64_t seconds, uint32_t nanoseconds);
bool __wrap_condvar_wait_timeout(void *condvar, void *mutex, uint64_t seconds, uint32_t nanoseconds)
{
    bool in_time;
    __tsan_release(mutex);
    in_time = __real_condvar_wait_timeout(condvar, mutex, seconds, nanoseconds);
    __tsan_acquire(mutex);
    return in_time;
}

/* Once: what the closure did happens before every return, and before every later look that finds it done. The closure is a
 * `&mut dyn FnMut(&OnceState)`: one of ours takes its place, which says so while the Once is still held. A table of a trait
 * object is the destructor, the size, the alignment, FnOnce's method and FnMut's. */
struct closure {
    void *state;
    void *const *table;
    void *once;
};

enum { CALL_MUT = 4, TABLE };

static void call_and_release(struct closure *closure, void *state)
{
    void (*call_mut)(void *, void *);
    memcpy(&call_mut, &closure->table[CALL_MUT], sizeof call_mut);
    call_mut(closure->state, state);
    __tsan_release(closure->once);
}

void __real_once_call(void *once, bool ignore_poisoning, void *state, void *const *table, const void *location);
void __wrap_once_call(void *once, bool ignore_poisoning, void *state, void *const *table, const void *location)
{
    struct closure closure = {state, table, once};
    void (*call_mut)(struct closure *, void *) = call_and_release;
    void *own[TABLE];
    for (int at = 0; at < TABLE; at++) {
        own[at] = table[at];
    }
    memcpy(&own[CALL_MUT], &call_mut, sizeof call_mut);
    __real_once_call(once, ignore_poisoning, &closure, own, location);
    __tsan_acquire(once);
}

/* Arc's count goes down with a release, and whoever finds the last one gone fences before it frees. ThreadSanitizer knows no
 * fences, so std has another form for it, which was left out where std was compiled. Both orders at once say the same. */
enum { ACQ_REL = 4 };

uint64_t __real___tsan_atomic64_fetch_sub(volatile uint64_t *at, uint64_t value, int order);
uint64_t __wrap___tsan_atomic64_fetch_sub(volatile uint64_t *at, uint64_t value, int order)
{
    return __real___tsan_atomic64_fetch_sub(at, value, order > ACQ_REL ? order : ACQ_REL);
}
