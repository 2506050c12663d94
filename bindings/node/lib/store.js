import { performance } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { Backup } from './backup.js';
import { BusyError } from './errors.js';
import { Handle } from './handle.js';
import { withKey } from './key.js';
import { call, constants, count, make, native, none, struct, takeBuffer, takeList, text } from './native.js';
import { Snapshot } from './snapshot.js';

const layouts = { hex2: constants.LAYOUT_HEX2, hex4: constants.LAYOUT_HEX4 };
const syncs = { none: constants.SYNC_NONE, file: constants.SYNC_FILE, filesystem: constants.SYNC_FILESYSTEM };
const types = ['vm', 'ct', 'host'];
const verified = [undefined, 'ok', 'failed'];
const keptBy = Object.fromEntries(Object.entries(constants)
  .filter(([name]) => name.startsWith('KEPT_BY_')).map(([name, flag]) => [name.slice(8).toLowerCase(), flag]));
const crypts = [undefined, 'none', 'encrypt', 'sign-only'];

function choose(words, word, what) {
  if (word === undefined) return 0;
  if (!Object.hasOwn(words, word)) throw new TypeError(`no such ${what}: ${word}`);
  return words[word];
}

// Milliseconds between attempts to take a lock.
const RETRY = 20;

/**
 * Gives what comes of `attempt`, which is made again while that is busy, for so many milliseconds. The library would
 * wait on one of the few threads that node:fs needs too.
 */
async function patient(lockWait, signal, attempt) {
  for (const end = performance.now() + lockWait; ;) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof BusyError) || performance.now() >= end) throw error;
    }
    await setTimeout(RETRY, undefined, { signal });
  }
}

const date = (seconds) => new Date(Number(seconds) * 1000);

function group(entry) {
  return { path: entry.path, namespace: entry.ns, type: types[entry.type], id: entry.id };
}

function snapshot(entry) {
  const has = (flag) => (entry.flags & flag) !== 0;
  return {
    ...group(entry), time: date(entry.time), protected: has(constants.SNAPSHOT_PROTECTED),
    finished: has(constants.SNAPSHOT_FINISHED), unreadable: has(constants.SNAPSHOT_UNREADABLE),
    owner: entry.owner ?? undefined, notes: entry.notes ?? undefined, size: Number(entry.size),
    fileCount: Number(entry.file_count), verified: verified[entry.verify_state],
    verifyTime: entry.verify_state ? date(entry.verify_time) : undefined, crypt: crypts[entry.crypt_mode],
  };
}

function pruneResult(entry) {
  return {
    path: entry.path, time: date(entry.time), mark: native('pxds_prune_mark_name')(entry.mark),
    keptBy: Object.keys(keptBy).filter((rule) => (entry.kept_by & keptBy[rule]) !== 0),
    error: entry.message ?? undefined,
  };
}

/** The sums of a structure as an object with numbers, under the names that JavaScript has for such. */
function sums(structure) {
  const names = Object.keys(structure).filter((name) => !['struct_size', 'reserved', 'flags'].includes(name));
  return Object.fromEntries(names.map((name) => [
    name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase()), Number(structure[name])]));
}

/** An open datastore. */
export class Store {
  #handle;
  #lockWait;

  constructor(pointer, lockWait) {
    this.#lockWait = lockWait;
    this.#handle = new Handle(pointer, 'pxds_store_free', 'store');
    this.path = native('pxds_store_path')(pointer);
  }

  static open(path, options) {
    return Store.#make('pxds_store_open', path, options);
  }

  static create(path, options) {
    return Store.#make('pxds_store_create', path, options);
  }

  static openOrCreate(path, options) {
    return Store.#make('pxds_store_open_or_create', path, options);
  }

