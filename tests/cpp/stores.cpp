/* Stores, their chunks and indexes; ingests and images; sources, copies, restorers and readers. */
#include "check.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace {

/** Small chunks, so that little data has several; a time and a uuid, so that indexes are the same. */
pxds::ingest_options small_chunks()
{
    pxds::ingest_options options;
    options.chunker = OK(pxds::chunker_config::init(4096));
    options.threads = 1;
    return options;
}

pxds::index ingested(const pxds::store &store, const std::vector<std::uint8_t> &data)
{
    auto ingest = OK(pxds::ingest::create(store, small_chunks()));
    OK(ingest.write(data));
    auto writer = OK(ingest.finish());
    const auto path = check::dir() / "data.didx";
    OK(pxds::index::check_path(path));
    OK(writer.save(path));
    return OK(pxds::index::open(path, PXDS_INDEX_DYNAMIC));
}

std::vector<std::uint8_t> restored(pxds::restorer restorer, const pxds::index &index)
{
    std::vector<std::uint8_t> out;
    OK(restorer.write(index, [&](auto bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }));
    return out;
}

/** A descriptor of a file. */
struct descriptor {
    descriptor(const std::filesystem::path &path, int flags) : fd(::open(path.c_str(), flags, 0600)) {}
    ~descriptor() { ::close(fd); }
    int fd;
};

} // namespace

TEST(stores)
{
    const auto path = check::dir() / "store";
    pxds::store_options options;
    options.layout = PXDS_LAYOUT_HEX2;
    options.sync = PXDS_SYNC_NONE;
    options.lock_wait_ms = 1;
    options.store_name = "name";
    options.lock_dir = (check::dir() / "locks").string();
    IS(PXDS_ERR_NOT_FOUND, pxds::store::open(path, options));
    auto store = OK(pxds::store::create(path, options));
    IS(PXDS_ERR_EXISTS, pxds::store::create(path, options));
    CHECK(store.path() == path.string() && store.layout() == PXDS_LAYOUT_HEX2);
    OK(store.sync());
    const auto held = OK(store.lock(PXDS_LOCK_EXCLUSIVE));
    auto other = OK(pxds::store::open(path, options));
    IS(PXDS_ERR_BUSY, other.lock(PXDS_LOCK_SHARED));
    CHECK(OK(store.full_path("host/web")) == (path / "host/web").string());

    /* As C does, and back. */
    pxds_store *raw = other.release();
    CHECK(!other && pxds_store_layout(raw) == PXDS_LAYOUT_HEX2);
    other = pxds::store(raw);
    other.reset();
    CHECK(other.get() == nullptr);

    pxds::convert_options convert;
    convert.flags = PXDS_CONVERT_DRY_RUN;
    OK(pxds::store::create(check::dir() / "second")).reset();
    CHECK(OK(pxds::store::convert(check::dir() / "second", PXDS_LAYOUT_HEX2, {}, convert)).files == 0);
}

TEST(chunks)
{
    const auto store = check::store();
    const auto chunk = check::a_chunk(check::noise(1000));
    auto codec = OK(pxds::blob_codec::create());
    CHECK(!OK(store.has(chunk.digest)));
    CHECK(!OK(store.mark_bad(chunk.digest)));
    CHECK(OK(store.insert(chunk.digest, chunk.blob)).existed == 0);
    CHECK(OK(store.insert_verified(codec, chunk.digest, 1000, chunk.blob)).existed == 1);
    CHECK(OK(store.has(chunk.digest)) == chunk.blob.size());
    OK(store.touch(chunk.digest));
    const auto blob = OK(store.load(chunk.digest));
    CHECK(std::vector<std::uint8_t>(blob.begin(), blob.end()) == chunk.blob);
    CHECK(std::filesystem::file_size(OK(store.chunk_path(chunk.digest))) == chunk.blob.size());
    const auto failed = pxds::attempt([&] { return store.load(chunk.digest, 0, 10); });
    CHECK(failed.status() == PXDS_ERR_LIMIT && failed.error().path());
    OK(store.insert(check::a_chunk(check::noise(1000, 2)).digest, check::a_chunk(check::noise(1000, 2)).blob));
    auto iter = OK(store.chunks());
    CHECK(OK(iter.next()) && OK(iter.next()) && !OK(iter.next()));
#if PXDS_HPP_EXCEPTIONS
    int seen = 0;
    for (const auto &entry : store.chunks())
        seen += entry.stored_size == chunk.blob.size();
    CHECK(seen == 2);
#endif
    CHECK(OK(store.mark_bad(chunk.digest)) == 0U);
    CHECK(!OK(store.has(chunk.digest)));
}

