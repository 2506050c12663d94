import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isDate } from 'node:util/types';
import { Handle } from './handle.js';
import { withKey } from './key.js';
import { bytesOf, call, constants, count, make, native, none, struct, text } from './native.js';

const crypts = { encrypt: constants.CRYPT_ENCRYPT, 'sign-only': constants.CRYPT_SIGN_ONLY, none: constants.CRYPT_NONE };

// The size of an image that is not known: PXDS_SIZE_UNKNOWN, which JSON.parse() rounds.
const SIZE_UNKNOWN = 0xffff_ffff_ffff_ffffn;

// What is gathered before it is stored: work for several threads.
const BATCH = 8 << 20;

/** Seconds since 1970; undefined is 0. */
function seconds(time) {
  if (time === undefined) return 0;
  if (!isDate(time)) throw new TypeError('time is not a Date');
  return count(Math.floor(time.getTime() / 1000), 'time');
}

function statsOf(stats) {
  return {
    size: Number(stats.size), chunks: Number(stats.chunks), newChunks: Number(stats.new_chunks),
    newBytes: Number(stats.new_bytes), storedBytes: Number(stats.stored_bytes),
  };
}

/** Makes a snapshot. Nothing is seen of it before finish(). */
export class Backup {
  #handle;
  #store;
  #options;

  constructor(pointer, store, options) {
    this.#handle = new Handle(pointer, 'pxds_backup_free', 'backup');
    this.#store = store;
    this.#options = options;
    this.snapshot = native('pxds_backup_snapshot')(pointer);
    this.previous = native('pxds_backup_previous')(pointer) ?? undefined;
  }

  static async start(store, pointer, group, options = {}) {
    const { time, owner, notes, key, crypt, compress = true, threads, signal: _, ...rest } = options;
    none(rest);
    if (crypt !== undefined && !Object.hasOwn(crypts, crypt)) throw new TypeError(`no such crypt mode: ${crypt}`);
    // Of chunks: with a key that only signs they are plain.
    const archives = { key: crypt === 'sign-only' ? undefined : key, compress, threads: count(threads, 'threads') };
    return withKey(key, async (secret) => new Backup(await make('pxds_backup_new', pointer, text(group),
      struct('pxds_backup_options', {
        flags: time === undefined ? 0 : constants.BACKUP_SET_TIME, time: seconds(time),
        owner, notes, key: secret, crypt_mode: crypt ? crypts[crypt] : 0,
      })), store, archives));
  }

  /** Adds content, what gives it in pieces, or the file at { path }, as the kind of archive that the name says. */
  async add(name, source, { signal, ...rest } = {}) {
    none(rest);
    if (isPlace(source)) {
      const { path, ...others } = source;
      none(others);
      signal?.throwIfAborted();
      return this.addFile(name, path);
    }
    if (typeof source !== 'string' && !ArrayBuffer.isView(source) && !isIterable(source)) {
      throw new TypeError('the source is neither content, nor a stream, nor { path }');
    }
    const bytes = typeof source === 'string' ? source : ArrayBuffer.isView(source) ? bytesOf(source) : undefined;
    const stream = this.createWriteStream(name);
    await pipeline(bytes === undefined ? source : Readable.from([bytes], { objectMode: false }), stream, { signal });
    return stream.stats;
  }

  /** A Writable for the archive: it is in the backup when the stream has finished, and not if that fails. */
  createWriteStream(name) {
    const Stream = /\.blob$/.test(name) ? BlobStream : ChunkStream;
    return new Stream((work) => this.#handle.use(work), this.#store, name, this.#options);
  }

  /** Adds a file or device. */
  async addFile(name, path) {
    if (typeof path !== 'string') throw new TypeError('the path of a file is not a string');
    const stats = struct('pxds_ingest_stats');
    const { compress, threads } = this.#options;
    const stream = struct('pxds_ingest_options', { threads, flags: compress ? 0 : constants.INGEST_NO_COMPRESS });
    const image = struct('pxds_image_options', { threads, flags: compress ? 0 : constants.IMAGE_NO_COMPRESS });
    await this.#handle.use((backup) =>
      call('pxds_backup_add_file', backup, text(name), text(path), stream, image, stats));
    return statsOf(stats);
  }

