//! The options of the library, as the benches use them.

use pxds::chunker::Config;
use pxds::ingest::{ImageOptions, IngestOptions};
use pxds::restore::RestoreOptions;

pub(crate) fn stream(avg: u64, threads: usize) -> IngestOptions {
    IngestOptions { chunker: Config::from_avg(avg).unwrap(), threads, ..IngestOptions::default() }
}

pub(crate) fn image(chunk_size: u64, threads: usize) -> ImageOptions {
    ImageOptions { chunk_size, threads, ..ImageOptions::default() }
}

pub(crate) fn restore(threads: usize) -> RestoreOptions {
    RestoreOptions { threads, ..RestoreOptions::default() }
}
