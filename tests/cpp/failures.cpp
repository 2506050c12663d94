/* What goes wrong: failures of calls, handles that are empty, callables that throw. */
#include "check.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <thread>

static_assert(!std::is_copy_constructible_v<pxds::store> && std::is_nothrow_move_constructible_v<pxds::store>);
static_assert(std::is_nothrow_destructible_v<pxds::backup> && std::is_nothrow_move_assignable_v<pxds::snapshot_list>);
static_assert(std::is_nothrow_copy_constructible_v<pxds::error>);
/* Options do not keep a key that would be gone. */
static_assert(!std::is_assignable_v<pxds::borrowed<pxds_key> &, pxds::key &&>);

/* Nor do functions of C take them, which would see neither keys nor callbacks; c() is for these. */
template <class Options, class C>
constexpr bool is_of_its_own = !std::is_convertible_v<Options *, const C *> && !std::is_convertible_v<Options &, C &> &&
                               !std::is_convertible_v<const Options &, C> &&
                               std::is_convertible_v<decltype(std::declval<const Options &>().c()), const C *>;
static_assert(is_of_its_own<pxds::keyfile_options, pxds_keyfile_options>);
static_assert(is_of_its_own<pxds::blob_codec_options, pxds_blob_codec_options>);
static_assert(is_of_its_own<pxds::store_options, pxds_store_options>);
static_assert(is_of_its_own<pxds::ingest_options, pxds_ingest_options>);
static_assert(is_of_its_own<pxds::image_options, pxds_image_options>);
static_assert(is_of_its_own<pxds::copy_options, pxds_copy_options>);
static_assert(is_of_its_own<pxds::restorer_options, pxds_restorer_options>);
static_assert(is_of_its_own<pxds::reader_options, pxds_reader_options>);
static_assert(is_of_its_own<pxds::prune_options, pxds_prune_options>);
static_assert(is_of_its_own<pxds::verify_options, pxds_verify_options>);
static_assert(is_of_its_own<pxds::backup_options, pxds_backup_options>);
static_assert(is_of_its_own<pxds::convert_options, pxds_convert_options>);
static_assert(is_of_its_own<pxds::destroy_options, pxds_destroy_options>);
static_assert(is_of_its_own<pxds::gc_options, pxds_gc_options>);
static_assert(is_of_its_own<pxds::stats_options, pxds_stats_options>);

TEST(errors)
{
    const auto path = check::dir() / "none";
    const auto failed = pxds::attempt([&] { return pxds::store::open(path); });
    CHECK(!failed && failed.status() == PXDS_ERR_NOT_FOUND);
    const pxds::error copy = failed.error();
    CHECK(copy.path() == path.string() && std::string(copy.what()).find("none") != std::string::npos);
    CHECK(copy.status() == PXDS_ERR_NOT_FOUND && copy.os_error() == ENOENT && copy.callback_value() == 0);
    CHECK(!copy.digest() && !copy.offset() && copy.get() == failed.error().get());
    pxds_error *err = nullptr;
    CHECK(pxds_id_check("/", &err) == PXDS_ERR_ARGUMENT);
    CHECK(pxds::error(err).status() == PXDS_ERR_ARGUMENT);
    const pxds::error own(PXDS_ERR_STATE, "own words");
    CHECK(std::string(own.what()) == "own words" && own.get() == nullptr && !own.path() && !own.digest());
}

TEST(results)
{
    pxds::result<int> good(7), bad(pxds::error(PXDS_ERR_BUSY, "busy"));
    CHECK(good && *good == 7 && good.value() == 7 && good.status() == PXDS_OK);
    CHECK(!bad && bad.status() == PXDS_ERR_BUSY && std::move(bad).value_or(3) == 3);
    CHECK(pxds::attempt([] { return 5; }).value() == 5 && pxds::attempt([] {}));
    const auto nested = pxds::attempt([] { return pxds::result<int>(8); });
    CHECK(*nested == 8);
    const auto store = check::store();
    int groups = 0;
    for (const auto &group : pxds::attempt([&] { return store.groups(); }).value())
        groups += group.path != nullptr;
    CHECK(groups == 0);
}

