import { execFile } from 'node:child_process';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import ts from 'typescript';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { trainedModel } from '../../scripts/demo/configurations.js';
import { run } from '../support/cli.js';
import { inFolder, writeFiles } from '../support/files.js';
import { copyModel } from '../support/models.js';
import { LOADER } from '../support/programs.js';
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

/** What the snippets name, small: a collection of 100 documents for two queries, runs, models, a cache with a published model. */
async function projectOfSnippets(folder: string): Promise<void> {
  const ids = Array.from({ length: 100 }, (_, i) => `d${i}`);
  const text = (i: number): string => `passage ${i} about ${i % 2 ? 'goethe' : 'faust'}`;
  const run = ['q1', 'q2']
    .flatMap((topic) => ids.map((id, i) => `${topic} Q0 ${id} ${i + 1} ${100 - i} first\n`))
    .join('');
  await writeFiles(folder, {
    'package.json': '{ "name": "my-project", "version": "1.0.0", "type": "module" }',
    'docs.tsv': ids.map((id, i) => `${id}\t${text(i)}\n`).join(''),
    'queries.tsv': 'q1\twho wrote faust\nq2\twho is goethe\n',
    'qrels.txt': 'q1 0 d3 1\nq2 0 d4 2\n',
    'bm25.run': run,
    'llm.run': run,
    'runs/bm25.run': run,
    'metrics.csv': 'epoch,step,loss\n0,1,0.5\n0,2,0.4\n',
    'hub/models--webis--monoelectra-base/refs/main': '0'.repeat(40),
  });
  const lines = ids.map((id, i) => `${JSON.stringify({ doc_id: id, text: text(i) })}\n`).join('');
  await writeFile(join(folder, 'docs.jsonl.gz'), gzipSync(lines));
  const snapshot = `hub/models--webis--monoelectra-base/snapshots/${'0'.repeat(40)}`;
  for (const model of ['my-model', 'electra-base-discriminator', snapshot]) await copyModel(join(folder, model));
  await mkdir(join(folder, 'node_modules'));
  await symlink(root, join(folder, 'node_modules/rank-distillm'));
}

test('TypeScript runs', () =>
  inFolder(async (folder) => {
    await projectOfSnippets(folder);
    const env = { ...process.env, HF_HUB_CACHE: join(folder, 'hub'), XDG_CACHE_HOME: join(folder, 'cache') };
    const blocks = allBlocks('ts');
    assert.ok(blocks.length >= 6);
    // in the order of the documents: one may read what the one before wrote
    for (const [i, { place, text }] of blocks.entries()) {
      await writeFile(join(folder, `snippet-${i}.ts`), text);
      const program = ['--import', LOADER, `snippet-${i}.ts`];
      await promisify(execFile)(process.execPath, program, { cwd: folder, env }).catch((error: Error) =>
        assert.unreachable(`${place}: ${error.message}`),
      );
    }
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
  const verbs: readonly string[] = (await run(['--help'])).stdout.match(/(?<=^ {2})[a-z][\w-]+/gm) ?? [];
  assert.ok(verbs.includes('re_rank'));
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
      const [, verb, rest = ''] = /\brank-distillm ([\w-]+)(.*)/.exec(command) ?? [];
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
