import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isForeignPage } from './http-origin.ts';

const HOST = 'localhost:9324';

test('a program sends neither field, whatever name it came by', () => {
  for (const host of [HOST, 'broker:9324', 'sqs.eu-west-1.amazonaws.com', '']) {
    assert.equal(isForeignPage('', '', host), false, host);
  }
});

test('pages of this machine may ask, others not', () => {
  for (const [origin, expected] of [
    ['http://localhost:3000', false],
    ['https://localhost', false],
    ['http://app.localhost:8080', false],
    ['http://127.0.0.1:5173', false],
    ['http://127.1.2.3', false],
    ['http://[::1]:3000', false],
    ['https://evil.example', true],
    ['http://localhost.evil.example', true],
    ['http://evillocalhost', true],
    ['http://127.0.0.1.evil.example', true],
    ['http://user@evil.example', true],
    ['http://192.168.0.5:3000', true],
    ['null', true],
    ['file://', true],
    ['nonsense', true],
  ] as const) {
    assert.equal(isForeignPage(origin, 'cross-site', HOST), expected, origin);
    assert.equal(isForeignPage(origin, '', '[::1]:9324'), expected, origin);
  }
});

test('links and images of a page have no Origin', () => {
  for (const [site, expected] of [
    ['cross-site', true],
    ['same-site', false],
    ['same-origin', false],
    ['none', false],
  ] as const) {
    assert.equal(isForeignPage('', site, HOST), expected, site);
  }
});

test('a name that only leads here is foreign', () => {
  assert.equal(isForeignPage('http://evil.example:9324', 'same-origin', 'evil.example:9324'), true);
  assert.equal(isForeignPage('', 'same-origin', 'evil.example:9324'), true);
  assert.equal(isForeignPage('', 'none', 'not a host'), true);
});
