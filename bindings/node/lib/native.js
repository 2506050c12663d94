// The library, as the kit, pxds.json, describes it. Functions are declared when they are first used.

import { readFileSync } from 'node:fs';
import koffi from 'koffi';
import { errorOf, LibraryError } from './errors.js';

const kit = JSON.parse(readFileSync(new URL('../pxds.json', import.meta.url), 'utf8'));

/** Constants of the header by their names, without PXDS_. */
export const constants = Object.fromEntries([
  ...Object.entries(kit.constants).map(([name, constant]) => [name.slice(5), constant.value]),
  ...Object.entries(kit.statuses).map(([name, status]) => [name.slice(5), status]),
]);

// Koffi gives calls on its threads a stack of 128 KiB, which is less than the library may count on.
koffi.config({ async_stack_size: 2 << 20, sync_stack_size: 2 << 20, max_async_calls: 4096 });

// Koffi refuses more calls than that at once, so these wait for their turn.
const MOST_CALLS = 4000;
const waiting = [];
let running = 0;

const declared = new Map();
let library;
let wanted = `libpxds.so.${kit.abi}`;

/** Uses the library at this path, and not the one that the system finds. Before anything else. */
export function useLibrary(path) {
  if (library && path !== wanted) throw new LibraryError(`${wanted} is in use: useLibrary() comes first`);
  wanted = path;
}

function load() {
  if (library) return library;
  let found;
  try {
    found = koffi.load(wanted);
    const abi = found.func('uint32_t pxds_abi_version(void)')();
    if (abi !== kit.abi) throw new Error(`it has ABI ${abi}, and this package is for ABI ${kit.abi}`);
  } catch (error) {
    throw new LibraryError(`cannot use ${wanted}: ${error.message}`, { cause: error });
  }
  for (const name of Object.keys(kit.handles)) koffi.opaque(name);
  koffi.alias('pxds_status', 'int32_t');
  for (const [name, struct] of Object.entries(kit.structs)) {
    koffi.struct(name, Object.fromEntries(struct.fields.map(({ name, type, count }) => {
      const plain = type in kit.callbacks || type.endsWith('*') && type !== 'const char *' ? 'void *' : type;
      return [name, count ? koffi.array(plain, count) : plain];
    })));
  }
  return (library = found);
}

/** A function of the library. Outputs are arrays of one element, structures, or buffers. */
export function native(name) {
  if (!declared.has(name)) {
    const found = load();
    const { parameters, returns } = kit.functions[name];
    const list = parameters.map(({ type, out, name }) => {
      const structure = type.replace(/^const |\W*\*$/g, '');
      const direction = !out || type === 'void *' ? '' : structure in kit.structs ? '_Inout_ ' : '_Out_ ';
      return `${direction}${type in kit.callbacks ? 'void *' : type} ${name}`;
    });
    declared.set(name, found.func(`${returns} ${name}(${list.join(', ')})`));
  }
  return declared.get(name);
}

/** A structure as C wants it: its size, these fields, and zeros. */
export function struct(name, fields = {}) {
  const { fields: all, size } = kit.structs[name];
  const empty = (field) => (field.type.endsWith('*') || field.type in kit.callbacks ? null
    : field.count ? new Array(field.count).fill(0) : 0);
  const value = Object.fromEntries(all.map((field) => [field.name, empty(field)]));
  for (const [key, given] of Object.entries(fields)) {
    if (!(key in value)) throw new TypeError(`${name} has no field ${key}`);
    if (typeof given === 'string') value[key] = text(given);
    else if (given !== undefined) value[key] = given;
  }
  value.struct_size = size;
  return value;
}

/** A text as C can have it; undefined is NULL. */
export function text(value) {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string') throw new TypeError(`${String(value)} is not a string`);
  if (value.includes('\0')) {
    throw errorOf('there is a NUL in a name or text', { code: 'PXDS_ERR_ARGUMENT', status: constants.ERR_ARGUMENT });
  }
  return value;
}

/** A number that counts or measures; undefined is 0. */
export function count(value, what) {
  if (value === undefined) return 0;
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${what}: ${value}`);
  return value;
}

/** The bytes that an array or view shows. */
export function bytesOf(view) {
  if (!ArrayBuffer.isView(view)) throw new TypeError('there is no buffer');
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength);
}

/** Refuses options that there are not: what is left when those that there are have been taken. */
export function none(rest) {
  const [name] = Object.keys(rest);
  if (name !== undefined) throw new TypeError(`there is no option ${name}`);
}

/** Calls a function on a thread of its own; `done` takes a failure of koffi's, or the result. */
export function onThread(name, values, done) {
  if (running >= MOST_CALLS) {
    waiting.push([name, values, done]);
    return;
  }
  native(name).async(...values, (failure, result) => {
    running--;
    if (waiting.length > 0) onThread(...waiting.shift());
    done(failure, result);
  });
  running++;
}

/** Calls a function that ends in `err`, on a thread of its own; gives its status, zero or positive. */
export function call(name, ...values) {
  return new Promise((resolve, reject) => {
    const err = [null];
    onThread(name, [...values, err], (failure, status) => {
      if (failure) reject(failure);
      else if (status < 0) reject(takeError(status, err[0]));
      else resolve(status);
    });
  });
}

/** As call(), at once: of a function that touches no file. */
export function callNow(name, ...values) {
  const err = [null];
  const status = native(name)(...values, err);
  if (status < 0) throw takeError(status, err[0]);
}

/** As call(), of a function that makes an object: gives that. */
export async function make(name, ...values) {
  const out = [null];
  await call(name, ...values, out);
  return out[0];
}

function takeError(status, error) {
  const offset = [0];
  const digest = Buffer.alloc(32);
  const has = (name, out) => native(name)(error, out) === constants.OK;
  const details = {
    code: native('pxds_status_name')(status),
    status,
    path: native('pxds_error_path')(error) ?? undefined,
    offset: has('pxds_error_get_offset', offset) ? Number(offset[0]) : undefined,
    digest: has('pxds_error_get_digest', digest) ? digest.toString('hex') : undefined,
    errno: native('pxds_error_errno')(error) || undefined,
  };
  const message = native('pxds_error_message')(error) || native('pxds_status_message')(status);
  native('pxds_error_free')(error);
  return errorOf(message, details);
}

/** The content of a pxds_buffer, which is freed; null for NULL. */
export function takeBuffer(buffer) {
  if (buffer === null) return null;
  const bytes = koffi.decode(native('pxds_buffer_data')(buffer), 'uint8_t', Number(native('pxds_buffer_len')(buffer)));
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  native('pxds_buffer_free')(buffer);
  return data;
}

/** The entries of a list, which is freed, and whether it is complete. */
export function takeList(list, noun, take) {
  const entries = [];
  try {
    for (let i = 0, n = Number(native(`pxds_${noun}_count`)(list)); i < n; i++) {
      const entry = struct(`pxds_${noun.replace(/_list$/, '_entry')}`);
      callNow(`pxds_${noun}_get`, list, i, entry);
      entries.push(take(entry));
    }
    if (`pxds_${noun}_is_complete` in kit.functions) {
      entries.complete = native(`pxds_${noun}_is_complete`)(list) === 1;
    }
  } finally {
    native(`pxds_${noun}_free`)(list);
  }
  return entries;
}

/** The version of the library. */
export function version() {
  return native('pxds_version')();
}
