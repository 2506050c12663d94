//! Every function of the C interface with every pointer NULL: a status, no crash, and every output reset.
//!
//! A pointer that may be NULL by the header changes nothing when it is; any other is PXDS_ERR_ARGUMENT. Each function
//! is also called with structures that state a wrong size. `abi/pxds.symbols` says which functions there are, the
//! header how many pointers each takes.

#![allow(unsafe_code)]
#![allow(clippy::undocumented_unsafe_blocks, reason = "the arguments are right, or NULL, which is the point")]

#[path = "common/call.rs"]
mod call;
mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, c_char, c_void};
use std::fs::File;
use std::path::Path;
use std::ptr::{null, null_mut};

use call::{Call, DATA, try_every_mistake};
use pxds::ffi::backup::*;
use pxds::ffi::blob::*;
use pxds::ffi::buffer::*;
use pxds::ffi::cache::*;
use pxds::ffi::callback::pxds_progress;
use pxds::ffi::chunker::*;
use pxds::ffi::chunks::*;
use pxds::ffi::convert::*;
use pxds::ffi::copy::*;
use pxds::ffi::digest::*;
use pxds::ffi::error::*;
use pxds::ffi::file::*;
use pxds::ffi::files::*;
use pxds::ffi::format::*;
use pxds::ffi::gc::*;
use pxds::ffi::group::*;
use pxds::ffi::image::*;
use pxds::ffi::index::*;
use pxds::ffi::ingest::*;
use pxds::ffi::json::*;
use pxds::ffi::key::*;
use pxds::ffi::keyfile::*;
use pxds::ffi::lock::*;
use pxds::ffi::manifest::*;
use pxds::ffi::master::*;
use pxds::ffi::name::*;
use pxds::ffi::namespace::*;
use pxds::ffi::pbsconfig::*;
use pxds::ffi::prune::*;
use pxds::ffi::reader::*;
use pxds::ffi::restore::*;
use pxds::ffi::snapshot::*;
use pxds::ffi::source::*;
use pxds::ffi::stats::*;
use pxds::ffi::status::*;
use pxds::ffi::store::*;
use pxds::ffi::tree::*;
use pxds::ffi::verify::*;
use pxds::ffi::version::*;

const LEN: usize = DATA.len();

/// A function that returns a status: what it returns for right arguments, and the call.
struct Function {
    name: &'static str,
    expected: pxds_status,
    run: fn(&Call) -> pxds_status,
}

macro_rules! functions {
    ($call:ident: $($name:ident($($argument:expr),* $(,)?) = $expected:expr;)*) => {
        [$(Function {
            name: stringify!($name),
            expected: $expected,
            run: |$call: &Call| unsafe { $name($($argument),*) },
        }),*]
    };
}

