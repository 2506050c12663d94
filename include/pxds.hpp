/* pxds for C++17 and newer: one header over the C functions of pxds.h, which stays the manual of what they do.
 *
 * CONVENTIONS
 *
 * Names.      pxds_NOUN_WHAT(...) is pxds::NOUN::WHAT(...): a member where the C function takes a handle of that noun,
 *             a static or plain function otherwise. `_new` is `create`, `_get_` is left out: pxds_backup_new() is
 *             pxds::backup::create(), pxds_group_get_owner() is pxds::group::owner(). The noun `namespace` is pxds::ns.
 *             Constants, flags and statuses are those of pxds.h, PXDS_STORE_SHARED.
 * Handles.    Own their object, move, do not copy, and free it; freeing never fails and commits nothing. One that is
 *             empty, or has been moved from, is PXDS_ERR_ARGUMENT in a call, and no crash. get() lends the C handle,
 *             release() gives it away, store(c) takes one over. Who may use a handle when is as in pxds.h.
 * Failures.   A call that fails throws pxds::error: status(), what(), path(), offset(), digest(), os_error(),
 *             callback_value(). pxds::attempt(f) calls `f` and gives a pxds::result instead: its value, or the error.
 *             Without exceptions, by -fno-exceptions or with PXDS_NO_EXCEPTIONS defined, every call gives a result by
 *             itself; nothing else changes, and attempt() works too. Callables must not throw then. outcome<T> below is
 *             T, or result<T> then.
 * Absence.    PXDS_NONE is an empty std::optional. A text that may be absent in options takes nullptr, std::nullopt and
 *             std::optional<std::string> too; one that may be NULL as an argument takes nullptr.
 * Options.    Are structures of their C name without `pxds_`, initialised, with the fields of pxds.h:
 *             `pxds::store_options o; o.lock_wait_ms = 5000;`. So are outputs. Handles in options, for example keys,
 *             are borrowed: they have to be there when the call is made.
 * Callbacks.  Are anything that can be called, set like a field: `o.progress = [&](const pxds::progress &p) { ... };`.
 *             They return nothing, or an int as in C: 0 to go on. What one throws ends the call, on whatever thread it
 *             was thrown, and comes out of the call as it was. Those of a handle live as long as it, and all that is
 *             made from it, may call them.
 * Streams.    A callable that gives bytes fills a span<uint8_t> and returns how many: 0 at the end, less than 0 to
 *             stop. One that takes bytes gets a span<const uint8_t>, and returns nothing, or how many it took. ::read
 *             and ::write fit; pxds::from(std::istream &) and pxds::to(std::ostream &) make such of streams, and
 *             pxds::reader_stream is a std::istream, with seeking, over a reader.
 * Bytes.      Arguments take any container of bytes or chars, or a pointer and a length; span is std::span from C++20
 *             on.
 * Text.       Arguments, paths among them, take literals, std::string, std::string_view and std::filesystem::path. A
 *             NUL within is PXDS_ERR_ARGUMENT. Strings in outputs are the C handle's, as pxds.h says.
 * Lists.      Are random access ranges of values: `for (const auto &s : store.snapshots()) puts(s.path);`.
 * Lifetimes.  Views, pointers, ranges, iterators and entries are of what gives them, and last as long. A temporary
 *             gives strings and vectors of their own, `auto text = snapshot.read_blob("a.blob").str();`, and what it
 *             cannot give so does not compile. [[nodiscard]]: a lock that nobody takes is none.
 * Versions.   A library of another ABI than this header's makes every call PXDS_ERR_UNSUPPORTED; check_version() is for
 *             programs that want to know at once.
 *
 * In this order: errors, bytes and text, callbacks, handles, options and outputs; buffers, names, keys, blobs, where to
 * cut, lists; indexes, the store, ingests and images, sources, restorers and readers; manifests, groups, snapshots,
 * backups, statistics, Proxmox Backup Server's settings.
 */

#ifndef PXDS_HPP
#define PXDS_HPP

#if __cplusplus < 201703L
#error "pxds.hpp needs C++17 or newer; pxds.h alone does with C++11"
#else

#include <pxds.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <istream>
#include <iterator>
#include <memory>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <streambuf>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#if __cplusplus >= 202002L
#include <span>
#endif

#if defined(__cpp_exceptions) && !defined(PXDS_NO_EXCEPTIONS)
#define PXDS_HPP_EXCEPTIONS 1
#include <exception>
#include <map>
#include <mutex>
#else
#define PXDS_HPP_EXCEPTIONS 0
#endif

/* What differs between translation units has names of its own, so that they may be linked together. */
#if defined(__cpp_lib_span) && PXDS_HPP_EXCEPTIONS
#define PXDS_HPP_MODE cxx20
#elif defined(__cpp_lib_span)
#define PXDS_HPP_MODE cxx20_results
#elif PXDS_HPP_EXCEPTIONS
#define PXDS_HPP_MODE cxx17
#else
#define PXDS_HPP_MODE cxx17_results
#endif

static_assert(PXDS_ABI_VERSION == 0, "pxds.hpp and pxds.h are of different versions");

namespace pxds {
inline namespace PXDS_HPP_MODE {

/* ---- errors ---- */

template <class T> class result;

/** What calls give: T, as failures are thrown; or without exceptions result<T>. */
#if PXDS_HPP_EXCEPTIONS
template <class T> using outcome = T;
#else
template <class T> using outcome = result<T>;
#endif

class const_bytes;
class text;

namespace status {

/** The name of a status, such as "PXDS_ERR_IO". */
inline const char *name(pxds_status status) noexcept
{
    return pxds_status_name(status);
}

/** Words for a status, such as "not found". */
inline const char *message(pxds_status status) noexcept
{
    return pxds_status_message(status);
}

} // namespace status

/** 32 bytes: the digest of a chunk, a csum, or the fingerprint of a key. */
struct digest : std::array<std::uint8_t, PXDS_DIGEST_SIZE> {
    digest() noexcept : array{} {}
    digest(const array &bytes) noexcept : array(bytes) {}
    /** From a field of an output: `entry.digest`. */
    digest(const std::uint8_t (&bytes)[PXDS_DIGEST_SIZE]) noexcept : array{} { std::memcpy(data(), bytes, size()); }
    /** The SHA-256 of `data`. */
    static inline outcome<digest> compute(const_bytes data);
    /** From 64 hexadecimal digits. */
    static inline outcome<digest> parse(const text &hex);
    /** As 64 hexadecimal digits. */
    std::string format() const
    {
        char hex[PXDS_DIGEST_HEX_SIZE] = "";
        static_cast<void>(pxds_digest_format(data(), hex, sizeof hex, nullptr));
        return hex;
    }
    /** Also with a field of an output. */
    friend bool operator==(const digest &a, const digest &b) noexcept
    {
        return std::memcmp(a.data(), b.data(), a.size()) == 0;
    }
    friend bool operator!=(const digest &a, const digest &b) noexcept { return !(a == b); }
};

/** Why a call failed. Cheap to copy. */
class error : public std::runtime_error {
public:
    error(pxds_status status, const std::string &what) : std::runtime_error(what), status_(status) {}
    /** Of a C call, `pxds_error **err`; takes it over. */
    explicit error(pxds_error *err) : error(pxds_error_status(err), {err, pxds_error_free}) {}
    /** With the details that a C function gave, which may be NULL. */
    error(pxds_status status, std::shared_ptr<pxds_error> details)
        : std::runtime_error(details ? pxds_error_message(details.get()) : pxds_status_message(status)),
          status_(status), details_(std::move(details))
    {
    }
    /** PXDS_ERR_... */
    pxds_status status() const noexcept { return status_; }
    /** The errno of the system call that failed; 0 if none did. */
    int os_error() const noexcept { return pxds_error_errno(get()); }
    /** What the callback returned that stopped the call; 0 if none did. */
    std::int32_t callback_value() const noexcept { return pxds_error_callback_value(get()); }
    /** The file or directory that it is about. */
    std::optional<std::string> path() const
    {
        const char *path = pxds_error_path(get());
        return path != nullptr ? std::optional<std::string>(path) : std::nullopt;
    }
    /** The chunk that it is about. */
    std::optional<pxds::digest> digest() const noexcept
    {
        pxds::digest name;
        return pxds_error_get_digest(get(), name.data()) == PXDS_OK ? std::optional<pxds::digest>(name) : std::nullopt;
    }
    /** The place that it is about; what() says in what. */
    std::optional<std::uint64_t> offset() const noexcept
    {
        std::uint64_t at = 0;
        return pxds_error_get_offset(get(), &at) == PXDS_OK ? std::optional<std::uint64_t>(at) : std::nullopt;
    }
    /** The C object, which this one keeps; NULL if there is none. */
    const pxds_error *get() const & noexcept { return details_.get(); }
    const pxds_error *get() const && = delete;

private:
    pxds_status status_;
    std::shared_ptr<pxds_error> details_;
};

namespace detail {

/** What becomes of a value that is not there. */
[[noreturn]] inline void no_value(const error &why)
{
#if PXDS_HPP_EXCEPTIONS
    throw why;
#else
    std::fprintf(stderr, "pxds::result without a value: %s\n", why.what());
    std::abort();
#endif
}

} // namespace detail

/** What a call gives, or why it failed. value() of a failure throws it, and without exceptions ends the program. */
template <class T> class [[nodiscard]] result {
public:
    result(T value) : either_(std::in_place_index<0>, std::move(value)) {}
    result(pxds::error why) : either_(std::in_place_index<1>, std::move(why)) {}
    explicit operator bool() const noexcept { return either_.index() == 0; }
    /** Only of a failure. */
    const pxds::error &error() const & { return *std::get_if<1>(&either_); }
    pxds::error error() const && { return error(); }
    /** PXDS_OK, or the status of the failure. */
    pxds_status status() const noexcept { return *this ? PXDS_OK : error().status(); }
    T &value() & { return need(), *std::get_if<0>(&either_); }
    const T &value() const & { return need(), *std::get_if<0>(&either_); }
    /** By value, so that a range of `for` lives: `for (const auto &s : store.snapshots().value())`. */
    T value() && { return need(), std::move(*std::get_if<0>(&either_)); }
    T value_or(T other) && { return *this ? std::move(*std::get_if<0>(&either_)) : std::move(other); }
    T &operator*() & { return value(); }
    const T &operator*() const & { return value(); }
    T operator*() && { return std::move(*this).value(); }
    T *operator->() & { return &value(); }
    const T *operator->() const & { return &value(); }
    /** `(*call()).what()` knows that it is of a temporary, `call()->what()` would not. */
    const T *operator->() const && = delete;

private:
    void need() const
    {
        if (!*this)
            detail::no_value(error());
    }
    std::variant<T, pxds::error> either_;
};

/** Whether a call succeeded, or why not. */
template <> class [[nodiscard]] result<void> {
public:
    result() noexcept = default;
    result(pxds::error why) : why_(std::move(why)) {}
    explicit operator bool() const noexcept { return !why_; }
    /** Only of a failure. */
    const pxds::error &error() const & { return *why_; }
    pxds::error error() const && { return error(); }
    /** PXDS_OK, or the status of the failure. */
    pxds_status status() const noexcept { return why_ ? why_->status() : PXDS_OK; }
    void value() const
    {
        if (why_)
            detail::no_value(*why_);
    }

private:
    std::optional<pxds::error> why_;
};

namespace detail {

template <class T> struct value_of { using type = T; };
template <class T> struct value_of<result<T>> { using type = T; };

#if PXDS_HPP_EXCEPTIONS
/** What callbacks have thrown, on its way to the caller: by the value that C is given for it. */
class thrown {
public:
    /** Never destroyed: handles may be freed when static objects are. */
    static thrown &all()
    {
        static thrown &it = *new thrown;
        return it;
    }
    std::int32_t put(const void *owner, std::exception_ptr what) noexcept
    {
        try {
            const std::lock_guard<std::mutex> lock(mutex_);
            last_ = last_ < -1000000000 ? last_ + 1 : INT32_MIN; // what callbacks return themselves is hardly there
            flying_.insert_or_assign(last_, flying{owner, std::move(what)});
            return last_;
        } catch (...) { // no memory: the call ends all the same
            return -1;
        }
    }
    std::exception_ptr take(std::int32_t value)
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto found = flying_.find(value);
        if (found == flying_.end())
            return nullptr;
        std::exception_ptr what = std::move(found->second.what);
        flying_.erase(found);
        return what;
    }
    /** Of several threads that threw in one call only the first was heard: the others' go with their callback. */
    void forget(const void *owner) noexcept
    {
        std::map<std::int32_t, flying> gone; // destroyed without the lock: what was thrown may have callbacks too
        const std::lock_guard<std::mutex> lock(mutex_);
        for (auto it = flying_.begin(); it != flying_.end();) {
            const auto next = std::next(it);
            if (it->second.owner == owner)
                gone.insert(flying_.extract(it));
            it = next;
        }
    }

private:
    struct flying {
        const void *owner;
        std::exception_ptr what;
    };
    std::mutex mutex_;
    std::map<std::int32_t, flying> flying_;
    std::int32_t last_ = INT32_MIN;
};
#endif

/** Ends a call that failed. */
template <class T> outcome<T> fail(error why)
{
#if PXDS_HPP_EXCEPTIONS
    if (why.status() == PXDS_ERR_CANCELLED)
        if (std::exception_ptr what = thrown::all().take(why.callback_value()))
            std::rethrow_exception(std::move(what));
    throw why;
#else
    return result<T>(std::move(why));
#endif
}

} // namespace detail

/** Calls `f`, and gives what it gives or the pxds::error that it fails with, whether there are exceptions or not. */
template <class F> auto attempt(F &&f) -> result<typename detail::value_of<std::invoke_result_t<F &>>::type>
{
    using T = std::invoke_result_t<F &>;
#if PXDS_HPP_EXCEPTIONS
    try {
        if constexpr (std::is_void_v<T>) {
            f();
            return {};
        } else {
            return f();
        }
    } catch (const error &why) {
        return why;
    }
#else
    if constexpr (std::is_void_v<T>) {
        f();
        return {};
    } else {
        return f();
    }
#endif
}

/** The version of the library that is running, such as "0.1.0". */
inline const char *version() noexcept
{
    return pxds_version();
}

/** The same as major * 65536 + minor * 256 + patch. */
inline std::uint32_t version_number() noexcept
{
    return pxds_version_number();
}

/** The C ABI of the library that is running. */
inline std::uint32_t abi_version() noexcept
{
    return pxds_abi_version();
}

/* ---- bytes and text ---- */

#ifdef __cpp_lib_span
template <class T> using span = std::span<T>;
#else
/** What std::span is from C++20 on, as far as it is needed here. */
template <class T> class span {
public:
    constexpr span() noexcept = default;
    constexpr span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <class C, class = std::enable_if_t<std::is_convertible_v<decltype(std::data(std::declval<C &>())), T *>>>
    constexpr span(C &&from) noexcept : data_(std::data(from)), size_(std::size(from)) {}
    constexpr T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr T *begin() const noexcept { return data_; }
    constexpr T *end() const noexcept { return data_ + size_; }
    constexpr T &operator[](std::size_t i) const noexcept { return data_[i]; }

private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};
#endif

namespace detail {

/** Whether C is a container of single bytes at `std::data(C)`, which can be had as a `To *`. */
template <class C, class To, class = void> struct holds_bytes : std::false_type {};
template <class C> using data_of = decltype(std::data(std::declval<C &>()));
template <class C, class To>
struct holds_bytes<C, To, std::void_t<decltype(sizeof(*data_of<C>())), decltype(std::size(std::declval<C &>()))>>
    : std::bool_constant<sizeof(*data_of<C>()) == 1 && std::is_convertible_v<data_of<C>, To *>> {};

/** Whether what a `C &&` is of holds bytes, and is gone after the call. */
template <class C>
struct owns_bytes
    : std::bool_constant<!std::is_reference_v<C> && !std::is_trivially_destructible_v<C> &&
                         holds_bytes<const C, const void>::value> {};

/** The length of a std::string, and of a std::filesystem::path. */
template <class S> auto length(const S &text) -> decltype(text.size()) { return text.size(); }
template <class S> auto length(const S &text) -> decltype(text.native().size()) { return text.native().size(); }

} // namespace detail

/** Bytes as an argument: of any container of bytes, of a text without its NUL, or at a pointer. */
class const_bytes {
public:
    const_bytes() noexcept = default;
    const_bytes(const void *data, std::size_t size) noexcept : data_(data), size_(size) {}
    const_bytes(std::nullptr_t) noexcept {}
    /** Of a pointer to a text. */
    template <class T, std::enable_if_t<std::is_same_v<T, const char *> || std::is_same_v<T, char *>, int> = 0>
    const_bytes(const T &text) noexcept : data_(text), size_(text != nullptr ? std::strlen(text) : 0) {}
    /** Of a literal, or a constant array: without one NUL at its end. */
    template <std::size_t N>
    const_bytes(const char (&from)[N]) noexcept : data_(from), size_(from[N - 1] == '\0' ? N - 1 : N)
    {
    }
    /** Of room there may be only a part in use: say how much, `{data, len}`, or `std::string_view(data)`. */
    template <std::size_t N> const_bytes(char (&)[N]) = delete;
    template <class C, class = std::enable_if_t<detail::holds_bytes<const C, const void>::value>>
    const_bytes(const C &from) noexcept : data_(std::data(from)), size_(std::size(from)) {}
    const void *data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }

private:
    const void *data_ = nullptr;
    std::size_t size_ = 0;
};

