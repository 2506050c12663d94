//! Cuts, against those of PBS (tests/vectors/chunker) and the test values of docs/format.md, 17.

#![allow(unsafe_code)]

mod common;

use std::ptr::null_mut;

use common::{Json, Rng, generate, vector_json};
use pxds::chunker::{Config, DynamicChunker, Scan};
use pxds::digest::Digest;
use pxds::ffi::chunker::{
    pxds_chunker, pxds_chunker_config, pxds_chunker_config_init, pxds_chunker_free, pxds_chunker_new,
    pxds_chunker_reset, pxds_chunker_scan,
};
use pxds::ffi::status::{PXDS_CUT, PXDS_OK};
use pxds::hash::sha256;
use serde_json::Value;

/// A case of this size is not fed byte by byte.
const LARGE: usize = 16 << 20;

struct Case {
    name: String,
    avg: u64,
    data: Vec<u8>,
    ends: Vec<usize>,
    digests: Vec<Digest>,
}

impl Case {
    fn read(case: &Value) -> Self {
        let data = generate(case.get_list("data"));
        assert_eq!(data.len() as u64, case.get_u64("len"));
        assert_eq!(sha256(&data), case.get_digest("data_sha256"), "the generator");
        Case {
            name: case.get_str("name").to_owned(),
            avg: case.get_u64("avg"),
            ends: case.get_list("ends").iter().map(|end| end.as_u64().unwrap() as usize).collect(),
            digests: case.get_list("digests").iter().map(common::digest_of).collect(),
            data,
        }
    }

    fn config(&self) -> Config {
        Config::from_avg(self.avg).unwrap()
    }
}

/// Runs `check` on each case, one at a time: together they have 150 MB of data.
fn for_each_case(mut check: impl FnMut(Case)) {
    let vectors = vector_json("chunker/chunker.json");
    let cases = vectors.get_list("cases");
    assert_eq!(cases.len(), 49);
    for case in cases {
        check(Case::read(case));
    }
}

/// Where chunks end, the last one included, for a stream that comes in `pieces`: by every form of the search that this
/// processor has, the same.
fn ends<'a>(config: &Config, pieces: impl IntoIterator<Item = &'a [u8]> + Clone) -> Vec<usize> {
    let ends = |scan| {
        let mut chunker = DynamicChunker::with_scan(config, scan).unwrap();
        ends_by(pieces.clone(), |piece| chunker.scan(piece))
    };
    let plain = ends(Scan::Plain);
    for scan in Scan::ALL.into_iter().filter(|scan| scan.is_available()) {
        assert_eq!(ends(scan), plain, "{scan:?}");
    }
    plain
}

fn ends_by<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, mut scan: impl FnMut(&[u8]) -> Option<usize>) -> Vec<usize> {
    let (mut ends, mut at) = (Vec::new(), 0);
    for mut piece in pieces {
        while let Some(cut) = scan(piece) {
            assert!((1..=piece.len()).contains(&cut));
            at += cut;
            ends.push(at);
            piece = &piece[cut..];
        }
        at += piece.len();
    }
    if ends.last().copied().unwrap_or(0) < at {
        ends.push(at);
    }
    ends
}

#[test]
fn whole_buffers_are_cut_as_by_pbs() {
    for_each_case(|case| {
        let found = ends(&case.config(), [&case.data[..]]);
        assert_eq!(found, case.ends, "{}", case.name);
        let starts = [0].into_iter().chain(found.iter().copied());
        let digests: Vec<_> = starts.zip(&found).map(|(start, &end)| sha256(&case.data[start..end])).collect();
        assert_eq!(digests, case.digests, "{}", case.name);
    });
}

#[test]
fn single_bytes_are_cut_as_by_pbs() {
    for_each_case(|case| {
        if case.data.len() < LARGE {
            assert_eq!(ends(&case.config(), case.data.chunks(1)), case.ends, "{}", case.name);
        }
    });
}

#[test]
fn pieces_of_any_length_are_cut_as_by_pbs() {
    let mut rng = Rng::new(1);
    for_each_case(|case| {
        for max in [70, 5_000, 300_000] {
            if case.data.len() < LARGE || max == 300_000 {
                let pieces = rng.pieces(&case.data, max);
                assert_eq!(ends(&case.config(), pieces), case.ends, "{} in pieces of up to {max}", case.name);
            }
        }
    });
}

