//! What a run has cost, and what it ran on.

use std::fs;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

/// A clock of wall time and of the time that all threads of this process have computed.
pub(crate) struct Clock {
    start: Instant,
    cpu: f64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Clock { start: Instant::now(), cpu: cpu_seconds() }
    }

    /// Seconds since the start: wall, and user and system together.
    pub(crate) fn stop(&self) -> (f64, f64) {
        (self.start.elapsed().as_secs_f64(), cpu_seconds() - self.cpu)
    }
}

/// Seconds that this process has computed, in user and in system mode.
#[allow(unsafe_code)]
fn cpu_seconds() -> f64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: one structure to write to; one of zeros is valid too.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    [usage.ru_utime, usage.ru_stime].iter().map(|time| time.tv_sec as f64 + time.tv_usec as f64 / 1e6).sum()
}

/// The most memory that this process has had, in bytes. (What getrusage says includes that of the parent.)
pub(crate) fn peak_rss() -> u64 {
    1024 * field("/proc/self/status", "VmHWM").split(' ').next().and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

/// The value of the first line `name: value` of a file.
fn field(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let value = text.lines().find_map(|line| line.split_once(':').filter(|(key, _)| key.trim() == name));
    value.map_or_else(String::new, |(_, value)| value.trim().to_owned())
}

/// Processors that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get())
}

/// Processor, cores, memory, kernel, and the file system of `dir`.
pub(crate) fn machine(dir: &Path) -> Value {
    let memory: u64 =
        field("/proc/meminfo", "MemTotal").split(' ').next().and_then(|kib| kib.parse().ok()).unwrap_or(0);
    json!({
        "cpu": field("/proc/cpuinfo", "model name"),
        "cores": cores(),
        "memory": memory * 1024,
        "kernel": fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
        "filesystem": filesystem(dir),
        // Who reads the figures sees by it whether the machine was at rest.
        "busy": busy(),
    })
}

/// How many processors are at work, for half a second in which this program is not.
fn busy() -> f64 {
    let times = || -> Vec<u64> {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        text.lines()
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(1)
            .filter_map(|word| word.parse().ok())
            .collect()
    };
    let before = times();
    std::thread::sleep(std::time::Duration::from_millis(500));
    let spent: Vec<u64> = times().iter().zip(&before).map(|(after, before)| after.saturating_sub(*before)).collect();
    // The fourth and fifth are idle, and idle for a disk.
    let idle: u64 = spent.iter().skip(3).take(2).sum();
    let all: u64 = spent.iter().sum();
    cores() as f64 * (1.0 - idle as f64 / all.max(1) as f64)
}

/// The type of the file system that `dir` is in.
fn filesystem(dir: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let of = |line: &str| {
        let mut fields = line.split(' ').skip(1);
        let (point, kind) = (fields.next()?, fields.next()?);
        dir.starts_with(point).then(|| (point.len(), kind.to_owned()))
    };
    // Of mounts over each other the last one counts, and `max_by_key` gives that.
    mounts.lines().filter_map(of).max_by_key(|&(len, _)| len).map_or_else(String::new, |(_, kind)| kind)
}

/// Writes `value` to `$PXDS_BENCH_JSON`, or else to `name` in target/bench.
pub(crate) fn write_json(name: &str, value: &Value) {
    let path = std::env::var_os("PXDS_BENCH_JSON").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench").join(name),
        std::path::PathBuf::from,
    );
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).unwrap();
    }
    fs::write(&path, format!("{value:#}\n")).unwrap();
    println!("\nwritten: {}", path.display());
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The number in the environment variable `name`.
pub(crate) fn setting(name: &str, default: f64) -> f64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")),
        Err(_) => default,
    }
}
