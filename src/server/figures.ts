/** Sums for /metrics, made when it is asked for. */
import type { Broker } from '#core/broker.ts';
import type { BrokerFigures, ListenerFigures } from '#management/metrics.ts';
import type { HttpListener } from './http.ts';
import type { Listener } from './listener.ts';
import type { WebSockets } from './web-sockets.ts';

export function figuresOf(broker: Broker): BrokerFigures {
  const figures: BrokerFigures = {
    queues: broker.queueCount,
    messagesReady: 0,
    messagesUnacknowledged: 0,
    messagesDelayed: 0,
    consumers: 0,
    topics: 0,
    partitions: broker.partitionCount,
    exchanges: 0,
    memoryUsedBytes: broker.memory.usedBytes,
    memoryLimitBytes: broker.memory.limitBytes,
    memoryAlarm: broker.alarms.memory,
    diskAlarm: broker.alarms.disk,
  };
  for (const { queues, topics, exchanges, delays } of broker.namespaces.values()) {
    figures.topics += topics.size;
    figures.exchanges += exchanges.size;
    figures.messagesDelayed += delays.size;
    for (const queue of queues.values()) {
      figures.messagesDelayed += queue.delayedCount;
      figures.messagesReady += queue.readyCount;
      figures.messagesUnacknowledged += queue.unackedCount;
      figures.consumers += queue.consumerCount;
    }
  }
  return figures;
}

/** Connections over WebSocket are counted by themselves, beside the port that they came over. */
export function listenerFigures(listener: Listener | HttpListener | WebSockets): ListenerFigures {
  const { connectionCount, totals, traffic } = listener;
  const name = 'binding' in listener ? listener.binding.name : 'nats-websocket';
  return { name, connections: connectionCount, ...totals, ...traffic };
}
