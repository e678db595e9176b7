/** `\fcharsetN` of a font (specification 1.9.1, "Font Table") as WHATWG encoding names. */
const BY_CHARSET = new Map<number, string>([
  [0, 'windows-1252'],
  [77, 'macintosh'],
  [128, 'shift_jis'],
  [129, 'euc-kr'],
  [130, 'euc-kr'],
  [134, 'gbk'],
  [136, 'big5'],
  [161, 'windows-1253'],
  [162, 'windows-1254'],
  [163, 'windows-1258'],
  [177, 'windows-1255'],
  [178, 'windows-1256'],
  [186, 'windows-1257'],
  [204, 'windows-1251'],
  [222, 'windows-874'],
  [238, 'windows-1250'],
]);

/** `\ansicpgN`; the pages of DOS that no decoder here knows are read as Windows', whose ASCII is the same. */
const BY_CODE_PAGE = new Map<number, string>([
  [866, 'ibm866'],
  [874, 'windows-874'],
  [932, 'shift_jis'],
  [936, 'gbk'],
  [949, 'euc-kr'],
  [950, 'big5'],
  [1361, 'euc-kr'],
  [10000, 'macintosh'],
  [10007, 'x-mac-cyrillic'],
  [20866, 'koi8-r'],
  [54936, 'gb18030'],
  [65001, 'utf-8'],
]);

/** Undefined for the default charset and for symbols: the document's own encoding holds. */
export function encodingOfCharset(charset: number): string | undefined {
  return BY_CHARSET.get(charset);
}

export function encodingOfCodePage(codePage: number): string {
  if (codePage >= 1250 && codePage <= 1258) return `windows-${codePage}`;
  return BY_CODE_PAGE.get(codePage) ?? 'windows-1252';
}
