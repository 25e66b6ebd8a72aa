// Runs the steps of examples/docker/Dockerfile without Docker: in a bare Debian with what node:22-slim adds to it, offline
// with npm's cache as a registry fills it. As root. The image's command ranks with a small model, as the image's user.
// usage: node scripts/release/try-docker.mjs   (after scripts/release/pack.mjs)
import { appendFileSync, chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { makeOnce } from '../lib/once.mjs';
import { root } from '../lib/root.mjs';
import { run } from '../lib/run.mjs';
import { giveUp, say, SetupError } from '../lib/say.mjs';
import { bareDebian, copyNpm, release, tarballs, warmCache } from './trial-root.mjs';

const EXAMPLE = join(root, 'examples/docker');
/** What node:22-slim is made of: Debian 12, and this program, which an npm package holds. */
const SUITE = 'bookworm';
const NODE = `node-linux-${process.arch}@22.23.3`;
const USER = 'node:x:1000:1000::/home/node:/bin/bash\n';
const MODEL = join(root, 'test/golden/references/mono-electra');

async function fetchNode() {
  return await makeOnce(join(release, 'roots', NODE), async (work) => {
    const options = { what: `npm pack ${NODE}`, hint: 'It needs the npm registry once.', cwd: work, quiet: true };
    const archive = (await run('npm', ['pack', '--silent', NODE], options)).trim();
    await run('tar', ['-xzf', archive], { what: `unpacking ${archive}`, cwd: work });
    return join(work, 'package');
  });
}

/** A fresh root like the image that the Dockerfile starts from. */
async function baseImage() {
  const system = join(release, 'roots', 'docker');
  rmSync(system, { recursive: true, force: true });
  await run('cp', ['-a', await bareDebian(SUITE, false), system], { what: 'cp' });
  chmodSync(system, 0o755); // it was a temporary folder, and the image's user has to enter it
  const local = join(system, 'usr/local');
  cpSync(join(await fetchNode(), 'bin/node'), join(local, 'bin/node'));
  copyNpm(join(local, 'lib/node_modules/npm'));
  for (const name of ['npm', 'npx']) {
    symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, join(local, 'bin', name));
  }
  appendFileSync(join(system, 'etc/passwd'), USER);
  appendFileSync(join(system, 'etc/group'), 'node:x:1000:\n');
  cpSync(await warmCache(), join(system, 'npm-cache'), { recursive: true });
  cpSync(MODEL, join(system, 'model'), { recursive: true });
  return system;
}

/** Instructions with their arguments; a line that ends in a backslash goes on. @param {string} text */
function instructionsOf(text) {
  const lines = text.replaceAll(/\\\n/g, ' ').split('\n');
  return lines
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => /^(\S+)\s+(.*)$/.exec(line)?.slice(1) ?? [line]);
}

/** @param {string} file @param {string} pattern a name, in which a star stands for any part */
const matches = (file, pattern) => new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '.*')}$`).test(file);

class Image {
  /** @type {Record<string, string>} */
  env = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    npm_config_cache: '/npm-cache',
    npm_config_offline: 'true',
  };
  folder = '/';
  user = 'root';
  /** @type {string[]} */
  command = [];

  /** @param {string} system */
  constructor(system) {
    this.system = system;
  }

  /** @param {string} instruction @param {string} argument @param {string} context the folder beside the Dockerfile */
  async follow(instruction, argument, context) {
    if (instruction === 'WORKDIR') {
      this.folder = argument;
      mkdirSync(join(this.system, argument), { recursive: true });
    } else if (instruction === 'ENV') {
      const [, name = '', value = ''] = /^(\w+)=(.*)$/.exec(argument) ?? [];
      this.env[name] = value;
    } else if (instruction === 'COPY') {
      const [to = '', ...patterns] = argument.split(/\s+/).reverse();
      const target = join(this.system, resolve(this.folder, to));
      const isMeant = (/** @type {string} */ file) => patterns.some((pattern) => matches(file, pattern));
      for (const file of readdirSync(context).filter(isMeant)) cpSync(join(context, file), join(target, file));
    } else if (instruction === 'RUN') await this.run(['sh', '-ec', argument]);
    else if (instruction === 'USER') this.user = argument;
    else if (instruction === 'CMD') this.command = JSON.parse(argument);
    else if (instruction !== 'FROM' && instruction !== 'VOLUME') throw new SetupError(`${instruction} is not known`);
  }

  /** @param {string[]} command @param {Record<string, string>} [more] variables */
  async run(command, more = {}) {
    say(command.join(' '));
    const script =
      'mount --rbind /proc "$1/proc"; mount --rbind /dev "$1/dev"; exec chroot --userspec="$2" "$1" sh -ec \'cd "$0"; exec "$@"\' "$3" "${@:4}"';
    const args = ['--mount', 'bash', '-ec', script, 'bash', this.system, `${this.user}:${this.user}`, this.folder];
    await run('unshare', [...args, ...command], {
      what: `${command.join(' ')} of the Dockerfile`,
      env: { ...this.env, ...more },
    });
  }
}

try {
  const context = join(release, 'docker-context');
  rmSync(context, { recursive: true, force: true });
  cpSync(EXAMPLE, context, { recursive: true });
  for (const name of tarballs(`linux-${process.arch}-gnu`)) cpSync(join(release, name), join(context, name));
  const image = new Image(await baseImage());
  for (const [instruction = '', argument = ''] of instructionsOf(readFileSync(join(context, 'Dockerfile'), 'utf8'))) {
    await image.follow(instruction, argument, context);
  }
  await image.run(image.command, { MODEL: '/model' });
} catch (error) {
  giveUp(error);
}
