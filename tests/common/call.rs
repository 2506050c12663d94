//! One call of a function of the C interface, with a chosen mistake in its arguments, and what must hold after it.
//!
//! A test writes the call once, with arguments that are right, each pointer wrapped in a method of [`Call`]: what NULL
//! would mean there. The call is then made once as it is, and once for every mistake.

#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "the arguments are right but for the mistake, which is the point"
)]

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::{CStr, c_char, c_void};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::ptr::{null, null_mut};

use pxds::ffi::blob::{pxds_blob_codec, pxds_blob_codec_free, pxds_blob_codec_new};
use pxds::ffi::callback::pxds_progress;
use pxds::ffi::chunker::{
    pxds_buzhash, pxds_buzhash_free, pxds_buzhash_new, pxds_chunker, pxds_chunker_config, pxds_chunker_free,
    pxds_chunker_new_fixed,
};
use pxds::ffi::chunks::{pxds_chunk_iter, pxds_chunk_iter_free, pxds_store_chunks, pxds_store_insert};
use pxds::ffi::error::{pxds_error, pxds_error_free, pxds_error_message, pxds_error_status};
use pxds::ffi::index::{
    pxds_index, pxds_index_free, pxds_index_parse, pxds_index_writer, pxds_index_writer_add, pxds_index_writer_free,
    pxds_index_writer_new_dynamic,
};
use pxds::ffi::ingest::{
    pxds_ingest, pxds_ingest_chunk, pxds_ingest_finish, pxds_ingest_free, pxds_ingest_new, pxds_ingest_options,
    pxds_ingest_write,
};
use pxds::ffi::restore::{pxds_restorer, pxds_restorer_free, pxds_restorer_new};
use pxds::ffi::status::{PXDS_ERR_ARGUMENT, PXDS_ERR_CANCELLED, PXDS_NONE, PXDS_OK, pxds_status};
use pxds::ffi::store::{PXDS_SYNC_NONE, pxds_store, pxds_store_create, pxds_store_free, pxds_store_options};
use pxds::hash::sha256;

use super::common::{Scratch, plain_blob};

/// What every output is filled with beforehand.
const GARBAGE: u8 = 0x5a;

/// The data of the chunk that [`Call::stored`] stores.
pub(crate) const DATA: &[u8] = b"the data of a chunk";

/// The mistake in a call. Pointers are numbered in the order of the parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    None,
    /// This pointer is NULL.
    Null(usize),
    /// The structure that this pointer points to says that it has fewer bytes than it has.
    ShortStruct(usize),
    /// The structure that this pointer points to has never been initialised.
    GarbageStruct(usize),
}

/// What a pointer that is NULL means.
#[derive(Debug, Clone, Copy)]
struct Pointer {
    /// What the function returns then; `None`: the same as otherwise.
    null_gives: Option<pxds_status>,
    is_struct: bool,
}

/// An output of the caller's.
struct Output {
    bytes: *mut u8,
    len: usize,
    /// Bytes at its start that are the caller's: the size of a structure.
    kept: usize,
    is_null: bool,
}

impl Output {
    fn bytes(&self) -> &[u8] {
        let all = unsafe { std::slice::from_raw_parts(self.bytes, self.len) };
        &all[self.kept..]
    }
}

unsafe extern "C" fn progress(_user: *mut c_void, _progress: *const pxds_progress) -> i32 {
    0
}

/// The arguments of one call, and the objects behind them.
pub(crate) struct Call {
    mistake: Mistake,
    pointers: RefCell<Vec<Pointer>>,
    outputs: RefCell<Vec<Output>>,
    err: Cell<Option<*mut *mut pxds_error>>,
    /// Freed in reverse order.
    frees: RefCell<Vec<Box<dyn FnOnce()>>>,
    arena: RefCell<Vec<Box<dyn Any>>>,
    scratch: Scratch,
    store: OnceCell<*mut pxds_store>,
}

