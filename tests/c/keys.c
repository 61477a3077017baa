/* Keys, backups and logins from C: what is refused, and what comes out. tests/parity compares the rest with other doors. */
#include "check.h"

#include <sys/stat.h>
#include <unistd.h>

#define PASSPHRASE "correct horse battery", 21

static sealgate_config *config_in(const char *folder)
{
    sealgate_config *config = NULL;
    OK(sealgate_config_new(&config));
    set(config, "data_dir", folder);
    set(config, "password_memory", "1024");
    set(config, "password_passes", "1");
    return config;
}

static sealgate_gate *gate_of(const sealgate_config *config)
{
    sealgate_gate *gate = NULL;
    OK(sealgate_new(config, &gate));
    return gate;
}

static int has(const sealgate_buffer *json, const char *text)
{
    return json->data != NULL && strstr(json->data, text) != NULL;
}

/* How often a text occurs in the list of keys. */
static int listed(const sealgate_gate *gate, const char *text)
{
    sealgate_buffer keys = {0};
    int count = 0;
    OK(sealgate_list_keys(gate, &keys));
    for (const char *at = keys.data; (at = strstr(at, text)) != NULL; at++) {
        count++;
    }
    sealgate_buffer_free(&keys);
    return count;
}

static void keys_take_over_at_once(const sealgate_gate *gate)
{
    const char *wrong_flags = "\x00\x04\x08\x09";
    sealgate_buffer sealed = {0}, opened = {0}, out = {0};
    char id[16];
    CHECK(listed(gate, "\"kind\":\"data\"") == 1 && listed(gate, "\"trouble\":null") == 1);
    OK(sealgate_encrypt_data(gate, "data", 4, NULL, 0, &sealed));
    CHECK(listed(gate, "\"messages\":1") == 1);
    OK(sealgate_rotate_keys(gate, SEALGATE_KEYS_DATA, SEALGATE_GRACE_DEFAULT, &out));
    CHECK(has(&out, "\"kind\":\"data\"") && has(&out, "\"ring\":\"/"));
    CHECK(sscanf(strstr(out.data, "\"id\":\"") + 6, "%15[0-9a-f]", id) == 1);
    sealgate_buffer_free(&out);
    IS(INVALID_ARGUMENT, sealgate_retire_keys(gate, id, strlen(id), &out));
    CHECK(out.data == NULL && out.size == 0);
    OK(sealgate_decrypt_data(gate, sealed.data, sealed.size, NULL, 0, &opened));
    sealgate_buffer_free(&opened);
    for (int at = 0; at < 4; at++) {
        IS(INVALID_ARGUMENT, sealgate_generate_keys(gate, (uint32_t)wrong_flags[at], &out));
        IS(INVALID_ARGUMENT, sealgate_rotate_keys(gate, (uint32_t)wrong_flags[at], 0, &out));
    }
    /* The old one is not accepted with a grace of nothing. */
    OK(sealgate_rotate_keys(gate, SEALGATE_KEYS_DATA, 0, &out));
    sealgate_buffer_free(&out);
    OK(sealgate_rotate_old_keys(gate, &out));
    CHECK(strcmp(out.data, "[]") == 0);
    sealgate_buffer_free(&out);
    IS(INVALID_ARGUMENT, sealgate_retire_keys(gate, NULL, 0, &out));
    IS(INVALID_ARGUMENT, sealgate_retire_keys(gate, "a  b", 4, &out));
    IS(INVALID_UTF8, sealgate_accept_keys(gate, "\xff", 1, 0, &out));
    IS(SETTING, sealgate_seal_keys(gate, &out));
    OK(sealgate_unseal_keys(gate, &out));
    CHECK(has(&out, "keys.json"));
    sealgate_buffer_free(&out);
    OK(sealgate_reload_keys(gate));
    OK(sealgate_key_trouble(gate, &out));
    CHECK(out.size == 0);
    sealgate_buffer_free(&out);
    sealgate_buffer_free(&sealed);
}

static void a_ring_moves_to_another_machine(const sealgate_gate *gate, const char *folder)
{
    sealgate_config *config = config_in(folder);
    sealgate_gate *other = gate_of(config);
    sealgate_buffer exported = {0}, sealed = {0}, opened = {0}, out = {0};
    OK(sealgate_encrypt_data(gate, "data", 4, NULL, 0, &sealed));
    IS(DECRYPT_FAILED, sealgate_decrypt_data(other, sealed.data, sealed.size, NULL, 0, &opened));
    IS(INVALID_ARGUMENT, sealgate_export_keys(gate, "short", 5, &exported));
    IS(INVALID_ARGUMENT, sealgate_export_keys(gate, NULL, 0, &exported));
    OK(sealgate_export_keys(gate, PASSPHRASE, &exported));
    IS(INVALID_ARGUMENT, sealgate_import_keys(other, exported.data, exported.size, "another passphrase", 18, &out));
    IS(INVALID_ARGUMENT, sealgate_import_keys(other, exported.data, exported.size / 2, PASSPHRASE, &out));
    OK(sealgate_import_keys(other, exported.data, exported.size, PASSPHRASE, &out));
    CHECK(has(&out, "\"kind\":\"token\""));
    sealgate_buffer_free(&out);
    OK(sealgate_decrypt_data(other, sealed.data, sealed.size, NULL, 0, &opened));
    sealgate_buffer_free(&opened);
    sealgate_buffer_free(&exported);
    sealgate_buffer_free(&sealed);
    sealgate_free(other);
    sealgate_config_free(config);
}

