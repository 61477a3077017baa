/*
 * Seals or opens a file of any size in constant memory.
 *
 *     make lib
 *     cc -Iinclude examples/c/stream.c -o stream -Ltarget/release -lsealgate -Wl,-rpath,target/release
 *     ./stream seal backup.tar backup.tar.sealed
 *     ./stream open backup.tar.sealed backup.tar
 *
 * `sealgate decrypt --in backup.tar.sealed --context backup` opens it too.
 */
#include <sealgate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned char in[1 << 20], out[sizeof in + (128 << 10)];

/* Copies from one file to the other; returns 0 only if everything was read, sealed or opened, and written. */
static int run(sealgate_stream *stream, FILE *from, FILE *to)
{
    size_t size = 0;
    char sentence[256];
    sealgate_status status = SEALGATE_STATUS_OK;
    while (status == SEALGATE_STATUS_OK && (size = fread(in, 1, sizeof in, from)) > 0) {
        status = sealgate_stream_push(stream, in, size, out, sizeof out, &size);
        if (fwrite(out, 1, size, to) != size) {
            return perror("writing"), 1;
        }
    }
    if (ferror(from)) {
        return perror("reading"), 1;
    }
    if (status == SEALGATE_STATUS_OK) {
        status = sealgate_stream_finish(stream, out, sizeof out, &size);
        if (fwrite(out, 1, size, to) != size || fflush(to) != 0) {
            return perror("writing"), 1;
        }
    }
    if (status != SEALGATE_STATUS_OK) {
        sealgate_last_error(sentence, sizeof sentence);
        return fprintf(stderr, "%s\n", sentence), 1;
    }
    return 0;
}

int main(int count, char **arguments)
{
    const char *context = "backup";
    char temporary[4096];
    sealgate_gate *gate = NULL;
    sealgate_stream *stream = NULL;
    int failed = 1, sealing;
    FILE *from = NULL, *to = NULL;

    if (count != 4) {
        return fprintf(stderr, "usage: %s seal|open FROM TO\n", arguments[0]), 2;
    }
    sealing = strcmp(arguments[1], "seal") == 0;
    /* Until the stream is finished the output may be incomplete, so it is renamed only afterwards. */
    snprintf(temporary, sizeof temporary, "%s.part", arguments[3]);
    if (sealgate_new(NULL, &gate) == SEALGATE_STATUS_OK &&
        (sealing ? sealgate_stream_seal(gate, context, strlen(context), &stream)
                 : sealgate_stream_open(gate, context, strlen(context), &stream)) == SEALGATE_STATUS_OK &&
        (from = fopen(arguments[2], "rb")) != NULL && (to = fopen(temporary, "wbx")) != NULL) {
        failed = run(stream, from, to);
        failed |= fclose(to) != 0 || (!failed && rename(temporary, arguments[3]) != 0);
        if (failed) {
            remove(temporary);
        }
    } else {
        perror("starting");
    }
    if (from != NULL) {
        fclose(from);
    }
    sealgate_stream_free(stream);
    sealgate_free(gate);
    puts(failed ? "failed" : sealing ? "sealed" : "opened");
    return failed;
}
