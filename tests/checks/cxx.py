"""The headers from C++: pxds.h from C++11, pxds.hpp in all that are promised, and programs with an installed one."""

import glob
import json
import os
import re
import shutil

from __main__ import (SANITIZERS, SETTINGS, VALGRIND, WARNINGS, check, links_to_library, need, need_cxx, setting,
                      shared_flags, static_flags)
from checks.documents import sections

OF_PXDS_H = "tests/cpp/put_get.cpp"
STANDARDS = ("c++17", "c++20", "c++2b")
NO_EXCEPTIONS = ["-fno-exceptions", "-fno-rtti"]
CLANG = ["clang++"]


def sources():
    return sorted(path for path in glob.glob("tests/cpp/*.cpp") if path != OF_PXDS_H)


def build_c_header(test, kind, flags):
    need_cxx()
    return test.compile([OF_PXDS_H], f"build/tests/{kind}/put_get_cpp", flags, compiler="CXX", std="-std=c++11")


@check
def cxx_shared(test):
    test.program([build_c_header(test, "shared", shared_flags())])


@check
def cxx_static(test):
    program = build_c_header(test, "static", static_flags())
    test.expect(not links_to_library(test, program), f"{program} needs no libpxds.so")
    test.program([program])


# ---- pxds.hpp ----


def everything():
    """The tests of pxds.hpp as one unit, which compiles in half the time."""
    return "".join(f'#include "{os.path.abspath(path)}"\n' for path in sources())


def build_tests(test, compiler, flags, libraries):
    """The tests of pxds.hpp; gives the program and its object."""
    program, source = f"{test.scratch}/tests", write(test, "tests.cpp", everything())
    test.output([*compiler, *flags, "-Iinclude", *WARNINGS, "-c", source, "-o", f"{program}.o"])
    test.output([*compiler, *flags, f"{program}.o", "-o", program, *libraries, "-lpthread"])
    return program, f"{program}.o"


@check
def hpp_shared(test):
    """With exceptions, with valgrind too; and every function of the library is called."""
    need_cxx()
    need("nm", "binutils")
    program, unit = build_tests(test, setting("CXX"), ["-std=c++17", "-g"], shared_flags())
    test.program([program], env=test.in_memory())
    called = set(re.findall(r"^(pxds_\w+) U\b", test.output(["nm", "-u", "--format=posix", unit]), re.MULTILINE))
    with open("abi/pxds.symbols", encoding="ascii") as file:
        exported = {line.split()[0] for line in file if line.strip() and not line.startswith("#")}
    test.expect(called == exported, "pxds.hpp has every function, and tests/cpp calls it; "
                f"fewer: {sorted(exported - called)}, more: {sorted(called - exported)}")
    need("valgrind")
    test.program([*VALGRIND, program], env=test.in_memory())


@check
def hpp_static(test):
    """With the static library, spans of the standard library, and sanitizers."""
    need_cxx()
    program, _ = build_tests(test, setting("CXX"), ["-std=c++20", "-g1", *SANITIZERS], static_flags())
    test.expect(not links_to_library(test, program), "it needs no libpxds.so")
    test.program([program], env={"ASAN_OPTIONS": "detect_leaks=1", **test.in_memory()})


@check
def hpp_results(test):
    """Without exceptions and run-time types, by another compiler."""
    need("clang++", "clang")
    program, _ = build_tests(test, CLANG, ["-std=c++2b", *NO_EXCEPTIONS], shared_flags())
    test.program([program], env=test.in_memory())


@check
def hpp_syntax(test):
    """The header in every C++, by every compiler, without a warning; its templates, by the tests, in every mode."""
    need_cxx()
    need("clang++", "clang")
    alone, tests = b"#include <pxds.hpp>\n", everything().encode()
    for compiler, with_tests in ((setting("CXX"), ("c++17", NO_EXCEPTIONS)), (CLANG, ("c++17", []))):
        command = [*compiler, "-Iinclude", *WARNINGS, "-fsyntax-only", "-x", "c++", "-"]
        for standard in STANDARDS:
            for mode in ([], NO_EXCEPTIONS):
                test.output([*command, f"-std={standard}", *mode],
                            input=tests if (standard, mode) == with_tests else alone)
                test.passed += 1
        text = test.output([*command, "-std=c++14"], input=alone, ok=(1,))
        test.expect("pxds.hpp needs C++17" in text, "a C++ that is too old is told so")
    test.output([*setting("CXX"), "-Iinclude", *WARNINGS, "-fsyntax-only", "-DPXDS_NO_EXCEPTIONS", "-std=c++20", "-x",
                 "c++", "-"], input=alone)


