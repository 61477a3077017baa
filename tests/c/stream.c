/* Streams: what goes in comes out, in pieces of any size, and nothing else does. */
#include "check.h"

#include <stdlib.h>

#define CHUNK (64 << 10)

static unsigned char plain[3 * CHUNK + 100], sealed[sizeof plain + 200], opened[sizeof plain], out[sizeof plain + (128 << 10)];

/* Pushes all of `data` by pieces, finishes, and gives the first status that is not OK. */
static sealgate_status through(sealgate_stream *stream, const unsigned char *data, size_t size, size_t piece,
                               unsigned char *to, size_t *to_size)
{
    size_t at, written = 77, expected;
    sealgate_status status;
    *to_size = 0;
    for (at = 0; at < size; at += piece) {
        size_t now = size - at < piece ? size - at : piece;
        expected = sealgate_stream_push_size(stream, now);
        CHECK(expected <= now + (128 << 10));
        status = sealgate_stream_push(stream, data + at, now, out, sizeof out, &written);
        if (status != SEALGATE_STATUS_OK) {
            CHECK(written == 0);
            return status;
        }
        CHECK(written == expected);
        memcpy(to + *to_size, out, written);
        *to_size += written;
    }
    expected = sealgate_stream_finish_size(stream);
    status = sealgate_stream_finish(stream, out, sizeof out, &written);
    CHECK(written == (status == SEALGATE_STATUS_OK ? expected : 0));
    memcpy(to + *to_size, out, written);
    *to_size += written;
    return status;
}

static sealgate_status open_all(const sealgate_gate *gate, const char *context, size_t size, size_t *opened_size)
{
    sealgate_stream *stream = NULL;
    sealgate_status status;
    OK(sealgate_stream_open(gate, context, strlen(context), &stream));
    status = through(stream, sealed, size, 100000, opened, opened_size);
    sealgate_stream_free(stream);
    return status;
}

int main(void)
{
    static const size_t sizes[] = {0, 1, CHUNK - 1, CHUNK, CHUNK + 1, sizeof plain};
    static const size_t pieces[] = {999, CHUNK, CHUNK + 16, sizeof sealed};
    sealgate_gate *gate = new_gate("0");
    sealgate_stream *stream = NULL;
    char *context = malloc((64 << 10) + 1);
    size_t size = 77, done = 0, i, j;

    CHECK(context != NULL);
    memset(context, 'c', (64 << 10) + 1);
    for (i = 0; i < sizeof plain; i++) {
        plain[i] = (unsigned char)(i % 251);
    }
    for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (j = 0; j < sizeof pieces / sizeof *pieces; j++) {
            OK(sealgate_stream_seal(gate, "place", 5, &stream));
            OK(through(stream, plain, sizes[i], pieces[j], sealed, &size));
            sealgate_stream_free(stream);
            OK(sealgate_stream_open(gate, "place", 5, &stream));
            OK(through(stream, sealed, size, pieces[j], opened, &done));
            CHECK(done == sizes[i] && memcmp(opened, plain, done) == 0);
            sealgate_stream_free(stream);
        }
    }

    /* Changed, cut or of another context it does not open, and the failure stays. */
    CHECK(open_all(gate, "elsewhere", size, &done) == SEALGATE_STATUS_DECRYPT_FAILED && done == 0);
    CHECK(open_all(gate, "place", size - 1, &done) == SEALGATE_STATUS_DECRYPT_FAILED);
    CHECK(open_all(gate, "place", 29 + 2 * (CHUNK + 16), &done) == SEALGATE_STATUS_DECRYPT_FAILED);
    sealed[40] ^= 1;
    OK(sealgate_stream_open(gate, "place", 5, &stream));
    memset(out, 'x', 9);
    IS(DECRYPT_FAILED, sealgate_stream_push(stream, sealed, size, out, sizeof out, &done));
    CHECK(done == 0 && out[0] == 0);
    IS(DECRYPT_FAILED, sealgate_stream_push(stream, NULL, 0, NULL, 0, &done));
    IS(DECRYPT_FAILED, sealgate_stream_finish(stream, out, sizeof out, &done));
    sealgate_stream_free(stream);

    /* Too little room tells how much is needed and changes nothing; the gate may go first. */
    OK(sealgate_stream_seal(gate, NULL, 0, &stream));
    IS(BUFFER_TOO_SMALL, sealgate_stream_push(stream, plain, CHUNK + 1, NULL, 0, &size));
    CHECK(size == 29 + CHUNK + 16 && size == sealgate_stream_push_size(stream, CHUNK + 1));
    IS(INVALID_ARGUMENT, sealgate_stream_push(stream, out, CHUNK + 1, out, sizeof out, &done));
    IS(NULL_POINTER, sealgate_stream_push(stream, NULL, 1, out, sizeof out, &done));
    OK(sealgate_stream_push(stream, plain, CHUNK + 1, sealed, size, &size));
    IS(BUFFER_TOO_SMALL, sealgate_stream_finish(stream, sealed + size, 16, &done));
    CHECK(done == 17);
    OK(sealgate_stream_finish(stream, sealed + size, 17, &done));
    IS(WRONG_STATE, sealgate_stream_push(stream, plain, 1, out, sizeof out, &done));
    IS(WRONG_STATE, sealgate_stream_finish(stream, out, sizeof out, &done));
    CHECK(sealgate_stream_push_size(stream, 99) == 0 && sealgate_stream_finish_size(stream) == 0);
    sealgate_stream_free(stream);
    OK(sealgate_stream_open(gate, NULL, 0, &stream));
    IS(INVALID_ARGUMENT, sealgate_stream_seal(gate, context, (64 << 10) + 1, &(sealgate_stream *){NULL}));
    sealgate_free(gate);
    OK(through(stream, sealed, size + 17, 5000, opened, &done));
    CHECK(done == CHUNK + 1 && memcmp(opened, plain, done) == 0);
    sealgate_stream_free(stream);
    free(context);
    return 0;
}
