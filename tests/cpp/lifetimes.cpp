/* What a temporary would lend is gone with it: it gives values of its own, or does not compile. */
#include "check.hpp"

namespace {

/** Whether `F` can be called with a T that lasts, and with none that does not. */
template <class T, class F> constexpr bool only_of_what_lasts(F)
{
    return std::is_invocable_v<F, T &> && !std::is_invocable_v<F, T> && !std::is_invocable_v<F, const T>;
}

/** Whether `F` gives a `Lent` of what lasts, and an `Own` of what does not. */
template <class T, class Lent, class Own, class F> constexpr bool own_of_what_goes(F)
{
    return std::is_same_v<std::invoke_result_t<F, const T &>, Lent> &&
           std::is_same_v<std::invoke_result_t<F, T>, Own> && std::is_same_v<std::invoke_result_t<F, const T>, Own>;
}

} // namespace

#define OF(expression)                                                                                                 \
    [](auto &&it) -> decltype(static_cast<decltype(it)>(it) expression) {                                              \
        return static_cast<decltype(it)>(it) expression;                                                               \
    }

static_assert(only_of_what_lasts<pxds::store>(OF(.get())) && only_of_what_lasts<pxds::snapshot_list>(OF(.get())));
static_assert(only_of_what_lasts<pxds::error>(OF(.get())));
// What of a room is in use only its owner knows.
static_assert(!std::is_constructible_v<pxds::const_bytes, char (&)[8]>);
static_assert(std::is_constructible_v<pxds::const_bytes, const char (&)[8]>);
static_assert(std::is_constructible_v<pxds::const_bytes, char *>);
static_assert(only_of_what_lasts<pxds::buffer>(OF(.data())) && only_of_what_lasts<pxds::buffer>(OF(.begin())));
static_assert(only_of_what_lasts<pxds::buffer>(OF(.end())));
static_assert(only_of_what_lasts<pxds::snapshot_list>(OF(.begin())) && only_of_what_lasts<pxds::file_list>(OF(.end())));
static_assert(only_of_what_lasts<pxds::group_list>(OF([0])) && only_of_what_lasts<pxds::namespace_list>(OF([0])));
static_assert(only_of_what_lasts<pxds::index>(OF(.chunks())) && only_of_what_lasts<pxds::stats>(OF(.groups())));
static_assert(only_of_what_lasts<pxds::stats>(OF(.snapshots())) && only_of_what_lasts<pxds::keyfile>(OF(.info())));
static_assert(only_of_what_lasts<pxds::manifest>(OF(.info())) && only_of_what_lasts<pxds::manifest>(OF(.file(0))));
static_assert(only_of_what_lasts<pxds::manifest>(OF(.find_file(""))));
static_assert(only_of_what_lasts<pxds::result<pxds::buffer>>(OF(.operator->())));
#if PXDS_HPP_EXCEPTIONS
static_assert(only_of_what_lasts<pxds::chunk_iter>(OF(.begin())));
#endif
static_assert(own_of_what_goes<pxds::buffer, std::string_view, std::string>(OF(.str())));
static_assert(own_of_what_goes<pxds::buffer, pxds::span<const std::uint8_t>, std::vector<std::uint8_t>>(OF(.bytes())));
static_assert(own_of_what_goes<pxds::store, std::string_view, std::string>(OF(.path())));
static_assert(own_of_what_goes<pxds::backup, std::string_view, std::string>(OF(.snapshot())));
static_assert(own_of_what_goes<pxds::backup, std::optional<std::string_view>, std::optional<std::string>>(
    OF(.previous())));
static_assert(std::is_same_v<decltype(std::declval<pxds::result<int>>().error()), pxds::error>);
static_assert(std::is_same_v<decltype(std::declval<pxds::result<void>>().error()), pxds::error>);
static_assert(std::is_same_v<decltype(*std::declval<pxds::result<pxds::buffer>>()), pxds::buffer>);

constexpr auto borrow = [](auto &&from) -> decltype(pxds::blob::decode_borrow(static_cast<decltype(from)>(from))) {
    return pxds::blob::decode_borrow(static_cast<decltype(from)>(from));
};
using borrow_from = decltype(borrow);
static_assert(std::is_invocable_v<borrow_from, pxds::buffer &> && !std::is_invocable_v<borrow_from, pxds::buffer>);
static_assert(std::is_invocable_v<borrow_from, const std::string &> && !std::is_invocable_v<borrow_from, std::string>);
static_assert(std::is_invocable_v<borrow_from, std::string_view>);
static_assert(std::is_invocable_v<borrow_from, pxds::const_bytes>);
static_assert(std::is_invocable_v<borrow_from, pxds::span<const std::uint8_t>>);
static_assert(!std::is_invocable_v<borrow_from, std::vector<std::uint8_t>>);

TEST(what_temporaries_give)
{
    const auto store = check::store();
    const auto chunk = check::a_chunk(check::noise(1000));
    OK(store.insert(chunk.digest, chunk.blob));
    const auto bytes = OK(store.load(chunk.digest)).bytes();
    const auto text = OK(store.load(chunk.digest)).str();
    CHECK(bytes == chunk.blob && std::equal(text.begin(), text.end(), reinterpret_cast<const char *>(bytes.data())));
    CHECK(pxds::buffer().bytes().empty());
    const auto path = OK(pxds::store::open(check::dir() / "store")).path();
    CHECK(path == store.path());
    const auto name = OK(pxds::backup::create(store, "host/web")).snapshot();
    CHECK(name.find("host/web/") == 0 && !OK(pxds::backup::create(store, "host/web")).previous());
    const auto &failure = pxds::attempt([] { return pxds::store::open("/nonexistent"); }).error();
    CHECK(failure.status() == PXDS_ERR_NOT_FOUND && failure.path() == "/nonexistent");
}
