export { useLibrary, version } from './lib/native.js';
export {
  ArgumentError, BusyError, ClosedError, CorruptError, DeniedError, ExistsError, KeyError, LibraryError, NotFoundError,
  ProtectedError, PxdsError, StateError,
} from './lib/errors.js';
export { Store } from './lib/store.js';
export { Backup } from './lib/backup.js';
export { Snapshot, File } from './lib/snapshot.js';
export { Key } from './lib/key.js';
