/* Two threads use a handle that is for one at a time: without a word between them, which is a race that has to be seen, or
 * (an argument of any text) in an order that a mutex gives, which is allowed and must not be reported. They never meet, so
 * that nothing breaks: ThreadSanitizer looks at who told whom, not at the clock. */
#include "check.h"
#include <pthread.h>
#include <unistd.h>

static sealgate_config *config;
static sealgate_stream *stream;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int ordered, written;

static void use_handles(void)
{
    char out[1 << 17];
    size_t size;
    set(config, "max_requests", "7");
    OK(sealgate_stream_push(stream, "data", 4, out, sizeof out, &size));
}

static void *first(void *unused)
{
    (void)unused;
    if (ordered) {
        pthread_mutex_lock(&mutex);
    }
    use_handles();
    if (ordered) {
        pthread_mutex_unlock(&mutex);
    }
    __atomic_store_n(&written, 1, __ATOMIC_RELAXED);
    return NULL;
}

int main(int count, char **arguments)
{
    sealgate_gate *gate = new_gate("0");
    pthread_t thread;
    (void)arguments;
    ordered = count > 1;
    config = new_config("0");
    OK(sealgate_stream_seal(gate, NULL, 0, &stream));
    CHECK(pthread_create(&thread, NULL, first, NULL) == 0);
    while (!__atomic_load_n(&written, __ATOMIC_RELAXED)) {
        usleep(1000);
    }
    if (ordered) {
        pthread_mutex_lock(&mutex);
    }
    use_handles();
    if (ordered) {
        pthread_mutex_unlock(&mutex);
    }
    pthread_join(thread, NULL);
    sealgate_stream_free(stream);
    sealgate_config_free(config);
    sealgate_free(gate);
    return 0;
}
