import type { Readable, Writable } from 'node:stream';

/** Uses the library at this path, and not the one that the system finds. Before anything else. */
export function useLibrary(path: string): void;
/** The version of the library. */
export function version(): string;

export type BackupType = 'vm' | 'ct' | 'host';
export type CryptMode = 'none' | 'encrypt' | 'sign-only';

export interface StoreOptions {
  layout?: 'hex2' | 'hex4';
  sync?: 'none' | 'file' | 'filesystem';
  shared?: boolean;
  readOnly?: boolean;
  /** The name by which a running Proxmox Backup Server knows the store. */
  storeName?: string;
  lockDir?: string;
  /**
   * Milliseconds that a lock is waited for, but for verify(), which passes over what is in use. No thread waits, but
   * for that of a manifest, which is held for moments. The `signal` of the call ends it, and close() of the store.
   */
  lockWait?: number;
}

export interface LockOptions {
  /** Ends the waiting for a lock. What has begun goes on to its end. */
  signal?: AbortSignal;
}

export interface ListOptions {
  namespace?: string;
  recursive?: boolean;
}

export interface SnapshotListOptions extends ListOptions {
  owners?: boolean;
  manifests?: boolean;
}

/** `complete` is false if something could not be seen. */
export type List<T> = T[] & { complete: boolean };

export interface Group {
  path: string;
  namespace: string;
  type: BackupType;
  id: string;
}

export interface SnapshotInfo extends Group {
  time: Date;
  protected: boolean;
  finished: boolean;
  unreadable: boolean;
  /** With `owners`. */
  owner?: string;
  /** With `manifests`, as what follows. */
  notes?: string;
  size: number;
  fileCount: number;
  verified?: 'ok' | 'failed';
  /** When the verification began. */
  verifyTime?: Date;
  crypt?: CryptMode;
}

export interface FileInfo {
  name: string;
  size: number;
  plainSize: number;
}

export interface BackupOptions extends LockOptions {
  time?: Date;
  owner?: string;
  notes?: string;
  key?: Key;
  crypt?: CryptMode;
  compress?: boolean;
  threads?: number;
}

export interface AddStats {
  size: number;
  chunks: number;
  newChunks: number;
  newBytes: number;
  storedBytes: number;
}

export interface OpenOptions extends LockOptions {
  key?: Key;
  allowUnsigned?: boolean;
  salvage?: boolean;
}

export interface FileOptions {
  cacheSize?: number;
  threads?: number;
  skipBad?: boolean;
}

export interface ReadStreamOptions extends FileOptions {
  start?: number;
  /** Included. */
  end?: number;
  highWaterMark?: number;
  signal?: AbortSignal;
}

export interface RestoreOptions {
  threads?: number;
  sparse?: boolean;
  skipBad?: boolean;
}

export interface PruneOptions extends LockOptions {
  keepLast?: number;
  keepHourly?: number;
  keepDaily?: number;
  keepWeekly?: number;
  keepMonthly?: number;
  keepYearly?: number;
  /** The newest so many whose last verification went well. */
  keepGood?: number;
  /** Seconds: those that are younger. */
  keepWithin?: number;
  zone?: string;
  dryRun?: boolean;
}

export interface PruneResult {
  path: string;
  time: Date;
  mark: string;
  /** 'last', 'hourly' and so on; none if everything is kept. */
  keptBy: string[];
  error?: string;
}

export interface GCOptions extends LockOptions {
  dryRun?: boolean;
  cutoffMinutes?: number;
}

/** The fields of pxds_gc_status. */
export type GCStatus = Record<
  'indexFileCount' | 'indexDataBytes' | 'storedBytes' | 'storedChunks' | 'removedBytes' | 'removedChunks' |
  'pendingBytes' | 'pendingChunks' | 'removedBad' | 'stillBad' | 'usedBad' | 'usedBadBytes' |
  'removedBadBytes' | 'stillBadBytes' | 'cacheHits' | 'cacheMisses' | 'strangeIndexes' |
  'missingChunks' | 'removedTemporaries' | 'removedTemporaryBytes' | 'futureFiles' | 'futureBytes' | 'futureUntil',
  number>;

export interface VerifyOptions {
  readOnly?: boolean;
  threads?: number;
  key?: Key;
}

