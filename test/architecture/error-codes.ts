import ts from 'typescript';

/** Words that are told in lower case with underscores; PostgreSQL's and Node's own codes are not. */
const CODE = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/;

const nameOf = (node: ts.Node & { name?: ts.Node }): string => node.name?.getText() ?? '';

function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

function classAround(node: ts.Node): ts.ClassLikeDeclaration | undefined {
  for (let at = node.parent; at; at = at.parent) if (ts.isClassLike(at)) return at;
  return undefined;
}

const superclassOf = (declared: ts.ClassLikeDeclaration | undefined): string | undefined =>
  declared?.heritageClauses?.find(({ token }) => token === ts.SyntaxKind.ExtendsKeyword)?.types[0]?.expression.getText();

/** Of every class and function that is handed a `code`, by its name: as which argument. */
function positionsOfCode(files: readonly ts.SourceFile[]): Map<string, number> {
  const positions = new Map<string, number>();
  for (const file of files) {
    walk(file, (node) => {
      if (!ts.isConstructorDeclaration(node) && !ts.isFunctionDeclaration(node) && !ts.isMethodDeclaration(node)) return;
      const position = node.parameters.findIndex((parameter) => nameOf(parameter) === 'code');
      const owner = ts.isConstructorDeclaration(node) ? node.parent : node;
      if (position >= 0) positions.set(nameOf(owner), position);
    });
  }
  return positions;
}

/** The words that an expression or a type may be. */
function wordsOf(node: ts.Node | undefined): string[] {
  if (!node) return [];
  if (ts.isStringLiteralLike(node)) return [node.text];
  if (ts.isLiteralTypeNode(node)) return wordsOf(node.literal);
  if (ts.isUnionTypeNode(node)) return node.types.flatMap(wordsOf);
  if (ts.isArrayLiteralExpression(node)) return node.elements.flatMap(wordsOf);
  if (ts.isConditionalExpression(node)) return [node.whenTrue, node.whenFalse].flatMap(wordsOf);
  if (ts.isBinaryExpression(node)) return [node.left, node.right].flatMap(wordsOf);
  if (ts.isAsExpression(node) || ts.isSatisfiesExpression(node) || ts.isParenthesizedExpression(node)) return wordsOf(node.expression);
  return [];
}

/** What of a node is a code, if anything: a property, parameter or variable called `code`, an argument that becomes one, or a type or list of codes. */
function codesIn(node: ts.Node, positions: ReadonlyMap<string, number>): string[] {
  if (ts.isPropertyAssignment(node)) return nameOf(node) === 'code' ? wordsOf(node.initializer) : [];
  if (ts.isPropertyDeclaration(node) || ts.isParameter(node)) return nameOf(node) === 'code' ? [node.initializer, node.type].flatMap(wordsOf) : [];
  if (ts.isPropertySignature(node)) return nameOf(node) === 'code' ? wordsOf(node.type) : [];
  if (ts.isVariableDeclaration(node)) return /^code$|_(CODES|FAILURES)$/.test(nameOf(node)) ? wordsOf(node.initializer) : [];
  if (ts.isTypeAliasDeclaration(node)) return nameOf(node).endsWith('Code') ? wordsOf(node.type) : [];
  if (!ts.isNewExpression(node) && !ts.isCallExpression(node)) return [];
  const { expression } = node;
  const called = expression.kind === ts.SyntaxKind.SuperKeyword ? superclassOf(classAround(node)) : ts.isPropertyAccessExpression(expression) ? expression.name.text : expression.getText();
  const position = positions.get(called ?? '');
  return position === undefined ? [] : wordsOf(node.arguments?.[position]);
}

/** Every code that these sources can answer with, and the files that it is in. */
export function errorCodesIn(sources: Readonly<Record<string, string>>): Map<string, string[]> {
  const files = Object.entries(sources).map(([name, text]) => ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true));
  const positions = positionsOfCode(files);
  const found = new Map<string, string[]>();
  for (const file of files) {
    walk(file, (node) => {
      for (const code of codesIn(node, positions)) {
        if (CODE.test(code)) found.set(code, [...new Set([...(found.get(code) ?? []), file.fileName])]);
      }
    });
  }
  return found;
}
