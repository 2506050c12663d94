//! What the integration tests share: scratch directories, seeded noise, the test vectors, files and their times.

#![allow(dead_code, reason = "every test program uses a part of it")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes};
use std::io::{BufRead, BufReader};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, SystemTime};

use pxds::base::SyncLevel;
use pxds::blob::Codec;
use pxds::callback::Callback;
use pxds::chunks::Layout;
use pxds::digest::Digest;
use pxds::error::{Error, Kind};
use pxds::hash::sha256;
use pxds::progress::{OnProgress, Stage};
use pxds::store::{Store, StoreOptions};
use serde_json::Value;

/// Makes `call` on another thread, with progress that `heard` is told of on this one, where it may use what is around.
pub(crate) fn watched<T: Send>(
    call: impl FnOnce(OnProgress) -> T + Send,
    mut heard: impl FnMut(&Stage) -> pxds::error::Result<()>,
) -> T {
    let (stages, told) = mpsc::channel();
    let (answer, answers) = mpsc::channel();
    let answers = Mutex::new(answers);
    let progress: OnProgress = Callback(Arc::new(move |stage: &Stage| {
        stages.send(*stage).unwrap();
        answers.lock().unwrap().recv().unwrap()
    }));
    thread::scope(move |scope| {
        let call = scope.spawn(move || call(progress));
        told.iter().for_each(|stage| answer.send(heard(&stage)).unwrap());
        call.join().unwrap()
    })
}

/// A directory of its own for one test, removed at the end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// In memory where that can be, for tests that make very many files.
    pub(crate) fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { Self::below(memory) } else { Self::new() }
    }

    fn below(parent: &Path) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("pxds-test-{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Scratch(path),
                // Left by a process of the same number that was killed.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => panic!("cannot make {}: {error}", path.display()),
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    /// A new store in the subdirectory `name`.
    pub(crate) fn store(&self, name: &str) -> Store {
        self.store_with(name, &quick())
    }

    pub(crate) fn store_with(&self, name: &str, options: &StoreOptions) -> Store {
        Store::create(&self.join(name), options).unwrap()
    }

    /// A new store of the layout. Of the 65536 directories of `Hex4` it has two; the others are made when needed.
    pub(crate) fn store_of(&self, layout: Layout) -> Store {
        let path = self.join(format!("{layout:?}"));
        if layout == Layout::Hex4 {
            fs::create_dir_all(path.join(".chunks/0000")).unwrap();
            fs::create_dir(path.join(".chunks/ffff")).unwrap();
        }
        let store = Store::open_or_create(&path, &quick()).unwrap();
        assert_eq!(store.chunks().layout(), layout);
        store
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Options of a store that brings nothing to the disk.
pub(crate) fn quick() -> StoreOptions {
    StoreOptions { sync: SyncLevel::None, ..StoreOptions::default() }
}

/// The store at `path` once more, by a handle of its own.
pub(crate) fn reopen(store: &Store) -> Store {
    Store::open(store.path(), &quick()).unwrap()
}

/// A small generator of pseudo-random numbers (xorshift64*): the same sequence for the same seed.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 11) as usize % bound
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..len.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).collect();
        bytes.truncate(len);
        bytes
    }

    /// Data as files have it: stretches of noise, of zeros, of a repeated pattern and of what came before.
    pub(crate) fn mixture(&mut self, len: usize) -> Vec<u8> {
        let mut data = Vec::with_capacity(len);
        while data.len() < len {
            let part = (1 + self.below(20_000)).min(len - data.len());
            match self.below(4) {
                0 => data.resize(data.len() + part, 0),
                1 => {
                    let period = 1 + self.below(100);
                    let pattern = self.bytes(period);
                    data.extend(pattern.iter().cycle().take(part));
                }
                2 if !data.is_empty() => {
                    let from = self.below(data.len());
                    let to = data.len().min(from + part);
                    data.extend_from_within(from..to);
                }
                _ => data.extend(self.bytes(part)),
            }
        }
        data
    }

    /// Cuts `data` into pieces, most of them of at most `max` bytes, some of one and some of none.
    pub(crate) fn pieces<'a>(&mut self, mut data: &'a [u8], max: usize) -> Vec<&'a [u8]> {
        let mut pieces = Vec::new();
        while !data.is_empty() {
            let len = match self.below(8) {
                0 => 0,
                1 => 1,
                2 => 63 + self.below(4),
                _ => self.below(max + 1),
            };
            let (piece, rest) = data.split_at(len.min(data.len()));
            pieces.push(piece);
            data = rest;
        }
        pieces
    }
}

