import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isCompiled } from '../../scripts/lib/typescript.mjs';

const test = suite('declarations of the package');
const root = fileURLToPath(new URL('../..', import.meta.url));
const PROGRAM = `${root}hover.mts`;
const TEXT = `import { CrossEncoder, fit, type FitOptions } from './dist/index.js';
const model = await CrossEncoder.load('m', { precision: 'int8', config: { docLength: 3 } });
await model.rank('q', ['d'], { topK: 1 });
const options: FitOptions = {
  model: 'm',
  train: { dataset: { runPathOrId: 'a.run', targets: 'rank' }, batchSize: 2 },
  losses: [],
  trainer: { maxSteps: 3, limitTrainBatches: { batches: 2 } },
  earlyStopping: [{ monitor: 'loss', patience: 2 }],
};
await fit(options);
`;

/** What an editor shows over each option, by the sentences of its declaration in src/config/schema or beside its function. */
const SENTENCES = {
  precision: /precision\?: string \| number \| null.*\nPrecision of the computation; null: 32-true\./,
  docLength: /^\(property\) MonoOverrides\.docLength\?.*\nMost tokens of a document/,
  topK: /^\(property\) RankOptions\.topK\?: number.*\nNumber of documents to return, best first; default all\. .*at least 0/,
  trainer: /^\(property\) FitOptions\.trainer\?: TrainerSettings.*\nLightning's Trainer arguments\./,
  maxSteps:
    /^\(property\) TrainerSettings\.maxSteps\?: number.*\nOptimizer steps after which training ends; -1: no limit\./,
  batchSize: /^\(property\) TrainOptions\.batchSize: number\nSamples \(topics\) of a batch\./,
  earlyStopping: /: EarlyStoppingOptions\[\].*\nWhen to stop\./,
  patience: /^\(property\) EarlyStoppingOptions\.patience/,
};

if (!isCompiled()) console.log('skipped: dist is not up to date; npm run setup compiles it');
else {
  const { options } = ts.parseJsonConfigFileContent(
    (ts.readConfigFile(`${root}tsconfig.json`, (path) => ts.sys.readFile(path)) as { config: object }).config,
    ts.sys,
    root,
  );
  const service = ts.createLanguageService({
    getCompilationSettings: () => ({ ...options, noEmit: true, rootDir: root, skipLibCheck: false }),
    getScriptFileNames: () => [PROGRAM],
    getScriptVersion: () => '1',
    getScriptSnapshot: (path) =>
      ts.sys.fileExists(path) || path === PROGRAM
        ? ts.ScriptSnapshot.fromString(path === PROGRAM ? TEXT : readFileSync(path, 'utf8'))
        : undefined,
    getCurrentDirectory: () => root,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: (path) => path === PROGRAM || ts.sys.fileExists(path),
    readFile: (path) => (path === PROGRAM ? TEXT : ts.sys.readFile(path)),
    directoryExists: (path) => ts.sys.directoryExists(path),
    getDirectories: (path) => ts.sys.getDirectories(path),
  });

  test('an editor shows what each option means', () => {
    for (const [name, sentence] of Object.entries(SENTENCES)) {
      const { displayParts, documentation } = service.getQuickInfoAtPosition(PROGRAM, TEXT.indexOf(`${name}:`))!;
      assert.match(`${ts.displayPartsToString(displayParts)}\n${ts.displayPartsToString(documentation)}`, sentence);
    }
  });

  test('programs that use them, and the declarations themselves, have no type errors', () => {
    const program = service.getProgram()!;
    const ours = program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(`${root}dist/`));
    assert.ok(ours.length > 50);
    const problems = [program.getSourceFile(PROGRAM)!, ...ours].flatMap((file) =>
      program
        .getSemanticDiagnostics(file)
        .map(({ messageText }) => `${file.fileName}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`),
    );
    assert.equal(problems, []);
  });

  test('every option of every function has its sentence', () => {
    const program = service.getProgram()!;
    const checker = program.getTypeChecker();
    const index = checker.getSymbolAtLocation(program.getSourceFile(`${root}dist/index.d.ts`)!)!;
    const bare: string[] = [];
    let count = 0;
    for (const symbol of checker.getExportsOfModule(index)) {
      const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
      const [declaration] = target.declarations ?? [];
      const source = declaration
        ?.getSourceFile()
        .fileName.replace('/dist/', '/src/')
        .replace(/d\.ts$/, 'ts');
      const isOfSchema = source && ts.sys.readFile(source)?.includes(`export type ${target.name} = OptionsOf<`);
      if (!isOfSchema) continue;
      count += 1;
      for (const property of checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(target))) {
        if (property.getDocumentationComment(checker).length === 0) bare.push(`${target.name}.${property.name}`);
      }
    }
    assert.ok(count >= 20, `only ${count} types of options`);
    assert.equal(bare, []);
  });
}

test.run();
