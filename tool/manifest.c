/* The command on the manifests of snapshots. */
#include "tool.h"

static int show(pxds_manifest *manifest, const char *path, bool json_line)
{
    pxds_buffer *json = NULL;
    pxds_error *err = NULL;

    if (pxds_manifest_format(manifest, &json, &err) < 0)
        return fail(err);
    if (json_line) {
        json_begin();
        json_snapshot(path);
        json_value("manifest", (const char *)pxds_buffer_data(json), pxds_buffer_len(json));
        json_end();
    } else {
        print_json_text((const char *)pxds_buffer_data(json), pxds_buffer_len(json));
        putchar('\n');
    }
    pxds_buffer_free(json);
    return 0;
}

/* Opening the snapshot checks the signature, and that it is this one's. */
static int verify(const struct args *args, const pxds_store *store, const char *path,
                  const pxds_key *key)
{
    pxds_snapshot *snapshot = NULL;
    pxds_error *err = NULL;
    uint32_t signature;

    if (pxds_snapshot_open(store, path, key, open_flags(args), &snapshot, &err) < 0)
        return fail(err);
    signature = pxds_snapshot_signature(snapshot);
    pxds_snapshot_free(snapshot);
    if (signature == PXDS_SIGNATURE_UNCHECKED) {
        say("%s: there is no manifest", path);
        return 1;
    }
    if (args->option[OPT_JSON].given) {
        json_begin();
        json_snapshot(path);
        json_text("signature", signature_name(signature));
        json_end();
        return 0;
    }
    printf("%s: %s\n", path,
           signature == PXDS_SIGNATURE_VALID ? "the signature is valid" : "not signed");
    return 0;
}

/* Prints the manifest. */
static int show_manifest(const pxds_store *store, const char *path, bool json)
{
    pxds_manifest *manifest = NULL;
    pxds_error *err = NULL;
    int rc;

    if (pxds_manifest_load(store, path, &manifest, &err) < 0)
        return fail(err);
    rc = show(manifest, path, json);
    pxds_manifest_free(manifest);
    return rc;
}

int cmd_manifest(const struct args *args)
{
    const bool verifies = strcmp(args->operand[0], "verify") == 0;
    char *path = NULL;
    struct args rest = *args; /* the store is the first operand of those behind the action */
    pxds_store *store = NULL;
    pxds_key *key;
    int rc;

    if (verifies && !args->option[OPT_KEY].given)
        return usage_error(args->command, "verify needs a --key");
    if (!verifies && args->option[OPT_KEY].given)
        return usage_error(args->command, "show takes no --key");
    rest.operand++;
    rest.operands--;
    rc = check_key_options(args, false);
    if (rc == 0)
        rc = load_key(args, &key);
    if (rc != 0)
        return rc;
    store = open_tree(&rest, false);
    if (store == NULL || (path = pick_snapshot(&rest, store, rest.operand[1])) == NULL)
        rc = 1;
    else
        rc = verifies ? verify(args, store, path, key) : show_manifest(store, path, args->option[OPT_JSON].given);
    free(path);
    pxds_store_free(store);
    pxds_key_free(key);
    return rc;
}
