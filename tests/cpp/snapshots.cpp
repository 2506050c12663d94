/* Backups, snapshots, groups, namespaces, manifests; statistics, garbage, verification, settings of PBS. */
#include "check.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace {

constexpr std::int64_t DAY = 86400;

/** A snapshot of host/web with a stream, at this time. */
std::string snapshot(const pxds::store &store, std::int64_t time, std::uint32_t seed = 1)
{
    pxds::backup_options options;
    options.flags = PXDS_BACKUP_SET_TIME;
    options.time = time;
    options.notes = "of day " + std::to_string(time / DAY);
    auto backup = OK(pxds::backup::create(store, "host/web", options));
    const auto path = check::write(check::dir() / "file", check::noise(10000, seed));
    CHECK(OK(backup.add_file("data.didx", path)).size == 10000);
    OK(backup.finish());
    return std::string(backup.snapshot());
}

} // namespace

TEST(backups)
{
    const auto store = check::store();
    const auto earlier = snapshot(store, DAY);
    CHECK(earlier == "host/web/1970-01-02T00:00:00Z");
    auto data = check::noise(100000);
    data.resize(5000000);
    const auto path = check::write(check::dir() / "file", data);

    std::uint64_t finished = 0;
    pxds::backup_options options;
    options.owner = "root@pam";
    options.progress = [&](const pxds::progress &progress) { finished += progress.phase == PXDS_BACKUP_PHASE_FINISH; };
    auto backup = OK(pxds::backup::create(store, std::string("host/web"), options));
    CHECK(backup.previous() == earlier);
    std::ifstream stream(path, std::ios::binary);
    CHECK(OK(backup.add_stream("stream.didx", pxds::from(stream))).size == data.size());
    const int fd = ::open(path.c_str(), O_RDONLY);
    CHECK(OK(backup.add_fd("image.fidx", fd)).chunks == 2);
    ::close(fd);
    OK(backup.add_blob("config.blob", "a = 1\n"));
    auto ingest = OK(pxds::ingest::create(store));
    OK(ingest.write("abc"));
    auto writer = OK(ingest.finish());
    OK(backup.add_index("own.didx", writer));
    IS(PXDS_ERR_EXISTS, backup.add_blob("config.blob", ""));
    const std::string name(backup.snapshot());
    CHECK(!std::filesystem::exists(OK(store.full_path(name))));
    OK(backup.finish());
    CHECK(finished > 0 && std::filesystem::exists(OK(store.full_path(name))));

    const auto opened = OK(pxds::snapshot::open(store, name));
    CHECK(OK(opened.read_blob("config.blob")).str() == "a = 1\n");
    CHECK(OK(OK(opened.open_index("image.fidx")).info()).size == data.size());
    CHECK(OK(opened.open_reader("own.didx")).size() == 3);
    OK(opened.restore_file("stream.didx", check::dir() / "out"));
    CHECK(check::read(check::dir() / "out") == data);
    CHECK(opened.signature() == PXDS_SIGNATURE_UNCHECKED);
    auto manifest = OK(opened.manifest());
    CHECK(OK(manifest.info()).file_count == 4 && OK(manifest.find_file("own.didx"))->size == 3);
    int archives = 0;
    for (const auto &file : OK(pxds::snapshot::files(store, name)))
        archives += std::string_view(file.name) != "index.json.blob";
    CHECK(archives == 4);
    /* One that is not finished leaves nothing. */
    {
        auto lost = OK(pxds::backup::create(store, "host/lost"));
        OK(lost.add_blob("config.blob", "a = 1\n"));
    }
    CHECK(OK(pxds::group::snapshots(store, "host/lost")).empty());
}

TEST(encrypted_backups)
{
    const auto store = check::store();
    const auto key = OK(pxds::key::random());
    pxds::backup_options options;
    options.key = key;
    auto backup = OK(pxds::backup::create(store, "host/web", options));
    OK(backup.add_blob("secret.blob", "a secret"));
    IS(PXDS_ERR_ARGUMENT, backup.add_sealed_key("not a sealed key"));
    OK(backup.finish());
    const auto opened = OK(pxds::snapshot::open(store, backup.snapshot(), key));
    CHECK(OK(opened.read_blob("secret.blob")).str() == "a secret" && opened.signature() == PXDS_SIGNATURE_VALID);
    IS(PXDS_ERR_KEY, OK(pxds::snapshot::open(store, backup.snapshot())).read_blob("secret.blob"));
    const auto other = OK(pxds::key::random());
    IS(PXDS_ERR_KEY_MISMATCH, pxds::snapshot::open(store, backup.snapshot(), other));
}

