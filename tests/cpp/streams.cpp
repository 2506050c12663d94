/* Streams of the standard library, and lists as its ranges. */
#include "check.hpp"

#include <algorithm>
#include <numeric>
#include <random>
#if __cplusplus >= 202002L
#include <ranges>
#include <span>
#endif

namespace {

/** A snapshot with these bytes in "data.didx". */
pxds::snapshot snapshot(const pxds::store &store, const std::string &data)
{
    auto backup = OK(pxds::backup::create(store, "host/web"));
    std::istringstream stream(data);
    OK(backup.add_stream("data.didx", pxds::from(stream)));
    OK(backup.finish());
    return OK(pxds::snapshot::open(store, backup.snapshot()));
}

} // namespace

TEST(a_reader_is_a_stream)
{
    const auto store = check::store();
    std::string data = "first line\nsecond line\n";
    for (const auto byte : check::noise(300000))
        data += static_cast<char>(byte);
    const auto opened = snapshot(store, data);
    pxds::reader_stream stream(OK(opened.open_reader("data.didx")));
    std::string line;
    CHECK(std::getline(stream, line) && line == "first line");
    CHECK(stream.tellg() == std::streampos(11));
    std::string rest(data.size() - 11, '\0');
    CHECK(stream.read(rest.data(), static_cast<std::streamsize>(rest.size())) && rest == data.substr(11));
    CHECK(stream.get() == EOF && stream.eof());
    stream.clear();
    stream.seekg(-5, std::ios::end);
    CHECK(stream.get() == static_cast<unsigned char>(data[data.size() - 5]));
    stream.seekg(2, std::ios::cur);
    CHECK(stream.get() == static_cast<unsigned char>(data[data.size() - 2]));
    stream.seekg(11);
    CHECK(std::getline(stream, line) && line == "second line");
    stream.seekg(1, std::ios::end);
    CHECK(stream.fail() && !stream.failure());
    stream.clear();
    stream.seekg(0);
    std::ostringstream all;
    all << stream.rdbuf();
    CHECK(all.str() == data);
}

namespace {

/** One of the things that can be done with a stream, as `dice` says, and what there is to see of it afterwards. */
std::string step(std::istream &stream, std::mt19937 &dice, std::size_t size)
{
    const auto some = [&](std::size_t most) { return static_cast<std::streamoff>(dice() % most); };
    const std::size_t lengths[] = {1, 2, 100, 8192, 65535, 65536, 70000, 150000};
    std::string seen, bytes(lengths[dice() % std::size(lengths)], '\0');
    switch (dice() % 12) {
    case 0: seen = std::to_string(stream.get()); break;
    case 1: seen = std::to_string(stream.peek()); break;
    case 2: std::getline(stream, bytes), seen = bytes; break;
    case 3: stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size())), seen = bytes; break;
    case 4: stream.ignore(some(1000)); break;
    case 5: stream.seekg(some(size + 1)); break;
    case 6: stream.seekg(-some(size + 1), std::ios::end); break;
    case 7: stream.seekg(-some(100), std::ios::cur); break;
    case 8: stream.seekg(stream.tellg()); break;
    case 9: stream.unget(), seen = std::to_string(stream.peek()); break;
    case 10: stream.unget(), stream.unget(), seen = std::to_string(stream.get()); break;
    default: // what was put back is there, until somebody seeks
        stream.putback('?'), seen = std::to_string(stream.get()), seen += std::to_string(stream.peek());
        stream.seekg(stream.tellg()), stream.unget(), seen += std::to_string(stream.get());
    }
    seen += "! " + std::to_string(stream.gcount()) + " " + std::to_string(stream.rdstate());
    stream.clear();
    return seen + " " + std::to_string(stream.tellg());
}

} // namespace

TEST(a_reader_is_a_stream_as_a_file_is)
{
    const auto store = check::store();
    const auto noise = check::noise(200000);
    const std::string data(noise.begin(), noise.end());
    std::ifstream file;
    std::vector<char> room(1 << 20); // libstdc++ goes back to other bytes behind a read that is longer than its buffer
    file.rdbuf()->pubsetbuf(room.data(), static_cast<std::streamsize>(room.size()));
    file.open(check::write(check::dir() / "file", noise), std::ios::binary);
    pxds::reader_stream stream(OK(snapshot(store, data).open_reader("data.didx")));
    for (std::uint32_t number = 0; number < 3000; number++) {
        std::mt19937 one(number), same(number);
        const auto got = step(stream, one, data.size()), want = step(file, same, data.size());
        if (!check::that(got == want, ("step " + std::to_string(number)).c_str(), __FILE__, __LINE__))
            break;
    }
    stream.seekg(-10, std::ios::end);
    std::string rest(20, '\0');
    CHECK(stream.rdbuf()->in_avail() >= 10 && stream.readsome(rest.data(), 20) == 10 && stream.good());
    CHECK(stream.peek() == EOF && stream.eof() && !stream.fail());
    stream.seekg(0); // which takes back that it is at the end
    CHECK(stream.good() && !stream.unget() && stream.bad());
}