TEST(indexes)
{
    const auto store = check::store();
    const auto data = check::noise(100000);
    const auto index = ingested(store, data);
    const auto info = OK(index.info());
    CHECK(info.size == data.size() && info.chunk_count > 5 && info.kind == PXDS_INDEX_DYNAMIC);
    CHECK(index.chunks().size() == info.chunk_count);
    std::uint64_t end = 0;
    for (const auto &chunk : index.chunks()) {
        CHECK(chunk.start == end && OK(store.has(chunk.digest)));
        end = chunk.end;
    }
    CHECK(end == data.size());
    CHECK(OK(index.chunk(0))->end == index.chunks()[0].end && !OK(index.chunk(info.chunk_count)));
    std::vector<pxds::index_chunk_info> some(3);
    CHECK(OK(index.chunks(1, some)) == 3);
    CHECK(some[0].start == index.chunks()[1].start && some[2].end == index.chunks()[3].end);
    const auto place = OK(index.find_chunk(some[0].start + 1));
    CHECK(place && place->number == 1 && place->offset_in_chunk == 1 && !OK(index.find_chunk(data.size())));
    const auto computed = OK(index.compute_csum());
    CHECK(computed.csum == info.csum && computed.size == data.size());
    OK(index.check_csum());

    const auto name = check::a_chunk(data).digest;
    auto writer = OK(pxds::index_writer::create_dynamic(5, pxds::uuid{}));
    OK(writer.add(data.size(), name));
    CHECK(OK(writer.info()).chunk_count == 1);
    const auto parsed = OK(pxds::index::parse(OK(writer.finish(100000))));
    CHECK(OK(parsed.info()).ctime == 5 && pxds::digest(parsed.chunks()[0].digest) == name);
    auto fixed = OK(pxds::index_writer::create_fixed(5, 8192, 4096));
    OK(fixed.set(0, name));
    OK(fixed.set(1, name));
    const auto earlier = OK(pxds::index::parse(OK(fixed.finish(100000))));
    auto again = OK(pxds::index_writer::create_fixed(5, 8192, 4096, 0, pxds::uuid{1}));
    OK(again.clone_index(earlier));
    CHECK(pxds::digest(OK(again.info()).csum) == OK(earlier.compute_csum()).csum);
}

TEST(ingests)
{
    const auto store = check::store();
    const auto data = check::noise(100000);
    const auto path = check::write(check::dir() / "file", data);
    std::uint64_t chunks = 0;
    bool told = false;
    auto options = small_chunks();
    options.on_chunk = [&](const pxds::ingest_chunk &chunk) { chunks += chunk.size > 0; };
    options.progress = [&](const pxds::progress &progress) { told |= progress.total == data.size(); };
    auto ingest = OK(pxds::ingest::create(store, options));
    const descriptor file(path, O_RDONLY);
    OK(ingest.read_fd(file.fd));
    std::size_t left = data.size();
    OK(ingest.read([&](pxds::span<std::uint8_t> room) {
        const std::size_t count = std::min({left, room.size(), std::size_t(1000)});
        std::copy_n(data.end() - static_cast<std::ptrdiff_t>(left), count, room.begin());
        left -= count;
        return count;
    }));
    const auto writer = OK(ingest.finish());
    const auto stats = OK(ingest.stats());
    CHECK(stats.size == 2 * data.size() && stats.chunks == chunks && told);
    CHECK(stats.new_chunks < stats.chunks);

    options.on_chunk = [&, count = 0](const pxds::ingest_chunk &) mutable { return ++count == 3 ? 7 : 0; };
    auto stopped = OK(pxds::ingest::create(store, options));
    const auto failed = pxds::attempt([&] { return static_cast<void>(stopped.write(data)), stopped.finish(); });
    CHECK(failed.status() == PXDS_ERR_CANCELLED && failed.error().callback_value() == 7);
    CHECK(OK(OK(stopped.partial()).info()).chunk_count == 3);
}

TEST(images)
{
    const auto store = check::store();
    auto data = check::noise(4 * 4096);
    const auto path = check::write(check::dir() / "image", data);
    pxds::image_options options;
    options.chunk_size = 4096;
    options.threads = 1;
    auto image = OK(pxds::image::create(store, PXDS_SIZE_UNKNOWN, options));
    const descriptor file(path, O_RDONLY);
    OK(image.read_fd(file.fd));
    const auto earlier = OK(pxds::index::parse(OK(OK(image.finish()).finish(100000))));
    CHECK(OK(earlier.info()).size == data.size() && OK(image.stats()).chunks == 4);

    data[4096]++;
    auto next = OK(pxds::image::create(store, data.size(), options));
    OK(next.reuse_bitmap(earlier, std::vector<std::uint8_t>{2}, 4096));
    OK(next.write_at(4096, {data.data() + 4096, 4096}));
    const auto by_bits = OK(OK(next.finish()).info());
    auto third = OK(pxds::image::create(store, data.size(), options));
    OK(third.reuse_ranges(earlier, std::vector<pxds::image_range>{{4096, 1}}));
    std::istringstream whole(std::string(data.begin(), data.end()));
    OK(third.read(pxds::from(whole)));
    const auto by_ranges = OK(OK(third.finish()).info());
    CHECK(pxds::digest(by_bits.csum) == by_ranges.csum && by_bits.chunk_count == 4);
    auto fourth = OK(pxds::image::create(store, data.size(), options));
    OK(fourth.write(data));
    CHECK(pxds::digest(OK(OK(fourth.finish()).info()).csum) == by_bits.csum);
}

