//! Files to store, in two generations: archives that are like those of tar, and disk images; the same on every machine.
//!
//! The second generation differs in 2 % of its bytes. As after the update of a few packages, these are runs of
//! neighbours: one run in every 20 MiB.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::data::{Noise, random, records, text, word};

/// Distance of the runs that change.
const STRETCH: u64 = 20 << 20;

/// Of an image, what changes at once.
const BLOCK: u64 = 64 << 10;

/// Of an archive.
const RECORD: usize = 512;

/// What a file is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An archive of texts.
    Text,
    /// An archive of programs and libraries.
    Binaries,
    /// A disk image, half of it zeros.
    Image,
    /// An archive of files that do not compress.
    Random,
    /// An archive of nine texts to eight programs to three files that do not compress.
    Mixed,
}

impl Kind {
    pub(crate) const ALL: [Kind; 5] = [Kind::Text, Kind::Binaries, Kind::Image, Kind::Random, Kind::Mixed];

    /// Those that are measured when none is named. The mixture, which says no more than they, is for other programs.
    pub(crate) const USUAL: [Kind; 4] = [Kind::Text, Kind::Binaries, Kind::Image, Kind::Random];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Binaries => "binaries",
            Kind::Image => "image",
            Kind::Random => "random",
            Kind::Mixed => "mixed",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Generation {
    First,
    Second,
}

/// Writes both generations, of about `len` bytes each, to `first` and `second`.
pub(crate) fn write_both(kind: Kind, len: u64, first: &Path, second: &Path) -> io::Result<()> {
    std::thread::scope(|scope| {
        let other = scope.spawn(|| write(kind, Generation::Second, len, second));
        write(kind, Generation::First, len, first)?;
        other.join().expect("the thread has no reason to panic")
    })
}

/// `generate KIND BYTES FIRST SECOND`: writes both generations, for programs other than this one.
pub(crate) fn generate(words: &[String]) {
    let made = match words {
        [kind, len, first, second] => Kind::from_name(kind)
            .zip(len.parse().ok())
            .map(|(kind, len)| write_both(kind, len, first.as_ref(), second.as_ref())),
        _ => None,
    };
    made.expect("generate KIND BYTES FIRST SECOND").unwrap();
}

fn write(kind: Kind, generation: Generation, len: u64, path: &Path) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    make(kind, generation, len, &mut out)?;
    out.flush()
}

/// The first `len` bytes of the first generation.
pub(crate) fn in_memory(kind: Kind, len: usize) -> Vec<u8> {
    let mut data = Vec::with_capacity(len + (1 << 20));
    make(kind, Generation::First, len as u64, &mut data).expect("a vector takes all");
    data.truncate(len);
    data
}

fn make(kind: Kind, generation: Generation, len: u64, out: &mut impl Write) -> io::Result<()> {
    let maker = Maker::new(kind);
    match kind {
        Kind::Image => maker.image(generation, len, out),
        _ => maker.archive(generation, len, out),
    }
}

/// Makes what the files have in them.
struct Maker {
    kind: Kind,
    /// Words and turns of phrase, the common ones first.
    words: Vec<Vec<u8>>,
    /// Runs of instructions, the common ones first.
    code: Vec<Vec<u8>>,
}

/// What has become of a file.
enum Fate {
    Same,
    Edited,
    Removed,
    /// There is a new one before it.
    Preceded,
}

impl Maker {
    fn new(kind: Kind) -> Self {
        let mut noise = Noise::new(1);
        let words = (0..8192).map(|_| phrase(&mut noise)).collect();
        let code = (0..4096).map(|_| instructions(&mut noise)).collect();
        Maker { kind, words, code }
    }

    fn archive(&self, generation: Generation, len: u64, out: &mut impl Write) -> io::Result<()> {
        let mut content = Vec::new();
        // Where the first generation stands.
        let mut at = 0;
        for number in 0.. {
            if at >= len {
                break;
            }
            self.file(number, &mut content);
            let fate = if generation == Generation::Second { fate(number, at) } else { Fate::Same };
            at += (RECORD + content.len().next_multiple_of(RECORD)) as u64;
            match fate {
                Fate::Same => {}
                Fate::Removed => continue,
                Fate::Edited => {
                    content.splice(content.len() / 2..content.len() / 2, *b"what has been inserted\n");
                }
                Fate::Preceded => {
                    let mut new = Vec::new();
                    self.file(number + (1 << 40), &mut new);
                    entry(&format!("{}/new-{number}", self.kind.name()), &new, out)?;
                }
            }
            entry(&format!("{}/{number}", self.kind.name()), &content, out)?;
        }
        out.write_all(&[0; 2 * RECORD])
    }

