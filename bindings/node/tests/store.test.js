import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createReadStream, readFileSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import * as pxds from 'pxds';
import { collect, noise, scratch } from './support.js';

const { Store, Key } = pxds;
const time = new Date('2020-06-26T13:56:05Z');

async function take(store, group, name, data, options = {}) {
  const backup = await store.backup(group, { time, ...options });
  await backup.add(name, data);
  const snapshot = await backup.finish();
  await backup.close();
  return store.openSnapshot(snapshot, { key: options.key });
}

test('an archive of each kind is what was stored', async () => {
  const store = await Store.create(join(scratch, 'kinds'));
  const data = noise((9 << 20) + 4711);
  writeFileSync(join(scratch, 'in'), data);
  const backup = await store.backup('vm/100', { time, notes: 'first', owner: 'me@pbs' });
  assert.equal(backup.snapshot, 'vm/100/2020-06-26T13:56:05Z');
  assert.equal(backup.previous, undefined);
  const pieces = function* cut() {
    for (let i = 0; i < data.length; i += 100_000) yield data.subarray(i, i + 100_000);
  };
  assert.equal((await backup.add('a.didx', pieces())).size, data.length);
  assert.equal((await backup.add('b.fidx', Readable.from(pieces()))).newBytes, data.length);
  assert.equal((await backup.add('c.blob', data)).size, data.length);
  assert.equal((await backup.addFile('d.didx', join(scratch, 'in'))).newChunks, 0);
  await backup.finish();

  const [info] = await store.snapshots({ owners: true, manifests: true });
  assert.deepEqual([info.path, info.time, info.owner, info.notes, info.fileCount, info.finished],
    [backup.snapshot, time, 'me@pbs', 'first', 4, true]);
  const snapshot = await store.openSnapshot(backup.snapshot);
  for (const name of ['a.didx', 'b.fidx', 'c.blob', 'd.didx']) {
    assert.ok(data.equals(await collect(snapshot.createReadStream(name))), name);
    const range = { start: 1_000_000, end: 5_999_999, highWaterMark: 70_000 };
    const part = await collect(snapshot.createReadStream(name, range));
    assert.ok(data.subarray(1_000_000, 6_000_000).equals(part), name);
    await snapshot.restore(name, join(scratch, 'out'));
    assert.ok(data.equals(readFileSync(join(scratch, 'out'))), name);
  }
  const file = await snapshot.openFile('b.fidx');
  const end = Buffer.alloc(100);
  assert.equal(await file.read(end, file.size - 7), 7);
  assert.ok(data.subarray(-7).equals(end.subarray(0, 7)));
  assert.equal((await snapshot.manifest()).files.length, 4);
  assert.deepEqual((await store.files(snapshot.path)).map(({ name }) => name),
    ['a.didx', 'b.fidx', 'c.blob', 'd.didx', 'index.json.blob']);
});

test('stores are kept in order', async () => {
  const store = await Store.create(join(scratch, 'order'));
  for (let day = 1; day <= 3; day++) {
    const snapshot = await take(store, 'host/x', 'a.didx', noise(1000), { time: new Date(Date.UTC(2020, 0, day)) });
    await snapshot.close();
  }
  assert.equal(await store.lastSnapshot('host/x'), 'host/x/2020-01-03T00:00:00Z');
  assert.equal(await store.lastSnapshot('host/y'), undefined);
  await store.protect('host/x/2020-01-01T00:00:00Z');
  await assert.rejects(store.remove('host/x/2020-01-01T00:00:00Z'), pxds.ProtectedError);
  await assert.rejects(store.prune('host/x', { keepSome: 1 }), TypeError);
  const marks = (await store.prune('host/x', { keepLast: 1 })).map(({ mark, keptBy }) => [mark, ...keptBy]);
  assert.deepEqual(marks, [['keep', 'last'], ['remove'], ['protected']]);
  symlinkSync('/', join(store.path, 'host', 'x', '2020-01-02T00:00:00Z'));
  assert.equal((await store.prune('host/x', { keepLast: 9 })).complete, false);
  unlinkSync(join(store.path, 'host', 'x', '2020-01-02T00:00:00Z'));
  assert.equal((await store.prune('host/x', { keepLast: 9 })).complete, true);
  await store.unprotect('host/x/2020-01-01T00:00:00Z');
  await store.setNotes('host/x/2020-01-01T00:00:00Z', 'old');
  assert.equal(await store.notes('host/x/2020-01-01T00:00:00Z'), 'old');
  await store.remove('host/x/2020-01-01T00:00:00Z');
  assert.equal((await store.snapshots()).length, 1);
  assert.equal((await store.gc()).indexFileCount, 1);
  const verified = await store.verify('host/x');
  assert.deepEqual([verified.ok, verified.failed, verified.complete], [1, 0, true]);
  assert.deepEqual(await store.groups(), Object.assign(
    [{ path: 'host/x', namespace: '', type: 'host', id: 'x' }], { complete: true }));
  symlinkSync('/', join(store.path, 'host', 'link'));
  assert.equal((await store.groups()).complete, false);
});