/** Room for bytes as an argument. */
class mutable_bytes {
public:
    mutable_bytes() noexcept = default;
    mutable_bytes(void *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <class C, class = std::enable_if_t<detail::holds_bytes<std::remove_reference_t<C>, void>::value>>
    mutable_bytes(C &&from) noexcept : data_(std::data(from)), size_(std::size(from)) {}
    void *data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }

private:
    void *data_ = nullptr;
    std::size_t size_ = 0;
};

/** A text or path as an argument. */
class text {
public:
    text(std::nullptr_t) noexcept {}
    text(const char *given) noexcept : given_(given) {}
    text(std::string_view given) : own_(given), is_own_(true), has_nul_(given.find('\0') != given.npos) {}
    /** Of a std::string or a std::filesystem::path, which stays where it is. */
    template <class S, class C = decltype(std::declval<const S &>().c_str()),
              class = std::enable_if_t<std::is_same_v<C, const char *>>>
    text(const S &given) : given_(given.c_str()), has_nul_(std::strlen(given_) != detail::length(given)) {}
    const char *c_str() const noexcept { return is_own_ ? own_.c_str() : given_; }
    /** C would see less of it than there is. */
    bool has_nul() const noexcept { return has_nul_; }

private:
    std::string own_;
    const char *given_ = nullptr;
    bool is_own_ = false;
    bool has_nul_ = false;
};

/** A text or path in options, or none. (A std::optional<std::string> there is uninitialised to the eyes of gcc 12.) */
class optional_text {
public:
    optional_text() noexcept = default;
    optional_text(std::nullptr_t) noexcept {}
    optional_text(std::nullopt_t) noexcept {}
    optional_text(const char *given) : text_(given != nullptr ? given : ""), has_value_(given != nullptr) {}
    optional_text(const std::optional<std::string> &given) : text_(given.value_or("")), has_value_(given) {}
    template <class S, class = std::enable_if_t<std::is_constructible_v<std::string, const S &>>>
    optional_text(const S &given) : text_(given), has_value_(true) {}
    bool has_value() const noexcept { return has_value_; }
    explicit operator bool() const noexcept { return has_value_; }
    const std::string &operator*() const & noexcept { return text_; }
    std::string operator*() const && { return text_; }
    friend bool operator==(const optional_text &a, std::string_view b) noexcept { return a.has_value_ && a.text_ == b; }
    friend bool operator!=(const optional_text &a, std::string_view b) noexcept { return !(a == b); }

private:
    std::string text_;
    bool has_value_ = false;
};

/* ---- callbacks ---- */

namespace detail {

/** Keeps callbacks alive. */
using keep = std::shared_ptr<const void>;

inline keep both(keep a, keep b)
{
    if (a == nullptr || b == nullptr)
        return a == nullptr ? b : a;
    return std::make_shared<std::pair<keep, keep>>(std::move(a), std::move(b));
}

/** A callable, at the address that C hands to its function. */
template <class F> struct slot {
    explicit slot(F &&f) : call(std::forward<F>(f)) {}
    slot(const slot &) = delete;
    slot &operator=(const slot &) = delete;
#if PXDS_HPP_EXCEPTIONS
    ~slot() { thrown::all().forget(this); }
#endif
    void *user() noexcept { return this; }
    F call;
};

/** Runs what a callback does; nothing is thrown through C. */
template <class Run> std::int32_t guarded(const void *owner, Run &&run) noexcept
{
#if PXDS_HPP_EXCEPTIONS
    try {
        return run();
    } catch (...) {
        return thrown::all().put(owner, std::current_exception());
    }
#else
    static_cast<void>(owner);
    return run();
#endif
}

/** Structures are handed on by reference, the rest as it is. */
template <class T> decltype(auto) seen(T given)
{
    if constexpr (std::is_pointer_v<T> && std::is_class_v<std::remove_pointer_t<T>>)
        return static_cast<std::remove_pointer_t<T> &>(*given);
    else
        return given;
}

/** How many bytes, as a callable of a stream says it, or the value that stops the call. */
template <class N> std::int32_t counted(N count, std::size_t *out)
{
    static_assert(std::is_integral_v<N> && !std::is_same_v<N, bool>, "a stream returns how many bytes, or less than 0");
    if constexpr (std::is_signed_v<N>)
        if (count < 0)
            return count < INT32_MIN ? -1 : static_cast<std::int32_t>(count);
    *out = static_cast<std::size_t>(count);
    return 0;
}

template <class F> std::int32_t give(void *user, std::uint8_t *data, std::size_t capacity, std::size_t *data_len)
{
    return guarded(user, [&] {
        return counted(static_cast<slot<F> *>(user)->call(span<std::uint8_t>(data, capacity)), data_len);
    });
}

template <class F> std::int32_t take(void *user, const std::uint8_t *data, std::size_t data_len, std::size_t *taken)
{
    return guarded(user, [&] {
        F &call = static_cast<slot<F> *>(user)->call;
        const span<const std::uint8_t> bytes(data, data_len);
        if constexpr (std::is_void_v<decltype(call(bytes))>) {
            call(bytes);
            return counted(data_len, taken);
        } else {
            return counted(call(bytes), taken);
        }
    });
}

/** What can be called, and be nothing. */
template <class T> struct may_be_empty : std::is_pointer<T> {};
template <class S> struct may_be_empty<std::function<S>> : std::true_type {};

} // namespace detail

/** A callback in options: nothing, or anything that can be called with what C hands over, structures by reference. */
template <class... Given> class callback {
public:
    using function = std::int32_t (*)(void *, Given...);

    callback() noexcept = default;
    callback(std::nullptr_t) noexcept {}
    template <class F, class D = std::decay_t<F>, class = std::enable_if_t<!std::is_same_v<D, callback>>>
    callback(F &&f)
    {
        if constexpr (detail::may_be_empty<D>::value)
            if (!f)
                return;
        held_ = std::make_shared<detail::slot<D>>(D(std::forward<F>(f)));
        call_ = enter<D>;
    }
    explicit operator bool() const noexcept { return call_ != nullptr; }
    void put(function &function_of_c, void *&user) const noexcept
    {
        function_of_c = call_;
        user = const_cast<void *>(held_.get());
    }
    detail::keep kept() const noexcept { return held_; }

private:
    template <class F> static std::int32_t enter(void *user, Given... given)
    {
        return detail::guarded(user, [&]() -> std::int32_t {
            F &call = static_cast<detail::slot<F> *>(user)->call;
            using R = decltype(call(detail::seen(given)...));
            static_assert(std::is_void_v<R> || std::is_same_v<R, int>, "return nothing, or an int: 0 to go on");
            if constexpr (std::is_void_v<R>)
                return call(detail::seen(given)...), 0;
            else
                return call(detail::seen(given)...);
        });
    }
    detail::keep held_;
    function call_ = nullptr;
};

using progress = pxds_progress;
using ingest_chunk = pxds_ingest_chunk;
using bad_chunk = pxds_bad_chunk;
using verify_damage = pxds_verify_damage;
using verify_done = pxds_verify_done;
using image_range = pxds_image_range;
using prune_row = pxds_prune_row;

/** (std::uint32_t level, const char *message, const char *path), and `path` may be NULL. */
using notice_callback = callback<std::uint32_t, const char *, const char *>;
using progress_callback = callback<const progress *>;
using chunk_callback = callback<const ingest_chunk *>;
using bad_chunk_callback = callback<const bad_chunk *>;
using damage_callback = callback<const verify_damage *>;
using done_callback = callback<const verify_done *>;

/** Gives what can be read from `in`, to its end. One that is not open or breaks off stops the call. */
inline auto from(std::istream &in)
{
    return [&in](span<std::uint8_t> room) -> std::streamsize {
        in.read(reinterpret_cast<char *>(room.data()), static_cast<std::streamsize>(room.size()));
        return in.bad() || (in.fail() && !in.eof()) ? -1 : in.gcount();
    };
}

/** Writes to `out`; a failure of it stops the call. */
inline auto to(std::ostream &out)
{
    return [&out](span<const std::uint8_t> bytes) -> std::streamsize {
        const auto count = static_cast<std::streamsize>(bytes.size());
        return out.write(reinterpret_cast<const char *>(bytes.data()), count) ? count : -1;
    };
}

/* ---- handles ---- */

/** Owns a C object, and keeps the callbacks that it needs. */
template <class T, void (*Free)(T *)> class handle {
public:
    using c_type = T;

    handle() noexcept = default;
    /** Takes over what a C function gave. */
    explicit handle(T *raw, detail::keep callbacks = nullptr) noexcept : kept_(std::move(callbacks)), raw_(raw) {}
    handle(handle &&other) noexcept : kept_(std::move(other.kept_)), raw_(std::exchange(other.raw_, nullptr)) {}
    handle &operator=(handle &&other) noexcept
    {
        handle old(std::move(other));
        std::swap(raw_, old.raw_);
        std::swap(kept_, old.kept_);
        return *this;
    }
    ~handle() { Free(raw_); }
    /** For C functions, which do not free it. */
    T *get() const & noexcept { return raw_; }
    T *get() const && = delete;
    /** The caller's from now on; what callbacks() gives has to be kept as long. */
    [[nodiscard]] T *release() noexcept { return std::exchange(raw_, nullptr); }
    /** Frees it now. */
    void reset() noexcept { handle old(std::move(*this)); }
    explicit operator bool() const noexcept { return raw_ != nullptr; }
    /** What keeps its callbacks alive. */
    const detail::keep &callbacks() const & noexcept { return kept_; }
    detail::keep callbacks() const && noexcept { return kept_; }

private:
    detail::keep kept_;
    T *raw_ = nullptr;
};

/** A handle that is used and not owned, or none. */
template <class T> class borrowed {
public:
    borrowed() noexcept = default;
    borrowed(std::nullptr_t) noexcept {}
    borrowed(const T *raw) noexcept : raw_(raw) {}
    template <void (*Free)(T *)> borrowed(const handle<T, Free> &owner) noexcept : raw_(owner.get()) {}
    /** It would be gone before it is used. */
    template <void (*Free)(T *)> borrowed(handle<T, Free> &&owner) = delete;
    const T *get() const noexcept { return raw_; }

private:
    const T *raw_ = nullptr;
};

