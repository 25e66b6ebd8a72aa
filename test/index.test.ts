import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('public API');
const root = fileURLToPath(new URL('..', import.meta.url));

/** The types that the public part of a declaration names. */
function* namedTypes(node: ts.Node): Generator<ts.TypeReferenceNode | ts.ExpressionWithTypeArguments> {
  if (ts.isBlock(node) || ts.isPrivateIdentifier(node)) return;
  if (ts.isTypeReferenceNode(node) || ts.isExpressionWithTypeArguments(node)) yield node;
  const isHidden = ts.canHaveModifiers(node) && hasModifier(node, ts.SyntaxKind.PrivateKeyword);
  if (isHidden || (ts.isClassElement(node) && node.name && ts.isPrivateIdentifier(node.name))) return;
  const parts: ts.Node[] = [];
  node.forEachChild((child) => void parts.push(child));
  for (const part of parts) {
    // what a property starts with is no part of its type
    if (ts.isPropertyDeclaration(node) && part === node.initializer) continue;
    yield* namedTypes(part);
  }
}

function hasModifier(node: ts.HasModifiers, kind: ts.SyntaxKind): boolean {
  return ts.getModifiers(node)?.some((modifier) => modifier.kind === kind) ?? false;
}

test('every type of ours that a public signature names is exported', () => {
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, (path) => ts.sys.readFile(path)) as { config: object };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const program = ts.createProgram([`${root}src/index.ts`], { ...options, noEmit: true });
  const checker = program.getTypeChecker();
  const resolved = (symbol: ts.Symbol): ts.Symbol =>
    symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  const index = checker.getSymbolAtLocation(program.getSourceFile(`${root}src/index.ts`)!)!;
  const exported = new Set(checker.getExportsOfModule(index).map(resolved));
  assert.ok(exported.size > 50);

  const missing = new Set<string>();
  for (const symbol of exported) {
    for (const declaration of symbol.declarations ?? []) {
      for (const reference of namedTypes(declaration)) {
        const name = ts.isTypeReferenceNode(reference) ? reference.typeName : reference.expression;
        const found = checker.getSymbolAtLocation(name);
        const type = found && resolved(found);
        const file = type?.declarations?.[0]?.getSourceFile().fileName;
        const isParameter = type !== undefined && (type.flags & ts.SymbolFlags.TypeParameter) !== 0;
        const isOurs = file !== undefined && file.startsWith(root) && !file.includes('/node_modules/');
        if (type && isOurs && !isParameter && !exported.has(type)) missing.add(`${symbol.name}: ${type.name}`);
      }
    }
  }
  assert.equal([...missing], []);
});

test.run();