// ---- test vectors ----

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// The path of a file of the test vectors.
pub(crate) fn vector_path(name: &str) -> PathBuf {
    vectors().join(name)
}

/// The bytes of a file of the test vectors.
pub(crate) fn vector_bytes(name: &str) -> Vec<u8> {
    fs::read(vector_path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A JSON file of the test vectors.
pub(crate) fn vector_json(name: &str) -> Value {
    serde_json::from_slice(&vector_bytes(name)).unwrap()
}

/// Reading a JSON value that must be of a type.
pub(crate) trait Json {
    fn get_str(&self, key: &str) -> &str;
    fn get_u64(&self, key: &str) -> u64;
    fn get_bool(&self, key: &str) -> bool;
    fn get_list(&self, key: &str) -> &[Value];
    fn get_digest(&self, key: &str) -> Digest;
    /// Whether a result, `{"ok": …}`, is good.
    fn is_ok(&self) -> bool;
}

impl Json for Value {
    fn get_str(&self, key: &str) -> &str {
        self[key].as_str().unwrap_or_else(|| panic!("{key} in {self}"))
    }

    fn get_u64(&self, key: &str) -> u64 {
        self[key].as_u64().unwrap_or_else(|| panic!("{key} in {self}"))
    }

    fn get_bool(&self, key: &str) -> bool {
        self[key].as_bool().unwrap_or_else(|| panic!("{key} in {self}"))
    }

    fn get_list(&self, key: &str) -> &[Value] {
        self[key].as_array().unwrap_or_else(|| panic!("{key} in {self}"))
    }

    fn get_digest(&self, key: &str) -> Digest {
        digest_of(&self[key])
    }

    fn is_ok(&self) -> bool {
        self.get_bool("ok")
    }
}

pub(crate) fn digest_of(value: &Value) -> Digest {
    Digest::from_hex(value.as_str().unwrap().as_bytes()).unwrap()
}

/// The bytes that hexadecimal digits stand for.
pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2) && hex.is_ascii(), "{hex}");
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// The data that a specification of the test vectors describes; see tests/vectors/PROVENANCE.md.
pub(crate) fn generate(parts: &[Value]) -> Vec<u8> {
    parts.iter().flat_map(generate_part).collect()
}

fn generate_part(part: &Value) -> Vec<u8> {
    let len = || usize::try_from(part.get_u64("len")).unwrap();
    match part.get_str("type") {
        "zero" => vec![0; len()],
        "hex" => unhex(part.get_str("hex")),
        "repeat" => unhex(part.get_str("hex")).into_iter().cycle().take(len()).collect(),
        "sha256ctr" => {
            let seed = part.get_str("seed").as_bytes();
            let block = |i: u64| sha256(&[seed, &i.to_le_bytes()].concat()).0;
            let mut data: Vec<u8> = (0..len().div_ceil(32) as u64).flat_map(block).collect();
            data.truncate(len());
            data
        }
        other => panic!("unknown type of data: {other}"),
    }
}

// ---- blobs and errors ----

/// The uncompressed blob of `data`.
pub(crate) fn plain_blob(data: &[u8]) -> Vec<u8> {
    Codec::new().encode_vec(data, false).unwrap()
}

/// A blob of any form: its magic, what else the header of that form has, the payload, and the right CRC.
pub(crate) fn raw_blob(magic: [u8; 8], rest: &[u8]) -> Vec<u8> {
    let mut blob = [&magic[..], &[0; 4], rest].concat();
    pxds::blob::update_crc(&mut blob).unwrap();
    blob
}

/// The kind of the error that `result` must be.
#[track_caller]
pub(crate) fn kind<T>(result: Result<T, Error>) -> Kind {
    failure(result).kind()
}

/// The error that `result` must be.
#[track_caller]
pub(crate) fn failure<T>(result: Result<T, Error>) -> Error {
    match result {
        Ok(_) => panic!("it should have failed"),
        Err(error) => error,
    }
}

// ---- files ----

/// Every file below `dir`: the path from there, and the content. Directories are left out.
pub(crate) fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![PathBuf::new()];
    while let Some(at) = dirs.pop() {
        for entry in fs::read_dir(dir.join(&at)).unwrap() {
            let entry = entry.unwrap();
            let path = at.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                dirs.push(path);
            } else {
                found.insert(path, fs::read(entry.path()).unwrap());
            }
        }
    }
    found
}