LOSES_THE_KEY = """
#include <pxds.hpp>
int main()
{
    pxds::verify_options options;
    return pxds_store_verify(nullptr, nullptr, %s, nullptr, nullptr);
}
"""


@check
def hpp_options(test):
    """Options are no structures of C, which would lose members of theirs; but all fields have their names."""
    need_cxx()
    command = [*setting("CXX"), "-std=c++17", "-Iinclude", *WARNINGS, "-fsyntax-only", "-x", "c++", "-"]
    test.output(command, input=(LOSES_THE_KEY % "options.c()").encode())
    text = test.output(command, input=(LOSES_THE_KEY % "&options").encode(), ok=(1,))
    test.expect("inaccessible" in text, f"the compiler says what is wrong: {text}")
    with open("bindings/ffi/pxds.json", encoding="utf-8") as file:
        structs = json.load(file)["structs"]
    uses = ["#include <pxds.hpp>"]
    for struct, description in structs.items():
        name = struct.removeprefix("pxds_")
        if not name.endswith("_options") or name == "source_options":  # its only field is what a source is made of
            continue
        for field in description["fields"]:
            if not re.match("struct_size$|reserved|.*_user$", field["name"]):
                uses.append(f"static_assert(sizeof(pxds::{name}::{field['name']}) > 0);")
    test.expect(len(uses) > 60, f"these are all fields: {len(uses)}")
    test.output(command, input="\n".join([*uses, "int main() {}\n"]).encode())
    test.passed += 2


@check
def hpp_warnings(test):
    """Those that only optimisers give, of what they believe to be uninitialised."""
    need_cxx()
    for source, flags in (("values.cpp", ["-O1", "-std=c++17", *SANITIZERS]), ("failures.cpp", ["-O2", "-std=c++20"])):
        test.output([*setting("CXX"), *flags, "-Iinclude", *WARNINGS, "-c", f"tests/cpp/{source}", "-o",
                     f"{test.scratch}/{source}.o"])
        test.passed += 1


UNIT = """
#include <pxds.hpp>
int NAME(const char *path)
{
    const auto groups = [&]() {
        auto store = pxds::attempt([&] { return pxds::store::open_or_create(path); });
        return pxds::attempt([&] { return store.value().groups(); });
    }();
    const auto missing = pxds::attempt([&] { return pxds::index::open("/nonexistent/x.didx"); });
    return groups && groups->empty() && missing.status() == PXDS_ERR_NOT_FOUND;
}
"""


@check
def hpp_units(test):
    """Units of each C++, with exceptions and without, are one program: what differs has other names."""
    need_cxx()
    unit, names, objects = write(test, "unit.cpp", UNIT), [], []
    for standard in ("c++17", "c++20"):
        for mode in ([], NO_EXCEPTIONS):
            names.append(f"unit{len(names)}")
            objects.append(f"{test.scratch}/{names[-1]}.o")
            test.output([*setting("CXX"), f"-std={standard}", f"-DNAME={names[-1]}", *mode, "-Iinclude", *WARNINGS,
                         "-c", unit, "-o", objects[-1]])
    calls = "".join(f"int {name}(const char *);\n" for name in names)
    main = calls + f"int main(int, char **argv) {{ return !({' && '.join(f'{name}(argv[1])' for name in names)}); }}\n"
    program = f"{test.scratch}/units"
    test.output([*setting("CXX"), write(test, "main.cpp", main), *objects, "-o", program, *shared_flags()])
    test.output([program, f"{test.scratch}/store"])
    test.passed += 1


OTHER_ABI = "unsigned pxds_abi_version(void) { return 99; }\n"


@check
def hpp_other_library(test):
    """A library of another ABI than the program was built for is named by the first call."""
    need_cxx()
    library, program = f"{test.scratch}/other.so", f"{test.scratch}/backup"
    test.output([*setting("CC"), "-shared", "-fPIC", write(test, "other.c", OTHER_ABI), "-o", library])
    source = write(test, "backup.cpp", readme_program())
    test.output([*setting("CXX"), "-std=c++17", "-Iinclude", *WARNINGS, source, "-o", program, *shared_flags()])
    text = test.output([program], env={"LD_PRELOAD": library}, ok=(1,), cwd=test.scratch)
    test.expect(re.search(r"built for ABI \d+ of libpxds, and runs with ABI 99", text), text)
    test.expect(not os.path.exists(f"{test.scratch}/store"), "nothing is done")