TEST(empty_handles)
{
    auto store = check::store();
    auto backup = OK(pxds::backup::create(store, "host/web"));
    const auto moved = std::move(store);
    IS(PXDS_ERR_ARGUMENT, store.sync());
    IS(PXDS_ERR_ARGUMENT, store.snapshots());
    IS(PXDS_ERR_ARGUMENT, pxds::backup::create(store, "host/web"));
    CHECK(store.path().empty() && store.layout() == PXDS_LAYOUT_DEFAULT && !store);
    pxds::backup other = std::move(backup);
    IS(PXDS_ERR_ARGUMENT, backup.finish());
    CHECK(backup.snapshot().empty() && !backup.previous() && !other.snapshot().empty());
    CHECK(pxds::snapshot_list().empty() && pxds::buffer().empty() && pxds::buffer().str().empty());
    const pxds::index no_index;
    const pxds::stats no_stats;
    CHECK(no_index.chunks().empty() && no_stats.groups().empty() && pxds::reader().size() == 0);
    IS(PXDS_ERR_ARGUMENT, pxds::reader().read_at(0, {}));
    IS(PXDS_ERR_ARGUMENT, pxds::restorer().write(pxds::index(), [](auto) {}));
    auto &self = other;
    other = std::move(self);
    CHECK(!other.snapshot().empty());
    backup = std::move(other); // one that was moved from is as good as new
    CHECK(!other && !backup.snapshot().empty());
}

TEST(texts_with_a_nul_in_options)
{
    const auto store = check::store();
    const std::string bad("a\0b", 3);
    for (const auto field : {&pxds::store_options::store_name, &pxds::store_options::lock_dir}) {
        pxds::store_options options;
        options.*field = bad;
        IS(PXDS_ERR_ARGUMENT, pxds::store::open(check::dir() / "store", options));
    }
    for (const auto field : {&pxds::backup_options::owner, &pxds::backup_options::notes}) {
        pxds::backup_options options;
        options.*field = bad;
        IS(PXDS_ERR_ARGUMENT, pxds::backup::create(store, "host/web", options));
    }
    pxds::prune_options prune;
    prune.zone = bad;
    IS(PXDS_ERR_ARGUMENT, pxds::group::prune(store, "host/web", prune));
    pxds::verify_options verify;
    verify.upid = bad;
    pxds::verify_result result;
    result.ok = 7;
    IS(PXDS_ERR_ARGUMENT, store.verify("", verify, &result));
    CHECK(result.ok == 0);
}

TEST(structures_that_are_too_small)
{
    pxds::chunker_config config;
    config.struct_size = sizeof config.struct_size; // none was ever so small
    const auto failed = pxds::attempt([&] { return pxds::chunker::create(config); });
    CHECK(failed.status() == PXDS_ERR_ARGUMENT);
    CHECK(std::string(failed.error().what()).find("pxds_chunker_config.struct_size") == 0);
}

TEST(callables_that_stop_a_call)
{
    const auto store = check::store();
    auto ingest = OK(pxds::ingest::create(store));
    auto failed = pxds::attempt([&] { return ingest.read([](auto) { return -5; }); });
    CHECK(failed.status() == PXDS_ERR_CANCELLED && failed.error().callback_value() == -5);
    auto backup = OK(pxds::backup::create(store, "host/web"));
    std::ifstream none(check::dir() / "none");
    IS(PXDS_ERR_CANCELLED, backup.add_stream("a.didx", pxds::from(none)));
    auto again = OK(pxds::ingest::create(store));
    failed = pxds::attempt([&] { return again.read([](auto room) { return room.size() + 1; }); });
    CHECK(failed.status() == PXDS_ERR_ARGUMENT);
}

TEST(callbacks_live_as_long_as_what_calls_them)
{
    const auto life = std::make_shared<int>(0);
    pxds::index_writer writer;
    {
        pxds::ingest ingest;
        {
            pxds::store_options options;
            options.notice = [life](std::uint32_t, const char *, const char *) { ++*life; };
            const auto store = check::store(options);
            ingest = OK(pxds::ingest::create(store));
        }
        CHECK(life.use_count() == 2);
        writer = OK(ingest.finish());
    }
    OK(writer.save(check::dir() / "store" / "empty.didx")); // which brings a notice
    CHECK(*life == 1 && life.use_count() == 2);
    writer.reset();
    CHECK(life.use_count() == 1);
}

