/** The library is missing, is none, or is another than this package can use. */
export class LibraryError extends Error {
  name = 'LibraryError';
  code = 'PXDS_LIBRARY';
}

/** A store, backup, snapshot, file or key has been closed. */
export class ClosedError extends Error {
  name = 'ClosedError';
  code = 'PXDS_CLOSED';
}

/** A failure of the library: `code` is its status, such as 'PXDS_ERR_NOT_FOUND'. */
export class PxdsError extends Error {
  constructor(message, details) {
    super(message);
    Object.assign(this, details);
  }
}

export class NotFoundError extends PxdsError {}
export class ExistsError extends PxdsError {}
export class BusyError extends PxdsError {}
export class CorruptError extends PxdsError {}
export class ArgumentError extends PxdsError {}
export class StateError extends PxdsError {}
export class ProtectedError extends PxdsError {}
/** A key is missing, or another is needed, or the password is wrong, or nothing vouches for the data. */
export class KeyError extends PxdsError {}

/** A service refuses who asks. */
export class DeniedError extends PxdsError {}

const classes = {
  PXDS_ERR_NOT_FOUND: NotFoundError, PXDS_ERR_EXISTS: ExistsError, PXDS_ERR_BUSY: BusyError,
  PXDS_ERR_CORRUPT: CorruptError, PXDS_ERR_FORMAT: CorruptError, PXDS_ERR_ARGUMENT: ArgumentError,
  PXDS_ERR_STATE: StateError, PXDS_ERR_PROTECTED: ProtectedError, PXDS_ERR_KEY: KeyError, PXDS_ERR_AUTH: KeyError,
  PXDS_ERR_PASSWORD: KeyError, PXDS_ERR_KEY_MISMATCH: KeyError, PXDS_ERR_CRYPT_MODE: KeyError,
  PXDS_ERR_DENIED: DeniedError,
};

/** The error of a status; `details` are code, status, path, offset, digest and errno. */
export function errorOf(message, details) {
  const type = classes[details.code] ?? PxdsError;
  const error = new type(message, details);
  error.name = type.name;
  return error;
}