/// The functions that return a status.
fn functions() -> impl IntoIterator<Item = Function> {
    functions! { c:
        pxds_error_get_digest(c.gives(PXDS_NONE, error_of_a_chunk(c)), c.out_digest()) = PXDS_OK;
        pxds_error_get_offset(c.gives(PXDS_NONE, error_of_a_chunk(c)), c.out::<u64>()) = PXDS_OK;

        pxds_file_write(c.must(c.path("new")), c.must(data(c)), LEN, c.err()) = PXDS_OK;
        pxds_digest_compute(c.must(data(c)), LEN, c.out_digest(), c.err()) = PXDS_OK;
        pxds_digest_format(c.must(c.digest()), c.out_text::<65>(), 65, c.err()) = PXDS_OK;
        pxds_digest_parse(c.must(hex(c)), c.out_digest(), c.err()) = PXDS_OK;

        pxds_backup_type_parse(c.must(c.text("ct")), c.out::<u32>(), c.err()) = PXDS_OK;
        pxds_id_check(c.must(c.text("100")), c.err()) = PXDS_OK;
        pxds_namespace_check(c.must(c.text("a/b")), c.err()) = PXDS_OK;
        pxds_archive_check(c.must(c.text("a.didx")), c.may_out::<u32>(), c.err()) = PXDS_OK;
        pxds_time_format(0, c.out_text::<21>(), 21, c.err()) = PXDS_OK;
        pxds_time_parse(c.must(c.text("2020-06-26T13:56:05Z")), c.out::<i64>(), c.err()) = PXDS_OK;
        pxds_group_format(
            c.may(c.text("a")), PXDS_TYPE_CT, c.must(c.text("100")), c.out_text::<100>(), 100, c.out::<usize>(),
            c.err(),
        ) = PXDS_OK;
        pxds_snapshot_format(
            c.may(c.text("a")), PXDS_TYPE_CT, c.must(c.text("100")), 0, c.out_text::<100>(), 100, c.out::<usize>(),
            c.err(),
        ) = PXDS_OK;
        pxds_group_parse(c.must(c.text("ns/a/ct/100")), c.out_struct(), c.err()) = PXDS_OK;
        pxds_snapshot_parse(c.must(c.text("ct/100/2020-06-26T13:56:05Z")), c.out_struct(), c.err()) = PXDS_OK;

        pxds_blob_codec_new(c.options(codec_options()), c.out_handle(pxds_blob_codec_free), c.err()) = PXDS_OK;
        pxds_blob_encode(
            c.must(c.codec()), c.must(data(c)), LEN, 0, c.must(room(c)), 100, c.out::<usize>(), c.err(),
        ) = PXDS_OK;
        pxds_blob_encode_buffer(
            c.must(c.codec()), c.must(data(c)), LEN, 0, c.out_handle(pxds_buffer_free), c.err(),
        ) = PXDS_OK;
        pxds_blob_decode(
            c.must(c.codec()), c.must(c.blob()), c.blob_len(), 0, c.may(c.digest()), c.must(room(c)), 100,
            c.out::<usize>(), c.err(),
        ) = PXDS_OK;
        pxds_blob_decode_buffer(
            c.must(c.codec()), c.must(c.blob()), c.blob_len(), 0, c.may(c.digest()), 100,
            c.out_handle(pxds_buffer_free), c.err(),
        ) = PXDS_OK;
        pxds_blob_decode_borrow(
            c.must(c.blob()), c.blob_len(), 0, c.may(c.digest()), c.out::<*const u8>(), c.out::<usize>(), c.err(),
        ) = PXDS_OK;
        pxds_blob_parse(c.must(c.blob()), c.blob_len(), c.out_struct(), c.err()) = PXDS_OK;
        pxds_blob_check_crc(c.must(c.blob()), c.blob_len(), c.err()) = PXDS_OK;
        pxds_blob_update_crc(c.must(c.blob()), c.blob_len(), c.err()) = PXDS_OK;
        pxds_blob_verify_unencrypted(
            c.must(c.codec()), c.must(c.blob()), c.blob_len(), LEN as u64, c.must(c.digest()), c.err(),
        ) = PXDS_OK;

        pxds_blob_get_header_len(
            c.must(c.bytes(&PXDS_MAGIC_COMPRESSED_BLOB)).cast(), c.out::<usize>(), c.err(),
        ) = PXDS_OK;
        pxds_blob_header_read(c.must(room(c)), 100, c.out_struct(), c.err()) = PXDS_OK;
        pxds_blob_header_write(c.input_struct(blob_header()), c.must(room(c)), 100, c.err()) = PXDS_OK;
        pxds_blob_encrypted_header_read(c.must(room(c)), 100, c.out_struct(), c.err()) = PXDS_OK;
        pxds_blob_encrypted_header_write(
            c.input_struct(encrypted_header()), c.must(room(c)), 100, c.err(),
        ) = PXDS_OK;
        pxds_index_header_read(c.must(page(c)), 4096, c.out_struct(), c.err()) = PXDS_OK;
        pxds_index_header_write(c.input_struct(index_header()), c.must(page(c)), 4096, c.err()) = PXDS_OK;

        pxds_chunker_config_init(c.out_struct(), 4096, c.err()) = PXDS_OK;
        pxds_chunker_new(c.options(chunker_config()), c.out_handle(pxds_chunker_free), c.err()) = PXDS_OK;
        pxds_chunker_new_fixed(4096, c.out_handle(pxds_chunker_free), c.err()) = PXDS_OK;
        pxds_chunker_scan(c.must(c.chunker()), c.must(data(c)), LEN, c.out::<usize>(), c.err()) = PXDS_CUT;
        pxds_chunker_reset(c.must(c.chunker()), c.err()) = PXDS_OK;
        pxds_buzhash_new(c.out_handle(pxds_buzhash_free), c.err()) = PXDS_OK;
        pxds_buzhash_init(c.must(c.buzhash()), c.must(data(c)), LEN, c.err()) = PXDS_OK;
        pxds_buzhash_update(c.must(c.buzhash()), c.must(data(c)), LEN, c.err()) = PXDS_OK;
        pxds_buzhash_get_sum(c.must(c.buzhash()), c.out::<u32>(), c.err()) = PXDS_OK;
        pxds_buzhash_reset(c.must(c.buzhash()), c.err()) = PXDS_OK;

        pxds_store_create(
            c.must(c.path("new")), c.options(c.store_options()), c.out_handle(pxds_store_free), c.err(),
        ) = PXDS_OK;
        pxds_store_convert(
            c.must(path_of_store(c)), PXDS_LAYOUT_HEX2, c.options(c.store_options()), c.options(convert_options()),
            c.may_struct(), c.err(),
        ) = PXDS_OK;
        pxds_store_open(
            c.must(path_of_store(c)), c.options(c.store_options()), c.out_handle(pxds_store_free), c.err(),
        ) = PXDS_OK;
        pxds_store_open_or_create(
            c.must(c.path("new")), c.options(c.store_options()), c.out_handle(pxds_store_free), c.err(),
        ) = PXDS_OK;
        pxds_store_get_chunk_path(
            c.must(c.store()), c.must(c.digest()), c.out_text::<4096>(), 4096, c.out::<usize>(), c.err(),
        ) = PXDS_OK;
        pxds_store_insert(
            c.must(c.store()), c.must(c.digest()), c.must(c.blob()), c.blob_len(), 0, c.may_struct(), c.err(),
        ) = PXDS_OK;
        pxds_store_insert_verified(
            c.must(c.store()), c.must(c.codec()), c.must(c.digest()), LEN as u64, c.must(c.blob()), c.blob_len(),
            c.may_struct(), c.err(),
        ) = PXDS_OK;
        pxds_store_load(
            c.must(c.stored()), c.must(c.digest()), 0, 100, c.out_handle(pxds_buffer_free), c.err(),
        ) = PXDS_OK;
        pxds_store_has(c.must(c.stored()), c.must(c.digest()), c.may_out::<u64>(), c.err()) = PXDS_OK;
        pxds_store_touch(c.must(c.stored()), c.must(c.digest()), c.err()) = PXDS_OK;
        pxds_store_mark_bad(c.must(c.stored()), c.must(c.digest()), c.may_out::<u32>(), c.err()) = PXDS_OK;
        pxds_store_sync(c.must(c.store()), c.err()) = PXDS_OK;
        pxds_store_chunks(c.must(c.store()), c.out_handle(pxds_chunk_iter_free), c.err()) = PXDS_OK;
        pxds_chunk_iter_next(c.must(c.iter()), c.out_struct(), c.err()) = PXDS_OK;
        pxds_store_lock(c.must(c.store()), PXDS_LOCK_SHARED, c.out_handle(pxds_lock_free), c.err()) = PXDS_OK;

        pxds_index_check_path(c.must(c.path("new.didx")), c.err()) = PXDS_OK;
        pxds_index_open(c.must(saved_index(c)), PXDS_INDEX_ANY, c.out_handle(pxds_index_free), c.err()) = PXDS_OK;
        pxds_index_parse(
            c.must(c.bytes(&c.index_bytes())), c.index_bytes().len(), PXDS_INDEX_ANY, c.out_handle(pxds_index_free),
            c.err(),
        ) = PXDS_OK;
        pxds_index_get_info(c.must(c.index()), c.out_struct(), c.err()) = PXDS_OK;
        pxds_index_get_chunks(
            c.must(c.index()), 0, c.out_struct(), 1, c.out::<usize>(), c.err(),
        ) = PXDS_OK;
        pxds_index_get_chunk(c.must(c.index()), 0, c.out_struct(), c.err()) = PXDS_OK;
        pxds_index_find_chunk(c.must(c.index()), 3, c.out::<u64>(), c.may_out::<u64>(), c.err()) = PXDS_OK;
        pxds_index_compute_csum(c.must(c.index()), c.out_digest(), c.may_out::<u64>(), c.err()) = PXDS_OK;
        pxds_index_check_csum(c.must(c.index()), c.err()) = PXDS_OK;
        pxds_index_writer_new_dynamic(0, c.may(c.digest()), c.out_handle(pxds_index_writer_free), c.err()) = PXDS_OK;
        pxds_index_writer_new_fixed(
            0, c.may(c.digest()), 12, 8, 0, c.out_handle(pxds_index_writer_free), c.err(),
        ) = PXDS_OK;
        pxds_index_writer_set(c.must(fixed_writer(c)), 0, c.must(c.digest()), c.err()) = PXDS_OK;
        pxds_index_writer_clone_index(c.must(fixed_writer(c)), c.must(fixed_index(c)), c.err()) = PXDS_OK;
        pxds_index_writer_add(c.must(c.writer()), 1 << 20, c.must(c.digest()), c.err()) = PXDS_OK;
        pxds_index_writer_get_info(c.must(c.writer()), c.out_struct(), c.err()) = PXDS_OK;
        pxds_index_writer_finish(c.must(c.writer()), 1 << 20, c.out_handle(pxds_buffer_free), c.err()) = PXDS_OK;
        pxds_index_writer_save(c.must(c.writer()), c.must(c.path("new.didx")), c.err()) = PXDS_OK;

        pxds_ingest_new(
            c.must(c.store()), c.options(c.ingest_options()), c.out_handle(pxds_ingest_free), c.err(),
        ) = PXDS_OK;
        pxds_ingest_write(c.must(c.ingest()), c.must(data(c)), LEN, c.err()) = PXDS_OK;
        pxds_ingest_read_fd(c.must(c.ingest()), file(c), c.err()) = PXDS_OK;
        pxds_ingest_read(c.must(c.ingest()), c.must(Some(read)), c.may(user(c)), c.err()) = PXDS_OK;
        pxds_ingest_get_stats(c.must(c.ingest()), c.out_struct(), c.err()) = PXDS_OK;
        pxds_ingest_finish(c.must(c.ingest()), c.out_handle(pxds_index_writer_free), c.err()) = PXDS_OK;
        pxds_ingest_partial(c.must(c.cancelled_ingest()), c.out_handle(pxds_index_writer_free), c.err()) = PXDS_OK;

        pxds_image_new(
            c.must(c.store()), 12, c.options(image_options()), c.out_handle(pxds_image_free), c.err(),
        ) = PXDS_OK;
        pxds_image_write(c.must(image(c)), c.must(c.bytes(b"12 bytes")), 8, c.err()) = PXDS_OK;
        pxds_image_write_at(c.must(image(c)), 8, c.must(c.bytes(b"last")), 4, c.err()) = PXDS_OK;
        pxds_image_read(c.must(image(c)), c.must(Some(read)), c.may(user(c)), c.err()) = PXDS_OK;
        pxds_image_read_fd(c.must(image_of_nothing(c)), file(c), c.err()) = PXDS_OK;
        pxds_image_reuse_bitmap(
            c.must(image(c)), c.must(fixed_index(c)), c.must(c.digest()), 32, 8, c.err(),
        ) = PXDS_OK;
        pxds_image_reuse_ranges(c.must(image(c)), c.must(fixed_index(c)), c.must(ranges(c)), 1, c.err()) = PXDS_OK;
        pxds_image_get_stats(c.must(image(c)), c.out_struct(), c.err()) = PXDS_OK;
        pxds_image_finish(
            c.must(image_of_nothing(c)), c.out_handle(pxds_index_writer_free), c.err(),
        ) = PXDS_OK;

        pxds_store_copy_chunks(
            c.must(c.store()), c.must(source(c)), c.must(c.index()), c.options(copy_options()), c.may_struct(),
            c.out_handle(pxds_index_writer_free), c.err(),
        ) = PXDS_OK;
        pxds_store_copy_chunk(
            c.must(c.store()), c.must(source(c)), c.must(c.digest()), c.may(key(c)), c.may_struct(), c.err(),
        ) = PXDS_OK;
        pxds_restorer_new(
            c.must(c.store()), c.options(restorer_options()), c.out_handle(pxds_restorer_free), c.err(),
        ) = PXDS_OK;
        pxds_source_from_store(c.must(c.store()), c.out_handle(pxds_source_free), c.err()) = PXDS_OK;
        pxds_source_new(c.input_struct(source_options()), c.out_handle(pxds_source_free), c.err()) = PXDS_OK;
        pxds_source_get(
            c.must(source(c)), c.must(c.digest()), 100, c.out_handle(pxds_buffer_free), c.err(),
        ) = PXDS_OK;
        pxds_restorer_new_from(
            c.must(source(c)), c.options(restorer_options()), c.out_handle(pxds_restorer_free), c.err(),
        ) = PXDS_OK;
        pxds_restorer_write_range_fd(
            c.must(c.restorer()), c.must(c.index()), 3, 4, file(c), c.may_out::<u64>(), c.err(),
        ) = PXDS_OK;
        pxds_restorer_write_range(
            c.must(c.restorer()), c.must(c.index()), 3, 4, c.must(Some(write)), c.may(user(c)), c.may_out::<u64>(),
            c.err(),
        ) = PXDS_OK;
        pxds_restorer_write_range_file(
            c.must(c.restorer()), c.must(c.index()), 3, 4, c.must(c.path("new")), c.may_out::<u64>(), c.err(),
        ) = PXDS_OK;
        pxds_restorer_read_range(
            c.must(c.restorer()), c.must(c.index()), 3, c.must(room(c)), 4, c.may_out::<usize>(), c.err(),
        ) = PXDS_OK;
        pxds_cache_new(1000, c.out_handle(pxds_cache_free), c.err()) = PXDS_OK;
        pxds_reader_new(
            c.must(c.store()), c.must(c.index()), c.options(reader_options(c)), c.out_handle(pxds_reader_free), c.err(),
        ) = PXDS_OK;
        pxds_reader_new_from(
            c.must(source(c)), c.must(c.index()), c.options(reader_options(c)), c.out_handle(pxds_reader_free), c.err(),
        ) = PXDS_OK;
        pxds_reader_read_at(
            c.must(reader(c)), 3, c.must(room(c)), 4, c.out::<usize>(), c.err(),
        ) = PXDS_OK;
        pxds_reader_get_extent(c.must(reader(c)), 3, 100, c.out::<u64>(), c.out::<u32>(), c.err()) = PXDS_OK;
        pxds_restorer_write_fd(
            c.must(c.restorer()), c.must(c.index()), file(c), c.may_out::<u64>(), c.err(),
        ) = PXDS_OK;
        pxds_restorer_write(
            c.must(c.restorer()), c.must(c.index()), c.must(Some(write)), c.may(user(c)), c.may_out::<u64>(), c.err(),
        ) = PXDS_OK;
        pxds_restorer_write_file(
            c.must(c.restorer()), c.must(c.index()), c.must(c.path("new")), c.may_out::<u64>(), c.err(),
        ) = PXDS_OK;

        pxds_json_canonical(c.must(c.bytes(b"[1]")), 3, 100, c.out_handle(pxds_buffer_free), c.err()) = PXDS_OK;
        pxds_manifest_new(
            PXDS_TYPE_CT, c.must(c.text("100")), 0, c.out_handle(pxds_manifest_free), c.err(),
        ) = PXDS_OK;
        pxds_manifest_parse(
            c.must(c.bytes(MANIFEST)), MANIFEST.len(), c.out_handle(pxds_manifest_free), c.err(),
        ) = PXDS_OK;
        pxds_manifest_format(c.must(manifest(c)), c.out_handle(pxds_buffer_free), c.err()) = PXDS_OK;
        pxds_manifest_format_canonical(c.must(manifest(c)), c.out_handle(pxds_buffer_free), c.err()) = PXDS_OK;
        pxds_manifest_get_info(c.must(manifest(c)), c.out_struct(), c.err()) = PXDS_OK;
        pxds_manifest_get_file(c.must(manifest(c)), 0, c.out_struct(), c.err()) = PXDS_OK;
        pxds_manifest_find_file(c.must(manifest(c)), c.must(c.text("a.blob")), c.out_struct(), c.err()) = PXDS_OK;
        pxds_manifest_add_file(c.must(manifest(c)), c.input_struct(new_file(c)), c.err()) = PXDS_OK;
        pxds_manifest_verify_file(
            c.must(manifest(c)), c.must(c.text("a.blob")), c.must(c.bytes(&[0; 32])).cast(), 5, c.err(),
        ) = PXDS_OK;
        pxds_manifest_get_notes(c.must(manifest(c)), c.out_handle(pxds_buffer_free), c.err()) = PXDS_OK;
        pxds_manifest_set_notes(c.must(manifest(c)), c.may(c.text("x")), c.err()) = PXDS_OK;
        pxds_manifest_get_unprotected(
            c.must(manifest(c)), c.must(c.text("notes")), c.out_handle(pxds_buffer_free), c.err(),
        ) = PXDS_OK;
        pxds_manifest_set_unprotected(
            c.must(manifest(c)), c.must(c.text("notes")), c.must(c.bytes(b"[1]")), 3, c.err(),
        ) = PXDS_OK;

        pxds_key_new(c.must(c.digest()), c.out_handle(pxds_key_free), c.err()) = PXDS_OK;
        pxds_key_random(c.out_handle(pxds_key_free), c.err()) = PXDS_OK;
        pxds_key_tolerant(
            c.must(key(c)), PXDS_CODEC_SHORT_IV | PXDS_CODEC_LONG_HEADER, c.out_handle(pxds_key_free),
            c.err(),
        ) = PXDS_OK;
        pxds_key_get_fingerprint(c.must(key(c)), c.out_digest(), c.err()) = PXDS_OK;
        pxds_key_digest(c.must(key(c)), c.must(data(c)), LEN, c.out_digest(), c.err()) = PXDS_OK;
        pxds_fingerprint_format(c.must(c.digest()), 0, c.out_text::<96>(), 96, c.err()) = PXDS_OK;
        pxds_fingerprint_parse(c.must(hex(c)), c.out_digest(), c.err()) = PXDS_OK;
        pxds_keyfile_new(
            c.must(key(c)), c.must(data(c)), LEN, c.options(keyfile_options(c)), c.out_handle(pxds_keyfile_free),
            c.err(),
        ) = PXDS_OK;
        pxds_keyfile_load(c.must(saved_keyfile(c)), c.out_handle(pxds_keyfile_free), c.err()) = PXDS_OK;
        pxds_keyfile_parse(
            c.must(c.bytes(KEYFILE)), KEYFILE.len(), c.out_handle(pxds_keyfile_free), c.err(),
        ) = PXDS_OK;
        pxds_keyfile_get_info(c.must(keyfile(c)), c.out_struct(), c.err()) = PXDS_OK;
        pxds_keyfile_unlock(
            c.must(keyfile(c)), c.must(data(c)), LEN, c.out_handle(pxds_key_free), c.err(),
        ) = PXDS_OK;
        pxds_keyfile_format(c.must(keyfile(c)), c.out_handle(pxds_buffer_free), c.err()) = PXDS_OK;
        pxds_keyfile_save(c.must(keyfile(c)), c.must(c.path("key")), 0, c.err()) = PXDS_OK;
        pxds_master_seal(
            c.must(key(c)), c.may(c.lend(TIME)), c.must(c.bytes(&of_master("public.pem"))),
            of_master("public.pem").len(),
            c.out_handle(pxds_buffer_free), c.err(),
        ) = WITH_RSA;
        pxds_master_recover(
            c.must(c.bytes(&of_master("sealed"))), of_master("sealed").len(),
            c.must(c.bytes(&of_master("private.pem"))),
            of_master("private.pem").len(), c.must(data(c)), LEN,
            c.out_handle(pxds_keyfile_free), c.err(),
        ) = WITH_RSA;
        pxds_manifest_get_signature(c.must(signed_manifest(c)), c.out_handle(pxds_buffer_free), c.err()) = PXDS_OK;
        pxds_manifest_sign(c.must(manifest(c)), c.must(key(c)), c.err()) = PXDS_OK;
        pxds_manifest_verify(c.must(manifest(c)), c.must(key(c)), c.out::<u32>(), c.err()) = PXDS_OK;
        pxds_manifest_check_fingerprint(c.must(manifest(c)), c.may(key(c)), c.err()) = PXDS_OK;

        pxds_store_namespaces(
            c.must(snapshots(c)), c.may(c.text("")), 0, c.out_handle(pxds_namespace_list_free), c.err(),
        ) = PXDS_OK;
        pxds_store_groups(
            c.must(snapshots(c)), c.may(c.text("")), 0, c.out_handle(pxds_group_list_free), c.err(),
        ) = PXDS_OK;
        pxds_group_list_get(c.must(group_list(c)), 0, c.out_struct(), c.err()) = PXDS_OK;
        pxds_store_snapshots(
            c.must(snapshots(c)), c.may(c.text("")), 0, c.out_handle(pxds_snapshot_list_free), c.err(),
        ) = PXDS_OK;
        pxds_group_snapshots(
            c.must(snapshots(c)), c.must(c.text(GROUP)), 0, c.out_handle(pxds_snapshot_list_free), c.err(),
        ) = PXDS_OK;
        pxds_group_last(
            c.must(snapshots(c)), c.must(c.text(GROUP)), c.out_handle(pxds_buffer_free), c.err(),
        ) = PXDS_OK;
        pxds_snapshot_list_get(c.must(snapshot_list(c)), 0, c.out_struct(), c.err()) = PXDS_OK;
        pxds_snapshot_files(
            c.must(snapshots(c)), c.must(c.text(SNAPSHOT)), c.out_handle(pxds_file_list_free), c.err(),
        ) = PXDS_OK;
        pxds_file_list_get(c.must(file_list(c)), 0, c.out_struct(), c.err()) = PXDS_OK;

        pxds_store_get_full_path(
            c.must(snapshots(c)), c.must(c.text(GROUP)), c.out_text::<4096>(), 4096, c.out::<usize>(), c.err(),
        ) = PXDS_OK;
        pxds_namespace_create(c.must(c.store()), c.must(c.text("a/b")), c.err()) = PXDS_OK;
        pxds_namespace_remove(c.must(with_namespace(c)), c.must(c.text("a/b")), c.err()) = PXDS_OK;
        pxds_group_create(c.must(c.store()), c.must(c.text(GROUP)), c.may(c.text("me@pbs")), c.err()) = PXDS_OK;
        pxds_group_get_owner(
            c.must(snapshots(c)), c.must(c.text(GROUP)), c.out_handle(pxds_buffer_free), c.err(),
        ) = PXDS_OK;
        pxds_group_set_owner(
            c.must(snapshots(c)), c.must(c.text(GROUP)), c.must(c.text("me@pbs")), c.err(),
        ) = PXDS_OK;
        pxds_group_get_notes(
            c.must(snapshots(c)), c.must(c.text(GROUP)), c.out_handle(pxds_buffer_free), c.err(),
        ) = PXDS_OK;
        pxds_group_set_notes(c.must(snapshots(c)), c.must(c.text(GROUP)), c.may(c.text("x")), c.err()) = PXDS_OK;
        pxds_group_destroy(
            c.must(snapshots(c)), c.must(c.text(GROUP)), c.options(destroy_options()), c.may_struct(), c.err(),
        ) = PXDS_OK;
        pxds_prune_mark(
            c.must(c.lend(PRUNE_ROW)), 1, c.options(prune_options(c)), c.out::<u32>(), c.err(),
        ) = PXDS_OK;
        pxds_group_prune(
            c.must(snapshots(c)), c.must(c.text(GROUP)), c.options(prune_options(c)),
            c.out_handle(pxds_prune_list_free), c.err(),
        ) = PXDS_OK;
        pxds_prune_list_get(c.must(prune_list(c)), 0, c.out_struct(), c.err()) = PXDS_OK;
        pxds_stats_collect(
            c.must(snapshots(c)), c.options(stats_options()), c.out_handle(pxds_stats_free), c.err(),
        ) = PXDS_OK;
        pxds_stats_get_total(c.must(stats(c)), c.out_struct(), c.err()) = PXDS_OK;
        pxds_stats_get_group(c.must(stats(c)), 0, c.out_struct(), c.err()) = PXDS_OK;
        pxds_stats_get_snapshot(c.must(stats(c)), 0, c.out_struct(), c.err()) = PXDS_OK;
        pxds_stats_get_shared(c.must(stats(c)), 0, 0, c.out::<u64>(), c.err()) = PXDS_OK;
        pxds_store_verify(
            c.must(snapshots(c)), c.may(c.text(GROUP)), c.options(verify_options()), c.may_struct(), c.err(),
        ) = PXDS_OK;
        pxds_store_gc(
            c.must(snapshots(c)), c.options(gc_options()), c.may_struct(), c.err(),
        ) = PXDS_OK;
        pxds_store_get_gc_status(c.must(collected(c)), c.out_struct(), c.err()) = PXDS_OK;
        pxds_pbs_config_read(
            c.must(pbs_config(c)), c.must(c.path("store")), c.out_text::<256>(), 256,
            c.options(c.store_options()).cast_mut(), c.options(gc_options()).cast_mut(),
            c.options(verify_options()).cast_mut(), c.err(),
        ) = PXDS_OK;
        pxds_group_lock(
            c.must(snapshots(c)), c.must(c.text(GROUP)), c.out_handle(pxds_lock_free), c.err(),
        ) = PXDS_OK;

        pxds_snapshot_lock(
            c.must(snapshots(c)), c.must(c.text(SNAPSHOT)), PXDS_LOCK_SHARED, c.out_handle(pxds_lock_free), c.err(),
        ) = PXDS_OK;
        pxds_snapshot_get_info(c.must(snapshots(c)), c.must(c.text(SNAPSHOT)), c.out_struct(), c.err()) = PXDS_OK;
        pxds_snapshot_create(
            c.must(c.store()), c.must(c.text(SNAPSHOT)), c.may(c.text("me@pbs")), c.out_handle(pxds_lock_free), c.err(),
        ) = PXDS_OK;
        pxds_snapshot_protect(c.must(snapshots(c)), c.must(c.text(SNAPSHOT)), c.err()) = PXDS_OK;
        pxds_snapshot_unprotect(c.must(snapshots(c)), c.must(c.text(SNAPSHOT)), c.err()) = PXDS_OK;
        pxds_snapshot_destroy(c.must(snapshots(c)), c.must(c.text(SNAPSHOT)), c.err()) = PXDS_OK;
        pxds_manifest_load(
            c.must(snapshots(c)), c.must(c.text(SNAPSHOT)), c.out_handle(pxds_manifest_free), c.err(),
        ) = PXDS_OK;
        pxds_manifest_save(
            c.must(snapshots(c)), c.must(c.text(SNAPSHOT)), c.must(manifest_of(c)), c.err(),
        ) = PXDS_OK;
        pxds_snapshot_get_notes(
            c.must(snapshots(c)), c.must(c.text(SNAPSHOT)), c.out_handle(pxds_buffer_free), c.err(),
        ) = PXDS_OK;
        pxds_snapshot_set_notes(c.must(snapshots(c)), c.must(c.text(SNAPSHOT)), c.may(c.text("x")), c.err()) = PXDS_OK;
        pxds_snapshot_set_unprotected(
            c.must(snapshots(c)), c.must(c.text(SNAPSHOT)), c.must(c.text("x")), c.may(c.text("1")), c.err(),
        ) = PXDS_OK;
        pxds_snapshot_open(
            c.must(snapshots(c)), c.must(c.text(SNAPSHOT)), c.may(key(c)), PXDS_OPEN_ALLOW_UNSIGNED,
            c.out_handle(pxds_snapshot_free), c.err(),
        ) = PXDS_OK;
        pxds_snapshot_open_reader(
            c.must(snapshot(c)), c.must(c.text("a.didx")), c.options(reader_options(c)),
            c.out_handle(pxds_reader_free), c.err(),
        ) = PXDS_OK;
        pxds_snapshot_restore_file(
            c.must(snapshot(c)), c.must(c.text("a.didx")), c.must(c.path("new")), c.options(restorer_options()),
            c.err(),
        ) = PXDS_OK;
        pxds_snapshot_open_index(
            c.must(snapshot(c)), c.must(c.text("a.didx")), c.out_handle(pxds_index_free), c.err(),
        ) = PXDS_OK;
        pxds_snapshot_read_blob(
            c.must(snapshot(c)), c.must(c.text("b.blob")), 100, c.out_handle(pxds_buffer_free), c.err(),
        ) = PXDS_OK;
        pxds_snapshot_get_manifest(c.must(snapshot(c)), c.out_handle(pxds_manifest_free), c.err()) = PXDS_OK;

        pxds_backup_new(
            c.must(c.store()), c.must(c.text(GROUP)), c.options(backup_options()), c.out_handle(pxds_backup_free),
            c.err(),
        ) = PXDS_OK;
        pxds_backup_add_index(
            c.must(backup(c)), c.must(c.text("a.didx")), c.must(ingested(c)), c.err(),
        ) = PXDS_OK;
        pxds_backup_add_blob(
            c.must(backup(c)), c.must(c.text("a.blob")), c.must(data(c)), LEN, 0, c.err(),
        ) = PXDS_OK;
        pxds_backup_add_sealed_key(
            c.must(signed_backup(c)), c.must(c.bytes(&of_master("sealed"))), of_master("sealed").len(), c.err(),
        ) = PXDS_OK;
        pxds_backup_add_file(
            c.must(backup(c)), c.must(c.text("a.didx")), c.must(data_file(c)), c.options(c.ingest_options()),
            c.options(image_options()), c.may_struct(), c.err(),
        ) = PXDS_OK;
        pxds_backup_add_stream(
            c.must(backup(c)), c.must(c.text("a.blob")), c.must(Some(read)), c.may(user(c)),
            c.options(c.ingest_options()), c.options(image_options()), c.may_struct(), c.err(),
        ) = PXDS_OK;
        pxds_backup_add_fd(
            c.must(backup(c)), c.must(c.text("a.blob")), file(c), c.options(c.ingest_options()),
            c.options(image_options()), c.may_struct(), c.err(),
        ) = PXDS_OK;
        pxds_backup_finish(c.must(backup_with_a_blob(c)), c.err()) = PXDS_OK;
    }
}