test('keys encrypt', async () => {
  const store = await Store.create(join(scratch, 'keys'));
  const made = await Key.generate();
  const path = join(scratch, 'key.json');
  await made.save(path, 'correct horse', { kdf: 'pbkdf2', hint: 'a horse' });
  await assert.rejects(Key.load(path, 'wrong horse'), { name: 'KeyError', code: 'PXDS_ERR_PASSWORD' });
  const key = await Key.load(path, 'correct horse');
  assert.equal(await key.fingerprint(), await made.fingerprint());
  const data = noise(100_000);
  const sealed = await take(store, 'host/x', 'a.didx', data, { key });
  assert.ok(data.equals(await collect(sealed.createReadStream('a.didx'))));
  const plain = await store.openSnapshot(sealed.path);
  await assert.rejects(collect(plain.createReadStream('a.didx')), pxds.KeyError);
  const signed = await take(store, 'host/y', 'a.didx', data, { key, crypt: 'sign-only' });
  assert.ok(data.equals(await collect((await store.openSnapshot(signed.path)).createReadStream('a.didx'))));
});

test('failures say what, where and why', async () => {
  const store = await Store.create(join(scratch, 'failures'));
  await assert.rejects(Store.open('/nowhere'), (error) => error instanceof pxds.NotFoundError &&
    error instanceof pxds.PxdsError && error.code === 'PXDS_ERR_NOT_FOUND' && error.path === '/nowhere' &&
    error.errno === 2 && error.offset === undefined && /nowhere/.test(error.message));
  await assert.rejects(Store.create(store.path), pxds.ExistsError);
  await assert.rejects(store.notes('host/a\0b'), pxds.ArgumentError);
  await assert.rejects(store.notes(7), TypeError);
  await assert.rejects(Store.open(store.path, { layout: 'hex3' }), TypeError);
  await assert.rejects(Store.open(store.path, { lockWait: -1 }), RangeError);
  const snapshot = await take(store, 'host/x', 'a.didx', noise(1000));
  const file = (await snapshot.manifest()).files[0];
  assert.equal(file.filename, 'a.didx');
  const bad = await store.backup('host/y');
  await assert.rejects(store.backup('host/y'), pxds.BusyError);
  await assert.rejects(bad.addFile('a.didx', '/nowhere'), pxds.NotFoundError);
  await assert.rejects(bad.add('a.zip', 'x'), pxds.ArgumentError);
  await bad.close();
});

test('a chunk that is gone is named', async () => {
  const store = await Store.create(join(scratch, 'gone'));
  const snapshot = await take(store, 'host/x', 'a.didx', noise(1000));
  const failed = collect(snapshot.createReadStream('a.didx'));
  assert.equal((await failed).length, 1000);
  const digest = await chunkOf(store);
  unlinkSync(join(store.path, '.chunks', digest.slice(0, 2), digest));
  await assert.rejects(collect(snapshot.createReadStream('a.didx')), { code: 'PXDS_ERR_NOT_FOUND', digest, offset: 0 });
  const zeros = await collect(snapshot.createReadStream('a.didx', { skipBad: true }));
  assert.ok(zeros.equals(Buffer.alloc(1000)));
  assert.equal((await store.verify()).missing, 1);
});

async function chunkOf(store) {
  const [snapshot] = await store.snapshots();
  return readFileSync(join(store.path, snapshot.path, 'a.didx')).subarray(4104, 4136).toString('hex');
}

test('sources that throw, and signals, end an archive and not the backup', async () => {
  const store = await Store.create(join(scratch, 'sources'));
  const backup = await store.backup('host/x');
  const broken = new Error('the line is dead');
  await assert.rejects(backup.add('a.didx', (async function* read() {
    yield noise(1000);
    throw broken;
  })()), broken);
  const abort = new AbortController();
  const endless = (async function* read() {
    for (;;) {
      yield noise(1 << 20);
      abort.abort();
    }
  })();
  await assert.rejects(backup.add('a.didx', endless, { signal: abort.signal }), { name: 'AbortError' });
  const stream = backup.createWriteStream('a.didx');
  await pipeline(Readable.from([noise(1000)]), stream);
  assert.equal(stream.stats.size, 1000);
  const snapshot = await store.openSnapshot(await backup.finish());
  const reading = new AbortController();
  const read = snapshot.createReadStream('a.didx', { highWaterMark: 10, signal: reading.signal });
  await assert.rejects((async () => { for await (const _ of read) reading.abort(); })(), { name: 'AbortError' });
});

