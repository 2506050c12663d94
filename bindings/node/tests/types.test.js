import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as pxds from 'pxds';
import { noise, scratch } from './support.js';

const types = readFileSync(new URL('../index.d.ts', import.meta.url), 'utf8');

/** The names of the members of an interface, of those that it extends too. */
function members(name) {
  const [, base, body] = new RegExp(`^export interface ${name}(?: extends (\\w+))? {\n(.*?)^}`, 'ms').exec(types);
  return [...base ? members(base) : [], ...[...body.matchAll(/^  (\w+)\??:/gm)].map(([, member]) => member)];
}

/** The names that a type, Record<'a' | 'b', number>, has. */
function keys(name) {
  const [record] = new RegExp(`^export type ${name} = Record<.*?>`, 'ms').exec(types);
  return [...record.matchAll(/'(\w+)'/g)].map(([, key]) => key);
}

test('the types are those of the package', () => {
  const named = [...types.matchAll(/^export (?:class|function) (\w+)/gm)].map(([, name]) => name);
  assert.deepEqual(named.sort(), Object.keys(pxds).sort());
  for (const [, name, body] of types.matchAll(/^export class (\w+) {\n(.*?)^}/gms)) {
    for (const [, isStatic, method] of body.matchAll(/^  (static )?(\w+)\(/gm)) {
      assert.equal(typeof (isStatic ? pxds[name] : pxds[name].prototype)[method], 'function', `${name}.${method}`);
    }
  }
});

test('all options of the types are taken, and results have what the types say', async () => {
  const store = await pxds.Store.create(join(scratch, 'types'));
  const all = (name) => Object.fromEntries(members(name).map((member) => [member, undefined]));
  const other = await pxds.Store.open(store.path, all('StoreOptions'));
  await other.close();
  const backup = await store.backup('host/x', all('BackupOptions'));
  const stats = await backup.add('a.didx', noise(1000), all('AddOptions'));
  assert.deepEqual(Object.keys(stats).sort(), members('AddStats').sort());
  await backup.finish();
  const path = backup.snapshot;
  await store.setNotes(path, null, all('LockOptions'));
  const snapshot = await store.openSnapshot(path, all('OpenOptions'));
  snapshot.createReadStream('a.didx', all('ReadStreamOptions')).destroy();
  await (await snapshot.openFile('a.didx', all('FileOptions'))).close();
  await snapshot.restore('a.didx', join(scratch, 'out'), all('RestoreOptions'));
  const key = await pxds.Key.generate();
  await key.save(join(scratch, 'key'), 'correct horse', { ...all('KeyFileOptions'), kdf: 'pbkdf2' });

  const [group] = await store.groups(all('ListOptions'));
  assert.deepEqual(Object.keys(group).sort(), members('Group').sort());
  const [listed] = await store.snapshots(all('SnapshotListOptions'));
  assert.deepEqual(Object.keys(listed).sort(), members('SnapshotInfo').sort());
  const [file] = await store.files(path);
  assert.deepEqual(Object.keys(file).sort(), members('FileInfo').sort());
  const [pruned] = await store.prune('host/x', { ...all('PruneOptions'), keepLast: 1 });
  assert.deepEqual(Object.keys(pruned).sort(), members('PruneResult').sort());
  const collected = await store.gc(all('GCOptions'));
  assert.deepEqual(Object.keys(collected).sort(), keys('GCStatus').sort());
  const verified = await store.verify(path, all('VerifyOptions'));
  assert.deepEqual(Object.keys(verified).sort(), [...keys('VerifyResult'), 'complete'].sort());
});
