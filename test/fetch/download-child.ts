import { download } from '../../src/fetch/download.js';

// Downloads a file: usage: download-child.ts URL TARGET MD5. It is killed by a test.
const [url, target, hex] = process.argv.slice(2) as [string, string, string];
process.stdout.write('begins\n');
await download({ name: 'data', urls: [url], target, digest: { algorithm: 'md5', hex }, movedBy: 'HF_HOME' });