test('pieces that are no content fail the archive, and neither the process nor the backup', async () => {
  const store = await Store.create(join(scratch, 'objects'));
  const backup = await store.backup('host/x');
  const wrong = (error) => error instanceof TypeError && /neither a string nor bytes, but (object|number)/.test(error);
  for (const name of ['a.didx', 'a.fidx', 'a.blob']) {
    const sources = [() => Readable.from([{ a: 1 }]), () => Readable.from(['text', 5]), () => [5],
      () => (async function* read() { yield { a: 1 }; })()];
    for (const source of sources) {
      await assert.rejects(backup.add(name, source()), wrong);
      await assert.rejects(pipeline(source(), backup.createWriteStream(name)), wrong);
    }
    const stream = backup.createWriteStream(name);
    const failed = once(stream, 'error');
    assert.equal(await new Promise((resolve) => { stream.write({}, resolve); }).then(wrong), true);
    assert.ok(wrong((await failed)[0]));
    for (const source of [5, null, undefined, {}, { path: 5 }, { paths: 'x' }, { path: 'x', mode: 1 }]) {
      await assert.rejects(backup.add(name, source), TypeError);
    }
  }
  await backup.add('a.didx', [new Uint16Array([0x6161]), 'b', Buffer.from('c')]);
  const snapshot = await store.openSnapshot(await backup.finish());
  assert.equal((await collect(snapshot.createReadStream('a.didx'))).toString(), 'aabc');
});

test('a string is content, and a path is said to be one', async () => {
  const store = await Store.create(join(scratch, 'paths'));
  const file = join(scratch, 'a file');
  writeFileSync(file, 'what is in it');
  const backup = await store.backup('host/x');
  await backup.add('a.didx', file);
  assert.equal((await backup.add('b.didx', { path: file })).size, 13);
  await backup.add('c.didx', createReadStream(file));
  await assert.rejects(backup.add('d.didx', { path: join(scratch, 'no file') }), { code: 'PXDS_ERR_NOT_FOUND' });
  const aborted = { signal: AbortSignal.abort() };
  await assert.rejects(backup.add('d.didx', { path: file }, aborted), { name: 'AbortError' });
  const snapshot = await store.openSnapshot(await backup.finish());
  const read = async (name) => (await collect(snapshot.createReadStream(name))).toString();
  assert.deepEqual(await Promise.all(['a.didx', 'b.didx', 'c.didx'].map(read)),
    [file, 'what is in it', 'what is in it']);
});

test('what is closed is not used, and what is in use is not freed', async () => {
  const store = await Store.create(join(scratch, 'closed'));
  const data = noise(3 << 20);
  const snapshot = await take(store, 'host/x', 'a.didx', data);
  const file = await snapshot.openFile('a.didx');
  const buffers = Array.from({ length: 20 }, () => Buffer.alloc(100_000));
  const reads = buffers.map((buffer, i) => file.read(buffer, i * 100_000));
  await Promise.all([file.close(), file.close(), snapshot.close(), store.close(), store.close()]);
  assert.deepEqual(await Promise.all(reads), buffers.map(() => 100_000));
  assert.ok(Buffer.concat(buffers).equals(data.subarray(0, 2_000_000)));
  for (const use of [() => file.read(buffers[0]), () => snapshot.readBlob('a.blob'), () => store.groups(),
    () => store.backup('host/x'), () => collect(snapshot.createReadStream('a.didx'))]) {
    await assert.rejects(use(), pxds.ClosedError);
  }
});

test('the main loop goes on', async () => {
  const store = await Store.create(join(scratch, 'loop'));
  const data = noise(32 << 20);
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  const backup = await store.backup('host/x');
  const stream = backup.createWriteStream('a.didx');
  const before = turns;
  await new Promise((resolve) => { stream.write(data, resolve); });
  assert.ok(turns > before);
  clearInterval(timer);
  await new Promise((resolve) => { stream.end(resolve); });
  await backup.finish();
});

test('more calls at once than koffi takes', async () => {
  const store = await Store.create(join(scratch, 'many'));
  const lists = await Promise.all(Array.from({ length: 6000 }, () => store.groups()));
  assert.equal(lists.length, 6000);
  await store.close();
});

