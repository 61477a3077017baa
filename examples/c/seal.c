/*
 * Seals bytes into the program's own buffer: nothing is allocated, and only the gate has to be freed.
 *
 *     make lib
 *     cc -Iinclude examples/c/seal.c -o seal -Ltarget/release -lsealgate -Wl,-rpath,target/release
 *     ./seal
 */
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

int main(void)
{
    /* The context is where the data belongs: with another one it does not open. */
    const char *card = "4111 1111 1111 1111", *here = "orders/17/card", *elsewhere = "orders/18/card";
    unsigned char sealed[256], opened[256];
    size_t sealed_size, opened_size;
    sealgate_gate *gate = NULL;

    check(sealgate_new(NULL, &gate), "creating a gate");
    printf("%zu bytes need a buffer of %zu\n", strlen(card), sealgate_sealed_size(strlen(card)));

    check(sealgate_seal_bytes(gate, card, strlen(card), here, strlen(here), sealed, sizeof sealed, &sealed_size), "sealing");
    check(sealgate_open_bytes(gate, sealed, sealed_size, here, strlen(here), opened, sizeof opened, &opened_size), "opening");
    printf("opened: %.*s\n", (int)opened_size, (const char *)opened);

    if (sealgate_open_bytes(gate, sealed, sealed_size, elsewhere, strlen(elsewhere), opened, sizeof opened,
                            &opened_size) == SEALGATE_STATUS_DECRYPT_FAILED) {
        printf("another context: does not open\n");
    }
    sealed[sealed_size - 1] ^= 1;
    if (sealgate_open_bytes(gate, sealed, sealed_size, here, strlen(here), opened, sizeof opened, &opened_size) ==
        SEALGATE_STATUS_DECRYPT_FAILED) {
        printf("changed: does not open\n");
    }
    sealgate_free(gate);
    return 0;
}