/** The fields of pxds_verify_result. */
export type VerifyResult = Record<
  'ok' | 'failed' | 'skipped' | 'unvouched' | 'unfinished' | 'unnoted' | 'chunks' | 'bytes' | 'storedBytes' | 'bad' |
  'missing' | 'unreadable' | 'renamed' | 'repaired', number> & {
    /** Whether all could be seen. */
    complete: boolean;
  };

export class Store {
  readonly path: string;
  static open(path: string, options?: StoreOptions): Promise<Store>;
  static create(path: string, options?: StoreOptions): Promise<Store>;
  static openOrCreate(path: string, options?: StoreOptions): Promise<Store>;
  groups(options?: ListOptions): Promise<List<Group>>;
  snapshots(options?: SnapshotListOptions): Promise<List<SnapshotInfo>>;
  files(snapshot: string): Promise<FileInfo[]>;
  lastSnapshot(group: string): Promise<string | undefined>;
  notes(snapshot: string): Promise<string>;
  setNotes(snapshot: string, notes?: string | null, options?: LockOptions): Promise<void>;
  protect(snapshot: string, options?: LockOptions): Promise<void>;
  unprotect(snapshot: string, options?: LockOptions): Promise<void>;
  remove(snapshot: string, options?: LockOptions): Promise<void>;
  backup(group: string, options?: BackupOptions): Promise<Backup>;
  openSnapshot(snapshot: string, options?: OpenOptions): Promise<Snapshot>;
  prune(group: string, options: PruneOptions): Promise<List<PruneResult>>;
  gc(options?: GCOptions): Promise<GCStatus>;
  verify(path?: string, options?: VerifyOptions): Promise<VerifyResult>;
  close(): Promise<void>;
}

/**
 * Content, or what gives it in pieces: a Readable, or anything that is iterated; or the path of a file or device. A
 * string is content, and no path. A piece that is neither a string nor bytes is a TypeError.
 */
export type Source = string | ArrayBufferView | Readable | Iterable<string | ArrayBufferView> |
  AsyncIterable<string | ArrayBufferView> | { path: string };

export interface AddOptions {
  signal?: AbortSignal;
}

export interface KeyFileOptions {
  kdf?: 'scrypt' | 'pbkdf2' | 'none';
  hint?: string;
  replace?: boolean;
}

export class Backup {
  readonly snapshot: string;
  readonly previous?: string;
  /** With `{ path }` it is addFile(). */
  add(name: string, source: Source, options?: AddOptions): Promise<AddStats>;
  /** `stats` is set when the stream has finished. */
  createWriteStream(name: string): Writable & { stats?: AddStats };
  /** The library reads the file or device by itself, by several threads, and passes over its holes. */
  addFile(name: string, path: string): Promise<AddStats>;
  finish(): Promise<string>;
  close(): Promise<void>;
}

export class Snapshot {
  readonly path: string;
  readBlob(name: string): Promise<Buffer>;
  manifest(): Promise<any>;
  openFile(name: string, options?: FileOptions): Promise<File>;
  createReadStream(name: string, options?: ReadStreamOptions): Readable;
  restore(name: string, path: string, options?: RestoreOptions): Promise<void>;
  close(): Promise<void>;
}

export class File {
  readonly name: string;
  readonly size: number;
  read(buffer: ArrayBufferView, position?: number): Promise<number>;
  close(): Promise<void>;
}

export class Key {
  static generate(): Promise<Key>;
  static load(path: string, password?: string | Uint8Array): Promise<Key>;
  save(path: string, password?: string | Uint8Array, options?: KeyFileOptions): Promise<void>;
  fingerprint(): Promise<string>;
  close(): Promise<void>;
}

/** The library is missing, is none, or is another than this package can use. */
export class LibraryError extends Error {
  code: 'PXDS_LIBRARY';
}

/** A store, backup, snapshot, file or key has been closed. */
export class ClosedError extends Error {
  code: 'PXDS_CLOSED';
}

/** A failure of the library. */
export class PxdsError extends Error {
  /** The name of the status, such as 'PXDS_ERR_NOT_FOUND'. */
  code: string;
  status: number;
  path?: string;
  offset?: number;
  digest?: string;
  errno?: number;
}

export class NotFoundError extends PxdsError {}
export class ExistsError extends PxdsError {}
export class BusyError extends PxdsError {}
export class CorruptError extends PxdsError {}
export class ArgumentError extends PxdsError {}
export class StateError extends PxdsError {}
export class ProtectedError extends PxdsError {}
export class KeyError extends PxdsError {}
/** A service refuses who asks. */
export class DeniedError extends PxdsError {}
