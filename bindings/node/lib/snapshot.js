import { Readable } from 'node:stream';
import { Handle } from './handle.js';
import { bytesOf, call, constants, count, make, native, none, struct, takeBuffer, text } from './native.js';

/** An open snapshot. */
export class Snapshot {
  #handle;

  constructor(pointer, path) {
    this.#handle = new Handle(pointer, 'pxds_snapshot_free', 'snapshot');
    this.path = path;
  }

  /** The content of a small file, NAME.blob. */
  async readBlob(name) {
    return takeBuffer(await this.#handle.use((snapshot) =>
      make('pxds_snapshot_read_blob', snapshot, text(name), constants.BLOB_MAX_SIZE)));
  }

  /** The manifest, parsed. */
  async manifest() {
    return JSON.parse((await this.readBlob('index.json.blob')).toString());
  }

  /** Opens an archive, NAME.didx or NAME.fidx, to read anywhere. */
  async openFile(name, { cacheSize, threads, skipBad = false, ...rest } = {}) {
    none(rest);
    const options = struct('pxds_reader_options', {
      cache_size: count(cacheSize, 'cacheSize'), threads: count(threads, 'threads'),
      flags: skipBad ? constants.READER_SKIP_BAD : 0 });
    return new File(await this.#handle.use((snapshot) =>
      make('pxds_snapshot_open_reader', snapshot, text(name), options)), name);
  }

  /** A Readable of an archive, from `start` to `end`, both included, as those of node:fs. */
  createReadStream(name, { start = 0, end = Infinity, highWaterMark = 4 << 20, signal, ...options } = {}) {
    const { cacheSize, threads, skipBad, ...rest } = options;
    none(rest);
    count(start, 'start');
    if (end !== Infinity) count(end, 'end');
    if (/\.blob$/.test(name)) {
      const data = async function* read(snapshot) { yield (await snapshot.readBlob(name)).subarray(start, end + 1); };
      return Readable.from(data(this), { objectMode: false, signal });
    }
    const open = () => this.openFile(name, { cacheSize, threads, skipBad });
    return new FileStream(open, { start, end, highWaterMark, signal });
  }

  /** Writes an archive to the file at `path`, which appears whole or not at all. */
  async restore(name, path, { threads, sparse = false, skipBad = false, ...rest } = {}) {
    none(rest);
    const options = struct('pxds_restorer_options', {
      threads: count(threads, 'threads'),
      flags: (sparse ? constants.RESTORER_SPARSE : 0) | (skipBad ? constants.RESTORER_SKIP_BAD : 0) });
    await this.#handle.use((snapshot) => call('pxds_snapshot_restore_file', snapshot, text(name), text(path), options));
  }

  /** Ends the use of the snapshot. Files that came of it go on. */
  close() {
    return this.#handle.close();
  }
}

/** An archive that is read anywhere, by any number of calls at once. */
export class File {
  #handle;

  constructor(pointer, name) {
    this.#handle = new Handle(pointer, 'pxds_reader_free', 'file');
    this.name = name;
    this.size = Number(native('pxds_reader_size')(pointer));
  }

  /** Fills a buffer with the bytes from `position` on, as far as there are any; gives how many. */
  async read(buffer, position = 0) {
    const got = [0];
    const bytes = bytesOf(buffer);
    await this.#handle.use((reader) =>
      call('pxds_reader_read_at', reader, count(position, 'position'), bytes, bytes.length, got));
    return Number(got[0]);
  }

  close() {
    return this.#handle.close();
  }
}

class FileStream extends Readable {
  #open;
  #file;
  #at;
  #end;

  constructor(open, { start, end, highWaterMark, signal }) {
    super({ highWaterMark, signal });
    this.#open = open;
    this.#at = start;
    this.#end = end + 1;
  }

  _construct(done) {
    this.#open().then((file) => { this.#file = file; done(); }, done);
  }

  _read(size) {
    const length = Math.max(0, Math.min(size, this.#end - this.#at, this.#file.size - this.#at));
    if (length === 0) {
      this.push(null);
      return;
    }
    const buffer = Buffer.allocUnsafeSlow(length);
    this.#file.read(buffer, this.#at).then((n) => {
      this.#at += n;
      this.push(n ? buffer.subarray(0, n) : null);
    }, (error) => this.destroy(error));
  }

  _destroy(error, done) {
    if (this.#file) this.#file.close().then(() => done(error), done);
    else done(error);
  }
}
