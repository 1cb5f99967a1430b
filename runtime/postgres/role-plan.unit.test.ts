import { describe, expect, it } from 'vitest';
import { psqlScript } from '../init-script.ts';
import { planRoles } from './role-plan.ts';

const options = { domain: 'image', database: 'shop_image', publication: 'millrace_image', rolePrefix: 'millrace' };

describe('the script of init', () => {
  const script = psqlScript(planRoles(options));

  it('makes an owner, an app and a capture role, of whom only capture may read the log and none is a superuser', () => {
    expect(script).toContain('CREATE ROLE "millrace_image_capture" LOGIN REPLICATION CONNECTION LIMIT 20');
    expect(script.match(/REPLICATION/g)).toHaveLength(1);
    expect(script).not.toMatch(/SUPERUSER|BYPASSRLS|CREATEDB|CREATEROLE/);
    expect(script).toContain('\\connect "shop_image"');
  });

  it('holds no password, and leaves none to be run by mistake', () => {
    const run = script.split('\n').filter((line) => !line.startsWith('--'));
    expect(run.join('\n')).not.toMatch(/password/i);
    expect(script).toContain('--   \\password millrace_image_owner');
  });

  it('has no capture role for a domain that nothing captures', () => {
    const plain = psqlScript(planRoles({ ...options, publication: undefined }));
    expect(plain).not.toContain('image_capture');
    expect(plain).not.toContain('REPLICATION');
  });

  it('lets nobody who writes the audit of dead letters change it', () => {
    expect(script).toContain("WHEN t.name = 'dead_letter_audit' THEN 'SELECT, INSERT'");
  });

  it('lets the app role read who captures and what is remembered and forgotten, and change it only where the upkeep is its own', () => {
    const plain = psqlScript(planRoles({ ...options, publication: undefined }));
    for (const table of ['capture_owner', 'capture_sources', 'inbox_horizon'])
      expect(script).toContain(`WHEN t.name = '${table}' THEN 'SELECT'\n`);
    expect(plain).toContain("WHEN t.name = 'inbox_horizon' THEN 'SELECT, INSERT, UPDATE'");
  });

  it('refuses a prefix that makes no role name, or too long a one', () => {
    for (const rolePrefix of ['', 'Mill', 'a-b', `a"; DROP ROLE x; --`])
      expect(() => planRoles({ ...options, rolePrefix })).toThrow(/role prefix/);
    expect(() => planRoles({ ...options, rolePrefix: 'a'.repeat(60) })).toThrow(/longer than 63/);
  });
});
