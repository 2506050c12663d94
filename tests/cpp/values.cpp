/* What needs no store: errors, bytes and text, names, keys, blobs, headers, where to cut. */
#include "check.hpp"

#include <unordered_set>

TEST(versions_agree)
{
    CHECK(pxds::abi_version() == PXDS_ABI_VERSION);
    CHECK(pxds::version_number() == PXDS_VERSION_MAJOR * 65536 + PXDS_VERSION_MINOR * 256 + PXDS_VERSION_PATCH);
    CHECK(std::string(pxds::version()).find('.') != std::string::npos);
    OK(pxds::check_version());
    CHECK(std::string(pxds::status::name(PXDS_ERR_BUSY)) == "PXDS_ERR_BUSY");
    CHECK(std::string(pxds::status::message(PXDS_ERR_NOT_FOUND)) == "not found");
}

TEST(texts_of_every_kind)
{
    const std::string id = "web";
    const std::string with_nul("we\0b", 4);
    OK(pxds::id::check("web"));
    OK(pxds::id::check(id));
    OK(pxds::id::check(std::string_view("webserver").substr(0, 3)));
    OK(pxds::id::check(std::filesystem::path("web")));
    IS(PXDS_ERR_ARGUMENT, pxds::id::check(""));
    IS(PXDS_ERR_ARGUMENT, pxds::id::check(nullptr));
    IS(PXDS_ERR_ARGUMENT, pxds::id::check(with_nul));
    IS(PXDS_ERR_ARGUMENT, pxds::id::check(std::string_view(with_nul)));
    IS(PXDS_ERR_ARGUMENT, pxds::id::check(std::filesystem::path(with_nul)));
    pxds::keyfile_options options;
    options.hint = with_nul;
    IS(PXDS_ERR_ARGUMENT, pxds::keyfile::create(OK(pxds::key::random()), "password", options));
}

TEST(texts_in_options)
{
    pxds::store_options options;
    CHECK(!options.lock_dir && options.lock_dir != "");
    options.lock_dir = std::filesystem::path("locks");
    CHECK(options.lock_dir == "locks" && options.lock_dir.has_value() && *options.lock_dir == "locks");
    for (const pxds::optional_text &none : {pxds::optional_text(nullptr), pxds::optional_text(std::nullopt),
                                            pxds::optional_text(static_cast<const char *>(nullptr)),
                                            pxds::optional_text(std::optional<std::string>())})
        CHECK(!none);
    options.lock_dir = std::optional<std::string>("");
    CHECK(options.lock_dir == "");
    options.lock_dir = std::string_view("locks").substr(1);
    CHECK(options.lock_dir == "ocks");
    options.lock_dir = {};
    CHECK(!options.lock_dir);
}