namespace detail {

/** Options as C takes them, for one call. */
template <class T> struct c_struct {
    T value;
    bool has_nul = false;
    operator const T *() const noexcept { return &value; }
    const char *operator()(const optional_text &given)
    {
        has_nul = has_nul || (*given).find('\0') != std::string::npos;
        return given ? (*given).c_str() : nullptr;
    }
};

struct c_text {
    const char *value;
    bool has_nul;
    operator const char *() const noexcept { return value; }
};

/* An argument as C takes it. */
template <class T, class = std::enable_if_t<std::is_scalar_v<T>>> T pass(T given) noexcept { return given; }
template <class T, void (*Free)(T *)> T *pass(const handle<T, Free> &given) noexcept { return given.get(); }
template <class T> const T *pass(const borrowed<T> &given) noexcept { return given.get(); }
template <class O> auto pass(const O &options) -> decltype(options.c()) { return options.c(); }
inline const std::uint8_t *pass(const digest &given) noexcept { return given.data(); }
inline c_text pass(const text &given) noexcept { return {given.c_str(), given.has_nul()}; }

template <class T> bool has_nul(const T &) noexcept { return false; }
template <class T> bool has_nul(const c_struct<T> &given) noexcept { return given.has_nul; }
inline bool has_nul(const c_text &given) noexcept { return given.has_nul; }

inline bool library_fits() noexcept
{
    static const bool fits = pxds_abi_version() == PXDS_ABI_VERSION;
    return fits;
}

template <class Value, class Function, class... Passed>
auto call_passed(Value &&value, Function function, const Passed &...passed) -> outcome<decltype(value(PXDS_OK))>
{
    using T = decltype(value(PXDS_OK));
    if (!library_fits())
        return fail<T>(error(PXDS_ERR_UNSUPPORTED, "the program was built for ABI " + std::to_string(PXDS_ABI_VERSION) +
                                 " of libpxds, and runs with ABI " + std::to_string(pxds_abi_version())));
    if ((has_nul(passed) || ...))
        return fail<T>(error(PXDS_ERR_ARGUMENT, "a text has a NUL in it"));
    pxds_error *err = nullptr;
    const pxds_status status = function(passed..., &err);
    if (status < 0)
        return fail<T>(error(status, std::shared_ptr<pxds_error>(err, pxds_error_free)));
    if constexpr (std::is_void_v<T>)
        return value(status), outcome<void>();
    else
        return value(status);
}

/** Makes a call, and gives what `value` makes of its status. */
template <class Value, class Function, class... A>
auto call_for(Value &&value, Function function, const A &...arguments)
{
    return call_passed(value, function, pass(arguments)...);
}

template <class Function, class... A> outcome<void> call(Function function, const A &...arguments)
{
    return call_for([](pxds_status) {}, function, arguments...);
}

/** A handle that the call gives, with what keeps its callbacks. */
template <class H, class Function, class... A> outcome<H> make(keep kept, Function function, const A &...arguments)
{
    typename H::c_type *raw = nullptr;
    return call_for([&](pxds_status) { return H(raw, std::move(kept)); }, function, arguments..., &raw);
}

/** An output that the call fills. */
template <class T, class Function, class... A> outcome<T> fetch(Function function, const A &...arguments)
{
    T out{};
    return call_for([&](pxds_status) { return out; }, function, arguments..., &out);
}

/** The same, where it is PXDS_NONE if there is nothing. */
template <class T, class Function, class... A>
outcome<std::optional<T>> find(Function function, const A &...arguments)
{
    T out{};
    const auto value = [&](pxds_status status) { return status == PXDS_NONE ? std::nullopt : std::optional<T>(out); };
    return call_for(value, function, arguments..., &out);
}

/** An output that is there after a failure too, in `*also`, if that is given. */
template <class T, class Function, class... A> outcome<T> tell(T *also, Function function, const A &...arguments)
{
    T own{}, &out = also != nullptr ? *also : own;
    out = T{}; // for what fails before it gets to C
    return call_for([&](pxds_status) { return out; }, function, arguments..., &out);
}

template <class Function, class... A> outcome<digest> fetch_digest(Function function, const A &...arguments)
{
    digest out;
    return call_for([&](pxds_status) { return out; }, function, arguments..., out.data());
}

/** A text that the call gives as a buffer. */
template <class T, class Function, class... A> outcome<T> fetch_text(Function function, const A &...arguments)
{
    pxds_buffer *raw = nullptr;
    const auto value = [&](pxds_status status) {
        const std::unique_ptr<pxds_buffer, void (*)(pxds_buffer *)> owner(raw, pxds_buffer_free);
        const auto *data = reinterpret_cast<const char *>(pxds_buffer_data(raw));
        return status == PXDS_NONE ? T() : T(std::string(data != nullptr ? data : "", pxds_buffer_len(raw)));
    };
    return call_for(value, function, arguments..., &raw);
}

/** A text for which the caller gives room, as much as the first call says. */
template <class Function, class... A> outcome<std::string> fetch_sized(Function function, const A &...arguments)
{
    std::string out(1, '\0');
    std::size_t len = 0;
    if (library_fits())
        static_cast<void>(function(pass(arguments)..., &out[0], out.size(), &len, nullptr));
    out.resize(len + 1);
    const auto value = [&](pxds_status) { return std::string(out.c_str()); };
    return call_for(value, function, arguments..., &out[0], out.size(), &len);
}

inline std::string_view view_of(const char *given) noexcept
{
    return given != nullptr ? std::string_view(given) : std::string_view();
}

/** Numbered entries of a C object that outlives this. `Get` fails only behind the last. */
template <class T, class Entry, auto Count, auto Get> class entries {
public:
    using value_type = Entry;

    class iterator {
    public:
        struct arrow {
            Entry entry;
            const Entry *operator->() const noexcept { return &entry; }
        };
        using iterator_category = std::input_iterator_tag; // for C++17, as it gives values
        using iterator_concept = std::random_access_iterator_tag;
        using value_type = Entry;
        using difference_type = std::ptrdiff_t;
        using reference = Entry;
        using pointer = arrow;

        iterator() noexcept = default;
        iterator(const T *of, std::size_t i) noexcept : of_(of), i_(i) {}
        Entry operator*() const { return entries(of_)[i_]; }
        arrow operator->() const { return {**this}; }
        Entry operator[](std::ptrdiff_t n) const { return *(*this + n); }
        iterator &operator+=(std::ptrdiff_t n) noexcept { return i_ += static_cast<std::size_t>(n), *this; }
        iterator &operator-=(std::ptrdiff_t n) noexcept { return i_ -= static_cast<std::size_t>(n), *this; }
        iterator &operator++() noexcept { return *this += 1; }
        iterator &operator--() noexcept { return *this -= 1; }
        iterator operator++(int) noexcept { return ++*this, *this - 1; }
        iterator operator--(int) noexcept { return --*this, *this + 1; }
        friend iterator operator+(iterator a, std::ptrdiff_t n) noexcept { return a += n; }
        friend iterator operator+(std::ptrdiff_t n, iterator a) noexcept { return a += n; }
        friend iterator operator-(iterator a, std::ptrdiff_t n) noexcept { return a -= n; }
        friend std::ptrdiff_t operator-(iterator a, iterator b) noexcept
        {
            return static_cast<std::ptrdiff_t>(a.i_ - b.i_);
        }
        friend bool operator==(iterator a, iterator b) noexcept { return a.i_ == b.i_; }
        friend bool operator!=(iterator a, iterator b) noexcept { return a.i_ != b.i_; }
        friend bool operator<(iterator a, iterator b) noexcept { return a.i_ < b.i_; }
        friend bool operator>(iterator a, iterator b) noexcept { return a.i_ > b.i_; }
        friend bool operator<=(iterator a, iterator b) noexcept { return a.i_ <= b.i_; }
        friend bool operator>=(iterator a, iterator b) noexcept { return a.i_ >= b.i_; }

    private:
        const T *of_ = nullptr;
        std::size_t i_ = 0;
    };
    using const_iterator = iterator;

    explicit entries(const T *of) noexcept : of_(of) {}
    std::size_t size() const noexcept { return static_cast<std::size_t>(Count(of_)); }
    bool empty() const noexcept { return size() == 0; }
    /** As initialised, if there is no such entry. */
    Entry operator[](std::size_t i) const
    {
        Entry entry{};
        static_cast<void>(Get(of_, i, &entry, nullptr));
        return entry;
    }
    iterator begin() const noexcept { return {of_, 0}; }
    iterator end() const noexcept { return {of_, size()}; }

private:
    const T *of_;
};

/** A list that owns its entries. */
template <class T, void (*Free)(T *), class Entry, auto Count, auto Get>
class [[nodiscard]] list : public handle<T, Free> {
public:
    using value_type = Entry;
    using iterator = typename entries<T, Entry, Count, Get>::iterator;
    using const_iterator = iterator;
    using handle<T, Free>::handle;
    std::size_t size() const noexcept { return all().size(); }
    bool empty() const noexcept { return all().empty(); }
    /** As initialised, if there is no such entry. */
    Entry operator[](std::size_t i) const & { return all()[i]; }
    Entry operator[](std::size_t i) const && = delete;
    iterator begin() const & noexcept { return all().begin(); }
    iterator begin() const && = delete;
    iterator end() const & noexcept { return all().end(); }
    iterator end() const && = delete;

private:
    entries<T, Entry, Count, Get> all() const noexcept { return entries<T, Entry, Count, Get>(this->get()); }
};

} // namespace detail

/** Fails if the library that is running has another ABI than this header; every other call does that too. */
inline outcome<void> check_version()
{
    return detail::call([](pxds_error **) { return PXDS_OK; });
}

/* ---- outputs and options; pxds.h says what the fields are ---- */

#define PXDS_HPP_STRUCT(name, init)                                                                                    \
    struct name : pxds_##name {                                                                                        \
        name() noexcept : pxds_##name init {}                                                                          \
    }

PXDS_HPP_STRUCT(group_name, PXDS_GROUP_NAME_INIT);
PXDS_HPP_STRUCT(snapshot_name, PXDS_SNAPSHOT_NAME_INIT);
PXDS_HPP_STRUCT(keyfile_info, PXDS_KEYFILE_INFO_INIT);
PXDS_HPP_STRUCT(blob_info, PXDS_BLOB_INFO_INIT);
PXDS_HPP_STRUCT(insert_result, PXDS_INSERT_RESULT_INIT);
PXDS_HPP_STRUCT(chunk_entry, PXDS_CHUNK_ENTRY_INIT);
PXDS_HPP_STRUCT(convert_result, PXDS_CONVERT_RESULT_INIT);
PXDS_HPP_STRUCT(index_info, PXDS_INDEX_INFO_INIT);
PXDS_HPP_STRUCT(index_chunk_info, PXDS_INDEX_CHUNK_INFO_INIT);
PXDS_HPP_STRUCT(ingest_stats, PXDS_INGEST_STATS_INIT);
PXDS_HPP_STRUCT(manifest_info, PXDS_MANIFEST_INFO_INIT);
PXDS_HPP_STRUCT(manifest_file, PXDS_MANIFEST_FILE_INIT);
PXDS_HPP_STRUCT(group_entry, PXDS_GROUP_ENTRY_INIT);
PXDS_HPP_STRUCT(snapshot_entry, PXDS_SNAPSHOT_ENTRY_INIT);
PXDS_HPP_STRUCT(file_entry, PXDS_FILE_ENTRY_INIT);
PXDS_HPP_STRUCT(destroy_result, PXDS_DESTROY_RESULT_INIT);
PXDS_HPP_STRUCT(prune_entry, PXDS_PRUNE_ENTRY_INIT);
PXDS_HPP_STRUCT(gc_status, PXDS_GC_STATUS_INIT);
PXDS_HPP_STRUCT(verify_result, PXDS_VERIFY_RESULT_INIT);
PXDS_HPP_STRUCT(stats_total, PXDS_STATS_TOTAL_INIT);
PXDS_HPP_STRUCT(stats_group, PXDS_STATS_GROUP_INIT);
PXDS_HPP_STRUCT(stats_snapshot, PXDS_STATS_SNAPSHOT_INIT);

#undef PXDS_HPP_STRUCT

/* Options: where a field of C is a callback, a text or a handle, there is one of the same name here. c() is what C
 * takes, kept() what keeps the callbacks of a handle alive. The structure of C is a private base: a function of C that
 * was given it would see nothing of these. */

namespace detail {

/* Sets all that C has of options. */
struct from_c {
    template <class O, class C> static void set(O &options, const C &given) { static_cast<C &>(options) = given; }
};

} // namespace detail

class keyfile_options : pxds_keyfile_options {
public:
    using pxds_keyfile_options::kdf, pxds_keyfile_options::flags, pxds_keyfile_options::created;
    optional_text hint;

    keyfile_options() noexcept : pxds_keyfile_options PXDS_KEYFILE_OPTIONS_INIT {}
    detail::c_struct<pxds_keyfile_options> c() const
    {
        detail::c_struct<pxds_keyfile_options> out{*this};
        out.value.hint = out(hint);
        return out;
    }
};

class blob_codec_options : pxds_blob_codec_options {
public:
    using pxds_blob_codec_options::flags;
    borrowed<pxds_key> key;

    blob_codec_options() noexcept : pxds_blob_codec_options PXDS_BLOB_CODEC_OPTIONS_INIT {}
    detail::c_struct<pxds_blob_codec_options> c() const
    {
        detail::c_struct<pxds_blob_codec_options> out{*this};
        out.value.key = key.get();
        return out;
    }
};

struct chunker_config : pxds_chunker_config {
    chunker_config() noexcept : pxds_chunker_config PXDS_CHUNKER_CONFIG_INIT {}
    /** What PBS uses for the average size `avg`, a power of two; 0 for the default. */
    static outcome<chunker_config> init(std::uint64_t avg)
    {
        chunker_config out;
        return detail::call_for([&](pxds_status) { return out; }, pxds_chunker_config_init, &out, avg);
    }
    detail::c_struct<pxds_chunker_config> c() const { return {*this}; }
};