    /// Puts file `number` of an archive, 1 to 512 KiB, into `content`.
    fn file(&self, number: u64, content: &mut Vec<u8>) {
        content.clear();
        let mut noise = Noise::new(number + 2);
        let scale = 1024 << noise.below(9);
        let len = scale + noise.below(scale);
        let kind = match (self.kind, noise.below(20)) {
            (Kind::Mixed, 0..9) => Kind::Text,
            (Kind::Mixed, 9..17) => Kind::Binaries,
            (Kind::Mixed, _) => Kind::Random,
            (kind, _) => kind,
        };
        self.fill(kind, len, &mut noise, content);
    }

    /// Puts `len` bytes behind `content`.
    fn fill(&self, kind: Kind, len: usize, noise: &mut Noise, content: &mut Vec<u8>) {
        let end = content.len() + len;
        while content.len() < end {
            let part = end.min(content.len() + (4 << 10) + noise.below(28 << 10));
            match (kind, noise.below(8)) {
                (Kind::Text, _) => text(content, part, &self.words, noise),
                (Kind::Random, _) => random(content, part, noise),
                (_, 0..5) => self.program(content, part, noise),
                (_, 5) => text(content, part, &self.words, noise),
                (_, 6) => records(content, part, noise),
                _ => content.resize(part.min(content.len() + (2 << 10)), 0),
            }
        }
        content.truncate(end);
    }

    /// Instructions, every fourth run of them with a number that is its own.
    fn program(&self, data: &mut Vec<u8>, end: usize, noise: &mut Noise) {
        while data.len() < end {
            let bits = noise.next();
            let rank = (bits as usize & 0xfff).min(bits as usize >> 12 & 0xfff).min(bits as usize >> 24 & 0xfff);
            data.extend_from_slice(&self.code[rank]);
            if bits >> 62 == 0 {
                data.extend_from_slice(&(bits as u32 >> 8 & 0xffff).to_le_bytes());
            }
        }
    }

    /// Runs of 2 to 14 MiB, of data and of zeros in turn.
    fn image(&self, generation: Generation, len: u64, out: &mut impl Write) -> io::Result<()> {
        let mut extents = Noise::new(3);
        let mut content = Vec::new();
        let (mut at, mut is_data) = (0, true);
        while at < len {
            let end = len.min(at + BLOCK * (32 + extents.below(192) as u64));
            for start in (at..end).step_by(BLOCK as usize) {
                // Twice as much as 2 %: half of it falls on zeros, which stay.
                let changed = generation == Generation::Second && is_in_run(start, STRETCH / 25);
                let mut noise = Noise::new(start + u64::from(changed));
                let kind = if (start / (8 * BLOCK)).is_multiple_of(2) { Kind::Text } else { Kind::Binaries };
                content.clear();
                match is_data {
                    true => self.fill(kind, BLOCK as usize, &mut noise, &mut content),
                    false => content.resize(BLOCK as usize, 0),
                }
                out.write_all(&content[..BLOCK.min(end - start) as usize])?;
            }
            (at, is_data) = (end, !is_data);
        }
        Ok(())
    }
}

/// Whether what begins at `at` is in a run, of `len` bytes, that changes.
fn is_in_run(at: u64, len: u64) -> bool {
    at % STRETCH < len
}

/// What becomes of file `number`, which begins at `at`, in the second generation.
fn fate(number: u64, at: u64) -> Fate {
    match (is_in_run(at, STRETCH / 50), number % 3) {
        (false, _) => Fate::Same,
        (true, 0) => Fate::Edited,
        (true, 1) => Fate::Removed,
        (true, _) => Fate::Preceded,
    }
}

fn phrase(noise: &mut Noise) -> Vec<u8> {
    let words: Vec<_> = (0..1 + noise.below(4)).map(|_| word(noise)).collect();
    words.join(&b' ')
}

fn instructions(noise: &mut Noise) -> Vec<u8> {
    let opcodes = [0x48, 0x8b, 0x89, 0xe8, 0x0f, 0x41, 0x83, 0xc7];
    let len = 6 + noise.below(34);
    let byte = |i| if i % 3 == 0 { opcodes[noise.below(8)] } else { noise.next() as u8 };
    (0..len).map(byte).collect()
}

/// Writes a file as tar does: a header, the content, and zeros up to the next record.
fn entry(name: &str, content: &[u8], out: &mut impl Write) -> io::Result<()> {
    let mut header = [0; RECORD];
    let mut field = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    field(0, name);
    field(100, "0000644\0");
    field(108, "0000000\0");
    field(116, "0000000\0");
    field(124, &format!("{:011o}\0", content.len()));
    field(136, "13702574005\0");
    field(148, "        0");
    field(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out.write_all(&header)?;
    out.write_all(content)?;
    out.write_all(&[0; RECORD][..content.len().next_multiple_of(RECORD) - content.len()])
}