  /** Brings everything to the disk and gives the snapshot its name. */
  async finish() {
    await this.#handle.use((backup) => call('pxds_backup_finish', backup));
    return this.snapshot;
  }

  /** Ends the use of the backup; one that is not finished leaves nothing but chunks. */
  close() {
    return this.#handle.close();
  }
}

const isIterable = (source) => typeof (source?.[Symbol.asyncIterator] ?? source?.[Symbol.iterator]) === 'function';

/** Whether a source is { path }; streams of files have a path too. */
function isPlace(source) {
  return typeof source === 'object' && source !== null && 'path' in source && !isIterable(source) &&
    !ArrayBuffer.isView(source);
}

/** What both kinds of streams have: small pieces are gathered, and errors come out of the callbacks. */
class ArchiveStream extends Writable {
  constructor() {
    super({ highWaterMark: BATCH, decodeStrings: true });
  }

  /**
   * A piece that is neither text nor bytes fails the stream. A Writable would throw, in the middle of a pipe from a
   * stream of objects, where nobody can catch that: it would end the process.
   */
  write(piece, ...rest) {
    if (typeof piece === 'string') return super.write(piece, ...rest);
    if (ArrayBuffer.isView(piece)) return super.write(bytesOf(piece), ...rest);
    const error = new TypeError(`a piece of the content is neither a string nor bytes, but ${
      piece === null ? 'null' : typeof piece}`);
    const done = rest.find((each) => typeof each === 'function');
    if (done) process.nextTick(done, error);
    this.destroy(error);
    return false;
  }

  _write(chunk, _, done) {
    this.take(chunk).then(() => done(), done);
  }

  _writev(chunks, done) {
    this.take(Buffer.concat(chunks.map(({ chunk }) => chunk))).then(() => done(), done);
  }

  _final(done) {
    this.complete().then(() => done(), done);
  }
}

class BlobStream extends ArchiveStream {
  #parts = [];
  #use;
  #name;
  #flags;

  constructor(use, _, name, { compress }) {
    super();
    this.#use = use;
    this.#name = text(name);
    this.#flags = compress ? 0 : constants.ADD_NO_COMPRESS;
  }

  async take(data) {
    this.#parts.push(data);
  }

  async complete() {
    const data = Buffer.concat(this.#parts);
    await this.#use((backup) => call('pxds_backup_add_blob', backup, this.#name, data, data.length, this.#flags));
    this.stats = { size: data.length, chunks: 0, newChunks: 0, newBytes: 0, storedBytes: 0 };
  }
}

class ChunkStream extends ArchiveStream {
  #use;
  #name;
  #noun;
  #start;
  #handle;

  constructor(use, store, name, { key, compress, threads }) {
    super();
    this.#use = use;
    this.#name = text(name);
    const image = /\.fidx$/.test(name);
    this.#noun = image ? 'image' : 'ingest';
    const size = image ? [SIZE_UNKNOWN] : [];
    const flags = compress ? 0 : image ? constants.IMAGE_NO_COMPRESS : constants.INGEST_NO_COMPRESS;
    this.#start = () => withKey(key, (secret) => store.use((pointer) => make(`pxds_${this.#noun}_new`, pointer, ...size,
      struct(`pxds_${this.#noun}_options`, { key: secret, threads, flags }))));
  }

  async #open() {
    // The backup is asked first, so that one that is closed takes nothing.
    this.#handle ??= new Handle(await this.#use(this.#start), `pxds_${this.#noun}_free`, 'stream');
    return this.#handle;
  }

  async take(data) {
    const handle = await this.#open();
    await handle.use((pointer) => call(`pxds_${this.#noun}_write`, pointer, data, data.length));
  }

  async complete() {
    const handle = await this.#open();
    const stats = struct('pxds_ingest_stats');
    await handle.use(async (pointer) => {
      const index = new Handle(await make(`pxds_${this.#noun}_finish`, pointer), 'pxds_index_writer_free', 'index');
      try {
        await this.#use((backup) => index.use((writer) => call('pxds_backup_add_index', backup, this.#name, writer)));
        await call(`pxds_${this.#noun}_get_stats`, pointer, stats);
      } finally {
        await index.close();
      }
    });
    this.stats = statsOf(stats);
  }

  _destroy(error, done) {
    if (this.#handle) this.#handle.close().then(() => done(error), done);
    else done(error);
  }
}