/// A chunker behind the C interface.
struct CChunker(*mut pxds_chunker);

impl CChunker {
    fn new(avg: u64) -> Self {
        // SAFETY: all-zero is a value of this structure of integers.
        let mut config: pxds_chunker_config = unsafe { std::mem::zeroed() };
        config.struct_size = size_of::<pxds_chunker_config>();
        let mut chunker = null_mut();
        // SAFETY: valid arguments.
        unsafe {
            assert_eq!(pxds_chunker_config_init(&mut config, avg, null_mut()), PXDS_OK);
            assert_eq!(pxds_chunker_new(&config, &mut chunker, null_mut()), PXDS_OK);
        }
        CChunker(chunker)
    }

    fn scan(&mut self, data: &[u8]) -> Option<usize> {
        let mut used = usize::MAX;
        // SAFETY: valid arguments.
        match unsafe { pxds_chunker_scan(self.0, data.as_ptr().cast(), data.len(), &mut used, null_mut()) } {
            PXDS_CUT => Some(used),
            status => {
                assert_eq!((status, used), (PXDS_OK, data.len()));
                None
            }
        }
    }

    fn reset(&mut self) {
        // SAFETY: valid arguments.
        assert_eq!(unsafe { pxds_chunker_reset(self.0, null_mut()) }, PXDS_OK);
    }
}

impl Drop for CChunker {
    fn drop(&mut self) {
        // SAFETY: not used again.
        unsafe { pxds_chunker_free(self.0) };
    }
}

#[test]
fn the_c_interface_cuts_as_pbs() {
    let mut rng = Rng::new(2);
    for_each_case(|case| {
        if case.data.len() > 2 << 20 {
            return;
        }
        let mut chunker = CChunker::new(case.avg);
        let pieces = rng.pieces(&case.data, 50_000);
        for pieces in [vec![&case.data[..]], pieces] {
            assert_eq!(ends_by(pieces, |piece| chunker.scan(piece)), case.ends, "{}", case.name);
            chunker.reset();
        }
    });
}

/// Input C of docs/format.md, 17.
fn input_c() -> Vec<u8> {
    (0..262_144_u32).flat_map(u32::to_le_bytes).collect()
}

/// Input L of docs/format.md, 17.
fn input_l() -> Vec<u8> {
    let mut x = 1_u32;
    let data = (0..65536).map(|_| {
        x = x.wrapping_mul(1_103_515_245).wrapping_add(12345);
        (x >> 16 & 255) as u8
    });
    data.collect()
}

#[test]
fn the_test_values_of_the_documentation() {
    let cuts = |avg, data: &[u8]| ends(&Config::from_avg(avg).unwrap(), [data]);

    assert_eq!(cuts(65536, &input_c()), [143_377, 405_521, 667_665, 929_809, 1_048_576]);

    let l = input_l();
    assert_eq!(sha256(&l).to_string(), "c59afdb0864362b1eb08cca7692e3251a16436fdf0b9204c92dfdf41bf696086");
    let ends_of_l =
        [1670, 5716, 7382, 8457, 16517, 22010, 30399, 34509, 36228, 46181, 47416, 52886, 54228, 62724, 65125, 65536];
    assert_eq!(cuts(4096, &l), ends_of_l);
    let finer = cuts(1024, &l);
    assert_eq!(finer[..10], [366, 1670, 2146, 2474, 2769, 5716, 6033, 6961, 7382, 8457]);
    assert_eq!(finer.len(), 67);

    let zeros: Vec<usize> = (1..=12).map(|i| i * 262_144).collect();
    assert_eq!(cuts(65536, &vec![0; 3 << 20]), zeros);
}

/// docs/format.md, 4.4: the first test comes at size 65, so that small averages cut every 65 bytes.
#[test]
fn averages_of_16_and_less_cut_every_65_bytes() {
    let data = Rng::new(3).bytes(1000);
    let every_65: Vec<usize> = (1..=15).map(|i| i * 65).chain([1000]).collect();
    for avg in [2, 4, 8, 16] {
        assert_eq!(ends(&Config::from_avg(avg).unwrap(), data.chunks(7)), every_65, "average {avg}");
    }
}
