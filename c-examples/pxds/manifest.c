/* The command on the manifests of snapshots. */
#include "tool.h"

static int show(pxds_manifest *manifest)
{
    pxds_buffer *json = NULL;
    pxds_error *err = NULL;

    if (pxds_manifest_to_json(manifest, &json, &err) < 0)
        return fail(err);
    fwrite(pxds_buffer_data(json), 1, pxds_buffer_len(json), stdout);
    pxds_buffer_free(json);
    return 0;
}

static int verify(const struct args *args, const char *snapshot, pxds_manifest *manifest,
                  const pxds_key *key)
{
    uint32_t signature = PXDS_SIGNATURE_UNCHECKED;
    pxds_error *err = NULL;

    if (pxds_manifest_verify(manifest, key, &signature, &err) < 0) {
        say("%s: %s", snapshot, err != NULL ? pxds_error_message(err) : "out of memory");
        pxds_error_free(err);
        return 1;
    }
    if (signature == PXDS_SIGNATURE_VALID) {
        printf("%s: the signature is valid\n", snapshot);
        return 0;
    }
    if (args->option[OPT_REQUIRE_SIGNATURE].given) {
        say("%s: the manifest is not signed", snapshot);
        return 1;
    }
    printf("%s: not signed\n", snapshot);
    return 0;
}

int cmd_manifest(const struct args *args)
{
    const bool verifies = strcmp(args->operand[0], "verify") == 0;
    const char *snapshot = args->operand[2];
    struct args rest = *args; /* the store is the first operand of those behind the action */
    pxds_manifest *manifest = NULL;
    pxds_store *store = NULL;
    pxds_error *err = NULL;
    pxds_key *key;
    int rc;

    if (!verifies && strcmp(args->operand[0], "show") != 0)
        return usage_error(args->command, "'%s' is not verify or show", args->operand[0]);
    if (verifies && !args->option[OPT_KEY].given)
        return usage_error(args->command, "verify needs a --key");
    if (!verifies && (args->option[OPT_KEY].given || args->option[OPT_REQUIRE_SIGNATURE].given))
        return usage_error(args->command, "show takes no --key and no --require-signature");
    rest.operand++;
    rest.operands--;
    rc = check_key_options(args, false);
    if (rc == 0)
        rc = load_key(args, &key);
    if (rc != 0)
        return rc;
    store = open_tree(&rest);
    if (store == NULL)
        rc = 1;
    else if (pxds_snapshot_get_manifest(store, snapshot, &manifest, &err) < 0)
        rc = fail(err);
    else
        rc = verifies ? verify(args, snapshot, manifest, key) : show(manifest);
    pxds_manifest_free(manifest);
    pxds_store_free(store);
    pxds_key_free(key);
    return rc;
}