#if PXDS_HPP_EXCEPTIONS

namespace {

/** What a callable throws: nothing of the library's. */
struct own {
    std::shared_ptr<int> life;
};

/** Whether `call` throws what its callable has thrown, and nothing is kept of it. */
template <class Call> bool passes(Call &&call)
{
    const auto life = std::make_shared<int>(0);
    bool caught = false;
    try {
        call([&] { throw own{life}; });
    } catch (const own &thrown) {
        caught = thrown.life == life;
    }
    return caught && life.use_count() == 1;
}

} // namespace

TEST(exceptions_pass_through)
{
    const auto store = check::store();
    const auto path = check::write(check::dir() / "file", check::noise(100000));
    CHECK(passes([&](auto fail) {
        auto ingest = pxds::ingest::create(store);
        ingest.read([&](auto) { return fail(), 0; });
    }));
    CHECK(passes([&](auto fail) {
        pxds::ingest_options ingest;
        ingest.progress = [&](const pxds::progress &) { fail(); };
        pxds::backup::create(store, "host/web").add_file("a.didx", path, ingest);
    }));
    CHECK(OK(store.snapshots()).empty());
    auto backup = pxds::backup::create(store, "host/web");
    backup.add_file("a.didx", path);
    backup.finish();
    const auto index = pxds::snapshot::open(store, backup.snapshot()).open_index("a.didx");
    CHECK(passes([&](auto fail) {
        pxds::restorer::create(store).write(index, [&](auto) { fail(); });
    }));
    CHECK(passes([&](auto fail) {
        pxds::gc_options gc;
        gc.progress = [&](const pxds::progress &) { fail(); };
        store.gc(gc);
    }));
    /* The notices of a store, from a call on what was made of it. */
    CHECK(passes([&](auto fail) {
        pxds::store_options options;
        options.notice = [&](std::uint32_t, const char *, const char *) { fail(); };
        auto ingest = pxds::ingest::create(pxds::store::open(check::dir() / "store", options));
        ingest.finish().save(check::dir() / "store" / "empty.didx");
    }));
    /* An error of a call within the callback is that of the call around it. */
    try {
        pxds::restorer::create(store).write(index, [&](auto) { store.load(pxds::digest()).reset(); });
        CHECK(false);
    } catch (const pxds::error &failure) {
        CHECK(failure.status() == PXDS_ERR_NOT_FOUND);
    }
}