TEST(bytes_of_every_kind)
{
    const auto abc = OK(pxds::digest::compute("abc"));
    CHECK(abc.format() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const std::byte bytes[] = {std::byte('a'), std::byte('b'), std::byte('c')};
    const std::vector<std::uint8_t> vector = {'a', 'b', 'c'};
    CHECK(OK(pxds::digest::compute(bytes)) == abc);
    CHECK(OK(pxds::digest::compute(vector)) == abc);
    CHECK(OK(pxds::digest::compute(std::string("abc"))) == abc);
    CHECK(OK(pxds::digest::compute(std::string_view("abcd", 3))) == abc);
    CHECK(OK(pxds::digest::compute({"abcd", 3})) == abc);
    CHECK(OK(pxds::digest::compute(pxds::span<const std::byte>(bytes))) == abc);
    CHECK(OK(pxds::digest::compute({})) == OK(pxds::digest::compute("")));
    const char nul_inside[4] = {0, 1, 2, 3};
    CHECK(OK(pxds::digest::compute(nul_inside)) == OK(pxds::digest::compute({nul_inside, 4})));
    const char *pointer = "abc";
    CHECK(OK(pxds::digest::compute(pointer)) == abc);
    CHECK(OK(pxds::digest::parse(abc.format())) == abc);
    IS(PXDS_ERR_ARGUMENT, pxds::digest::parse("abc"));
    const std::unordered_set<pxds::digest> set = {abc, abc, pxds::digest()};
    CHECK(set.size() == 2 && set.count(abc) == 1);
    pxds::index_chunk_info entry;
    std::copy(abc.begin(), abc.end(), entry.digest);
    CHECK(pxds::digest(entry.digest) == abc);
}

TEST(names)
{
    CHECK(std::string(pxds::backup_type::name(PXDS_TYPE_CT)) == "ct");
    CHECK(OK(pxds::backup_type::parse("host")) == PXDS_TYPE_HOST);
    CHECK(OK(pxds::archive::check("root.didx")) == PXDS_ARCHIVE_DYNAMIC);
    OK(pxds::ns::check("a/b"));
    CHECK(OK(pxds::time::format(1593179765)) == "2020-06-26T13:56:05Z");
    CHECK(OK(pxds::time::parse("2020-06-26T13:56:05Z")) == 1593179765);
    IS(PXDS_ERR_ARGUMENT, pxds::time::format(INT64_MAX));
    CHECK(OK(pxds::group::format("a/b", PXDS_TYPE_VM, "100")) == "ns/a/ns/b/vm/100");
    CHECK(OK(pxds::group::format(nullptr, PXDS_TYPE_VM, "100")) == "vm/100");
    IS(PXDS_ERR_ARGUMENT, pxds::group::format("", 77, "100"));
    const auto group = OK(pxds::group::parse("ns/a/vm/100"));
    CHECK(group.type == PXDS_TYPE_VM && std::string(group.ns) == "a" && std::string(group.id) == "100");
    const std::string path = OK(pxds::snapshot::format("", PXDS_TYPE_HOST, "web", 1593179765));
    CHECK(path == "host/web/2020-06-26T13:56:05Z");
    CHECK(OK(pxds::snapshot::parse(path)).time == 1593179765);
}

TEST(keys)
{
    std::array<std::uint8_t, PXDS_KEY_SIZE> secret{};
    const auto key = OK(pxds::key::create(secret));
    const auto name = OK(key.fingerprint());
    CHECK(OK(OK(key.tolerant(PXDS_CODEC_SHORT_IV)).fingerprint()) == name);
    CHECK(OK(OK(pxds::key::random()).fingerprint()) != name);
    CHECK(OK(key.digest("abc")) != OK(pxds::digest::compute("abc")));
    const std::string text = OK(pxds::fingerprint::format(name));
    CHECK(OK(pxds::fingerprint::parse(text)) == name);
    CHECK(text.find(OK(pxds::fingerprint::format(name, PXDS_FINGERPRINT_SHORT))) == 0);

    pxds::keyfile_options options;
    IS(PXDS_ERR_PASSWORD, pxds::keyfile::create(key, "no", options));
    options.kdf = PXDS_KDF_NONE; // the others take seconds under valgrind
    options.hint = "the usual";
    const auto file = OK(pxds::keyfile::create(key, std::string("correct horse"), options));
    const auto path = check::dir() / "key";
    OK(file.save(path));
    IS(PXDS_ERR_EXISTS, file.save(path));
    OK(file.save(path, PXDS_SAVE_REPLACE));
    const auto loaded = OK(pxds::keyfile::load(path));
    const auto info = OK(loaded.info());
    CHECK(info.kdf == PXDS_KDF_NONE && std::string(info.hint) == "the usual");
    CHECK(pxds::digest(info.fingerprint) == name);
    CHECK(OK(OK(OK(pxds::keyfile::parse(OK(file.format()))).unlock("correct horse")).fingerprint()) == name);
    IS(PXDS_ERR_NOT_FOUND, pxds::keyfile::load(check::dir() / "none"));

    /* Without the feature both are PXDS_ERR_UNSUPPORTED, with it the PEM is none. */
    const auto sealed = pxds::attempt([&] { return pxds::master::seal(key, "no PEM", 1593179765); });
    CHECK(sealed.status() == PXDS_ERR_UNSUPPORTED || sealed.status() == PXDS_ERR_FORMAT);
    const auto opened = pxds::attempt([&] { return pxds::master::recover("sealed", "no PEM"); });
    CHECK(opened.status() == PXDS_ERR_UNSUPPORTED || opened.status() == PXDS_ERR_FORMAT);
}

TEST(blobs)
{
    const auto key = OK(pxds::key::random());
    pxds::blob_codec_options options;
    options.key = key;
    auto codec = OK(pxds::blob_codec::create(options));
    const std::string data(5000, 'x');
    const auto name = OK(pxds::digest::compute(data));

    const auto sealed = OK(pxds::blob::encode_buffer(codec, data, PXDS_ENCODE_COMPRESS | PXDS_ENCODE_ENCRYPT));
    CHECK(sealed.size() < 200 && !sealed.empty());
    CHECK(OK(pxds::blob::decode_buffer(codec, sealed)).str() == data);
    const auto info = OK(pxds::blob::parse(sealed));
    CHECK(info.flags == (PXDS_BLOB_COMPRESSED | PXDS_BLOB_ENCRYPTED));
    pxds::blob::magic magic;
    std::copy(std::begin(info.magic), std::end(info.magic), magic.begin());
    CHECK(pxds::blob::magic_is_compressed(magic) && pxds::blob::magic_is_encrypted(magic));
    CHECK(OK(pxds::blob::header_len(magic)) == PXDS_BLOB_ENCRYPTED_HEADER_SIZE);
    const auto header = OK(pxds::blob_encrypted_header::read(sealed));
    std::vector<std::uint8_t> written(PXDS_BLOB_ENCRYPTED_HEADER_SIZE);
    OK(header.write(written));
    CHECK(std::equal(written.begin(), written.end(), sealed.begin()));

    std::vector<std::uint8_t> room(1), back(1);
    std::size_t need = 0;
    IS(PXDS_ERR_TOO_SMALL, pxds::blob::encode(codec, data, 0, room, &need));
    CHECK(need <= pxds::blob::encode_bound(data.size()));
    room.resize(need);
    room.resize(OK(pxds::blob::encode(codec, data, 0, room)));
    CHECK(room.size() == data.size() + PXDS_BLOB_HEADER_SIZE);
    IS(PXDS_ERR_TOO_SMALL, pxds::blob::decode(codec, room, 0, name, back, &need));
    back.resize(need);
    CHECK(OK(pxds::blob::decode(codec, room, 0, name, back)) == data.size());
    const auto borrowed = OK(pxds::blob::decode_borrow(room, 0, name));
    CHECK(borrowed && borrowed->size() == data.size() && borrowed->data() == room.data() + PXDS_BLOB_HEADER_SIZE);
    const auto small = OK(pxds::blob::encode_buffer(codec, data, PXDS_ENCODE_COMPRESS));
    CHECK(!OK(pxds::blob::decode_borrow(small)));
    OK(pxds::blob::verify_unencrypted(codec, small, data.size(), name));
    IS(PXDS_ERR_CORRUPT, pxds::blob::verify_unencrypted(codec, small, data.size(), pxds::digest()));

    OK(pxds::blob::check_crc(room));
    room.back() = 'y';
    IS(PXDS_ERR_CORRUPT, pxds::blob::check_crc(room));
    OK(pxds::blob::update_crc(room));
    OK(pxds::blob::check_crc(room));
    auto plain = OK(pxds::blob_header::read(room));
    plain.crc++;
    OK(plain.write(room));
    IS(PXDS_ERR_CORRUPT, pxds::blob::check_crc(room));
}

TEST(headers_of_indexes)
{
    std::vector<std::uint8_t> bytes(PXDS_INDEX_HEADER_SIZE);
    pxds::index_header header;
    header.ctime = 77;
    OK(header.write(bytes));
    CHECK(OK(pxds::index_header::read(bytes)).ctime == 77);
    IS(PXDS_ERR_TOO_SMALL, header.write(pxds::mutable_bytes(bytes.data(), 10)));
}

TEST(where_a_stream_is_cut)
{
    const auto config = OK(pxds::chunker_config::init(1 << 16));
    CHECK(config.avg == 1 << 16 && config.min == 1 << 14 && config.max == 1 << 18);
    auto chunker = OK(pxds::chunker::create(config));
    const auto data = check::noise(1 << 20);
    std::size_t at = 0, cuts = 0;
    while (at < data.size()) {
        const auto next = OK(chunker.scan({data.data() + at, data.size() - at}));
        at += next.used, cuts += next.cut;
    }
    CHECK(at == data.size() && cuts > 5);
    OK(chunker.reset());
    auto fixed = OK(pxds::chunker::create_fixed(4096));
    const auto first = OK(fixed.scan(data));
    CHECK(first.cut && first.used == 4096);

    auto hash = OK(pxds::buzhash::create());
    CHECK(OK(hash.sum()) == 0);
    OK(hash.init({data.data(), 64}));
    OK(hash.update({data.data() + 64, 64}));
    const auto sum = OK(hash.sum());
    OK(hash.reset());
    OK(hash.update({data.data() + 64, 64}));
    CHECK(OK(hash.sum()) == sum && sum != 0);
}

TEST(files_and_json)
{
    const auto path = check::dir() / "file";
    OK(pxds::file::write(path, "content"));
    CHECK(check::read(path).size() == 7);
    IS(PXDS_ERR_NOT_FOUND, pxds::file::write(check::dir() / "none" / "file", "content"));
    CHECK(OK(pxds::json::canonical("{\"b\": 1, \"a\": 2}")).str() == "{\"a\":2,\"b\":1}");
}
