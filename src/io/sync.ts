import { open } from 'node:fs/promises';

/** Has the disk hold a file's content, or a folder's names, before this returns. */
export async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
