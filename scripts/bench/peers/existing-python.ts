import { run } from '../../lib/run.mjs';
import type { Contender } from './contenders.js';
import type { PeerEnvironment } from './environment.js';

/** Prints a JSON object of the versions found; a package that is not there has null. */
const ASK = `
import importlib.metadata, importlib.util, json, sys
def version(name):
    if importlib.util.find_spec(name) is None:
        return None
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
print(json.dumps({name: version(name) for name in sys.argv[1:]}))`;

export interface ExistingPython {
  environment: PeerEnvironment;
  /** Those whose library it has. */
  runnable: Contender[];
  leftOut: Contender[];
}

/** The peers that run in a Python that somebody else has set up; there are no npm packages beside it. */
export async function existingPython(python: string, peers: readonly Contender[]): Promise<ExistingPython> {
  const names = peers.flatMap(({ library }) => (library && 'python' in library ? [library.python] : []));
  const asked = [...new Set(['torch', ...names])];
  const printed = await run(python, ['-c', ASK, ...asked], { what: python, quiet: true });
  const versions = JSON.parse(printed) as Record<string, string | null>;
  const has = ({ library }: Contender): boolean =>
    library !== undefined && 'python' in library && versions[library.python] !== null;
  return {
    environment: { python, packages: undefined, key: JSON.stringify(versions) },
    runnable: peers.filter(has),
    leftOut: peers.filter((peer) => !has(peer)),
  };
}
