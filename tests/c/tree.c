/* Lists, groups, snapshots, and the locks on them. */
#include "tree.h"

static void test_lists(void)
{
    pxds_store *store = new_store();
    pxds_namespace_list *namespaces = NULL;
    pxds_group_list *groups = NULL;
    pxds_snapshot_list *snapshots = NULL;
    pxds_file_list *files = NULL;
    pxds_group_entry group = PXDS_GROUP_ENTRY_INIT;
    pxds_snapshot_entry snapshot = PXDS_SNAPSHOT_ENTRY_INIT;
    pxds_file_entry file = PXDS_FILE_ENTRY_INIT;

    make_snapshot(store, "host/x", TIME);
    make_snapshot(store, "host/x", TIME + 1);
    make_snapshot(store, "ns/a/ns/b/vm/10", TIME);
    OK(pxds_group_create(store, "ns/a/ns/b/vm/9", NULL, &err));
    OK(pxds_snapshot_protect(store, "host/x/" NEXT_NAME, &err));

    OK(pxds_store_namespaces(store, NULL, 0, &namespaces, &err));
    EQUAL(1, pxds_namespace_list_count(namespaces));
    CHECK(strcmp(pxds_namespace_list_get(namespaces, 0), "a") == 0);
    pxds_namespace_list_free(namespaces);
    OK(pxds_store_namespaces(store, "", PXDS_LIST_RECURSIVE, &namespaces, &err));
    EQUAL(3, pxds_namespace_list_count(namespaces));
    CHECK(strcmp(pxds_namespace_list_get(namespaces, 0), "") == 0);
    CHECK(strcmp(pxds_namespace_list_get(namespaces, 2), "a/b") == 0);
    CHECK(pxds_namespace_list_get(namespaces, 3) == NULL);
    CHECK(pxds_namespace_list_get(namespaces, SIZE_MAX) == NULL);

    OK(pxds_store_groups(store, "a/b", 0, &groups, &err));
    OK(pxds_store_snapshots(store, NULL, PXDS_LIST_RECURSIVE, &snapshots, &err));
    OK(pxds_snapshot_files(store, "host/x/" TIME_NAME, &files, &err));
    pxds_store_free(store); /* a list lasts longer */
    EQUAL(2, pxds_group_list_count(groups));
    EQUAL(1, pxds_group_list_is_complete(groups));
    EQUAL(1, pxds_snapshot_list_is_complete(snapshots));
    EQUAL(1, pxds_namespace_list_is_complete(namespaces));
    OK(pxds_group_list_get(groups, 0, &group, &err));
    CHECK(strcmp(group.path, "ns/a/ns/b/vm/9") == 0 && strcmp(group.ns, "a/b") == 0);
    CHECK(strcmp(group.id, "9") == 0 && group.type == PXDS_TYPE_VM);
    IS(PXDS_NONE, pxds_group_list_get(groups, 2, &group, &err));
    CHECK(group.path == NULL && group.struct_size == sizeof group);

    EQUAL(3, pxds_snapshot_list_count(snapshots));
    OK(pxds_snapshot_list_get(snapshots, 1, &snapshot, &err));
    CHECK(strcmp(snapshot.path, "host/x/" NEXT_NAME) == 0 && strcmp(snapshot.ns, "") == 0);
    CHECK(snapshot.time == TIME + 1 && snapshot.type == PXDS_TYPE_HOST);
    EQUAL(PXDS_SNAPSHOT_PROTECTED | PXDS_SNAPSHOT_FINISHED, snapshot.flags);
    OK(pxds_snapshot_list_get(snapshots, 2, &snapshot, &err));
    CHECK(strcmp(snapshot.ns, "a/b") == 0 && strcmp(snapshot.id, "10") == 0);
    IS(PXDS_NONE, pxds_snapshot_list_get(snapshots, 3, &snapshot, &err));
    CHECK(snapshot.path == NULL && snapshot.flags == 0);

    EQUAL(3, pxds_file_list_count(files));
    OK(pxds_file_list_get(files, 0, &file, &err));
    CHECK(strcmp(file.name, "a.didx") == 0 && file.kind == PXDS_ARCHIVE_DYNAMIC && file.size > 4096);
    EQUAL(DATA_LEN, file.plain_size);
    OK(pxds_file_list_get(files, 1, &file, &err));
    CHECK(strcmp(file.name, "b.blob") == 0 && file.plain_size == 0);
    OK(pxds_file_list_get(files, 2, &file, &err));
    CHECK(strcmp(file.name, "index.json.blob") == 0 && file.kind == PXDS_ARCHIVE_BLOB);
    IS(PXDS_NONE, pxds_file_list_get(files, 3, &file, &err));
    CHECK(file.name == NULL);
    file.struct_size--;
    IS(PXDS_ERR_ARGUMENT, pxds_file_list_get(files, 0, &file, &err));

    pxds_namespace_list_free(namespaces);
    pxds_group_list_free(groups);
    pxds_snapshot_list_free(snapshots);
    pxds_file_list_free(files);
    pxds_namespace_list_free(NULL);
    pxds_group_list_free(NULL);
    pxds_snapshot_list_free(NULL);
    pxds_file_list_free(NULL);
    CHECK(pxds_namespace_list_count(NULL) == 0 && pxds_group_list_count(NULL) == 0);
    CHECK(pxds_snapshot_list_count(NULL) == 0 && pxds_file_list_count(NULL) == 0);
}