class store_options : pxds_store_options {
    friend struct detail::from_c;

public:
    using pxds_store_options::layout, pxds_store_options::sync, pxds_store_options::flags,
        pxds_store_options::owner_uid, pxds_store_options::owner_gid, pxds_store_options::lock_wait_ms;
    notice_callback notice;
    optional_text store_name, lock_dir;
    progress_callback progress;

    store_options() noexcept : pxds_store_options PXDS_STORE_OPTIONS_INIT {}
    detail::keep kept() const { return detail::both(notice.kept(), progress.kept()); }
    detail::c_struct<pxds_store_options> c() const
    {
        detail::c_struct<pxds_store_options> out{*this};
        notice.put(out.value.notice, out.value.notice_user);
        out.value.store_name = out(store_name);
        out.value.lock_dir = out(lock_dir);
        progress.put(out.value.progress, out.value.progress_user);
        return out;
    }
};

class ingest_options : pxds_ingest_options {
public:
    using pxds_ingest_options::flags, pxds_ingest_options::threads, pxds_ingest_options::ctime,
        pxds_ingest_options::uuid;
    std::optional<chunker_config> chunker;
    borrowed<pxds_key> key;
    chunk_callback on_chunk;
    progress_callback progress;

    ingest_options() noexcept : pxds_ingest_options PXDS_INGEST_OPTIONS_INIT {}
    detail::keep kept() const { return detail::both(on_chunk.kept(), progress.kept()); }
    detail::c_struct<pxds_ingest_options> c() const
    {
        detail::c_struct<pxds_ingest_options> out{*this};
        out.value.chunker = chunker ? &*chunker : nullptr;
        out.value.key = key.get();
        on_chunk.put(out.value.on_chunk, out.value.on_chunk_user);
        progress.put(out.value.progress, out.value.progress_user);
        return out;
    }
};

class image_options : pxds_image_options {
public:
    using pxds_image_options::flags, pxds_image_options::threads, pxds_image_options::chunk_size,
        pxds_image_options::ctime, pxds_image_options::uuid;
    borrowed<pxds_key> key;
    chunk_callback on_chunk;
    progress_callback progress;

    image_options() noexcept : pxds_image_options PXDS_IMAGE_OPTIONS_INIT {}
    detail::keep kept() const { return detail::both(on_chunk.kept(), progress.kept()); }
    detail::c_struct<pxds_image_options> c() const
    {
        detail::c_struct<pxds_image_options> out{*this};
        out.value.key = key.get();
        on_chunk.put(out.value.on_chunk, out.value.on_chunk_user);
        progress.put(out.value.progress, out.value.progress_user);
        return out;
    }
};

class copy_options : pxds_copy_options {
public:
    using pxds_copy_options::flags, pxds_copy_options::threads;
    borrowed<pxds_key> key;
    chunk_callback on_chunk;
    progress_callback progress;

    copy_options() noexcept : pxds_copy_options PXDS_COPY_OPTIONS_INIT {}
    detail::c_struct<pxds_copy_options> c() const
    {
        detail::c_struct<pxds_copy_options> out{*this};
        out.value.key = key.get();
        on_chunk.put(out.value.on_chunk, out.value.on_chunk_user);
        progress.put(out.value.progress, out.value.progress_user);
        return out;
    }
};

class restorer_options : pxds_restorer_options {
public:
    using pxds_restorer_options::flags, pxds_restorer_options::threads;
    borrowed<pxds_key> key;
    bad_chunk_callback on_bad;
    progress_callback progress;

    restorer_options() noexcept : pxds_restorer_options PXDS_RESTORER_OPTIONS_INIT {}
    detail::keep kept() const { return detail::both(on_bad.kept(), progress.kept()); }
    detail::c_struct<pxds_restorer_options> c() const
    {
        detail::c_struct<pxds_restorer_options> out{*this};
        out.value.key = key.get();
        on_bad.put(out.value.on_bad, out.value.on_bad_user);
        progress.put(out.value.progress, out.value.progress_user);
        return out;
    }
};

class reader_options : pxds_reader_options {
public:
    using pxds_reader_options::flags, pxds_reader_options::threads, pxds_reader_options::cache_size;
    borrowed<pxds_cache> cache;
    borrowed<pxds_key> key;
    bad_chunk_callback on_bad;

    reader_options() noexcept : pxds_reader_options PXDS_READER_OPTIONS_INIT {}
    detail::keep kept() const { return on_bad.kept(); }
    detail::c_struct<pxds_reader_options> c() const
    {
        detail::c_struct<pxds_reader_options> out{*this};
        out.value.cache = cache.get();
        out.value.key = key.get();
        on_bad.put(out.value.on_bad, out.value.on_bad_user);
        return out;
    }
};

class prune_options : pxds_prune_options {
public:
    using pxds_prune_options::flags, pxds_prune_options::keep_last, pxds_prune_options::keep_hourly,
        pxds_prune_options::keep_daily, pxds_prune_options::keep_weekly, pxds_prune_options::keep_monthly,
        pxds_prune_options::keep_yearly, pxds_prune_options::keep_good, pxds_prune_options::keep_within,
        pxds_prune_options::now;
    optional_text zone;
    progress_callback progress;

    prune_options() noexcept : pxds_prune_options PXDS_PRUNE_OPTIONS_INIT {}
    detail::c_struct<pxds_prune_options> c() const
    {
        detail::c_struct<pxds_prune_options> out{*this};
        out.value.zone = out(zone);
        progress.put(out.value.progress, out.value.progress_user);
        return out;
    }
};

class verify_options : pxds_verify_options {
    friend struct detail::from_c;

public:
    using pxds_verify_options::flags, pxds_verify_options::threads, pxds_verify_options::skip_days;
    borrowed<pxds_key> key;
    borrowed<pxds_store> repair_from;
    optional_text upid;
    damage_callback on_damage;
    done_callback on_done;
    progress_callback progress;

    verify_options() noexcept : pxds_verify_options PXDS_VERIFY_OPTIONS_INIT {}
    detail::c_struct<pxds_verify_options> c() const
    {
        detail::c_struct<pxds_verify_options> out{*this};
        out.value.key = key.get();
        out.value.repair_from = repair_from.get();
        out.value.upid = out(upid);
        on_damage.put(out.value.on_damage, out.value.on_damage_user);
        on_done.put(out.value.on_done, out.value.on_done_user);
        progress.put(out.value.progress, out.value.progress_user);
        return out;
    }
};

class backup_options : pxds_backup_options {
public:
    using pxds_backup_options::flags, pxds_backup_options::time, pxds_backup_options::crypt_mode;
    optional_text owner, notes;
    borrowed<pxds_key> key;
    progress_callback progress;

    backup_options() noexcept : pxds_backup_options PXDS_BACKUP_OPTIONS_INIT {}
    detail::keep kept() const { return progress.kept(); }
    detail::c_struct<pxds_backup_options> c() const
    {
        detail::c_struct<pxds_backup_options> out{*this};
        out.value.owner = out(owner);
        out.value.notes = out(notes);
        out.value.key = key.get();
        progress.put(out.value.progress, out.value.progress_user);
        return out;
    }
};

/* Those whose only field of such a kind is `progress`; behind the initializer stand the other fields. */
#define PXDS_HPP_PROGRESS_OPTIONS(name, init, ...)                                                                     \
    class name : pxds_##name {                                                                                         \
        friend struct detail::from_c;                                                                                  \
    public:                                                                                                            \
        using __VA_ARGS__;                                                                                             \
        progress_callback progress;                                                                                    \
        name() noexcept : pxds_##name init {}                                                                          \
        detail::c_struct<pxds_##name> c() const                                                                        \
        {                                                                                                              \
            detail::c_struct<pxds_##name> out{*this};                                                                  \
            progress.put(out.value.progress, out.value.progress_user);                                                 \
            return out;                                                                                                \
        }                                                                                                              \
    }

PXDS_HPP_PROGRESS_OPTIONS(convert_options, PXDS_CONVERT_OPTIONS_INIT, pxds_convert_options::flags);
PXDS_HPP_PROGRESS_OPTIONS(destroy_options, PXDS_DESTROY_OPTIONS_INIT, pxds_destroy_options::flags);
PXDS_HPP_PROGRESS_OPTIONS(gc_options, PXDS_GC_OPTIONS_INIT,
                          pxds_gc_options::flags, pxds_gc_options::cutoff_minutes, pxds_gc_options::remembered);
PXDS_HPP_PROGRESS_OPTIONS(stats_options, PXDS_STATS_OPTIONS_INIT, pxds_stats_options::flags);

#undef PXDS_HPP_PROGRESS_OPTIONS

/* ---- buffers, files, digests ---- */

/** Bytes of the library's. */
class [[nodiscard]] buffer : public handle<pxds_buffer, pxds_buffer_free> {
public:
    using handle::handle;
    const std::uint8_t *data() const & noexcept { return pxds_buffer_data(get()); }
    const std::uint8_t *data() const && = delete;
    std::size_t size() const noexcept { return pxds_buffer_len(get()); }
    bool empty() const noexcept { return size() == 0; }
    const std::uint8_t *begin() const & noexcept { return data(); }
    const std::uint8_t *begin() const && = delete;
    const std::uint8_t *end() const & noexcept { return data() + size(); }
    const std::uint8_t *end() const && = delete;
    span<const std::uint8_t> bytes() const & noexcept { return {data(), size()}; }
    std::vector<std::uint8_t> bytes() const && { return {begin(), end()}; }
    std::string_view str() const & noexcept { return {reinterpret_cast<const char *>(data()), size()}; }
    std::string str() const && { return std::string(str()); }
};

namespace file {

/** Writes a file of these bytes, whole or not at all. */
inline outcome<void> write(const text &path, const_bytes data)
{
    return detail::call(pxds_file_write, path, data.data(), data.size());
}

} // namespace file

inline outcome<digest> digest::compute(const_bytes data)
{
    return detail::fetch_digest(pxds_digest_compute, data.data(), data.size());
}

inline outcome<digest> digest::parse(const text &hex)
{
    return detail::fetch_digest(pxds_digest_parse, hex);
}

/* ---- names ---- */

namespace backup_type {

/** "vm", "ct" or "host" for PXDS_TYPE_...; "unknown" for any other number. */
inline const char *name(std::uint32_t type) noexcept
{
    return pxds_backup_type_name(type);
}

inline outcome<std::uint32_t> parse(const text &name)
{
    return detail::fetch<std::uint32_t>(pxds_backup_type_parse, name);
}

} // namespace backup_type

namespace id {

/** Fails unless it is the id of a group. */
inline outcome<void> check(const text &id)
{
    return detail::call(pxds_id_check, id);
}

} // namespace id

namespace archive {

/** PXDS_ARCHIVE_...; fails unless it is the name of an archive. */
inline outcome<std::uint32_t> check(const text &name)
{
    return detail::fetch<std::uint32_t>(pxds_archive_check, name);
}

} // namespace archive

namespace time {

/** Seconds since 1970 as the name of a snapshot, "2020-06-26T13:56:05Z". */
inline outcome<std::string> format(std::int64_t time)
{
    char out[PXDS_TIME_SIZE] = "";
    return detail::call_for([&](pxds_status) { return std::string(out); }, pxds_time_format, time, &out[0], sizeof out);
}

inline outcome<std::int64_t> parse(const text &name)
{
    return detail::fetch<std::int64_t>(pxds_time_parse, name);
}

} // namespace time

/* ---- keys ---- */

/** A key. */
class [[nodiscard]] key : public handle<pxds_key, pxds_key_free> {
public:
    using handle::handle;
    /** Of 32 bytes, which are copied. */
    static outcome<key> create(const std::array<std::uint8_t, PXDS_KEY_SIZE> &secret)
    {
        return detail::make<key>(nullptr, pxds_key_new, secret.data());
    }
    static outcome<key> random() { return detail::make<key>(nullptr, pxds_key_random); }
    /** One that also reads what the Go package has encrypted with this one. */
    outcome<key> tolerant(std::uint32_t flags) const
    {
        return detail::make<key>(nullptr, pxds_key_tolerant, *this, flags);
    }
    outcome<pxds::digest> fingerprint() const { return detail::fetch_digest(pxds_key_get_fingerprint, *this); }
    /** The digest of encrypted data. */
    outcome<pxds::digest> digest(const_bytes data) const
    {
        return detail::fetch_digest(pxds_key_digest, *this, data.data(), data.size());
    }
};

namespace fingerprint {

/** Pairs of digits with colons; with PXDS_FINGERPRINT_SHORT the first eight. */
inline outcome<std::string> format(const digest &fingerprint, std::uint32_t flags = 0)
{
    char out[PXDS_FINGERPRINT_TEXT_SIZE] = "";
    return detail::call_for([&](pxds_status) { return std::string(out); }, pxds_fingerprint_format, fingerprint, flags,
                            &out[0], sizeof out);
}

inline outcome<digest> parse(const text &fingerprint)
{
    return detail::fetch_digest(pxds_fingerprint_parse, fingerprint);
}

} // namespace fingerprint

/** A key file, read or made. */
class [[nodiscard]] keyfile : public handle<pxds_keyfile, pxds_keyfile_free> {
public:
    using handle::handle;
    /** Puts `key` under a password. */
    static outcome<keyfile> create(const key &key, const_bytes password, const keyfile_options &options = {})
    {
        return detail::make<keyfile>(nullptr, pxds_keyfile_new, key, password.data(), password.size(), options);
    }
    static outcome<keyfile> load(const text &path) { return detail::make<keyfile>(nullptr, pxds_keyfile_load, path); }
    static outcome<keyfile> parse(const_bytes json)
    {
        return detail::make<keyfile>(nullptr, pxds_keyfile_parse, json.data(), json.size());
    }
    outcome<keyfile_info> info() const & { return detail::fetch<keyfile_info>(pxds_keyfile_get_info, *this); }
    outcome<keyfile_info> info() const && = delete;
    /** Takes the key out. */
    outcome<key> unlock(const_bytes password = {}) const
    {
        return detail::make<key>(nullptr, pxds_keyfile_unlock, *this, password.data(), password.size());
    }
    /** Its JSON text, which is overwritten when the buffer is freed. */
    outcome<buffer> format() const { return detail::make<buffer>(nullptr, pxds_keyfile_format, *this); }
    /** `flags`: 0 or PXDS_SAVE_REPLACE. */
    outcome<void> save(const text &path, std::uint32_t flags = 0) const
    {
        return detail::call(pxds_keyfile_save, *this, path, flags);
    }
};