/// A pointer, or a function pointer, that can be NULL.
pub(crate) trait Nullable {
    const NULL: Self;
}

impl<T> Nullable for *const T {
    const NULL: Self = null();
}

impl<T> Nullable for *mut T {
    const NULL: Self = null_mut();
}

impl<T> Nullable for Option<T> {
    const NULL: Self = None;
}

impl Call {
    fn new(mistake: Mistake) -> Self {
        Call {
            mistake,
            pointers: RefCell::default(),
            outputs: RefCell::default(),
            err: Cell::default(),
            frees: RefCell::default(),
            arena: RefCell::default(),
            scratch: Scratch::new(),
            store: OnceCell::new(),
        }
    }

    /// A call without a mistake.
    pub(crate) fn right() -> Self {
        Call::new(Mistake::None)
    }

    // ---- what NULL means ----

    fn pointer<P: Nullable>(&self, pointer: P, null_gives: Option<pxds_status>, is_struct: bool) -> P {
        let mut pointers = self.pointers.borrow_mut();
        let number = pointers.len();
        pointers.push(Pointer { null_gives, is_struct });
        if self.mistake == Mistake::Null(number) { P::NULL } else { pointer }
    }

    /// NULL is refused.
    pub(crate) fn must<P: Nullable>(&self, pointer: P) -> P {
        self.pointer(pointer, Some(PXDS_ERR_ARGUMENT), false)
    }

    /// NULL is fine, and changes nothing in what the function returns.
    pub(crate) fn may<P: Nullable>(&self, pointer: P) -> P {
        self.pointer(pointer, None, false)
    }

    /// NULL makes the function return `status`.
    pub(crate) fn gives<P: Nullable>(&self, status: pxds_status, pointer: P) -> P {
        self.pointer(pointer, Some(status), false)
    }

