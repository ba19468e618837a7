/**
 * Real brokers as peers to compare with: start, use, stop, nothing left behind.
 *
 *   const kafka = await startKafka({ properties: { 'num.partitions': '3' } });
 *   … localhost:${kafka.port} …
 *   await kafka.stop();
 */
export { cacheFolder, installOnce, repositoryRoot } from './cache.ts';
export { run } from './command.ts';
export { unpackDebianPackages } from './debian-packages.ts';
export { startElasticmq } from './elasticmq.ts';
export { kafkaClassPath, startKafka } from './kafka.ts';
export { copyMavenArtifacts } from './maven.ts';
export { startNats } from './nats.ts';
export { freePorts, type Peer, spawnOwned } from './peer-process.ts';
export { startRabbitmq } from './rabbitmq.ts';