namespace master {

/** Seals `key` for the holder of a master key. `created` is when the key was made; now unless it is given. */
inline outcome<buffer> seal(const key &key, const_bytes public_pem, std::optional<std::int64_t> created = {})
{
    return detail::make<buffer>(nullptr, pxds_master_seal, key, created ? &*created : nullptr, public_pem.data(),
                                public_pem.size());
}

/** Opens a sealed key. Without `password` the PEM has to have none. */
inline outcome<keyfile> recover(const_bytes sealed, const_bytes private_pem, const_bytes password = {})
{
    return detail::make<keyfile>(nullptr, pxds_master_recover, sealed.data(), sealed.size(), private_pem.data(),
                                 private_pem.size(), password.data(), password.size());
}

} // namespace master

/* ---- blobs and headers ---- */

/** Encodes and decodes blobs. */
class [[nodiscard]] blob_codec : public handle<pxds_blob_codec, pxds_blob_codec_free> {
public:
    using handle::handle;
    static outcome<blob_codec> create(const blob_codec_options &options = {})
    {
        return detail::make<blob_codec>(nullptr, pxds_blob_codec_new, options);
    }
};

namespace blob {

/** Bytes that are enough for the blob of `data_len` bytes; 0 if that is too large. */
inline std::size_t encode_bound(std::size_t data_len) noexcept
{
    return pxds_blob_encode_bound(data_len);
}

/** Encodes into `out`, and gives how many bytes that are. After PXDS_ERR_TOO_SMALL `*need` is enough. */
inline outcome<std::size_t> encode(blob_codec &codec, const_bytes data, std::uint32_t flags, mutable_bytes out,
                                   std::size_t *need = nullptr)
{
    return detail::tell(need, pxds_blob_encode, codec, data.data(), data.size(), flags, out.data(), out.size());
}

/** Encodes into a buffer. `flags`: PXDS_ENCODE_... */
inline outcome<buffer> encode_buffer(blob_codec &codec, const_bytes data, std::uint32_t flags = 0)
{
    return detail::make<buffer>(nullptr, pxds_blob_encode_buffer, codec, data.data(), data.size(), flags);
}

namespace detail_of {

inline const std::uint8_t *maybe(const std::optional<digest> &name) noexcept
{
    return name ? name->data() : nullptr;
}

} // namespace detail_of

/** Decodes into `out`, and gives how many bytes that are. After PXDS_ERR_TOO_SMALL `*need` is enough. */
inline outcome<std::size_t> decode(blob_codec &codec, const_bytes blob, std::uint32_t flags,
                                   const std::optional<digest> &name, mutable_bytes out, std::size_t *need = nullptr)
{
    return detail::tell(need, pxds_blob_decode, codec, blob.data(), blob.size(), flags, detail_of::maybe(name),
                        out.data(), out.size());
}

/** Decodes into a buffer of at most `max_len` bytes. The data has the digest `name`, if that is given. */
inline outcome<buffer> decode_buffer(blob_codec &codec, const_bytes blob, std::uint32_t flags = 0,
                                     const std::optional<digest> &name = {}, std::size_t max_len = PXDS_BLOB_MAX_SIZE)
{
    return detail::make<buffer>(nullptr, pxds_blob_decode_buffer, codec, blob.data(), blob.size(), flags,
                                detail_of::maybe(name), max_len);
}

/** Where in `blob` its data is; nothing for a compressed one. */
inline outcome<std::optional<span<const std::uint8_t>>> decode_borrow(const_bytes blob, std::uint32_t flags = 0,
                                                                      const std::optional<digest> &name = {})
{
    using Bytes = std::optional<span<const std::uint8_t>>;
    const std::uint8_t *data = nullptr;
    std::size_t data_len = 0;
    const auto value = [&](pxds_status status) { return status == PXDS_NONE ? Bytes() : Bytes({data, data_len}); };
    return detail::call_for(value, pxds_blob_decode_borrow, blob.data(), blob.size(), flags, detail_of::maybe(name),
                            &data, &data_len);
}

/** Of a container that would be gone. */
template <class C, std::enable_if_t<detail::owns_bytes<C>::value, int> = 0>
void decode_borrow(C &&blob, std::uint32_t flags = 0, const std::optional<digest> &name = {}) = delete;

inline outcome<blob_info> parse(const_bytes blob)
{
    return detail::fetch<blob_info>(pxds_blob_parse, blob.data(), blob.size());
}

inline outcome<void> check_crc(const_bytes blob)
{
    return detail::call(pxds_blob_check_crc, blob.data(), blob.size());
}

inline outcome<void> update_crc(mutable_bytes blob)
{
    return detail::call(pxds_blob_update_crc, blob.data(), blob.size());
}

/** Fails unless an unencrypted blob decodes to `size` bytes of this digest. */
inline outcome<void> verify_unencrypted(blob_codec &codec, const_bytes blob, std::uint64_t size, const digest &name)
{
    return detail::call(pxds_blob_verify_unencrypted, codec, blob.data(), blob.size(), size, name);
}

using magic = std::array<std::uint8_t, 8>;

inline outcome<std::size_t> header_len(const magic &given)
{
    return detail::fetch<std::size_t>(pxds_blob_get_header_len, given.data());
}

inline bool magic_is_compressed(const magic &given) noexcept
{
    return pxds_blob_magic_is_compressed(given.data()) != 0;
}

inline bool magic_is_encrypted(const magic &given) noexcept
{
    return pxds_blob_magic_is_encrypted(given.data()) != 0;
}

} // namespace blob

#define PXDS_HPP_HEADER(name, init)                                                                                    \
    struct name : pxds_##name {                                                                                        \
        name() noexcept : pxds_##name init {}                                                                          \
        static outcome<name> read(const_bytes from)                                                                    \
        {                                                                                                              \
            return detail::fetch<name>(pxds_##name##_read, from.data(), from.size());                                  \
        }                                                                                                              \
        outcome<void> write(mutable_bytes to) const                                                                    \
        {                                                                                                              \
            return detail::call(pxds_##name##_write, this, to.data(), to.size());                                      \
        }                                                                                                              \
    }

PXDS_HPP_HEADER(blob_header, PXDS_BLOB_HEADER_INIT);
PXDS_HPP_HEADER(blob_encrypted_header, PXDS_BLOB_ENCRYPTED_HEADER_INIT);
PXDS_HPP_HEADER(index_header, PXDS_INDEX_HEADER_INIT);

#undef PXDS_HPP_HEADER

/* ---- where to cut ---- */

/** Finds where chunks end. */
class [[nodiscard]] chunker : public handle<pxds_chunker, pxds_chunker_free> {
public:
    using handle::handle;
    struct scanned {
        bool cut;         ///< A chunk ends here.
        std::size_t used; ///< Behind so many bytes.
    };
    static outcome<chunker> create(const chunker_config &config = {})
    {
        return detail::make<chunker>(nullptr, pxds_chunker_new, config);
    }
    /** One that cuts at every multiple of `chunk_size` bytes. */
    static outcome<chunker> create_fixed(std::uint64_t chunk_size)
    {
        return detail::make<chunker>(nullptr, pxds_chunker_new_fixed, chunk_size);
    }
    /** Takes the next bytes, up to the end of the chunk. */
    outcome<scanned> scan(const_bytes data)
    {
        std::size_t used = 0;
        const auto value = [&](pxds_status status) { return scanned{status == PXDS_CUT, used}; };
        return detail::call_for(value, pxds_chunker_scan, *this, data.data(), data.size(), &used);
    }
    /** Starts a new stream. It frees nothing, as reset() of other handles does. */
    outcome<void> reset() { return detail::call(pxds_chunker_reset, *this); }
};

/** The rolling hash alone. */
class [[nodiscard]] buzhash : public handle<pxds_buzhash, pxds_buzhash_free> {
public:
    using handle::handle;
    static outcome<buzhash> create() { return detail::make<buzhash>(nullptr, pxds_buzhash_new); }
    /** Starts anew from the first 64 bytes. */
    outcome<void> init(const_bytes data) { return detail::call(pxds_buzhash_init, *this, data.data(), data.size()); }
    outcome<void> update(const_bytes data)
    {
        return detail::call(pxds_buzhash_update, *this, data.data(), data.size());
    }
    outcome<std::uint32_t> sum() { return detail::fetch<std::uint32_t>(pxds_buzhash_get_sum, *this); }
    outcome<void> reset() { return detail::call(pxds_buzhash_reset, *this); }
};

/* ---- lists ---- */

namespace detail {

inline pxds_status namespace_at(const pxds_namespace_list *list, std::size_t i, std::string_view *out, pxds_error **)
{
    *out = view_of(pxds_namespace_list_get(list, i));
    return PXDS_OK;
}

} // namespace detail

/** Namespaces, `a/b`. */
class [[nodiscard]] namespace_list
    : public detail::list<pxds_namespace_list, pxds_namespace_list_free, std::string_view, pxds_namespace_list_count,
                          detail::namespace_at> {
public:
    using list::list;
    bool is_complete() const noexcept { return pxds_namespace_list_is_complete(get()) != 0; }
};

class [[nodiscard]] group_list
    : public detail::list<pxds_group_list, pxds_group_list_free, group_entry, pxds_group_list_count,
                          pxds_group_list_get> {
public:
    using list::list;
    bool is_complete() const noexcept { return pxds_group_list_is_complete(get()) != 0; }
};

class [[nodiscard]] snapshot_list
    : public detail::list<pxds_snapshot_list, pxds_snapshot_list_free, snapshot_entry, pxds_snapshot_list_count,
                          pxds_snapshot_list_get> {
public:
    using list::list;
    bool is_complete() const noexcept { return pxds_snapshot_list_is_complete(get()) != 0; }
};

/** The files of a snapshot. */
using file_list =
    detail::list<pxds_file_list, pxds_file_list_free, file_entry, pxds_file_list_count, pxds_file_list_get>;

/** What has become of each snapshot of a group. */
class prune_list : public detail::list<pxds_prune_list, pxds_prune_list_free, prune_entry, pxds_prune_list_count,
                                       pxds_prune_list_get> {
public:
    using list::list;
    bool is_complete() const noexcept { return pxds_prune_list_is_complete(get()) != 0; }
};

/* ---- indexes ---- */

namespace detail {

inline std::uint64_t index_count(const pxds_index *index) noexcept
{
    index_info info;
    static_cast<void>(pxds_index_get_info(index, &info, nullptr));
    return info.chunk_count;
}

} // namespace detail

/** An index. */
class [[nodiscard]] index : public handle<pxds_index, pxds_index_free> {
public:
    using handle::handle;
    using chunk_range = detail::entries<pxds_index, index_chunk_info, detail::index_count, pxds_index_get_chunk>;
    struct place {
        std::uint64_t number;          ///< Of the chunk.
        std::uint64_t offset_in_chunk; ///< Of the byte.
    };
    struct computed {
        digest csum;        ///< Of the entries.
        std::uint64_t size; ///< Bytes of the file that is described.
    };
    static outcome<index> open(const text &path, std::uint32_t kind = PXDS_INDEX_ANY)
    {
        return detail::make<index>(nullptr, pxds_index_open, path, kind);
    }
    static outcome<index> parse(const_bytes data, std::uint32_t kind = PXDS_INDEX_ANY)
    {
        return detail::make<index>(nullptr, pxds_index_parse, data.data(), data.size(), kind);
    }
    /** Fails unless an index can be saved at `path`. */
    static outcome<void> check_path(const text &path) { return detail::call(pxds_index_check_path, path); }
    outcome<index_info> info() const { return detail::fetch<index_info>(pxds_index_get_info, *this); }
    /** All chunks, as a range; the index has to outlive it. */
    chunk_range chunks() const & noexcept { return chunk_range(get()); }
    chunk_range chunks() const && = delete;
    outcome<std::optional<index_chunk_info>> chunk(std::uint64_t number) const
    {
        return detail::find<index_chunk_info>(pxds_index_get_chunk, *this, number);
    }
    /** The chunks from `first` on, as many as there are and `out` has room for; gives how many. */
    outcome<std::size_t> chunks(std::uint64_t first, span<index_chunk_info> out) const &
    {
        static_assert(sizeof(index_chunk_info) == sizeof(pxds_index_chunk_info), "an array of both");
        return detail::fetch<std::size_t>(pxds_index_get_chunks, *this, first, out.data(), out.size());
    }
    /** The chunk that holds the byte at `offset`. */
    outcome<std::optional<place>> find_chunk(std::uint64_t offset) const
    {
        place at{};
        const auto value = [&](pxds_status s) { return s == PXDS_NONE ? std::nullopt : std::optional<place>(at); };
        return detail::call_for(value, pxds_index_find_chunk, *this, offset, &at.number, &at.offset_in_chunk);
    }
    outcome<computed> compute_csum() const
    {
        computed out{};
        return detail::call_for([&](pxds_status) { return out; }, pxds_index_compute_csum, *this, out.csum.data(),
                                &out.size);
    }
    outcome<void> check_csum() const { return detail::call(pxds_index_check_csum, *this); }
};

using uuid = std::array<std::uint8_t, 16>;

/** An index in the making. */
class [[nodiscard]] index_writer : public handle<pxds_index_writer, pxds_index_writer_free> {
public:
    using handle::handle;
    static outcome<index_writer> create_dynamic(std::int64_t ctime, const std::optional<uuid> &own = {})
    {
        return detail::make<index_writer>(nullptr, pxds_index_writer_new_dynamic, ctime,
                                          own ? own->data() : nullptr);
    }
    static outcome<index_writer> create_fixed(std::int64_t ctime, std::uint64_t size,
                                              std::uint64_t chunk_size = PXDS_PBS_IMAGE_CHUNK_SIZE,
                                              std::uint32_t flags = 0, const std::optional<uuid> &own = {})
    {
        return detail::make<index_writer>(nullptr, pxds_index_writer_new_fixed, ctime, own ? own->data() : nullptr,
                                          size, chunk_size, flags);
    }
    /** Adds the chunk `name`, which ends at `end`. */
    outcome<void> add(std::uint64_t end, const digest &name)
    {
        return detail::call(pxds_index_writer_add, *this, end, name);
    }
    outcome<void> set(std::uint64_t number, const digest &name)
    {
        return detail::call(pxds_index_writer_set, *this, number, name);
    }
    outcome<void> clone_index(const index &earlier)
    {
        return detail::call(pxds_index_writer_clone_index, *this, earlier);
    }
    outcome<index_info> info() { return detail::fetch<index_info>(pxds_index_writer_get_info, *this); }
    /** The bytes of its file, at most `max_len` of them. */
    outcome<buffer> finish(std::size_t max_len)
    {
        return detail::make<buffer>(nullptr, pxds_index_writer_finish, *this, max_len);
    }
    /** Writes it to `path`, whole or not at all. */
    outcome<void> save(const text &path) { return detail::call(pxds_index_writer_save, *this, path); }
};

/* ---- the store ---- */

/** A hold on a store, a group or a snapshot, until it is freed. */
class [[nodiscard]] lock : public handle<pxds_lock, pxds_lock_free> {
public:
    using handle::handle;
};

/** Goes through the chunks of a store. */
class [[nodiscard]] chunk_iter : public handle<pxds_chunk_iter, pxds_chunk_iter_free> {
public:
    using handle::handle;
    /** The next chunk, or nothing at the end. */
    outcome<std::optional<chunk_entry>> next() { return detail::find<chunk_entry>(pxds_chunk_iter_next, *this); }
#if PXDS_HPP_EXCEPTIONS
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = chunk_entry;
        using difference_type = std::ptrdiff_t;
        using reference = const chunk_entry &;
        using pointer = const chunk_entry *;

        iterator() noexcept = default;
        explicit iterator(chunk_iter &of) : of_(&of), at_(of.next()) {}
        reference operator*() const noexcept { return *at_; }
        pointer operator->() const noexcept { return &*at_; }
        iterator &operator++() { return at_ = of_->next(), *this; }
        void operator++(int) { ++*this; }
        friend bool operator==(const iterator &a, const iterator &b) noexcept { return !a.at_ && !b.at_; }
        friend bool operator!=(const iterator &a, const iterator &b) noexcept { return !(a == b); }

    private:
        chunk_iter *of_ = nullptr;
        std::optional<chunk_entry> at_;
    };
    /** Once, from where it stands. */
    iterator begin() & { return iterator(*this); }
    iterator begin() && = delete;
    iterator end() const noexcept { return {}; }
#endif
};