// ---- arguments that are right ----

fn data(c: &Call) -> *mut c_void {
    c.bytes(DATA)
}

fn room(c: &Call) -> *mut c_void {
    c.bytes(&[0; 100])
}

fn page(c: &Call) -> *mut c_void {
    c.bytes(&[0; 4096])
}

fn blob_header() -> pxds_blob_header {
    pxds_blob_header { struct_size: size_of::<pxds_blob_header>(), ..unsafe { std::mem::zeroed() } }
}

fn encrypted_header() -> pxds_blob_encrypted_header {
    pxds_blob_encrypted_header { struct_size: size_of::<pxds_blob_encrypted_header>(), ..unsafe { std::mem::zeroed() } }
}

fn index_header() -> pxds_index_header {
    pxds_index_header { struct_size: size_of::<pxds_index_header>(), ..unsafe { std::mem::zeroed() } }
}

fn fixed_writer(c: &Call) -> *mut pxds_index_writer {
    c.make(pxds_index_writer_free, |out| unsafe {
        pxds_index_writer_new_fixed(0, null(), 12, 8, PXDS_WRITER_ALLOW_INCOMPLETE, out, null_mut())
    })
}

fn fixed_index(c: &Call) -> *mut pxds_index {
    let (writer, mut buffer) = (fixed_writer(c), null_mut());
    unsafe {
        assert_eq!(pxds_index_writer_finish(writer, 1 << 20, &mut buffer, null_mut()), PXDS_OK);
        let (data, len) = (pxds_buffer_data(buffer).cast(), pxds_buffer_len(buffer));
        let index = c.make(pxds_index_free, |out| pxds_index_parse(data, len, PXDS_INDEX_FIXED, out, null_mut()));
        pxds_buffer_free(buffer);
        index
    }
}