TEST(restores)
{
    const auto store = check::store();
    const auto data = check::noise(100000);
    const auto index = ingested(store, data);
    pxds::restorer_options options;
    options.threads = 1;
    auto restorer = OK(pxds::restorer::create(store, options));
    const auto path = check::dir() / "out";
    CHECK(OK(restorer.write_file(index, path)) == data.size() && check::read(path) == data);
    const auto second = check::dir() / "second";
    {
        const descriptor file(second, O_WRONLY | O_CREAT);
        CHECK(OK(restorer.write_fd(index, file.fd)) == data.size());
        CHECK(OK(restorer.write_range_fd(index, 10, 5, file.fd)) == 5);
    }
    auto want = data;
    want.insert(want.end(), data.begin() + 10, data.begin() + 15);
    CHECK(check::read(second) == want);
    std::ostringstream part;
    CHECK(OK(restorer.write_range(index, 10, 5, pxds::to(part))) == 5);
    CHECK(part.str() == std::string(data.begin() + 10, data.begin() + 15));
    CHECK(OK(restorer.write_range_file(index, data.size() - 3, 5, path)) == 3 && check::read(path).size() == 3);
    std::vector<std::uint8_t> room(5);
    CHECK(OK(restorer.read_range(index, 10, room)) == 5 && std::equal(room.begin(), room.end(), data.begin() + 10));
    CHECK(restored(OK(pxds::restorer::create(store)), index) == data);

    /* What is there before a failure is known. */
    OK(store.mark_bad(index.chunks()[2].digest));
    std::uint64_t written = 0;
    const auto failed = pxds::attempt([&] { return restorer.write(index, [](auto) {}, &written); });
    CHECK(failed.status() == PXDS_ERR_NOT_FOUND && written == index.chunks()[2].start);
    CHECK(*failed.error().digest() == index.chunks()[2].digest);
    CHECK(failed.error().offset() == index.chunks()[2].start && failed.error().os_error() == 0);
    options.on_bad = [&](const pxds::bad_chunk &bad) { written = bad.number; };
    OK(OK(pxds::restorer::create(store, options)).write(index, [](auto) {}));
    CHECK(written == 2);
}

TEST(readers)
{
    const auto store = check::store();
    auto data = check::noise(100000);
    const auto index = ingested(store, data);
    const auto cache = OK(pxds::cache::create(1 << 20));
    pxds::reader_options options;
    options.cache = cache;
    const auto reader = OK(pxds::reader::create(store, index, options));
    std::array<char, 10> room;
    CHECK(reader.size() == data.size());
    CHECK(OK(reader.read_at(data.size() - 4, room)) == 4 && OK(reader.read_at(data.size(), room)) == 0);
    CHECK(static_cast<std::uint8_t>(room[3]) == data.back());
    const auto stretch = OK(reader.extent(0));
    CHECK(stretch && !stretch->is_zero && stretch->length == data.size() && !OK(reader.extent(data.size())));
}

TEST(sources_and_copies)
{
    const auto store = check::store();
    const auto data = check::noise(100000);
    const auto index = ingested(store, data);
    const auto of_store = OK(pxds::source::from_store(store));
    const auto first = pxds::digest(index.chunks()[0].digest);
    CHECK(OK(of_store.get_chunk(first)).size() > 1000);

    /* A callable that gives blobs; one that fills the room that C offers. */
    std::size_t asked = 0;
    using blob_or_none = std::optional<std::vector<std::uint8_t>>;
    const auto simple = OK(pxds::source::create([&](const pxds::digest &name) -> blob_or_none {
        asked++;
        if (!OK(store.has(name)))
            return std::nullopt;
        const auto blob = OK(store.load(name));
        return std::vector<std::uint8_t>(blob.begin(), blob.end());
    }));
    const auto direct = OK(pxds::source::create(
        [&](const pxds::digest &name, pxds::span<std::uint8_t> room, std::size_t &len) -> std::int32_t {
            const auto blob = OK(store.load(name));
            len = blob.size();
            if (len <= room.size())
                std::copy(blob.begin(), blob.end(), room.begin());
            return 0;
        },
        PXDS_SOURCE_ANY_THREAD));
    CHECK(restored(OK(pxds::restorer::create_from(simple)), index) == data && asked >= index.chunks().size());
    CHECK(restored(OK(pxds::restorer::create_from(direct)), index) == data);
    std::vector<std::uint8_t> back(data.size());
    CHECK(OK(OK(pxds::reader::create_from(direct, index)).read_at(0, back)) == data.size() && back == data);
    IS(PXDS_ERR_NOT_FOUND, simple.get_chunk(pxds::digest()));

    auto other = OK(pxds::store::create(check::dir() / "other"));
    CHECK(OK(other.copy_chunk(simple, first)).existed == 0);
    pxds::ingest_stats stats;
    auto copied = OK(other.copy_chunks(simple, index, {}, &stats));
    CHECK(stats.chunks == index.chunks().size() && stats.new_chunks == stats.chunks - 1);
    OK(copied.save(check::dir() / "other" / "copy.didx"));
    CHECK(restored(OK(pxds::restorer::create(other)), index) == data);
}
