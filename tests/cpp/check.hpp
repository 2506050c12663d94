/*
 * The frame of the C++ tests: one program of several files, which must be the same with exceptions and without.
 * TEST(name) { ... } is one test. OK(call) gives the value of a call; IS(status, call) wants it to fail.
 */
#ifndef CHECK_HPP
#define CHECK_HPP

#include <pxds.hpp>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace check {

struct test {
    test(const char *its_name, void (*its_run)());
    const char *name;
    void (*run)();
    test *next;
};

/** Notes it if something is not so. */
bool that(bool good, const char *text, const char *file, int line);

/** The directory of this test, which is empty when it starts. */
std::filesystem::path dir();

/** Bytes without order, the same for one seed. */
std::vector<std::uint8_t> noise(std::size_t size, std::uint32_t seed = 1);

/** The content of a file, and a file of these bytes. */
std::vector<std::uint8_t> read(const std::filesystem::path &path);
std::filesystem::path write(const std::filesystem::path &path, const std::vector<std::uint8_t> &bytes);

/** A store in "store" below dir(). */
pxds::store store(const pxds::store_options &options = {});

/** A chunk's digest, and the blob that it is stored as. */
struct chunk {
    pxds::digest digest;
    std::vector<std::uint8_t> blob;
};
chunk a_chunk(const std::vector<std::uint8_t> &data);

} // namespace check

#define TEST(name)                                                                                                     \
    static void name();                                                                                                \
    static check::test test_of_##name(#name, name);                                                                    \
    static void name()

#define CHECK(condition) check::that((condition) ? true : false, #condition, __FILE__, __LINE__)
#if PXDS_HPP_EXCEPTIONS
#define OK(call) (call)
#else
#define OK(call) (call).value()
#endif
#define IS(want, call) check::that(pxds::attempt([&] { return call; }).status() == (want), #call, __FILE__, __LINE__)

#endif
