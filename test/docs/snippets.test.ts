import { execFile } from 'node:child_process';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { trainedModel } from '../../scripts/demo/configurations.js';
import { run } from '../support/cli.js';
import { inFolder } from '../support/files.js';
import { copyModel } from '../support/models.js';
import { allBlocks, blocksOf, root } from './documents.js';

const test = suite('snippets of the documentation');

test('TypeScript and JavaScript have no type errors', () => {
  const blocks = new Map(allBlocks('ts', 'js').map((block, i) => [`${root}snippet-${i}.mts`, block]));
  assert.ok(blocks.size >= 5);
  const { config } = ts.readConfigFile(`${root}tsconfig.check.json`, (path) => ts.sys.readFile(path)) as {
    config: object;
  };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const disk = ts.createCompilerHost(options);
  const host: ts.CompilerHost = {
    ...disk,
    fileExists: (path) => blocks.has(path) || disk.fileExists(path),
    readFile: (path) => blocks.get(path)?.text ?? disk.readFile(path),
    getSourceFile: (path, ...how) => {
      const block = blocks.get(path);
      return block ? ts.createSourceFile(path, block.text, how[0]) : disk.getSourceFile(path, ...how);
    },
  };
  const program = ts.createProgram([...blocks.keys()], { ...options, allowJs: false, types: ['node'] }, host);
  const problems = [...blocks].flatMap(([path, { place }]) => {
    const file = program.getSourceFile(path);
    return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(
      ({ messageText }) => `${place}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`,
    );
  });
  assert.equal(problems, []);
});

test("the README's first program runs as printed and prints lines like those shown", () =>
  inFolder(async (folder) => {
    const blocks = blocksOf('README.md');
    const i = blocks.findIndex(({ language }) => language === 'js');
    const [program, shown] = [blocks[i]!.text, blocks[i + 1]!.text];
    // where the demo leaves its model, there is a small one here whose scores mean nothing
    const model = trainedModel('build/demo/stage-two');
    assert.ok(program.includes(`'${model}'`), `the demo's model is in ${model}`);
    await copyModel(join(folder, model));
    await mkdir(join(folder, 'node_modules'));
    await symlink(root, join(folder, 'node_modules/rank-distillm'));
    await writeFile(join(folder, 'package.json'), '{ "name": "my-project", "version": "1.0.0" }'); // as npm init: CommonJS
    await writeFile(join(folder, 'first.mjs'), program);
    const { stdout } = await promisify(execFile)(process.execPath, ['first.mjs'], { cwd: folder });
    const parts = (text: string) => [...text.matchAll(/^ *-?\d+\.\d\d {2}(.*)$/gm)].map((match) => match[1]!);
    assert.is(parts(stdout).length, stdout.trimEnd().split('\n').length, stdout);
    assert.equal(parts(stdout).sort(), parts(shown).sort());
  }));

for (const { place, text } of allBlocks('yaml')) {
  test(`${place} is a configuration`, () =>
    inFolder(async (folder) => {
      await writeFile(join(folder, 'config.yaml'), text);
      const verb = text.includes('inference_datasets') ? 're_rank' : 'fit';
      const { code, stderr } = await run([verb, '--config', 'config.yaml', '--print_config'], { cwd: folder });
      assert.is(code, 0, stderr);
    }));
}

/** Commands of a shell block, without comments, continued lines joined. */
function commandsOf(text: string): string[] {
  return text
    .replace(/\\\n\s*/g, ' ')
    .split(/\n|&&|;/)
    .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
    .filter((line) => line !== '');
}

test('commands name scripts, files and options that there are', async () => {
  const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { scripts: object };
  const help = new Map<string, string>();
  const verbs = ['re_rank', 'fit', 'score', 'evaluate', 'compare', 'report', 'subsample', 'doctor', 'serve'];
  for (const verb of verbs) help.set(verb, (await run([verb, '--help'])).stdout);
  const problems: string[] = [];
  for (const { place, text } of allBlocks('sh', 'bash')) {
    for (const command of commandsOf(text)) {
      const bad = (problem: string): unknown => problems.push(`${place}: ${command}: ${problem}`);
      const script = /^npm run ([\w:]+)/.exec(command)?.[1];
      if (script !== undefined && !Object.hasOwn(scripts, script)) bad('no such npm script');
      for (const [path] of command.matchAll(/\b(?:scripts|configs|test)\/[\w./-]+\.\w+/g)) {
        if (!ts.sys.fileExists(join(root, path))) bad(`no such file: ${path}`);
      }
      const [, verb, rest = ''] = /\brank-distillm (\w+)(.*)/.exec(command) ?? [];
      if (verb === undefined) continue;
      if (!help.has(verb)) bad('no such command');
      // keys of the configuration have a dot
      for (const [option] of rest.matchAll(/--[\w-]+(?![\w.-])/g)) {
        if (!help.get(verb)?.includes(option)) bad(`no such option: ${option}`);
      }
    }
  }
  assert.equal(problems, []);
});

test.run();
