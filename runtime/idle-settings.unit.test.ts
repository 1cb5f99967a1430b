import { expect, it } from 'vitest';
import { pipeline } from '../pipeline.ts';
import { loadConfig } from './config.ts';
import { settingsWithoutDomain } from './idle-settings.ts';

const COMPLETE = {
  POSTGRES_URL: 'postgres://db:5432',
  KAFKA_BROKERS: 'a:9092',
  SCHEMA_REGISTRY_URL: 'http://registry:8081',
  REDIS_URL: 'redis://redis:6379',
  ELASTICSEARCH_URL: 'http://es:9200',
};

it('settings that end with a domain which there is not are named, and no others', () => {
  const right = { POSTGRES_URL_SCAN: 'postgres://scan:5432', POSTGRES_URL_MILLRACE: 'postgres://platform:5432', CAPTURE_MY: 'relay' };
  expect(settingsWithoutDomain(loadConfig({ ...COMPLETE, ...right }), pipeline)).toEqual([]);
  const urls = { POSTGRES_URL_SCNA: 'postgres://scan:5432', CAPTURE_URL_ORDER: 'postgres://c@db', REDIS_URL_X: 'redis://x' };
  const wrong = { ...urls, CAPTURE_ME: 'relay' };
  expect(settingsWithoutDomain(loadConfig({ ...COMPLETE, ...right, ...wrong }), pipeline)).toEqual([
    'POSTGRES_URL_SCNA',
    'CAPTURE_URL_ORDER',
    'CAPTURE_ME',
    'REDIS_URL_X',
  ]);
});