class source;

/** An open store. */
class [[nodiscard]] store : public handle<pxds_store, pxds_store_free> {
public:
    using handle::handle;
    static outcome<store> create(const text &path, const store_options &options = {})
    {
        return detail::make<store>(options.kept(), pxds_store_create, path, options);
    }
    static outcome<store> open(const text &path, const store_options &options = {})
    {
        return detail::make<store>(options.kept(), pxds_store_open, path, options);
    }
    static outcome<store> open_or_create(const text &path, const store_options &options = {})
    {
        return detail::make<store>(options.kept(), pxds_store_open_or_create, path, options);
    }
    /** Brings the store at `path` into `layout`. */
    static outcome<convert_result> convert(const text &path, std::uint32_t layout, const store_options &opening = {},
                                           const convert_options &options = {})
    {
        return detail::fetch<convert_result>(pxds_store_convert, path, layout, opening, options);
    }
    std::string_view path() const & noexcept { return detail::view_of(pxds_store_path(get())); }
    std::string path() const && { return std::string(path()); }
    /** PXDS_LAYOUT_... */
    std::uint32_t layout() const noexcept { return pxds_store_layout(get()); }
    outcome<void> sync() const { return detail::call(pxds_store_sync, *this); }
    /** `mode`: PXDS_LOCK_... */
    outcome<pxds::lock> lock(std::uint32_t mode) const
    {
        return detail::make<pxds::lock>(callbacks(), pxds_store_lock, *this, mode);
    }

    /** The path, from the root, of a group or snapshot. */
    outcome<std::string> full_path(const text &group) const
    {
        return detail::fetch_sized(pxds_store_get_full_path, *this, group);
    }
    /** Of the namespace `ns`, "" for the root; `flags`: 0 or PXDS_LIST_RECURSIVE. */
    outcome<namespace_list> namespaces(const text &ns = "", std::uint32_t flags = 0) const
    {
        return detail::make<namespace_list>(nullptr, pxds_store_namespaces, *this, ns, flags);
    }
    outcome<group_list> groups(const text &ns = "", std::uint32_t flags = 0) const
    {
        return detail::make<group_list>(nullptr, pxds_store_groups, *this, ns, flags);
    }
    /** `flags`: PXDS_LIST_... */
    outcome<snapshot_list> snapshots(const text &ns = "", std::uint32_t flags = 0) const
    {
        return detail::make<snapshot_list>(nullptr, pxds_store_snapshots, *this, ns, flags);
    }
    /** Collects garbage. */
    outcome<pxds::gc_status> gc(const gc_options &options = {}) const
    {
        return detail::fetch<pxds::gc_status>(pxds_store_gc, *this, options);
    }
    /** What the last collection has noted. */
    outcome<std::optional<pxds::gc_status>> gc_status() const
    {
        return detail::find<pxds::gc_status>(pxds_store_get_gc_status, *this);
    }
    /** Of all of it, a group or a snapshot. `*also`, if given, is what there is of the result after a failure too. */
    outcome<verify_result> verify(const text &path = "", const verify_options &options = {},
                                  verify_result *also = nullptr) const
    {
        return detail::tell(also, pxds_store_verify, *this, path, options);
    }

    outcome<std::string> chunk_path(const digest &name) const
    {
        return detail::fetch_sized(pxds_store_get_chunk_path, *this, name);
    }
    /** Stores a blob, whose digest is not checked. */
    outcome<insert_result> insert(const digest &name, const_bytes blob, std::uint32_t flags = 0) const
    {
        return detail::fetch<insert_result>(pxds_store_insert, *this, name, blob.data(), blob.size(), flags);
    }
    outcome<insert_result> insert_verified(blob_codec &codec, const digest &name, std::uint64_t size,
                                           const_bytes blob) const
    {
        return detail::fetch<insert_result>(pxds_store_insert_verified, *this, codec, name, size, blob.data(),
                                            blob.size());
    }
    outcome<buffer> load(const digest &name, std::uint32_t flags = 0,
                         std::size_t max_len = PXDS_BLOB_MAX_ENCODED_SIZE) const
    {
        return detail::make<buffer>(nullptr, pxds_store_load, *this, name, flags, max_len);
    }
    /** The length of the chunk's file, if the store has it. */
    outcome<std::optional<std::uint64_t>> has(const digest &name) const
    {
        return detail::find<std::uint64_t>(pxds_store_has, *this, name);
    }
    outcome<void> touch(const digest &name) const { return detail::call(pxds_store_touch, *this, name); }
    /** N of DIGEST.N.bad, if there was such a chunk. */
    outcome<std::optional<std::uint32_t>> mark_bad(const digest &name) const
    {
        return detail::find<std::uint32_t>(pxds_store_mark_bad, *this, name);
    }
    /** All chunks, as a range where there are exceptions. */
    outcome<chunk_iter> chunks() const
    {
        return detail::make<chunk_iter>(callbacks(), pxds_store_chunks, *this);
    }
    /** Brings every chunk that `index` names into the store; the index that it gives is to be saved. */
    inline outcome<index_writer> copy_chunks(const source &source, const index &index, const copy_options &options = {},
                                             ingest_stats *stats = nullptr) const;
    inline outcome<insert_result> copy_chunk(const source &source, const digest &name,
                                             borrowed<pxds_key> key = {}) const;
};

/* ---- storing data ---- */

namespace detail {

/** Calls a function that takes a callable's C form and `user` behind `arguments`. */
template <class F, class Function, class Entry, class... A>
outcome<void> stream(F &&f, Function function, Entry entry, const A &...arguments)
{
    slot<F> callable(std::forward<F>(f));
    return call(function, arguments..., entry, callable.user());
}

} // namespace detail

/** A stream on its way into a store. */
class [[nodiscard]] ingest : public handle<pxds_ingest, pxds_ingest_free> {
public:
    using handle::handle;
    static outcome<ingest> create(const store &store, const ingest_options &options = {})
    {
        return detail::make<ingest>(detail::both(store.callbacks(), options.kept()), pxds_ingest_new, store, options);
    }
    outcome<void> write(const_bytes data) { return detail::call(pxds_ingest_write, *this, data.data(), data.size()); }
    outcome<void> read_fd(int fd) { return detail::call(pxds_ingest_read_fd, *this, fd); }
    /** Takes what a callable gives: `from(stream)`, or any. */
    template <class F> outcome<void> read(F &&give)
    {
        return detail::stream(std::forward<F>(give), pxds_ingest_read, detail::give<F>, *this);
    }
    outcome<ingest_stats> stats() { return detail::fetch<ingest_stats>(pxds_ingest_get_stats, *this); }
    outcome<index_writer> finish() { return detail::make<index_writer>(callbacks(), pxds_ingest_finish, *this); }
    /** After a cancel: the index of what was stored. */
    outcome<index_writer> partial() { return detail::make<index_writer>(callbacks(), pxds_ingest_partial, *this); }
};

/** An image on its way into a store. */
class [[nodiscard]] image : public handle<pxds_image, pxds_image_free> {
public:
    using handle::handle;
    static outcome<image> create(const store &store, std::uint64_t size = PXDS_SIZE_UNKNOWN,
                                 const image_options &options = {})
    {
        return detail::make<image>(detail::both(store.callbacks(), options.kept()), pxds_image_new, store, size,
                                   options);
    }
    outcome<void> write(const_bytes data) { return detail::call(pxds_image_write, *this, data.data(), data.size()); }
    outcome<void> write_at(std::uint64_t offset, const_bytes data)
    {
        return detail::call(pxds_image_write_at, *this, offset, data.data(), data.size());
    }
    outcome<void> read_fd(int fd) { return detail::call(pxds_image_read_fd, *this, fd); }
    template <class F> outcome<void> read(F &&give)
    {
        return detail::stream(std::forward<F>(give), pxds_image_read, detail::give<F>, *this);
    }
    /** Takes what has not changed from an earlier image: a bit for each `granularity` bytes says what may have. */
    outcome<void> reuse_bitmap(const index &earlier, span<const std::uint8_t> bitmap, std::uint64_t granularity)
    {
        return detail::call(pxds_image_reuse_bitmap, *this, earlier, bitmap.data(), bitmap.size(), granularity);
    }
    outcome<void> reuse_ranges(const index &earlier, span<const image_range> changed)
    {
        return detail::call(pxds_image_reuse_ranges, *this, earlier, changed.data(), changed.size());
    }
    outcome<ingest_stats> stats() { return detail::fetch<ingest_stats>(pxds_image_get_stats, *this); }
    outcome<index_writer> finish() { return detail::make<index_writer>(callbacks(), pxds_image_finish, *this); }
};

/* ---- sources, restoring and reading ---- */

namespace detail {

template <class F>
std::int32_t source_get(void *user, const std::uint8_t *name, std::uint8_t *data, std::size_t capacity,
                        std::size_t *data_len)
{
    return guarded(user, [&]() -> std::int32_t {
        F &call = static_cast<slot<F> *>(user)->call;
        digest wanted;
        std::memcpy(wanted.data(), name, wanted.size());
        if constexpr (std::is_invocable_v<F &, const digest &>) {
            const auto blob = call(wanted);
            if (!blob)
                return PXDS_NONE;
            const const_bytes bytes(*blob);
            *data_len = bytes.size();
            if (bytes.size() > 0 && bytes.size() <= capacity)
                std::memcpy(data, bytes.data(), bytes.size());
            return 0;
        } else {
            return call(wanted, span<std::uint8_t>(data, capacity), *data_len);
        }
    });
}

} // namespace detail

/** Where chunks come from. */
class [[nodiscard]] source : public handle<pxds_source, pxds_source_free> {
public:
    using handle::handle;
    /**
     * Of a callable: `(const digest &)`, which gives the encoded blob as a std::optional of a container, empty if there
     * is no such chunk; or, without a copy, `(const digest &, span<uint8_t> room, size_t &len)`, which does as
     * pxds_source_get_fn and returns what that does. `flags`: 0 or PXDS_SOURCE_ANY_THREAD.
     */
    template <class F> static outcome<source> create(F &&get, std::uint32_t flags = 0)
    {
        using D = std::decay_t<F>;
        const auto callable = std::make_shared<detail::slot<D>>(D(std::forward<F>(get)));
        pxds_source_options options PXDS_SOURCE_OPTIONS_INIT;
        options.flags = flags;
        options.get = detail::source_get<D>;
        options.get_user = callable->user();
        return detail::make<source>(callable, pxds_source_new, &options);
    }
    static outcome<source> from_store(const store &store)
    {
        return detail::make<source>(store.callbacks(), pxds_source_from_store, store);
    }
    /** The encoded blob of a chunk. */
    outcome<buffer> get_chunk(const digest &name, std::size_t max_len = PXDS_BLOB_MAX_ENCODED_SIZE) const
    {
        return detail::make<buffer>(nullptr, pxds_source_get, *this, name, max_len);
    }
};

inline outcome<index_writer> store::copy_chunks(const source &source, const index &index, const copy_options &options,
                                                ingest_stats *stats) const
{
    ingest_stats own;
    return detail::make<index_writer>(callbacks(), pxds_store_copy_chunks, *this, source, index, options,
                                      stats != nullptr ? stats : &own);
}

