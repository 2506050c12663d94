/* The header from C++11: a put and a get, with every handle owned by a unique_ptr. */
#include <pxds.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

struct Free {
    void operator()(pxds_error *error) const { pxds_error_free(error); }
    void operator()(pxds_store *store) const { pxds_store_free(store); }
    void operator()(pxds_ingest *ingest) const { pxds_ingest_free(ingest); }
    void operator()(pxds_index_writer *writer) const { pxds_index_writer_free(writer); }
    void operator()(pxds_index *index) const { pxds_index_free(index); }
    void operator()(pxds_restorer *restorer) const { pxds_restorer_free(restorer); }
};

template <typename T> using Handle = std::unique_ptr<T, Free>;

void check(pxds_status status, pxds_error *error)
{
    Handle<pxds_error> owned(error);

    if (status < 0)
        throw std::runtime_error(std::string(pxds_status_name(status)) + ": " +
                                 pxds_error_message(owned.get()));
}

/* Calls `function(arguments..., &handle, &error)` and gives the handle. */
template <typename T, typename Function, typename... Arguments>
Handle<T> make(Function function, Arguments... arguments)
{
    T *made = nullptr;
    pxds_error *error = nullptr;
    pxds_status status = function(arguments..., &made, &error);

    check(status, error);
    return Handle<T>(made);
}

template <typename Function, typename... Arguments>
void call(Function function, Arguments... arguments)
{
    pxds_error *error = nullptr;
    pxds_status status = function(arguments..., &error);

    check(status, error);
}

int32_t append(void *user, const uint8_t *data, size_t len, size_t *taken)
{
    auto *out = static_cast<std::vector<uint8_t> *>(user);

    out->insert(out->end(), data, data + len);
    *taken = len;
    return 0;
}

void put_and_get(const std::string &directory)
{
    std::vector<uint8_t> data(5000000), out;
    uint32_t x = 1;
    uint64_t written = 0;

    for (auto &byte : data) {
        x = x * 1103515245U + 12345U;
        byte = static_cast<uint8_t>(x >> 16);
    }
    auto store = make<pxds_store>(pxds_store_open_or_create, directory.c_str(), nullptr);
    auto ingest = make<pxds_ingest>(pxds_ingest_new, store.get(), nullptr);
    call(pxds_ingest_write, ingest.get(), data.data(), data.size());
    auto writer = make<pxds_index_writer>(pxds_ingest_finish, ingest.get());
    const std::string path = directory + "/data.didx";
    call(pxds_index_writer_save, writer.get(), path.c_str());

    auto index = make<pxds_index>(pxds_index_open, path.c_str(), PXDS_INDEX_DYNAMIC);
    auto restorer = make<pxds_restorer>(pxds_restorer_new, store.get(), nullptr);
    call(pxds_restorer_write, restorer.get(), index.get(), append, &out, &written);
    if (written != data.size() || out != data)
        throw std::runtime_error("other bytes came back");
}

void fail(const std::string &directory)
{
    try {
        make<pxds_index>(pxds_index_open, (directory + "/missing").c_str(), PXDS_INDEX_ANY);
    } catch (const std::runtime_error &error) {
        if (std::string(error.what()).find("PXDS_ERR_NOT_FOUND") == 0)
            return;
        throw;
    }
    throw std::runtime_error("an index that is not there was opened");
}

} // namespace

int main()
{
    const char *parent = std::getenv("TMPDIR");
    const std::string directory = std::string(parent != nullptr ? parent : "/tmp") + "/cpp-store";
    int failed = 0;

    for (auto test : {put_and_get, fail})
        try {
            test(directory);
        } catch (const std::exception &error) {
            std::printf("%s\n", error.what());
            failed++;
        }
    std::printf("%d passed, %d failed\n", 2 - failed, failed);
    return failed > 0;
}
