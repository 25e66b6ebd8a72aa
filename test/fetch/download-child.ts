import { provideFile } from '../../src/fetch/datasets.js';
import { download } from '../../src/fetch/download.js';

// Downloads a file, or a file of a public dataset: usage: download-child.ts TARGET [URL MD5]. It is killed by a test.
const [target, url, hex] = process.argv.slice(2) as [string, string?, string?];
process.stdout.write('begins\n');
if (url === undefined) await provideFile(target);
else await download({ name: 'data', urls: [url], target, digest: { algorithm: 'md5', hex: hex! }, movedBy: 'HF_HOME' });