inline outcome<insert_result> store::copy_chunk(const source &source, const digest &name, borrowed<pxds_key> key) const
{
    return detail::fetch<insert_result>(pxds_store_copy_chunk, *this, source, name, key);
}

/**
 * Turns indexes back into the bytes that they describe. What writes gives how many bytes it has written; that is in
 * `*written` too, if it is given, and there after a failure as well.
 */
class [[nodiscard]] restorer : public handle<pxds_restorer, pxds_restorer_free> {
public:
    using handle::handle;
    static outcome<restorer> create(const store &store, const restorer_options &options = {})
    {
        return detail::make<restorer>(detail::both(store.callbacks(), options.kept()), pxds_restorer_new, store,
                                      options);
    }
    static outcome<restorer> create_from(const source &source, const restorer_options &options = {})
    {
        return detail::make<restorer>(detail::both(source.callbacks(), options.kept()), pxds_restorer_new_from, source,
                                      options);
    }
    outcome<std::uint64_t> write_file(const index &index, const text &path, std::uint64_t *written = nullptr)
    {
        return detail::tell(written, pxds_restorer_write_file, *this, index, path);
    }
    outcome<std::uint64_t> write_fd(const index &index, int fd, std::uint64_t *written = nullptr)
    {
        return detail::tell(written, pxds_restorer_write_fd, *this, index, fd);
    }
    /** To a callable: `to(stream)`, or any. */
    template <class F> outcome<std::uint64_t> write(const index &index, F &&take, std::uint64_t *written = nullptr)
    {
        detail::slot<F> callable(std::forward<F>(take));
        return detail::tell(written, pxds_restorer_write, *this, index, detail::take<F>, callable.user());
    }
    outcome<std::uint64_t> write_range_file(const index &index, std::uint64_t offset, std::uint64_t length,
                                            const text &path, std::uint64_t *written = nullptr)
    {
        return detail::tell(written, pxds_restorer_write_range_file, *this, index, offset, length, path);
    }
    outcome<std::uint64_t> write_range_fd(const index &index, std::uint64_t offset, std::uint64_t length, int fd,
                                          std::uint64_t *written = nullptr)
    {
        return detail::tell(written, pxds_restorer_write_range_fd, *this, index, offset, length, fd);
    }
    template <class F>
    outcome<std::uint64_t> write_range(const index &index, std::uint64_t offset, std::uint64_t length, F &&take,
                                       std::uint64_t *written = nullptr)
    {
        detail::slot<F> callable(std::forward<F>(take));
        return detail::tell(written, pxds_restorer_write_range, *this, index, offset, length, detail::take<F>,
                            callable.user());
    }
    /** Fills `room` from `offset` on, as far as the file goes; gives how many bytes that are. */
    outcome<std::size_t> read_range(const index &index, std::uint64_t offset, mutable_bytes room,
                                    std::size_t *read = nullptr)
    {
        return detail::tell(read, pxds_restorer_read_range, *this, index, offset, room.data(), room.size());
    }
};

/** Decoded chunks, for any number of readers. */
class [[nodiscard]] cache : public handle<pxds_cache, pxds_cache_free> {
public:
    using handle::handle;
    static outcome<cache> create(std::size_t max_bytes)
    {
        return detail::make<cache>(nullptr, pxds_cache_new, max_bytes);
    }
};

/** Reads a file anywhere. */
class [[nodiscard]] reader : public handle<pxds_reader, pxds_reader_free> {
public:
    using handle::handle;
    struct stretch {
        std::uint64_t length; ///< Of the stretch.
        bool is_zero;         ///< It is of zeros.
    };
    static outcome<reader> create(const store &store, const index &index, const reader_options &options = {})
    {
        return detail::make<reader>(detail::both(store.callbacks(), options.kept()), pxds_reader_new, store, index,
                                    options);
    }
    static outcome<reader> create_from(const source &source, const index &index, const reader_options &options = {})
    {
        return detail::make<reader>(detail::both(source.callbacks(), options.kept()), pxds_reader_new_from, source,
                                    index, options);
    }
    std::uint64_t size() const noexcept { return pxds_reader_size(get()); }
    /** Fills `room` from `offset` on, as far as the file goes; gives how many bytes that are. */
    outcome<std::size_t> read_at(std::uint64_t offset, mutable_bytes room) const
    {
        return detail::fetch<std::size_t>(pxds_reader_read_at, *this, offset, room.data(), room.size());
    }
    /** How far the file goes on as it does at `offset`; nothing at its end. */
    outcome<std::optional<stretch>> extent(std::uint64_t offset, std::uint64_t max_length = UINT64_MAX) const
    {
        std::uint64_t length = 0;
        std::uint32_t is_zero = 0;
        const auto value = [&](pxds_status status) {
            return status == PXDS_NONE ? std::nullopt : std::optional<stretch>({length, is_zero != 0});
        };
        return detail::call_for(value, pxds_reader_get_extent, *this, offset, max_length, &length, &is_zero);
    }
};

/** The buffer of a reader_stream. */
class reader_streambuf : public std::streambuf {
public:
    explicit reader_streambuf(reader of) : reader_(std::move(of)), room_(65536) {}
    /** What it was moved from has nothing to read. */
    reader_streambuf(reader_streambuf &&from)
        : std::streambuf(from), reader_(std::move(from.reader_)), room_(std::move(from.room_)), behind_(from.behind_),
          altered_(from.altered_), failure_(from.failure_)
    {
        from.forget();
    }
    reader_streambuf &operator=(reader_streambuf &&from)
    {
        if (this == &from)
            return *this;
        std::streambuf::operator=(from); // its pointers are into room_, whose bytes stay where they are
        reader_ = std::move(from.reader_);
        room_ = std::move(from.room_);
        behind_ = from.behind_;
        altered_ = from.altered_;
        failure_ = from.failure_;
        from.forget();
        return *this;
    }
    /** Why the stream is bad. */
    const std::optional<error> &failure() const & noexcept { return failure_; }
    std::optional<error> failure() const && { return failure_; }

protected:
    int_type underflow() override
    {
        if (gptr() == egptr()) {
            const std::size_t got = read(room_.data(), room_.size());
            setg(room_.data(), room_.data(), room_.data() + got);
        }
        return gptr() < egptr() ? traits_type::to_int_type(*gptr()) : traits_type::eof();
    }
    /** Much is read straight into its place. */
    std::streamsize xsgetn(char *to, std::streamsize count) override
    {
        std::streamsize done = 0;
        while (done < count) {
            const std::streamsize have = std::min<std::streamsize>(count - done, egptr() - gptr());
            std::copy_n(gptr(), have, to + done);
            gbump(static_cast<int>(have));
            done += have;
            if (count - done >= static_cast<std::streamsize>(room_.size()))
                return done + static_cast<std::streamsize>(read(to + done, static_cast<std::size_t>(count - done)));
            if (done < count && traits_type::eq_int_type(underflow(), traits_type::eof()))
                break;
        }
        return done;
    }
    std::streamsize showmanyc() override { return end() - static_cast<off_type>(behind_); }
    /** Goes back one byte, wherever that is; `byte` is there until somebody seeks. */
    int_type pbackfail(int_type byte) override
    {
        if (eback() < gptr()) {
            gbump(-1);
        } else {
            if (here() == 0)
                return traits_type::eof();
            go(here() - 1);
            if (traits_type::eq_int_type(underflow(), traits_type::eof()))
                return traits_type::eof();
        }
        if (!traits_type::eq_int_type(byte, traits_type::eof())) {
            *gptr() = traits_type::to_char_type(byte);
            altered_ = true;
        }
        return traits_type::not_eof(byte);
    }
    pos_type seekoff(off_type by, std::ios_base::seekdir from, std::ios_base::openmode) override
    {
        if (by == 0 && from == std::ios_base::cur)
            return here();
        const off_type base = from == std::ios_base::beg ? 0 : from == std::ios_base::cur ? here() : end();
        return by < -base || by > end() - base ? pos_type(off_type(-1)) : seekpos(base + by, std::ios_base::in);
    }
    /** Not behind the end. */
    pos_type seekpos(pos_type to, std::ios_base::openmode) override
    {
        if (to < 0 || to > end())
            return pos_type(off_type(-1));
        go(to);
        return to;
    }

private:
    off_type end() const noexcept { return static_cast<off_type>(reader_.size()); }
    off_type here() const noexcept { return static_cast<off_type>(behind_) - (egptr() - gptr()); }
    void go(off_type to) noexcept
    {
        const off_type last = static_cast<off_type>(behind_), first = last - (egptr() - eback());
        if (!altered_ && to >= first && to <= last) {
            setg(eback(), eback() + (to - first), egptr());
        } else {
            behind_ = static_cast<std::uint64_t>(to);
            forget();
        }
    }
    void forget() noexcept
    {
        setg(nullptr, nullptr, nullptr);
        altered_ = false;
    }
    /** A failure makes the stream bad, where exceptions can tell it of one; without them it ends. */
    std::size_t read(char *to, std::size_t count)
    {
        forget(); // what was read before is not what is before this
        auto got = attempt([&] { return reader_.read_at(behind_, mutable_bytes(to, count)); });
        if (!got) {
            failure_ = got.error();
#if PXDS_HPP_EXCEPTIONS
            throw *failure_;
#else
            return 0;
#endif
        }
        behind_ += *got;
        return *got;
    }

    reader reader_;
    std::vector<char> room_;
    std::uint64_t behind_ = 0; // what is in `room_`
    bool altered_ = false;     // something in `room_` was put back, and is not of the file
    std::optional<error> failure_;
};

/** A std::istream over a file in a store, which can seek, but not behind the end of it. */
class reader_stream : public std::istream {
public:
    explicit reader_stream(reader of) : std::istream(nullptr), buffer_(std::move(of)) { rdbuf(&buffer_); }
    /** It goes on where the other one was. */
    reader_stream(reader_stream &&from) : std::istream(std::move(from)), buffer_(std::move(from.buffer_))
    {
        set_rdbuf(&buffer_);
    }
    reader_stream &operator=(reader_stream &&from)
    {
        std::istream::operator=(std::move(from));
        buffer_ = std::move(from.buffer_);
        return *this;
    }
    /** Why it is bad, or without exceptions has ended too early. */
    const std::optional<error> &failure() const & noexcept { return buffer_.failure(); }
    std::optional<error> failure() const && { return buffer_.failure(); }

private:
    reader_streambuf buffer_;
};

/* ---- manifests ---- */

namespace json {

/** The canonical form of a JSON value, at most `max_len` bytes. */
inline outcome<buffer> canonical(const_bytes data, std::size_t max_len = PXDS_JSON_MAX_SIZE)
{
    return detail::make<buffer>(nullptr, pxds_json_canonical, data.data(), data.size(), max_len);
}

} // namespace json

/** The manifest of a snapshot. */
class [[nodiscard]] manifest : public handle<pxds_manifest, pxds_manifest_free> {
public:
    using handle::handle;
    static outcome<manifest> create(std::uint32_t type, const text &id, std::int64_t time)
    {
        return detail::make<manifest>(nullptr, pxds_manifest_new, type, id, time);
    }
    static outcome<manifest> parse(const_bytes json)
    {
        return detail::make<manifest>(nullptr, pxds_manifest_parse, json.data(), json.size());
    }
    static outcome<manifest> load(const store &store, const text &snapshot)
    {
        return detail::make<manifest>(nullptr, pxds_manifest_load, store, snapshot);
    }
    /** Writes it, which finishes the snapshot. */
    outcome<void> save(const store &store, const text &snapshot)
    {
        return detail::call(pxds_manifest_save, store, snapshot, *this);
    }
    outcome<buffer> format() { return detail::make<buffer>(nullptr, pxds_manifest_format, *this); }
    /** What a signature is made of. */
    outcome<buffer> format_canonical()
    {
        return detail::make<buffer>(nullptr, pxds_manifest_format_canonical, *this);
    }
    outcome<manifest_info> info() & { return detail::fetch<manifest_info>(pxds_manifest_get_info, *this); }
    outcome<manifest_info> info() && = delete;
    /** File `i`, from 0. */
    outcome<std::optional<manifest_file>> file(std::size_t i) &
    {
        return detail::find<manifest_file>(pxds_manifest_get_file, *this, i);
    }
    outcome<std::optional<manifest_file>> file(std::size_t i) && = delete;
    outcome<std::optional<manifest_file>> find_file(const text &name) &
    {
        return detail::find<manifest_file>(pxds_manifest_find_file, *this, name);
    }
    outcome<std::optional<manifest_file>> find_file(const text &name) && = delete;
    outcome<void> add_file(const pxds_manifest_file &file)
    {
        return detail::call(pxds_manifest_add_file, *this, &file);
    }
    /** Fails unless the file has this size and csum in the manifest. */
    outcome<void> verify_file(const text &name, const digest &csum, std::uint64_t size)
    {
        return detail::call(pxds_manifest_verify_file, *this, name, csum, size);
    }
    outcome<std::optional<std::string>> notes()
    {
        return detail::fetch_text<std::optional<std::string>>(pxds_manifest_get_notes, *this);
    }
    /** nullptr removes them. */
    outcome<void> set_notes(const text &notes) { return detail::call(pxds_manifest_set_notes, *this, notes); }
    /** A member of the unprotected part, as JSON. */
    outcome<std::optional<std::string>> unprotected(const text &name)
    {
        return detail::fetch_text<std::optional<std::string>>(pxds_manifest_get_unprotected, *this, name);
    }
    /** An empty text removes it. */
    outcome<void> set_unprotected(const text &name, const_bytes json)
    {
        return detail::call(pxds_manifest_set_unprotected, *this, name, json.data(), json.size());
    }
    outcome<void> sign(const key &key) { return detail::call(pxds_manifest_sign, *this, key); }
    /** PXDS_SIGNATURE_MISSING or PXDS_SIGNATURE_VALID; fails if it is wrong. */
    outcome<std::uint32_t> verify(const key &key)
    {
        return detail::fetch<std::uint32_t>(pxds_manifest_verify, *this, key);
    }
    outcome<std::optional<std::string>> signature()
    {
        return detail::fetch_text<std::optional<std::string>>(pxds_manifest_get_signature, *this);
    }
    /** Fails unless `key` is the one that the manifest notes, if it notes one. */
    outcome<void> check_fingerprint(borrowed<pxds_key> key)
    {
        return detail::call(pxds_manifest_check_fingerprint, *this, key);
    }
};