TEST(exceptions_of_every_kind_of_callback)
{
    const auto store = check::store();
    const auto data = check::noise(100000);
    auto backup = pxds::backup::create(store, "host/web");
    backup.add_file("a.didx", check::write(check::dir() / "file", data));
    backup.finish();
    const auto snapshot = pxds::snapshot::open(store, backup.snapshot());
    const auto index = snapshot.open_index("a.didx");
    CHECK(passes([&](auto fail) {
        pxds::ingest_options options;
        options.on_chunk = [&](const pxds::ingest_chunk &) { fail(); };
        auto ingest = pxds::ingest::create(store, options);
        ingest.write(data);
        static_cast<void>(ingest.finish());
    }));
    CHECK(passes([&](auto fail) {
        pxds::image_options options;
        options.on_chunk = [&](const pxds::ingest_chunk &) { fail(); };
        auto image = pxds::image::create(store, data.size(), options);
        image.write(data);
        static_cast<void>(image.finish());
    }));
    CHECK(passes([&](auto fail) {
        auto image = pxds::image::create(store);
        image.read([&](auto) { return fail(), 0; });
    }));
    CHECK(passes([&](auto fail) {
        pxds::backup::create(store, "host/other").add_stream("a.didx", [&](auto) { return fail(), 0; });
    }));
    CHECK(passes([&](auto fail) {
        pxds::restorer::create(store).write_range(index, 10, 10, [&](auto) { fail(); });
    }));
    CHECK(passes([&](auto fail) {
        pxds::restorer_options options;
        options.progress = [&](const pxds::progress &) { fail(); };
        snapshot.restore_file("a.didx", check::dir() / "out", options);
    }));
    CHECK(passes([&](auto fail) {
        pxds::stats_options options;
        options.progress = [&](const pxds::progress &) { fail(); };
        static_cast<void>(pxds::stats::collect(store, options));
    }));
    CHECK(passes([&](auto fail) {
        pxds::prune_options options;
        options.keep_last = 1;
        options.progress = [&](const pxds::progress &) { fail(); };
        static_cast<void>(pxds::group::prune(store, "host/web", options));
    }));
    CHECK(passes([&](auto fail) {
        const auto source = pxds::source::create(
            [&](const pxds::digest &) -> std::optional<std::string> { return fail(), std::nullopt; });
        pxds::reader::create_from(source, index).read_at(0, std::vector<char>(10));
    }));
    CHECK(passes([&](auto fail) {
        const auto source = pxds::source::create(
            [&](const pxds::digest &, pxds::span<std::uint8_t>, std::size_t &) { return fail(), 0; });
        static_cast<void>(source.get_chunk(pxds::digest()));
    }));
    store.mark_bad(index.chunks()[0].digest);
    CHECK(passes([&](auto fail) {
        pxds::restorer_options options;
        options.on_bad = [&](const pxds::bad_chunk &) { fail(); };
        pxds::restorer::create(store, options).write(index, [](auto) {});
    }));
    CHECK(passes([&](auto fail) {
        pxds::reader_options options;
        options.on_bad = [&](const pxds::bad_chunk &) { fail(); };
        pxds::reader::create(store, index, options).read_at(0, std::vector<char>(10));
    }));
    for (int kind = 0; kind < 3; kind++)
        CHECK(passes([&](auto fail) {
            pxds::verify_options options;
            if (kind == 0)
                options.on_damage = [&](const pxds::verify_damage &) { fail(); };
            else if (kind == 1)
                options.on_done = [&](const pxds::verify_done &) { fail(); };
            else
                options.progress = [&](const pxds::progress &) { fail(); };
            store.verify("", options);
        }));
    CHECK(store.snapshots().size() == 1);
}

TEST(exceptions_of_other_threads)
{
    const auto store = check::store();
    pxds::ingest_options options;
    options.chunker = pxds::chunker_config::init(1 << 16);
    auto ingest = pxds::ingest::create(store, options);
    ingest.write(check::noise(1500000));
    const auto index = pxds::index::parse(ingest.finish().finish(1000000));
    const auto life = std::make_shared<int>(0);
    const auto main = std::this_thread::get_id();
    std::atomic<int> elsewhere = 0;
    {
        const auto source = pxds::source::create(
            [&](const pxds::digest &name) -> std::optional<std::vector<std::uint8_t>> {
                if (std::this_thread::get_id() != main) {
                    elsewhere++;
                    throw own{life};
                }
                for (int patience = 60000; elsewhere == 0 && patience > 0; patience--)
                    std::this_thread::sleep_for(std::chrono::milliseconds(1));
                const auto blob = store.load(name);
                return std::vector<std::uint8_t>(blob.begin(), blob.end());
            },
            PXDS_SOURCE_ANY_THREAD);
        pxds::restorer_options restore;
        restore.threads = 4;
        int caught = 0;
        try {
            pxds::restorer::create_from(source, restore).write(index, [](auto) {});
        } catch (const own &thrown) {
            caught += thrown.life == life;
        }
        CHECK(caught == 1 && elsewhere > 0);
    }
    CHECK(life.use_count() == 1); // nor is what the others threw
}

TEST(unwinding_commits_nothing)
{
    const auto store = check::store();
    try {
        auto backup = pxds::backup::create(store, "host/web");
        backup.add_blob("a.blob", "abc");
        throw own{nullptr};
    } catch (const own &) {
    }
    CHECK(store.snapshots().empty());
    pxds::backup::create(store, "host/web").add_blob("a.blob", "abc"); // nothing is locked any more
}

#endif
