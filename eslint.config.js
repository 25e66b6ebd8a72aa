import js from '@eslint/js';
import globals from 'globals';
import { defineConfig } from 'eslint/config';
import ts from 'typescript-eslint';

/** Data flows down: a folder of src imports only from those before it. CONTRIBUTING.md says what each is for. */
export const FOLDERS = [
  'io',
  'random',
  'config',
  'fetch',
  'data',
  'models',
  'tokenize',
  'engine',
  'ranks',
  'loss',
  'train',
  'evaluate',
  'rerank',
  'report',
  'compare',
  'report-page',
  'fit',
  'serve',
  'adapters',
  'doctor',
  'cli',
];

/** @type {import('eslint').Linter.Config[]} */
const importDirection = FOLDERS.map((folder, i) => {
  const later = FOLDERS.slice(i + 1).join('|') || 'index';
  const message = `src/${folder} imports only from errors.ts and the folders before it (CONTRIBUTING.md).`;
  return {
    files: [`src/${folder}/**/*.ts`],
    rules: {
      'no-restricted-imports': ['error', { patterns: [{ regex: `^(\\.\\./)+(index\\.js|(${later})/.*)$`, message }] }],
      // the same for `await import()`, which the rule above does not see
      'no-restricted-syntax': [
        'error',
        { selector: `ImportExpression[source.value=/^(\\.\\.\\u002F)+(index\\.js$|(${later})\\u002F)/]`, message },
      ],
    },
  };
});

export default defineConfig(
  { ignores: ['build/', 'dist/', 'prebuilds/', 'node_modules/', 'runs/'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [ts.configs.recommendedTypeChecked],
    languageOptions: {
      parserOptions: {
        project: ['./tsconfig.check.json', './src/report-page/page/tsconfig.json', './src/serve/page/tsconfig.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // A promise or a generator is often promised by an interface that has nothing to wait for here.
      '@typescript-eslint/require-await': 'off',
      // Messages show whatever value a file holds.
      '@typescript-eslint/no-base-to-string': 'off',
      '@typescript-eslint/restrict-template-expressions': 'off',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
  },
  { files: ['**/*.mjs', '**/*.js'], languageOptions: { globals: globals.node } },
  ...importDirection,
);