static void test_lists_that_fail(void)
{
    pxds_store *store = new_store();
    pxds_namespace_list *namespaces = (pxds_namespace_list *)&store;
    pxds_group_list *groups = (pxds_group_list *)&store;
    pxds_snapshot_list *snapshots = (pxds_snapshot_list *)&store;
    pxds_file_list *files = (pxds_file_list *)&store;

    IS(PXDS_ERR_NOT_FOUND, pxds_store_namespaces(store, "a", 0, &namespaces, &err));
    CHECK(namespaces == NULL && names_path("store/ns/a"));
    IS(PXDS_ERR_NOT_FOUND, pxds_store_groups(store, "a/b", PXDS_LIST_RECURSIVE, &groups, &err));
    CHECK(groups == NULL && names_path("store/ns/a/ns/b"));
    IS(PXDS_ERR_NOT_FOUND, pxds_store_snapshots(store, "a", 0, &snapshots, &err));
    CHECK(snapshots == NULL && names_path("store/ns/a"));
    IS(PXDS_ERR_NOT_FOUND, pxds_snapshot_files(store, "host/x/" TIME_NAME, &files, &err));
    CHECK(files == NULL && names_path("store/host/x/" TIME_NAME));
    for (uint32_t flag = 2; flag != 0; flag <<= 1) {
        IS(PXDS_ERR_ARGUMENT, pxds_store_namespaces(store, "", flag, &namespaces, &err));
        IS(PXDS_ERR_ARGUMENT, pxds_store_groups(store, "", flag, &groups, &err));
        if (flag > PXDS_LIST_MANIFESTS) {
            IS(PXDS_ERR_ARGUMENT, pxds_store_snapshots(store, "", flag, &snapshots, &err));
            IS(PXDS_ERR_ARGUMENT, pxds_group_snapshots(store, "host/x", flag, &snapshots, &err));
        }
    }
    IS(PXDS_ERR_ARGUMENT,
       pxds_group_snapshots(store, "host/x", PXDS_LIST_RECURSIVE, &snapshots, &err));
    OK(pxds_group_snapshots(store, "host/x", 0, &snapshots, &err)); /* not there: none */
    EQUAL(0, pxds_snapshot_list_count(snapshots));
    pxds_snapshot_list_free(snapshots);
    pxds_store_free(store);
}

static int32_t on_notice(void *user, uint32_t level, const char *message, const char *path)
{
    int *notices = user;

    (void)level, (void)message;
    *notices += path != NULL; /* not of how chunks are cut */
    return 0;
}

/* Owners and manifests are read when they are asked for, and only then. */
static void test_what_a_listing_is_asked_for(void)
{
    int notices = 0;
    pxds_store_options options = PXDS_STORE_OPTIONS_INIT;
    pxds_snapshot_entry first = PXDS_SNAPSHOT_ENTRY_INIT, second = first, third = first;
    pxds_store *store = NULL;
    pxds_snapshot_list *list = NULL;
    const uint32_t both = PXDS_LIST_OWNERS | PXDS_LIST_MANIFESTS;

    pxds_store_free(new_store());
    options.sync = PXDS_SYNC_NONE, options.notice = on_notice, options.notice_user = &notices;
    OK(pxds_store_open(in_dir("store"), &options, &store, &err));
    OK(pxds_group_create(store, "host/x", "me@pbs", &err));
    make_snapshot(store, "host/x", TIME);
    make_snapshot(store, "host/x", TIME + 1);
    need(mkdir(in_dir("store/host/x/2020-06-26T13:56:07Z"), 0755) == 0, "mkdir"); /* unfinished */
    OK(pxds_snapshot_set_notes(store, "host/x/" TIME_NAME, "title\nmore", &err));
    OK(pxds_snapshot_set_unprotected(store, "host/x/" TIME_NAME, "verify_state",
                                     "{\"state\":\"ok\",\"upid\":\"UPID:elsa:00004F37:0039E469:00000000:"
                                     "5CA78B83:verify::root@pam:\"}",
                                     &err));
    write_all(in_dir("store/host/x/" NEXT_NAME "/index.json.blob"), "rot", 3);

    OK(pxds_group_snapshots(store, "host/x", 0, &list, &err));
    OK(pxds_snapshot_list_get(list, 0, &first, &err));
    CHECK(first.owner == NULL && first.notes == NULL && first.size == 0 && first.file_count == 0);
    CHECK(first.verify_state == PXDS_VERIFIED_NONE && first.crypt_mode == PXDS_CRYPT_DEFAULT);
    EQUAL(0, first.verify_time);
    OK(pxds_snapshot_list_get(list, 1, &second, &err));
    CHECK(second.flags == PXDS_SNAPSHOT_FINISHED && pxds_snapshot_list_is_complete(list));
    pxds_snapshot_list_free(list);
    EQUAL(0, notices);

    OK(pxds_group_snapshots(store, "host/x", both, &list, &err));
    EQUAL(3, pxds_snapshot_list_count(list));
    EQUAL(0, pxds_snapshot_list_is_complete(list));
    EQUAL(1, notices);
    OK(pxds_snapshot_list_get(list, 0, &first, &err));
    OK(pxds_snapshot_list_get(list, 1, &second, &err));
    OK(pxds_snapshot_list_get(list, 2, &third, &err));
    CHECK(strcmp(first.owner, "me@pbs") == 0 && strcmp(first.notes, "title\nmore") == 0);
    CHECK(first.size >= DATA_LEN && first.file_count == 2);
    EQUAL(PXDS_VERIFIED_OK, first.verify_state);
    EQUAL(0x5CA78B83, first.verify_time);
    EQUAL(PXDS_CRYPT_NONE, first.crypt_mode);
    EQUAL(PXDS_SNAPSHOT_FINISHED, first.flags);
    EQUAL(PXDS_SNAPSHOT_FINISHED | PXDS_SNAPSHOT_UNREADABLE, second.flags);
    CHECK(second.owner == first.owner && second.notes == NULL && second.file_count == 0);
    CHECK(third.flags == 0 && third.owner == first.owner && third.file_count == 0);
    pxds_snapshot_list_free(list);

    OK(pxds_snapshot_unprotect(store, "host/x/" TIME_NAME, &err));
    write_all(in_dir("store/host/x/owner"), "\xff\n", 2);
    OK(pxds_store_snapshots(store, NULL, PXDS_LIST_OWNERS, &list, &err));
    OK(pxds_snapshot_list_get(list, 0, &first, &err));
    CHECK(first.owner == NULL && first.notes == NULL && !pxds_snapshot_list_is_complete(list));
    EQUAL(2, notices);
    pxds_snapshot_list_free(list);
    need(unlink(in_dir("store/host/x/owner")) == 0, "unlink");
    OK(pxds_store_snapshots(store, NULL, PXDS_LIST_OWNERS, &list, &err));
    OK(pxds_snapshot_list_get(list, 0, &first, &err));
    CHECK(first.owner == NULL && pxds_snapshot_list_is_complete(list));
    EQUAL(2, notices);
    pxds_snapshot_list_free(list);
    pxds_store_free(store);
}

