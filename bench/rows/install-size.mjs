// What somebody downloads and keeps who installs the server.
import { bytesIn, bytesOf, closureOf, production } from '../packages.mjs';

const FRAMEWORK = ['@nestjs/core', '@nestjs/common', '@nestjs/platform-fastify', 'rxjs', 'reflect-metadata'];
/** What only compilers and debuggers read of packages; the image has none of it. */
const isKeptInImage = (name) => !/\.(?:map|[cm]?ts)$/.test(name);

export const installSizeRows = [
  {
    name: 'install-size',
    title: 'production packages and dist/ against what NestJS on Fastify alone needs',
    async run() {
      const [bare, whole] = await Promise.all([closureOf(FRAMEWORK), production()]);
      const size = async (measure, wanted) => {
        const [floor, packages, built] = await Promise.all([bytesOf(bare, wanted), bytesOf(whole, wanted), bytesIn('dist')]);
        return { measure, unit: 'MB', floor: floor / 1e6, subject: (packages + built) / 1e6, ratio: (packages + built) / floor, expected: null };
      };
      return [
        { measure: 'packages', unit: '', floor: bare.length, subject: whole.length, ratio: whole.length / bare.length, expected: null },
        await size('size'),
        await size('size as in the image, packages without types and source maps', isKeptInImage),
      ];
    },
  },
];