    /// Options, which may be NULL.
    pub(crate) fn options<T: 'static>(&self, options: T) -> *const T {
        let options = self.structure(options);
        self.pointer(options.cast_const(), None, true)
    }

    /// A structure that is read; NULL is refused.
    pub(crate) fn input_struct<T: 'static>(&self, input: T) -> *const T {
        let input = self.structure(input);
        self.pointer(input.cast_const(), Some(PXDS_ERR_ARGUMENT), true)
    }

    /// An output structure; NULL is refused.
    pub(crate) fn out_struct<T: 'static>(&self) -> *mut T {
        self.struct_output(Some(PXDS_ERR_ARGUMENT))
    }

    /// An output structure that may be NULL.
    pub(crate) fn may_struct<T: 'static>(&self) -> *mut T {
        self.struct_output(None)
    }

    fn struct_output<T: 'static>(&self, null_gives: Option<pxds_status>) -> *mut T {
        let output = self.garbage::<T>();
        unsafe { output.cast::<usize>().write(size_of::<T>()) };
        let output = self.spoil(output);
        self.output(output, size_of::<usize>(), null_gives, true)
    }

    /// An output that is a number, a digest or a pointer; NULL is refused.
    pub(crate) fn out<T: 'static>(&self) -> *mut T {
        self.output(self.garbage::<T>(), 0, Some(PXDS_ERR_ARGUMENT), false)
    }

    /// An output of bytes; NULL is refused.
    pub(crate) fn out_digest(&self) -> *mut u8 {
        self.out::<[u8; 32]>().cast()
    }

    /// An output that may be NULL.
    pub(crate) fn may_out<T: 'static>(&self) -> *mut T {
        self.output(self.garbage::<T>(), 0, None, false)
    }

    /// An output handle, which is freed after the call.
    pub(crate) fn out_handle<T: 'static>(&self, free: unsafe extern "C" fn(*mut T)) -> *mut *mut T {
        let slot = self.garbage::<*mut T>();
        self.frees.borrow_mut().push(Box::new(move || {
            unsafe { free(slot.read()) };
        }));
        let given = self.output(slot, 0, Some(PXDS_ERR_ARGUMENT), false);
        if given.is_null() {
            unsafe { slot.write(null_mut()) };
        }
        given
    }

    /// Room for a string, of which a failure leaves the empty one.
    pub(crate) fn out_text<const N: usize>(&self) -> *mut c_char {
        let text = self.garbage::<[c_char; N]>();
        self.output(text.cast::<c_char>(), 0, Some(PXDS_ERR_ARGUMENT), false)
    }

    /// `err`, which may be NULL.
    pub(crate) fn err(&self) -> *mut *mut pxds_error {
        let slot = self.pointer(self.garbage::<*mut pxds_error>(), None, false);
        self.err.set(Some(slot).filter(|slot| !slot.is_null()));
        slot
    }

    fn output<T>(&self, output: *mut T, kept: usize, null_gives: Option<pxds_status>, is_struct: bool) -> *mut T {
        let given = self.pointer(output, null_gives, is_struct);
        let (bytes, len) = (output.cast(), size_of::<T>());
        self.outputs.borrow_mut().push(Output { bytes, len, kept, is_null: given.is_null() });
        given
    }

    fn structure<T: 'static>(&self, value: T) -> *mut T {
        self.spoil(self.lend(value))
    }

    /// Makes the mistake in a structure, if it is the next pointer's.
    fn spoil<T>(&self, structure: *mut T) -> *mut T {
        let number = self.pointers.borrow().len();
        unsafe {
            if self.mistake == Mistake::ShortStruct(number) {
                structure.cast::<usize>().write(size_of::<T>() - 1);
            }
            if self.mistake == Mistake::GarbageStruct(number) {
                structure.cast::<u8>().write_bytes(GARBAGE, size_of::<T>());
            }
        }
        structure
    }

    // ---- objects ----

    /// Memory of the call's own.
    pub(crate) fn lend<T: 'static>(&self, value: T) -> *mut T {
        let mut value = Box::new(value);
        let pointer: *mut T = &mut *value;
        self.arena.borrow_mut().push(value);
        pointer
    }

    fn garbage<T: 'static>(&self) -> *mut T {
        let memory = self.lend(std::mem::MaybeUninit::<T>::uninit());
        unsafe { memory.cast::<u8>().write_bytes(GARBAGE, size_of::<T>()) };
        memory.cast()
    }

    pub(crate) fn bytes(&self, bytes: &[u8]) -> *mut c_void {
        let memory = self.lend(bytes.to_vec());
        unsafe { (*memory).as_mut_ptr().cast() }
    }

    /// A string that ends in NUL.
    pub(crate) fn text(&self, text: &str) -> *const c_char {
        self.bytes(&[text.as_bytes(), b"\0"].concat()).cast_const().cast()
    }

    /// The path of `name` in a directory of the call's own.
    pub(crate) fn path(&self, name: &str) -> *const c_char {
        self.text(self.scratch.join(name).to_str().unwrap())
    }

    /// Calls a constructor, and frees what it makes at the end.
    pub(crate) fn make<T: 'static>(
        &self,
        free: unsafe extern "C" fn(*mut T),
        new: impl FnOnce(*mut *mut T) -> pxds_status,
    ) -> *mut T {
        let mut object = null_mut();
        assert_eq!(new(&mut object), PXDS_OK);
        self.frees.borrow_mut().push(Box::new(move || unsafe { free(object) }));
        object
    }

    /// The descriptor of `file`, which is closed after the call.
    pub(crate) fn closed_at_the_end(&self, file: File) -> i32 {
        let file = self.lend(file);
        unsafe { (*file).as_raw_fd() }
    }

    pub(crate) fn store_options(&self) -> pxds_store_options {
        let mut options: pxds_store_options = unsafe { std::mem::zeroed() };
        options.struct_size = size_of::<pxds_store_options>();
        options.sync = PXDS_SYNC_NONE;
        options
    }

    pub(crate) fn store(&self) -> *mut pxds_store {
        let options = self.store_options();
        let new = |out| unsafe { pxds_store_create(self.path("store"), &options, out, null_mut()) };
        *self.store.get_or_init(|| self.make(pxds_store_free, new))
    }

    pub(crate) fn digest(&self) -> *const u8 {
        self.lend(sha256(DATA).0).cast::<u8>()
    }

    pub(crate) fn blob(&self) -> *mut c_void {
        self.bytes(&plain_blob(DATA))
    }

    pub(crate) fn blob_len(&self) -> usize {
        plain_blob(DATA).len()
    }

    /// The store, with the chunk in it.
    pub(crate) fn stored(&self) -> *mut pxds_store {
        let store = self.store();
        let (blob, len) = (self.blob(), self.blob_len());
        let status = unsafe { pxds_store_insert(store, self.digest(), blob, len, 0, null_mut(), null_mut()) };
        assert_eq!(status, PXDS_OK);
        store
    }

    pub(crate) fn codec(&self) -> *mut pxds_blob_codec {
        self.make(pxds_blob_codec_free, |out| unsafe { pxds_blob_codec_new(null(), out, null_mut()) })
    }

    /// One that cuts at every 4 bytes.
    pub(crate) fn chunker(&self) -> *mut pxds_chunker {
        self.make(pxds_chunker_free, |out| unsafe { pxds_chunker_new_fixed(4, out, null_mut()) })
    }

    pub(crate) fn buzhash(&self) -> *mut pxds_buzhash {
        self.make(pxds_buzhash_free, |out| unsafe { pxds_buzhash_new(out, null_mut()) })
    }

    pub(crate) fn iter(&self) -> *mut pxds_chunk_iter {
        let store = self.stored();
        self.make(pxds_chunk_iter_free, |out| unsafe { pxds_store_chunks(store, out, null_mut()) })
    }

    /// A writer with the chunk in it.
    pub(crate) fn writer(&self) -> *mut pxds_index_writer {
        let new = |out| unsafe { pxds_index_writer_new_dynamic(5, null(), out, null_mut()) };
        let writer = self.make(pxds_index_writer_free, new);
        let end = DATA.len() as u64;
        assert_eq!(unsafe { pxds_index_writer_add(writer, end, self.digest(), null_mut()) }, PXDS_OK);
        writer
    }

    /// The bytes of an index that has the chunk.
    pub(crate) fn index_bytes(&self) -> Vec<u8> {
        let mut writer = pxds::index::DynamicWriter::new(5, None).unwrap();
        writer.add(DATA.len() as u64, &sha256(DATA)).unwrap();
        writer.complete().unwrap().to_bytes(usize::MAX).unwrap()
    }

    /// The index of the chunk, which the store has.
    pub(crate) fn index(&self) -> *mut pxds_index {
        self.stored();
        let bytes = self.index_bytes();
        let new = |out| unsafe { pxds_index_parse(bytes.as_ptr().cast(), bytes.len(), 0, out, null_mut()) };
        self.make(pxds_index_free, new)
    }

    pub(crate) fn restorer(&self) -> *mut pxds_restorer {
        let store = self.store();
        self.make(pxds_restorer_free, |out| unsafe { pxds_restorer_new(store, null(), out, null_mut()) })
    }

    pub(crate) fn ingest_options(&self) -> pxds_ingest_options {
        let mut options: pxds_ingest_options = unsafe { std::mem::zeroed() };
        options.struct_size = size_of::<pxds_ingest_options>();
        options.progress = Some(progress);
        options
    }

    pub(crate) fn ingest(&self) -> *mut pxds_ingest {
        let options = self.ingest_options();
        self.make(pxds_ingest_free, |out| unsafe { pxds_ingest_new(self.store(), &options, out, null_mut()) })
    }

    /// An ingest that its callback has stopped.
    pub(crate) fn cancelled_ingest(&self) -> *mut pxds_ingest {
        unsafe extern "C" fn stop(_user: *mut c_void, _chunk: *const pxds_ingest_chunk) -> i32 {
            1
        }
        let mut chunker: pxds_chunker_config = unsafe { std::mem::zeroed() };
        chunker.struct_size = size_of::<pxds_chunker_config>();
        chunker.avg = 4;
        let mut options = self.ingest_options();
        options.chunker = &chunker;
        options.on_chunk = Some(stop);
        let new = |out| unsafe { pxds_ingest_new(self.store(), &options, out, null_mut()) };
        let ingest = self.make(pxds_ingest_free, new);
        let data = [0_u8; 100];
        let mut writer = null_mut();
        unsafe {
            assert_eq!(pxds_ingest_write(ingest, data.as_ptr().cast(), data.len(), null_mut()), PXDS_OK);
            assert_eq!(pxds_ingest_finish(ingest, &mut writer, null_mut()), PXDS_ERR_CANCELLED);
        }
        assert!(writer.is_null());
        ingest
    }

    // ---- what must hold ----

    /// What is wrong with `*err` and the outputs after the function has returned `status`.
    fn complaints(&self, status: pxds_status) -> Vec<String> {
        let mut complaints: Vec<_> =
            self.err.get().and_then(|slot| complaint_of_err(slot, status)).into_iter().collect();
        let wrong_size = matches!(self.mistake, Mistake::ShortStruct(_) | Mistake::GarbageStruct(_));
        for (i, output) in self.outputs.borrow().iter().enumerate() {
            let bytes = output.bytes();
            // What is NULL is not written, nor is a structure of unknown size.
            if output.is_null || (wrong_size && output.kept > 0) {
                continue;
            }
            if status < 0 || status == PXDS_NONE {
                if bytes.iter().any(|&byte| byte != 0) {
                    complaints.push(format!("output {i} is not reset"));
                }
            } else if bytes.iter().all(|&byte| byte == GARBAGE) {
                complaints.push(format!("output {i} is not written"));
            }
        }
        complaints
    }
}

