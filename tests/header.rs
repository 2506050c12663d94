//! `include/pxds.h` is what cbindgen makes of `src/ffi`, with the initialisers of its structures.
//! `PXDS_REGENERATE=1`, as `make header` sets it, rewrites it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const WIDTH: usize = 120;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The boundary's files in the order of the header: that of the `pub mod` lines of `src/ffi`.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let list = read(&dir.join("mod.rs"));
    let modules = list.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    modules
        .flat_map(|module| match dir.join(module) {
            folder if folder.is_dir() => sources(&folder),
            file => vec![file.with_extension("rs")],
        })
        .collect()
}

fn generate() -> String {
    let config = cbindgen::Config::from_file(root().join("cbindgen.toml")).unwrap();
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in sources(&root().join("src/ffi")) {
        builder = builder.with_src(source);
    }
    let mut header = Vec::new();
    builder.generate().unwrap().write(&mut header);
    with_initialisers(&compact(&String::from_utf8(header).unwrap()))
}

/// Puts comments of one line onto one line, if they fit.
fn compact(header: &str) -> String {
    let lines: Vec<&str> = header.lines().collect();
    let mut out = String::new();
    let mut at = 0;
    while at < lines.len() {
        let comment = match lines[at..] {
            [open, text, close, ..] if open.trim() == "/**" && close.trim() == "*/" => {
                Some(text.replacen(" * ", "/** ", 1) + " */").filter(|line| line.len() <= WIDTH)
            }
            _ => None,
        };
        out += comment.as_deref().unwrap_or(lines[at]);
        out.push('\n');
        at += if comment.is_some() { 3 } else { 1 };
    }
    out
}

/// Adds, at the end of the include guard, the macro of each structure that says "set by PXDS_..._INIT".
fn with_initialisers(header: &str) -> String {
    const END: &str = "#endif  /* PXDS_H */\n";
    let mut macros = String::new();
    let mut zeros_of = BTreeMap::new();
    for text in header.split("\ntypedef struct {\n").skip(1) {
        let (body, rest) = text.split_once("\n} ").unwrap();
        let name = rest.split_once(';').unwrap().0;
        let zeros: Vec<String> = body.lines().filter_map(|line| zero(line.trim(), &zeros_of)).collect();
        if let Some((_, after)) = body.split_once("set by PXDS_") {
            let mut values = vec![format!("sizeof({name})")];
            values.extend_from_slice(&zeros[1..]);
            macros += &define(&format!("PXDS_{}", after.split_once('.').unwrap().0), &values);
        }
        zeros_of.insert(name, format!("{{ {} }}", zeros.join(", ")));
    }
    let guarded = header.strip_suffix(END).unwrap();
    format!("{guarded}/* Initialisers of the structures: their size, then zeros. */\n{macros}\n{END}")
}

/// What makes a field zero; `None` of a line of a comment. `structs` are the values of those that may be one.
fn zero(line: &str, structs: &BTreeMap<&str, String>) -> Option<String> {
    if line.starts_with('/') || line.starts_with('*') {
        return None;
    }
    let (kind, name) = line.strip_suffix(';')?.rsplit_once(' ')?;
    let value = match structs.get(kind) {
        _ if name.ends_with(']') => "{ 0 }",
        _ if name.starts_with('*') || kind.ends_with("_fn") => "NULL",
        Some(zeros) => zeros.as_str(),
        None => "0",
    };
    Some(value.to_owned())
}

/// The lines of a macro for these values in braces.
fn define(name: &str, values: &[String]) -> String {
    let whole = format!("#define {name} {{ {} }}\n", values.join(", "));
    if whole.len() <= WIDTH + 1 {
        return whole;
    }
    let mut lines = vec![format!("#define {name}"), String::from("    {")];
    for (at, value) in values.iter().enumerate() {
        let piece = format!(" {value}{}", if at + 1 < values.len() { "," } else { " }" });
        if lines[lines.len() - 1].len() + piece.len() + " \\".len() > WIDTH {
            lines.push(String::from("     "));
        }
        *lines.last_mut().unwrap() += &piece;
    }
    lines.join(" \\\n") + "\n"
}

/// The names that a text has, `pxds_{a,b}_c` being `pxds_a_c` and `pxds_b_c`.
fn expand(text: &str) -> Vec<String> {
    let Some((before, rest)) = text.split_once('{') else { return vec![text.to_owned()] };
    let (choices, after) = rest.split_once('}').unwrap();
    choices.split(',').flat_map(|choice| expand(&format!("{before}{choice}{after}"))).collect()
}

