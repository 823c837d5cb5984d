#include "tests/sim/sign.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "tests/sim/memory.h"

void sign_make_key(const char *file, const char *algorithm)
{
    struct signer *signer = signer_new(algorithm);
    char *key;

    if (signer == NULL) {
        sim_fatal(EX_USAGE, "--algorithm: %s is none of RSA2048, ECDSAP256, ED25519", algorithm);
    }
    if (!signer_save(signer, file)) {
        sim_fatal(EX_CANTCREAT, "cannot write the key to %s: %s", file, strerror(errno));
    }
    key = signer_public_key(signer);
    puts(key);
    free(key);
    signer_free(signer);
}

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void add_text(struct json_object *object, const char *name, const char *text)
{
    json_object_object_add(object, name, text != NULL ? json_object_new_string(text) : NULL);
}

void sign_post(const char *file, struct signer_post post)
{
    struct signer *signer = signer_load(file);
    struct json_object *body = json_object_new_object();
    char *signature;

    if (signer == NULL) {
        sim_fatal(EX_NOINPUT, "%s holds no key of RSA2048, ECDSAP256 or ED25519 in PEM", file);
    }
    if (post.signed_at == 0) {
        post.signed_at = now_ms();
    }
    signature = signer_sign(signer, &post);
    add_text(body, "author_id", post.author_id);
    add_text(body, "subreddit_id", post.subreddit_id);
    add_text(body, "title", post.title);
    add_text(body, "content", post.content);
    add_text(body, "signature", signature);
    add_text(body, "signature_algorithm", signer_algorithm(signer));
    json_object_object_add(body, "signed_at", json_object_new_uint64(post.signed_at));
    puts(json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(body);
    free(signature);
    signer_free(signer);
}

struct check {
    const char *post_id;
    bool good;
};

/* NULL: absent or null. */
static const char *text_or_null(const struct answer *answer, const char *field)
{
    struct json_object *value = NULL;

    (void)json_object_object_get_ex(answer->json, field, &value);
    return value != NULL ? json_object_get_string(value) : NULL;
}

static uint64_t number_of(const struct answer *answer, const char *field)
{
    struct json_object *value = NULL;

    return json_object_object_get_ex(answer->json, field, &value) ? json_object_get_uint64(value) : 0;
}

static bool is_true(const struct answer *answer, const char *field)
{
    struct json_object *value = NULL;

    return json_object_object_get_ex(answer->json, field, &value) && json_object_get_boolean(value);
}

/* False: it did not come, and that was said. */
static bool fetch(struct agent *agent, const char *path, struct answer *answer)
{
    agent_call(agent, &(struct call){.path = path}, answer);
    if (answer->outcome == OUTCOME_OK && json_object_is_type(answer->json, json_type_object)) {
        return true;
    }
    fprintf(stderr, "forumd-sim: no answer to %s: status %u %s\n", path, answer->status,
            answer_text(answer, "code"));
    return false;
}

static void judge(struct check *check, const struct answer *post, const struct answer *key)
{
    struct signer_post said = {.author_id = answer_text(post, "author_id"),
                               .subreddit_id = answer_text(post, "subreddit_id"),
                               .title = answer_text(post, "title"),
                               .content = text_or_null(post, "content"),
                               .signed_at = number_of(post, "signed_at")};
    const char *signature = text_or_null(post, "signature");
    bool server_says = is_true(post, "signature_verified");
    bool verifies = signature != NULL && signer_verify(answer_text(key, "key_algorithm"),
                                                       answer_text(key, "public_key"), &said, signature);

    if (signature == NULL) {
        printf("%s is not signed\n", check->post_id);
    } else {
        printf("%s of %s (%s, %s) %s; the server says that it %s\n", check->post_id,
               answer_text(post, "author_username"), said.author_id, answer_text(key, "key_algorithm"),
               verifies ? "verifies" : "DOES NOT VERIFY", server_says ? "verifies" : "does not");
    }
    check->good = verifies && server_says;
}

static void check_main(struct agent *agent, void *context)
{
    struct check *check = context;
    struct answer post = {0}, key = {0};
    char *path = mem_format("/api/posts/%s", check->post_id);

    if (fetch(agent, path, &post)) {
        free(path);
        path = mem_format("/api/users/%s/public-key", answer_text(&post, "author_id"));
        if (fetch(agent, path, &key)) {
            judge(check, &post, &key);
        }
    }
    free(path);
    answer_clear(&post);
    answer_clear(&key);
}

bool sign_verify(struct client *client, const char *post_id)
{
    struct check check = {.post_id = post_id};

    client_run(client, 1, check_main, &check);
    return check.good;
}
