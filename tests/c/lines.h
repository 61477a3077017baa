/* For programs that make the calls that the lines of standard input ask for, and answer each with one line: the status, and
 * what came out. Words stand between single spaces; all but the first are hexadecimal, "-" where they are empty. */
#ifndef LINES_H
#define LINES_H

#include "check.h"

#define WORDS 16

struct word {
    unsigned char *bytes;
    size_t size;
};

static struct word unhex(const char *text)
{
    size_t size = strcmp(text, "-") == 0 ? 0 : strlen(text) / 2;
    /* As long as it is, so that a sanitizer sees a read beyond it. */
    struct word word = {malloc(size == 0 ? 1 : size), size};
    for (size_t at = 0; at < size; at++) {
        unsigned byte;
        CHECK(sscanf(text + 2 * at, "%2x", &byte) == 1);
        word.bytes[at] = (unsigned char)byte;
    }
    return word;
}

static void say_hex(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    printf(size == 0 ? " -" : " ");
    for (size_t at = 0; at < size; at++) {
        printf("%02x", bytes[at]);
    }
}

/* The status, and what a call that succeeded put into a buffer. */
static void say_buffer(sealgate_status status, sealgate_buffer *buffer)
{
    printf("%s", sealgate_status_name(status));
    CHECK(status == SEALGATE_STATUS_OK || (buffer->data == NULL && buffer->size == 0));
    if (status == SEALGATE_STATUS_OK) {
        CHECK(buffer->data[buffer->size] == 0);
        say_hex(buffer->data, buffer->size);
    }
    sealgate_buffer_free(buffer);
}

/* Has every line answered; `answer` writes all of the answer. */
static void answer_lines(void (*answer)(const char *what, const struct word *words, int count))
{
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        struct word words[WORDS] = {{NULL, 0}};
        int count = 0;
        char *rest = line, *what = strsep(&rest, " \n"), *text;
        while ((text = strsep(&rest, " \n")) != NULL && *text != 0) {
            CHECK(count < WORDS);
            words[count++] = unhex(text);
        }
        answer(what, words, count);
        fflush(stdout);
        for (int at = 0; at < count; at++) {
            free(words[at].bytes);
        }
    }
    free(line);
}

#endif