/// The names in `dir`, sorted.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Checks that below the store there are chunks under their names, `.lock`, and the files named `others`, no more.
#[track_caller]
pub(crate) fn assert_only_chunks(store: &Store, others: &[&str]) {
    for path in tree(store.path()).into_keys() {
        let name = path.file_name().unwrap().as_bytes();
        let of_a_chunk =
            Digest::from_hex(name).is_ok_and(|digest| store.path().join(&path) == store.chunks().chunk_path(&digest));
        let known = path == Path::new(".lock") || others.iter().any(|other| path == Path::new(other));
        assert!(of_a_chunk || known, "left behind: {}", path.display());
    }
}

/// Puts `content` where the chunk `digest` belongs, whatever it is.
pub(crate) fn plant(store: &Store, digest: &Digest, content: &[u8]) -> PathBuf {
    let path = store.chunks().chunk_path(digest);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

/// Permission bits.
pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// The bits that this process takes away from the mode of new files.
pub(crate) fn umask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:")).expect("Linux 4.7 or newer");
    u32::from_str_radix(line.trim(), 8).unwrap()
}

/// A day; the times of [`age`] are further back than that.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Sets both times of a file back by days, and gives them: access, modification.
pub(crate) fn age(path: &Path) -> (SystemTime, SystemTime) {
    let now = SystemTime::now();
    let (accessed, modified) = (now - 3 * DAY, now - 2 * DAY);
    let times = FileTimes::new().set_accessed(accessed).set_modified(modified);
    File::options().write(true).open(path).unwrap().set_times(times).unwrap();
    times_of(path)
}

/// When a file was accessed and modified.
pub(crate) fn times_of(path: &Path) -> (SystemTime, SystemTime) {
    let metadata = fs::metadata(path).unwrap();
    (metadata.accessed().unwrap(), metadata.modified().unwrap())
}

/// Whether the access time of a file is newer than [`age`] makes it.
pub(crate) fn is_fresh(path: &Path) -> bool {
    times_of(path).0 > SystemTime::now() - DAY
}

// ---- other processes ----

/// A reader of `data` in steps of at most `step` bytes, less where the buffer has no room.
pub(crate) fn reader(data: &[u8], step: usize) -> impl FnMut(&mut [u8]) -> pxds::error::Result<usize> {
    let mut rest = data;
    move |buffer| {
        let (now, later) = rest.split_at(step.min(rest.len()).min(buffer.len()));
        buffer[..now.len()].copy_from_slice(now);
        rest = later;
        Ok(now.len())
    }
}

/// Another program's hold on a directory or file.
pub(crate) fn flock(path: &Path, exclusive: bool) -> Option<File> {
    let file = File::open(path).unwrap();
    let operation = if exclusive { libc::LOCK_EX } else { libc::LOCK_SH };
    #[allow(unsafe_code)]
    // SAFETY: plain call on an open descriptor.
    let result = unsafe { libc::flock(file.as_raw_fd(), operation | libc::LOCK_NB) };
    (result == 0).then_some(file)
}

/// A child process that holds a POSIX record lock on a file, as Proxmox Backup Server does.
pub(crate) struct PosixLock(Child);

impl PosixLock {
    /// Tries to lock `path` in a child process: shared or exclusive, without waiting. `None` if it is held.
    ///
    /// The child runs Python, which the tests need.
    pub(crate) fn try_hold(path: &Path, exclusive: bool) -> Option<Self> {
        const PROGRAM: &str = "
import fcntl, sys
file = open(sys.argv[1], 'r+')
try:
    fcntl.lockf(file, (fcntl.LOCK_EX if sys.argv[2] == 'x' else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    print('held', flush=True)
    sys.stdin.read()
except OSError:
    print('busy', flush=True)
";
        let mut child = Command::new("python3")
            .args([OsStr::new("-c"), OsStr::new(PROGRAM), path.as_os_str()])
            .arg(if exclusive { "x" } else { "s" })
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the tests of locks need python3 (Debian: python3)");
        let mut answer = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut answer).unwrap();
        let lock = PosixLock(child);
        match answer.trim() {
            "held" => Some(lock),
            "busy" => None,
            other => panic!("the child that locks said {other:?}"),
        }
    }
}

impl Drop for PosixLock {
    /// Lets go of the lock: the child ends with its input, which waiting for it closes.
    fn drop(&mut self) {
        let _ = self.0.wait();
    }
}