fn complaint_of_err(slot: *mut *mut pxds_error, status: pxds_status) -> Option<String> {
    let error = unsafe { slot.read() };
    let complaint = if status >= 0 {
        (!error.is_null()).then(|| "*err is not NULL".to_owned())
    } else if error.is_null() {
        Some("*err is NULL".to_owned())
    } else {
        let message = unsafe { CStr::from_ptr(pxds_error_message(error)) };
        let same = unsafe { pxds_error_status(error) } == status;
        (!same || message.is_empty()).then(|| format!("*err has another status, or no message: {message:?}"))
    };
    unsafe { pxds_error_free(error) };
    complaint
}

impl Drop for Call {
    fn drop(&mut self) {
        for free in self.frees.take().into_iter().rev() {
            free();
        }
    }
}

/// Makes the call as it is, which must return `expected`, and with every mistake. Gives the number of its pointers, and
/// what was wrong.
pub(crate) fn try_every_mistake(expected: pxds_status, run: impl Fn(&Call) -> pxds_status) -> (usize, Vec<String>) {
    let mut complaints = Vec::new();
    let mut attempt = |mistake, expected: pxds_status| {
        let call = Call::new(mistake);
        let status = run(&call);
        let mut found = call.complaints(status);
        if status != expected {
            found.push(format!("returned {status} instead of {expected}"));
        }
        complaints.extend(found.into_iter().map(|complaint| format!("mistake {mistake:?}: {complaint}")));
        call.pointers.take()
    };
    let pointers = attempt(Mistake::None, expected);
    for (number, pointer) in pointers.iter().enumerate() {
        attempt(Mistake::Null(number), pointer.null_gives.unwrap_or(expected));
        if pointer.is_struct {
            attempt(Mistake::ShortStruct(number), PXDS_ERR_ARGUMENT);
            attempt(Mistake::GarbageStruct(number), PXDS_ERR_ARGUMENT);
        }
    }
    (pointers.len(), complaints)
}