/* What nobody lists has no plain size, and a damaged manifest is no hindrance. */
static void test_plain_sizes(void)
{
    pxds_store *store = new_store();
    pxds_file_list *files = NULL;
    pxds_file_entry file = PXDS_FILE_ENTRY_INIT;

    make_snapshot(store, "host/x", TIME);
    for (int i = 0; i < 2; i++) {
        if (i == 0)
            write_all(in_dir("store/host/x/" TIME_NAME "/index.json.blob"), "no blob", 7);
        else
            need(unlink(in_dir("store/host/x/" TIME_NAME "/index.json.blob")) == 0, "unlink");
        OK(pxds_snapshot_files(store, "host/x/" TIME_NAME, &files, &err));
        OK(pxds_file_list_get(files, 0, &file, &err));
        CHECK(strcmp(file.name, "a.didx") == 0 && file.size > 4096 && file.plain_size == 0);
        pxds_file_list_free(files);
    }
    pxds_store_free(store);
}

static void test_last_snapshot(void)
{
    pxds_store *store = new_store();
    pxds_buffer *last = (pxds_buffer *)&store;

    IS(PXDS_NONE, pxds_group_last(store, "host/x", &last, &err)); /* no group */
    CHECK(last == NULL);
    OK(pxds_group_create(store, "host/x", NULL, &err));
    IS(PXDS_NONE, pxds_group_last(store, "host/x", &last, &err));
    make_snapshot(store, "host/x", TIME);
    make_snapshot(store, "host/x", TIME + 1);
    OK(pxds_group_last(store, "host/x", &last, &err));
    CHECK(is_text(last, "host/x/" NEXT_NAME));
    need(unlink(in_dir("store/host/x/" NEXT_NAME "/index.json.blob")) == 0, "unlink");
    OK(pxds_group_last(store, "host/x", &last, &err)); /* an unfinished one does not count */
    CHECK(is_text(last, "host/x/" TIME_NAME));
    make_snapshot(store, "ns/a/vm/1", TIME);
    OK(pxds_group_last(store, "ns/a/vm/1", &last, &err));
    CHECK(is_text(last, "ns/a/vm/1/" TIME_NAME));
    IS(PXDS_ERR_ARGUMENT, pxds_group_last(store, "host/x/" TIME_NAME, &last, &err));
    CHECK(last == NULL);
    write_all(in_dir("store/host/f"), "", 0);
    IS(PXDS_ERR_FORMAT, pxds_group_last(store, "host/f", &last, &err));
    CHECK(last == NULL && names_path("store/host/f"));
    pxds_store_free(store);
}

static int32_t stop(void *user, uint32_t level, const char *message, const char *path)
{
    unsigned *calls = user;

    (void)level;
    ++*calls;
    return path != NULL && strstr(message, path) != NULL ? 9 : 0;
}

