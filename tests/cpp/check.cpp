/* What check.hpp declares, and the tests' main(). */
#include "check.hpp"

#include <cstdio>
#include <cstdlib>
#include <iterator>

namespace {

check::test *first = nullptr;
int not_so = 0;

std::filesystem::path scratch()
{
    const char *parent = std::getenv("TMPDIR");
    return std::filesystem::path(parent != nullptr ? parent : "/tmp") / ("pxds-cpp-" + std::to_string(std::rand()));
}

const std::filesystem::path directory = (std::srand(static_cast<unsigned>(std::time(nullptr))), scratch());

void run(const check::test &test)
{
    std::filesystem::create_directories(directory);
#if PXDS_HPP_EXCEPTIONS
    try {
        test.run();
    } catch (const std::exception &failure) {
        check::that(false, failure.what(), test.name, 0);
    }
#else
    test.run();
#endif
    std::filesystem::remove_all(directory);
}

} // namespace

check::test::test(const char *its_name, void (*its_run)()) : name(its_name), run(its_run), next(first)
{
    first = this;
}

bool check::that(bool good, const char *text, const char *file, int line)
{
    if (!good) {
        std::fprintf(stderr, "%s:%d: not so: %s\n", file, line, text);
        not_so++;
    }
    return good;
}

std::filesystem::path check::dir()
{
    return directory;
}

std::vector<std::uint8_t> check::noise(std::size_t size, std::uint32_t seed)
{
    std::vector<std::uint8_t> bytes(size);
    std::uint64_t state = seed * 0x9E3779B97F4A7C15ULL + 1;
    for (auto &byte : bytes) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        byte = static_cast<std::uint8_t>(state >> 32);
    }
    return bytes;
}

std::vector<std::uint8_t> check::read(const std::filesystem::path &path)
{
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::filesystem::path check::write(const std::filesystem::path &path, const std::vector<std::uint8_t> &bytes)
{
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char *>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return path;
}

pxds::store check::store(const pxds::store_options &options)
{
    return OK(pxds::store::open_or_create(dir() / "store", options));
}

check::chunk check::a_chunk(const std::vector<std::uint8_t> &data)
{
    auto codec = OK(pxds::blob_codec::create());
    auto blob = OK(pxds::blob::encode_buffer(codec, data));
    return {OK(pxds::digest::compute(data)), {blob.begin(), blob.end()}};
}

int main()
{
    int passed = 0, failed = 0;
    for (const check::test *test = first; test != nullptr; test = test->next) {
        const int before = not_so;
        run(*test);
        const bool good = not_so == before;
        passed += good, failed += !good;
        if (!good)
            std::printf("failed: %s\n", test->name);
    }
    std::printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