test('what waits for a lock takes no thread of node:fs', async () => {
  const store = await Store.create(join(scratch, 'locks'));
  const patient = await Store.open(store.path, { lockWait: 60_000 });
  const running = await store.backup('host/x');
  const waiting = Array.from({ length: 9 }, () => patient.backup('host/x'));
  const settled = Promise.race(waiting).then((backup) => backup, (error) => error);
  // With each thread taken, neither of these would come to its end.
  assert.match((await readFile(new URL('../package.json', import.meta.url))).toString(), /pxds/);
  assert.equal((await patient.groups()).length, 1);
  assert.equal(await Promise.race([settled, patient.snapshots()]).then((list) => list.length), 0);
  const abort = new AbortController();
  const aborted = patient.backup('host/x', { signal: abort.signal });
  abort.abort();
  await assert.rejects(aborted, { name: 'AbortError' });
  await assert.rejects(patient.gc({ signal: abort.signal }), { name: 'AbortError' });

  await running.close();
  const next = await settled;
  assert.ok(next instanceof pxds.Backup);
  await patient.close();
  const ends = await Promise.allSettled(waiting);
  assert.deepEqual(ends.map(({ reason }) => reason?.name).sort(), [...new Array(8).fill('ClosedError'), undefined]);
  await next.close();
});

test('prune waits for a snapshot that is in use, and in the end says so', async () => {
  const store = await Store.create(join(scratch, 'in use'));
  const first = await take(store, 'host/x', 'a.didx', noise(1000));
  await (await take(store, 'host/x', 'a.didx', noise(1000), { time: new Date(+time + 60_000) })).close();
  await (await take(store, 'host/x', 'a.didx', noise(1000), { time: new Date(+time + 120_000) })).close();
  const results = (list) => list.map(({ mark, error }) => [mark, error !== undefined]);
  const brief = await Store.open(store.path, { lockWait: 60 });
  assert.deepEqual(results(await brief.prune('host/x', { keepLast: 1 })),
    [['keep', false], ['remove', false], ['remove', true]]);
  const patient = await Store.open(store.path, { lockWait: 60_000 });
  const pruning = patient.prune('host/x', { keepLast: 1 });
  await store.groups();
  await first.close();
  assert.deepEqual(results(await pruning), [['keep', false], ['remove', false]]);
  assert.equal((await store.snapshots()).length, 1);
});

test('options that there are not, and values that are none, are refused', async () => {
  const store = await Store.create(join(scratch, 'options'));
  const snapshot = await take(store, 'host/x', 'a.blob', noise(1000));
  const backup = await store.backup('host/y');
  const wrong = { keepLasts: 1 };
  for (const use of [() => Store.open(store.path, wrong), () => store.groups(wrong), () => store.snapshots(wrong),
    () => store.groups({ owners: true, ...wrong }), () => store.setNotes('host/x', 'x', wrong),
    () => store.remove('host/x', wrong), () => store.protect('host/x', wrong), () => store.unprotect('host/x', wrong),
    () => store.backup('host/z', wrong), () => store.openSnapshot(snapshot.path, wrong),
    () => store.prune('host/x', wrong), () => store.gc(wrong), () => store.verify('', wrong),
    () => backup.add('a.didx', 'x', wrong), () => snapshot.openFile('a.didx', wrong),
    async () => snapshot.createReadStream('a.blob', wrong), () => snapshot.restore('a.didx', 'x', wrong),
    async () => (await Key.generate()).save('x', 'correct horse', wrong)]) {
    await assert.rejects(use(), (error) => error instanceof TypeError && /keepLasts|owners/.test(error.message),
      String(use));
  }
  for (const name of ['a.blob', 'a.didx']) {
    for (const range of [{ start: -1 }, { start: 0.5 }, { start: NaN }, { end: -1 }, { end: '7' }]) {
      assert.throws(() => snapshot.createReadStream(name, range), RangeError);
    }
  }
  await assert.rejects(store.backup('host/z', { time: '2020-06-26' }), TypeError);
  await assert.rejects(store.backup('host/z', { time: new Date('soon') }), RangeError);
  await assert.rejects(store.openSnapshot(snapshot.path, { key: 'key.json' }), TypeError);
  const file = await (await take(store, 'host/z', 'a.didx', noise(1000))).openFile('a.didx');
  await assert.rejects(file.read('a text'), TypeError);
  assert.equal(await file.read(new Float64Array(5)), 40);
  await backup.close();
});
