/* Names and the paths that they make. */
#include "check.h"

static char text[512];
static size_t len;

static const char *x_times(size_t count)
{
    static char name[400];

    memset(name, 'x', count);
    name[count] = '\0';
    return name;
}

static void test_types(void)
{
    static const struct {
        uint32_t type;
        const char *name;
    } types[] = {{PXDS_TYPE_VM, "vm"}, {PXDS_TYPE_CT, "ct"}, {PXDS_TYPE_HOST, "host"}};
    static const char *const bad[] = {"", "VM", "vm ", "qemu", "unknown"};
    uint32_t type;

    for (size_t i = 0; i < 3; i++) {
        CHECK(strcmp(pxds_backup_type_name(types[i].type), types[i].name) == 0);
        OK(pxds_backup_type_parse(types[i].name, &type, &err));
        EQUAL(types[i].type, type);
        EQUAL(i, type);
    }
    CHECK(strcmp(pxds_backup_type_name(3), "unknown") == 0);
    CHECK(strcmp(pxds_backup_type_name(UINT32_MAX), "unknown") == 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        IS(PXDS_ERR_ARGUMENT, pxds_backup_type_parse(bad[i], &type, &err));
}

static void test_ids(void)
{
    static const char *const good[] = {"100", "a", "_", "a.b-c_d", "A"};
    static const char *const bad[] = {"", ".", "..", "../a", "a/b", "-a", ".a", "a b", "a\n",
                                      "\xc3\xa4", "\xff"};

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        OK(pxds_id_check(good[i], &err));
        OK(pxds_namespace_check(good[i], &err));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        IS(PXDS_ERR_ARGUMENT, pxds_id_check(bad[i], &err));
    OK(pxds_id_check(x_times(PXDS_ID_MAX_LEN), &err));
    IS(PXDS_ERR_ARGUMENT, pxds_id_check(x_times(PXDS_ID_MAX_LEN + 1), &err));
    IS(PXDS_ERR_ARGUMENT, pxds_id_check("\xff", &err));
    CHECK(says("id is not UTF-8"));
}

static void test_namespaces(void)
{
    static const char *const bad[] = {"/", "a/", "/a", "a//b", "a/../b", "a/b/c/d/e/f/g/h", "\xff"};
    char longest[PXDS_NAMESPACE_MAX_LEN + 1];

    OK(pxds_namespace_check("", &err));
    OK(pxds_namespace_check("a/b/c/d/e/f/g", &err));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        IS(PXDS_ERR_ARGUMENT, pxds_namespace_check(bad[i], &err));

    /* 127, a slash, 128: the longest, and it fits into the structures. */
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    longest[127] = '/';
    OK(pxds_namespace_check(longest, &err));
    OK(pxds_group_format(longest, PXDS_TYPE_CT, "1", text, sizeof text, &len, &err));
    {
        pxds_group_name group = PXDS_GROUP_NAME_INIT;

        OK(pxds_group_parse(text, &group, &err));
        CHECK(strcmp(group.ns, longest) == 0 && strcmp(group.id, "1") == 0);
    }
}

static void test_archives(void)
{
    static const char *const bad[] = {"", "a", ".blob", "a.DIDX", "a.didx ", "../a.didx", "a/b.blob",
                                      "a.pxar"};
    uint32_t kind;

    OK(pxds_archive_check("root.pxar.didx", &kind, &err));
    EQUAL(PXDS_ARCHIVE_DYNAMIC, kind);
    OK(pxds_archive_check("drive-scsi0.img.fidx", &kind, &err));
    EQUAL(PXDS_ARCHIVE_FIXED, kind);
    OK(pxds_archive_check("index.json.blob", &kind, &err));
    EQUAL(PXDS_ARCHIVE_BLOB, kind);
    OK(pxds_archive_check("index.json.blob", NULL, &err));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        kind = 7;
        IS(PXDS_ERR_ARGUMENT, pxds_archive_check(bad[i], &kind, &err));
        EQUAL(0, kind);
    }
}

