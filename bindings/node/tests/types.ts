// What programs do, for the compiler of TypeScript alone: `tsc --noEmit` says whether index.d.ts lets them.
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import {
  type AddStats, type BackupOptions, BusyError, type GCStatus, Key, type List, type PruneResult, PxdsError,
  type SnapshotInfo, Store, useLibrary, version,
} from 'pxds';

async function* lines(): AsyncGenerator<string> {
  yield 'Dear reader\n';
}

export async function work(signal: AbortSignal): Promise<void> {
  useLibrary(`/usr/lib/libpxds-${version()}.so`);
  const store: Store = await Store.open('store', { lockWait: 1000, sync: 'file', layout: 'hex4' });
  const options: BackupOptions = { time: new Date(), key: await Key.load('key', 'horse'), crypt: 'sign-only', signal };
  const backup = await store.backup('host/x', options);
  const last: string | undefined = backup.previous;
  const stats: AddStats = await backup.add('a.didx', createReadStream('a'), { signal });
  await backup.add('b.didx', 'text');
  await backup.add('c.didx', new Uint16Array(8));
  await backup.add('d.didx', lines());
  await backup.add('e.didx', ['a', new Uint8Array(3)]);
  await backup.add('g.didx', { path: 'a' });
  const stream = backup.createWriteStream('f.fidx');
  await pipeline(createReadStream('f'), stream);
  const chunks: number | undefined = stream.stats?.newChunks;
  const path: string = await backup.finish();

  const list: List<SnapshotInfo> = await store.snapshots({ namespace: 'a', recursive: true, manifests: true });
  for (const { time, verified, verifyTime, crypt } of list) {
    const states: [number, 'ok' | 'failed' | undefined, Date | undefined] = [time.getTime(), verified, verifyTime];
    console.log(states, crypt === 'encrypt', list.complete);
  }
  const snapshot = await store.openSnapshot(path, { key: await Key.generate(), allowUnsigned: true });
  const file = await snapshot.openFile('a.didx', { cacheSize: 1 << 20 });
  const read: number = await file.read(new DataView(new ArrayBuffer(100)), 7);
  for await (const piece of snapshot.createReadStream('a.didx', { start: 1, end: 2, signal })) console.log(piece);
  await store.setNotes(path, null);
  await store.remove(path, { signal });
  const rules = { keepLast: 1, keepWithin: 3600, zone: 'Europe/Vienna' };
  const pruned: List<PruneResult> = await store.prune('host/x', rules);
  const [{ mark, keptBy, error }] = pruned;
  const status: GCStatus = await store.gc({ dryRun: true, signal });
  const { failed, complete } = await store.verify('host/x', { readOnly: true });
  console.log(last, stats.size, chunks, read, mark, keptBy.join(), error, status.missingChunks, failed, complete);
  try {
    await store.close();
  } catch (failure) {
    if (failure instanceof BusyError) console.log(failure.code, failure.path, failure.offset);
    if (failure instanceof PxdsError) throw failure;
  }
}

// What is no option, and no value of one, is told of before the program runs.
// @ts-expect-error
Store.open('store', { lockWaits: 1 });
// @ts-expect-error
Store.open('store', { layout: 'hex3' });
// @ts-expect-error
Store.open(7);
// @ts-expect-error
Store.open('store').then((store) => store.backup('host/x')).then((backup) => backup.add('a.didx', [7]));