# ---- installed ----

CMAKE = """
cmake_minimum_required(VERSION 3.13)
project(app CXX)
find_package(Pxds REQUIRED COMPONENTS CXX)
add_executable(app backup.cpp)
target_link_libraries(app Pxds::CXX)
find_package(Pxds REQUIRED COMPONENTS static)
add_executable(app_static backup.cpp)
target_compile_features(app_static PRIVATE cxx_std_17)
target_link_libraries(app_static Pxds::static)
find_package(Pxds QUIET COMPONENTS Fortran)
if(Pxds_FOUND)
  message(FATAL_ERROR "there is no component Fortran")
endif()
find_package(Pxds QUIET OPTIONAL_COMPONENTS Fortran)
if(NOT Pxds_FOUND OR Pxds_Fortran_FOUND)
  message(FATAL_ERROR "it need not be there")
endif()
"""

MESON = """
project('app', 'cpp', default_options: ['cpp_std=c++17'])
executable('app', 'backup.cpp', dependencies: dependency('pxds'))
executable('app_static', 'backup.cpp', dependencies: dependency('pxds', static: true))
"""


def write(test, name, text):
    path = f"{test.scratch}/{name}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def readme_program():
    return next(section for section in sections("README.md") if "cpp" in section.programs).programs["cpp"]


class Installed:
    """pxds in a prefix of its own, and the program of README.md beside it, of which nobody knows this tree."""

    def __init__(self, test):
        need_cxx()
        self.test, self.prefix, self.app = test, f"{test.scratch}/prefix", f"{test.scratch}/app"
        test.output([*setting("MAKE"), "-s", "install", f"PREFIX={self.prefix}", "CARGO=false", "CC=false"],
                    env={"MAKEFLAGS": ""})
        self.env = {"PKG_CONFIG_PATH": f"{self.prefix}/lib/pkgconfig", "CMAKE_PREFIX_PATH": self.prefix,
                    "CXX": SETTINGS["CXX"]}
        write(test, "app/backup.cpp", readme_program())
        write(test, "app/backup.tar", "what there is\n" * 1000)

    def file(self, name, text):
        write(self.test, f"app/{name}", text)

    def do(self, *command):
        return self.test.output([*command], env=self.env, cwd=self.app)

    def try_out(self, program, shared=True):
        """The program makes its snapshot; a static one needs no library."""
        shutil.rmtree(f"{self.app}/store", ignore_errors=True)
        env = {"LD_LIBRARY_PATH": f"{self.prefix}/lib"} if shared else {}
        name = self.test.output([f"{self.app}/{program}"], env=env, cwd=self.app).strip()
        self.test.expect(re.fullmatch(r"host/laptop/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", name), f"{program}: {name}")
        self.test.expect(links_to_library(self.test, f"{self.app}/{program}") == shared, f"{program} is as asked for")


@check
def install_cxx(test):
    """A C++ program of an installed library, by pkg-config as README.md says, and by CMake."""
    installed = Installed(test)
    need("pkg-config")
    with open("README.md", encoding="utf-8") as file:
        command = re.search(r"^In C\+\+.* with `(.*)`:", file.read(), re.MULTILINE)[1]
    installed.do("sh", "-euc", command.replace("c++ ", SETTINGS["CXX"] + " ", 1) + " -o backup")
    installed.try_out("backup")
    need("cmake")
    installed.file("CMakeLists.txt", CMAKE)
    installed.do("cmake", "-S", ".", "-B", "with-cmake")
    installed.do("cmake", "--build", "with-cmake")
    # CMake gives programs that it builds the way to libraries.
    installed.try_out("with-cmake/app")
    installed.try_out("with-cmake/app_static", shared=False)


@check
def install_meson(test):
    """The same by Meson, which finds the library by pkg-config."""
    installed = Installed(test)
    need("meson")
    need("ninja", "ninja-build")
    need("pkg-config")
    installed.file("meson.build", MESON)
    installed.do("meson", "setup", "with-meson")
    installed.do("meson", "compile", "-C", "with-meson")
    installed.try_out("with-meson/app")
    installed.try_out("with-meson/app_static", shared=False)