fn image_options() -> pxds_image_options {
    let struct_size = size_of::<pxds_image_options>();
    pxds_image_options { struct_size, chunk_size: 8, progress: Some(progress), ..unsafe { std::mem::zeroed() } }
}

/// An image of 12 bytes in chunks of 8.
fn image(c: &Call) -> *mut pxds_image {
    image_of(c, 12)
}

fn image_of_nothing(c: &Call) -> *mut pxds_image {
    image_of(c, 0)
}

fn image_of(c: &Call, size: u64) -> *mut pxds_image {
    let (store, options) = (c.store(), image_options());
    c.make(pxds_image_free, |out| unsafe { pxds_image_new(store, size, &options, out, null_mut()) })
}

fn ranges(c: &Call) -> *const pxds_image_range {
    c.lend(pxds_image_range { offset: 3, length: 5 })
}

fn key(c: &Call) -> *mut pxds_key {
    c.make(pxds_key_free, |out| unsafe { pxds_key_random(out, null_mut()) })
}

fn signed_manifest(c: &Call) -> *mut pxds_manifest {
    let manifest = manifest(c);
    assert_eq!(unsafe { pxds_manifest_sign(manifest, key(c), null_mut()) }, PXDS_OK);
    manifest
}

/// The key of 32 zeros, in the clear.
const KEYFILE: &[u8] = br#"{"kdf":null,"created":"2020-06-26T13:56:05Z","modified":"2020-06-26T13:56:05Z",
    "data":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}"#;

