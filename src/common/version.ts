/** As in package.json, which is not always beside what was built. */
export const VERSION = '0.1.0';
