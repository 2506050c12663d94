import assert from 'node:assert/strict';
import { execFileSync, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { BusyError, LibraryError, Store, useLibrary, version } from 'pxds';
import { scratch } from './support.js';

test('a library that is missing, is none, or has another ABI is told of', async () => {
  const none = join(scratch, 'none.so');
  writeFileSync(none, 'this is no library\n');
  const other = join(scratch, 'other.so');
  writeFileSync(join(scratch, 'other.c'), 'unsigned pxds_abi_version(void) { return 99; }\n');
  const [cc, ...flags] = (process.env.CC ?? 'cc').split(' ');
  execFileSync(cc, [...flags, '-shared', '-fPIC', '-o', other, join(scratch, 'other.c')]);
  for (const [path, words] of [['/nowhere/libpxds.so', /cannot use \/nowhere\/libpxds.so: /], [none, /none\.so/],
    [other, /it has ABI 99, and this package is for ABI 0/], ['libc.so.6', /libc\.so\.6/]]) {
    useLibrary(path);
    await assert.rejects(Store.open(scratch), (error) => error instanceof LibraryError && words.test(error.message) &&
      error.code === 'PXDS_LIBRARY');
  }
  useLibrary('libpxds.so.0');
  assert.match(version(), /^\d+\.\d+\.\d+$/);
  assert.throws(() => useLibrary('/elsewhere/libpxds.so'), LibraryError);
});

const CHILD = `
  import { Store } from 'pxds';
  const store = await Store.openOrCreate(process.argv[1]);
  const backup = await store.backup('host/x');
  const stream = backup.createWriteStream('a.didx');
  stream.write(Buffer.alloc(8 << 20, 'x'), () => {
    if (process.argv[2] === 'exit') process.exit(3);
    if (process.argv[2] === 'throw') throw new Error('not caught');
    if (process.argv[2] === 'kill') process.kill(process.pid, 'SIGTERM');
  });
  stream.write(Buffer.alloc(8 << 20, 'y'));
`;

test('a process ends with open handles, and loses nothing of others', async () => {
  const path = join(scratch, 'store');
  const store = await Store.create(path);
  const ends = [['end', 0, null], ['exit', 3, null], ['throw', 1, null], ['kill', null, 'SIGTERM']];
  for (const [how, status, signal] of ends) {
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', CHILD, path, how],
      { encoding: 'utf8', timeout: 60_000, cwd: new URL('..', import.meta.url) });
    assert.deepEqual([child.status, child.signal], [status, signal], `${how}: ${child.stderr}`);
    assert.match(child.stderr, how === 'throw' ? /not caught/ : /^$/);
  }
  const backup = await store.backup('host/x');
  await backup.add('a.didx', 'x');
  await backup.finish();
  assert.deepEqual((await store.snapshots()).map(({ path }) => path), [backup.snapshot]);
  assert.equal((await store.verify()).ok, 1);
});

const WORKER = `
  import { parentPort, workerData } from 'node:worker_threads';
  import { Store } from 'pxds';
  const store = await Store.open(workerData.path);
  const backup = await store.backup(workerData.group);
  const stream = backup.createWriteStream('a.didx');
  for (let i = 0; i < workerData.pieces; i++) {
    await new Promise((resolve) => { stream.write(Buffer.alloc(8 << 20, i % 256), resolve); });
    parentPort.postMessage(backup.snapshot);
  }
  if (workerData.pieces > 0) {
    await new Promise((resolve) => { stream.end(resolve); });
    await backup.finish();
  }
`;

