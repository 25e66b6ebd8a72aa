// Makes a checkout ready to run. Every other npm script calls it first; when nothing changed it does nothing.
// Old syntax and no imports: an old Node.js is to say that it is too old, not to stumble over the first new word.
const OLDEST_NODE = [20, 19];
const found = process.versions.node.split('.').map(Number);
if (found[0] > OLDEST_NODE[0] || (found[0] === OLDEST_NODE[0] && found[1] >= OLDEST_NODE[1])) {
  import('./lib/make-ready.mjs');
} else {
  process.stderr.write(
    `\nerror: Node.js ${OLDEST_NODE.join('.')} or newer is needed, this is ${process.versions.node}\n` +
      'Get one from https://nodejs.org, or with a version manager: nvm install 22\n',
  );
  process.exitCode = 1;
}
