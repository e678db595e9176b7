/** What a group's text is for. */
export type Destination = 'text' | 'note' | 'skip' | 'fonts' | 'styles' | 'title' | 'author';

const SKIPPED = [
  ['colortbl', 'filetbl', 'revtbl', 'rsidtbl', 'xmlnstbl', 'generator', 'nonesttables'],
  ['pict', 'nonshppict', 'object', 'shprslt', 'sp', 'sn', 'sv', 'fldinst', 'upr'],
  ['header', 'headerl', 'headerr', 'headerf', 'footer', 'footerl', 'footerr', 'footerf', 'ftnsep', 'ftnsepc', 'aftnsep', 'aftnsepc'],
  ['listtext', 'pntext', 'annotation', 'atnid', 'atnauthor', 'bkmkstart', 'bkmkend', 'tc', 'tcn', 'xe', 'txe', 'rxe'],
  ['subject', 'keywords', 'doccomm', 'operator', 'company', 'manager', 'category', 'comment', 'hlinkbase', 'creatim', 'revtim', 'printim', 'buptim'],
].flat();

/** By the word a group begins with. Others are formatting, and text like what is around them. */
export const DESTINATIONS = new Map<string, Destination>([
  ...SKIPPED.map((word) => [word, 'skip'] as const),
  ['footnote', 'note'],
  ['fonttbl', 'fonts'],
  ['stylesheet', 'styles'],
  ['title', 'title'],
  ['author', 'author'],
]);

/** Groups that begin with `\*` may be skipped by who does not know them; these hold text. */
export const STARRED_TEXT = new Set(['shpinst', 'shptxt', 'ud', 'fldrslt']);

/** Words that stand for a character. */
export const CHARACTERS = new Map([
  ['tab', '\t'],
  ['line', '\n'],
  ['emdash', '—'],
  ['endash', '–'],
  ['lquote', '‘'],
  ['rquote', '’'],
  ['ldblquote', '“'],
  ['rdblquote', '”'],
  ['bullet', '•'],
  ['emspace', ' '],
  ['enspace', ' '],
  ['~', '\u00a0'],
  ['_', '\u2011'],
]);