test('worker threads work beside each other, and are terminated in the middle', async () => {
  const store = await Store.create(join(scratch, 'workers'));
  const file = new URL('../worker.mjs', import.meta.url);
  writeFileSync(file, WORKER);
  const start = (group, pieces) => new Worker(file, { workerData: { path: store.path, group, pieces } });
  const endless = start('host/endless', Infinity);
  await once(endless, 'message');
  const workers = ['host/a', 'host/b'].map((group) => start(group, 1));
  const [[a], [b]] = await Promise.all(workers.map((worker) => once(worker, 'message')));
  assert.deepEqual(await Promise.all(workers.map((worker) => once(worker, 'exit'))), [[0], [0]]);
  assert.equal(await endless.terminate(), 1);
  const open = start('host/open', 0);
  assert.deepEqual(await once(open, 'exit'), [0]);
  assert.deepEqual((await store.snapshots()).map(({ path }) => path), [a, b]);
  assert.equal((await store.verify()).ok, 2);
  // What a worker leaves open when it ends goes with it; but what one was doing that was terminated stays in use.
  await (await store.backup('host/open')).close();
  await assert.rejects(store.backup('host/endless'), BusyError);
});

const FORKED = `
  import { Store } from 'pxds';
  const store = await Store.open(process.argv[2]);
  const busy = await store.backup('host/a').catch(({ code }) => code);
  const backup = await store.backup('host/b');
  await backup.add('a.didx', 'x');
  process.send([busy, await backup.finish()]);
  process.disconnect();
`;

test('a forked process has nothing of its parent, and leaves it alone', async () => {
  const store = await Store.create(join(scratch, 'forked'));
  const backup = await store.backup('host/a');
  await backup.add('a.didx', 'x');
  const file = new URL('../forked.mjs', import.meta.url);
  writeFileSync(file, FORKED);
  const child = fork(file, [store.path]);
  const [[busy, other]] = await once(child, 'message');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
  assert.equal(busy, 'PXDS_ERR_BUSY');
  await backup.finish();
  assert.deepEqual((await store.snapshots()).map(({ path }) => path), [backup.snapshot, other]);
});

const OTHER_HEADER = `
  import { Store } from 'pxds';
  const store = await Store.open(process.argv[1]);
  const [{ path, verified }] = await store.snapshots({ manifests: true });
  console.log(path, verified);
`;

/** What a program prints whose package is for another header: `change` gets the kit. */
function withKit(name, store, change) {
  const directory = join(scratch, name);
  cpSync(new URL('..', import.meta.url), directory, { recursive: true, verbatimSymlinks: true });
  const kit = JSON.parse(readFileSync(join(directory, 'pxds.json')));
  change(kit);
  writeFileSync(join(directory, 'pxds.json'), JSON.stringify(kit));
  return spawnSync(process.execPath, ['--input-type=module', '-e', OTHER_HEADER, store],
    { encoding: 'utf8', timeout: 60_000, cwd: directory });
}

test('structures of older and newer headers', async () => {
  const store = await Store.create(join(scratch, 'structures'));
  const backup = await store.backup('host/x');
  await backup.add('a.didx', 'x');
  await backup.finish();
  await store.verify();
  const works = ({ stdout, stderr }) => assert.equal(stdout, `${backup.snapshot} ok\n`, stderr);
  const refused = ({ status, stderr }, words) => {
    assert.equal(status, 1);
    assert.match(stderr, words);
  };
  // Structures of the first release are the smallest that there are.
  refused(withKit('older', store.path, ({ structs }) => {
    structs.pxds_snapshot_entry.size = structs.pxds_snapshot_entry.fields.pop().offset;
  }), /ArgumentError: pxds_snapshot_entry\.struct_size is \d+ and must be at least \d+/);
  const later = ({ structs }) => {
    for (const name of ['pxds_store_options', 'pxds_snapshot_entry']) {
      structs[name].fields.push({ name: 'later', type: 'uint64_t', offset: structs[name].size, size: 8 });
      structs[name].size += 8;
    }
  };
  works(withKit('newer', store.path, later));
  refused(withKit('other ABI', store.path, (kit) => { kit.abi = 99; }), /LibraryError: cannot use libpxds\.so\.99/);
});