namespace {

pxds::reader_stream behind_the_first_line(pxds::reader_stream stream)
{
    std::string line;
    CHECK(std::getline(stream, line));
    return stream;
}

} // namespace

TEST(a_stream_can_be_moved)
{
    const auto store = check::store();
    const auto opened = snapshot(store, "first line\nsecond line\nthird line\n");
    auto stream = behind_the_first_line(pxds::reader_stream(OK(opened.open_reader("data.didx"))));
    std::string line;
    CHECK(stream.tellg() == std::streampos(11) && std::getline(stream, line) && line == "second line");
    pxds::reader_stream other(OK(opened.open_reader("data.didx")));
    CHECK(std::getline(other, line) && line == "first line");
    other = std::move(stream);
    CHECK(std::getline(other, line) && line == "third line" && !std::getline(other, line) && other.eof());
    stream = pxds::reader_stream(OK(opened.open_reader("data.didx")));
    CHECK(std::getline(stream, line) && line == "first line");
    auto &same = stream;
    stream = std::move(same);
    CHECK(std::getline(stream, line) && line == "second line" && stream.get() == 't');
    std::vector<pxds::reader_stream> all;
    for (int i = 0; i < 5; i++)
        all.push_back(behind_the_first_line(pxds::reader_stream(OK(opened.open_reader("data.didx")))));
    for (auto &each : all)
        CHECK(std::getline(each, line) && line == "second line");
}

TEST(a_stream_that_fails_says_why)
{
    const auto store = check::store();
    const auto opened = snapshot(store, "a line\n");
    const auto stored = OK(opened.open_index("data.didx"));
    OK(store.mark_bad(stored.chunks()[0].digest));
    pxds::reader_stream stream(OK(opened.open_reader("data.didx")));
    std::string line;
    CHECK(!std::getline(stream, line) && stream.failure()->status() == PXDS_ERR_NOT_FOUND);
    CHECK(stream.bad() == (PXDS_HPP_EXCEPTIONS != 0));
}

TEST(lists_are_ranges)
{
    const auto store = check::store();
    for (const char *group : {"host/a", "host/b", "vm/100"})
        OK(pxds::group::create(store, group));
    const auto list = OK(store.groups());
    CHECK(std::any_of(list.begin(), list.end(), [](const auto &group) { return std::string(group.id) == "100"; }));
    CHECK(std::distance(list.begin(), list.end()) == 3 && list.begin()[2].type == PXDS_TYPE_VM);
    auto it = list.end();
    CHECK(std::string((--it)->path) == "vm/100" && it > list.begin() && it - 2 == list.begin());
    CHECK(it++ == list.end() - 1 && it == list.end() && (it -= 3) == list.begin() && 1 + it == list.begin() + 1);
    const std::vector<pxds::group_entry> copies(list.begin(), list.end());
    CHECK(copies.size() == 3);
#if __cplusplus >= 202002L && defined(__cpp_lib_ranges)
    static_assert(std::ranges::random_access_range<pxds::group_list> && std::ranges::sized_range<pxds::snapshot_list>);
    static_assert(std::ranges::random_access_range<pxds::index::chunk_range>);
#if !defined(__clang__) || __clang_major__ >= 16 // older ones do not get along with the views of libstdc++
    auto hosts = list | std::views::filter([](const auto &group) { return group.type == PXDS_TYPE_HOST; });
    CHECK(std::ranges::distance(hosts) == 2);
#endif
#endif
}

#ifdef __cpp_lib_span
static_assert(std::is_same_v<pxds::span<int>, std::span<int>>);

TEST(spans_of_the_standard_library)
{
    const auto store = check::store();
    auto ingest = OK(pxds::ingest::create(store));
    OK(ingest.write(std::as_bytes(std::span("abc"))));
    OK(ingest.read([left = 2](std::span<std::uint8_t> room) mutable {
        room[0] = 'd';
        return left > 0 ? (left--, 1) : 0;
    }));
    auto writer = OK(ingest.finish());
    const auto index = OK(pxds::index::parse(OK(writer.finish(100000))));
    std::vector<std::uint8_t> out(6);
    auto restorer = OK(pxds::restorer::create(store));
    CHECK(OK(restorer.read_range(index, 0, std::span(out))) == 6 && out[5] == 'd');
    OK(restorer.write(index, [&](std::span<const std::uint8_t> bytes) { CHECK(bytes.size() == 6); }));
}
#endif
