// What somebody downloads and keeps who installs the server.
import { closureOf, filesIn, filesOf, production } from '../packages.mjs';

const FRAMEWORK = ['@nestjs/core', '@nestjs/common', '@nestjs/platform-fastify', 'rxjs', 'reflect-metadata'];
/** What only compilers and debuggers read of packages; the image has none of it. */
const isKeptInImage = ({ name }) => !/\.(?:map|[cm]?ts)$/.test(name);

const bytesOf = (files) => files.reduce((sum, { bytes }) => sum + bytes, 0);
const finding = (measure, unit, floor, subject) => ({ measure, unit, floor, subject, ratio: subject / floor, expected: null });

export const installSizeRows = [
  {
    name: 'install-size',
    title: 'production packages and dist/ against what NestJS on Fastify alone needs',
    async run() {
      const [bare, whole] = await Promise.all([closureOf(FRAMEWORK), production()]);
      const [framework, packages, built] = await Promise.all([filesOf(bare), filesOf(whole), filesIn('dist')]);
      const size = (measure, isWanted) => {
        const [floor, subject] = [framework, packages].map((files) => bytesOf(files.filter(isWanted)));
        return finding(measure, 'MB', floor / 1e6, (subject + bytesOf(built)) / 1e6);
      };
      return [
        finding('packages', '', bare.length, whole.length),
        size('size', () => true),
        size('size as in the image, packages without types and source maps', isKeptInImage),
      ];
    },
  },
];
