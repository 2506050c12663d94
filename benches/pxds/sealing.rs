//! Sealing and opening blobs, beside the cipher alone, and ingest with encryption beside ingest without.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use pxds::blob::{Blob, Codec};
use pxds::crypt::CryptKey;
use pxds::ingest::{Ingest, IngestOptions};

use super::random_access::row;
use super::{data, new_store};

const CHUNK: usize = 4 << 20;

/// Times a gigabyte, 10^9 bytes, takes.
const MS_PER_GB: (&str, f64) = ("ms/GB", 1e-3);

pub(crate) fn run(scratch: &Path) {
    println!();
    println!("{:<48} {:>12} {:>12}", "", "best", "median");
    let key = Arc::new(CryptKey::random().unwrap());
    let mut codec = Codec::with_key(Some(key.clone()));
    let chunk = data::mixed(CHUNK, 7);
    let mut out = vec![0; CHUNK + 44];
    let unit = (MS_PER_GB.0, MS_PER_GB.1 * CHUNK as f64 / 1e9);
    let raw_seal = row("cipher: encrypt 4 MiB", 1, unit, || {
        black_box(key.seal(&chunk, &mut out[..CHUNK]).unwrap());
    });
    let seal = row("blob: encrypt 4 MiB", 1, unit, || {
        black_box(codec.seal(&chunk, false, &mut out).unwrap());
    });
    let blob = codec.seal_vec(&chunk, false).unwrap();
    let (iv, tag) = (blob[12..28].try_into().unwrap(), blob[28..44].try_into().unwrap());
    let raw_open = row("cipher: decrypt 4 MiB", 1, unit, || {
        key.open(&iv, &tag, &blob[44..], &mut out[..CHUNK]).unwrap();
    });
    let open = row("blob: decrypt 4 MiB", 1, unit, || {
        black_box(codec.decode(Blob::parse(&blob).unwrap(), None, &mut out).unwrap());
    });
    println!(
        "a blob runs at {:.0} % of the cipher when it is encrypted, at {:.0} % when it is decrypted",
        100.0 * raw_seal / seal,
        100.0 * raw_open / open
    );
    let input = data::mixed(64 << 20, 8);
    let unit = (MS_PER_GB.0, MS_PER_GB.1 * input.len() as f64 / 1e9);
    let mut number = 0;
    for (name, key) in [("put new", None), ("put new, encrypted", Some(key))] {
        row(name, 1, unit, || {
            number += 1;
            let store = new_store(&scratch.join(format!("crypt{number}")));
            let mut ingest =
                Ingest::new(store.chunks(), IngestOptions { key: key.clone(), threads: 1, ..IngestOptions::default() })
                    .unwrap();
            ingest.write(&input).unwrap();
            ingest.finish().unwrap();
            std::fs::remove_dir_all(scratch.join(format!("crypt{number}"))).unwrap();
        });
    }
}
