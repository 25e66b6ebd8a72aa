// Compiles src into dist, as `tsc -p tsconfig.json` does, copies the tables beside modules, and then writes each type of options as an interface with the
// sentences that the settings' declarations have, so that editors and the reference show them. usage: node compile.mjs
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { filesBelow } from './hash.mjs';
import { root } from './root.mjs';

/**
 * @typedef {{ name: string, source: ts.SourceFile, type: ts.Type, schema: ts.EntityName }} OptionsType
 * @typedef {{ key: string, type: string, default: string, doc: string }} Row what src/config/describe.ts knows of a setting
 */

/** Of src, as `OptionsOf<typeof schema>`. */
const WRAPPER = 'OptionsOf';

const host = {
  getCanonicalFileName: (/** @type {string} */ name) => name,
  getCurrentDirectory: () => root,
  getNewLine: () => '\n',
};
const printer = ts.createPrinter({ removeComments: true });

function compile() {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (file) => ts.sys.readFile(file));
  const { fileNames, options, errors } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const program = ts.createProgram(fileNames, { ...options, listEmittedFiles: true });
  const { emitSkipped, emittedFiles = [], diagnostics } = program.emit();
  const problems = [...errors, ...ts.getPreEmitDiagnostics(program), ...diagnostics];
  process.stdout.write(ts.formatDiagnostics(ts.sortAndDeduplicateDiagnostics(problems), host));
  if (emitSkipped || problems.length > 0) process.exit(1);
  return { program, emittedFiles, outputOf: outputsOf(options) };
}

/** Copies the tables that modules read from beside themselves, before any is loaded. */
function copyTables() {
  const source = join(root, 'src');
  return filesBelow(source, (name) => name.endsWith('.json') && !name.startsWith('tsconfig')).map((file) => {
    const copy = join(root, 'dist', relative(source, file));
    mkdirSync(dirname(copy), { recursive: true });
    copyFileSync(file, copy);
    return copy;
  });
}

/** Where the JavaScript of a source file goes. @param {ts.CompilerOptions} options */
function outputsOf({ rootDir = root, outDir = root }) {
  return (/** @type {ts.SourceFile} */ { fileName }) => join(outDir, relative(rootDir, fileName)).replace(/ts$/, 'js');
}

/** The exported types of a source file that are options of a schema. @param {ts.TypeChecker} checker @param {ts.SourceFile} source @returns {OptionsType[]} */
function optionsTypes(checker, source) {
  return source.statements.flatMap((statement) => {
    if (!ts.isTypeAliasDeclaration(statement) || !ts.isTypeReferenceNode(statement.type)) return [];
    const [of] = statement.type.typeArguments ?? [];
    if (statement.type.typeName.getText() !== WRAPPER || !of || !ts.isTypeQueryNode(of)) return [];
    return [
      { name: statement.name.text, source, type: checker.getTypeAtLocation(statement.name), schema: of.exprName },
    ];
  });
}

class Flattener {
  /** @type {ts.TypeChecker} */ #checker;
  /** @type {(source: ts.SourceFile) => string} */ #outputOf;
  /** @type {Map<ts.Type, OptionsType>} */ #byType = new Map();
  /** The same by the schemas themselves. @type {Map<unknown, OptionsType>} */ #bySchema = new Map();

  /** @param {ts.TypeChecker} checker @param {(source: ts.SourceFile) => string} outputOf */
  constructor(checker, outputOf) {
    this.#checker = checker;
    this.#outputOf = outputOf;
  }

