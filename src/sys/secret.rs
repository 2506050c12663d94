//! Work on secrets that leaves nothing in memory but its result.
//!
//! Ciphers, hashes and parsers keep copies wherever the compiler and they see fit: in frames that they have left, in
//! buffers that have grown, in vector registers that are stored to memory later. None of them cleans up behind itself,
//! so it is done here: the [allocator](super::allocator) overwrites what such work frees, and then the stack below it
//! and the vector registers are overwritten.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

use zeroize::zeroize_stack;

use crate::simd::registers;

/// Bytes of the stack that are overwritten; twice what the deepest work on a key takes (RSA; see the test below).
const STACK_SIZE: usize = 32 << 10;

/// The distance of the work's frames below those of the overwriting, whose first bytes are not overwritten.
const STEP: usize = 128;

/// Threads at such work, so that all others need not look.
static AT_WORK: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// How many such works this thread is in, one within the other.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Does `work`, and leaves no trace of it on the stack, on the heap or in the vector registers, also when it panics.
///
/// The result passes through registers and the caller's frame: a secret in it must be behind a pointer, and be
/// overwritten when it is dropped.
pub fn without_traces<T>(work: impl FnOnce() -> T) -> T {
    let _traces = Traces::begin();
    step_down(work)
}

/// Whether what this thread frees is to be overwritten.
pub(super) fn is_at_work() -> bool {
    AT_WORK.load(Ordering::Relaxed) > 0 && DEPTH.try_with(Cell::get).is_ok_and(|depth| depth > 0)
}

#[inline(never)]
fn step_down<T>(work: impl FnOnce() -> T) -> T {
    let step = [0_u8; STEP];
    black_box(&step);
    let result = do_work(work);
    black_box(&step);
    result
}

#[inline(never)]
fn do_work<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// The traces of work; wiped when this is dropped, by the outermost of several.
struct Traces;

impl Traces {
    fn begin() -> Self {
        AT_WORK.fetch_add(1, Ordering::Relaxed);
        DEPTH.set(DEPTH.get() + 1);
        Traces
    }
}

impl Drop for Traces {
    // In the frame of `without_traces`, so that the overwriting begins as far up as the work.
    #[inline(always)]
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
        AT_WORK.fetch_sub(1, Ordering::Relaxed);
        if DEPTH.get() == 0 {
            zeroize_stack::<STACK_SIZE>();
            registers::clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypt::CryptKey;
    use crate::keyfile::{Kdf, KeyFile};
    use std::mem::MaybeUninit;

    const PAINTED: usize = 512 << 10;
    const PAINT: u8 = 0x77;
    const BLOCK: usize = 256;

    #[inline(never)]
    fn paint() {
        let mut area = [PAINT; PAINTED];
        black_box(&mut area);
    }

    /// How far down the stack, from the frames of this module's caller, something has been written since [`paint`], in
    /// blocks. A word in a block does not count: a large frame touches each of its pages.
    #[inline(never)]
    fn depth() -> usize {
        let area = MaybeUninit::<[u8; PAINTED]>::uninit();
        let bytes = black_box(&area).as_ptr().cast::<u8>();
        // SAFETY: within the array. The bytes that are read are those that earlier calls have left there, which is the
        // point.
        let is_painted = |at: &usize| unsafe { bytes.add(*at).read_volatile() } == PAINT;
        let is_written = |at: &usize| (*at..at + BLOCK).filter(is_painted).count() < BLOCK - 2 * size_of::<usize>();
        PAINTED - (0..PAINTED).step_by(BLOCK).find(is_written).unwrap_or(PAINTED)
    }

    fn depth_of(work: impl FnOnce()) -> usize {
        paint();
        without_traces(work);
        depth()
    }

    #[test]
    fn what_is_overwritten_is_deeper_than_the_deepest_work() {
        let key = CryptKey::new(&[1; 32]);
        let nothing = depth_of(|| {});
        assert!((STACK_SIZE..STACK_SIZE + 1024).contains(&nothing), "{nothing}");
        for kdf in [Kdf::None, Kdf::Pbkdf2, Kdf::Scrypt] {
            let depth = depth_of(|| {
                let text = KeyFile::new(&key, kdf, b"password", 0, None).unwrap().to_json().unwrap();
                let again = KeyFile::parse(text.as_bytes()).unwrap().unlock(b"password").unwrap();
                assert!(again.has_auth_tag(b"data", &key.auth_tag(b"data")));
                again.seal_in_place(&mut [0; 1000]).unwrap();
            });
            assert_eq!(depth, nothing, "{kdf:?}");
        }
        #[cfg(feature = "master-key")]
        {
            let pem = |name| std::fs::read(format!("{}/tests/vectors/master/{name}", env!("CARGO_MANIFEST_DIR")));
            let (public, private) = (pem("public.pem").unwrap(), pem("private-scrypt.pem").unwrap());
            let sealed = crate::master::seal(&key, 0, &public).unwrap();
            let depth = depth_of(|| drop(crate::master::recover(&sealed, &private, Some(b"correct horse"))));
            assert_eq!(depth, nothing, "RSA");
        }
    }

    #[test]
    fn a_panic_ends_the_work_too() {
        let panic = std::panic::catch_unwind(|| without_traces(|| panic!("as it must")));
        assert!(panic.is_err() && !is_at_work());
        without_traces(|| assert!(is_at_work()));
        assert!(!is_at_work());
    }
}
