// What is installed of the packages in package-lock.json, without asking any registry.
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from '../scripts/build.mjs';

const { packages } = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8'));

async function isThere(place) {
  try {
    await stat(join(root, place));
    return true;
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw error;
  }
}

/** As Node finds it from there: beside it, or beside one of those it is inside of. */
function placeOf(name, from) {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('node_modules/') - 1))) {
    const place = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
    if (packages[place]) return place;
    if (folder === '') return null;
  }
}

/** What it cannot do without, and whatever more it would like and was given, such as what is built for this machine alone. */
function needsOf({ dependencies = {}, optionalDependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} }) {
  const peers = Object.keys(peerDependencies).filter((name) => !peerDependenciesMeta[name]?.optional);
  return [...Object.keys(dependencies), ...Object.keys(optionalDependencies), ...peers];
}

async function installed(places) {
  const there = await Promise.all(places.map(isThere));
  return places.filter((_, at) => there[at]);
}

/** @returns where packages of these names are, and all they need */
export function closureOf(names) {
  const found = new Set();
  const visit = (place) => {
    if (place === null || found.has(place)) return;
    found.add(place);
    for (const name of needsOf(packages[place])) visit(placeOf(name, place));
  };
  for (const name of names) visit(placeOf(name, ''));
  return installed([...found]);
}

/** @returns where the packages are that `npm ci --omit=dev` installs on this machine */
export function production() {
  return installed(Object.keys(packages).filter((place) => place !== '' && !packages[place].dev));
}

/** @returns name and size of each file in a folder, without those of packages within */
export async function filesIn(folder) {
  const items = await readdir(join(root, folder), { withFileTypes: true });
  const found = await Promise.all(
    items.map(async (item) => {
      const place = `${folder}/${item.name}`;
      if (item.isDirectory()) return item.name === 'node_modules' ? [] : filesIn(place);
      return item.isFile() ? [{ name: item.name, bytes: (await stat(join(root, place))).size }] : [];
    }),
  );
  return found.flat();
}

export const filesOf = async (places) => (await Promise.all(places.map(filesIn))).flat();