/// The functions that the header's first comment names under the tasks that they are for.
fn functions_by_task(header: &str) -> Vec<String> {
    let comment = header.split_once("*/").unwrap().0;
    let tasks = comment.split_once("FUNCTIONS BY TASK").unwrap().1;
    let words = tasks.split_whitespace().filter(|word| word.starts_with("pxds_"));
    words.flat_map(|word| expand(word.trim_end_matches([',', ';']))).collect()
}

#[test]
fn the_committed_header_is_current() {
    let path = root().join("include/pxds.h");
    let generated = generate();
    if std::env::var_os("PXDS_REGENERATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &generated).unwrap();
    }
    assert!(read(&path) == generated, "include/pxds.h is stale: run `make header`");
}

/// The sets of constants: how their names begin, and how their comments do. Flags of `pxds_x_options` need no line.
const SETS: [(&str, &str); 30] = [
    ("PXDS_ADD_", "pxds_backup_add_blob() flag"),
    ("PXDS_ARCHIVE_", "Kind of an archive"),
    ("PXDS_BLOB_", "pxds_blob_info.flags"),
    ("PXDS_CODEC_", "pxds_blob_codec_options.flags"),
    ("PXDS_CRYPT_", "Crypt mode"),
    ("PXDS_DAMAGE_", "pxds_verify_damage.flags"),
    ("PXDS_DECODE_", "Decoding flag"),
    ("PXDS_ENCODE_", "Encoding flag"),
    ("PXDS_FINGERPRINT_", "pxds_fingerprint_format() flag"),
    ("PXDS_INDEX_", "Kind of an index"),
    ("PXDS_INSERT_", "Inserting flag"),
    ("PXDS_KDF_", "Key derivation"),
    ("PXDS_LAYOUT_", "Layout"),
    ("PXDS_LIST_", "Listing flag"),
    ("PXDS_LOAD_", "Loading flag"),
    ("PXDS_LOCK_", "Mode of a lock"),
    ("PXDS_MANIFEST_", "pxds_manifest_info.flags"),
    ("PXDS_MARK_", "A mark"),
    ("PXDS_NOTICE_", "Level of a notice"),
    ("PXDS_OPEN_", "Opening flag"),
    ("PXDS_OUTCOME_", "How a snapshot came out"),
    ("PXDS_RESULT_", "Flag of a result"),
    ("PXDS_SAVE_", "pxds_keyfile_save() flag"),
    ("PXDS_SIGNATURE_", "Signature"),
    ("PXDS_SNAPSHOT_", "pxds_snapshot_entry.flags"),
    ("PXDS_STATES_", "pxds_keyfile_info.flags"),
    ("PXDS_SYNC_", "Sync level"),
    ("PXDS_TYPE_", "Type of a backup"),
    ("PXDS_VERIFIED_", "State of verification"),
    ("PXDS_WRITER_", "pxds_index_writer_new_fixed() flag"),
];

/// How names begin in the set that a comment says a constant is of; `None` of a size or a limit, which is of none.
fn set_of(comment: &str) -> Option<String> {
    let named = SETS.iter().find(|(_, phrase)| comment.starts_with(phrase)).map(|(prefix, _)| prefix.to_string());
    let options = || Some(comment.strip_prefix("pxds_")?.split_once("_options.flags")?.0);
    named.or_else(|| Some(format!("PXDS_{}_", options()?.to_uppercase())))
}

/// The kinds of all fields of structures, with `*` where they are pointers.
fn kinds_of_fields(header: &str) -> Vec<String> {
    let structs = header.split("\ntypedef struct {\n").skip(1).map(|text| text.split_once("\n} ").unwrap().0);
    let lines = structs.flat_map(|body| body.lines().map(str::trim).filter(|line| !line.starts_with(['/', '*'])));
    let fields = lines.filter_map(|line| line.strip_suffix(';')?.rsplit_once(' '));
    fields
        .map(|(kind, name)| format!("{}{}", kind, if name.starts_with('*') { " *" } else { "" }))
        .map(|kind| kind.trim_start_matches("const ").to_owned())
        .collect()
}

/// A program in Go, for example, must not pass a pointer to something of its own that holds another one.
#[test]
fn numbers_are_in_structures_by_value() {
    let kinds = kinds_of_fields(&generate());
    let has = |kind: &str| kinds.iter().any(|other| other == kind);
    assert!(kinds.len() > 300 && has("int64_t") && has("char *") && has("void *") && has("pxds_key *"));
    for number in kinds.iter().filter_map(|kind| kind.strip_suffix(" *")) {
        assert!(!(number.ends_with("_t") || ["int", "double", "pxds_status"].contains(&number)), "{number} *");
    }
}

