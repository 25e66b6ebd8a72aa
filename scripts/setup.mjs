// Makes a checkout ready to run. Every other npm script calls it first; when nothing changed it does nothing.
// Old syntax and no imports: an old Node.js is to say that it is too old, not to stumble over the first new word. What
// package.json asks for beyond that is checked by make-ready.mjs.
// usage: node scripts/setup.mjs [--torch]   (--torch: also the addon for LibTorch's devices, which tests and lint need)
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major > 20 || (major === 20 && minor >= 19)) {
  import('./lib/make-ready.mjs');
} else {
  process.stderr.write(
    `\nerror: Node.js 20.19 or newer is needed, this is ${process.versions.node}\n` +
      'Get one from https://nodejs.org, or with a version manager: nvm install 22\n',
  );
  process.exitCode = 1;
}