/// A master key and what it has sealed, of openssl(1).
fn of_master(name: &str) -> Vec<u8> {
    common::vector_bytes(&format!("master/{name}"))
}

const WITH_RSA: pxds_status = if cfg!(feature = "master-key") { PXDS_OK } else { PXDS_ERR_UNSUPPORTED };

/// Quick ones.
fn keyfile_options(_: &Call) -> pxds_keyfile_options {
    let struct_size = size_of::<pxds_keyfile_options>();
    pxds_keyfile_options { struct_size, kdf: PXDS_KDF_NONE, ..unsafe { std::mem::zeroed() } }
}

fn keyfile(c: &Call) -> *mut pxds_keyfile {
    c.make(pxds_keyfile_free, |out| unsafe {
        pxds_keyfile_parse(KEYFILE.as_ptr().cast(), KEYFILE.len(), out, null_mut())
    })
}

fn saved_keyfile(c: &Call) -> *const c_char {
    let path = c.path("saved");
    assert_eq!(unsafe { pxds_keyfile_save(keyfile(c), path, 0, null_mut()) }, PXDS_OK);
    path
}

const GROUP: &str = "host/x";
const SNAPSHOT: &str = "host/x/2020-06-26T13:56:05Z";
const TIME: i64 = 1_593_179_765;

