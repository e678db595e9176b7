import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseAllDocuments, parseDocument } from 'yaml';
import { readEnv, VARIABLES } from '../../src/config/env.js';
import permissions from './endpoint-permissions.json' with { type: 'json' };

// Files are read as what they are, without types.
type Yaml = any;

const KUBERNETES = 'deploy/kubernetes';
/** Read by the SDK of S3 and not by us. */
const SDK_VARIABLES = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'];
const text = (file: string): string => readFileSync(file, 'utf8');

function parsed(file: string): Yaml {
  const document = parseDocument(text(file), { merge: true });
  expect([...document.errors, ...document.warnings]).toEqual([]);
  return document.toJS();
}

const secondsIn = (constant: RegExp, file: string): number => Number(constant.exec(text(file))![1]!.replace('_', '')) / 1000;
const shutdownSeconds = secondsIn(/SHUTDOWN_DEADLINE_MS = ([\d_]+)/, 'src/main.ts');

/** A real start would take these, or say which one it does not. */
function expectReadable(environment: Record<string, string>): void {
  for (const name of Object.keys(environment)) expect([...Object.keys(VARIABLES), ...SDK_VARIABLES]).toContain(name);
  readEnv(environment);
}

describe('the image', () => {
  const dockerfile = text('Dockerfile');

  it('copies only files that there are and that .dockerignore lets through', () => {
    const ignored = text('.dockerignore').split('\n');
    const sources = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, names]) => names!.split(' '));
    expect(sources.length).toBeGreaterThan(8);
    for (const source of sources) {
      expect([source, existsSync(source)]).toEqual([source, true]);
      expect(ignored).toContain(`!${source}`);
    }
  });

  it('runs as an ordinary user, names every variable as the server does, and asks an address that is served', () => {
    expect(dockerfile).toMatch(/^USER 1000:1000$/m);
    const [, set] = /^ENV (.+)$/m.exec(dockerfile)!;
    expectReadable({ ...Object.fromEntries(set!.split(' ').map((pair) => pair.split('='))), JWT_SECRET: 'j'.repeat(32), SEALING_KEY: 's'.repeat(32) });
    expect(permissions).toHaveProperty([`GET ${/\$\{process\.env\.PORT\}(\/[\w/]+)`/.exec(dockerfile)![1]}`], 'public');
  });
});

describe('compose.yaml', () => {
  const compose = parsed('compose.yaml');
  const services: [string, Yaml][] = Object.entries(compose.services);
  const example = Object.fromEntries([...text('deploy/.env.example').matchAll(/^(\w+)=(.*)$/gm)].map(([, name, value]) => [name!, value!]));
  const secrets = [...new Set([...text('compose.yaml').matchAll(/\$\{(\w+):\?/g)].map(([, name]) => name!))];

  it('asks for nothing that deploy/.env.example does not name, and that file has no secret that works', () => {
    const used = [...new Set([...text('compose.yaml').matchAll(/\$\{(\w+)/g)].map(([, name]) => name!))];
    expect(Object.keys(example).toSorted()).toEqual(used.toSorted());
    expect(Object.values(example).filter((value) => value !== '')).toEqual([]);
    // The command that makes them makes all of them.
    for (const name of secrets) expect(text('deploy/.env.example')).toMatch(new RegExp(`^#.*\\b${name}\\b`, 'm'));
  });

  it.each(['api', 'worker', 'migrate'])('gives %s an environment that it understands', (name) => {
    const substituted = Object.entries(compose.services[name].environment as Record<string, string>).map(([key, value]) => [key, value.replace(/\$\{(\w+):\?[^}]*\}/g, (_, variable: string) => variable.padEnd(64, 'a')).replace(/\$\{\w+:-([^}]*)\}/g, '$1')]);
    expectReadable(Object.fromEntries(substituted));
  });

  it.each(services)('gives %s no more rights than it needs, and a limit', (_, service) => {
    expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'], deploy: { resources: { limits: { memory: expect.any(String), cpus: expect.any(String) } } } });
    expect(service.image ?? service.build).not.toMatch(/:latest$/);
    expect(service.privileged).toBeUndefined();
  });

  it('mounts files and volumes that there are, and waits for services that there are', () => {
    for (const [, service] of services) {
      for (const [source] of (service.volumes ?? []).map((volume: string) => volume.split(':'))) expect(source.startsWith('./') ? existsSync(source) : source in compose.volumes).toBe(true);
      for (const network of service.networks) expect(compose.networks).toHaveProperty(network);
      for (const needed of Object.keys(service.depends_on ?? {})) expect(compose.services).toHaveProperty(needed);
    }
  });

  it('publishes the proxy alone, and gives the servers the time they take to stop', () => {
    expect(services.filter(([, service]) => service.ports).map(([name]) => name)).toEqual(['proxy']);
    for (const name of ['api', 'worker']) {
      expect(compose.services[name].deploy.replicas).toBe(2);
      expect(Number.parseInt(compose.services[name].stop_grace_period, 10)).toBeGreaterThan(shutdownSeconds);
    }
    expect(text('deploy/nginx.conf')).toContain('server api:3000 ');
    expect(compose.services.proxy.ports[0]).toMatch(new RegExp(`:${/listen (\d+);/.exec(text('deploy/nginx.conf'))![1]}$`));
  });
});

