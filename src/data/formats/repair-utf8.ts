/** UTF-8 of four, three and two bytes that was read as Latin-1, so that each byte is a character. */
const MISREAD = [/[\xf0-\xf4][\x80-\xbf]{3}/g, /[\xe0-\xef][\x80-\xbf]{2}/g, /[\xc2-\xdf][\x80-\xbf]/g];
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Undoes UTF-8 that was encoded twice: `donâ\x80\x99t` becomes `don’t`. Equal to what ir_datasets makes of the MS MARCO
 * passages (its FixEncoding), in which a text may hold both broken and sound characters: longer sequences go first, and
 * what results is not looked at again.
 */
export function repairUtf8(text: string): string {
  return MISREAD.reduce((repaired, misread) => repaired.replace(misread, decoded), text);
}

function decoded(misread: string): string {
  try {
    return strict.decode(Buffer.from(misread, 'latin1'));
  } catch {
    return misread; // a surrogate or an overlong form
  }
}