  /** @param {OptionsType[]} types */
  async writeAll(types) {
    for (const each of types) {
      this.#byType.set(each.type, each);
      this.#bySchema.set(await this.#schemaOf(each), each);
    }
    for (const [schema, each] of this.#bySchema) await this.#write(each, schema);
  }

  /** The schema itself, from the compiled module. @param {OptionsType} of */
  async #schemaOf({ schema }) {
    const [first, ...path] = schema.getText().split('.');
    let left = schema;
    while (ts.isQualifiedName(left)) left = left.left;
    let symbol = /** @type {ts.Symbol} */ (this.#checker.getSymbolAtLocation(left));
    if (symbol.flags & ts.SymbolFlags.Alias) symbol = this.#checker.getAliasedSymbol(symbol);
    const [declaration] = /** @type {ts.Declaration[]} */ (symbol.declarations);
    const source = /** @type {ts.Declaration} */ (declaration).getSourceFile();
    const module = await load(this.#outputOf(source));
    const value = path.reduce((part, name) => part?.[name], module[symbol.name]);
    if (value === undefined) throw new Error(`${source.fileName}: ${first} has to be exported for its documentation`);
    return value;
  }

  /** Replaces the type in the declarations of its file. @param {OptionsType} of @param {any} schema */
  async #write(of, schema) {
    const file = this.#outputOf(of.source).replace(/js$/, 'd.ts');
    const before = readFileSync(file, 'utf8');
    const alias = new RegExp(`^export type ${of.name} = ${WRAPPER}<typeof [\\w.]+>;$`, 'm');
    if (!alias.test(before)) throw new Error(`${file}: ${of.name} is not written as ${WRAPPER}<typeof schema>`);
    const { rowsOf } = await load(join(root, 'dist/config/describe.js'));
    const { optionName } = await load(join(root, 'dist/config/option-names.js'));
    const { unwrap } = await load(join(root, 'dist/config/schema/fields.js'));
    const rows = new Map(/** @type {Row[]} */ (rowsOf('', schema)).map((row) => [optionName(row.key), row]));
    /** @type {Set<string>} */
    const names = new Set();
    const lines = this.#checker.getPropertiesOfType(of.type).map((property) => {
      const row = rows.get(property.name);
      if (row === undefined) throw new Error(`${of.name}.${property.name}: its schema has no such setting`);
      const type = this.#checker.getTypeOfSymbol(property);
      const inner = unwrap(schema.shape[row.key]);
      const section = this.#bySchema.get(inner) ?? this.#bySchema.get(inner.element);
      const printed = section
        ? this.#reference(section, of.source) + (inner.element ? '[]' : '') + this.#emptyValues(type)
        : this.#print(type, of.source, names);
      const optional = property.flags & ts.SymbolFlags.Optional ? '?' : '';
      return `${comment(row)}\n    ${property.name}${optional}: ${printed};`;
    });
    const text = before.replace(alias, () => `export interface ${of.name} {\n${lines.join('\n')}\n}`);
    writeFileSync(file, importsFor(names, of.source, text) + text);
  }

  /** @param {OptionsType} to @param {ts.SourceFile} source */
  #reference(to, source) {
    if (to.source === source) return to.name;
    const path = relative(dirname(this.#outputOf(source)), this.#outputOf(to.source));
    return `import("${path.startsWith('.') ? path : `./${path}`}").${to.name}`;
  }

  /** @param {ts.Type} type */
  #emptyValues(type) {
    const parts = type.isUnion() ? type.types : [];
    const has = (/** @type {ts.TypeFlags} */ flag) => parts.some(({ flags }) => flags & flag);
    return `${has(ts.TypeFlags.Null) ? ' | null' : ''}${has(ts.TypeFlags.Undefined) ? ' | undefined' : ''}`;
  }

  /**
   * A type, with the names of those options in it that have one.
   * @param {ts.Type} type @param {ts.SourceFile} source @param {Set<string>} names of other types that are used
   * @returns {string}
   */
  #print(type, source, names) {
    const known = this.#byType.get(type);
    if (known) return this.#reference(known, source);
    if (type.isUnion() && type.types.some((part) => this.#byType.has(part))) {
      return type.types.map((part) => this.#print(part, source, names)).join(' | ');
    }
    if (this.#checker.isArrayType(type)) {
      const reference = /** @type {ts.TypeReference} */ (type);
      const [item] = this.#checker.getTypeArguments(reference);
      const readonly = reference.symbol.name === 'ReadonlyArray' ? 'readonly ' : '';
      const printed = this.#print(/** @type {ts.Type} */ (item), source, names);
      return readonly + (/[|&>]/.test(printed) ? `(${printed})[]` : `${printed}[]`);
    }
    const node = this.#checker.typeToTypeNode(type, source, ts.NodeBuilderFlags.NoTruncation);
    if (!node) throw new Error(`no type for ${this.#checker.typeToString(type)}`);
    collectNames(node, names);
    return printer.printNode(ts.EmitHint.Unspecified, node, source);
  }
}

/** @param {string} file @returns {Promise<any>} */
const load = (file) => import(pathToFileURL(file).href);

/** @param {ts.Node} node @param {Set<string>} names */
function collectNames(node, names) {
  if (ts.isTypeReferenceNode(node) && ts.isIdentifier(node.typeName)) names.add(node.typeName.text);
  node.forEachChild((child) => collectNames(child, names));
}

/**
 * The imports that a source file has for these names and its declarations have lost.
 * @param {Set<string>} names @param {ts.SourceFile} source @param {string} declarations
 */
function importsFor(names, source, declarations) {
  const imported = source.statements.filter(ts.isImportDeclaration).flatMap(({ importClause, moduleSpecifier }) => {
    const bindings = importClause?.namedBindings;
    if (!bindings || !ts.isNamedImports(bindings)) return [];
    return bindings.elements.map((element) => ({
      name: element.name.text,
      text: element.getText().replace(/^type /, ''),
      from: moduleSpecifier.getText(),
    }));
  });
  const there = ts.createSourceFile('x.d.ts', declarations, ts.ScriptTarget.Latest);
  const kept = new Set(
    there.statements.filter(ts.isImportDeclaration).flatMap(({ importClause }) => {
      const bindings = importClause?.namedBindings;
      return bindings && ts.isNamedImports(bindings) ? bindings.elements.map(({ name }) => name.text) : [];
    }),
  );
  const lost = imported.filter(({ name }) => names.has(name) && !kept.has(name));
  return lost.map(({ text, from }) => `import type { ${text} } from ${from};\n`).join('');
}

/** @param {Row} row */
function comment({ type, default: fallback, doc }) {
  const range = /^a (whole )?number .*\d/.test(type) ? ` Takes ${type}.` : '';
  const standard = fallback === '' || fallback === 'required' ? '' : `\n     * @defaultValue \`${fallback}\``;
  return `    /**\n     * ${`${doc}${range}`.replaceAll('*/', '*\\/')}${standard}\n     */`;
}

const { program, emittedFiles, outputOf } = compile();
emittedFiles.push(...copyTables());
const checker = program.getTypeChecker();
const sources = program.getSourceFiles().filter(({ isDeclarationFile }) => !isDeclarationFile);
const types = sources.flatMap((source) => optionsTypes(checker, source));
if (types.length > 0) await new Flattener(checker, outputOf).writeAll(types);
for (const file of emittedFiles) console.log(`TSFILE: ${file}`);