fn backup_options() -> pxds_backup_options {
    pxds_backup_options { struct_size: size_of::<pxds_backup_options>(), ..unsafe { std::mem::zeroed() } }
}

fn backup(c: &Call) -> *mut pxds_backup {
    let options = pxds_backup_options { flags: PXDS_BACKUP_SET_TIME, time: TIME, ..backup_options() };
    let (store, group) = (c.store(), c.text(GROUP));
    c.make(pxds_backup_free, |out| unsafe { pxds_backup_new(store, group, &options, out, null_mut()) })
}

fn signed_backup(c: &Call) -> *mut pxds_backup {
    let options = pxds_backup_options { key: key(c), crypt_mode: PXDS_CRYPT_SIGN_ONLY, ..backup_options() };
    let (store, group) = (c.store(), c.text(GROUP));
    c.make(pxds_backup_free, |out| unsafe { pxds_backup_new(store, group, &options, out, null_mut()) })
}

fn backup_with_a_blob(c: &Call) -> *mut pxds_backup {
    let backup = backup(c);
    let status = unsafe { pxds_backup_add_blob(backup, c.text("b.blob"), data(c), LEN, 0, null_mut()) };
    assert_eq!(status, PXDS_OK);
    backup
}

/// The index of an ingested stream of one chunk.
fn ingested(c: &Call) -> *mut pxds_index_writer {
    let ingest = c.ingest();
    assert_eq!(unsafe { pxds_ingest_write(ingest, data(c), LEN, null_mut()) }, PXDS_OK);
    c.make(pxds_index_writer_free, |out| unsafe { pxds_ingest_finish(ingest, out, null_mut()) })
}

/// A store with one finished snapshot: `a.didx` and `b.blob`.
fn snapshots(c: &Call) -> *mut pxds_store {
    let backup = backup_with_a_blob(c);
    unsafe {
        assert_eq!(pxds_backup_add_index(backup, c.text("a.didx"), ingested(c), null_mut()), PXDS_OK);
        assert_eq!(pxds_backup_finish(backup, null_mut()), PXDS_OK);
    }
    c.store()
}

/// A store with the namespace `a/b`.
fn with_namespace(c: &Call) -> *mut pxds_store {
    assert_eq!(unsafe { pxds_namespace_create(c.store(), c.text("a/b"), null_mut()) }, PXDS_OK);
    c.store()
}

fn manifest_of(c: &Call) -> *mut pxds_manifest {
    let id = c.text("x");
    c.make(pxds_manifest_free, |out| unsafe { pxds_manifest_new(PXDS_TYPE_HOST, id, TIME, out, null_mut()) })
}

fn snapshot(c: &Call) -> *mut pxds_snapshot {
    let (store, path) = (snapshots(c), c.text(SNAPSHOT));
    c.make(pxds_snapshot_free, |out| unsafe { pxds_snapshot_open(store, path, null(), 0, out, null_mut()) })
}

fn group_list(c: &Call) -> *mut pxds_group_list {
    let store = snapshots(c);
    c.make(pxds_group_list_free, |out| unsafe { pxds_store_groups(store, null(), 0, out, null_mut()) })
}

fn snapshot_list(c: &Call) -> *mut pxds_snapshot_list {
    let store = snapshots(c);
    c.make(pxds_snapshot_list_free, |out| unsafe { pxds_store_snapshots(store, null(), 0, out, null_mut()) })
}

const PRUNE_ROW: pxds_prune_row = pxds_prune_row { time: TIME, flags: PXDS_SNAPSHOT_FINISHED, verify_state: 0 };

fn prune_options(c: &Call) -> pxds_prune_options {
    let zone = c.text("Europe/Vienna");
    let struct_size = size_of::<pxds_prune_options>();
    pxds_prune_options { struct_size, keep_last: 1, zone, ..unsafe { std::mem::zeroed() } }
}

fn gc_options() -> pxds_gc_options {
    let struct_size = size_of::<pxds_gc_options>();
    pxds_gc_options { struct_size, remembered: 1, progress: Some(progress), ..unsafe { std::mem::zeroed() } }
}

/// A configuration of Proxmox Backup Server that knows the store.
fn pbs_config(c: &Call) -> *const c_char {
    let store = c.store();
    let path = unsafe { CStr::from_ptr(pxds_store_path(store)) }.to_str().unwrap();
    let config = c.path("datastore.cfg");
    let file = unsafe { CStr::from_ptr(config) }.to_str().unwrap();
    std::fs::write(file, format!("datastore: s1\n\tpath {path}\n")).unwrap();
    config
}

/// A store in which garbage has been collected.
fn collected(c: &Call) -> *mut pxds_store {
    let store = c.store();
    assert_eq!(unsafe { pxds_store_gc(store, null(), null_mut(), null_mut()) }, PXDS_OK);
    store
}

fn prune_list(c: &Call) -> *mut pxds_prune_list {
    let (store, group) = (snapshots(c), c.text(GROUP));
    c.make(pxds_prune_list_free, |out| unsafe { pxds_group_prune(store, group, null(), out, null_mut()) })
}

fn stats(c: &Call) -> *mut pxds_stats {
    let store = snapshots(c);
    c.make(pxds_stats_free, |out| unsafe { pxds_stats_collect(store, null(), out, null_mut()) })
}

fn convert_options() -> pxds_convert_options {
    let struct_size = size_of::<pxds_convert_options>();
    pxds_convert_options { struct_size, progress: Some(progress), ..unsafe { std::mem::zeroed() } }
}

