import { Handle } from './handle.js';
import { call, callNow, constants, make, native, none, struct, text } from './native.js';

const kdfs = { scrypt: constants.KDF_SCRYPT, pbkdf2: constants.KDF_PBKDF2, none: constants.KDF_NONE };

/** Encrypts, decrypts and signs. */
export class Key {
  #handle;

  constructor(pointer) {
    this.#handle = new Handle(pointer, 'pxds_key_free', 'key');
  }

  static async generate() {
    return new Key(await make('pxds_key_random'));
  }

  static async load(path, password) {
    const file = new Handle(await make('pxds_keyfile_load', text(path)), 'pxds_keyfile_free', 'key file');
    const secret = Buffer.from(password ?? '');
    try {
      return new Key(await file.use((pointer) => make('pxds_keyfile_unlock', pointer, secret, secret.length)));
    } finally {
      secret.fill(0);
      await file.close();
    }
  }

  async save(path, password, { kdf = 'scrypt', hint, replace = false, ...rest } = {}) {
    none(rest);
    if (!Object.hasOwn(kdfs, kdf)) throw new TypeError(`no such kdf: ${kdf}`);
    const options = struct('pxds_keyfile_options', { kdf: kdfs[kdf], hint });
    const secret = Buffer.from(password ?? '');
    const file = new Handle(await this.use((key) => make('pxds_keyfile_new', key, secret, secret.length, options)),
      'pxds_keyfile_free', 'key file');
    secret.fill(0);
    try {
      await file.use((pointer) => call('pxds_keyfile_save', pointer, text(path), replace ? constants.SAVE_REPLACE : 0));
    } finally {
      await file.close();
    }
  }

  fingerprint() {
    return this.use((key) => {
      const bytes = Buffer.alloc(constants.FINGERPRINT_SIZE);
      callNow('pxds_key_get_fingerprint', key, bytes);
      return bytes.toString('hex').replace(/..(?!$)/g, '$&:');
    });
  }

  /** Does something with the pointer; for the other files of this package. */
  use(work) {
    return this.#handle.use(work);
  }

  close() {
    return this.#handle.close();
  }
}

/** Does something with the pointer of a key, or null. */
export function withKey(key, work) {
  if (key === undefined) return work(null);
  if (!(key instanceof Key)) throw new TypeError('key is not a Key');
  return key.use(work);
}