describe('deploy/kubernetes', () => {
  const files = readdirSync(KUBERNETES).filter((name) => name !== 'kustomization.yaml');
  const objects: Yaml[] = files.flatMap((name) =>
    parseAllDocuments(text(path.join(KUBERNETES, name))).map((document: Yaml) => {
      expect([...document.errors, ...document.warnings]).toEqual([]);
      return document.toJS();
    }),
  );
  const of = (kind: string, name: string): Yaml => objects.find((object) => object.kind === kind && object.metadata.name === name);
  const workloads = objects.filter(({ kind }) => ['Deployment', 'Job'].includes(kind));
  const servers = objects.filter(({ kind }) => kind === 'Deployment');

  it('is all in the kustomization, but for the secrets', () => {
    expect((parsed(path.join(KUBERNETES, 'kustomization.yaml')).resources as string[]).concat('secret.example.yaml').toSorted()).toEqual(files.toSorted());
    expect(objects.filter(({ kind }) => kind === 'Secret').flatMap(({ stringData }) => Object.values(stringData)).filter((value) => value !== '')).toEqual([]);
  });

  it.each(workloads.map((object) => [object.metadata.name, object]))('gives %s an environment that it understands', (_, { spec }) => {
    const [container] = spec.template.spec.containers;
    const sources = container.envFrom.map((source: Yaml) => (source.configMapRef ? of('ConfigMap', source.configMapRef.name).data : of('Secret', source.secretRef.name).stringData));
    const own = Object.fromEntries((container.env ?? []).map(({ name, value }: Yaml) => [name, value ?? '']));
    const made = { DATABASE_URL: 'postgres://morag@db/morag', REDIS_URL: 'redis://redis', JWT_SECRET: 'j'.repeat(32), SEALING_KEY: 's'.repeat(32), ADMIN_PASSWORD: 'a-password-of-a-person', METRICS_TOKEN: 'm'.repeat(16), AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 's' };
    const environment: Record<string, string> = Object.assign({}, ...sources, own);
    for (const [name, value] of Object.entries(made)) if (environment[name] === '') environment[name] = value;
    expectReadable(environment);
    expect(environment['MIGRATE_ON_START']).toBe('false');
  });

  it.each(workloads.map((object) => [object.metadata.name, object]))('lets %s do nothing but its work', (_, { spec }) => {
    const pod = spec.template.spec;
    expect(pod).toMatchObject({ automountServiceAccountToken: false, securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } } });
    for (const container of pod.containers) {
      expect(container).toMatchObject({ image: 'morag-server', securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } }, resources: { requests: { cpu: expect.any(String), memory: expect.any(String) }, limits: { memory: expect.any(String) } } });
      expect(container.volumeMounts.map((mount: Yaml) => mount.mountPath)).toEqual(expect.arrayContaining(['/data', '/tmp']));
      for (const mount of container.volumeMounts) expect(pod.volumes.map((volume: Yaml) => volume.name)).toContain(mount.name);
    }
  });

  it.each(servers.map((object) => [object.metadata.name, object]))('asks %s after its health where it answers, on the port on which it listens', (_, { spec }) => {
    const [container] = spec.template.spec.containers;
    const port = Number(of('ConfigMap', 'morag').data.PORT);
    expect(container.ports).toEqual([{ name: 'http', containerPort: port }]);
    expect(text('Dockerfile')).toMatch(new RegExp(`^EXPOSE ${port}$`, 'm'));
    for (const [probe, route] of [['startupProbe', '/health/live'], ['livenessProbe', '/health/live'], ['readinessProbe', '/health/ready']] as const) {
      expect(container[probe].httpGet).toEqual({ path: route, port: 'http' });
      expect(permissions).toHaveProperty([`GET ${route}`], 'public');
    }
    // A start may wait for the migration that long.
    expect(container.startupProbe.periodSeconds * container.startupProbe.failureThreshold).toBeGreaterThan(secondsIn(/WAIT_MS = ([\d_]+)/, 'src/schema.ts'));
  });

  it.each(servers.map((object) => [object.metadata.name, object]))('gives %s the time that it takes to stop', (_, { spec }) => {
    const [container] = spec.template.spec.containers;
    const pause = Number(container.lifecycle?.preStop.exec.command[1] ?? 0);
    expect(spec.template.spec.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(pause + shutdownSeconds + 5);
  });

  it('selects Pods that there are', () => {
    const labels = workloads.map(({ spec }) => spec.template.metadata.labels);
    const selectors = objects.flatMap(({ kind, spec }) => (kind === 'Service' ? [spec.selector] : [spec?.selector?.matchLabels ?? spec?.podSelector?.matchLabels ?? []].flat()));
    expect(selectors).toHaveLength(8);
    for (const selector of selectors) expect(labels).toContainEqual(selector);
    expect(of('HorizontalPodAutoscaler', 'morag-api').spec).toMatchObject({ minReplicas: 2, scaleTargetRef: { name: of('Deployment', 'morag-api').metadata.name } });
    const [{ backend }] = of('Ingress', 'morag-api').spec.rules[0].http.paths;
    expect(of('Service', backend.service.name).spec.ports.map((port: Yaml) => port.name)).toContain(backend.service.port.name);
  });

  it('is spoken of in docs/operations.md', () => {
    for (const file of globSync('deploy/**/*.*')) expect([file, text('docs/operations.md').includes(path.basename(file)) || file.startsWith(KUBERNETES)]).toEqual([file, true]);
  });
});