fn destroy_options() -> pxds_destroy_options {
    let struct_size = size_of::<pxds_destroy_options>();
    pxds_destroy_options { struct_size, progress: Some(progress), ..unsafe { std::mem::zeroed() } }
}

fn stats_options() -> pxds_stats_options {
    let (struct_size, flags) = (size_of::<pxds_stats_options>(), PXDS_STATS_EXACT);
    pxds_stats_options { struct_size, flags, progress: Some(progress), ..unsafe { std::mem::zeroed() } }
}

fn verify_options() -> pxds_verify_options {
    let struct_size = size_of::<pxds_verify_options>();
    pxds_verify_options { struct_size, progress: Some(progress), ..unsafe { std::mem::zeroed() } }
}

fn file_list(c: &Call) -> *mut pxds_file_list {
    let (store, path) = (snapshots(c), c.text(SNAPSHOT));
    c.make(pxds_file_list_free, |out| unsafe { pxds_snapshot_files(store, path, out, null_mut()) })
}

/// A manifest with one file of 5 bytes and a csum of zeros.
const MANIFEST: &[u8] = br#"{"backup-type":"ct","backup-id":"100","backup-time":0,"unprotected":{"notes":"x"},"files":[
    {"filename":"a.blob","size":5,"csum":"0000000000000000000000000000000000000000000000000000000000000000"}]}"#;

fn manifest(c: &Call) -> *mut pxds_manifest {
    c.make(pxds_manifest_free, |out| unsafe {
        pxds_manifest_parse(MANIFEST.as_ptr().cast(), MANIFEST.len(), out, null_mut())
    })
}

fn new_file(c: &Call) -> pxds_manifest_file {
    let mut file: pxds_manifest_file = unsafe { std::mem::zeroed() };
    file.struct_size = size_of::<pxds_manifest_file>();
    file.filename = c.text("b.blob");
    file
}

fn user(c: &Call) -> *mut c_void {
    c.bytes(b"user")
}

fn hex(c: &Call) -> *const c_char {
    c.bytes(&[&[b'a'; 64][..], b"\0"].concat()).cast_const().cast()
}

fn path_of_store(c: &Call) -> *const c_char {
    unsafe { pxds_store_path(c.store()) }
}

fn saved_index(c: &Call) -> *const c_char {
    let path = c.path("saved.didx");
    assert_eq!(unsafe { pxds_index_writer_save(c.writer(), path, null_mut()) }, PXDS_OK);
    path
}

fn data_file(c: &Call) -> *const c_char {
    let path = c.path("data");
    assert_eq!(unsafe { pxds_file_write(path, data(c), LEN, null_mut()) }, PXDS_OK);
    path
}

/// A descriptor of a new file, closed after the call.
fn file(c: &Call) -> i32 {
    let path = unsafe { CStr::from_ptr(c.path("file")) }.to_str().unwrap();
    let file = File::options().read(true).write(true).create(true).truncate(true).open(path).unwrap();
    c.closed_at_the_end(file)
}

/// An error with a digest and an offset.
fn error_of_a_chunk(c: &Call) -> *const pxds_error {
    let (writer, mut error) = (c.writer(), null_mut());
    // Not behind the end of the chunk that the writer has.
    assert_eq!(unsafe { pxds_index_writer_add(writer, 1, c.digest(), &mut error) }, PXDS_ERR_ARGUMENT);
    c.make(pxds_error_free, |out| {
        unsafe { out.write(error) };
        PXDS_OK
    })
}

fn codec_options() -> pxds_blob_codec_options {
    pxds_blob_codec_options { struct_size: size_of::<pxds_blob_codec_options>(), ..unsafe { std::mem::zeroed() } }
}

fn copy_options() -> pxds_copy_options {
    let struct_size = size_of::<pxds_copy_options>();
    pxds_copy_options { struct_size, progress: Some(progress), ..unsafe { std::mem::zeroed() } }
}

fn restorer_options() -> pxds_restorer_options {
    let struct_size = size_of::<pxds_restorer_options>();
    pxds_restorer_options { struct_size, progress: Some(progress), ..unsafe { std::mem::zeroed() } }
}

fn source_options() -> pxds_source_options {
    pxds_source_options {
        struct_size: size_of::<pxds_source_options>(),
        get: Some(get),
        ..unsafe { std::mem::zeroed() }
    }
}

fn reader_options(c: &Call) -> pxds_reader_options {
    let struct_size = size_of::<pxds_reader_options>();
    pxds_reader_options { struct_size, cache: cache(c), ..unsafe { std::mem::zeroed() } }
}

fn cache(c: &Call) -> *mut pxds_cache {
    c.make(pxds_cache_free, |out| unsafe { pxds_cache_new(1000, out, null_mut()) })
}

fn reader(c: &Call) -> *mut pxds_reader {
    let (store, index) = (c.stored(), c.index());
    c.make(pxds_reader_free, |out| unsafe { pxds_reader_new(store, index, null(), out, null_mut()) })
}

fn source(c: &Call) -> *mut pxds_source {
    c.make(pxds_source_free, |out| unsafe { pxds_source_from_store(c.stored(), out, null_mut()) })
}

fn chunker_config() -> pxds_chunker_config {
    let struct_size = size_of::<pxds_chunker_config>();
    pxds_chunker_config { struct_size, avg: 4096, min: 0, max: 0, mask: 0, threshold: 0 }
}

unsafe extern "C" fn get(_: *mut c_void, _: *const u8, _: *mut u8, _: usize, _: *mut usize) -> i32 {
    PXDS_NONE
}

unsafe extern "C" fn progress(_user: *mut c_void, _progress: *const pxds_progress) -> i32 {
    0
}

unsafe extern "C" fn read(_user: *mut c_void, _data: *mut u8, _capacity: usize, data_len: *mut usize) -> i32 {
    unsafe { data_len.write(0) };
    0
}

unsafe extern "C" fn write(_user: *mut c_void, _data: *const u8, data_len: usize, taken: *mut usize) -> i32 {
    unsafe { taken.write(data_len) };
    0
}

// ---- the others ----

macro_rules! null_gives {
    ($($name:ident = $value:ident if $check:expr;)*) => {
        [$({
            let $value = unsafe { $name(null()) };
            assert!($check, stringify!($name));
            stringify!($name)
        }),*]
    };
}

/// Getters of one handle: what they give for NULL.
fn getters() -> impl IntoIterator<Item = &'static str> {
    null_gives! {
        pxds_error_status = status if status == PXDS_OK;
        pxds_error_message = message if unsafe { CStr::from_ptr(message) }.is_empty();
        pxds_error_errno = errno if errno == 0;
        pxds_error_path = path if path.is_null();
        pxds_error_callback_value = value if value == 0;
        pxds_buffer_data = data if data.is_null();
        pxds_buffer_len = len if len == 0;
        pxds_blob_magic_is_compressed = is if is == 0;
        pxds_blob_magic_is_encrypted = is if is == 0;
        pxds_store_path = path if path.is_null();
        pxds_store_layout = layout if layout == PXDS_LAYOUT_DEFAULT;
        pxds_reader_size = size if size == 0;
        pxds_namespace_list_count = count if count == 0;
        pxds_group_list_count = count if count == 0;
        pxds_snapshot_list_count = count if count == 0;
        pxds_namespace_list_is_complete = is if is == 0;
        pxds_group_list_is_complete = is if is == 0;
        pxds_snapshot_list_is_complete = is if is == 0;
        pxds_prune_list_count = count if count == 0;
        pxds_prune_list_is_complete = is if is == 0;
        pxds_stats_group_count = count if count == 0;
        pxds_stats_snapshot_count = count if count == 0;
        pxds_file_list_count = count if count == 0;
        pxds_snapshot_signature = signature if signature == PXDS_SIGNATURE_UNCHECKED;
        pxds_backup_snapshot = path if path.is_null();
        pxds_backup_previous = path if path.is_null();
    }
}

