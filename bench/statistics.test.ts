import assert from 'node:assert/strict';
import { test } from 'node:test';
import { median, pairwiseRatios, spread } from './statistics.ts';

test('the median sorts by value and averages the middle pair', () => {
  assert.equal(median([10, 9, 100]), 10);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.throws(() => median([]));
});

test('the spread names the extremes', () => {
  assert.deepEqual(spread([3, 1, 2]), { median: 2, min: 1, max: 3 });
});

test('ratios pair the rounds, so a slow moment of the machine hits both sides', () => {
  // The second round ran on a machine half as fast: the ratio of medians would say 1.5.
  const ratios = pairwiseRatios([20, 10, 30], [10, 5, 20]);
  assert.deepEqual(ratios, [2, 2, 1.5]);
  assert.equal(median(ratios), 2);
  assert.throws(() => pairwiseRatios([1], [1, 2]));
});