TEST(lists)
{
    const auto store = check::store();
    for (const std::int64_t day : {1, 2, 3})
        snapshot(store, day * DAY);
    OK(pxds::ns::create(store, "a/b"));
    OK(pxds::group::create(store, "ns/a/vm/100", "me@pbs"));
    const auto spaces = OK(store.namespaces("", PXDS_LIST_RECURSIVE));
    CHECK(std::vector<std::string>(spaces.begin(), spaces.end()) == (std::vector<std::string>{"", "a", "a/b"}));
    OK(pxds::ns::remove(store, "a/b"));
    CHECK(OK(store.namespaces("a")).empty() && spaces.is_complete());
    std::string paths;
    for (const auto &group : OK(store.groups(nullptr, PXDS_LIST_RECURSIVE)))
        paths.append(group.path).append(" ");
    CHECK(paths == "host/web ns/a/vm/100 " && OK(store.groups()).is_complete());

    const auto list = OK(store.snapshots("", PXDS_LIST_MANIFESTS));
    CHECK(list.size() == 3 && list.is_complete() && list[2].time == 3 * DAY && list.begin()->time == DAY);
    CHECK(std::string(list[0].notes) == "of day 1" && list[99].path == nullptr);
    CHECK(list.end() - list.begin() == 3 && (list.begin() + 1)->time == 2 * DAY);
    CHECK(OK(pxds::group::last(store, "host/web")) == list[2].path && !OK(pxds::group::last(store, "host/none")));
    CHECK(OK(pxds::group::owner(store, "ns/a/vm/100")) == "me@pbs");
    OK(pxds::group::set_owner(store, "ns/a/vm/100", "you@pbs"));
    IS(PXDS_ERR_ARGUMENT, pxds::group::create(store, "ns/a/vm/100", "me@pbs"));
    OK(pxds::group::set_notes(store, "host/web", "notes"));
    CHECK(OK(pxds::group::notes(store, "host/web")) == "notes");
    const auto lock = OK(pxds::group::lock(store, "host/web"));
    IS(PXDS_ERR_BUSY, pxds::backup::create(store, "host/web"));
}

TEST(snapshots_by_path)
{
    const auto store = check::store();
    const auto path = snapshot(store, DAY);
    CHECK(OK(pxds::snapshot::notes(store, path)) == "of day 1");
    OK(pxds::snapshot::set_notes(store, path, nullptr));
    CHECK(OK(pxds::snapshot::notes(store, path)).empty());
    OK(pxds::snapshot::set_unprotected(store, path, "mine", "7"));
    auto manifest = OK(pxds::manifest::load(store, path));
    CHECK(OK(manifest.unprotected("mine")) == "7" && !OK(manifest.unprotected("yours")));
    CHECK(OK(manifest.notes()).value_or("").empty());
    OK(pxds::snapshot::protect(store, path));
    CHECK(OK(pxds::snapshot::info(store, path)).flags == (PXDS_SNAPSHOT_PROTECTED | PXDS_SNAPSHOT_FINISHED));
    IS(PXDS_ERR_PROTECTED, pxds::snapshot::destroy(store, path));
    pxds::destroy_result result;
    IS(PXDS_ERR_PROTECTED, pxds::group::destroy(store, "host/web", {}, &result));
    CHECK(result.protected_count == 1);
    OK(pxds::snapshot::unprotect(store, path));
    {
        const auto lock = OK(pxds::snapshot::lock(store, path, PXDS_LOCK_SHARED));
        IS(PXDS_ERR_BUSY, pxds::snapshot::destroy(store, path));
    }
    OK(pxds::snapshot::destroy(store, path));
    snapshot(store, 2 * DAY);
    CHECK(OK(pxds::group::destroy(store, "host/web")).removed == 1);
}

TEST(manifests)
{
    const auto store = check::store();
    const auto key = OK(pxds::key::random());
    auto manifest = OK(pxds::manifest::create(PXDS_TYPE_HOST, "web", DAY));
    pxds::manifest_file file;
    file.filename = "config.blob";
    file.size = 7;
    OK(manifest.add_file(file));
    CHECK(std::string(OK(manifest.file(0))->filename) == "config.blob" && !OK(manifest.file(1)));
    OK(manifest.verify_file("config.blob", pxds::digest(), 7));
    IS(PXDS_ERR_CORRUPT, manifest.verify_file("config.blob", pxds::digest(), 8));
    OK(manifest.set_notes("notes"));
    CHECK(OK(manifest.notes()) == "notes");
    OK(manifest.set_unprotected("mine", "true"));
    CHECK(!OK(manifest.signature()) && OK(manifest.verify(key)) == PXDS_SIGNATURE_MISSING);
    OK(manifest.sign(key));
    CHECK(OK(manifest.verify(key)) == PXDS_SIGNATURE_VALID && OK(manifest.signature())->size() == 64);
    OK(manifest.check_fingerprint(key));
    IS(PXDS_ERR_KEY, manifest.check_fingerprint(nullptr));
    CHECK(OK(manifest.format_canonical()).str().find("config.blob") != std::string::npos);
    auto parsed = OK(pxds::manifest::parse(OK(manifest.format())));
    CHECK(OK(parsed.info()).time == DAY);

    const auto lock = OK(pxds::snapshot::create(store, "host/web/1970-01-02T00:00:00Z"));
    OK(manifest.save(store, "host/web/1970-01-02T00:00:00Z"));
    CHECK(OK(pxds::group::last(store, "host/web")) == "host/web/1970-01-02T00:00:00Z");
}