macro_rules! take_null {
    ($($name:ident),* $(,)?) => {
        [$({
            unsafe { $name(null_mut()) };
            stringify!($name)
        }),*]
    };
}

/// What frees handles takes NULL.
fn frees() -> impl IntoIterator<Item = &'static str> {
    take_null![
        pxds_error_free,
        pxds_buffer_free,
        pxds_blob_codec_free,
        pxds_chunker_free,
        pxds_buzhash_free,
        pxds_store_free,
        pxds_chunk_iter_free,
        pxds_lock_free,
        pxds_index_free,
        pxds_index_writer_free,
        pxds_ingest_free,
        pxds_image_free,
        pxds_source_free,
        pxds_restorer_free,
        pxds_manifest_free,
        pxds_cache_free,
        pxds_reader_free,
        pxds_namespace_list_free,
        pxds_group_list_free,
        pxds_snapshot_list_free,
        pxds_prune_list_free,
        pxds_stats_free,
        pxds_file_list_free,
        pxds_snapshot_free,
        pxds_backup_free,
        pxds_key_free,
        pxds_keyfile_free,
    ]
}

macro_rules! name_of_each {
    ($($name:ident),* $(,)?) => {
        [$({
            let _ = $name;
            stringify!($name)
        }),*]
    };
}

/// Getters of one thing of a list: none in a list that is NULL, and none behind the end of one.
fn list_getters() -> impl IntoIterator<Item = &'static str> {
    let c = Call::right();
    let store = snapshots(&c);
    let list =
        c.make(pxds_namespace_list_free, |out| unsafe { pxds_store_namespaces(store, null(), 0, out, null_mut()) });
    assert!(unsafe { pxds_namespace_list_get(null(), 0) }.is_null());
    assert!(unsafe { pxds_namespace_list_get(list, 0) }.is_null());
    name_of_each![pxds_namespace_list_get]
}

fn without_pointers() -> impl IntoIterator<Item = &'static str> {
    name_of_each![
        pxds_status_name,
        pxds_status_message,
        pxds_version,
        pxds_version_number,
        pxds_abi_version,
        pxds_backup_type_name,
        pxds_prune_mark_name,
        pxds_blob_encode_bound,
        pxds_dedup_factor,
    ]
}

// ---- tests ----

fn project_file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// How many parameters of each function in the header are pointers, functions among them.
fn pointers_in_the_header() -> BTreeMap<String, usize> {
    let header = project_file("include/pxds.h");
    let code: String = header.lines().filter(|line| !line.trim_start().starts_with(['/', '*', '#'])).collect();
    let mut found = BTreeMap::new();
    for prototype in code.split(';').filter(|text| text.trim_end().ends_with(')') && !text.contains("typedef")) {
        let (before, parameters) = prototype.split_once('(').unwrap();
        let name = before.rsplit([' ', '*']).next().unwrap();
        let is_pointer = |parameter: &&str| parameter.contains('*') || parameter.contains("_fn ");
        found.insert(name.to_owned(), parameters.split(',').filter(is_pointer).count());
    }
    found
}

#[test]
fn every_mistake_in_a_pointer_is_survived() {
    let in_the_header = pointers_in_the_header();
    let mut wrong = Vec::new();
    for Function { name, expected, run } in functions() {
        let (pointers, complaints) = try_every_mistake(expected, run);
        wrong.extend(complaints.into_iter().map(|complaint| format!("{name}, {complaint}")));
        assert_eq!(Some(&pointers), in_the_header.get(name), "pointers of {name}: have all been tried?");
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_function_has_been_tried() {
    let symbols = project_file("abi/pxds.symbols");
    let symbols: BTreeSet<_> = symbols.lines().map(|line| line.split(' ').next().unwrap()).collect();
    let tried: Vec<_> = functions()
        .into_iter()
        .map(|function| function.name)
        .chain(getters())
        .chain(list_getters())
        .chain(frees())
        .chain(without_pointers())
        .collect();
    let distinct: BTreeSet<_> = tried.iter().copied().collect();
    assert_eq!(tried.len(), distinct.len(), "tried twice");
    assert_eq!(distinct, symbols);
}

/// NULL with length 0 is the empty slice, wherever bytes are read.
#[test]
fn null_with_length_0_is_the_empty_slice() {
    struct Nothing(fn(&Call) -> pxds_status, pxds_status);
    let functions = [
        Nothing(|c| unsafe { pxds_digest_compute(null(), 0, c.out_digest(), null_mut()) }, PXDS_OK),
        Nothing(
            |c| unsafe {
                let out = c.out_handle(pxds_buffer_free);
                pxds_blob_encode_buffer(c.codec(), null(), 0, 0, out, null_mut())
            },
            PXDS_OK,
        ),
        Nothing(|c| unsafe { pxds_blob_check_crc(null(), 0, c.err()) }, PXDS_ERR_FORMAT),
        Nothing(|c| unsafe { pxds_blob_parse(null(), 0, c.out_struct(), c.err()) }, PXDS_ERR_FORMAT),
        Nothing(|c| unsafe { pxds_chunker_scan(c.chunker(), null(), 0, c.out(), null_mut()) }, PXDS_OK),
        Nothing(|c| unsafe { pxds_buzhash_init(c.buzhash(), null(), 0, null_mut()) }, PXDS_OK),
        Nothing(|c| unsafe { pxds_buzhash_update(c.buzhash(), null(), 0, null_mut()) }, PXDS_OK),
        Nothing(|c| unsafe { pxds_ingest_write(c.ingest(), null(), 0, null_mut()) }, PXDS_OK),
        Nothing(|c| unsafe { pxds_image_write(image(c), null(), 0, null_mut()) }, PXDS_OK),
        Nothing(|c| unsafe { pxds_image_reuse_ranges(image(c), fixed_index(c), null(), 0, null_mut()) }, PXDS_OK),
        Nothing(
            |c| unsafe { pxds_image_reuse_bitmap(image(c), fixed_index(c), null(), 0, 8, null_mut()) },
            PXDS_ERR_ARGUMENT,
        ),
        Nothing(
            |c| unsafe { pxds_store_insert(c.store(), c.digest(), null(), 0, 0, null_mut(), null_mut()) },
            PXDS_ERR_FORMAT,
        ),
        Nothing(
            |c| unsafe { pxds_index_parse(null(), 0, PXDS_INDEX_ANY, c.out_handle(pxds_index_free), null_mut()) },
            PXDS_ERR_FORMAT,
        ),
        Nothing(
            |c| unsafe { pxds_json_canonical(null(), 0, 100, c.out_handle(pxds_buffer_free), null_mut()) },
            PXDS_ERR_FORMAT,
        ),
        Nothing(
            |c| unsafe { pxds_manifest_parse(null(), 0, c.out_handle(pxds_manifest_free), null_mut()) },
            PXDS_ERR_FORMAT,
        ),
        Nothing(
            |c| unsafe { pxds_manifest_set_unprotected(manifest(c), c.text("notes"), null(), 0, null_mut()) },
            PXDS_OK,
        ),
    ];
    for (number, Nothing(run, expected)) in functions.into_iter().enumerate() {
        assert_eq!(run(&Call::right()), expected, "number {number}");
    }
}
