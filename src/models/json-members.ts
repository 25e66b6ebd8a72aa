/** Texts, brackets, separators, and what stands between them: numbers and words. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s{}[\]:,"]+/g;

/**
 * The members of a JSON object as they are written: key to the value's characters. Through JSON.parse and back 0.0 would
 * become 0 and 1000000000000000019884624838656 become 1e+30, which Python reads as other types.
 *
 * @param text a JSON object that JSON.parse has accepted
 */
export function membersOf(text: string): Map<string, string> {
  const members = new Map<string, string>();
  let depth = 0;
  let key: string | undefined;
  let start: number | undefined;
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    const [token] = match;
    if (depth === 1 && (token === ',' || token === '}') && key !== undefined) {
      members.set(key, text.slice(start, end));
      key = undefined;
      start = undefined;
    } else if (depth === 1 && token !== ':' && token !== ',') {
      if (key === undefined) key = JSON.parse(token) as string;
      else start ??= match.index;
    }
    if (token === '{' || token === '[') depth++;
    if (token === '}' || token === ']') depth--;
    end = match.index + token.length;
  }
  return members;
}

/** A JSON object of such members, sorted by key and indented by two as Python's libraries write it. */
export function joinMembers(members: ReadonlyMap<string, string>): string {
  const lines = [...members]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `  ${JSON.stringify(key)}: ${value}`);
  return lines.length === 0 ? '{}\n' : `{\n${lines.join(',\n')}\n}\n`;
}

/** Sets members to values, written as JSON. */
export function setMembers(members: Map<string, string>, values: Readonly<Record<string, unknown>>): void {
  for (const [key, value] of Object.entries(values)) members.set(key, JSON.stringify(value));
}
