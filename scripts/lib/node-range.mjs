/**
 * Whether a version of Node.js is within package.json's `engines`, before npm has installed anything that could tell.
 *
 * @param {string} version
 * @param {string} range `^1.2.3` and `>=1.2.3`, with `||` between them
 */
export function isWithin(version, range) {
  return range.split('||').some((part) => {
    const found = /^(\^|>=)(\d+\.\d+\.\d+)$/.exec(part.trim());
    if (!found) throw new Error(`engines: ${part.trim()}: only ^1.2.3 and >=1.2.3 are understood`);
    const [, operator, oldest = ''] = found;
    const isNewEnough = version.localeCompare(oldest, 'en', { numeric: true }) >= 0;
    return isNewEnough && (operator === '>=' || version.split('.')[0] === oldest.split('.')[0]);
  });
}