/// What is called the same is never a number of files' here, and one of memory there.
#[test]
fn a_name_is_of_one_size() {
    let header = generate();
    let named = |kind: &str| {
        let after = header.split(kind).skip(1).map(|text| text.trim_start_matches(['*', ' ']));
        let names = after.map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap());
        names.filter(|name| !name.starts_with("pxds_")).map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let (of_files, of_memory) = (named("uint64_t "), named("size_t "));
    assert!(of_files.contains("offset") && of_memory.contains("data_len") && of_memory.contains("capacity"));
    assert_eq!(of_files.intersection(&of_memory).collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(of_files.iter().all(|name| !name.ends_with("_len") && !name.ends_with("capacity")), "{of_files:?}");
}

#[test]
fn constants_of_a_set_begin_alike_and_no_others_do() {
    const SIZES: [&str; 9] =
        ["_SIZE", "_LEN", "_DEPTH", "_DIRS", "_CLASSES", "_WINDOW", "_AVG", "_MAX_NAME", "_UNKNOWN"];
    let header = generate();
    let mut constants = BTreeMap::new();
    for text in header.split("\n/**").skip(1) {
        let Some((comment, rest)) = text.split_once("*/\n#define ") else { continue };
        let comment = comment.trim_start_matches([' ', '*', '\n']);
        constants.insert(rest.split(' ').next().unwrap(), (comment.to_owned(), set_of(comment)));
    }
    let sets: BTreeSet<String> = constants.values().filter_map(|(_, set)| set.clone()).collect();
    assert!(constants.len() > 100 && SETS.iter().all(|(prefix, _)| sets.contains(*prefix)), "{sets:?}");
    for (name, (comment, set)) in &constants {
        let begins = sets.iter().filter(|prefix| name.starts_with(prefix.as_str())).collect::<Vec<_>>();
        match set {
            Some(set) => assert_eq!(begins, [set], "{name}: {comment}"),
            None if comment.starts_with("pxds_progress.phase") => assert!(name.contains("_PHASE_"), "{name}"),
            None => assert!(begins.is_empty() || SIZES.iter().any(|end| name.ends_with(end)), "{name}: {comment}"),
        }
    }
}

/// The functions that are exported.
fn symbols() -> BTreeSet<String> {
    let lines = read(&root().join("abi/pxds.symbols"));
    lines.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn each_function_is_called_from_c() {
    let mut missing = symbols();
    for dir in ["c-examples", "tests/c"] {
        for entry in fs::read_dir(root().join(dir)).unwrap().map(Result::unwrap) {
            if entry.path().extension().is_some_and(|extension| extension == "c" || extension == "h") {
                let text = read(&entry.path());
                for call in text.split('(') {
                    let name = call.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap();
                    missing.remove(name);
                }
            }
        }
    }
    assert!(missing.is_empty(), "neither in c-examples nor in tests/c: {missing:?}");
}

#[test]
fn each_function_stands_by_its_task_once() {
    let mut missing = symbols();
    let named = functions_by_task(&generate());
    let unknown: Vec<_> = named.iter().filter(|name| !missing.remove(name.as_str())).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "cbindgen.toml: fewer: {missing:?}; more: {unknown:?}");
}

#[test]
fn names_in_braces_are_expanded() {
    assert_eq!(expand("pxds_{a,b}_c_{d,e}"), ["pxds_a_c_d", "pxds_a_c_e", "pxds_b_c_d", "pxds_b_c_e"]);
    assert_eq!(expand("pxds_a"), ["pxds_a"]);
}

#[test]
fn an_initialiser_has_a_value_for_each_field() {
    let header = "\
/** Inner. */
typedef struct {
    /** Set by nothing; */
    uint64_t a;
    uint8_t b[3];
} pxds_inner;

typedef struct {
    /** Bytes of this structure; set by PXDS_OUTER_INIT. */
    size_t struct_size;
    /**
     * Of this;
     */
    pxds_inner inner;
    const char *name;
    pxds_progress_fn on_progress;
} pxds_outer;

#endif  /* PXDS_H */
";
    let expected = "#define PXDS_OUTER_INIT { sizeof(pxds_outer), { 0, { 0 } }, NULL, NULL }\n\n#endif";
    assert!(with_initialisers(header).contains(expected), "{}", with_initialisers(header));
}

#[test]
fn long_initialisers_are_wrapped() {
    let text = define("PXDS_LONG_INIT", &vec![String::from("0"); 60]);
    assert!(text.lines().count() == 3 && text.lines().all(|line| line.len() <= WIDTH), "{text}");
    assert!(text.starts_with("#define PXDS_LONG_INIT \\\n    { 0, 0,") && text.ends_with(" 0, 0 }\n"), "{text}");
}
