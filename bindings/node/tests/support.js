import { randomFillSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

/** A directory that is removed at the end. */
export const scratch = mkdtempSync(join(tmpdir(), 'pxds-'));
after(() => rmSync(scratch, { recursive: true }));

export const noise = (size) => randomFillSync(Buffer.alloc(size));

export async function collect(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}