/* ---- namespaces, groups and snapshots, by their paths ---- */

/** Namespaces, `a/b`. */
namespace ns {

/** Fails unless it is a namespace; "" is the root. */
inline outcome<void> check(const text &ns)
{
    return detail::call(pxds_namespace_check, ns);
}

/** Makes it, and those above it. */
inline outcome<void> create(const store &store, const text &ns)
{
    return detail::call(pxds_namespace_create, store, ns);
}

/** It has to be empty. */
inline outcome<void> remove(const store &store, const text &ns)
{
    return detail::call(pxds_namespace_remove, store, ns);
}

} // namespace ns

/** Groups, `[ns/NAME/...]TYPE/ID`. */
namespace group {

inline outcome<std::string> format(const text &ns, std::uint32_t type, const text &id)
{
    return detail::fetch_sized(pxds_group_format, ns, type, id);
}

inline outcome<group_name> parse(const text &path)
{
    return detail::fetch<group_name>(pxds_group_parse, path);
}

/** Makes it, if it is not there, for `owner`; nullptr is `root@pam`. */
inline outcome<void> create(const store &store, const text &group, const text &owner = nullptr)
{
    return detail::call(pxds_group_create, store, group, owner);
}

inline outcome<pxds::lock> lock(const store &store, const text &group)
{
    return detail::make<pxds::lock>(store.callbacks(), pxds_group_lock, store, group);
}

/** `flags`: 0, PXDS_LIST_OWNERS, PXDS_LIST_MANIFESTS. */
inline outcome<snapshot_list> snapshots(const store &store, const text &group, std::uint32_t flags = 0)
{
    return detail::make<snapshot_list>(nullptr, pxds_group_snapshots, store, group, flags);
}

/** The path of its newest finished snapshot. */
inline outcome<std::optional<std::string>> last(const store &store, const text &group)
{
    return detail::fetch_text<std::optional<std::string>>(pxds_group_last, store, group);
}

inline outcome<std::optional<std::string>> owner(const store &store, const text &group)
{
    return detail::fetch_text<std::optional<std::string>>(pxds_group_get_owner, store, group);
}

inline outcome<void> set_owner(const store &store, const text &group, const text &owner)
{
    return detail::call(pxds_group_set_owner, store, group, owner);
}

inline outcome<std::string> notes(const store &store, const text &group)
{
    return detail::fetch_text<std::string>(pxds_group_get_notes, store, group);
}

/** "" and nullptr remove them. */
inline outcome<void> set_notes(const store &store, const text &group, const text &notes)
{
    return detail::call(pxds_group_set_notes, store, group, notes);
}

/** Removes the snapshots that `options` do not keep. */
inline outcome<prune_list> prune(const store &store, const text &group, const prune_options &options)
{
    return detail::make<prune_list>(nullptr, pxds_group_prune, store, group, options);
}

/** Removes it with its snapshots. `*also`, if given, is what was done after a failure too. */
inline outcome<destroy_result> destroy(const store &store, const text &group, const destroy_options &options = {},
                                       destroy_result *also = nullptr)
{
    return detail::tell(also, pxds_group_destroy, store, group, options);
}

} // namespace group

namespace prune {

/** PXDS_MARK_... for each row. */
inline outcome<std::vector<std::uint32_t>> mark(span<const prune_row> rows, const prune_options &options)
{
    std::vector<std::uint32_t> marks(rows.size());
    return detail::call_for([&](pxds_status) { return std::move(marks); }, pxds_prune_mark, rows.data(), rows.size(),
                            options, marks.data());
}

/** "keep", "keep-partial", "protected" or "remove". */
inline const char *mark_name(std::uint32_t mark) noexcept
{
    return pxds_prune_mark_name(mark);
}

} // namespace prune

/** A snapshot that is being read; and what can be done with one by its path, `[ns/NAME/...]TYPE/ID/TIME`. */
class [[nodiscard]] snapshot : public handle<pxds_snapshot, pxds_snapshot_free> {
public:
    using handle::handle;
    static outcome<std::string> format(const text &ns, std::uint32_t type, const text &id, std::int64_t time)
    {
        return detail::fetch_sized(pxds_snapshot_format, ns, type, id, time);
    }
    static outcome<snapshot_name> parse(const text &path)
    {
        return detail::fetch<snapshot_name>(pxds_snapshot_parse, path);
    }
    /** Makes an empty one, and locks it; a backup does all of that. */
    static outcome<pxds::lock> create(const store &store, const text &path, const text &owner = nullptr)
    {
        return detail::make<pxds::lock>(store.callbacks(), pxds_snapshot_create, store, path, owner);
    }
    /** `mode`: PXDS_LOCK_... */
    static outcome<pxds::lock> lock(const store &store, const text &path, std::uint32_t mode)
    {
        return detail::make<pxds::lock>(store.callbacks(), pxds_snapshot_lock, store, path, mode);
    }
    static outcome<file_list> files(const store &store, const text &path)
    {
        return detail::make<file_list>(nullptr, pxds_snapshot_files, store, path);
    }
    static outcome<snapshot_entry> info(const store &store, const text &path)
    {
        return detail::fetch<snapshot_entry>(pxds_snapshot_get_info, store, path);
    }
    static outcome<void> protect(const store &store, const text &path)
    {
        return detail::call(pxds_snapshot_protect, store, path);
    }
    static outcome<void> unprotect(const store &store, const text &path)
    {
        return detail::call(pxds_snapshot_unprotect, store, path);
    }
    static outcome<void> destroy(const store &store, const text &path)
    {
        return detail::call(pxds_snapshot_destroy, store, path);
    }
    static outcome<std::string> notes(const store &store, const text &path)
    {
        return detail::fetch_text<std::string>(pxds_snapshot_get_notes, store, path);
    }
    /** "" and nullptr remove them. */
    static outcome<void> set_notes(const store &store, const text &path, const text &notes)
    {
        return detail::call(pxds_snapshot_set_notes, store, path, notes);
    }
    /** Sets a member of the unprotected part of its manifest to JSON; nullptr removes it. */
    static outcome<void> set_unprotected(const store &store, const text &path, const text &name, const text &value)
    {
        return detail::call(pxds_snapshot_set_unprotected, store, path, name, value);
    }

    /** Opens it to read its archives. `flags`: PXDS_OPEN_... */
    static outcome<snapshot> open(const store &store, const text &path, borrowed<pxds_key> key = {},
                                  std::uint32_t flags = 0)
    {
        return detail::make<snapshot>(store.callbacks(), pxds_snapshot_open, store, path, key, flags);
    }
    outcome<index> open_index(const text &name) const
    {
        return detail::make<index>(nullptr, pxds_snapshot_open_index, *this, name);
    }
    outcome<reader> open_reader(const text &name, const reader_options &options = {}) const
    {
        return detail::make<reader>(detail::both(callbacks(), options.kept()), pxds_snapshot_open_reader, *this, name,
                                    options);
    }
    /** Writes an archive to a file. */
    outcome<void> restore_file(const text &name, const text &path, const restorer_options &options = {}) const
    {
        return detail::call(pxds_snapshot_restore_file, *this, name, path, options);
    }
    outcome<buffer> read_blob(const text &name, std::size_t max_len = PXDS_BLOB_MAX_SIZE) const
    {
        return detail::make<buffer>(nullptr, pxds_snapshot_read_blob, *this, name, max_len);
    }
    outcome<pxds::manifest> manifest() const
    {
        return detail::make<pxds::manifest>(nullptr, pxds_snapshot_get_manifest, *this);
    }
    /** PXDS_SIGNATURE_... */
    std::uint32_t signature() const noexcept { return pxds_snapshot_signature(get()); }
};

/** A snapshot in the making. */
class [[nodiscard]] backup : public handle<pxds_backup, pxds_backup_free> {
public:
    using handle::handle;
    /** Of the group `[ns/NAME/...]TYPE/ID`. */
    static outcome<backup> create(const store &store, const text &group, const backup_options &options = {})
    {
        return detail::make<backup>(detail::both(store.callbacks(), options.kept()), pxds_backup_new, store, group,
                                    options);
    }
    /** The path of the snapshot that this will be. */
    std::string_view snapshot() const & noexcept { return detail::view_of(pxds_backup_snapshot(get())); }
    std::string snapshot() const && { return std::string(snapshot()); }
    /** The last one of the group, which a new one may build on. */
    std::optional<std::string_view> previous() const & noexcept
    {
        const char *path = pxds_backup_previous(get());
        return path != nullptr ? std::optional<std::string_view>(path) : std::nullopt;
    }
    std::optional<std::string> previous() const && { return std::optional<std::string>(previous()); }
    /** An index of an ingest or image of the same store handle. */
    outcome<void> add_index(const text &name, index_writer &index)
    {
        return detail::call(pxds_backup_add_index, *this, name, index);
    }
    outcome<void> add_blob(const text &name, const_bytes data, std::uint32_t flags = 0)
    {
        return detail::call(pxds_backup_add_blob, *this, name, data.data(), data.size(), flags);
    }
    outcome<void> add_sealed_key(const_bytes sealed)
    {
        return detail::call(pxds_backup_add_sealed_key, *this, sealed.data(), sealed.size());
    }
    /** A stream, an image or a blob, as `name` says. `stream` is for the first, `image` for the second. */
    outcome<ingest_stats> add_file(const text &name, const text &path, const ingest_options &stream = {},
                                   const image_options &image = {})
    {
        return detail::fetch<ingest_stats>(pxds_backup_add_file, *this, name, path, stream, image);
    }
    outcome<ingest_stats> add_fd(const text &name, int fd, const ingest_options &stream = {},
                                 const image_options &image = {})
    {
        return detail::fetch<ingest_stats>(pxds_backup_add_fd, *this, name, fd, stream, image);
    }
    /** Of a callable: `from(stream)`, or any. */
    template <class F>
    outcome<ingest_stats> add_stream(const text &name, F &&give, const ingest_options &stream = {},
                                     const image_options &image = {})
    {
        detail::slot<F> callable(std::forward<F>(give));
        return detail::fetch<ingest_stats>(pxds_backup_add_stream, *this, name, detail::give<F>, callable.user(),
                                           stream, image);
    }
    /** The snapshot gets its name. */
    outcome<void> finish() { return detail::call(pxds_backup_finish, *this); }
};

/* ---- statistics ---- */

/** The numbers of a store, its groups and its snapshots. */
class [[nodiscard]] stats : public handle<pxds_stats, pxds_stats_free> {
public:
    using handle::handle;
    using group_range = detail::entries<pxds_stats, stats_group, pxds_stats_group_count, pxds_stats_get_group>;
    using snapshot_range =
        detail::entries<pxds_stats, stats_snapshot, pxds_stats_snapshot_count, pxds_stats_get_snapshot>;
    static outcome<stats> collect(const store &store, const stats_options &options = {})
    {
        return detail::make<stats>(nullptr, pxds_stats_collect, store, options);
    }
    outcome<stats_total> total() const { return detail::fetch<stats_total>(pxds_stats_get_total, *this); }
    /** As a range; the statistics have to outlive it. */
    group_range groups() const & noexcept { return group_range(get()); }
    group_range groups() const && = delete;
    snapshot_range snapshots() const & noexcept { return snapshot_range(get()); }
    snapshot_range snapshots() const && = delete;
    /** Bytes of data in chunks that groups `a` and `b` have; nothing if they were not compared. */
    outcome<std::optional<std::uint64_t>> shared(std::size_t a, std::size_t b) const
    {
        return detail::find<std::uint64_t>(pxds_stats_get_shared, *this, a, b);
    }
};

/** The factor of deduplication. */
inline double dedup_factor(std::uint64_t logical_bytes, std::uint64_t stored_bytes) noexcept
{
    return pxds_dedup_factor(logical_bytes, stored_bytes);
}

/* ---- Proxmox Backup Server's settings ---- */

namespace pbs_config {

/** The name of the store in the directory `store`; in the options, each of which may be NULL, what is configured. */
inline outcome<std::optional<std::string>> read(const text &config, const text &store, store_options *opening = nullptr,
                                                gc_options *collecting = nullptr, verify_options *verifying = nullptr)
{
    using Name = std::optional<std::string>;
    char name[PXDS_STORE_NAME_SIZE] = "";
    auto store_of_c = (opening != nullptr ? *opening : store_options()).c();
    auto gc_of_c = (collecting != nullptr ? *collecting : gc_options()).c();
    auto verify_of_c = (verifying != nullptr ? *verifying : verify_options()).c();
    const auto value = [&](pxds_status status) {
        if (status == PXDS_NONE)
            return Name();
        if (opening != nullptr) {
            detail::from_c::set(*opening, store_of_c.value);
            opening->store_name = name;
        }
        if (collecting != nullptr)
            detail::from_c::set(*collecting, gc_of_c.value);
        if (verifying != nullptr)
            detail::from_c::set(*verifying, verify_of_c.value);
        return Name(name);
    };
    return detail::call_for(value, pxds_pbs_config_read, config, store, &name[0], sizeof name,
                            opening != nullptr ? &store_of_c.value : nullptr,
                            collecting != nullptr ? &gc_of_c.value : nullptr,
                            verifying != nullptr ? &verify_of_c.value : nullptr);
}

} // namespace pbs_config

} // namespace PXDS_HPP_MODE
} // namespace pxds

/** So that digests can be keys. */
template <> struct std::hash<pxds::digest> {
    std::size_t operator()(const pxds::digest &name) const noexcept
    {
        std::size_t first;
        std::memcpy(&first, name.data(), sizeof first);
        return first;
    }
};

#undef PXDS_HPP_MODE

#endif /* C++17 */

#endif /* PXDS_HPP */
