// An object of the library, which is freed when it has been closed and no call uses it any more, or was forgotten.

import { isMainThread } from 'node:worker_threads';
import { ClosedError } from './errors.js';
import { native, onThread } from './native.js';

function release(held) {
  all.delete(held);
  return new Promise((resolve) => { onThread(held.free, [held.pointer], () => resolve()); });
}

const all = new Set();
const forgotten = new FinalizationRegistry(release);

// The end of a process ends its locks; that of a worker thread does not.
if (!isMainThread) {
  process.on('exit', () => {
    for (const { pointer, free, users } of all) if (users === 0) native(free)(pointer);
  });
}

export class Handle {
  #held;
  #what;
  #closing;
  #idle;

  constructor(pointer, free, what) {
    this.#held = { pointer, free, users: 0 };
    this.#what = what;
    all.add(this.#held);
    forgotten.register(this, this.#held, this);
  }

  /** Throws after close(). */
  check() {
    if (this.#closing) throw new ClosedError(`the ${this.#what} is closed`);
  }

  /** Does something with the pointer, which stays valid until that is done. */
  async use(work) {
    this.check();
    this.#held.users++;
    try {
      return await work(this.#held.pointer);
    } finally {
      if (--this.#held.users === 0) this.#idle?.();
    }
  }

  /** Frees the object, after the calls that use it. A second time is fine. */
  close() {
    this.#closing ??= (async () => {
      forgotten.unregister(this);
      if (this.#held.users > 0) await new Promise((resolve) => { this.#idle = resolve; });
      await release(this.#held);
    })();
    return this.#closing;
  }
}