static void test_times(void)
{
    static const char *const bad[] = {"", "2020-06-26", "2020-02-30T00:00:00Z",
                                      "2020-01-01T23:59:60Z", "2020-06-26T13:56:05z",
                                      "2020-06-26T13:56:05+00:00"};
    int64_t time = 0;

    OK(pxds_time_format(1593179765, text, PXDS_TIME_SIZE, &err));
    CHECK(strcmp(text, "2020-06-26T13:56:05Z") == 0);
    OK(pxds_time_parse(text, &time, &err));
    CHECK(time == 1593179765);
    OK(pxds_time_format(-1, text, sizeof text, &err));
    CHECK(strcmp(text, "1969-12-31T23:59:59Z") == 0);
    OK(pxds_time_parse(text, &time, &err));
    CHECK(time == -1);
    IS(PXDS_ERR_TOO_SMALL, pxds_time_format(0, text, PXDS_TIME_SIZE - 1, &err));
    CHECK(text[0] == '\0');
    IS(PXDS_ERR_ARGUMENT, pxds_time_format(INT64_C(253402300800), text, sizeof text, &err));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        IS(PXDS_ERR_ARGUMENT, pxds_time_parse(bad[i], &time, &err));
        CHECK(time == 0);
    }
}

static void test_groups(void)
{
    static const char *const bad[] = {"", "host", "host/", "host/x/y", "x/host/y", "ns/a",
                                      "ns/a/host/../x", "HOST/x"};
    pxds_group_name group = PXDS_GROUP_NAME_INIT;

    OK(pxds_group_format(NULL, PXDS_TYPE_VM, "100", text, sizeof text, &len, &err));
    CHECK(strcmp(text, "vm/100") == 0 && len == 7);
    OK(pxds_group_format("", PXDS_TYPE_CT, "100", text, 7, &len, &err));
    CHECK(strcmp(text, "ct/100") == 0 && len == 7);
    IS(PXDS_ERR_TOO_SMALL, pxds_group_format("", PXDS_TYPE_CT, "100", text, 6, &len, &err));
    CHECK(text[0] == '\0' && len == 7);
    OK(pxds_group_format("a/b", PXDS_TYPE_HOST, "elsa", text, sizeof text, &len, &err));
    CHECK(strcmp(text, "ns/a/ns/b/host/elsa") == 0);
    OK(pxds_group_parse(text, &group, &err));
    CHECK(group.type == PXDS_TYPE_HOST && strcmp(group.ns, "a/b") == 0);
    CHECK(strcmp(group.id, "elsa") == 0 && group.struct_size == sizeof group);

    IS(PXDS_ERR_ARGUMENT,
       pxds_group_format("", PXDS_TYPE_CT, "../x", text, sizeof text, &len, &err));
    CHECK(text[0] == '\0' && len == 0);
    IS(PXDS_ERR_ARGUMENT, pxds_group_format("..", PXDS_TYPE_CT, "x", text, sizeof text, &len, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_group_format("", 3, "x", text, sizeof text, &len, &err));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        IS(PXDS_ERR_ARGUMENT, pxds_group_parse(bad[i], &group, &err));
        CHECK(group.id[0] == '\0');
    }
}

static void test_snapshots(void)
{
    static const char path[] = "ns/a/vm/100/2020-06-26T13:56:05Z";
    pxds_snapshot_name snapshot = PXDS_SNAPSHOT_NAME_INIT;

    OK(pxds_snapshot_format("a", PXDS_TYPE_VM, "100", 1593179765, text, sizeof text, &len, &err));
    CHECK(strcmp(text, path) == 0 && len == sizeof path);
    OK(pxds_snapshot_parse(path, &snapshot, &err));
    CHECK(snapshot.type == PXDS_TYPE_VM && snapshot.time == 1593179765);
    CHECK(strcmp(snapshot.ns, "a") == 0 && strcmp(snapshot.id, "100") == 0);
    OK(pxds_snapshot_format(NULL, PXDS_TYPE_CT, "1", 0, text, sizeof text, &len, &err));
    CHECK(strcmp(text, "ct/1/1970-01-01T00:00:00Z") == 0);
    IS(PXDS_ERR_ARGUMENT,
       pxds_snapshot_format("a", PXDS_TYPE_VM, "100", INT64_MAX, text, sizeof text, &len, &err));
    IS(PXDS_ERR_TOO_SMALL,
       pxds_snapshot_format("a", PXDS_TYPE_VM, "100", 0, text, sizeof path - 1, &len, &err));
    EQUAL(sizeof path, len);
    IS(PXDS_ERR_ARGUMENT, pxds_snapshot_parse("vm/100", &snapshot, &err));
    IS(PXDS_ERR_ARGUMENT, pxds_snapshot_parse("vm/100/2020-02-30T00:00:00Z", &snapshot, &err));
    CHECK(snapshot.id[0] == '\0' && snapshot.time == 0);
}

int main(void)
{
    RUN(test_types);
    RUN(test_ids);
    RUN(test_namespaces);
    RUN(test_archives);
    RUN(test_times);
    RUN(test_groups);
    RUN(test_snapshots);
    return check_done();
}