  static async #make(name, path, options = {}) {
    const { layout, sync, shared = false, readOnly = false, storeName, lockDir, lockWait, ...rest } = options;
    none(rest);
    const wait = count(lockWait, 'lockWait');
    return new Store(await patient(wait, undefined, () => make(name, text(path), struct('pxds_store_options', {
      layout: choose(layouts, layout, 'layout'), sync: choose(syncs, sync, 'sync level'),
      flags: (shared ? constants.STORE_SHARED : 0) | (readOnly ? constants.STORE_READ_ONLY : 0),
      store_name: storeName, lock_dir: lockDir,
    }))), wait);
  }

  /** Does something with the pointer that needs a lock. After close() no attempt is made any more. */
  #locked({ signal, ...rest } = {}, work) {
    none(rest);
    return patient(this.#lockWait, signal, () => this.use(work));
  }

  async groups({ namespace, recursive = false, ...rest } = {}) {
    none(rest);
    const flags = recursive ? constants.LIST_RECURSIVE : 0;
    return takeList(await this.use((store) => make('pxds_store_groups', store, text(namespace), flags)), 'group_list',
      group);
  }

  async snapshots({ namespace, recursive = false, owners = false, manifests = false, ...rest } = {}) {
    none(rest);
    const flags = (recursive ? constants.LIST_RECURSIVE : 0) | (owners ? constants.LIST_OWNERS : 0) |
      (manifests ? constants.LIST_MANIFESTS : 0);
    return takeList(await this.use((store) => make('pxds_store_snapshots', store, text(namespace), flags)),
      'snapshot_list', snapshot);
  }

  async files(path) {
    return takeList(await this.use((store) => make('pxds_snapshot_files', store, text(path))), 'file_list',
      (entry) => ({ name: entry.name, size: Number(entry.size), plainSize: Number(entry.plain_size) }));
  }

  /** The path of the newest finished snapshot of a group; undefined if there is none. */
  async lastSnapshot(path) {
    return takeBuffer(await this.use((store) => make('pxds_group_last', store, text(path))))?.toString();
  }

  async notes(path) {
    return takeBuffer(await this.use((store) => make('pxds_snapshot_get_notes', store, text(path)))).toString();
  }

  async setNotes(path, notes, options) {
    await this.#locked(options, (store) => call('pxds_snapshot_set_notes', store, text(path), text(notes)));
  }

  async protect(path, options) {
    await this.#locked(options, (store) => call('pxds_snapshot_protect', store, text(path)));
  }

  async unprotect(path, options) {
    await this.#locked(options, (store) => call('pxds_snapshot_unprotect', store, text(path)));
  }

  async remove(path, options) {
    await this.#locked(options, (store) => call('pxds_snapshot_destroy', store, text(path)));
  }

  /** Starts a snapshot of a group. */
  async backup(path, options) {
    return this.#locked({ signal: options?.signal }, (store) => Backup.start(this, store, path, options));
  }

  /** Opens a snapshot to read its archives. */
  async openSnapshot(path, { key, allowUnsigned = false, salvage = false, ...options } = {}) {
    const flags = (allowUnsigned ? constants.OPEN_ALLOW_UNSIGNED : 0) | (salvage ? constants.OPEN_SALVAGE : 0);
    return this.#locked(options, (store) => withKey(key, async (pointer) => new Snapshot(
      await make('pxds_snapshot_open', store, text(path), pointer, flags), path)));
  }

  async prune(path, { zone, dryRun = false, signal, ...counts } = {}) {
    const options = { flags: dryRun ? constants.PRUNE_DRY_RUN : 0, zone };
    for (const [name, value] of Object.entries(counts)) {
      const rule = /^keep([A-Z][a-z]+)$/.exec(name)?.[1].toLowerCase();
      if (!(rule in keptBy)) throw new TypeError(`no such rule: ${name}`);
      options[`keep_${rule}`] = count(value, name);
    }
    // What was in use stays in the list, and is pruned once more when it may not be any more.
    const results = new Map();
    let complete;
    const busy = new BusyError('a snapshot is in use', {});
    try {
      await this.#locked({ signal }, async (store) => {
        const list = await make('pxds_group_prune', store, text(path), struct('pxds_prune_options', options));
        const pruned = takeList(list, 'prune_list', (entry) => ({ ...pruneResult(entry), status: entry.status }));
        for (const { status, ...result } of pruned) results.set(result.path, result);
        ({ complete } = pruned);
        if (pruned.some(({ status }) => status === constants.ERR_BUSY)) throw busy;
      });
    } catch (error) {
      if (error !== busy) throw error;
    }
    return Object.assign([...results.values()], { complete });
  }

  async gc({ dryRun = false, cutoffMinutes, ...locking } = {}) {
    const status = struct('pxds_gc_status');
    const options = struct('pxds_gc_options', {
      flags: dryRun ? constants.GC_DRY_RUN : 0, cutoff_minutes: count(cutoffMinutes, 'cutoffMinutes') });
    await this.#locked(locking, (store) => call('pxds_store_gc', store, options, status));
    return sums(status);
  }

  /** Checks a store, a group or a snapshot. Damage is no error: `failed` counts it. */
  async verify(path, { readOnly = false, threads, key, ...rest } = {}) {
    none(rest);
    const result = struct('pxds_verify_result');
    await this.use((store) => withKey(key, (pointer) => call('pxds_store_verify', store, text(path),
      struct('pxds_verify_options', {
        flags: readOnly ? constants.VERIFY_READ_ONLY : 0, threads: count(threads, 'threads'), key: pointer,
      }), result)));
    return { ...sums(result), complete: (result.flags & constants.RESULT_INCOMPLETE) === 0 };
  }

  /** Does something with the pointer; for the other files of this package. */
  use(work) {
    return this.#handle.use(work);
  }

  /** Ends the use of the store. What came of it goes on. */
  close() {
    return this.#handle.close();
  }
}