/* A name that is none is a notice; a callback that refuses stops the list. */
static void test_notices(void)
{
    pxds_store_options options = PXDS_STORE_OPTIONS_INIT;
    pxds_store *store = new_store();
    pxds_group_list *groups = NULL;
    unsigned calls = 0;

    OK(pxds_group_create(store, "host/x", NULL, &err));
    need(mkdir(in_dir("store/host/.x"), 0755) == 0, "mkdir");
    OK(pxds_store_groups(store, NULL, 0, &groups, &err));
    EQUAL(1, pxds_group_list_count(groups));
    pxds_group_list_free(groups);
    pxds_store_free(store);
    options.notice = stop;
    options.notice_user = &calls;
    OK(pxds_store_open(in_dir("store"), &options, &store, &err));
    IS(PXDS_ERR_CANCELLED, pxds_store_groups(store, NULL, 0, &groups, &err));
    CHECK(groups == NULL && calls == 1 && pxds_error_callback_value(err) == 9);
    pxds_store_free(store);
}

static void test_namespaces(void)
{
    pxds_store_options options = PXDS_STORE_OPTIONS_INIT;
    pxds_store *store = new_store();
    pxds_namespace_list *list = NULL;

    OK(pxds_namespace_create(store, "a/b", &err));
    OK(pxds_namespace_create(store, "a/b", &err)); /* there already */
    OK(pxds_namespace_create(store, "", &err));
    OK(pxds_store_namespaces(store, NULL, PXDS_LIST_RECURSIVE, &list, &err));
    EQUAL(3, pxds_namespace_list_count(list));
    pxds_namespace_list_free(list);
    IS(PXDS_ERR_EXISTS, pxds_namespace_remove(store, "a", &err));
    CHECK(names_path("store/ns/a/ns/b"));
    OK(pxds_group_create(store, "ns/a/ns/b/vm/1", NULL, &err));
    IS(PXDS_ERR_EXISTS, pxds_namespace_remove(store, "a/b", &err));
    CHECK(names_path("store/ns/a/ns/b/vm/1") && exists(in_dir("store/ns/a/ns/b/vm/1/owner")));
    OK(pxds_group_destroy(store, "ns/a/ns/b/vm/1", NULL, NULL, &err));
    write_all(in_dir("store/ns/a/ns/b/notes"), "", 0);
    IS(PXDS_ERR_EXISTS, pxds_namespace_remove(store, "a/b", &err)); /* whatever it is */
    CHECK(names_path("store/ns/a/ns/b") && exists(in_dir("store/ns/a/ns/b/notes")));
    need(unlink(in_dir("store/ns/a/ns/b/notes")) == 0, "unlink");
    OK(pxds_namespace_remove(store, "a/b", &err));
    CHECK(!exists(in_dir("store/ns/a/ns/b")) && exists(in_dir("store/ns/a")));
    IS(PXDS_ERR_NOT_FOUND, pxds_namespace_remove(store, "a/b", &err));
    CHECK(names_path("store/ns/a/ns/b"));
    OK(pxds_namespace_remove(store, "a", &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_namespace_remove(store, "a/b", &err));
    IS(PXDS_ERR_ARGUMENT, pxds_namespace_remove(store, "", &err));
    IS(PXDS_ERR_ARGUMENT, pxds_namespace_create(store, "../a", &err));
    IS(PXDS_ERR_ARGUMENT, pxds_namespace_remove(store, "a//b", &err));
    write_all(in_dir("store/ns/f"), "", 0);
    IS(PXDS_ERR_EXISTS, pxds_namespace_create(store, "f", &err));
    CHECK(names_path("store/ns/f"));
    pxds_store_free(store);

    options.flags = PXDS_STORE_READ_ONLY;
    OK(pxds_store_open(in_dir("store"), &options, &store, &err));
    IS(PXDS_ERR_STATE, pxds_namespace_create(store, "c", &err));
    IS(PXDS_ERR_STATE, pxds_namespace_remove(store, "f", &err));
    pxds_store_free(store);
}

static void test_groups(void)
{
    pxds_store *store = new_store();
    pxds_buffer *text = NULL;
    pxds_destroy_result result = PXDS_DESTROY_RESULT_INIT;

    IS(PXDS_ERR_NOT_FOUND, pxds_group_get_owner(store, "host/x", &text, &err));
    CHECK(text == NULL && names_path("store/host/x"));
    IS(PXDS_ERR_NOT_FOUND, pxds_group_set_owner(store, "host/x", "me@pbs", &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_group_get_notes(store, "host/x", &text, &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_group_set_notes(store, "host/x", "n", &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_group_set_notes(store, "host/x", NULL, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_group_create(store, "host/x", "me", &err));
    OK(pxds_group_create(store, "host/x", "me@pbs!token", &err));
    OK(pxds_group_create(store, "host/x", "me@pbs", &err));
    IS(PXDS_ERR_ARGUMENT, pxds_group_create(store, "host/x", "you@pbs", &err));
    CHECK(names_path("store/host/x") && says("me@pbs!token"));
    OK(pxds_group_get_owner(store, "host/x", &text, &err));
    CHECK(is_text(text, "me@pbs!token"));
    IS(PXDS_ERR_ARGUMENT, pxds_group_set_owner(store, "host/x", "a@b\nc@d", &err));
    OK(pxds_group_set_owner(store, "host/x", "you@pbs", &err));
    OK(pxds_group_get_owner(store, "host/x", &text, &err));
    CHECK(is_text(text, "you@pbs"));
    need(unlink(in_dir("store/host/x/owner")) == 0, "unlink");
    text = (pxds_buffer *)&result;
    IS(PXDS_NONE, pxds_group_get_owner(store, "host/x", &text, &err));
    CHECK(text == NULL);

    OK(pxds_group_get_notes(store, "host/x", &text, &err));
    CHECK(is_text(text, ""));
    OK(pxds_group_set_notes(store, "host/x", "line\nline \xc3\xa9", &err));
    OK(pxds_group_get_notes(store, "host/x", &text, &err));
    CHECK(is_text(text, "line\nline \xc3\xa9"));
    OK(pxds_group_set_notes(store, "host/x", NULL, &err));
    OK(pxds_group_set_notes(store, "host/x", "", &err));
    CHECK(!exists(in_dir("store/host/x/notes")));

    /* a removal says what was done, also when it cannot do everything */
    make_snapshot(store, "host/x", TIME);
    make_snapshot(store, "host/x", TIME + 1);
    OK(pxds_snapshot_protect(store, "host/x/" TIME_NAME, &err));
    {
        pxds_destroy_options dry_run = PXDS_DESTROY_OPTIONS_INIT;

        dry_run.flags = PXDS_DESTROY_DRY_RUN;
        IS(PXDS_ERR_PROTECTED, pxds_group_destroy(store, "host/x", &dry_run, &result, &err));
        CHECK(result.removed == 1 && result.protected_count == 1);
        dry_run.flags = 2;
        IS(PXDS_ERR_ARGUMENT, pxds_group_destroy(store, "host/x", &dry_run, &result, &err));
    }
    IS(PXDS_ERR_PROTECTED, pxds_group_destroy(store, "host/x", NULL, &result, &err));
    CHECK(names_path("store/host/x"));
    EQUAL(1, result.removed);
    EQUAL(1, result.protected_count);
    CHECK(strcmp(listing(store), "host/x/" TIME_NAME " 3") == 0);
    OK(pxds_snapshot_unprotect(store, "host/x/" TIME_NAME, &err));
    {
        pxds_snapshot *open = NULL;

        OK(pxds_snapshot_open(store, "host/x/" TIME_NAME, NULL, 0, &open, &err));
        IS(PXDS_ERR_BUSY, pxds_group_destroy(store, "host/x", NULL, &result, &err));
        CHECK(names_path("store/host/x/" TIME_NAME));
        EQUAL(0, result.removed);
        pxds_snapshot_free(open);
    }
    OK(pxds_group_destroy(store, "host/x", NULL, &result, &err));
    EQUAL(1, result.removed);
    EQUAL(0, result.protected_count);
    CHECK(!exists(in_dir("store/host/x")));
    IS(PXDS_ERR_NOT_FOUND, pxds_group_destroy(store, "host/x", NULL, &result, &err));
    CHECK(result.removed == 0 && names_path("store/host/x"));
    IS(PXDS_ERR_ARGUMENT, pxds_group_destroy(store, "host", NULL, &result, &err));
    EQUAL(0, result.removed);
    pxds_store_free(store);
}

static void test_snapshots(void)
{
    pxds_store *store = new_store();
    pxds_snapshot_entry entry = PXDS_SNAPSHOT_ENTRY_INIT;
    pxds_lock *lock = NULL, *again = NULL;
    pxds_snapshot *open = NULL;
    pxds_manifest *manifest = NULL, *other = NULL;
    pxds_buffer *text = NULL;
    const char *name = "host/x/" TIME_NAME;

    entry.flags = 7;
    IS(PXDS_ERR_NOT_FOUND, pxds_snapshot_get_info(store, name, &entry, &err));
    CHECK(entry.flags == 0 && names_path("store/host/x/" TIME_NAME));
    IS(PXDS_ERR_NOT_FOUND, pxds_snapshot_protect(store, name, &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_snapshot_unprotect(store, name, &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_snapshot_open(store, name, NULL, 0, &open, &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_manifest_load(store, name, &manifest, &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_snapshot_get_notes(store, name, &text, &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_snapshot_set_notes(store, name, "x", &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_snapshot_set_unprotected(store, name, "x", "1", &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_snapshot_destroy(store, name, &err));
    CHECK(names_path("store/host/x/" TIME_NAME));
    IS(PXDS_ERR_ARGUMENT,
       pxds_snapshot_create(store, "host/x/1970-01-01T00:00:00Z", NULL, &lock, &err));
    CHECK(lock == NULL && !exists(in_dir("store/host")));

    OK(pxds_snapshot_create(store, name, "me@pbs", &lock, &err));
    IS(PXDS_ERR_EXISTS, pxds_snapshot_create(store, name, NULL, &again, &err));
    CHECK(again == NULL && names_path("store/host/x/" TIME_NAME));
    IS(PXDS_ERR_BUSY, pxds_snapshot_open(store, name, NULL, 0, &open, &err));
    CHECK(open == NULL && names_path("store/host/x/" TIME_NAME));
    IS(PXDS_ERR_BUSY, pxds_snapshot_protect(store, name, &err));
    IS(PXDS_ERR_BUSY, pxds_snapshot_destroy(store, name, &err));
    OK(pxds_snapshot_get_info(store, name, &entry, &err));
    CHECK(entry.flags == 0 && entry.time == TIME && entry.path == NULL && entry.id == NULL);
    IS(PXDS_ERR_NOT_FOUND, pxds_manifest_load(store, name, &manifest, &err));
    CHECK(manifest == NULL && names_path("store/host/x/" TIME_NAME "/index.json.blob"));
    OK(pxds_manifest_new(PXDS_TYPE_HOST, "y", TIME, &other, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_manifest_save(store, name, other, &err));
    pxds_manifest_free(other);
    OK(pxds_manifest_new(PXDS_TYPE_HOST, "x", TIME, &other, &err));
    OK(pxds_manifest_save(store, name, other, &err));
    pxds_manifest_free(other);
    pxds_lock_free(lock);
    OK(pxds_snapshot_get_info(store, name, &entry, &err));
    EQUAL(PXDS_SNAPSHOT_FINISHED, entry.flags);

    OK(pxds_snapshot_open(store, name, NULL, 0, &open, &err));
    OK(pxds_snapshot_set_notes(store, name, "one\ntwo", &err)); /* also while it is read */
    OK(pxds_snapshot_get_notes(store, name, &text, &err));
    CHECK(is_text(text, "one\ntwo"));
    OK(pxds_snapshot_get_manifest(open, &manifest, &err)); /* as it was when it was opened */
    IS(PXDS_NONE, pxds_manifest_get_notes(manifest, &text, &err));
    pxds_manifest_free(manifest);
    IS(PXDS_ERR_BUSY, pxds_snapshot_protect(store, name, &err));
    pxds_snapshot_free(open);
    pxds_snapshot_free(NULL);
    OK(pxds_snapshot_set_notes(store, name, NULL, &err));
    OK(pxds_snapshot_get_notes(store, name, &text, &err));
    CHECK(is_text(text, ""));
    OK(pxds_snapshot_set_unprotected(store, name, "mine", "[1, 2]", &err));
    IS(PXDS_ERR_FORMAT, pxds_snapshot_set_unprotected(store, name, "mine", "[1, 2", &err));
    OK(pxds_manifest_load(store, name, &manifest, &err));
    OK(pxds_manifest_get_unprotected(manifest, "mine", &text, &err));
    pxds_buffer_free(text);
    pxds_manifest_free(manifest);
    OK(pxds_snapshot_set_unprotected(store, name, "mine", NULL, &err));

    for (int i = 0; i < 2; i++)
        OK(pxds_snapshot_protect(store, name, &err));
    IS(PXDS_ERR_PROTECTED, pxds_snapshot_destroy(store, name, &err));
    CHECK(names_path("store/host/x/" TIME_NAME));
    for (int i = 0; i < 2; i++)
        OK(pxds_snapshot_unprotect(store, name, &err));
    OK(pxds_snapshot_destroy(store, name, &err));
    CHECK(strcmp(listing(store), "") == 0);
    pxds_store_free(store);
}

static void test_open_snapshots(void)
{
    pxds_store *store = new_store();
    pxds_snapshot *open = NULL;
    pxds_index *index = (pxds_index *)&store;
    pxds_buffer *blob = (pxds_buffer *)&store;
    pxds_manifest *manifest = NULL;

    make_snapshot(store, "host/x", TIME);
    OK(pxds_snapshot_open(store, "host/x/" TIME_NAME, NULL, 0, &open, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_snapshot_open_index(open, "b.blob", &index, &err));
    CHECK(index == NULL);
    IS(PXDS_ERR_ARGUMENT, pxds_snapshot_read_blob(open, "a.didx", SIZE_MAX, &blob, &err));
    CHECK(blob == NULL);
    IS(PXDS_ERR_NOT_FOUND, pxds_snapshot_open_index(open, "c.fidx", &index, &err));
    CHECK(names_path("store/host/x/" TIME_NAME "/c.fidx"));
    IS(PXDS_ERR_NOT_FOUND, pxds_snapshot_read_blob(open, "c.blob", SIZE_MAX, &blob, &err));
    CHECK(names_path("store/host/x/" TIME_NAME "/c.blob"));
    write_all(in_dir("store/host/x/" TIME_NAME "/b.blob"), "no blob", 7);
    IS(PXDS_ERR_CORRUPT, pxds_snapshot_read_blob(open, "b.blob", SIZE_MAX, &blob, &err));
    CHECK(blob == NULL && names_path("store/host/x/" TIME_NAME "/b.blob"));
    need(truncate(in_dir("store/host/x/" TIME_NAME "/a.didx"), 4096) == 0, "truncate");
    IS(PXDS_ERR_CORRUPT, pxds_snapshot_open_index(open, "a.didx", &index, &err));
    CHECK(index == NULL && names_path("store/host/x/" TIME_NAME "/a.didx"));
    pxds_snapshot_free(open);
    need(unlink(in_dir("store/host/x/" TIME_NAME "/index.json.blob")) == 0, "unlink");
    OK(pxds_snapshot_open(store, "host/x/" TIME_NAME, NULL, 0, &open, &err));
    manifest = (pxds_manifest *)&store;
    IS(PXDS_ERR_NOT_FOUND, pxds_snapshot_get_manifest(open, &manifest, &err));
    CHECK(manifest == NULL && names_path("store/host/x/" TIME_NAME "/index.json.blob"));
    pxds_snapshot_free(open);
    pxds_store_free(store);
}

/* An archive in one call: with the chunks of the snapshot's store, and the snapshot's own key. */
static void test_archives(void)
{
    static const char *const names[] = {"a.didx", "b.fidx", "c.blob"};
    pxds_reader_options reading = PXDS_READER_OPTIONS_INIT;
    pxds_restorer_options restoring = PXDS_RESTORER_OPTIONS_INIT;
    pxds_backup_options sealing = PXDS_BACKUP_OPTIONS_INIT;
    pxds_store *store = new_store();
    pxds_key *key = NULL;
    pxds_backup *backup = NULL;
    pxds_snapshot *snapshot = NULL;
    pxds_reader *reader = NULL;
    uint8_t *bytes;
    size_t len = 0;

    OK(pxds_key_random(&key, &err));
    sealing.key = key, sealing.crypt_mode = PXDS_CRYPT_ENCRYPT;
    write_all(in_dir("in"), data, DATA_LEN);
    OK(pxds_backup_new(store, "host/x", &sealing, &backup, &err));
    for (int i = 0; i < 3; i++) {
        int fd = open(in_dir("in"), O_RDONLY);

        OK(pxds_backup_add_fd(backup, names[i], fd, NULL, NULL, NULL, &err));
        close(fd);
    }
    OK(pxds_backup_finish(backup, &err));
    OK(pxds_snapshot_open(store, pxds_backup_snapshot(backup), key, 0, &snapshot, &err));
    pxds_store_free(store); /* the snapshot has what it needs */

    reading.threads = 2, restoring.threads = 2;
    for (int i = 0; i < 3; i++) {
        OK(pxds_snapshot_restore_file(snapshot, names[i], in_dir("out"), i > 0 ? &restoring : NULL, &err));
        bytes = read_all(in_dir("out"), &len);
        CHECK(len == DATA_LEN && memcmp(bytes, data, len) == 0);
        if (i < 2) {
            memset(bytes, 0, len);
            OK(pxds_snapshot_open_reader(snapshot, names[i], i > 0 ? &reading : NULL, &reader, &err));
            EQUAL(DATA_LEN, pxds_reader_size(reader));
            OK(pxds_reader_read_at(reader, 0, bytes, len, &len, &err));
            CHECK(len == DATA_LEN && memcmp(bytes, data, len) == 0);
            pxds_reader_free(reader);
        }
        free(bytes);
    }

    IS(PXDS_ERR_ARGUMENT, pxds_snapshot_open_reader(snapshot, "c.blob", NULL, &reader, &err));
    CHECK(reader == NULL);
    IS(PXDS_ERR_NOT_FOUND, pxds_snapshot_open_reader(snapshot, "d.didx", NULL, &reader, &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_snapshot_restore_file(snapshot, "d.didx", in_dir("new"), NULL, &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_snapshot_restore_file(snapshot, "d.blob", in_dir("new"), NULL, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_snapshot_restore_file(snapshot, "d.txt", in_dir("new"), NULL, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_snapshot_restore_file(snapshot, "a.didx", "", NULL, &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_snapshot_restore_file(snapshot, "a.didx", in_dir("no/new"), NULL, &err));
    reading.flags = restoring.flags = 1u << 31;
    IS(PXDS_ERR_ARGUMENT, pxds_snapshot_open_reader(snapshot, "a.didx", &reading, &reader, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_snapshot_restore_file(snapshot, "a.didx", in_dir("new"), &restoring, &err));
    pxds_snapshot_free(snapshot);
    pxds_backup_free(backup);

    /* a snapshot that nobody has signed is read as it was opened */
    OK(pxds_store_open(in_dir("store"), NULL, &store, &err));
    make_snapshot(store, "host/y", TIME);
    IS(PXDS_ERR_AUTH, pxds_snapshot_open(store, "host/y/" TIME_NAME, key, 0, &snapshot, &err));
    OK(pxds_snapshot_open(store, "host/y/" TIME_NAME, key, PXDS_OPEN_ALLOW_UNSIGNED, &snapshot, &err));
    OK(pxds_snapshot_restore_file(snapshot, "a.didx", in_dir("new"), NULL, &err));
    pxds_snapshot_free(snapshot);
    pxds_key_free(key);
    pxds_store_free(store);
}

static void test_full_path(void)
{
    pxds_store *store = new_store();
    char path[4200], shorter[4200];
    size_t len = 0, needed = 0;

    OK(pxds_store_get_full_path(store, "ns/a/host/x", path, sizeof path, &len, &err));
    CHECK(strcmp(path, in_dir("store/ns/a/host/x")) == 0);
    EQUAL(strlen(path) + 1, len);
    IS(PXDS_ERR_TOO_SMALL, pxds_store_get_full_path(store, "ns/a/host/x", shorter, len - 1, &needed, &err));
    CHECK(shorter[0] == '\0' && needed == len);
    OK(pxds_store_get_full_path(store, "ns/a/host/x", shorter, len, &needed, &err));
    OK(pxds_store_get_full_path(store, "host/x/" TIME_NAME, path, sizeof path, &len, &err));
    CHECK(strcmp(path, in_dir("store/host/x/" TIME_NAME)) == 0);
    IS(PXDS_ERR_ARGUMENT, pxds_store_get_full_path(store, "host/../x", path, sizeof path, &len, &err));
    CHECK(path[0] == '\0' && len == 0);
    pxds_store_free(store);
}

static void test_locks(void)
{
    pxds_store *store = new_store(), *other = NULL;
    pxds_lock *a = NULL, *b = NULL, *c = NULL;
    const char *name = "host/x/" TIME_NAME;

    IS(PXDS_ERR_NOT_FOUND, pxds_group_lock(store, "host/x", &a, &err));
    IS(PXDS_ERR_NOT_FOUND, pxds_snapshot_lock(store, name, PXDS_LOCK_SHARED, &a, &err));
    CHECK(a == NULL && names_path("store/host/x/" TIME_NAME));
    make_snapshot(store, "host/x", TIME);
    OK(pxds_store_open(in_dir("store"), NULL, &other, &err));
    for (uint32_t mode = 0; mode < 4; mode += 3) {
        a = (pxds_lock *)&store;
        IS(PXDS_ERR_ARGUMENT, pxds_snapshot_lock(store, name, mode, &a, &err));
        CHECK(a == NULL);
        IS(PXDS_ERR_ARGUMENT, pxds_store_lock(store, mode, &a, &err));
    }
    OK(pxds_snapshot_lock(store, name, PXDS_LOCK_SHARED, &a, &err));
    OK(pxds_snapshot_lock(other, name, PXDS_LOCK_SHARED, &b, &err));
    IS(PXDS_ERR_BUSY, pxds_snapshot_lock(other, name, PXDS_LOCK_EXCLUSIVE, &c, &err));
    CHECK(c == NULL && names_path("store/host/x/" TIME_NAME));
    pxds_lock_free(a);
    pxds_lock_free(b);
    OK(pxds_snapshot_lock(other, name, PXDS_LOCK_EXCLUSIVE, &a, &err));
    IS(PXDS_ERR_BUSY, pxds_snapshot_lock(store, name, PXDS_LOCK_SHARED, &b, &err));
    OK(pxds_group_lock(store, "host/x", &b, &err));
    IS(PXDS_ERR_BUSY, pxds_group_create(other, "host/x", NULL, &err));
    CHECK(names_path("store/host/x"));
    IS(PXDS_ERR_BUSY, pxds_group_destroy(other, "host/x", NULL, NULL, &err));
    pxds_store_free(other); /* the lock stays */
    IS(PXDS_ERR_BUSY, pxds_snapshot_destroy(store, name, &err));
    pxds_lock_free(a);
    pxds_lock_free(b);
    pxds_lock_free(NULL);
    OK(pxds_snapshot_destroy(store, name, &err));
    pxds_store_free(store);
}

/* With lock files nothing is locked in the store itself, and an error names the file. */
static void test_lock_files(void)
{
    pxds_store_options options = PXDS_STORE_OPTIONS_INIT;
    pxds_store *store = new_store(), *files = NULL;
    pxds_lock *lock = NULL, *other = NULL;

    options.lock_dir = in_dir("run/locks");
    options.store_name = "../main";
    IS(PXDS_ERR_ARGUMENT, pxds_store_open(in_dir("store"), &options, &files, &err));
    options.store_name = "main";
    OK(pxds_store_open(in_dir("store"), &options, &files, &err));
    make_snapshot(files, "host/x", TIME);
    OK(pxds_group_lock(files, "host/x", &lock, &err));
    OK(pxds_group_lock(store, "host/x", &other, &err));
    pxds_lock_free(other);
    IS(PXDS_ERR_BUSY, pxds_group_lock(files, "host/x", &other, &err));
    CHECK(names_path("run/locks/main/host-x"));
    pxds_lock_free(lock);
    OK(pxds_snapshot_destroy(files, "host/x/" TIME_NAME, &err));
    CHECK(!exists(in_dir("run/locks/main/host-x-2020\\x2d06\\x2d26T13\\x3a56\\x3a05Z")));
    pxds_store_free(files);
    pxds_store_free(store);
}

int main(void)
{
    data = random_data(DATA_LEN, 7);
    RUN(test_lists);
    RUN(test_lists_that_fail);
    RUN(test_what_a_listing_is_asked_for);
    RUN(test_plain_sizes);
    RUN(test_last_snapshot);
    RUN(test_notices);
    RUN(test_namespaces);
    RUN(test_groups);
    RUN(test_snapshots);
    RUN(test_open_snapshots);
    RUN(test_archives);
    RUN(test_full_path);
    RUN(test_locks);
    RUN(test_lock_files);
    free(data);
    return check_done();
}