TEST(prunes)
{
    const auto store = check::store();
    for (const std::int64_t day : {1, 2, 3})
        snapshot(store, day * DAY);
    pxds::prune_options options;
    options.keep_last = 1;
    options.zone = "Europe/Vienna";
    int removed = 0;
    const auto pruned = OK(pxds::group::prune(store, "host/web", options));
    for (const auto &entry : pruned)
        removed += entry.mark == PXDS_MARK_REMOVE;
    CHECK(pruned.is_complete() && removed == 2 && OK(store.snapshots()).size() == 1);
    const std::vector<pxds::prune_row> rows = {{DAY, PXDS_SNAPSHOT_FINISHED, 0}, {2 * DAY, PXDS_SNAPSHOT_FINISHED, 0}};
    const auto marks = OK(pxds::prune::mark(rows, options));
    CHECK(marks == (std::vector<std::uint32_t>{PXDS_MARK_REMOVE, PXDS_MARK_KEEP}));
    CHECK(std::string(pxds::prune::mark_name(marks[0])) == "remove");
}

TEST(garbage)
{
    const auto store = check::store();
    CHECK(!OK(store.gc_status()));
    snapshot(store, DAY);
    bool told = false;
    pxds::gc_options options;
    options.cutoff_minutes = 1;
    options.progress = [&](const pxds::progress &) { told = true; };
    CHECK(OK(store.gc(options)).index_data_bytes == 10000 && told);
    CHECK(OK(store.gc_status())->index_file_count == 1);
}

TEST(callbacks_that_are_nothing)
{
    const auto store = check::store();
    int (*pointer)(const pxds::progress &) = nullptr;
    pxds::gc_options options;
    options.progress = pointer;
    OK(store.gc(options));
    options.progress = std::function<void(const pxds::progress &)>();
    OK(store.gc(options));
}

TEST(verifications)
{
    const auto store = check::store();
    const auto path = snapshot(store, DAY);
    CHECK(OK(store.verify()).ok == 1);
    const auto stored = OK(OK(pxds::snapshot::open(store, path)).open_index("data.didx"));
    OK(store.mark_bad(stored.chunks()[0].digest));
    std::string damaged, done;
    pxds::verify_options options;
    options.on_damage = [&](const pxds::verify_damage &damage) { damaged = damage.archive; };
    options.on_done = [&](const pxds::verify_done &snapshot) { done = snapshot.snapshot; };
    CHECK(OK(store.verify("host/web", options)).failed == 1 && damaged == "data.didx" && done == path);
    pxds::verify_result result;
    options.on_done = [](const pxds::verify_done &) { return 5; };
    const auto failed = pxds::attempt([&] { return store.verify(path, options, &result); });
    CHECK(failed.status() == PXDS_ERR_CANCELLED && failed.error().callback_value() == 5 && result.missing == 1);
}

TEST(statistics)
{
    const auto store = check::store();
    snapshot(store, DAY), snapshot(store, 2 * DAY);
    const auto stats = OK(pxds::stats::collect(store));
    CHECK(OK(stats.total()).described.logical_bytes == 20000 && OK(stats.total()).used.bytes == 10000);
    CHECK(stats.groups().size() == 1 && std::string(stats.groups()[0].path) == "host/web");
    CHECK(stats.snapshots().size() == 2 && stats.snapshots()[1].new_data.chunks == 0);
    CHECK(OK(stats.shared(0, 0)) == 10000U && !OK(stats.shared(0, 1)));
    CHECK(pxds::dedup_factor(20000, 10000) == 2);
}

TEST(settings_of_pbs)
{
    const auto store = check::store();
    const auto config = check::dir() / "datastore.cfg";
    std::ofstream(config) << "datastore: s1\n\tpath " << (check::dir() / "store").string()
                          << "\n\ttuning sync-level=none,gc-atime-cutoff=60,default-verification-workers=3\n"
                          << "\tmaintenance-mode read-only\n";
    std::string told;
    pxds::store_options opening;
    opening.notice = [&](std::uint32_t level, const char *message, const char *) {
        told = level == PXDS_NOTICE_WARNING ? message : "";
    };
    pxds::gc_options collecting;
    pxds::verify_options verifying;
    CHECK(OK(pxds::pbs_config::read(config, check::dir() / "store", &opening, &collecting, &verifying)) == "s1");
    CHECK(opening.store_name == "s1" && opening.sync == PXDS_SYNC_NONE && (opening.flags & PXDS_STORE_READ_ONLY) != 0);
    CHECK(collecting.cutoff_minutes == 60 && verifying.threads == 3 && told.find("read-only") != std::string::npos);
    IS(PXDS_ERR_STATE, OK(pxds::store::open(check::dir() / "store", opening)).lock(PXDS_LOCK_SHARED));
    CHECK(!OK(pxds::pbs_config::read(config, check::dir() / "other")));
}