static void a_backup_is_restored(const sealgate_config *config, sealgate_gate *gate, const char *home)
{
    char plain[512], secret[512], place[512];
    sealgate_config *empty;
    sealgate_buffer out = {0}, users = {0};
    struct stat file;
    snprintf(plain, sizeof plain, "%s/backup", home);
    snprintf(secret, sizeof secret, "%s/backup.sealed", home);
    snprintf(place, sizeof place, "%s/restored", home);
    OK(sealgate_add_user(gate, "alice", 5, "a quiet harbour", 15, "decrypt", 7));
    OK(sealgate_back_up(config, plain, NULL, 0, &out));
    CHECK(has(&out, "\"accounts\":1") && has(&out, "\"ring\":true"));
    CHECK(stat(plain, &file) == 0 && (file.st_mode & 0777) == 0600);
    sealgate_buffer_free(&out);
    OK(sealgate_back_up(config, secret, PASSPHRASE, &out));
    sealgate_buffer_free(&out);
    IS(INVALID_ARGUMENT, sealgate_back_up(config, plain, NULL, 0, &out));
    IS(INVALID_ARGUMENT, sealgate_back_up(config, "", NULL, 0, &out));
    IS(IO, sealgate_back_up(config, "/nonexistent/folder/backup", NULL, 0, &out));
    IS(NULL_POINTER, sealgate_back_up(config, NULL, NULL, 0, &out));
    /* While the gate is there. */
    IS(INVALID_ARGUMENT, sealgate_restore(config, plain, NULL, 0, 0, &out));
    IS(STORE, sealgate_restore(config, plain, NULL, 0, 1, &out));
    CHECK(out.data == NULL);

    empty = config_in(place);
    IS(NOT_FOUND, sealgate_back_up(empty, place, NULL, 0, &out));
    IS(INVALID_ARGUMENT, sealgate_restore(empty, secret, NULL, 0, 0, &out));
    IS(INVALID_ARGUMENT, sealgate_restore(empty, secret, "another passphrase", 18, 0, &out));
    IS(INVALID_ARGUMENT, sealgate_restore(empty, "/nonexistent", NULL, 0, 0, &out));
    OK(sealgate_restore(empty, secret, PASSPHRASE, 0, &out));
    CHECK(has(&out, "\"accounts\":1") && has(&out, "\"kept\":null"));
    sealgate_buffer_free(&out);
    IS(INVALID_ARGUMENT, sealgate_restore(empty, plain, NULL, 0, 0, &out));
    OK(sealgate_restore(empty, plain, NULL, 0, 1, &out));
    CHECK(has(&out, "\"kept\":\"/"));
    sealgate_buffer_free(&out);
    gate = gate_of(empty);
    OK(sealgate_list_users(gate, NULL, 0, 10, &users));
    CHECK(has(&users, "{\"name\":\"alice\",\"scope\":\"decrypt\",\"claims\":{},\"disabled\":false,\"created\":"));
    sealgate_buffer_free(&users);
    OK(sealgate_list_users(gate, "alice", 5, 10, &users));
    CHECK(strcmp(users.data, "[]") == 0);
    sealgate_buffer_free(&users);
    OK(sealgate_list_users(gate, NULL, 0, 0, &users));
    CHECK(strcmp(users.data, "[]") == 0);
    sealgate_buffer_free(&users);
    OK(sealgate_check_store(gate));
    sealgate_free(gate);
    sealgate_config_free(empty);
}

static void a_gate_without_a_ring_changes_no_keys(void)
{
    sealgate_gate *gate = new_gate("0");
    sealgate_buffer out = {0};
    IS(SETTING, sealgate_generate_keys(gate, SEALGATE_KEYS_TOKEN, &out));
    IS(SETTING, sealgate_rotate_keys(gate, SEALGATE_KEYS_TOKEN | SEALGATE_KEYS_NOW, 0, &out));
    IS(SETTING, sealgate_retire_keys(gate, "x", 1, &out));
    IS(SETTING, sealgate_export_keys(gate, PASSPHRASE, &out));
    IS(SETTING, sealgate_unseal_keys(gate, &out));
    IS(NOT_FOUND, sealgate_check_store(gate));
    IS(NOT_FOUND, sealgate_list_sessions(gate, "alice", 5, &out));
    IS(NOT_FOUND, sealgate_end_session(gate, NULL, 0, &out));
    IS(NOT_FOUND, sealgate_find_user(gate, "\"", 1, &out));
    IS(INVALID_UTF8, sealgate_end_session(gate, "\xff", 1, &out));
    CHECK(out.data == NULL && out.size == 0);
    CHECK(listed(gate, "\"ring\":null") == 1 && listed(gate, "\"complete\":true") == 1);
    sealgate_free(gate);
}

int main(void)
{
    char home[] = "/tmp/sealgate-keys-XXXXXX", folder[64], other[64], command[96];
    sealgate_config *config;
    sealgate_gate *gate;
    CHECK(mkdtemp(home) != NULL);
    snprintf(folder, sizeof folder, "%s/state", home);
    snprintf(other, sizeof other, "%s/other", home);
    config = config_in(folder);
    gate = gate_of(config);
    keys_take_over_at_once(gate);
    a_ring_moves_to_another_machine(gate, other);
    a_backup_is_restored(config, gate, home);
    a_gate_without_a_ring_changes_no_keys();
    sealgate_free(gate);
    sealgate_config_free(config);
    snprintf(command, sizeof command, "rm -r %s", home);
    CHECK(system(command) == 0);
    return 0;
}
