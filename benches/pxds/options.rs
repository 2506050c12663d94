//! The options of the library with a number of threads: the only place that knows whether there is such an option.

use pxds::chunker::Config;
use pxds::ingest::{ImageOptions, IngestOptions};
use pxds::restore::RestoreOptions;

/// Whether `threads` has a meaning below. Without it everything runs in the caller's thread, and only that is measured.
pub(crate) const HAVE_THREADS: bool = false;

pub(crate) fn stream(avg: u64, _threads: usize) -> IngestOptions {
    IngestOptions { chunker: Config::from_avg(avg).unwrap(), ..IngestOptions::default() }
}

pub(crate) fn image(chunk_size: u64, _threads: usize) -> ImageOptions {
    ImageOptions { chunk_size, ..ImageOptions::default() }
}

pub(crate) fn restore(_threads: usize) -> RestoreOptions {
    RestoreOptions::default()
}
